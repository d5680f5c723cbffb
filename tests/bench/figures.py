"""What was measured: figures with units, targets and ratios; the table on the terminal and the JSON in a file."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

_HOLDS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Target:
    """What a figure has to reach: ("<=", 30)."""

    relation: str
    bound: float

    def holds(self, value: float) -> bool:
        return bool(_HOLDS[self.relation](value, self.bound))


@dataclass(frozen=True)
class Figure:
    """One measured number. `beside` says what a ratio is taken to, or how it was measured."""

    name: str
    value: float
    unit: str
    target: Target | None = None
    beside: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "reached" if self.target.holds(self.value) else "missed"


@dataclass
class Part:
    """One part of the bench. `notes` say what a reader of the figures has to know; `details` are for the JSON alone."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, target: str = "", beside: str = "") -> None:
        """Note a figure; `target` as "<= 30"."""
        relation, _, bound = target.partition(" ")
        self.figures.append(Figure(name, value, unit, Target(relation, float(bound)) if target else None, beside))

    def as_json(self) -> dict[str, Any]:
        figures = []
        for figure in self.figures:
            entry = {name: value for name, value in asdict(figure).items() if value not in (None, "")}
            entry["value"] = round(figure.value, 4)
            if figure.target is not None:
                entry["target"] = f"{figure.target.relation} {figure.target.bound:g}"
                entry["verdict"] = figure.verdict
            figures.append(entry)
        return {"figures": figures, "notes": self.notes, "details": self.details}


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of all lie at or below: 0.99 of 100 values is the 99th."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def readable(value: float) -> str:
    """Three significant digits, thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_part(console: Console, part: Part) -> None:
    """Show a part as a table, its notes below."""
    table = Table(title=part.name, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("unit")
    table.add_column("target", justify="right")
    table.add_column("")
    table.add_column("beside", style="dim")
    for figure in part.figures:
        colour = {"reached": "green", "missed": "red", "": ""}[figure.verdict]
        target = f"{figure.target.relation} {readable(figure.target.bound)}" if figure.target else ""
        verdict = f"[{colour}]{figure.verdict}[/]" if colour else ""
        table.add_row(figure.name, readable(figure.value), figure.unit, target, verdict, figure.beside)
    console.print(table)
    for note in part.notes:
        console.print(f"  {note}", style="dim", highlight=False)
