"""A process of `ranker rebuild`, and the generations that it stands between."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Mapping

from tests.integration.consume.engine import RANKER, Consumer, Engine

PARTITIONS = 2

_numbers = itertools.count(1)


class Rebuild:
    """With the configuration of `engine`; standard input is no terminal unless one is given."""

    def __init__(
        self, engine: Engine, *options: str, environment: str = "production", stdin: int | None = None
    ) -> None:
        self._engine = engine
        self._files = [engine.directory / f"rebuild-{next(_numbers)}.{name}" for name in ("out", "err")]
        out, err = (path.open("wb") for path in self._files)
        self._env: Mapping[str, str] = {**os.environ, **engine.env(environment)}
        argv = [*RANKER, "rebuild", "--config", str(engine.config), *options]
        with out, err:
            self.process = subprocess.Popen(
                argv, env=self._env, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=out, stderr=err
            )

    @property
    def said(self) -> str:
        """Standard output and standard error so far."""
        return "\n".join(path.read_text() for path in self._files)

    async def until_said(self, words: str, deadline_s: float = 60.0) -> None:
        async def found() -> bool:
            if self.process.poll() is not None and words not in self.said:
                raise AssertionError(f"ended with {self.process.returncode}, without {words!r}: {self.said}")
            return words in self.said

        await self._engine.until(words, found, deadline_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Waits for its end."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"does not end: {self.said}") from None
        out, err = (path.read_text() for path in self._files)
        return subprocess.CompletedProcess(self.process.args, code, out, err)


class Pair:
    """An active generation without rules that is counted, and one with those of the press on the same topic."""

    def __init__(self, blue: Engine, green: Engine, counting: Consumer) -> None:
        self.blue, self.green, self.counting = blue, green, counting

    async def active(self) -> str:
        return await active_of(self.blue)

    async def check(self) -> None:
        """Both are equal to the recount, and the old consumer knows no trouble."""
        for engine in (self.blue, self.green):
            await engine.until_counted()
            await engine.check()
        await self.blue.until("readiness of the old consumer", self.counting.ready)


async def active_of(engine: Engine) -> str:
    stored = await engine.client.get("ranker:active")
    return "" if stored is None else str(json.loads(stored)["generation"])
