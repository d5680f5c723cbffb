"""A rebuilt generation is activated only in the place of the one that it was compared with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.operate import rebuild
from ranker.operate.rebuild import Memory, Plan
from ranker.store import generations, inventory
from ranker.store.generations import Active, GenerationError
from tests.integration.operate.test_generations import BLUE, GREEN, begin
from tests.support.defaults import PRESS
from tests.support.redis_at import redis_at
from tests.support.stores import STORES, store_url

Change = Callable[[Any], Awaitable[Any]]


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """With two generations of two shards and a third one; none is active."""
    opened = connect(redis_at(store_url(request)))
    for one in (BLUE, GREEN, PRESS):
        await begin(opened, one, 2)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["before", "within"])
def changing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any, Change], Awaitable[None]]:
    """Makes a change before what is active is read, or between that and the activation."""

    async def change(client: Any, work: Change) -> None:
        if request.param == "before":
            await work(client)
            return
        read = generations.read_active

        async def read_and_change(given: Any) -> Active | None:
            found = await read(given)
            monkeypatch.setattr(generations, "read_active", read)
            await work(given)
            return found

        monkeypatch.setattr(generations, "read_active", read_and_change)

    return change


async def _activate(client: Any, active: Active | None) -> Active | None:
    """GREEN, planned while this one was active; returns what is active then."""
    plan = Plan(GREEN, active, None, {}, Memory(None, None, None, None))
    await rebuild.activate(client, plan, await inventory.shards(client, GREEN.id))
    return await generations.read_active(client)


async def test_the_same_generation_with_more_partitions(client: Any, changing: Callable[..., Awaitable[None]]) -> None:
    """Its consumers raise them whenever a topic gets some: no reason to refuse."""
    active = await generations.activate(client, BLUE.id, 2, 0)
    await changing(client, lambda client: generations.raise_partitions(client, BLUE.id, 3))
    assert await _activate(client, active) == Active(3, GREEN.id, 2)


async def test_another_member_has_activated_it(client: Any, changing: Callable[..., Awaitable[None]]) -> None:
    """Then there is nothing left to do."""
    active = await generations.activate(client, BLUE.id, 2, 0)
    await changing(client, lambda client: generations.activate(client, GREEN.id, 2, 1))
    assert await _activate(client, active) == Active(2, GREEN.id, 2)


@pytest.mark.parametrize("planned", [BLUE.id, None])
async def test_a_third_generation_stays(
    client: Any, changing: Callable[..., Awaitable[None]], planned: str | None
) -> None:
    """Nobody has seen what would change in its lists. The message names all three, and how to go on."""
    active = await generations.activate(client, planned, 2, 0) if planned else None
    seq = active.seq if active else 0
    await changing(client, lambda client: generations.activate(client, PRESS.id, 2, seq))
    with pytest.raises(GenerationError) as refused:
        await _activate(client, active)
    assert await generations.read_active(client) == Active(seq + 1, PRESS.id, 2)
    said = str(refused.value)
    assert f"{PRESS.id} is active now, but {GREEN.id} is compared with {planned or 'nothing'}, " in said
    assert "run the same command again" in said
    assert "--force" not in said


async def test_nothing_is_active_any_more(client: Any) -> None:
    """An emptied Redis: its consumers put back what they remember, and it is not for this command to decide."""
    with pytest.raises(GenerationError, match="no generation is active now"):
        await _activate(client, Active(1, BLUE.id, 2))
    assert await generations.read_active(client) is None


async def test_nothing_was_active(client: Any) -> None:
    """The first generation of all."""
    assert await _activate(client, None) == Active(1, GREEN.id, 2)
