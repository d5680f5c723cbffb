"""`producers replay --follow` on a log that grows, and what it wrote."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from deploy.local.waiting import until_async
from producers.replay.position import Position
from tests.support.producers_command import start


def line(article: int | str) -> str:
    at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return f'1.2.3.4 - - [{at}] "GET /a{article} HTTP/1.1" 200 1 "-" "Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0"\n'


def write(log: Path, articles: Sequence[int | str]) -> None:
    with log.open("a") as file:
        file.write("".join(map(line, articles)))


@contextlib.asynccontextmanager
async def following(
    bootstrap: str, topic: str, state: Path, *files: Path | str, more: Sequence[str] = ()
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, which is killed at the end if it still runs."""
    args = ("replay", *map(str, files), "--follow", "--state", str(state), "--topic", topic, *more)
    process = await start(bootstrap, *args)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Exit code, output and error output after SIGTERM, within ten seconds."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def sent_to(state: Path, topic: str) -> dict[str, list[int]]:
    """How far each file has been sent, by the state as it lies there."""
    copy = state.with_name("copy.json")
    if not state.exists():
        return {}
    copy.write_bytes(state.read_bytes())
    position = Position(copy, topic)
    position.close()
    return {path: [mark.offset for mark in marks] for path, marks in position.marks.items()}


async def caught_up(state: Path, topic: str, *logs: Path) -> None:
    """Wait until the last file of each path has been sent to its end."""

    async def all_sent() -> bool:
        found = sent_to(state, topic)
        return all(found.get(str(log), [-1])[-1:] == [log.stat().st_size] for log in logs)

    await until_async("The end of the logs in the state", all_sent)
