"""Receipts of lists: what a list was made of, and the hash of its rows, which a recount of the log gives again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

MOST_BYTES = 16 << 20
"""Of a receipt with its list: 1,000 items and 10,000 aliases with ids of 512 bytes take less."""
Row = tuple[str, int]
"""Article id and count."""


class NoReceiptError(Exception):
    """Raised for what is no receipt; the message has what it should be."""


_Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class Part(msgspec.Struct, frozen=True):
    """One shard's share: the counts of the records below `n` at or above `floors`; the shard began at `n0`."""

    partition: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
    lineage: str
    n0: _Number
    n: _Number
    floors: Annotated[tuple[_Number, ...], msgspec.Meta(min_length=1)]


class Receipt(msgspec.Struct, frozen=True):
    """What the API answers to `?receipt=true`, the member `receipt` (schemas/openapi.yaml)."""

    version: int
    site: str
    board: str
    window: str
    topic: str
    generation: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
    rules: tuple[str, ...]
    partitions: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1)]
    aliases: dict[str, str]
    hidden: tuple[Annotated[int, msgspec.Meta(ge=1)], ...]
    rows: _Number
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Item(NamedTuple):
    """A place of an answer; `counted` is None where counts are not shown."""

    rank: int
    article: str
    counted: int | None


class Given(NamedTuple):
    """A receipt, and what the answer that it came with has: the items of this list, and its total; None if not shown.

    `is_plain`: no filter has left any article out.
    """

    receipt: Receipt
    items: list[Item]
    total: int | None
    is_plain: bool


def read(text: bytes) -> Given:
    """A receipt, alone or in the answer that it came with. Raises NoReceiptError."""
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
    if len({part.partition for part in receipt.partitions}) != len(receipt.partitions):
        raise NoReceiptError("it names a partition twice: it was changed")
    if "receipt" not in found:
        return Given(receipt, [], None, is_plain=False)
    window = found.get("window")
    of = found.get("site"), found.get("board"), window.get("name") if isinstance(window, dict) else None
    if of != (receipt.site, receipt.board, receipt.window):
        raise NoReceiptError("the list and its receipt are of different lists: one of them was changed")
    total = found.get("total")
    try:
        items = list(_items(found["items"], receipt.window))
    except (KeyError, TypeError, ValueError) as error:
        raise NoReceiptError(f"its items are none ({error!r}): it was changed") from error
    return Given(receipt, items, total if type(total) is int else None, "history" in found)


def _items(found: Any, window: str) -> Iterator[Item]:
    """Those of this list; with `fallback`, others come from longer windows. Of equals the order is the answer's."""
    seen = set()
    for item in found:
        rank, article, count = item["rank"], item["article_id"], item["count"]
        if type(rank) is not int or type(article) is not str or type(count) not in (int, type(None)) or article in seen:
            raise ValueError(item)
        seen.add(article)
        if item.get("origin", window) == window:
            yield Item(rank, article, count)


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
