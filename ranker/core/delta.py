"""Packed deltas: what a slice's list in the store is made of. A slice's content is the sum of its deltas.

One format byte, then a msgpack map {site: {outcome: {article: count}}}; compressed with zlib once a slice is sealed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import msgspec

from ranker.core import tally
from ranker.core.tally import Articles

Counts = dict[str, dict[str, Articles]]
"""site, outcome, article to count."""

_PLAIN, _ZLIB = b"\x00", b"\x01"
_encode = msgspec.msgpack.Encoder().encode
_encode_sorted = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Counts).decode


class UnknownDeltaError(Exception):
    """A slice holds bytes that no version of this format wrote."""


def pack(counts: Counts) -> bytes:
    """An open slice's delta: written often, read once."""
    return _PLAIN + _encode(counts)


def seal(counts: Counts) -> bytes:
    """A sealed slice's only delta. Sorted ids compress better: neighbours share their beginnings."""
    return _ZLIB + zlib.compress(_encode_sorted(counts), 6)


def unpack(delta: bytes) -> Counts:
    kind, body = delta[:1], delta[1:]
    if kind == _ZLIB:
        return _decode(zlib.decompress(body))
    if kind == _PLAIN:
        return _decode(body)
    raise UnknownDeltaError(f"a delta starts with byte {kind!r}; this version reads 0 and 1: update the software")


def is_sealed(delta: bytes) -> bool:
    return delta[:1] == _ZLIB


def total(deltas: Iterable[bytes]) -> Counts:
    """The sum of deltas, zero counts left out."""
    summed: Counts = {}
    for delta in deltas:
        for site, outcomes in unpack(delta).items():
            for outcome, articles in outcomes.items():
                add(summed, site, outcome, articles)
    return without_zeros(summed)


def add(counts: Counts, site: str, outcome: str, articles: Articles) -> None:
    """Adds article counts in place; `articles` is not kept."""
    into = counts.setdefault(site, {}).setdefault(outcome, {})
    if not into:
        into.update(articles)
        return
    tally.add(into, articles)


def without_zeros(counts: Counts) -> Counts:
    kept: Counts = {}
    for site, outcomes in counts.items():
        for outcome, articles in outcomes.items():
            some = {article: count for article, count in articles.items() if count}
            if some:
                kept.setdefault(site, {})[outcome] = some
    return kept
