"""Readers as processes of their own, as they run in production: start, ask, restart, look at what they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import children, waiting
from deploy.local.ports import HOST, free_port
from tests.bench import processes
from tests.support.http import Answer, ask
from tests.support.redis_at import redis_environ


@dataclass
class ReaderProcess:
    """`ranker serve` on ports that stay the same over restarts."""

    redis_url: str
    log: Path
    drain_s: float
    host: str = HOST
    config: str = ""
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)

    def start(self) -> None:
        ports = ["--host", self.host, "--port", str(self.port), "--admin-port", str(self.admin_port)]
        argv = processes.ranker("serve", *ports, "--drain-s", str(self.drain_s))
        config = self.log.with_suffix(".toml")
        config.write_text(self.config)
        env = {**processes.environment(), **redis_environ(self.redis_url), "RANKER_CONFIG": str(config)}
        self.child = children.start("reader", argv, self.log, env)

    def get(self, target: str, **headers: str) -> Answer:
        return ask(self.port, target, **headers)

    def admin(self, path: str) -> Answer | None:
        """What the admin port says; None while nobody listens there."""
        assert self.child.returncode() is None, self.child.tail()
        try:
            return ask(self.admin_port, path)
        except ConnectionError:
            return None

    def readyz(self) -> tuple[int, list[str]]:
        answer = self.admin("/readyz")
        return (answer.status, answer.json["reasons"]) if answer else (0, [])

    def until_ready(self) -> None:
        waiting.until("Readiness", lambda: self.readyz()[0] == 200, 30.0)

    def until_ended(self, deadline_s: float) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        waiting.until("The end of the reader", lambda: self.child.returncode() is not None, deadline_s)
        return int(self.child.process.returncode)


@contextmanager
def reader_process(
    redis_url: str, directory: Path, drain_s: float = 0, host: str = HOST, config: str = ""
) -> Iterator[ReaderProcess]:
    """A reader that was started, not necessarily ready, and is ended with the block; `config` is its ranker.toml."""
    reader = ReaderProcess(redis_url, directory / "reader.log", drain_s, host, config)
    reader.log = directory / f"reader-{reader.port}.log"
    reader.start()
    try:
        yield reader
    finally:
        reader.child.kill()
