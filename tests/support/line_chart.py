"""Line charts as SVG: the same points give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 430, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 44, 40
ACROSS = 2
TITLE = 36


@dataclass(frozen=True)
class Axis:
    """What is along it; `log`: in powers of ten."""

    name: str
    log: bool


@dataclass(frozen=True)
class Line:
    """Points in order of x."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One chart of several."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool

    def part(self, value: float) -> float:
        if self.log:
            value, low, high = log10(max(value, 1e-12)), log10(self.low), log10(self.high)
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> list[float]:
        if self.log:
            return [10.0**power for power in range(round(log10(self.low)), round(log10(self.high)) + 1)]
        step = _step(self.high - self.low)
        return [self.low + step * number for number in range(int((self.high - self.low) / step + 1e-9) + 1)]


def chart(title: str, panels: Sequence[Panel]) -> str:
    """All panels, two beside each other."""
    rows = ceil(len(panels) / ACROSS)
    width, height = ACROSS * WIDTH, TITLE + rows * HEIGHT
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="11" fill="#222" role="img">'
    )
    parts = [
        opening,
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, number % ACROSS * WIDTH, TITLE + number // ACROSS * HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: int, top: int) -> Iterator[str]:
    across = _scale(panel.x, [x for line in panel.lines for x, _ in line.points])
    up = _scale(panel.y, [y for line in panel.lines for _, y in line.points])
    x0, x1, y0, y1 = left + LEFT, left + WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP

    def at(x: float, y: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * across.part(x), y0 + (y1 - y0) * up.part(y)

    yield f'<text x="{x0}" y="{top + 14}" font-weight="600">{escape(panel.title)}</text>'
    for tick in up.ticks():
        y = at(across.low, tick)[1]
        yield f'<path d="M{x0} {y:.1f}H{x1}" stroke="#e3e3e3"/>'
        yield f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
    for tick in across.ticks():
        x = at(tick, up.low)[0]
        yield f'<path d="M{x:.1f} {y0}v4" stroke="#888"/>'
        yield f'<text x="{x:.1f}" y="{y0 + 16}" text-anchor="middle">{_number(tick)}</text>'
    yield f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="#888"/>'
    yield f'<text x="{x1}" y="{y0 + 31}" text-anchor="end">{escape(panel.x.name)}</text>'
    for place, line in enumerate(panel.lines):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line.points))
        yield f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="1.8"/>'
        key = x0 + place * 118
        yield f'<path d="M{key} {top + 28}h14" stroke="{line.colour}" stroke-width="3"/>'
        yield f'<text x="{key + 18}" y="{top + 32}">{escape(line.name)}</text>'


def _scale(axis: Axis, values: Sequence[float]) -> _Scale:
    if axis.log:
        low, high = floor(log10(max(min(values), 1e-12)) + 1e-9), ceil(log10(max(values)) - 1e-9)
        return _Scale(10.0**low, 10.0 ** max(high, low + 1), log=True)
    step = _step(max(values))
    return _Scale(0.0, ceil(max(values) / step - 1e-9) * step, log=False)


def _step(span: float) -> float:
    rough = span / 5 if span > 0 else 1.0
    power = 10.0 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _number(value: float) -> str:
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:.3g}"
