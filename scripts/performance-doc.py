#!/usr/bin/env python3
"""Writes docs/performance.md from what `make bench` has measured. performance-doc.py benches/results.json docs/performance.md [NEW]

No number on that page is written by hand: what was measured is in the results, what is wanted in benches/targets.json. What a profile
says is added from benches/profile.md when there is one. NEW is a run that takes the place of what was measured before; subjects that
it did not measure are kept, with their date. A quick run is refused: it measures nothing.
"""

import json
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent / "benches"

# subject: title, what was done
SUBJECTS = {
    "placing": ("Random orders", """Orders of three different lines over ten thousand variants. The rulers are PostgreSQL's own `pgbench` with our
statements on the same tables: A sends one statement for each round trip, B a whole order as one statement, and the ceiling does for batches of
32 orders what `oms` does, and nothing else. The latency of the ceiling is that of a batch."""),
    "hot": ("One hot variant", """Every order is one line of the same variant. The bystander is one more connection that orders others only,
alone and while 64 order the hot one."""),
    "few": ("Few connections", "What an order takes when little else is going on."),
    "two": ("Two servers", "Two processes on one database against one, with as many connections together."),
    "reads": ("Reads", """What strangers see, with Redis, while the seller changes one in a hundred products every second. The bare server answers
with the same bytes over the same HTTP stack and does nothing else; it runs in a process of its own, in the same minutes."""),
    "growth": ("Growth", """Two shops that differ in nothing but how many orders they have had in a year: the same question to both, in turn, over
four connections. Lists are read at any page, the operator's with one of eight filters or a search for words of an order that is there."""),
    "overload": ("Overload", "Twice as many connections as requests may be in flight, in rounds of a minute; the share is the middle one of each round's beside what came just before and after it. Who is told 503 asks again at once."),
}


def number(value, unit=""):
    """As people read it: few digits, commas between thousands."""
    if value == int(value) or abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return f"{text} {unit}".rstrip() if unit not in ("×", "/s") else f"{text}{unit}" if unit == "/s" else f"{unit} {text}"


def verdict(line, value, numbers):
    if line["target"] is None:
        return "–", "–"
    wanted = f"at {line['at']} {number(line['target'], line['unit'])}"
    is_met = value >= line["target"] if line["at"] == "least" else value <= line["target"]
    if "or" not in line:
        return wanted, "yes" if is_met else "**no**"
    # Machines differ: as many milliseconds as there were for what ruler A took when the target was set.
    wanted += f", or × {line['or']} of ruler A's"
    if is_met:
        return wanted, "yes"
    if line["of"] not in numbers:
        return wanted, "**no** (ruler A was not timed)"
    share = value / numbers[line["of"]]
    return wanted, f"{'yes' if share <= line['or'] else '**no**'} ({number(share, '×')} of {number(numbers[line['of']], 'ms')})"


def goals(results):
    yield "## What is wanted\n"
    yield """Milliseconds depend on the machine. Where two limits stand, either will do: the second is what the first was on the machine on which it
was set, where `pgbench` took 29.9 ms for an order with ruler A (2,143 a second for 64 clients), and 85.3 ms when all wanted the same variant.
"""
    yield "| what | wanted | measured | met |\n|---|---|---|---|"
    about = None
    for line in json.loads((BENCHES / "targets.json").read_text()):
        if line["line"] != about:
            about = line["line"]
            yield f"| **{about}** | | | |"
        value = results["numbers"].get(line["number"])
        if value is None:
            yield f"| {line['name']} | {verdict(line, 0, results['numbers'])[0]} | not measured | |"
            continue
        wanted, met = verdict(line, value, results["numbers"])
        yield f"| {line['name']} | {wanted} | {number(value, line['unit'])} | {met} |"


def subject(name, title, words, results):
    yield f"\n## {title}\n\n{words}\n"
    yield "| | requests/s | p50 ms | p99 ms | PostgreSQL µs | server µs | clients µs | rounds |\n|---|--:|--:|--:|--:|--:|--:|---|"
    for row in results["rows"]:
        if row["subject"] == name:
            cells = [number(row[key]) if row[key] else "–" for key in ("per_second", "p50_ms", "p99_ms", "database_us", "server_us", "crowd_us")]
            yield f"| {row['name']} | {' | '.join(cells)} | {', '.join(number(each) for each in row['rounds'])} |"


def kept(new, old):
    """The new run, and of the old one the subjects that the new one did not measure."""
    subjects = {name.split(".")[0] for name in new["numbers"]}
    missing = {name.split(".")[0] for name in old["numbers"]} - subjects
    return {
        **new,
        "rows": new["rows"] + [row for row in old["rows"] if row["subject"] in missing],
        "numbers": new["numbers"] | {name: value for name, value in old["numbers"].items() if name.split(".")[0] in missing},
        "earlier": {subject: old.get("earlier", {}).get(subject, old["date"]) for subject in sorted(missing)},
    }


def page(results):
    machine, settings = results["machine"], results["settings"]
    yield "# How fast it is\n"
    yield f"""Measured with `make bench` at {results['date']} on {machine['cores']} cores ({machine['processor']}), {number(machine['memory_mb'])} MB,
{machine['kernel']}, {machine['postgresql']}. Written by `make bench-publish` from `benches/results.json`.

Everything shares the machine: the server, PostgreSQL with fsync on and {settings['shared_buffers']} of shared buffers, Redis, and the
clients, whose own processor time stands beside what they measured. Each number is the middle of {settings['rounds']} rounds of up to
{settings['seconds']} seconds; rounds of contestants alternate, each after a vacuum and a checkpoint. Orders come over HTTP with a token and an idempotency
key of their own, and each leaves stock movements, an event and a job; metrics and the log are on. Every answer is checked. At the end the
audit found no difference in any of {number(results['numbers']['audit.orders'])} orders, nor in the shops of the subjects that have their own.
"""
    earlier = [f"{subject} ({date})" for subject, date in results.get("earlier", {}).items()]
    if earlier:
        yield f"Of an earlier run: {', '.join(earlier)}.\n"
    yield from goals(results)
    for name, (title, words) in SUBJECTS.items():
        if any(row["subject"] == name for row in results["rows"]):
            yield from subject(name, title, words, results)
    yield "\n## All other numbers\n\n| number | value |\n|---|--:|"
    told = {line["number"] for line in json.loads((BENCHES / "targets.json").read_text())}
    for name, value in sorted(results["numbers"].items()):
        if name not in told:
            yield f"| `{name}` | {number(value)} |"
    profile = BENCHES / "profile.md"
    if profile.exists():
        yield "\n" + profile.read_text().strip()


def main():
    source, target, *new = sys.argv[1:]
    results = json.loads(Path(source).read_text())
    if new:
        results = kept(json.loads(Path(new[0]).read_text()), results)
    if results["settings"]["quick"]:
        sys.exit("a quick run measures nothing")
    Path(source).write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    Path(target).write_text("\n".join(page(results)) + "\n")


main()
