"""How often one client has sent events of one type for one article in this hour, in fixed memory, without its address.

A count-min sketch with conservative update (Estan and Varghese, 2002): an event has a cell in each row, chosen by a
keyed hash, and was counted no more often than the smallest of its cells says. Nothing is ever evicted, so nobody can
make the collector forget what they have sent by sending more. Counts and key are new in each clock hour (UTC).
"""

from __future__ import annotations

import os
import struct
from array import array
from hashlib import blake2b

from producers.event import PageView

HOUR_MS = 3_600_000
ROWS = 4
WIDTH = 1 << 20
"""Cells of a row; 8 MiB in all, and 4 µs an event. Events that share cells can be refused too early, never too late:
with 7 million events an hour a cell has 7, and the chance that all four have 30 is below 1e-39 (with 10 as the limit
1e-3). To have p⁴ of the honest events refused, strangers must fill a share p of the cells: 30 · p · WIDTH events."""

_CELLS = struct.Struct(f"<{ROWS}I")


class ClientHour:
    """`limit` (1 to 65,535) events of one type for one article and client are taken in an hour."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hour: int | None = None

    def take(self, client: bytes, view: PageView, now_ms: int) -> bool:
        """Whether this one is within the limit; then it is counted."""
        if now_ms // HOUR_MS != self._hour:
            self._hour = now_ms // HOUR_MS
            self._key = os.urandom(32)
            self._counts = array("H", bytes(2 * ROWS * WIDTH))
        # None of the names can contain a zero byte.
        whole = f"{view.site_id}\0{view.event_type}\0{view.article_id}\0".encode() + client
        found = _CELLS.unpack(blake2b(whole, key=self._key, digest_size=_CELLS.size).digest())
        cells = [row * WIDTH + number % WIDTH for row, number in enumerate(found)]
        counts = self._counts
        least = min([counts[cell] for cell in cells])
        if least >= self._limit:
            return False
        for cell in cells:
            if counts[cell] == least:
                counts[cell] = least + 1
        return True
