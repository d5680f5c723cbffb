"""A partition that waits for schemas: until they are there, or it is given up, and never in silence."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from deploy.local.waiting import until_async
from ranker.connect.registry import Registry, RegistryAwayError
from ranker.consume import schema_wait
from ranker.consume.schema_wait import SchemaWait
from ranker.log.value_schemas import ValueSchemas
from ranker.metrics import ConsumerMetrics
from tests.support.raw_records import Given

RECORD = Given(0, 0, None, b"\0\0\0\0\7x")


class Registries:
    """Replies what `then` has, one after the other."""

    def __init__(self, *then: object) -> None:
        self._then = list(then)

    async def schema(self, number: int) -> tuple[str, ...]:
        reply = self._then.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return cast("tuple[str, ...]", reply)


class Metrics:
    """Notes what the gauge of a partition is set to, with the reason of that moment."""

    def __init__(self, happened: list[Any]) -> None:
        self._happened = happened
        self.registry_away = self
        self.wait: SchemaWait | None = None

    def labels(self, partition: int) -> Metrics:
        assert partition == 3
        return self

    def set(self, is_away: bool) -> None:
        assert self.wait is not None
        self._happened.append(self.wait.why if is_away else "again")


def waiting(*then: object) -> tuple[SchemaWait, ValueSchemas, list[Any]]:
    schemas, happened = ValueSchemas(cast("Registry", Registries(*then)), patience_s=0), list[Any]()
    metrics = Metrics(happened)
    wait = metrics.wait = SchemaWait(3, schemas, cast("ConsumerMetrics", metrics), lambda: happened.append("over"))
    return wait, schemas, happened


async def test_it_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_wait, "_AGAIN_S", 0.01)
    wait, schemas, happened = waiting(RegistryAwayError("away; start it"), ("text",))
    assert wait.begins([RECORD], 0)
    assert wait.begins([RECORD], 0), "and fetches nothing twice"
    await until_async("its end", lambda: asyncio.sleep(0, happened[-1:] == ["over"]), 2.0)
    assert (wait.is_on, wait.why, schemas.known) == (False, "", {7: ("text",)})
    assert happened == ["away; start it", "again", "over"]
    assert not wait.begins([RECORD], 0)


async def test_it_can_be_given_up() -> None:
    wait, _, happened = waiting(RegistryAwayError("away"), RegistryAwayError("away"))
    assert wait.begins([RECORD], 0)
    await asyncio.sleep(0)
    wait.end()
    assert (wait.is_on, wait.why, happened[-1]) == (False, "", "again")


async def test_a_fault_of_ours_is_raised() -> None:
    """It must not be waited for."""
    wait, _, happened = waiting(KeyError("ours"))
    assert wait.begins([RECORD], 0)
    await until_async("its end", lambda: asyncio.sleep(0, happened == ["over"]), 2.0)
    with pytest.raises(ExceptionGroup):
        wait.check()


async def test_a_topic_without_frames_never_waits() -> None:
    assert not SchemaWait(3, None, cast("ConsumerMetrics", None), lambda: None).begins([RECORD], 0)


async def test_what_the_registry_does_not_have_is_asked_for_again() -> None:
    """Once for each time that the partition stops for it: it was registered meanwhile."""
    wait, schemas, happened = waiting((), (), ("text",))
    for _ in range(2):
        assert wait.begins([RECORD], 0)
        await until_async("its end", lambda: asyncio.sleep(0, happened[-1:] == ["over"]), 2.0)
        assert not wait.begins([RECORD], 0), "it is folded then, and stops the partition"
        happened.clear()
    assert not wait.begins([RECORD], 1), "an operator has accepted it"
    assert wait.begins([RECORD], 0)
    await until_async("its end", lambda: asyncio.sleep(0, happened[-1:] == ["over"]), 2.0)
    assert schemas.known == {7: ("text",)}
