"""Makes the documents of periods that are over. One that is there is never made again.

What a document says of earlier periods comes from their documents, so periods are made in the order of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import orjson

from ranker.connect.kafka import KafkaSettings
from ranker.core import best_of
from ranker.core.best_of import Counted, Earlier, Key, Row, Source
from ranker.core.generation import Generation
from ranker.core.merge import move
from ranker.core.rules import dropped_by_rule, in_force
from ranker.core.times import rfc3339
from ranker.lists.articles import Article, Articles, known_as
from ranker.lists.filters import Filter
from ranker.lists.names import names_of
from ranker.log import documents
from ranker.log.documents import DocumentWriter
from ranker.operate.period_counts import PeriodCounts, SitePeriod
from ranker.operate.periods_due import keys
from ranker.settings import Site

ARTICLES = "articles"


class _Item(msgspec.Struct, frozen=True, gc=False):
    article_id: str


class _Listed(msgspec.Struct, frozen=True, gc=False):
    items: tuple[_Item, ...]


_listed = msgspec.json.Decoder(_Listed).decode


class Kept(NamedTuple):
    """What later documents need to know of one: the articles, best first. `document` only of what is to be revised."""

    articles: tuple[str, ...]
    document: bytes | None = None


def keeper(sites: Collection[str], revised: date | None) -> Callable[[Key, bytes], Kept]:
    """For `read_documents`: there may be more documents than fit into memory."""

    def kept(key: Key, document: bytes) -> Kept:
        if key.site not in sites:
            return Kept(())
        articles = tuple(item.article_id for item in _listed(document).items)
        return Kept(articles, document if key.first == revised else None)

    return kept


async def read_articles(kafka: KafkaSettings, sites: Mapping[str, Site]) -> tuple[Articles, int]:
    """The catalogue as the topic has it now, and its end: what is below that is in it. Redis may lack some of it."""
    articles, end = Articles({name: site.ids for name, site in sites.items()}), 0
    async for record in documents.records(kafka, ARTICLES):
        articles.apply([(record.key or b"", record.value, record.offset)])
        end = record.offset + 1
    return articles, end


def rows(
    counts: Mapping[str, int], places: int, site: Site, articles: Mapping[str, Article], aliases: Mapping[str, str]
) -> list[Row]:
    """The first places as lists show them: aliases summed, hidden articles left out, by count and then id downwards."""
    totals = dict(counts)
    move(totals, aliases)
    ordered = sorted(((count, article.encode()) for article, count in totals.items() if count > 0), reverse=True)
    shown = Filter(known=site.hide_unknown)

    def listed() -> Iterator[Row]:
        for count, raw in ordered:
            article_id = raw.decode()
            own, name = names_of(article_id, site.ids)
            article = known_as(articles, own, name)
            if shown.admits(own, article, 0):
                yield _row(article_id, count, article or Article())

    return list(islice(listed(), places))


def _row(article_id: str, count: int, article: Article) -> Row:
    at_ms = article.published_at
    published = None if at_ms is None else rfc3339(at_ms)
    return Row(article_id, count, article.title, article.url, article.section, article.format, published)


class Maker:
    """Makes documents out of counts, the catalogue, and the documents that there are: see `keeper`."""

    def __init__(
        self,
        generation: Generation,
        sites: Mapping[str, Site],
        articles: Articles,
        articles_end: int,
        there: Mapping[Key, Kept],
    ) -> None:
        self._generation = generation
        self._sites = sites
        self._articles = articles
        self._articles_end = articles_end
        self._kept = keeper(sites, None)
        self._newest: dict[tuple[str, str, str], dict[date, tuple[int, Kept]]] = defaultdict(dict)
        for key, kept in there.items():
            self._keep(key, kept)

    def _keep(self, key: Key, kept: Kept) -> None:
        of = self._newest[key.site, key.kind, key.board]
        if key.revision > of.get(key.first, (0, kept))[0]:
            of[key.first] = key.revision, kept

    def make(self, one: SitePeriod, counts: PeriodCounts, why: str | None = None) -> Iterator[tuple[Key, bytes]]:
        """The documents that are not there yet, one for each board; with `why`, corrections of those that are.

        A correction that changes nothing is left out.
        """
        for first in keys(one):
            newest = self._newest[first.site, first.kind, first.board].get(first.first)
            found = None
            if why is None and newest is None:
                found = first, self._document(first, one, counts, None)
            elif why is not None and newest is not None:
                found = self._revised(first._replace(revision=newest[0]), newest[1], one, counts, why)
            if found is not None:
                self._keep(found[0], self._kept(*found))
                yield found

    def _revised(
        self, replaces: Key, old: Kept, one: SitePeriod, counts: PeriodCounts, why: str
    ) -> tuple[Key, bytes] | None:
        assert old.document is not None
        before = orjson.loads(old.document)
        key = replaces._replace(revision=replaces.revision + 1)
        about: dict[str, Any] = {"replaces": replaces.revision, "why": why, "changed": []}
        after = orjson.loads(self._document(key, one, counts, about))
        if all(before[name] == after[name] for name in best_of.SAID):
            return None
        about["changed"] = best_of.changes(before["items"], after["items"])
        return key, self._document(key, one, counts, about)

    def _document(self, key: Key, one: SitePeriod, counts: PeriodCounts, revision: Mapping[str, Any] | None) -> bytes:
        newest = self._newest[key.site, key.kind, key.board]
        listed = {day: kept.articles for day, (_, kept) in newest.items()}
        revisions = {day: revision for day, (revision, _) in newest.items()}
        earlier = Earlier(listed, revisions, self._articles.aliases(key.site))
        source = Source(
            self._generation.topic,
            self._generation.id,
            in_force(self._generation),
            counts.parts,
            self._articles_end,
            rfc3339(one.calendar.closes_ms(one.period)),
            counts.lost,
            counts.is_cut or counts.begins_inside,
            rfc3339(counts.paused_ms) if counts.paused_ms else None,
        )
        return best_of.document(
            key, one.calendar, one.period, source, self._counted(key, one, counts), earlier, revision
        )

    def _counted(self, key: Key, one: SitePeriod, counts: PeriodCounts) -> Counted:
        weights = self._generation.boards[key.board]
        return Counted(
            sum(weight * counts.outcomes[outcome] for outcome, weight in weights.items()),
            sum(counts.late[outcome] for outcome in weights),
            dropped_by_rule(self._generation, [counts.outcomes]),
            rows(
                counts.lists[key.board],
                one.calendar.places,
                self._sites[key.site],
                self._articles.of(key.site),
                self._articles.aliases(key.site),
            ),
        )


async def write(
    writer: DocumentWriter, maker: Maker, counted: Iterable[tuple[SitePeriod, PeriodCounts]], why: str | None
) -> list[tuple[Key, bytes]]:
    """Makes what is not there, writes it, and returns it."""
    made = [found for one, counts in counted for found in maker.make(one, counts, why)]
    if made:
        await writer.write(dict(made))
    return made
