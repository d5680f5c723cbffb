"""A process that puts into a spool, or takes from it, until it is killed: `python -m tests.support.spool_process DIRECTORY WHAT …`.

Each line of its output is said after the spool has promised something, never before.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
from pathlib import Path

from producers.collector.delivery.spool import Chunk, Record, Spool, SpoolFullError

LIMIT = 32 << 20


def records(first: int, count: int) -> list[Record]:
    """Numbered records."""
    return [(b"demo/%d" % (n % 7), b"%d" % n) for n in range(first, first + count)]


def numbers(found: list[Record]) -> list[int]:
    return [int(value.split(b" ")[0]) for _, value in found]


async def put(directory: Path, first: int, count: int, at_once: int) -> None:
    """Put records of numbers from `first` on, so many with each put and so many puts at once; say which are stored."""
    async with Spool.open(directory, LIMIT) as spool:
        while True:
            starts = range(first, first + count * at_once, count)
            first = starts.stop

            async def one(start: int) -> None:
                await spool.put(records(start, count), doubtful=False)
                sys.stdout.write(f"stored {start} {count}\n")
                sys.stdout.flush()

            await asyncio.gather(*map(one, starts))


async def drain(directory: Path) -> None:
    """Take chunk after chunk; say what was sent, and what of it was doubtful."""
    async with Spool.open(directory, LIMIT) as spool:
        done: Chunk | None = None
        while (done := await spool.take(done)).records:
            sys.stdout.write(f"sent {done.doubtful} {' '.join(map(str, numbers(done.records)))}\n")
            sys.stdout.flush()
        sys.stdout.write("empty\n")
        sys.stdout.flush()


async def outgrow(directory: Path, most_bytes: int, emptied: int = 0) -> None:
    """Put until the disk, which takes no file larger than `most_bytes`, is full; then make room, or empty it as it is."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with Spool.open(directory, LIMIT) as spool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
        stored = 0
        try:
            while True:
                await spool.put(noise(stored), doubtful=False)
                stored += 10
        except SpoolFullError as full:
            sys.stdout.write(f"full {stored} {spool.events} {full}\n")
        if emptied:
            count, done = 0, None
            while (done := await spool.take(done)).records:
                count += len(done.records)
            sys.stdout.write(f"emptied {count}\n")
            return
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await spool.put(noise(stored), doubtful=False)
        sys.stdout.write(f"again {spool.events}\n")


def noise(first: int) -> list[Record]:
    """Ten numbered records that do not shrink."""
    return [(b"demo/a", b"%d " % n + random.Random(n).randbytes(8_000)) for n in range(first, first + 10)]


if __name__ == "__main__":
    what, where = sys.argv[2], Path(sys.argv[1])
    work = {"put": put, "drain": drain, "outgrow": outgrow}[what]
    asyncio.run(work(where, *map(int, sys.argv[3:])))  # type: ignore[operator]
