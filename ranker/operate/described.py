"""A generation in words, line by line, and what differs between two."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ranker.core import rules
from ranker.core.generation import Generation


def described(generation: Generation) -> dict[str, str]:
    """Name to text of all that decides counts: two generations that differ have a line that does."""
    boards = ", ".join(
        f"{board} ({' + '.join(f'{weight} {outcome}' for outcome, weight in sorted(weights.items()))})"
        for board, weights in sorted(generation.boards.items())
    )
    sites = "every site" if generation.sites is None else ", ".join(generation.sites)
    source = generation.source
    return {
        "topic": generation.topic + (f", epoch {generation.epoch}" if generation.epoch else ""),
        "windows": ", ".join(
            f"{w.name} ({w.length_ms // 1000:,} s in slices of {w.grain_ms // 1000} s)" for w in generation.windows
        ),
        "boards": boards,
        "rules": f"{_rules(generation)}; counts {sites}",
        "lanes": f"{generation.lanes} lanes",
        "source": "" if isinstance(source, msgspec.UnsetType) else msgspec.json.encode(source).decode(),
        "contract": f"version {generation.schema_version}",
    }


def differences(old: Generation, new: Generation) -> Mapping[str, tuple[str, str]]:
    """The lines of `described` that differ, as (old, new)."""
    before, after = described(old), described(new)
    return {name: (before[name], text) for name, text in after.items() if before[name] != text}


def _rules(generation: Generation) -> str:
    named = ", ".join(rules.in_force(generation)) or "none"
    remembering = rules.memory_rules(generation)
    if remembering is None:
        return named
    types = f" of {', '.join(remembering.types)}" if remembering.repeat else ""
    return f"{named}{types}, grace {remembering.grace_ms // 1000} s, at most {remembering.max_keys:,} keys a shard"
