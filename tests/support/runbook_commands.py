"""The commands of docs/runbook.md, run by a shell as they stand, with the programs that they name on its PATH."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, Self

from deploy.local import children
from deploy.local.kafka_apache import ApacheKafka
from ranker.service.runbook import Section
from tests.support.runbook_page import part

KAFKA_TOOLS = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
}
"""Apache Kafka's scripts, as Debian's and the images' PATH have them, by the class that each runs."""
COMMAND_S = 180.0


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


class Guide:
    """The commands of one section, run in their order; as a context it ends only if all were run."""

    def __init__(self, system: System, section: Section | str, **names: str) -> None:
        """`names` are words of the page that stand for what this system has."""
        self._system = system
        self._left = part(section).commands
        self._names = names

        self._started: list[Running] = []

    def __enter__(self) -> Self:
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
