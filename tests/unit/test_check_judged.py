"""What `ranker check` makes of groups, of Redis' INFO and of the report on producers."""

from __future__ import annotations

from typing import Any

import pytest

from ranker.core.loss import Producer, Report
from ranker.core.times import HOUR_MS
from ranker.log.groups import Group, Member
from ranker.operate import check_groups, check_memory, check_producers
from ranker.operate.findings import Finding
from ranker.service.runbook import Section
from ranker.store.redis_info import Server

MIB = 1 << 20


def member(name: str, *partitions: int, client: str = "ranker-consume") -> Member:
    return Member(name, client, f"/10.0.0.{name}", frozenset(partitions))


@pytest.mark.parametrize(
    ("group", "kind", "section", "text"),
    [
        (Group("Dead", (), {}), "note", Section.PROCESS_AWAY, "has no member"),
        (Group("Empty", (), {0: 5}), "note", Section.PROCESS_AWAY, "has no member"),
        (
            Group("PreparingRebalance", (member("1"),), {}),
            "note", Section.CONSUMERS_BEHIND, "share out the partitions (PreparingRebalance)",
        ),
        (
            Group("Stable", (member("1", 0), member("2", 2)), {}),
            "fault", Section.CONSUMERS_BEHIND, "none of them has partition 1, 3",
        ),
        (Group("Stable", (member("1", client=""),), {}), "ok", None, "does not report"),
        (
            Group("Stable", (member("1", 0, 1), member("2", 2, 3)), {0: 90, 1: 100, 2: 100}),
            "ok", None, "2 members (ranker-consume at 10.0.0.1: 2, ranker-consume at 10.0.0.2: 2), 10 records behind",
        ),
    ],
)  # fmt: skip
def test_a_group(group: Group, kind: str, section: Section | None, text: str) -> None:
    """Nobody, a rebalance that lasts, partitions that nobody has; else who has how many."""
    found = check_groups.judged("ranker-abc", group, 4, dict.fromkeys(range(4), 100), is_begun=False)
    assert (found.kind, found.runbook) == (kind, section)
    assert text in found.text


def test_nobody_counts_what_is_shown() -> None:
    """Perhaps none is meant to run; but lists that are shown grow old."""
    found = check_groups.judged("ranker-abc", Group("Empty", (), {0: 5}), 4, {}, is_begun=True)
    assert (found.kind, found.runbook) == ("fault", Section.PROCESS_AWAY)
    assert "nobody counts its generation, which readers show" in found.text


def server(used: int | None = 10, most: int | None = 0, **info: str) -> Server:
    return Server("", "Redis", (7, 0), "noeviction", False, 0, used and used * MIB, most and most * MIB, info=info)


@pytest.mark.parametrize(
    ("one", "kinds", "section", "text"),
    [
        (server(), ["ok"], None, "uses 10 MiB, without a limit"),
        (server(None, None), [], None, ""),
        (server(79, 100), ["ok"], None, "79 MiB of 100 (79% of maxmemory)"),
        (server(80, 100), ["note"], Section.REDIS_FULL, "80% of maxmemory"),
        (server(95, 100), ["fault"], Section.REDIS_FULL, "views wait when it is full"),
        (server(evicted_keys="3"), ["fault", "ok"], Section.REDIS_FULL, "has thrown 3 keys away"),
        (server(rdb_last_bgsave_status="err"), ["fault", "ok"], Section.REDIS_FULL, "last snapshot failed"),
        (server(aof_last_write_status="err"), ["fault", "ok"], Section.REDIS_FULL, "write to the AOF failed"),
        (server(aof_enabled="0", rdb_saves="0"), ["note", "ok"], Section.RESTORE, "nothing to its disk"),
        (server(aof_enabled="1", rdb_saves="0"), ["ok"], None, "uses 10 MiB"),
        (
            server(slave0="ip=10.0.0.2,state=online,lag=0", slave1="ip=10.0.0.3,state=wait_bgsave,lag=0"),
            ["note", "ok"], Section.REDIS_FAILS_OVER, "1 of its 2 replicas are not in sync",
        ),
        (server(slave0="ip=10.0.0.2,state=online,lag=0"), ["ok", "ok"], None, "1 replicas in sync"),
    ],
)  # fmt: skip
def test_a_redis(one: Server, kinds: list[str], section: Section | None, text: str) -> None:
    """Its room, its disk, its replicas, and what it threw away; what it does not tell is no finding."""
    found = check_memory.judged(one)
    assert sorted(finding.kind for finding in found) == kinds
    assert section is None or section in [finding.runbook for finding in found]
    assert text in "\n".join(finding.text for finding in found)


def producers(*found: Producer) -> list[Finding]:
    return check_producers.judged(Report(10 * HOUR_MS, 0, list(found)))


def test_producers() -> None:
    """Missing events and silence, each with its producers; else how many there are."""
    now = 10 * HOUR_MS
    (fine,) = producers(Producer("cms", now, 0, 0), Producer("new", now, None, 0))
    assert (fine.kind, fine.text) == ("ok", "2 of the last 24 h, no event of theirs is missing")
    lossy, silent = producers(Producer("cms", now, 1_200, 0), Producer("old", now - 2 * HOUR_MS, 0, 0))
    assert (lossy.kind, lossy.runbook, silent.runbook) == ("note", Section.PRODUCERS, Section.PRODUCERS)
    assert lossy.text.endswith(": cms 1,200")
    assert silent.text.endswith(": old (120 min)")


def test_every_list_of_names_is_bounded() -> None:
    """A topic of thousands of partitions, or a hundred producers, is still one line."""
    nobody: dict[str, Any] = {"state": "Stable", "members": (member("1"),), "committed": {}}
    assert (
        "0, 1, 2, 3, 4, 5, 6, 7 and 992 more"
        in check_groups.judged("g", Group(**nobody), 1_000, {}, is_begun=True).text
    )
    (lossy,) = producers(*(Producer(f"cms-{number}", 10 * HOUR_MS, 1, 0) for number in range(20)))
    assert lossy.text.endswith("cms-7 1 and 12 more")
