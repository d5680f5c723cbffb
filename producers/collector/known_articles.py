"""Which articles have been paid for, kept over restarts: a file for each site in the spool's directory.

An article with an event type is 8 bytes of their hash. The files are written every minute and at the end. A crash loses
a minute of them at most, which the burst that a new process begins with makes good.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Self

SAVE_EVERY_S = 60.0
NEVER = -1
"""The minute in which an article was last counted, where nobody knows."""
MAX_PAIRS = 35_000
"""Articles with a type for each site, about 5 MB of memory; the one not seen for longest goes first. Part of what a
week may cost (limits.py), since a stranger can have all of them counted again."""

_SIZE = 8
_log = logging.getLogger(__name__)


class Known:
    """Reads what is in `directory` of these sites; a file that cannot be read counts as none."""

    def __init__(self, directory: Path, sites: Iterable[str]) -> None:
        self._directory = directory
        self._seen = {site_id: _read(self._file(site_id)) for site_id in sites}
        self._changed: set[str] = set()

    def last(self, site_id: str, pair: bytes) -> int | None:
        """In which minute it was last counted, NEVER included; None if it is not known."""
        return self._seen[site_id].get(pair)

    def count(self, site_id: str, pair: bytes, minute: int) -> None:
        """It is the one seen last."""
        seen = self._seen[site_id]
        if seen.pop(pair, None) is None:
            self._changed.add(site_id)
        seen[pair] = minute
        if len(seen) > MAX_PAIRS:
            del seen[next(iter(seen))]

    async def save(self) -> None:
        """Write what has changed, in a thread. A disk that fails is logged: there is nothing to be lost but a burst."""
        for site_id in tuple(self._changed):
            self._changed.discard(site_id)  # before it is read: what changes meanwhile is written the next time
            try:
                await asyncio.to_thread(_write, self._file(site_id), b"".join(self._seen[site_id]))
            except OSError as error:
                self._changed.add(site_id)
                _log.warning("known articles not saved", extra={"why": error.strerror})

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, sites: Iterable[str]) -> AsyncIterator[Self]:
        """What is known, saved now and then while the block runs, and at its end."""
        known, ending = cls(directory, sites), asyncio.Event()

        async def save_now_and_then() -> None:
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SAVE_EVERY_S):
                        await ending.wait()
                await known.save()

        task = asyncio.create_task(save_now_and_then(), name="known articles")
        try:
            yield known
        finally:
            ending.set()  # a cancellation would leave a thread that writes, beside the last save
            await task
            await known.save()

    def _file(self, site_id: str) -> Path:
        return self._directory / f"{site_id}.articles"


def name(article_id: str, event_type: str) -> bytes:
    """An article with a type, in 8 bytes."""
    return blake2b(f"{article_id}\0{event_type}".encode(), digest_size=_SIZE).digest()


def _read(file: Path) -> dict[bytes, int]:
    with contextlib.suppress(OSError):
        whole = file.read_bytes()[-_SIZE * MAX_PAIRS :]
        return {whole[at : at + _SIZE]: NEVER for at in range(0, len(whole) - _SIZE + 1, _SIZE)}
    return {}


def _write(file: Path, content: bytes) -> None:
    beside = file.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as out:  # noqa: PTH123 - the mode is the descriptor's
        out.write(content)
    beside.replace(file)
