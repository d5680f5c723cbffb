"""The schemas of a stretch that is read again: those of the records in it that the fold reads, and of no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from ranker.connect.registry import Registry
from ranker.core.event import MAX_VALUE_BYTES
from ranker.log.errors import LogRefusedError
from ranker.log.stretch import LogReader
from ranker.log.value_schemas import ValueSchemas
from tests.support.raw_records import NOW_MS, Given

TP = TopicPartition("hits", 0)


class Registries:
    """Has schema 7."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def schema(self, number: int) -> tuple[str, ...]:
        self.asked.append(number)
        return ("text",) if number == 7 else ()


class Consumer:
    """Hands out all records at once, whatever end is wanted."""

    def __init__(self, records: list[Given]) -> None:
        self._records = records

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, len(self._records))

    async def getmany(self, tp: TopicPartition, **_: Any) -> dict[TopicPartition, list[Given]]:
        return {tp: self._records}

    async def position(self, tp: TopicPartition) -> int:
        return len(self._records)

    def assign(self, tps: list[TopicPartition]) -> None:
        pass

    def seek(self, tp: TopicPartition, offset: int) -> None:
        pass

    def assignment(self) -> set[TopicPartition]:
        return set()


def framed(number: int) -> bytes:
    return b"\0\0\0\0" + bytes([number]) + b"x"


async def read(
    records: list[Given], end: int, accepted: Mapping[int, int] | None = None
) -> tuple[list[int], list[int]]:
    """The offsets that are handed out, and the schemas that were asked for."""
    registry = Registries()
    schemas = ValueSchemas(cast("Registry", registry), patience_s=0)
    reader = LogReader(Consumer(records), "hits", 1, schemas, accepted or {}, patch_active=False)
    offsets = [one.offset async for chunk in reader.chunks(0, 0, end) for one in chunk.records]
    return offsets, sorted(registry.asked)


async def test_records_behind_the_end_need_none() -> None:
    records = [Given(0, NOW_MS, None, framed(7)), Given(1, NOW_MS, None, framed(9))]
    assert await read(records, 1) == ([0], [7])
    with pytest.raises(LogRefusedError, match="offset 1 names schema 9"):
        await read(records, 2)
    assert await read(records, 2, {0: 2}) == ([0, 1], [7, 9])


@pytest.mark.parametrize("record", [Given(0, -1, None, framed(9)), Given(0, NOW_MS, None, framed(9) * MAX_VALUE_BYTES)])
async def test_records_that_are_not_read_need_none(record: Given) -> None:
    """They are rejected for their time or their size, whatever they are."""
    assert await read([record], 1) == ([0], [])


async def test_a_frame_of_another_registry_is_said() -> None:
    """Apicurio's eight bytes would be schema 0, which no registry has."""
    with pytest.raises(LogRefusedError, match=r"Apicurio: a byte 0, schema 7, .* write four bytes of id"):
        await read([Given(0, NOW_MS, None, bytes(8) + b"\7some value")], 1)
