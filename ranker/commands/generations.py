"""`ranker generations`: lists the generations, activates one, drops old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.generations import Row

_Result = TypeVar("_Result")


@click.group("generations", invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context, config: str | None) -> None:
    """List, activate and drop generations.

    A generation is the configuration that decides counts (windows, boards, rules), named by its hash. To change it
    without a gap: start consumers with the new ranker.toml beside the old ones, activate its generation when it has
    caught up, stop the old consumers, drop their generation. `ranker rebuild` counts, compares and activates.

    \b
    Examples:
      ranker generations
      ranker generations activate 4f1c09ab27de
      ranker generations drop 77b0c1d2e3f4
    """
    context.obj = config
    if context.invoked_subcommand is None:
        from ranker.operate import generations

        for row in _with_redis(config, generations.overview):
            _print(row)


@command.command("definition")
@click.argument("generation", required=False)
@config_option
@click.pass_obj
def definition(group_config: str | None, generation: str | None, config: str | None) -> None:
    """Print the definition of GENERATION, by default the active one: the JSON whose SHA-256 begins with its name.

    It holds all that decides counts, and no secret. With it receipts can be verified without Redis.

    \b
    Example:
      ranker generations definition > definition.json
      ranker verify RECEIPT.json --definition definition.json
    """
    from ranker.operate import generations

    text = _with_redis(config or group_config, lambda client: generations.definition(client, generation))
    click.echo(text, nl=False)


@command.command("activate")
@click.argument("generation")
@click.option("--force", is_flag=True, help="Even if its counts are behind those shown now.")
@config_option
@click.pass_obj
def activate(group_config: str | None, generation: str, force: bool, config: str | None) -> None:
    """Show the lists of GENERATION from now on.

    \b
    Example:
      ranker generations activate 4f1c09ab27de
    """
    from ranker.operate import generations

    active = _with_redis(
        config or group_config, lambda client: generations.activate(client, generation, now_ms(), force=force)
    )
    click.echo(f"{active.generation} is active, {active.partitions} partitions")


@command.command("drop")
@click.argument("generation")
@config_option
@click.pass_obj
def drop(group_config: str | None, generation: str, config: str | None) -> None:
    """Delete GENERATION, its counts, and its rank history, which cannot be rebuilt from the log.

    Stop its consumers before: for an hour, running and new ones are refused.

    \b
    Example:
      ranker generations drop 77b0c1d2e3f4
    """
    from ranker.operate import generations

    shards = _with_redis(config or group_config, lambda client: generations.drop(client, generation))
    click.echo(f"{generation} is dropped, {shards} shards")


def _with_redis(config: str | None, work: Callable[[Any], Coroutine[Any, Any, _Result]]) -> _Result:
    from ranker.connect.redis import connect

    async def run() -> _Result:
        client = connect(settings.redis)
        try:
            return await work(client)
        finally:
            await client.aclose()

    with user_errors():
        settings = load_settings(config)
        return asyncio.run(run())


def _print(row: Row) -> None:
    from ranker.operate.described import described

    known = described(row.configuration)
    as_of = "-" if row.as_of_ms is None else datetime.fromtimestamp(row.as_of_ms / 1000, UTC).isoformat()
    click.echo(f"{printable(row.id)}  {'active' if row.active else ''}".rstrip())
    for name, value in (
        *((name, known[name]) for name in ("topic", "windows", "boards", "rules")),
        ("shards", f"{row.shards}, {known['lanes']}"),
        ("as of", as_of.replace("+00:00", "Z")),
        ("memory", "unknown" if row.memory_bytes is None else f"{row.memory_bytes / 1_000_000:.1f} MB"),
    ):
        click.echo(f"  {name:8} {printable(value)}")
