"""A system for docs/runbook.md: engine, reader and collector of one topic, and a shell that runs the page's commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from deploy.local import children
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from ranker.service.runbook import Section
from tests.integration.consume.engine import RANKER_TOML, Consumer, Engine
from tests.support.http import Answer, ask
from tests.support.recount import Recount
from tests.support.runbook_page import part

KAFKA_TOOLS = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
}
"""Apache Kafka's scripts, as Debian's and the images' PATH have them, by the class that each runs."""
PARTITIONS = 4
"""Of a topic that `ranker topics apply` has made."""
KEY = "the-key-of-demo-0123456789"
SITE_TOML = """
[serve]
refresh_ms = 100
stale_after_s = 2
[sites.demo]
hosts = ["127.0.0.1"]
public_types = ["view", "share"]
"""
COMMAND_S = 90.0


def installed(directory: Path, broker: ApacheKafka) -> str:
    """A PATH with the commands of the page."""
    directory.mkdir(exist_ok=True)
    for name, main in KAFKA_TOOLS.items():
        java = shlex.join(map(str, broker.command(main)))
        (directory / name).write_text(f'#!/bin/sh\nexec {java} "$@"\n')
    for name in ("ranker", "producers"):
        python = shlex.join([sys.executable, "-c", f"from {name}.commands import main; main(prog_name='{name}')"])
        (directory / name).write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    for file in directory.iterdir():
        file.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


class System(Protocol):
    """What commands of the page are run on."""

    directory: Path

    @property
    def topic(self) -> str: ...

    @property
    def environ(self) -> dict[str, str]: ...


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
        at = {name: f"http://{HOST}:{port}" for name, port in self.ports.items()}
        return {
            **self.engine.env(),
            "PATH": self.path,
            "CONSUMER": consumers[-1].admin if consumers else at["reader_admin"],
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


class Guide:
    """The commands of one section, run in their order; as a context it ends only if all were run."""

    def __init__(self, system: System, section: Section | str, **names: str) -> None:
        """`names` are words of the page that stand for what this system has."""
        self._system = system
        self._left = part(section).commands
        self._names = {name: ours for name, ours in names.items()}

        self._started: list[Running] = []

    def __enter__(self) -> Guide:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        children.stop_all([running.child for running in self._started])
        assert failed or not self._left, f"commands that were not run: {self._left}"

    def _next(self, names: Mapping[str, str], *, strict: bool = True) -> tuple[list[str], dict[str, str]]:
        block = self._left.pop(0)
        for name, ours in {"page-views": self._system.topic, "24h": "long", **self._names, **names}.items():
            block = block.replace(name, ours)
        environ = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "JAVA_HOME")}
        return ["sh", "-euc" if strict else "-uc", block], environ | self._system.environ

    async def run(self, **names: str) -> str:
        """Runs the next block, of which every command succeeds; its output and errors."""
        code, said = await self._ran(*self._next(names))
        assert code == 0, said
        return said

    async def look(self, **names: str) -> str:
        """Runs the next block on what is broken: its commands may fail; their output and errors."""
        _, said = await self._ran(*self._next(names, strict=False))
        return said

    async def _ran(self, argv: list[str], environ: dict[str, str]) -> tuple[int, str]:
        def ran() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                argv, env=environ, cwd=self._system.directory, text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_S,
            )  # fmt: skip

        done = await asyncio.to_thread(ran)
        assert "Traceback" not in done.stdout, done.stdout
        assert "not found" not in done.stdout, done.stdout
        return done.returncode, f"{argv[-1]}\n{done.stdout}"

    def start(self, **names: str) -> Running:
        """Starts the next block, whose last command goes on for a while."""
        argv, environ = self._next(names)
        self._started.append(Running(argv, environ, self._system.directory))
        return self._started[-1]


class Running:
    """Commands of which the last one goes on."""

    def __init__(self, argv: list[str], environ: dict[str, str], directory: Path) -> None:
        self._log = directory / f"running-{time.monotonic_ns()}.log"
        self.child = children.start("command of the page", argv, self._log, environ, directory)

    def said(self) -> str:
        return self._log.read_text()

    def says(self, words: str) -> Callable[[], Awaitable[bool]]:
        """The condition that it has said this; a failure if it ends without it."""

        async def said() -> bool:
            assert words in self.said() or self.child.returncode() is None, self.said()
            return words in self.said()

        return said

    async def has_ended(self) -> bool:
        """Whether it has; with another exit code than 0 it is a failure."""
        assert self.child.returncode() in (None, 0), self.said()
        return self.child.returncode() == 0

    async def interrupt(self) -> None:
        """Ctrl-C."""
        os.killpg(self.child.pid, signal.SIGINT)
        await asyncio.to_thread(self.child.process.wait, 20.0)


def new_site(broker: ApacheKafka, redis_url: str, directory: Path, config: str = SITE_TOML, **options: Any) -> Site:
    """Options of the engine; close its engine and stop it."""
    return Site(Engine(broker.bootstrap, redis_url, directory, config=RANKER_TOML + config, **options), broker)
