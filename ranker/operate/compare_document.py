"""What a comparison came to, as one JSON document (docs/reference.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from ranker.core.agreement import agreement, first_places, ranks_of
from ranker.core.rules import RULE_PREFIX, by_outcome, in_force
from ranker.core.times import rfc3339
from ranker.log.stretch import Part
from ranker.operate.compare import Comparison, Counts, Definition


def document(found: Comparison, boards: Sequence[str], places: int, site: str | None = None) -> dict[str, Any]:
    """The first `places` of each of `boards`, and what else was counted, of every site that was found or of `site`."""
    sites = sorted({name for counts in found.counts for name in counts.outcomes}) if site is None else [site]
    return {
        "topic": found.definitions[0].generation.topic,
        "from": rfc3339(found.stretch.from_ms),
        "to": rfc3339(found.stretch.to_ms),
        "requested_from": rfc3339(found.requested.from_ms),
        "records": found.records,
        "create_time": found.create_time,
        "partitions": [_partition(part) for part in found.parts],
        "places": places,
        "definitions": [_definition(*pair) for pair in zip(found.definitions, found.counts, strict=True)],
        "sites": [_site(found, name, boards, places) for name in sites],
    }


def _partition(part: Part) -> dict[str, Any]:
    first = None if part.first_ms is None else rfc3339(part.first_ms)
    return {
        "partition": part.partition,
        "from_offset": part.start,
        "to_offset": part.end,
        "cut": part.cut,
        "first_append": first,
    }


def _definition(definition: Definition, counts: Counts) -> dict[str, Any]:
    return {
        "definition": definition.name,
        "generation": definition.generation.id,
        "rules": list(in_force(definition.generation)),
        "late": counts.late,
        "dead_letters": dict(sorted(counts.dead.items())),
        "skipped": dict(sorted(counts.skipped.items())),
        "lost": counts.lost,
        "settled": counts.settled,
        "given_up": counts.given_up,
    }


def _site(found: Comparison, site: str, boards: Sequence[str], places: int) -> dict[str, Any]:
    return {
        "site": site,
        "dropped": [_dropped(*pair, site) for pair in zip(found.definitions, found.counts, strict=True)],
        "boards": [_board(found, site, board, places) for board in boards],
    }


def _dropped(definition: Definition, counts: Counts, site: str) -> dict[str, Any]:
    """A share is of all that was counted for the site, dropped or not; None if that is not above zero."""
    outcomes: Mapping[str, int] = counts.outcomes.get(site, {})
    counted = sum(outcomes.values())
    rules = [
        {
            "rule": rule,
            "outcome": outcome.removeprefix(RULE_PREFIX),
            "count": outcomes.get(outcome, 0),
            "share": round(outcomes.get(outcome, 0) / counted, 6) if counted > 0 else None,
        }
        for outcome, rule in by_outcome(definition.generation).items()
    ]
    return {"definition": definition.name, "counted": counted, "rules": rules}


def _board(found: Comparison, site: str, board: str, places: int) -> dict[str, Any]:
    """Of the definitions that have this board."""
    lists = {
        definition.name: counts.lists.get((site, board), {})
        for definition, counts in zip(found.definitions, found.counts, strict=True)
        if board in definition.generation.boards
    }
    heads = {name: first_places(counts, places) for name, counts in lists.items()}
    shown = {article for head in heads.values() for article, _ in head}
    ranks = {name: ranks_of(counts, shown) for name, counts in lists.items()}
    return {
        "board": board,
        "lists": [
            {
                "definition": name,
                "total": sum(counts.values()),
                "articles": sum(count > 0 for count in counts.values()),
                "items": [
                    {"article_id": article, "count": count, "ranks": {other: ranks[other][article] for other in lists}}
                    for article, count in heads[name]
                ],
            }
            for name, counts in lists.items()
        ],
        "agreement": [
            {"definitions": [one, other], **agreement(lists[one], lists[other], places)._asdict()}
            for one, other in combinations(lists, 2)
        ],
    }
