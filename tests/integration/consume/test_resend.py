"""Dead letters sent again: counted once, by the consumer that rejected them, by a rebuild, and by another generation."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.integration.consume.traffic import Traffic

ONE_SITE = RANKER_TOML + '\n[rules]\nunknown_sites = "reject"\n\n[sites.demo]\n'
BOTH_SITES = ONE_SITE + "\n[sites.le-courrier]\n"


@pytest.mark.long
async def test_letters_of_a_site_that_was_added(new_engine: Callable[..., Engine]) -> None:
    """In the log the new generation counts them itself; gone from it they are sent once, rebuild or not."""
    old = new_engine(config=ONE_SITE)
    await old.create_topic(2)
    consumer = old.consume()
    await Traffic(old.bootstrap, old.topic, faults=False).send(400)
    await old.until_counted()
    consumer.stop()
    letters, _ = counts(old)["unknown_site"]
    assert letters > 0

    new = new_engine(config=BOTH_SITES, topic=old.topic)
    new.partitions = 2
    left = new.ranker("dead", "resend", "--reason", "unknown_site")
    assert left.stdout.startswith("0 letters sent"), left.stderr
    assert f"left: {letters} which these rules count at their place" in left.stdout
    consumer = new.consume()
    await new.until_counted()
    await new.check()
    consumer.stop()

    # The log loses what both generations began with, and Redis everything: only the letters are left of it.
    ends = await new.recount.read()
    cut = {TopicPartition(new.topic, partition): RecordsToDelete(before_offset=end) for partition, end in ends.items()}
    await new.admin(lambda admin: admin.delete_records(cut))
    await new.client.flushall()
    new.consume()
    sent = new.ranker("dead", "resend", "--reason", "unknown_site")
    assert sent.stdout.startswith(f"{letters} letters sent"), sent.stderr
    await new.until_counted()
    await new.check()
    shards = [shard for partition in range(2) if (shard := await new.shard(partition)) is not None]
    assert [shard.n0 for shard in shards] == [ends[partition] for partition in range(2)]
    assert all(shard.meta.get("count:late", "0") == "0" for shard in shards)
    assert counts(new)["unknown_site"] == (letters, letters)
    assert new.ranker("dead", "resend", "--reason", "unknown_site").stdout.startswith("0 letters sent")
    await new.client.flushall()
    await new.until_counted()
    await new.check()


@pytest.mark.long
async def test_a_rebuild_writes_letters_again_and_marks_stay(engine: Engine) -> None:
    """Sent although they are still bad, they come back as new letters; the marks outlive what a rebuild writes."""
    engine.consume()
    await engine.traffic.send(300)
    async with engine.traffic.producer() as producer:
        for number in range(20):
            await producer.send_and_wait(engine.topic, b"{half", f"demo/{number}".encode())
    await engine.until_counted()
    before, _ = counts(engine)["malformed"]
    sent = engine.ranker("dead", "resend", "--reason", "malformed", "--force")
    assert f"of them: {before} still rejected (malformed)" in sent.stdout, sent.stderr
    await engine.until_counted()
    assert counts(engine)["malformed"] == (2 * before, before)
    await engine.client.flushall()
    await engine.until_counted()
    assert counts(engine)["malformed"] == (2 * before, before)
    await engine.check()


def counts(engine: Engine) -> dict[str, tuple[int, int]]:
    """Reason to letters and resent."""
    listed = engine.ranker("dead", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)["reasons"]
    return {reason: (count["letters"], count["resent"]) for reason, count in found.items()}
