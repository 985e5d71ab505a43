"""Reads a Dockerfile and its .dockerignore, as far as ours go. What is not understood is an error, never skipped."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


class NotUnderstood(Exception):
    """The file says something that this reader does not know."""


@dataclass
class Step:
    """An instruction of a stage: COPY or RUN."""

    line: int
    kind: str
    flags: dict
    # COPY: sources and destination; RUN: the shell line alone.
    words: list


@dataclass
class Stage:
    """What stands between a FROM and the next."""

    base: str
    name: str
    workdir: str = "/"
    steps: list = field(default_factory=list)
    arguments: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)
    volumes: list = field(default_factory=list)
    ports: list = field(default_factory=list)
    user: str = ""
    entrypoint: list = field(default_factory=list)
    command: list = field(default_factory=list)
    healthcheck: list = field(default_factory=list)


FLAGS = {"RUN": {"mount"}, "COPY": {"from", "chown"}, "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"}}


def _instructions(text):
    """Pairs of line number and instruction, with comments gone and continued lines joined."""
    pending, began = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and not pending):
            continue
        began = began or number
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1].strip() + " "
            continue
        yield began, (pending + line.strip()).strip()
        pending, began = "", 0
    if pending:
        raise NotUnderstood(f"line {began}: it never ends")


def _take_flags(kind, rest, line):
    """The `--name=value` in front of an instruction's words; one name may come several times."""
    flags = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        name, value = match.groups()
        if name not in FLAGS.get(kind, set()):
            raise NotUnderstood(f"line {line}: {kind} --{name}")
        flags.setdefault(name, []).append(value)
        rest = rest[match.end():]
    if rest.startswith("--"):
        raise NotUnderstood(f"line {line}: {kind} {rest.split()[0]}")
    return flags, rest


def _exec_form(rest, line):
    try:
        words = json.loads(rest)
    except json.JSONDecodeError as error:
        raise NotUnderstood(f'line {line}: not of the form ["…", "…"], so it would need a shell: {rest}') from error
    if not words or not all(isinstance(word, str) for word in words):
        raise NotUnderstood(f"line {line}: {rest}")
    return words


def _pairs(rest, line):
    pairs = {}
    for word in shlex.split(rest):
        name, equals, value = word.partition("=")
        if not equals:
            raise NotUnderstood(f"line {line}: {word} is not NAME=value")
        pairs[name] = value
    return pairs


def read(path):
    """The stages of the Dockerfile at `path`, in their order."""
    stages = []
    for line, instruction in _instructions(Path(path).read_text(encoding="utf-8")):
        kind, _, rest = instruction.partition(" ")
        rest = rest.strip()
        if kind == "FROM":
            match = re.fullmatch(r"(\S+) AS (\S+)", rest)
            if not match:
                raise NotUnderstood(f"line {line}: FROM {rest}")
            stages.append(Stage(*match.groups()))
            continue
        if not stages:
            raise NotUnderstood(f"line {line}: {kind} before the first FROM")
        stage = stages[-1]
        flags, rest = _take_flags(kind, rest, line)
        if kind == "RUN":
            if rest.startswith(("[", "<<")):
                raise NotUnderstood(f"line {line}: RUN {rest}")
            stage.steps.append(Step(line, kind, flags, [rest]))
        elif kind == "COPY":
            words = shlex.split(rest)
            if len(words) < 2 or any(set(word) & set("*?[$") for word in words):
                raise NotUnderstood(f"line {line}: COPY {rest}")
            stage.steps.append(Step(line, kind, flags, words))
        elif kind == "WORKDIR" and not stage.steps and rest.startswith("/"):
            stage.workdir = rest
        elif kind == "ARG":
            stage.arguments.update(_pairs(rest, line))
        elif kind == "ENV":
            stage.environment.update(_pairs(rest, line))
        elif kind == "LABEL":
            stage.labels.update(_pairs(rest, line))
        elif kind == "USER":
            if not re.fullmatch(r"\d+:\d+", rest):
                raise NotUnderstood(f"line {line}: USER {rest} is not uid:gid in numbers")
            stage.user = rest
        elif kind == "VOLUME":
            stage.volumes += _exec_form(rest, line)
        elif kind == "EXPOSE":
            stage.ports += [int(port) for port in rest.split()]
        elif kind == "ENTRYPOINT":
            stage.entrypoint = _exec_form(rest, line)
        elif kind == "CMD":
            stage.command = _exec_form(rest, line)
        elif kind == "HEALTHCHECK":
            if not rest.startswith("CMD "):
                raise NotUnderstood(f"line {line}: HEALTHCHECK {rest}")
            stage.healthcheck = _exec_form(rest[4:].strip(), line)
        else:
            raise NotUnderstood(f"line {line}: {instruction}")
    return stages


def context(files, dockerignore):
    """Those of `files` that reach the builder: the last pattern that fits a file decides."""
    patterns = []
    for line in Path(dockerignore).read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        wanted = line.startswith("!")
        pattern = line.removeprefix("!").strip("/")
        if pattern != "*" and set(pattern) & set("*?[\\"):
            raise NotUnderstood(f".dockerignore: {line}")
        patterns.append((wanted, pattern))

    def goes(file):
        outcome = True
        for wanted, pattern in patterns:
            if pattern == "*" or file == pattern or file.startswith(f"{pattern}/"):
                outcome = wanted
        return outcome

    return [file for file in files if goes(file)]
