"""Before and behind the building of a generation: what there is to read, the memory it needs, what changes in lists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ranker.core import rules
from ranker.core.floors import first_append_ms, floors_at
from ranker.core.generation import FUTURE_MS, Generation, ListName
from ranker.core.list_change import ListChange, ListState, in_both, list_change
from ranker.core.memory_estimate import added, estimate, remembered_ms
from ranker.log.stretch import LogReader
from ranker.operate.generations import not_level, partitions_of
from ranker.store import generations, inventory, redis_info
from ranker.store.generations import Active, ActiveChangedError, GenerationError
from ranker.store.inventory import Shard
from ranker.store.reader import ListRead, Reader

PLACES = 100
"""Of each list so many places are compared."""
MAX_SITES = 1_000
"""So many sites are compared at most, the first by name."""
_LISTS_AT_ONCE = 24
"""Lists of both generations read together: counts move on between two of these readings."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in Redis. `more` is what the new generation needs beyond what it has; None if that cannot be known.

    `limit` is maxmemory, 0 without one; `used` and `limit` are of all primaries together, None if withheld.
    """

    old: int | None
    more: int | None
    used: int | None
    limit: int | None

    @property
    def lacking(self) -> int:
        """By how much Redis is too small for both generations, as far as is known."""
        if self.more is None or self.used is None or not self.limit:
            return 0
        return max(0, self.used + self.more - self.limit)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for `new`. `old` is active; None if nothing is. `reads` are the offsets by partition."""

    new: Generation
    active: Active | None
    old: Generation | None
    reads: Mapping[int, range]
    memory: Memory


async def plan(client: Any, log: LogReader, new: Generation, now_ms: int) -> Plan:
    """Reads what both generations have now. Raises StoreUnavailableError, LogUnavailableError."""
    active = await generations.read_active(client)
    old = None if active is None else await generations.configuration(client, active.generation)
    begun = {shard.partition: shard.n for shard in await inventory.shards(client, new.id) if not shard.dropped}
    since_ms = first_append_ms(new, floors_at(new, now_ms), FUTURE_MS)
    reads, recent = {}, []
    for partition in range(log.partitions):
        end = (await log.held(partition)).stop
        start = begun.get(partition)
        if start is None:
            start = await log.first_at(partition, since_ms)
        reads[partition] = range(end if start is None else start, end)
        kept = remembered_ms(new)
        late = await log.first_at(partition, now_ms - kept) if kept else None
        recent.append(0 if late is None else max(0, end - late))
    return Plan(new, active, old, reads, await _memory(client, new, old, begun, recent))


async def _memory(
    client: Any, new: Generation, old: Generation | None, begun: Mapping[int, int], recent: Sequence[int]
) -> Memory:
    servers = await redis_info.servers(client, lambda: 0)
    used = [server.used_bytes for server in servers]
    limits = [server.max_bytes for server in servers]
    held = more = None
    if old is not None:
        there = await inventory.shards(client, old.id)
        of_old = [await inventory.memory(client, old, shard.partition) for shard in there]
        of_new = [await inventory.memory(client, new, partition) for partition in begun]
        measured = [one for one in (*of_old, *of_new) if one is not None]
        if there and len(measured) == len(of_old) + len(of_new):
            whole, has = added(measured[: len(of_old)]), added(measured[len(of_old) :])
            held = whole.whole
            if old.topic == new.topic:
                more = max(0, estimate(new, old, whole, recent).whole - has.whole)
    return Memory(
        held,
        more,
        None if None in used else sum(one or 0 for one in used),
        None if None in limits else 0 if 0 in limits else sum(one or 0 for one in limits),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the new generation is: `reasons` say why it is not level with what is shown now; none: it is."""

    shards: Sequence[Shard]
    reasons: Sequence[str]


async def standing(client: Any, planned: Plan, partitions: int, now_ms: int) -> Standing:
    """By the rule of `ranker generations activate`, and every record of the plan must have been counted.

    `partitions` is the topic's number now.
    """
    known = await inventory.shards_of(client, planned.new.id, range(partitions))
    shards = [shard for shard in known if not shard.dropped]
    active = planned.active
    old = [] if active is None else await inventory.shards_of(client, active.generation, range(active.partitions))
    reasons = not_level(shards, old, now_ms)
    reasons += [
        f"partition {shard.partition} has {end - shard.n:,} records left"
        for shard in shards
        if shard.n < (end := planned.reads.get(shard.partition, range(0)).stop)
    ]
    return Standing(shards, reasons)


async def still_active(client: Any, planned: Plan) -> Active | None:
    """What is active: that of the plan, maybe with more partitions, or the new generation already.

    Raises GenerationError if it is another one.
    """
    now, before = await generations.read_active(client), planned.active
    if (now and now.generation) not in (before and before.generation, planned.new.id):
        compared = f"{before.generation}, which was active" if before else "nothing, since none was active"
        raise GenerationError(
            f"{now.generation if now else 'no generation'} is active now, but {planned.new.id} is compared with "
            f"{compared} when this command began. So nothing is activated: run the same command again; "
            "it goes on where it stands and compares with what is active then"
        )
    return now


async def activate(client: Any, planned: Plan, shards: Sequence[Shard]) -> None:
    """Makes the new generation, of which these are the shards, the active one, unless another member has done it.

    Raises GenerationError if what it was compared with is not active any more, at the very moment.
    """
    while (active := await still_active(client, planned)) is None or active.generation != planned.new.id:
        with contextlib.suppress(ActiveChangedError):  # maybe its consumers have raised its partitions: look again
            await generations.activate(client, planned.new.id, partitions_of(shards), active.seq if active else 0)
            return


@dataclass(frozen=True, slots=True)
class Comparison:
    """`as_of_ms` are the oldest T of what was read of each. `sites_left_out`: there are more than were compared."""

    before: Generation
    after: Generation
    as_of_ms: tuple[int, int]
    lists: Mapping[ListName, ListChange]
    sites_left_out: bool


async def compare(client: Any, planned: Plan, partitions: int, now_ms: int) -> Comparison | None:
    """What changes in every list that both have, as counted: before aliases and takedowns. None without an old one."""
    old, new, active = planned.old, planned.new, planned.active
    if old is None or active is None:
        return None
    reader, sides = Reader(client), ((old, active.partitions), (new, partitions))
    held = [await reader.refresh(one, shards, (), {}, {}) for one, shards in sides]
    sites = sorted(held[0].sites | held[1].sites)
    left_out = len(sites) > MAX_SITES or not all(snapshot.all_sites for snapshot in held)
    changes, as_of_ms = {}, (now_ms, now_ms)
    names = iter(in_both(old, new, sites[:MAX_SITES]))
    while some := list(islice(names, _LISTS_AT_ONCE)):
        both = await asyncio.gather(*(reader.refresh(one, shards, some, {}, {}) for one, shards in sides))
        for name in some:
            before, after = (snapshot.lists.get(name) for snapshot in both)
            if before is not None and after is not None:
                changes[name] = list_change(_state(old, before), _state(new, after), PLACES)
                as_of_ms = min(as_of_ms[0], *before.clocks.values()), min(as_of_ms[1], *after.clocks.values())
    return Comparison(old, new, as_of_ms, changes, left_out)


def _state(generation: Generation, read: ListRead) -> ListState:
    return ListState(read.merged.rows, read.total, rules.dropped_by_rule(generation, [read.outcomes]))
