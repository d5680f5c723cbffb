"""What a partition waits for if the schemas of its next records are not known: they are fetched beside the counting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from ranker.connect.registry import RegistryAwayError
from ranker.core.fold import Record
from ranker.log.value_schemas import ValueSchemas
from ranker.metrics import ConsumerMetrics

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class SchemaWait:
    """Of one partition, whose records are read again once their schemas are there: `over` is called then."""

    def __init__(
        self,
        partition: int,
        schemas: ValueSchemas | None,
        metrics: ConsumerMetrics,
        over: Callable[[], object],
    ) -> None:
        self._partition = partition
        self._schemas = schemas
        self._metrics = metrics
        self._over = over
        self._fetching: asyncio.Task[None] | None = None
        self._asked: set[int] = set()
        self.why = ""
        """Why the registry cannot be asked, empty if it can."""

    @property
    def is_on(self) -> bool:
        return self._fetching is not None

    def begins(self, records: Collection[Record], accepted: int) -> bool:
        """Whether these records have to wait; then what they lack is being fetched.

        What the registry did not have is asked for again, once for each chunk; below the offset `accepted` it is not.
        """
        if self._schemas is None:
            return False
        if not (lacking := self._schemas.undecided(records, accepted) - self._asked):
            self._asked.clear()
            return False
        if self._fetching is None:
            self._fetching = asyncio.create_task(
                self._fetch(self._schemas, lacking), name=f"schemas of {self._partition}"
            )
            self._fetching.add_done_callback(lambda _: self._over())
        return True

    def end(self) -> None:
        """Stops waiting: the partition is given up, or opened anew."""
        self._asked.clear()
        if self._fetching is not None:
            self._fetching.cancel()
        self._ended()

    async def _fetch(self, schemas: ValueSchemas, lacking: Collection[int]) -> None:
        while True:
            try:
                await schemas.fetch(lacking)
            except RegistryAwayError as error:
                if str(error) != self.why:
                    self.why = str(error)
                    log.warning("waiting", extra={"partition": self._partition, "why": self.why})
                self._show(is_away=True)
                await asyncio.sleep(_AGAIN_S)
                continue
            break
        self._asked.update(lacking)
        if self.why:
            log.info("again", extra={"partition": self._partition, "where": "schema registry"})
        self._ended()

    def check(self) -> None:
        """Raises what ended the fetching if that was no fault of the registry: nothing else would say so."""
        if self._fetching is not None and self._fetching.done() and not self._fetching.cancelled():
            self._fetching.result()

    def _ended(self) -> None:
        self._fetching, self.why = None, ""
        if self._schemas is not None:
            self._show(is_away=False)

    def _show(self, *, is_away: bool) -> None:
        self._metrics.registry_away.labels(self._partition).set(is_away)
