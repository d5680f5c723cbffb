"""A small run of the whole engine, kept as files, and put back: `python -m tests.support.recorded_run DIRECTORY` records one.

A recording is what an upgrade begins from: the state that one version left in Redis, the log that it had counted, its
configuration, and the lists that it served then. tests/data/README.md says what is in the files.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from deploy.local import children, launcher
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_jars import CHECKOUT
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer, redis_binary
from deploy.local.supervisor import Supervisor
from producers.client.producer import Producer
from tests.support import topics
from tests.support.http import ask
from tests.support.kafka_at import kafka_environ
from tests.support.recorded_lines import in_bytes, record_line

PARTITIONS = {"page-views": 4, "page-views.dead": 4, "articles": 1}
SITES = ("demo", "local")
BOARDS = ("read", "commented", "shared")
CONFIG = """\
lanes = 16

[sites.demo]
title = "Le Journal de démonstration"
origins = ["https://www.demo.example"]

[sites.local]
title = "La Gazette locale"

[windows.24h]
length_s = 86400
grain_s = 60

[windows.7d]
length_s = 604800
grain_s = 3600

[boards.read]
view = 1

[boards.commented]
comment = 1

[boards.shared]
share = 1

[rules]
preset = "press"
"""
ORIGIN = "https://www.demo.example"


@dataclass(frozen=True)
class Recording:
    """A directory that `record` has written."""

    directory: Path

    @property
    def dump(self) -> bytes:
        return (self.directory / "dump.rdb").read_bytes()

    @property
    def config(self) -> Path:
        return self.directory / "ranker.toml"

    @property
    def spool(self) -> Path:
        """Where a collector has left events that no Kafka had; not in a recording of 0.1.0."""
        return self.directory / "spool"

    @property
    def followed(self) -> Path:
        """A log of which `replay --follow` has sent the first half, and beside it `position.json`, its position."""
        return self.directory / "followed" / "access.jsonl"

    @property
    def served(self) -> dict[str, Any]:
        """`now_ms`, when the lists were served; `lists`, target to JSON; `receipts` of some; `expires_ms`, key to the end."""
        return dict(json.loads((self.directory / "served.json").read_text("utf-8")))

    def log(self, topic: str) -> Iterator[dict[str, Any]]:
        """The records of a topic, by partition and offset; `key`, `value` and headers as bytes or None."""
        for line in (self.directory / f"{topic}.jsonl").read_text("utf-8").splitlines():
            record = json.loads(line)
            yield record | {
                "key": in_bytes(record["key"]),
                "value": in_bytes(record["value"]),
                "headers": [(name, in_bytes(value)) for name, value in record["headers"]],
            }


def restored(recording: Recording, directory: Path) -> RedisServer:
    """A Redis, not started yet, that begins with the recorded state."""
    directory.mkdir(parents=True)
    (directory / "dump.rdb").write_bytes(recording.dump)
    # A Redis with an AOF configured begins empty if there is none, whatever dump lies beside it.
    return RedisServer(directory, redis_binary(), ("--appendonly", "no"))


def record(into: Path) -> None:
    """Run broker, Redis, consumer and reader; count a week that was made up; write the files.

    Within half an hour after a full hour, or the rank history stays empty.
    """
    into.mkdir(parents=True, exist_ok=True)
    config = into / "ranker.toml"
    config.write_text(CONFIG, "utf-8")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        kafka = ApacheKafka(directory / "kafka", starts_soon=True)
        store = RedisServer(directory / "redis", redis_binary())
        supervisor = Supervisor(
            directory,
            {
                **kafka_environ(kafka.bootstrap),
                "RANKER_REDIS_URL": store.url,
                "RANKER_ENV": "production",
                "RANKER_CONFIG": str(config),
            },
        )
        try:
            supervisor.add(kafka)
            supervisor.add(store)
            _send(supervisor, kafka.bootstrap, directory)
            _follow(supervisor, into / "followed")
            _spool(supervisor, into / "spool")
            logs = {topic: asyncio.run(topics.read(kafka.bootstrap, topic, n)) for topic, n in PARTITIONS.items()}
            served = _serve(supervisor, store, len(logs["page-views"]))
            with store.client() as client:
                served["expires_ms"] = _without_expiry(client)
                client.save()
            (into / "dump.rdb").write_bytes((store.directory / "dump.rdb").read_bytes())
            (into / "served.json").write_text(json.dumps(served, ensure_ascii=False, indent=1) + "\n", "utf-8")
            # Only now are there dead letters, which the consumer has written.
            logs["page-views.dead"] = asyncio.run(
                topics.read(kafka.bootstrap, "page-views.dead", PARTITIONS["page-views.dead"])
            )
            for topic, found in logs.items():
                found.sort(key=lambda record: (record.partition, record.offset))
                (into / f"{topic}.jsonl").write_text("".join(record_line(record) for record in found), "utf-8")
        finally:
            supervisor.stop(5.0)


def _send(supervisor: Supervisor, bootstrap: str, directory: Path) -> None:
    ranker, producers = launcher.program("ranker"), launcher.program("producers")
    supervisor.run("topics command", [ranker, "topics", "apply"])
    made_up: list[str | Path] = [producers, "simulate", "--demo", "--history", "7d", "--history-events", "900"]
    faults = ["--late", "0.02", "--future", "0.02", "--broken", "0.02", "--duplicate", "0.05", "--bot", "0.05"]
    supervisor.run("simulate", [*made_up, "--rate", "200", "--events", "300", *faults])
    now_ms = time.time_ns() // 1_000_000
    rows = [
        {"occurred_at": now_ms - 60_000 * minute, "article_id": f"/rue/{minute % 7}", "event_type": kind}
        for minute in range(120)
        for kind in ("view", "share")[: 1 + (minute % 5 == 0)]
    ]
    local = directory / "local.jsonl"
    local.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    supervisor.run("replay", [producers, "replay", local, "--site", "local"])
    ids = [row["article_id"] for row in json.loads((CHECKOUT / "producers/simulate/demo/catalogue.json").read_text())]
    for words in (["hide", "demo", ids[0]], ["alias", "demo", ids[1], ids[2]]):
        supervisor.run("editor", [producers, "articles", *words])
    removed = directory / "removed.jsonl"
    removed.write_text(json.dumps({"article_id": ids[3], "status": "removed"}) + "\n", "utf-8")
    supervisor.run("import", [producers, "articles", "import", removed, "--site", "demo"])
    asyncio.run(_astray(bootstrap, now_ms))


def _follow(supervisor: Supervisor, directory: Path) -> None:
    """The first half of a log is sent, and ended in order; the second half has come since."""
    directory.mkdir()
    now_ms = time.time_ns() // 1_000_000
    rows = [json.dumps({"occurred_at": now_ms - 1000 * n, "article_id": f"/suivi/{n % 3}"}) + "\n" for n in range(40)]
    log, state = directory.absolute() / "access.jsonl", directory / "position.json"
    log.write_text("".join(rows[:20]), "utf-8")
    words: list[str | Path] = [launcher.program("producers"), "replay", "--follow", "--state", state, log]
    follower = supervisor.start("follower", [*words, "--site", "local"], may_end=True)
    sent = log.stat().st_size

    def reached() -> bool:
        return state.exists() and f'"offset": {sent}' in state.read_text("utf-8")

    supervisor.until("The position", reached, 60.0)
    follower.stop(10.0)
    (directory / "position.json.lock").unlink()
    state.write_text(state.read_text("utf-8").replace(str(log), "access.jsonl"), "utf-8")
    log.write_text("".join(rows), "utf-8")


def _spool(supervisor: Supervisor, directory: Path) -> None:
    """Twenty events that a collector has accepted while Kafka was away."""
    port, admin = free_port(), free_port()
    words: list[str | Path] = [
        launcher.program("producers"),
        "collect",
        "--port",
        str(port),
        "--admin-port",
        str(admin),
    ]
    words += ["--spool", directory, "--bootstrap", f"{HOST}:{free_port()}", "--drain-s", "0"]
    collector = supervisor.start("collector", words, may_end=True)
    supervisor.until_ready(collector, admin, 60.0)
    for number in range(20):
        event = {"event_type": "view", "site_id": "demo", "article_id": f"/attente/{number}"}
        reply = ask(port, "/v1/events", "POST", json.dumps([event]), Origin=ORIGIN, Content_Type="text/plain")
        assert reply.status == 202, reply
    collector.stop(10.0)
    (directory / "reserve").unlink()  # of zeros


async def _astray(bootstrap: str, now_ms: int) -> None:
    """Six articles under one key, so in one partition: some of them are strays there."""
    async with Producer(bootstrap, name="astray") as producer:
        records = [
            (
                b"local/elsewhere",
                json.dumps(
                    {
                        "event_id": f"astray-{n}",
                        "event_type": "view",
                        "site_id": "local",
                        "article_id": f"/ailleurs/{n}",
                        "occurred_at": now_ms,
                    }
                ).encode(),
            )
            for n in range(6)
        ]
        await (await producer.send_records(records))


def _serve(supervisor: Supervisor, store: RedisServer, records: int) -> dict[str, Any]:
    """Count everything, end the consumer, so that the state stands still, and return what a reader serves of it."""
    ports = {"consumer": free_port(), "reader": free_port()}
    consume: list[str | Path] = [launcher.program("ranker"), "consume", "--admin-port", str(ports["consumer"])]
    consumer = supervisor.start("consumer", consume, may_end=True)
    supervisor.until_ready(consumer, ports["consumer"], 60.0)
    with store.client() as client:
        shards = [f"ranker:{{*.{partition}}}:meta" for partition in range(PARTITIONS["page-views"])]

        def counted() -> bool:
            metas = [key for pattern in shards for key in client.keys(pattern) if b"catalogue" not in key]
            return sum(int(client.hget(key, "n")) for key in metas) == records

        supervisor.until("Counting", counted, 60.0)
        supervisor.until("The rank history of this hour", lambda: client.keys("ranker:*history}:settled"), 60.0)
    consumer.stop(10.0)
    port = free_port()
    serve: list[str | Path] = [
        launcher.program("ranker"),
        "serve",
        "--port",
        str(port),
        "--admin-port",
        str(ports["reader"]),
    ]
    reader = supervisor.start("reader", [*serve, "--drain-s", "0"], may_end=True)
    supervisor.until_ready(reader, ports["reader"], 60.0)
    now_ms = time.time_ns() // 1_000_000
    targets = [f"/v1/{site}" for site in SITES]
    for site in SITES:
        targets += [f"/v1/{site}/popular/{board}/{window}?limit=1000" for board in BOARDS for window in ("24h", "7d")]
    lists = {target: ask(port, target).json for target in targets}
    receipts = {target: ask(port, f"{target}&receipt=true").json for target in targets if "?" in target}
    reader.stop(10.0)
    return {"now_ms": now_ms, "lists": lists, "receipts": receipts}


def _without_expiry(client: redis.Redis) -> dict[str, int]:
    """Take away every key's end, which would leave it out of a dump that is loaded later; return what they were."""
    ends = {key.decode(): int(client.pexpiretime(key)) for key in client.scan_iter()}
    ends = {key: end for key, end in sorted(ends.items()) if end > 0}
    for key in ends:
        client.persist(key)
    return ends


if __name__ == "__main__":
    children.adopt_orphans()
    record(Path(sys.argv[1]))
