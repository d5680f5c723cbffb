"""The articles that were already charged, kept over restarts in a file for each site in the spool's directory.

An article with an event type is 8 bytes of their hash. The files are written every minute and at the end. A crash loses
a minute of them at most, which the burst of the new process makes up for.
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
"""In place of the minute in which an article was last counted, if that is unknown."""
MAX_PAIRS = 35_000
"""Articles with a type for each site, about 5 MB of memory; the one not seen for longest is dropped. Part of a week's
cost (new_articles.py), since a stranger can have all of them counted again."""

_SIZE = 8
_log = logging.getLogger(__name__)


class Known:
    """The known articles of these sites, from their files in `directory`; a file that cannot be read is ignored."""

    def __init__(self, directory: Path, sites: Iterable[str]) -> None:
        self._directory = directory
        self._seen = {site_id: _read(self._file(site_id)) for site_id in sites}
        self._changed: set[str] = set()

    def last(self, site_id: str, pair: bytes) -> int | None:
        """The minute in which it was last counted, or NEVER; None if it is not known."""
        return self._seen[site_id].get(pair)

    def count(self, site_id: str, pair: bytes, minute: int) -> None:
        """Records that it was counted in this minute."""
        seen = self._seen[site_id]
        if seen.pop(pair, None) is None:
            self._changed.add(site_id)
        seen[pair] = minute
        if len(seen) > MAX_PAIRS:
            del seen[next(iter(seen))]

    async def save(self) -> None:
        """Writes the changed files, in a thread. An error of the disk is logged only: no more than a burst is lost."""
        for site_id in tuple(self._changed):
            self._changed.discard(site_id)  # before the write: changes during it are written the next time
            try:
                await asyncio.to_thread(_write, self._file(site_id), b"".join(self._seen[site_id]))
            except OSError as error:
                self._changed.add(site_id)
                _log.warning("known articles not saved", extra={"why": error.strerror})

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, sites: Iterable[str]) -> AsyncIterator[Self]:
        """The known articles, saved every minute while the block runs, and at its end."""
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
            ending.set()  # not cancelled: its thread might still write during the last save
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
