#!/usr/bin/env python3
"""Draws what Prometheus saw of a load: requests, p99 and errors over time. load-picture.py KEPT.json docs/pictures/load.svg

KEPT.json comes from `KEEP=KEPT.json scripts/watching-live.sh`. The picture has no background and colours that can be read on white and
on black.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP, FOOT = 860, 110, 70, 14, 34, 44, 42
INK, GRID, MARK = "#7d8590", "#7d859040", "#bf8700"
# name, title, unit, colour
CHARTS = [
    ("requests", "Requests to the API", "/s", "#2f81f7"),
    ("p99", "p99: 99 of 100 are faster (each line is ten times the one below)", "s", "#8957e5"),
    ("errors", "Errors (5xx)", "/s", "#da3633"),
]


def ceiling(highest):
    """The next number that looks good at an axis."""
    if highest <= 0:
        return 1
    power = 10 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= highest)


def text(x, y, words, anchor="start", color=INK, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-weight="{weight}">{escape(words)}</text>'


def line(x1, y1, x2, y2, color, dashes=""):
    dashes = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{dashes}/>'


def scale(name, values):
    """(labels of the axis, a number's height between 0 and 1). Durations go from milliseconds to seconds, by powers of ten."""
    if name == "p99":
        return (0.01, 0.1, 1, 10), lambda value: max(0, math.log10(max(value, 0.01) / 0.01) / 3)
    highest = ceiling(max(values))
    return (0, highest / 2, highest), lambda value: value / highest


def chart(name, title, unit, color, kept, marks, begin, end, top):
    values = [(float(at), float(value)) for at, value in kept[name] if not math.isnan(float(value))]
    labels, height = scale(name, [value for _, value in values])
    x = lambda at: LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)
    y = lambda value: top + HEIGHT - height(value) * HEIGHT
    drawn = [text(LEFT, top - 10, title, color=color, weight="bold")]
    for label in labels:
        drawn += [line(LEFT, y(label), WIDTH - RIGHT, y(label), GRID), text(LEFT - 8, y(label) + 4, f"{label:g} {unit}", "end")]
    points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in values)
    first, last, floor = x(values[0][0]), x(values[-1][0]), top + HEIGHT
    drawn += [f'<polygon points="{first:.1f},{floor} {points} {last:.1f},{floor}" fill="{color}" fill-opacity="0.15"/>']
    drawn += [f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8" stroke-linejoin="round"/>']
    for number, (at, _) in enumerate(marks, 1):
        drawn += [line(x(at), top, x(at), top + HEIGHT, MARK, "3 3"), text(x(at) + 4, top + 11, str(number), color=MARK)]
    return drawn


def main(kept_in, picture):
    with open(kept_in) as file:
        kept = json.load(file)
    times = [float(at) for name, *_ in CHARTS for at, _ in kept[name]]
    begin, end = min(times), max(times)
    marks = [(float(at), words) for at, words in kept["marks"] if begin < float(at) < end]
    drawn, top = [], TOP
    for each in CHARTS:
        drawn += chart(*each, kept, marks, begin, end, top)
        top += HEIGHT + GAP
    base = top - GAP
    step = 30 if end - begin > 90 else 10
    for seconds in range(0, int(end - begin) + 1, step):
        x = LEFT + seconds / (end - begin) * (WIDTH - LEFT - RIGHT)
        drawn.append(text(x, base + 18, f"{seconds} s", "middle"))
    for number, (_, words) in enumerate(marks, 1):
        column, row = (number - 1) % 2, (number - 1) // 2
        drawn.append(text(LEFT + column * (WIDTH - LEFT) / 2, base + FOOT + row * 18, f"{number}  {words}", color=MARK))
    height = base + FOOT + (len(marks) + 1) // 2 * 18
    title = "What Prometheus saw of a load: requests a second, 99th percentile of their duration, errors a second"
    with open(picture, "w") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="12">\n<title>{title}</title>\n' + "\n".join(drawn) + "\n</svg>\n"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
