"""Receipts of lists: what a list was made of, and the hash of its rows, which a recount of the log gives again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

MOST_BYTES = 16 << 20
"""Of a receipt with its list: 1,000 items and 10,000 aliases with ids of 512 bytes take less."""
Row = tuple[str, int]
"""Article id and count."""


class NoReceiptError(Exception):
    """Raised for what is no receipt; the message says what it should be."""


class Part(msgspec.Struct, frozen=True):
    """One shard's share: the counts of the records below `n` at or above `floors`; the shard began at `n0`."""

    partition: int
    lineage: str
    n0: int
    n: int
    floors: tuple[int, ...]


class Receipt(msgspec.Struct, frozen=True):
    """What the API answers to `?receipt=true`, the member `receipt` (schemas/openapi.yaml)."""

    version: int
    site: str
    board: str
    window: str
    topic: str
    generation: str
    rules: tuple[str, ...]
    partitions: tuple[Part, ...]
    aliases: dict[str, str]
    hidden: tuple[int, ...]
    rows: int
    sha256: str


def read(text: bytes) -> tuple[Receipt, list[Row]]:
    """A receipt, alone or in the answer that it came with, and that answer's items. Raises NoReceiptError."""
    wanted = "save the answer of a list's address with ?receipt=true"
    if len(text) > MOST_BYTES:
        raise NoReceiptError(f"it has more than {MOST_BYTES >> 20} MiB, which no receipt has; {wanted}")
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoReceiptError(f"it is no JSON ({error}); {wanted}") from error
    if not isinstance(found, dict):
        raise NoReceiptError(f"it is no JSON object; {wanted}")
    if "items" in found and "receipt" not in found:
        raise NoReceiptError(f"it is a list without its receipt; {wanted}")
    try:
        receipt = msgspec.convert(found.get("receipt", found), Receipt)
    except msgspec.ValidationError as error:
        raise NoReceiptError(f"it is no receipt: {error}; {wanted}") from error
    if receipt.version != 1:
        raise NoReceiptError(f"its version is {receipt.version}, and this software reads 1; update it")
    numbers = [number for part in receipt.partitions for number in (part.partition, part.n0, part.n, *part.floors)]
    if len({part.partition for part in receipt.partitions}) != len(receipt.partitions) or min(numbers, default=-1) < 0:
        raise NoReceiptError("its partitions are not one entry each with offsets and floors from 0 on; it was changed")
    return receipt, list(_items(found.get("items"), receipt.window))


def _items(found: Any, window: str) -> Iterator[Row]:
    """Items with a count of this list; with `fallback`, others come from longer windows."""
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict) and item.get("origin", window) == window:
            article, count = item.get("article_id"), item.get("count")
            if type(article) is str and type(count) is int:
                yield article, count


def ranked(counts: Mapping[str, int], aliases: Mapping[str, str]) -> list[Row]:
    """The list as it is counted: aliases summed, what is above zero, most counted first.

    Of equals the last in the order of UTF-8 bytes is first, as in Redis.
    """
    summed: dict[str, int] = {}
    for article, count in counts.items():
        under = aliases.get(article, article)
        summed[under] = summed.get(under, 0) + count
    rows = [(article, count) for article, count in summed.items() if count > 0]
    return sorted(rows, key=lambda row: (row[1], row[0].encode()), reverse=True)


def sha256(rows: Sequence[Row]) -> str:
    """Of [[article_id, count], …] in the canonical form of RFC 8785: no object is in it, so no names are sorted."""
    text = json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
