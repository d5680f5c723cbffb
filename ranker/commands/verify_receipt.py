"""`ranker verify RECEIPT.json`: recounts the list of a receipt."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ranker.commands.common import load_settings, user_errors
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.receipts import Outcome
    from ranker.recount.receipts import Given
    from ranker.settings import Settings

_SHOWN = 10
"""Rows that are printed if they are not those of the receipt."""
_NAMED = 20
_LONGEST = 1_200


def run(
    config: str | None, file: BinaryIO, definition: BinaryIO | None, accepted: dict[int, int], *, as_json: bool
) -> None:
    """Ends the process with exit code 1 if the list differs."""
    from ranker.recount import receipts
    from ranker.recount.definition import generation_of

    with user_errors():
        settings = load_settings(config)
        try:
            given = receipts.read(file.read(receipts.MOST_BYTES + 1))
        except receipts.NoReceiptError as error:
            raise click.ClickException(f"{file.name}: {error}") from error
        canonical = None if definition is None else definition.read(receipts.MOST_BYTES).strip()
        wanted = given.receipt.generation
        if canonical is not None and generation_of(canonical) != wanted:
            raise click.ClickException(
                f"{definition.name}: this is not the definition of generation {wanted}, which the receipt names; "  # type: ignore[union-attr]
                f"`ranker generations definition {wanted}` prints it"
            )
        began = time.perf_counter()
        outcome = asyncio.run(_recounted(settings, given, canonical, accepted))
    if as_json:
        click.echo(json.dumps(_report(given, outcome), ensure_ascii=False))
    else:
        _print(given, outcome, time.perf_counter() - began)
    raise SystemExit(0 if outcome.equal else 1)


async def _recounted(settings: Settings, given: Given, canonical: bytes | None, accepted: dict[int, int]) -> Outcome:
    from ranker.connect.redis import connect
    from ranker.log import stretch, value_schemas
    from ranker.operate.receipts import ReceiptCheck
    from ranker.recount import definition as definitions
    from ranker.service import progress
    from ranker.store import pieces

    if canonical is None:
        client = connect(settings.redis)
        try:
            canonical = await pieces.canonical(client, given.receipt.generation)
        finally:
            await client.aclose()
    definition = definitions.read(canonical, given.receipt.generation)
    schemas = value_schemas.needed(value_schemas.format_of(definition.source), settings.registry)
    async with stretch.reading(
        settings.kafka,
        definition.topic,
        unpack_bytes=settings.unpack_mb << 20,
        schemas=schemas,
        accepted=accepted,
    ) as reader:
        check = ReceiptCheck(reader, definition, given)
        stretches = await check.stretches()
        total = sum(part.end - part.start for part in stretches)
        with progress.bar("recounting", total, unit="events") as advance:
            return await check.run(stretches, advance)


def _report(given: Given, outcome: Outcome) -> dict[str, Any]:
    receipt = given.receipt
    return {
        "equal": outcome.equal,
        "site": receipt.site,
        "board": receipt.board,
        "window": receipt.window,
        "generation": receipt.generation,
        "records": outcome.records,
        "rows": len(outcome.rows),
        "sha256": {"receipt": receipt.sha256, "log": outcome.sha256},
        "total": {"receipt": given.total, "log": outcome.total},
        "items": [
            {"article_id": item.article, "receipt": item.counted, "log": recounted} for item, recounted in outcome.items
        ],
        "misplaced": [{"article_id": item.article, "rank": item.rank} for item in outcome.misplaced],
        "compared_items": len(given.items),
        "partitions": [
            {
                "partition": part.partition,
                "start": part.start,
                "n": part.n,
                "from": _time(part.from_ms),
                "until": _time(part.until_ms),
            }
            for part in outcome.parts
        ],
        "notes": outcome.notes,
        "recounted": outcome.rows,
    }


def _time(moment_ms: int | None) -> str | None:
    return (
        None if moment_ms is None else datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    )


def _print(given: Given, outcome: Outcome, seconds: float) -> None:
    receipt = given.receipt
    name = f"{receipt.board}/{receipt.window} of {receipt.site}"
    click.echo(f"list {printable(name)}, generation {receipt.generation}, rules: {', '.join(receipt.rules) or 'none'}")
    _some(
        f"partition {part.partition}: events from {_time(part.from_ms)} on, below offset {part.n}, "
        f"appended up to {_time(part.until_ms) or 'an unknown time'}"
        for part in outcome.parts
    )
    _some(f"counted under its new name: {old} -> {new}" for old, new in receipt.aliases.items())
    known = [place for place in receipt.hidden if place <= len(outcome.rows)]
    _some(f"counted and not shown: place {place}, {outcome.rows[place - 1][0]}" for place in known)
    _some(f"note: {note}" for note in outcome.notes)
    read = f"{outcome.records:,} records recounted in {seconds:.1f} s"
    if outcome.equal:
        items = f", {len(given.items):,} items of the answer" if given.items else ""
        click.echo(f"equal: {len(outcome.rows):,} places{items}, SHA-256 {outcome.sha256}; {read}")
        return
    click.echo(f"different: SHA-256 {receipt.sha256} in the receipt, {outcome.sha256} by the log; {read}")
    if len(outcome.rows) != receipt.rows:
        click.echo(f"  {receipt.rows} places in the receipt, {len(outcome.rows)} by the log")
    if given.total not in (None, outcome.total):
        click.echo(f"  a total of {given.total} in the list, {outcome.total} by the log")
    _some(f"{item.article}: {item.counted} in the list, {recounted} by the log" for item, recounted in outcome.items)
    _some(f"{item.article}: not at place {item.rank} by the log" for item in outcome.misplaced)
    click.echo("  the first places by the log:")
    for place, (article, count) in enumerate(outcome.rows[:_SHOWN], 1):
        click.echo(f"  {place:4}  {count:10,}  {printable(article)}")


def _some(lines: Iterable[str]) -> None:
    rest = iter(lines)
    for line in islice(rest, _NAMED):
        click.echo(f"  {printable(line, _LONGEST)}")
    if more := sum(1 for _ in rest):
        click.echo(f"  and {more:,} more; --json has all")
