"""Bytes that Redis 7.0 takes for its structures, by the size classes of jemalloc.

Pointers of 8 bytes, the system's jemalloc (multiples of 16 bytes up to 128, then four sizes for each doubling).
Measured against used_memory in tests/integration/operate/test_size.py.
"""

from __future__ import annotations

from math import ceil, erf, log2

DICT_ENTRY = 32
"""24 bytes and what rounding adds."""
SKIPLIST_NODE = 53.3
"""24 bytes and 16 for each level, of which a node has 1.33 on the average; each size rounded."""
LISTPACK_MEMBERS, LISTPACK_FIELDS, LISTPACK_BYTES = 128, 512, 64
"""A sorted set of up to so many members, and a hash of up to so many fields, of up to so many bytes each, is one string
(Redis' defaults)."""
LIST_NODE_BYTES = 8192
"""What a node of a list holds, unless one element is larger."""
HASHTABLE_SET = 900
"""A sorted set beside its members: object, table, and the first node of its skip list (33 pairs of pointers)."""


def allocated(size: float) -> float:
    """Bytes that an allocation of `size` takes."""
    whole = ceil(size)
    if whole <= 8:
        return 8
    if whole <= 128:
        return (whole + 15) // 16 * 16
    spacing: int = 1 << ((whole - 1).bit_length() - 3)
    return (whole + spacing - 1) // spacing * spacing


def string(length: float) -> float:
    """A string of so many bytes, with its header and its end."""
    header = 1 if length < 32 else 3 if length < 256 else 5 if length < 65536 else 9
    return allocated(header + length + 1)


def table(entries: float) -> float:
    """A hash table's array of so many entries: a power of two of pointers."""
    pointers: int = 1 << ceil(log2(max(entries, 4)))
    return 8.0 * pointers


def key(name: str) -> float:
    """A key beside its value: entry, its part of the table (12 bytes on the average), name, object."""
    return DICT_ENTRY + 12 + string(len(name)) + 16


def sorted_set(members: float, member_bytes: float) -> float:
    """A sorted set with whole numbers as scores and so many members on the average; others have a few more or less."""
    if members <= 0:
        return 0.0
    table_of = HASHTABLE_SET + table(members) + members * (string(member_bytes) + SKIPLIST_NODE + DICT_ENTRY)
    if member_bytes > LISTPACK_BYTES:
        return table_of
    larger = 0.5 * (1 + erf((members - LISTPACK_MEMBERS) / (2 * members) ** 0.5))
    return larger * table_of + (1 - larger) * allocated(7 + members * (member_bytes + 2 + 3))


def hash_(fields: float, field_bytes: float, value_bytes: float) -> float:
    """A hash of such fields."""
    if fields <= 0:
        return 0.0
    if fields <= LISTPACK_FIELDS and max(field_bytes, value_bytes) <= LISTPACK_BYTES:
        return allocated(7 + fields * (field_bytes + value_bytes + 4))
    return 96 + table(fields) + fields * (string(field_bytes) + string(value_bytes) + DICT_ENTRY)


def set_(members: float, member_bytes: float) -> float:
    """A set of texts."""
    return 96 + table(members) + members * (string(member_bytes) + DICT_ENTRY)


def list_(elements: float, element_bytes: float) -> float:
    """A list: elements share nodes of up to 8 KiB."""
    if elements <= 0:
        return 0.0
    entry = element_bytes + (
        2 if element_bytes < 64 else 3 if element_bytes < 128 else 4 if element_bytes < 4096 else 8
    )
    of_node = max(1.0, min(elements, (LIST_NODE_BYTES - 7) // entry))
    return 48 + elements / of_node * (32 + allocated(7 + of_node * entry))
