"""Users of Redis by role, with the rules of deploy/redis-acl, and all that each role does there, in one go."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from deploy.local.redis import RedisServer
from producers.collector.salt import Salts
from ranker.core import delta
from ranker.core.best_of import Key
from ranker.core.generation import Generation, ListName
from ranker.core.loss import Report
from ranker.core.memory import MemoryChange
from ranker.core.merge import ExtraKeys, Hints
from ranker.core.partial_counts import Mark
from ranker.core.sequence_tracker import TrackerUpdate
from ranker.core.step import Changes, Reply, Step, Version
from ranker.lists.archive import Archive, read_document
from ranker.lists.catalogue import Catalogue
from ranker.operate import check_counting, check_redis
from ranker.operate import generations as operated
from ranker.recount.definition import read as definition_of
from ranker.store import generations, history, inventory, producers, redis_info
from ranker.store.hours import HoursReader
from ranker.store.keys import BEST_OF
from ranker.store.pieces import PieceReader, canonical
from ranker.store.reader import Reader
from ranker.store.shard import ShardStore
from ranker.store.topic_copy import Change, CopyState, TopicCopy
from tests.support.defaults import DEFAULT_WINDOWS

RULES = Path(__file__).parents[2] / "deploy" / "redis-acl"
PASSWORD = "mot de passe"
GENERATION = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 1}})
OTHER = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 2}})
READ = ListName("demo", "read", "24h")
PARTITIONS = 2
KEY = Key("demo", "week", date(2026, 11, 23), "read", 1)


def rules(role: str, *more: str) -> list[str]:
    """The rights of a role, each as ACL SETUSER takes it."""
    text = "".join(re.sub(r"#.*", "", (RULES / f"{name}.acl").read_text()) for name in (role, *more))
    return text.split()


def apply(server: RedisServer, user: str, rights: list[str]) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", *rights)


def set_users(server: RedisServer, directory: Path, *words: str) -> None:
    """As an operator does it: users.sh, and its output into redis-cli."""
    file = directory / "password"
    file.write_text(f"{PASSWORD}\n")
    printed = subprocess.run(
        [RULES / "users.sh", *(f"{word}={file}" if word != "cluster" else word for word in words)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert PASSWORD not in printed
    with server.client() as client:
        for line in printed.splitlines():
            client.execute_command(*line.split())


@contextmanager
def no_memory(server: RedisServer) -> Iterator[None]:
    with server.client() as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Reported(Exception):  # noqa: N818  # as an operator reads it
    """What a command prints or logs instead of failing."""


Flow = Callable[[Any, RedisServer], Awaitable[None]]


async def consume(client: Any, server: RedisServer) -> None:
    """What `ranker consume` does in Redis."""
    noted: list[str] = []
    faults = await check_redis.unfit(client, now_ms, noted.append)
    if faults or noted:
        raise Reported("; ".join([*faults, *noted]))
    assert await redis_info.store_time_ms(client) is not None
    await generations.ensure_first(client, GENERATION, PARTITIONS - 1, None)
    await generations.register(client, OTHER)
    await generations.raise_partitions(client, GENERATION.id, PARTITIONS)
    now = now_ms()
    fine, coarse = now // 60_000, now // 3_600_000
    begun = Version("a" * 16, 100, ((fine - 60) * 64, (coarse - 30) * 64))
    for partition in range(PARTITIONS):
        store = ShardStore(client, GENERATION, partition)
        await store.init(begun, now, PARTITIONS, None)
        assert await store.load() is not None
        counts = Changes(
            appends={(0, fine): {"demo": {"view": {f"/{partition}": 3}}}},
            increments={(window, "demo", "read"): {f"/{partition}": 3} for window in range(2)},
            sums={("demo", window, "view"): 3 for window in range(2)},
        )
        after = replace(begun, n=110)
        memory = MemoryChange(now, 1, {1: bytearray(b"12345678")})
        step = Step(
            begun, after, now, counts, counters={"late": 1}, mark=Mark(109, now, 7), strays={"demo/x"},
            new_sites={"demo"}, memory=memory,
        )  # fmt: skip
        assert (await store.advance(store.assemble(step)))[0] is Reply.APPLIED
        sealed = {(0, fine): delta.seal({"demo": {"view": {f"/{partition}": 3}}})}
        gone = Step(after, after, now, seals=sealed, strays_gone={"demo/y"}, producers=TrackerUpdate(gone=["cms/1"]))
        assert (await store.advance(store.assemble(gone), when_full=True))[0] is Reply.APPLIED
        assert await store.slice_lengths([(0, fine)]) == {(0, fine): 1}
        await store.read_slices([(0, fine)])
        async for _ in store.remembered(1):
            pass
        assert await store.strays() == {"demo/x"}
        measured = await inventory.memory(client, GENERATION, partition)
        if measured is None:
            raise Reported("memory unknown")
        assert all(size for kind, size in measured.kinds.items() if kind != "producers")
        await store.last_seen_elsewhere(["cms/1"], PARTITIONS)
        with no_memory(server):
            assert await store.load() is not None
    await producers.last_seen(client, GENERATION.id, PARTITIONS, bitmaps=True)
    await producers.write_report(client, GENERATION.id, Report(now, 0, []))
    hour = now // 3_600_000
    await history.settled_hour(client, GENERATION.id)
    for at in (hour - 1_000, hour):
        await history.write_ranks(client, GENERATION.id, at, {READ: ["/1", "/0"]})
    await history.settle(client, GENERATION.id, hour)
    await Reader(client).refresh(GENERATION, PARTITIONS, (), {}, {})
    await lists(client)
    for kind, key, value in (("catalogue", b"demo//1", b"{}"), ("best-of", str(KEY).encode(), b"x")):
        copy = TopicCopy(client, 0) if kind == "catalogue" else TopicCopy(client, 0, BEST_OF)
        await copy.begin("b" * 16, 1)
        state = CopyState("b" * 16, 0, "")
        assert await copy.advance(state, 2, "", [Change(key, value, 0), Change(b"gone", None, 1)])
        await copy.note_level(state)
        assert await copy.load() is not None


async def lists(client: Any) -> None:
    hints, extra = {READ: Hints()}, {READ: ExtraKeys({b"/old": b"/1"}, frozenset({b"/1"}))}
    seen = await Reader(client).refresh(GENERATION, PARTITIONS, [READ], hints, extra)
    assert seen.lists[READ].total == 3 * PARTITIONS
    assert seen.answered == PARTITIONS


async def read(client: Any, server: RedisServer) -> None:
    """What `ranker serve` and `ranker top` do, after a consumer has been there."""
    active = await generations.read_active(client)
    assert active is not None
    assert await generations.configuration(client, active.generation) is not None
    await lists(client)
    with no_memory(server):
        await lists(client)
    await Catalogue(client, now_ms, {}).follow()
    await Archive(client).follow()
    try:
        await read_document(client, KEY)
    except Exception as error:  # the document is none
        if type(error).__module__.startswith("ranker"):
            raise
    assert await HoursReader(client).read(GENERATION, "demo", {1: frozenset({"/1"})}, now_ms() - 86_400_000) is not None
    assert await history.read_ranks(client, GENERATION.id, READ, now_ms())
    assert await producers.read_report(client, GENERATION.id) is not None


async def operate(client: Any, server: RedisServer) -> None:
    """What operators' commands do beside what a consumer does: list, measure, verify, activate, drop."""
    await consume(client, server)
    found = await check_redis.findings(client, "url", GENERATION.id, now_ms)
    if faults := [one.text for one in found if one.kind == "fault"]:
        raise Reported("; ".join(faults))
    await check_counting.findings(client, now_ms, 60_000)
    rows = await operated.overview(client)
    if any(row.memory_bytes is None for row in rows) or await inventory.history_bytes(client, GENERATION.id) is None:
        raise Reported("`ranker generations` prints: memory unknown")
    pieces = PieceReader(client, definition_of(await canonical(client, GENERATION.id), GENERATION.id), 0)
    index = await pieces.index(PARTITIONS)
    assert index is not None
    _ = [one async for one in pieces.slices(index[0].slices)]
    _ = [one async for one in pieces.totals([("24h", "demo", "read")])]
    await pieces.bucket(1)
    await operated.drop(client, OTHER.id)


async def collect(client: Any, server: RedisServer) -> None:
    """What `producers collect` does."""
    del server
    salts = Salts(client)
    await salts.fetch()
    assert salts.of(int(time.time() // 86_400)) is not None


FLOWS: dict[str, Flow] = {"consumer": consume, "reader": read, "operator": operate, "collector": collect}
