"""A process of `ranker rebuild`."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import Mapping

from tests.integration.consume.engine import RANKER, Engine

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
