"""`ranker freeze` killed at each step of writing, and what it meets in its topics: nothing is made twice, or half."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.kafka_apache import ApacheKafka
from ranker.core.best_of import TOPIC
from tests.integration.consume.engine import CHECKOUT
from tests.integration.operate.test_freeze import CLOSE, WEEK, history
from tests.integration.operate.test_freeze_catalogue import PLAIN, begin, placed, views
from tests.support.frozen import DAY_MS, HOUR_MS, FrozenSite
from tests.support.kafka_at import kafka_environ

WORDS = ("--kind", "week", "--period", "2026-03-28")
KILLED_AT = {
    "before the transaction": "transactions.Transactions.transaction = stop",
    "when all is sent": "transactions.deliver = sent",
    "when all is committed": "AIOKafkaProducer.commit_transaction = committed",
}
SCRIPT = """
import os, signal
from aiokafka import AIOKafkaProducer
from ranker.log import transactions

def stop(*_):
    os.kill(os.getpid(), signal.SIGKILL)

deliver, commit = transactions.deliver, AIOKafkaProducer.commit_transaction

async def sent(*arguments):
    await deliver(*arguments)
    stop()

async def committed(self):
    await commit(self)
    stop()

{patch}
from ranker.commands import main
main()
"""


@pytest.fixture
async def site(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> FrozenSite:
    return FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, PLAIN)


@pytest.mark.parametrize("step", KILLED_AT)
@pytest.mark.long
async def test_killed_at_a_step(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path, step: str) -> None:
    """What is not committed is not there, and the next run makes it, with the bytes of a quiet run."""
    site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path)
    await site.begin(history(site.site))
    await site.freeze(*WORDS)
    quiet = await site.documents()
    await site.forget()
    argv = [sys.executable, "-c", SCRIPT.format(patch=KILLED_AT[step]), "freeze", *WORDS]
    environ = os.environ | {
        "PYTHONPATH": str(CHECKOUT), **kafka_environ(site.bootstrap), "RANKER_REDIS_URL": site.redis_url,
        "RANKER_CONFIG": str(site.config("press")),
    }  # fmt: skip
    killed = await asyncio.to_thread(subprocess.run, argv, env=environ, capture_output=True, text=True)
    assert killed.returncode == -9, killed
    is_made = step == "when all is committed"
    assert (await site.documents()) == (quiet if is_made else {})
    _, errors = await site.freeze(*WORDS, code=1 if is_made else 0)
    assert ("is there" in errors) == is_made
    assert await site.documents() == quiet


@pytest.mark.long
async def test_foreign_records_are_left_out(site: FrozenSite) -> None:
    """Of other keys, and of ours with something else in them; documents are made beside them."""
    await begin(site)
    junk = f"{site.site}/week/2026-03-28/read/1"
    document = {"site": "Other!", "board": "read", "period": {"kind": "month", "date": "2026-03-28"}, "revision": 1}
    for key, value in (("nobody", {}), (junk, [1]), (junk, document | {"total": 1, "items": []}), ("", None)):
        await site.say(TOPIC, key, value)
    out, errors = await site.freeze(*WORDS)
    assert out.count("\n") == 2
    assert "is left out" in errors
    assert placed(await site.document("week", "2026-03-28"))[0] == ("/a", 5)


@pytest.mark.long
async def test_a_site_without_its_boards_stops_no_other(site: FrozenSite) -> None:
    """As while another generation is active that lacks a board: it is named, and the others are made."""
    other = '[sites.other.calendar]\nzone = "UTC"\nboards = ["lost"]\n[boards.lost]\nlost = 1\n'
    await begin(site)
    own = site.definitions["press"].replace("places = 12", 'places = 12\nboards = ["read"]')
    site.definitions = {"press": own + other}
    _, errors = await site.freeze(*WORDS, code=1)
    assert "site other: the active generation has no board lost" in " ".join(errors.split())
    assert len(await site.documents()) == 1
    _, errors = await site.freeze("--site", "other", code=1)
    assert "Error: site other: the active generation has no board lost" in errors


@asynccontextmanager
async def open_transaction(site: FrozenSite) -> AsyncIterator[None]:
    """What is appended meanwhile is not readable until it ends."""
    producer = AIOKafkaProducer(bootstrap_servers=site.bootstrap, transactional_id=f"open-{site.site}")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(site.name, b"{}", partition=0, timestamp_ms=WEEK[0] + 3 * DAY_MS)
        yield
        await producer.commit_transaction()
    finally:
        await producer.stop()


@pytest.mark.long
async def test_an_open_transaction_is_waited_for(site: FrozenSite) -> None:
    """Behind its beginning there may be records that were appended before the close."""
    await site.begin({0: views(site.site, WEEK[0], {"/a": 2}), 1: views(site.site, CLOSE + DAY_MS, {"/z": 1})})
    async with open_transaction(site):
        await site.write({0: views(site.site, WEEK[0] + 4 * DAY_MS, {"/a": 3})})
        _, errors = await site.freeze(*WORDS, code=1)
        assert "partition 0: a producer's transaction is open" in " ".join(errors.split())
        assert not await site.documents()
    await site.freeze(*WORDS)
    assert placed(await site.document("week", "2026-03-28")) == [("/a", 5)]


@pytest.mark.long
async def test_a_producers_clock_that_is_fast_closes_nothing(site: FrozenSite) -> None:
    """By the producers' own times: records behind the one that would close the week were appended before that."""
    fast = views(site.site, WEEK[0] + DAY_MS, {"/a": 1}, CLOSE + HOUR_MS)
    await site.begin({0: views(site.site, WEEK[0], {"/a": 2}) + fast + views(site.site, WEEK[0] + DAY_MS, {"/a": 9})})
    _, errors = await site.freeze(*WORDS, code=1)
    assert "and later ones before that, by their producers' clocks" in " ".join(errors.split())


@pytest.mark.long
async def test_a_week_of_another_calendar_is_not_made_again(site: FrozenSite) -> None:
    """After week_starts has changed, weeks that overlap those of before are neither due nor made by name."""
    await begin(site)
    await site.freeze(*WORDS)
    site.definitions = {"press": site.definitions["press"].replace("saturday", "monday")}
    _, errors = await site.freeze("--kind", "week", "--period", "2026-03-30", code=1)
    assert "overlaps one that has a document" in " ".join(errors.split())
    found = orjson.loads((await site.freeze("--kind", "week", "--period", "2026-04-06", "--json"))[0])["made"]
    assert len(found) == 2
    assert (await site.document("week", "2026-04-06"))["previous"] is None


async def test_nothing_without_transactions_in_production(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """Two makers could write both; the embedded broker is for development, which accepts that."""
    site = FrozenSite(kafka_embedded, redis_url, tmp_path, PLAIN, exact=False)
    await begin(site)
    await site.freeze(*WORDS, code=1, environ={"RANKER_ENV": "production"})
    assert not await site.documents()
    await site.freeze(*WORDS)
    assert len(await site.documents()) == 2


async def test_the_topic_holds_one_record_of_each(site: FrozenSite) -> None:
    """What an aborted transaction wrote is in no committed read, and compaction may drop it."""
    await begin(site)
    await site.freeze(*WORDS)
    consumer = AIOKafkaConsumer(bootstrap_servers=site.bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        tp = TopicPartition(TOPIC, 0)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end, keys = (await consumer.end_offsets([tp]))[tp], []
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                keys += [one.key for one in records if one.key.startswith(site.site.encode())]
    finally:
        await consumer.stop()
    assert sorted(keys) == sorted(str(key).encode() for key in await site.documents())
