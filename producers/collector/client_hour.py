"""Limits one client's events of one type for one article in an hour, in fixed memory, without storing its address.

A count-min sketch with conservative update (Estan and Varghese, 2002): an event has a cell in each of two rows, chosen
by a keyed hash; the smaller cell is an upper bound for its count. Nothing is ever evicted, so a client cannot erase its
counts by sending more. Counts and key are new in each clock hour (UTC).
"""

from __future__ import annotations

import os
import struct
from array import array
from hashlib import blake2b

from producers.event import PageView

HOUR_MS = 3_600_000
WIDTH = 1 << 21
"""Cells of a row; 8 MiB in both, and 2.5 µs an event. Events that share cells can be refused too early, never too late:
with 7 million events an hour a cell has 3.4, and the chance that both have 30 is below 1e-30 (with 10 as the limit
1e-5). To have p² of the honest events refused, strangers must fill a share p of the cells: 30 · p · WIDTH events."""

_CELLS = struct.Struct("<2I")


class ClientHour:
    """`limit` (1 to 65,535) events of one type for one article and client are accepted in an hour."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hour: int | None = None

    def room(self, client: bytes, view: PageView, now_ms: int) -> tuple[int, int] | None:
        """The event's cells, to be counted if it is accepted; None if the limit is reached."""
        if now_ms // HOUR_MS != self._hour:
            self._hour = now_ms // HOUR_MS
            self._key = os.urandom(32)
            self._rows = array("H", bytes(2 * WIDTH)), array("H", bytes(2 * WIDTH))
        # None of the names can contain a zero byte.
        whole = f"{view.site_id}\0{view.event_type}\0{view.article_id}\0".encode() + client
        i, j = _CELLS.unpack(blake2b(whole, key=self._key, digest_size=_CELLS.size).digest())
        i, j = i % WIDTH, j % WIDTH
        return (i, j) if min(self._rows[0][i], self._rows[1][j]) < self._limit else None

    def count(self, cells: tuple[int, int]) -> None:
        """Counts an event in the cells that `room` has just returned."""
        (one, other), (i, j) = self._rows, cells
        least = min(one[i], other[j])
        if one[i] == least:
            one[i] += 1
        if other[j] == least:
            other[j] += 1
