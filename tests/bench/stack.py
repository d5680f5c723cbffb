"""The servers of one bench run: Apache Kafka and Redis with an append-only file, on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local import waiting
from deploy.local.directories import run_directory
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.redis import RedisServer

_KAFKA = {
    "log.retention.check.interval.ms": "300000",
    # Kafka's own is 3 s: members that start together get their partitions together, not after a rebalance
    "group.initial.rebalance.delay.ms": "1500",
}


@dataclass
class Stack:
    """`directory` is the run's own and goes with it."""

    directory: Path
    kafka: ApacheKafka
    redis: RedisServer

    def configure(self, topic: str, more: str = "") -> dict[str, str]:
        """The environment of the ranker's commands for counting `topic`; every topic is a generation of its own.

        `more` is added to the ranker.toml.
        """
        config = self.directory / f"{topic}.toml"
        config.write_text(f'topic = "{topic}"\n{more}')
        return {
            "RANKER_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "RANKER_REDIS_URL": self.redis.url,
            "RANKER_CONFIG": str(config),
        }

    def empty_redis(self) -> None:
        """Empty Redis, and wait until it has nothing left to do."""
        self.redis.flush()
        with self.redis.client() as client:
            client.config_set("slowlog-log-slower-than", 1_000)
            client.config_set("slowlog-max-len", 100_000)
            client.slowlog_reset()
            client.config_resetstat()
            waiting.until(
                "the end of Redis' rewriting of its log",
                lambda: not client.info("persistence")["aof_rewrite_in_progress"],
                120.0,
            )


@contextlib.contextmanager
def started() -> Iterator[Stack]:
    """Start both servers for the block."""
    with run_directory() as directory, contextlib.ExitStack() as stack:
        kafka = ApacheKafka(directory / "kafka", _KAFKA, heap="1g")
        redis = RedisServer(directory / "redis")
        for server in (kafka, redis):
            stack.callback(server.stop)
            server.start()
        yield Stack(directory, kafka, redis)
