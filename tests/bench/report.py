"""A bench run as a file: JSON with every detail, or a page with the tables."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import Part, readable


def write(path: Path, began: dt.datetime, machine: dict[str, Any], parts: list[Part]) -> None:
    """Write the kind of file that the suffix names: .md, else JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".md":
        path.write_text("\n".join(_page(began, machine, parts)) + "\n")
        return
    report = {
        "date": began.isoformat(timespec="seconds"),
        "machine": machine,
        "parts": {part.name: part.as_json() for part in parts},
    }
    path.write_text(json.dumps(report, indent=2) + "\n")


def _page(began: dt.datetime, machine: dict[str, Any], parts: list[Part]) -> Iterator[str]:
    yield f"# Bench of {began.date()}"
    yield ""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    of_machine = [f"{name} {version}" for name, version in machine.items() if isinstance(version, str)]
    yield f"{machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB; {', '.join(of_machine)}; {packages}."
    yield f"Load of the machine before the run: {machine['load_before']:.2g}. Made by `make bench`."
    for part in parts:
        yield from (
            "",
            f"## {part.name}",
            "",
            "| figure | measured | unit | target | | beside |",
            "|---|---:|---|---:|---|---|",
        )
        for figure in part.figures:
            target = f"{figure.target.relation} {readable(figure.target.bound)}" if figure.target else ""
            verdict = f"**{figure.verdict}**" if figure.verdict == "missed" else figure.verdict
            cells = (figure.name, readable(figure.value), figure.unit, target, verdict, figure.beside)
            yield "| " + " | ".join(cells) + " |"
        for note in part.notes:
            yield from ("", note)
