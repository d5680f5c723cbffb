"""The ids of the catalogue's articles: reads the topic `articles` from its beginning, beside everything else.

Best effort: without it (Kafka away, no such topic, too many articles) articles are charged to the budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer

from producers.errors import ProducerError
from ranker.connect.kafka import KafkaRefusedError, KafkaSettings
from ranker.connect.kafka_start import start
from schemas.article_id import IdRule, NoArticleError, normalized

TOPIC = "articles"
MAX_ARTICLES = 500_000
"""For each site, about 75 MB of memory for ids of 60 characters (twice that if their spelling is not the normal form);
further ones are not remembered."""
PIECE_RECORDS = 200
"""Records processed at once, 1 ms: requests are handled in between."""
RETRY_S = (1.0, 60.0)
"""The first and the longest pause before another attempt, also for a topic that does not exist yet."""
STOP_S = 2.0
"""How long Kafka's client may take to close."""

_log = logging.getLogger(__name__)


class Catalogue:
    """The ids of the articles of these sites, by site with its rule for ids.

    Records from before there was a normal form have other spellings, and stand for the article all the same.
    """

    def __init__(self, rules: Mapping[str, IdRule]) -> None:
        self._rules = rules
        self._articles: dict[str, set[str]] = {site_id: set() for site_id in rules}
        self._spelled: dict[str, dict[str, str]] = {site_id: {} for site_id in rules}

    def __len__(self) -> int:
        return sum(map(len, self._articles.values()))

    def has(self, site_id: str, article_id: str) -> bool:
        known = self._articles[site_id]
        return article_id in known or self._spelled[site_id].get(article_id) in known

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Applies a record of the topic: adds its article, or removes that of a tombstone."""
        if not value:
            site_id, _, article_id = (key or b"").decode(errors="replace").partition("/")
            if site_id in self._rules:
                self._articles[site_id].discard(article_id)
                self._forget_spelling(site_id, article_id)
            return
        try:
            record: Any = orjson.loads(value)
            site_id, article_id = record["site_id"], record["article_id"]
            known = self._articles.get(site_id)
            if known is None or len(known) >= MAX_ARTICLES or not isinstance(article_id, str):
                return
            known.add(article_id)
            if (form := normalized(article_id, self._rules[site_id])) != article_id:
                self._spelled[site_id][form] = article_id
        except (ValueError, TypeError, KeyError):
            return  # no valid record: the consumer of the catalogue logs those

    def _forget_spelling(self, site_id: str, article_id: str) -> None:
        spelled = self._spelled[site_id]
        with contextlib.suppress(NoArticleError):
            form = normalized(article_id, self._rules[site_id])
            if spelled.get(form) == article_id:
                del spelled[form]

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, kafka: KafkaSettings, rules: Mapping[str, IdRule]) -> AsyncIterator[Self]:
        """Empty at first, and filled while the block runs."""
        catalogue = cls(rules)
        task = asyncio.create_task(catalogue._keep(kafka), name="catalogue")
        try:
            yield catalogue
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_S)

    async def _keep(self, kafka: KafkaSettings) -> None:
        pause_s, logged = RETRY_S[0], False
        while True:
            before = len(self)
            try:
                await self._follow(kafka)
            # Broad, since this is best effort: no error of it may end the process.
            except Exception as error:
                if not logged:
                    has_fix = isinstance(error, (ProducerError, KafkaRefusedError, ConnectionError))
                    why = str(error) if has_fix else type(error).__name__
                    _log.warning("the catalogue is not read", extra={"why": why})
                logged = True
            if len(self) != before:
                pause_s, logged = RETRY_S[0], False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S[1])

    async def _follow(self, kafka: KafkaSettings) -> None:
        """Reads until Kafka fails; returns at once if there is no such topic."""
        consumer = AIOKafkaConsumer(
            **kafka.arguments(), auto_offset_reset="earliest", enable_auto_commit=False, client_id="producers"
        )
        try:
            await start(consumer, kafka)
            # Looked up among all topics: to request a missing one would make some brokers create it.
            if TOPIC not in await consumer.topics():
                if kafka.security_protocol != "PLAINTEXT":  # where topics may be hidden
                    raise ProducerError(kafka.no_topic(TOPIC))
                return
            consumer.subscribe([TOPIC])
            while True:
                for records in (await consumer.getmany(timeout_ms=1_000, max_records=PIECE_RECORDS)).values():
                    for record in records:
                        self.take(record.key, record.value)
                await asyncio.sleep(0)
        finally:
            await consumer.stop()
