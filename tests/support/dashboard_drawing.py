"""A dashboard as an SVG, from its JSON and from what Prometheus replied to its queries: for the docs."""

import math
import re
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tests.support.dashboard_axes import marks, shown

COLUMN = 50
LINE = 32
GAP = 6
LETTER = 6.2
"""Pixels of one letter of the text, about."""
HEADING = 24
LEGEND = 15
PALETTE = ("#3274d9", "#e0752d", "#2f9e44", "#b0332a", "#8f3bb8", "#b58900", "#1f8a8a", "#d6518f", "#666666", "#7a5c3e")
COLOURS = {"green": "#2f9e44", "orange": "#d9730d", "red": "#c92a2a", "blue": "#3274d9"}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292e}.g{stroke:#e3e4e6}.m{fill:#6a737d;font-size:11px}"
    ".l{fill:none;stroke-width:1.4;stroke-linejoin:round}.h{font-weight:600}.r{font-size:15px;font-weight:600}"
)


@dataclass(frozen=True)
class Line:
    """One series: its name in the legend, the letter of its query, and (Unix time in seconds, value)."""

    legend: str
    query: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Span:
    """The time that is drawn."""

    start_s: float
    end_s: float
    step_s: float


def legend_of(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """A series' name as Grafana makes it of the query's format."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), target.get("legendFormat", ""))


def draw(dashboard: Mapping[str, Any], lines: Mapping[int, Sequence[Line]], span: Span, footer: str) -> str:
    """The whole screen. `lines` are each panel's, by its id."""
    top = 34
    height = top + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"]) * LINE + 24
    width = 24 * COLUMN + 2 * GAP
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}><title>{escape(dashboard["title"])}</title>',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#f4f5f6"/>',
        _text(GAP * 2, 23, dashboard["title"], "r"),
        _text(width - GAP * 2, 23, dashboard["description"], "m", "end"),
    ]
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        x, y = at["x"] * COLUMN + GAP, top + at["y"] * LINE
        box = _Box(x + GAP / 2, y + GAP / 2, at["w"] * COLUMN - GAP, at["h"] * LINE - GAP)
        parts.extend(_panel(panel, box, lines.get(panel["id"], ()), span))
    parts.append(_text(GAP * 2, height - 9, footer, "m"))
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


def _panel(panel: Mapping[str, Any], box: _Box, lines: Sequence[Line], span: Span) -> Iterator[str]:
    if panel["type"] == "row":
        yield _text(box.x + 4, box.y + 19, panel["title"], "h")
        return
    yield (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="3" fill="#fff" '
        f'stroke="#dcdfe2"><title>{escape(panel["description"])}</title></rect>'
    )
    yield _text(box.x + 10, box.y + 17, panel["title"], "h")
    inner = _Box(box.x + 10, box.y + HEADING, box.width - 20, box.height - HEADING - 6)
    if panel["type"] == "text":
        yield from _markdown(panel["options"]["content"], inner)
    elif panel["type"] == "stat":
        yield from _stat(panel, inner, lines, span)
    else:
        yield from _timeseries(panel, inner, lines, span)


def _markdown(content: str, box: _Box) -> Iterator[str]:
    """Paragraphs and lists; of a link its text."""
    y = box.y + 14
    for line in content.splitlines():
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line).replace("**", "").replace("*", "").replace("`", "")
        words = f"• {plain[2:]}" if plain.startswith("- ") else plain
        for part in textwrap.wrap(words, int(box.width / LETTER)) or [""]:
            yield _text(box.x, y, part)
            y += 17


def _stat(panel: Mapping[str, Any], box: _Box, lines: Sequence[Line], span: Span) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    points = [point for line in lines[:1] for point in line.points if not math.isnan(point[1])]
    if not points:
        yield _text(box.x + box.width / 2, box.y + box.height / 2, "No data", "m", "middle")
        return
    value = points[-1][1]
    colour = "blue"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    size = min(44, int(box.height * 0.42))
    words = shown(value, defaults["unit"], defaults.get("decimals"))
    graph = _Box(box.x, box.y + box.height * 0.62, box.width, box.height * 0.38)
    values = [value for _, value in points]
    area = _Plot(graph, span, min(0, *values), max(1e-9, *values))
    for run in area.runs(points):
        yield f'<path d="{run}" class="l" stroke="{COLOURS[colour]}" opacity=".45"/>'
    yield (
        f'<text x="{box.x + box.width / 2:g}" y="{box.y + box.height * 0.5:g}" text-anchor="middle" '
        f'style="font-size:{size}px;font-weight:600;fill:{COLOURS[colour]}">{escape(words)}</text>'
    )


@dataclass(frozen=True)
class _Plot:
    """Where a point lies."""

    box: _Box
    span: Span
    low: float
    high: float

    def at(self, when_s: float, value: float) -> tuple[int, float]:
        x = self.box.x + self.box.width * (when_s - self.span.start_s) / (self.span.end_s - self.span.start_s)
        return round(x), round(self.y(value), 1)

    def y(self, value: float) -> float:
        return self.box.y + self.box.height * (1 - (value - self.low) / (self.high - self.low))

    def runs(self, points: Sequence[tuple[float, float]]) -> Iterator[str]:
        """A path for each stretch without a hole; a stretch of one point is a dash."""
        run: list[tuple[float, float]] = []
        for point in [*points, (math.inf, math.nan)]:
            if run and (math.isnan(point[1]) or point[0] - run[-1][0] > self.span.step_s * 1.5):
                drawn = [self.at(*one) for one in run]
                yield "M" + " ".join(f"{x:g},{y:g}" for x, y in drawn) + ("h2" if len(drawn) == 1 else "")
                run = []
            if not math.isnan(point[1]):
                run.append(point)


