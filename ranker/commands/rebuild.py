"""`ranker rebuild`: counts the log by another configuration beside the active one, compares both, and activates it."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import sys
import time
from contextlib import AsyncExitStack
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import click

from ranker.commands.common import accept_bad_option, config_option, load_settings, now_ms, user_errors
from ranker.commands.rebuild_takeover import CLIENT_ID, Takeover, is_counted
from ranker.service import ending, signals
from ranker.service.progress import Advance, bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.consume.build_consumer import Parts
    from ranker.operate.rebuild import Plan
    from ranker.settings import Settings
    from ranker.store.inventory import Shard

_LOOK_S = 0.5
_LINE_S = 10.0


@click.command("rebuild")
@config_option
@click.option("--yes", is_flag=True, help="Activate the new generation without a question.")
@click.option("--json", "as_json", is_flag=True, help="What changes as one JSON object; all else to standard error.")
@click.option("--force", is_flag=True, help="Even if Redis is too small for two generations.")
@accept_bad_option
def command(config: str | None, yes: bool, as_json: bool, force: bool, accept_bad: dict[int, int]) -> None:
    """Build a generation beside the active one, show what changes in the lists, and activate it.

    Readers and the consumers of the active generation go on undisturbed. The same command on other machines, and
    `ranker consume` with the same FILE, share the partitions; killed, it goes on where it stood. When it has caught up
    it shows what would change in each list, and waits for a yes. Once activated it counts until a `ranker consume`
    with the same FILE has taken over, so start that one then.

    \b
    Examples:
      ranker rebuild --config new.toml
      ranker rebuild --config new.toml --yes
      ranker rebuild --config new.toml --json > changes.json
      ranker rebuild --config new.toml --accept-bad 3:120000      after a look at the dead letters
    """
    import uvloop

    from ranker.service import logs
    from ranker.service.tuning import collect_seldom, keep_buffers

    with user_errors():
        settings = load_settings(config)
        logs.configure("warning", kafka=logging.ERROR)
        collect_seldom()
        keep_buffers()
        try:
            uvloop.run(_run(settings, accept_bad, yes=yes, as_json=as_json, force=force))
        except asyncio.CancelledError:  # Ctrl-C before the signals are ours, while a client is closed
            raise click.Abort from None


async def _run(settings: Settings, accepted: dict[int, int], *, yes: bool, as_json: bool, force: bool) -> None:
    from ranker.commands import rebuild_text
    from ranker.connect.redis import connect
    from ranker.consume.build_consumer import build_consumer
    from ranker.log.stretch import reading
    from ranker.metrics import ConsumerMetrics, new_registry
    from ranker.operate import check_redis, rebuild
    from ranker.store import generations

    new = settings.generation
    say = partial(click.echo, err=as_json)
    course: Rebuild | Takeover | None = None
    main = asyncio.current_task()
    assert main is not None
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event(main.cancel))
        try:
            client = connect(settings.redis)
            stack.push_async_callback(client.aclose)
            active = await generations.read_active(client)
            if active is not None and active.generation == new.id:
                if await is_counted(settings, client, active, say):
                    return
                plan = None  # this command was killed behind the activation, perhaps, and lists stand still
            else:
                async with reading(settings.kafka, new.topic, unpack_bytes=settings.unpack_mb << 20) as log:
                    plan = await rebuild.plan(client, log, new, now_ms())
                for line in rebuild_text.plan_lines(plan):
                    say(line)
                if plan.memory.lacking and not force:
                    raise click.ClickException(rebuild_text.too_small(plan.memory))
            noted = lru_cache(maxsize=100)(logging.getLogger(__name__).warning)  # once each, not every minute
            parts = build_consumer(
                settings,
                client,
                ConsumerMetrics(new_registry(), new.boards_of),
                partial(check_redis.unfit, client, now_ms, noted),
                client_id=CLIENT_ID,
                may_be_first=False,
                accepted=accepted,
            )
            stack.push_async_callback(parts.page_views.stop)  # if counting was ended before it had begun
            stack.push_async_callback(parts.dead_letters.stop)
            await parts.dead_letters.start()
            if plan is None:
                course = Takeover(settings, parts.consumer, say)
            else:
                course = Rebuild(settings, client, parts, plan, yes=yes, as_json=as_json)
            await _beside_counting(course, parts)
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
            if course is None:
                raise click.ClickException("stopped before anything was begun") from None
            raise course.stopped() from None


async def _beside_counting(course: Rebuild | Takeover, parts: Parts) -> None:
    """Until the `course` has ended."""
    tasks = [
        asyncio.create_task(course.run(), name="rebuild"),
        asyncio.create_task(parts.consumer.run(), name="consumer"),
        asyncio.create_task(parts.keeper.run(parts.consumer.trouble), name="active"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = tasks[0].done()
    finally:
        await ending.end(tasks)
    if not done:
        raise click.ClickException("counting ended by itself; this is a fault of the software: please report it")


class Rebuild:
    """The course of one rebuild, beside the consumer that counts."""

    def __init__(self, settings: Settings, client: Any, parts: Parts, plan: Plan, *, yes: bool, as_json: bool) -> None:
        self._client = client
        self._parts = parts
        self._plan = plan
        self._yes = yes
        self._as_json = as_json
        self._starts = {partition: reads.start for partition, reads in plan.reads.items()}
        self._position = self._total = 0
        self._activated = False
        self._takeover = Takeover(settings, parts.consumer, self._say)
        self._again = f"ranker rebuild --config {shlex.quote(settings.config_path or 'FILE')}"

    async def run(self) -> None:
        """Raises ClickException if a partition stops, GenerationError if the generation cannot be activated."""
        from ranker.operate import rebuild

        new = self._plan.new
        began = time.monotonic()
        with bar(f"Building {new.id}", unit="events", line_s=_LINE_S) as advance:
            await self._until_level(advance)
        seconds = time.monotonic() - began
        self._say(f"{new.id} is level with the log: {self._position:,} records in {seconds:,.0f} s")
        await self._compare()
        if not (self._yes or await self._confirmed()):
            self._say(
                f"{new.id} is not activated, and this command no longer counts it. To activate it, run `{self._again} "
                f"--yes`; or start its consumers, and then run `ranker generations activate {new.id}`"
            )
            return
        await rebuild.activate(self._client, self._plan, await self._until_level(lambda *_: None))
        self._activated = True
        self._say(f"{new.id} is active.")
        old = self._plan.old
        if old is not None and old.id != new.id:
            self._say(f"  back:  ranker generations activate {old.id}   (while its consumers go on counting)")
            self._say(
                f"  later: once consumers of {new.id} run everywhere and nobody wants back, stop those of {old.id}, "
                f"then ranker generations drop {old.id}"
            )
        await self._takeover.run()

    def stopped(self) -> click.ClickException | click.exceptions.Exit:
        """How a signal ends it: with exit code 0 once the generation is active, else 1."""
        new = self._plan.new.id
        if self._activated:
            return self._takeover.stopped()
        return click.ClickException(
            f"stopped, and nothing was activated: {new} has {self._position:,} of {self._total:,} records. "
            f"`{self._again}` goes on from there; `ranker generations drop {new}` deletes it"
        )

    async def _until_level(self, advance: Advance) -> Sequence[Shard]:
        """The shards of the generation, which are all level then."""
        from ranker.log.errors import LogUnavailableError
        from ranker.operate.rebuild import standing
        from ranker.store.errors import StoreUnavailableError

        consumer, moved_s, before = self._parts.consumer, time.monotonic(), -1
        while True:
            if stopped := consumer.stopped():
                raise click.ClickException("; ".join(stopped))
            partitions = max(len(self._plan.reads), self._parts.page_views.partitions())
            try:
                now = await standing(self._client, self._plan, partitions, now_ms())
                self._measure({shard.partition: shard.n for shard in now.shards}, await self._ends(partitions))
            except (LogUnavailableError, StoreUnavailableError) as error:
                reasons: Sequence[str] = [str(error)]
            else:
                advance(self._position, self._total)
                if not now.reasons:
                    return now.shards
                reasons = [*consumer.not_ready(), *now.reasons]
            if self._position > before:
                moved_s, before = time.monotonic(), self._position
            elif time.monotonic() - moved_s > _LINE_S:
                if any("maxmemory" in reason for reason in consumer.not_ready()):  # of Redis' own words too
                    raise click.ClickException(
                        "Redis is out of memory, so the active generation's views wait too: raise maxmemory and run "
                        f"`{self._again}` again, or give it up: ranker generations drop {self._plan.new.id}"
                    )
                moved_s = time.monotonic()
                self._say(f"waiting: {'; '.join(reasons)}")
            await asyncio.sleep(_LOOK_S)

    async def _ends(self, partitions: int) -> dict[int, int]:
        """The log's ends; those of the plan until the consumer has begun."""
        planned = {partition: reads.stop for partition, reads in self._plan.reads.items()}
        log = self._parts.page_views
        return planned | (await log.ends(range(partitions)) if log.partitions() else {})

    def _measure(self, reached: dict[int, int], ends: dict[int, int]) -> None:
        """Where all members together are: by what is stored of every shard, not by what this member has read."""
        self._position = self._total = 0
        for partition, end in ends.items():
            # a shard may begin earlier than was planned (consume/gate.py)
            start = min(self._starts.get(partition, end), reached.get(partition, end))
            self._starts[partition] = start
            self._position += max(0, min(reached.get(partition, start), end) - start)
            self._total += max(0, end - start)

    async def _compare(self) -> None:
        from rich.console import Console

        from ranker.commands import rebuild_text
        from ranker.operate.rebuild import compare, still_active

        await still_active(self._client, self._plan)
        partitions = max(len(self._plan.reads), self._parts.page_views.partitions())
        comparison = await compare(self._client, self._plan, partitions, now_ms())
        if self._as_json:
            click.echo(rebuild_text.document(self._plan, comparison))
        elif comparison is not None:
            rebuild_text.show(Console(width=None if sys.stdout.isatty() else 160), comparison)

    async def _confirmed(self) -> bool:
        """The answer to the question; counting goes on meanwhile. Without a terminal it is no, and no question."""
        if not sys.stdin.isatty():
            return False
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        number = sys.stdin.fileno()
        # not click.confirm: in a thread it would outlive Ctrl-C, here it would stop the counting
        loop.add_reader(number, lambda: None if answered.done() else answered.set_result(os.read(number, 1024)))
        click.echo(f"Activate {self._plan.new.id}? [y/N]: ", nl=False, err=self._as_json)
        try:
            return (await answered).strip().lower() in (b"y", b"yes")
        finally:
            loop.remove_reader(number)

    def _say(self, text: str) -> None:
        click.echo(text, err=self._as_json)
