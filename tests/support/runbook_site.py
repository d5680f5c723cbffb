"""A system for docs/runbook.md to be broken: engine, reader and collector of one topic."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from deploy.local import children
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from tests.integration.consume.engine import RANKER_TOML, Consumer, Engine
from tests.support.http import Answer, ask
from tests.support.recount import Recount
from tests.support.runbook_commands import Running, installed

T = TypeVar("T")
PARTITIONS = 4
"""Of a topic that `ranker topics apply` has made."""
PATIENCE_S = 90.0
KEY = "the-key-of-demo-0123456789"
SITE_TOML = """
[serve]
refresh_ms = 100
stale_after_s = 2
[sites.demo]
hosts = ["127.0.0.1"]
public_types = ["view", "share"]
"""


class Patient(Engine):
    """One whose steps take longer: the commands of the page are processes of their own, on the cores that it has."""

    async def until(self, what: str, ask: Callable[[], Awaitable[T]], deadline_s: float = PATIENCE_S) -> T:
        return await super().until(what, ask, max(deadline_s, PATIENCE_S))


class Site:
    """`engine` counts; the reader and the collector run once they are started. Commands see what the page says they see."""

    def __init__(self, engine: Engine, broker: ApacheKafka) -> None:
        self.engine = engine
        self.broker = broker
        self.directory = engine.directory
        self.path = installed(engine.directory / "bin", broker)
        self.ports = {name: free_port() for name in ("reader", "reader_admin", "collector", "collector_admin")}
        self.reader: children.Child | None = None
        self.collector: children.Child | None = None
        self.more: dict[str, str] = {}
        """Variables beside those of `environ`, for programs and commands."""

    @property
    def topic(self) -> str:
        return self.engine.topic

    @property
    def environ(self) -> dict[str, str]:
        consumers = [one for one in self.engine.consumers if not one.ended]
        at = {name: f"{HOST}:{port}" for name, port in self.ports.items()}
        return {
            **self.engine.env(),
            "PATH": self.path,
            "CONSUMER": consumers[-1].admin.removeprefix("http://") if consumers else at["reader_admin"],
            "READER": at["reader_admin"],
            "COLLECTOR": at["collector_admin"],
            "SITE": at["reader"],
            "EVENTS": at["collector"],
            "RANKER_WRITE_KEYS": f"demo={KEY}",
            **self.more,
        }

    async def begin(self, views: int = 500) -> Consumer:
        """Topics as `ranker topics apply` makes them, a consumer that is ready, and so many views counted."""
        engine = self.engine
        applied = await asyncio.to_thread(engine.ranker, "topics", "apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        engine.partitions = PARTITIONS
        consumer = engine.consume()
        await engine.until("readiness", consumer.ready)
        await engine.traffic.send(views)
        await engine.until_counted()
        return consumer

    async def read(self, article: str, count: int, **fields: str) -> None:
        """So many views of one article of site demo, a minute ago: `ranker compare` counts full minutes."""
        moment_ms = int(time.time() * 1000) - 60_000
        async with self.engine.traffic.producer(linger_ms=20) as producer:
            for number in range(count):
                event: dict[str, object] = {"event_id": f"{article}-{number}", "event_type": "view", "site_id": "demo"}
                event |= {"article_id": article, "occurred_at": moment_ms} | fields
                await producer.send(self.topic, json.dumps(event).encode(), key=f"demo/{article}".encode())

    def start_reader(self) -> None:
        argv = ["serve", "--host", HOST, "--port", str(self.ports["reader"]), "--drain-s", "0"]
        argv += ["--admin-port", str(self.ports["reader_admin"])]
        self.reader = self._start("ranker", argv, "reader")

    def start_collector(self) -> None:
        argv = ["collect", "--host", HOST, "--port", str(self.ports["collector"]), "--topic", self.engine.topic]
        argv += ["--admin-port", str(self.ports["collector_admin"]), "--spool", str(self.directory / "spool")]
        self.collector = self._start("producers", argv, "collector")

    def _start(self, program: str, argv: list[str], name: str) -> children.Child:
        words = [str(self.directory / "bin" / program), *argv]
        return children.start(name, words, self.directory / f"{name}.log", self.environ)

    def get(
        self, name: str, target: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> Answer | None:
        """An answer of one of `ports`; None while nobody listens there."""
        try:
            return ask(self.ports[name], target, method, body, **headers)
        except OSError:
            return None

    def ready(self, name: str) -> bool:
        answer = self.get(f"{name}_admin", "/readyz")
        return answer is not None and answer.status == 200

    def ranking(self, window: str = "long") -> Any:
        """The list `read` of site demo; None if the answer is no list."""
        answer = self.get("reader", f"/v1/demo/popular/read/{window}")
        return answer.json if answer is not None and answer.status == 200 else None

    def metric(self, name: str) -> float:
        """A sample without labels of the collector's or the reader's; -1 if it is not there."""
        for port in ("collector_admin", "reader_admin"):
            answer = self.get(port, "/metrics")
            found = answer and re.search(rf"^{name} (\S+)$", answer.body.decode(), re.MULTILINE)
            if found:
                return float(found[1])
        return -1.0

    def post(self, article: str, **headers: str) -> int:
        """Sends a view as the site's server does; the status, 0 if nobody listens."""
        return self.post_body(json.dumps({"article_id": article}), **headers)

    def post_body(self, body: str, **headers: str) -> int:
        """The same with events of one's own. A header that is empty is left out."""
        named = {"Authorization": f"Bearer {KEY}", "Content_Type": "application/json"} | headers
        sent = {name: value for name, value in named.items() if value}
        answer = self.get("collector", "/v1/events", "POST", body, **sent)
        return answer.status if answer else 0

    def reconfigure(self, config: str) -> None:
        """Another end of ranker.toml, which does not decide counts."""
        toml = (RANKER_TOML + config).format(topic=self.topic, session_timeout_ms=1_500)
        self.engine.reconfigure(toml)

    def stop(self) -> None:
        """Reader and collector; consumers are the engine's."""
        children.stop_all([one for one in (self.reader, self.collector) if one is not None])

    async def take_over(self, rebuild: Running, *, keep: Consumer | None = None) -> Consumer:
        """Once the rebuild has activated it, next.toml is put in the place of ranker.toml; consumers but `keep` restart."""
        engine = self.engine
        await engine.until("the activation", rebuild.says(" is active"), 60.0)
        engine.reconfigure((self.directory / "next.toml").read_text())
        engine.recount = Recount(engine.bootstrap, engine.topic, engine.rules)
        for one in engine.consumers:
            if not one.ended and one is not keep:
                one.stop()
        consumer = engine.consume()
        await engine.until("the end of the rebuild", rebuild.has_ended, 60.0)
        await engine.until("readiness", consumer.ready)
        await engine.until_counted()
        return consumer


def new_site(broker: ApacheKafka, redis_url: str, directory: Path, config: str = SITE_TOML, **options: Any) -> Site:
    """Options of the engine; close its engine and stop it."""
    return Site(Patient(broker.bootstrap, redis_url, directory, config=RANKER_TOML + config, **options), broker)
