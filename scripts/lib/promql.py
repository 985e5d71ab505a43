"""As much PromQL as the checks of dashboards and alerts need: the names in a query, and an alert without its comparison.

Whether a query is PromQL at all is for promtool to say. What is not understood here is an error, and not a guess.
"""

import re

TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<number>\d[\w.]*)
      | (?P<name>[A-Za-z_:][\w:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],@])""",
    re.X,
)
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
# What is followed by a list of labels in parentheses.
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = GROUPING | {"and", "or", "unless", "bool", "offset", "Inf", "NaN", "start", "end"}
OPEN, CLOSE = {"(", "{", "["}, {")", "}", "]"}


class NotUnderstood(ValueError):
    pass


# In a dashboard, the variables of Grafana stand for these.
VARIABLES = {"$__rate_interval": "1m", "$__auto": "1m", "$component": ".*", "$route": "/v1/.*", "$request_id": ""}


def filled(query):
    """The query as Grafana would send it."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    if "$" in query:
        raise NotUnderstood(f"a variable that nobody knows: {query}")
    return query


def tokens(query):
    found, at = [], 0
    while at < len(query):
        match = TOKEN.match(query, at)
        if not match:
            raise NotUnderstood(f"at {query[at : at + 20]!r} in {query}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group(), match.start(), match.end()))
        at = match.end()
    return found


def metrics(query):
    """The names of the series that the query reads."""
    found, all_tokens = set(), tokens(query)
    depth = 0  # inside of { } or [ ] or a list of labels
    for number, (kind, text, _, _) in enumerate(all_tokens):
        before = all_tokens[number - 1][1] if number else ""
        after = all_tokens[number + 1][1] if number + 1 < len(all_tokens) else ""
        if text in {"{", "["} or (text == "(" and (before in GROUPING or depth)):
            depth += 1
        elif depth and text in CLOSE:
            depth -= 1
        elif not depth and kind == "name" and text not in WORDS and after != "(" and after not in GROUPING:
            found.add(text)
    return found


def aggregations(query):
    """[(label, what is aggregated by it)] of every `by (…) (…)` in the query."""
    found, all_tokens = [], tokens(query)
    for number, (kind, text, _, _) in enumerate(all_tokens):
        if kind != "name" or text != "by":
            continue
        closing = next((at for at in range(number, len(all_tokens)) if all_tokens[at][1] == ")"), len(all_tokens))
        rest = query[all_tokens[closing][3] :].strip() if closing < len(all_tokens) else ""
        if not rest.startswith("("):
            raise NotUnderstood(f"nothing in parentheses behind by (…) in {query}")
        depth = 0
        for _, text, start, _ in tokens(rest):
            depth += (text in OPEN) - (text in CLOSE)
            if depth == 0:
                found += [(label, rest[1:start].strip()) for kind, label, _, _ in all_tokens[number:closing] if kind == "name" and label != "by"]
                break
        else:
            raise NotUnderstood(f"parentheses in {query}")
    return found


def split(query, separators):
    """[(separator before it or "", operand)] at the top level of the query."""
    parts, depth, begin, before = [], 0, 0, ""
    for _, text, start, end in tokens(query):
        depth += (text in OPEN) - (text in CLOSE)
        if depth < 0:
            raise NotUnderstood(f"parentheses in {query}")
        if depth == 0 and text in separators:
            parts.append((before, query[begin:start].strip()))
            before, begin = text, end
    if depth:
        raise NotUnderstood(f"parentheses in {query}")
    parts.append((before, query[begin:].strip()))
    if any(not operand for _, operand in parts):
        raise NotUnderstood(f"an operand is missing in {query}")
    return parts


def inside(query, function=""):
    """What stands within the parentheses, when they are around all of the query."""
    if not query.startswith(function + "("):
        return None
    depth = 0
    for _, text, start, end in tokens(query):
        depth += (text in OPEN) - (text in CLOSE)
        if depth == 0 and text in CLOSE:
            return query[len(function) + 1 : start].strip() if end == len(query) else None
    return None


def without_matching(operand):
    """An operand without the `bool`, `on (…)`, `group_left (…)` in front of it."""
    while match := re.match(r"bool\b|(on|ignoring|group_left|group_right)\s*\([^()]*\)", operand):
        operand = operand[match.end() :].strip()
    return operand


def watched(alert):
    """The series that an alert looks at: its expression without its comparisons, and in parts where it has several.

    Of `a > 1 and b > 2` both a and b have to be there, of `a or b` too; of `a unless b` only a.
    """
    alert = without_matching(alert.strip())
    for separators in ({"or"}, {"and", "unless"}):
        parts = split(alert, separators)
        if len(parts) > 1:
            return [found for separator, part in parts if separator != "unless" for found in watched(part)]
    sides = split(alert, COMPARISONS)
    if len(sides) > 2:
        raise NotUnderstood(f"two comparisons in {alert}")
    if len(sides) == 2:
        found = [each for _, side in sides if metrics(side) for each in watched(side)]
        if not found:
            raise NotUnderstood(f"nothing is compared in {alert}")
        return found
    for function in ("", "absent"):
        content = inside(alert, function)
        if content is not None:
            return watched(content)
    if alert.startswith("absent") or not metrics(alert):
        raise NotUnderstood(alert)
    return [alert]