def _timeseries(panel: Mapping[str, Any], box: _Box, lines: Sequence[Line], span: Span) -> Iterator[str]:
    defaults, field = panel["fieldConfig"]["defaults"], panel["fieldConfig"]
    right = {one["matcher"]["options"]: one["properties"] for one in field["overrides"]}
    units = {query: {one["id"]: one["value"] for one in properties}["unit"] for query, properties in right.items()}
    stacked = "stacking" in defaults["custom"]
    drawn = _stacked(lines) if stacked else [(line, line.points) for line in lines]
    names = [line.legend for line in lines]
    legend, more = _legend_lines(names, box.width)
    left_pad, right_pad = 62, 62 if right else 4
    plot = _Box(
        box.x + left_pad,
        box.y + 6,
        box.width - left_pad - right_pad,
        box.height - 24 - (LEGEND * (len(legend)) if any(names) else 0),
    )
    for side in ("left", "right"):
        mine = [(line, points) for line, points in drawn if (line.query in right) == (side == "right")]
        values = [value for _, points in mine for _, value in points if not math.isnan(value)]
        if side == "right" and not values:
            continue
        unit = next((units[line.query] for line, _ in mine if line.query in units), defaults["unit"])
        ticks = marks(min([0, *values]), max([0, *values]), unit)
        axis = _Plot(plot, span, ticks[0], ticks[-1])
        yield from _axis(axis, ticks, unit, at_right=side == "right")
        for line, points in mine:
            colour = PALETTE[lines.index(line) % len(PALETTE)]
            for path in axis.runs(points):
                if stacked and "h2" not in path:
                    closed = f"{path}V{axis.y(0):g}H{path[1:].partition(',')[0]}Z"
                    yield f'<path d="{closed}" fill="{colour}" fill-opacity=".12"/>'
                yield f'<path d="{path}" class="l" stroke="{colour}"/>'
        if not values:
            yield _text(plot.x + plot.width / 2, plot.y + plot.height / 2, "No data", "m", "middle")
    yield from _time_axis(plot, span)
    if any(names):
        yield from _legend(legend, more, box.x, box.y + box.height - LEGEND * (len(legend) - 1), names)


def _stacked(lines: Sequence[Line]) -> list[tuple[Line, list[tuple[float, float]]]]:
    """Each line upon those before it; the highest first, so that none hides another."""
    sums: dict[float, float] = {}
    found = []
    for line in lines:
        for when_s, value in line.points:
            sums[when_s] = sums.get(when_s, 0.0) + (0.0 if math.isnan(value) else value)
        found.append((line, [(when_s, sums[when_s]) for when_s, _ in line.points]))
    return found[::-1]


def _axis(axis: _Plot, ticks: Sequence[float], unit: str, *, at_right: bool) -> Iterator[str]:
    box = axis.box
    for tick in ticks:
        y = axis.y(tick)
        if not at_right:
            yield f'<path d="M{box.x:g},{y:.1f}h{box.width:g}" class="g"/>'
        x = box.x + box.width + 5 if at_right else box.x - 5
        yield _text(x, y + 4, shown(tick, unit), "m", "start" if at_right else "end")


def _time_axis(box: _Box, span: Span) -> Iterator[str]:
    every = next(s for s in (60, 120, 300, 600, 1800, 3600, 7200, 86400) if (span.end_s - span.start_s) / s <= 8)
    for number in range(math.ceil(span.start_s / every), math.floor(span.end_s / every) + 1):
        x = box.x + box.width * (number * every - span.start_s) / (span.end_s - span.start_s)
        yield _text(x, box.y + box.height + 14, time.strftime("%H:%M", time.gmtime(number * every)), "m", "middle")


def _legend_lines(names: Sequence[str], width: float, at_most: int = 3) -> tuple[list[list[int]], int]:
    """The numbers of the names in each line, and how many have no place."""
    found: list[list[int]] = [[]]
    left = width
    for number, name in enumerate(names):
        needed = len(name) * LETTER + 28
        if needed > left and found[-1]:
            if len(found) == at_most:
                return found, len(names) - number
            found.append([])
            left = width
        found[-1].append(number)
        left -= needed
    return found, 0


def _legend(legend: Sequence[Sequence[int]], more: int, x: float, y: float, names: Sequence[str]) -> Iterator[str]:
    for row, numbers in enumerate(legend):
        place = x
        for number in numbers:
            colour = PALETTE[number % len(PALETTE)]
            yield f'<rect x="{place:g}" y="{y + row * LEGEND - 5:g}" width="12" height="3" fill="{colour}"/>'
            yield _text(place + 16, y + row * LEGEND, names[number], "m")
            place += len(names[number]) * LETTER + 28
        if more and row == len(legend) - 1:
            yield _text(place, y + row * LEGEND, f"+{more}", "m")


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(words)}</text>'
