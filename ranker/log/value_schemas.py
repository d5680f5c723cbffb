"""The schemas that framed values need: fetched before a record is folded, so that the fold depends on the log alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import msgspec

from ranker.connect.registry import PREFIX, Registry, RegistryAwayError, RegistrySettings
from ranker.core.framed import schemas_of
from ranker.core.source import Source
from ranker.log.errors import LogUnavailableError
from schemas.configuration import SettingsError

_AT_ONCE = 4
_MOST = 10_000
"""More than the records of one chunk: what a chunk needs is there together."""
_PATIENCE_S = 2.0
_AGAIN_S = 1.0


class Valued(Protocol):
    """A record of which the value is needed."""

    @property
    def value(self) -> bytes | None: ...


class Placed(Valued, Protocol):
    """One of a partition."""

    @property
    def offset(self) -> int: ...


class ValueSchemas:
    """`known` has what was fetched: number to texts, () if the registry had no such schema when it was last asked.

    Texts are kept for the process, since a number never means another schema.
    """

    def __init__(self, registry: Registry, patience_s: float = _PATIENCE_S) -> None:
        """`patience_s`: how long a number may be unknown. Registries have followers, which learn of a schema later."""
        self._registry = registry
        self._patience_s = patience_s
        self.known: dict[int, tuple[str, ...]] = {}

    def lacking(self, records: Iterable[Valued]) -> set[int]:
        """The numbers of schemas that these records need and that were not asked for."""
        return self._needed(records) - self.known.keys()

    def undecided(self, records: Collection[Placed], accepted: int) -> set[int]:
        """Those lacking; from offset `accepted` on also those that the registry did not have: it may have them now."""
        found = {number for number in self._needed(records) if not self.known.get(number)}
        if found & self.known.keys():
            found -= self.known.keys() - schemas_of(one.value for one in records if one.offset >= accepted)
        return found

    def _needed(self, records: Iterable[Valued]) -> set[int]:
        if len(self.known) > _MOST:
            self.known.clear()  # here, and not in `fetch`: what these records need is lacking then
        return schemas_of(record.value for record in records)

    async def fetch(self, numbers: Iterable[int]) -> None:
        """Raises RegistryAwayError; what came until then is kept. The patience is one for all numbers."""
        gate = asyncio.Semaphore(_AT_ONCE)
        until_s = asyncio.get_running_loop().time() + self._patience_s

        async def one(number: int) -> None:
            async with gate:
                if not self.known.get(number):  # another partition may have fetched it
                    self.known[number] = await self._fetched(number, until_s)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_caught(one(number))) for number in numbers]
        for task in tasks:
            if (error := task.result()) is not None:
                raise error

    async def ensure(self, numbers: Collection[int]) -> None:
        """Fetches these. Raises LogUnavailableError: what needs them cannot be read now."""
        if numbers:
            try:
                await self.fetch(numbers)
            except RegistryAwayError as error:
                raise LogUnavailableError(str(error)) from error

    async def reach(self) -> None:
        """Sends a request to the registry whose reply is not needed. Raises RegistryAwayError."""
        await self._registry.reach()

    async def _fetched(self, number: int, until_s: float) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        while True:
            texts = await self._registry.schema(number)
            if texts or loop.time() >= until_s:
                return texts
            await asyncio.sleep(min(_AGAIN_S, self._patience_s))


async def _caught(work: object) -> RegistryAwayError | None:
    try:
        await work  # type: ignore[misc]
    except RegistryAwayError as error:
        return error
    return None


def needed(format_: object, settings: RegistrySettings) -> ValueSchemas | None:
    """What a topic of this `source.format` needs; None if it needs none. Raises SettingsError if nothing says where."""
    if format_ != "avro":
        return None
    if settings.url is None:
        raise SettingsError(
            [
                f'{PREFIX}_URL: source.format = "avro" needs the schema registry of the topic; set it to http(s)://HOST:PORT'
            ]
        )
    return ValueSchemas(Registry(settings))


def format_of(source: Source | Mapping[str, object] | msgspec.UnsetType | None) -> object:
    """`source.format` of a generation, or of a definition."""
    if isinstance(source, Source):
        return source.format
    return source.get("format") if isinstance(source, Mapping) else None
