"""Reads the little of Alloy's language that grafana/alloy.alloy is written in. What is not understood is an error, never skipped."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r'\s+|//[^\n]*|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][\w.]*)|(?P<sign>[{}\[\],=])')


class NotUnderstood(Exception):
    """The file says something that this reader does not know."""


@dataclass
class Block:
    """`name "label" { … }`, with what is set in it and the blocks within."""

    name: str
    label: str = ""
    values: dict = field(default_factory=dict)
    blocks: list = field(default_factory=list)


def _tokens(text):
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise NotUnderstood(f"line {text.count(chr(10), 0, at) + 1}: {text[at:at + 20]!r}")
        at = match.end()
        if match.lastgroup:
            yield match.lastgroup, match.group()


class _Reader:
    def __init__(self, text):
        self.tokens = list(_tokens(text)) + [("end", "")]
        self.at = 0

    def take(self, *wanted):
        kind, text = self.tokens[self.at]
        if wanted and text not in wanted and kind not in wanted:
            raise NotUnderstood(f"{text!r} where {' or '.join(wanted)} belongs")
        self.at += 1
        return kind, text

    def peek(self):
        return self.tokens[self.at][1]

    def value(self):
        kind, text = self.take("text", "name", "[", "{")
        if kind == "text":
            return text[1:-1]
        if kind == "name":
            return text
        values = [] if text == "[" else {}
        closing = "]" if text == "[" else "}"
        while self.peek() != closing:
            if text == "[":
                values.append(self.value())
            else:
                name = self.take("name", "text")[1].strip('"')
                self.take("=")
                values[name] = self.value()
            if self.peek() != closing:
                self.take(",")
        self.take(closing)
        return values

    def body(self, block, closing):
        while self.peek() != closing:
            name = self.take("name")[1]
            if self.peek() == "=":
                self.take("=")
                if name in block.values:
                    raise NotUnderstood(f"{block.name} says {name} twice")
                block.values[name] = self.value()
                continue
            inner = Block(name)
            kind, text = self.take("text", "{")
            if kind == "text":
                inner.label = text[1:-1]
                self.take("{")
            self.body(inner, "}")
            self.take("}")
            block.blocks.append(inner)
        return block


def read(text):
    """The blocks of the file."""
    return _Reader(text).body(Block("file"), "").blocks
