"""`ranker verify RECEIPT.json`: recounts the list of a receipt."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ranker.commands.common import load_settings, user_errors
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.receipts import Outcome
    from ranker.recount.receipts import Receipt, Row
    from ranker.settings import Settings

_SHOWN = 10
"""Rows that are printed if they are not those of the receipt."""
_NAMED = 20


def run(config: str | None, file: BinaryIO, definition: BinaryIO | None, *, as_json: bool) -> None:
    """Ends the process with exit code 1 if the list differs."""
    from ranker.recount import receipts

    with user_errors():
        settings = load_settings(config)
        try:
            receipt, items = receipts.read(file.read(receipts.MOST_BYTES + 1))
        except receipts.NoReceiptError as error:
            raise click.ClickException(f"{file.name}: {error}") from error
        canonical = None if definition is None else definition.read().strip()
        began = time.perf_counter()
        outcome = asyncio.run(_recounted(settings, receipt, items, canonical))
    if as_json:
        click.echo(json.dumps(_report(receipt, outcome), ensure_ascii=False))
    else:
        _print(receipt, outcome, time.perf_counter() - began)
    raise SystemExit(0 if outcome.equal else 1)


async def _recounted(settings: Settings, receipt: Receipt, items: list[Row], canonical: bytes | None) -> Outcome:
    from ranker.log import stretch
    from ranker.operate.receipts import ReceiptCheck
    from ranker.recount import definition as definitions
    from ranker.service import progress
    from ranker.store import pieces
    from ranker.store.connection import connect

    if canonical is None:
        client = connect(settings.redis_url)
        try:
            canonical = await pieces.canonical(client, receipt.generation)
        finally:
            await client.aclose()
    definition = definitions.read(canonical, receipt.generation)
    async with stretch.reading(
        settings.kafka_bootstrap, definition.topic, unpack_bytes=settings.unpack_mb << 20
    ) as reader:
        check = ReceiptCheck(reader, definition, receipt, items)
        stretches = await check.stretches()
        total = sum(part.end - part.start for part in stretches)
        with progress.bar("recounting", total, unit="events") as advance:
            return await check.run(stretches, advance)


def _report(receipt: Receipt, outcome: Outcome) -> dict[str, Any]:
    return {
        "equal": outcome.equal,
        "site": receipt.site,
        "board": receipt.board,
        "window": receipt.window,
        "generation": receipt.generation,
        "records": outcome.records,
        "rows": len(outcome.rows),
        "sha256": {"receipt": receipt.sha256, "log": outcome.sha256},
        "items": [
            {"article_id": article, "receipt": count, "log": recounted} for (article, count), recounted in outcome.items
        ],
        "reordered": outcome.reordered,
        "recounted": outcome.rows,
    }


def _print(receipt: Receipt, outcome: Outcome, seconds: float) -> None:
    name = f"{receipt.board}/{receipt.window} of {receipt.site}"
    click.echo(f"list {printable(name)}, generation {receipt.generation}, rules: {', '.join(receipt.rules) or 'none'}")
    for source, target in list(receipt.aliases.items())[:_NAMED]:
        click.echo(f"  counted under its new name: {printable(source)} -> {printable(target)}")
    if len(receipt.aliases) > _NAMED:
        click.echo(f"  and {len(receipt.aliases) - _NAMED} more")
    shown = [place for place in receipt.hidden if place <= len(outcome.rows)][:_NAMED]
    for place in shown:
        click.echo(f"  counted and not shown: place {place}, {printable(outcome.rows[place - 1][0])}")
    if len(receipt.hidden) > _NAMED:
        click.echo(f"  and {len(receipt.hidden) - _NAMED} more")
    read = f"{outcome.records:,} records recounted in {seconds:.1f} s"
    if outcome.equal:
        click.echo(f"equal: {len(outcome.rows):,} places, SHA-256 {outcome.sha256}; {read}")
        return
    click.echo(f"different: SHA-256 {receipt.sha256} in the receipt, {outcome.sha256} by the log; {read}")
    if len(outcome.rows) != receipt.rows:
        click.echo(f"  {receipt.rows} places in the receipt, {len(outcome.rows)} by the log")
    for (article, count), recounted in outcome.items[:_NAMED]:
        click.echo(f"  {printable(article)}: {count} in the list, {recounted} by the log")
    if outcome.reordered:
        click.echo("  the places of the list are in another order than by the log")
    click.echo("  the first places by the log:")
    for place, (article, count) in enumerate(outcome.rows[:_SHOWN], 1):
        click.echo(f"  {place:4}  {count:10,}  {printable(article)}")
