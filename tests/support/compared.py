"""What definitions come to by their own words, over records read plainly; a topic for `ranker compare`, and the command."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from deploy.local.waiting import until_async
from ranker.log.stretch import reading
from ranker.operate.compare import Comparison, Definition, Period, compare
from ranker.settings import load
from tests.integration.consume.engine import CHECKOUT, RANKER
from tests.support.kafka_at import kafka_at, kafka_environ
from tests.support.recount import Raw, Recount, Rules, ranked, verdict

PARTITIONS = 2


@dataclass
class Counted:
    """What one definition comes to, by its own words."""

    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lists: defaultdict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    late: int = 0
    dead: int = 0
    settled: int = 0
    given_up: int = 0


def counted(parts: Sequence[Sequence[Raw]], rules: Rules, from_ms: int, to_ms: int) -> Counted:
    found = Counted()
    for records in parts:
        state = rules.begin
        for raw in records:
            said, state = verdict(raw, rules, state)
            found.late += said.what == "late"
            found.dead += said.what in ("dead", "future")
            if said.what == "count" and from_ms <= said.occurred_ms < to_ms:
                site, outcome, article = said.named
                found.outcomes[site][outcome] += said.value
                for board, weights in rules.boards.items():
                    if outcome in weights:
                        found.lists[site, board][article] += weights[outcome] * said.value
        found.settled += state.settled
        found.given_up += state.given_up
    return found


def check(content: Mapping[str, Any], name: str, expected: Counted) -> None:
    """All that the document has of one definition."""
    (one,) = [one for one in content["definitions"] if one["definition"] == name]
    assert (one["late"], sum(one["dead_letters"].values()), one["settled"], one["given_up"], one["lost"]) == (
        expected.late, expected.dead, expected.settled, expected.given_up, 0,
    )  # fmt: skip
    assert {site["site"] for site in content["sites"]} == expected.outcomes.keys()
    for site in content["sites"]:
        (dropped,) = [one for one in site["dropped"] if one["definition"] == name]
        outcomes = expected.outcomes[site["site"]]
        assert dropped["counted"] == sum(outcomes.values())
        assert {f"!{rule['outcome']}": rule["count"] for rule in dropped["rules"] if rule["count"]} == {
            outcome: count for outcome, count in outcomes.items() if outcome.startswith("!")
        }
        assert {board["board"] for board in site["boards"]} == {"read", "engaged"}
        for board in site["boards"]:
            (listed,) = [one for one in board["lists"] if one["definition"] == name]
            counts = expected.lists[site["site"], board["board"]]
            rows = ranked(counts)
            assert (listed["total"], listed["articles"]) == (sum(counts.values()), len(rows))
            assert [(item["article_id"], item["count"]) for item in listed["items"]] == rows[: content["places"]]
            assert [item["ranks"][name] for item in listed["items"]] == list(range(1, len(listed["items"]) + 1))


class Log:
    """A topic of its own, written to with given append times (CreateTime), or by the broker's clock."""

    def __init__(self, bootstrap: str, directory: Path, definitions: Mapping[str, str], *, exact: bool = True) -> None:
        """`definitions` are the texts of ranker.toml by name, with {topic}.

        `exact`: the broker finds a record by its append time; else it may find the batch that it is in.
        """
        self.definitions = definitions
        self.bootstrap = bootstrap
        self.exact = exact
        self.directory = directory
        self.name = f"views-{os.urandom(4).hex()}"

    async def create(self, **settings: str) -> None:
        configs = {"retention.ms": "-1"} | {name.replace("_", "."): value for name, value in settings.items()}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self.name, PARTITIONS, 1, topic_configs=configs)])

            async def known() -> bool:
                return self.name in await admin.list_topics()

            await until_async("the topic", known)
        finally:
            await admin.close()

    async def write(self, records: Mapping[int, Sequence[Raw]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            sent = [
                await producer.send(self.name, raw.value, partition=partition, timestamp_ms=raw.timestamp)
                for partition, some in records.items()
                for raw in some
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def delete(self, partition: int, before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(self.name, partition): RecordsToDelete(before_offset=before)})
        finally:
            await admin.close()

    async def records(self, rules: Rules) -> dict[int, list[Raw]]:
        """All of them, by a plain client."""
        recount = Recount(self.bootstrap, self.name, rules)
        await recount.read()
        return recount.records

    def config(self, name: str) -> Path:
        path = self.directory / f"{name}.toml"
        path.write_text(self.definitions[name].format(topic=self.name))
        return path

    async def compare(self, requested: Period, names: Sequence[str]) -> Comparison:
        definitions = [Definition(name, load(str(self.config(name)), {}).generation) for name in names]
        async with reading(kafka_at(self.bootstrap), self.name) as log:
            return await compare(log, definitions, requested, lambda _position, _total=None: None)

    async def ranker(self, *words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`ranker compare …` to its end, with a Redis that nobody serves."""
        environ = os.environ | {
            "PYTHONPATH": str(CHECKOUT), **kafka_environ(self.bootstrap),
            "RANKER_REDIS_URL": "redis://127.0.0.1:1/0", "RANKER_CONFIG": str(config or ""),
        }  # fmt: skip
        argv = [*RANKER, "compare", *words]
        return await asyncio.to_thread(subprocess.run, argv, env=environ, capture_output=True, text=True)
