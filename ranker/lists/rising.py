"""Reads what a rising list is made of: counts of one moment, then the hours of yesterday of what may be listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ranker.core import rising
from ranker.core.generation import Generation, ListName, Window
from ranker.core.home import home
from ranker.core.hours import Hours, weighed
from ranker.core.merge import ExtraKeys, Hints
from ranker.core.rising import Candidate, Rise
from ranker.core.rising_boards import RisingBoard
from ranker.lists.articles import Article, Articles, known_as
from ranker.lists.names import names_of
from ranker.store.errors import StoreUnavailableError
from ranker.store.hours import HoursReader
from ranker.store.reader import ListRead, Reader
from schemas.article_id import DEFAULT, IdRule

_UNKNOWN = Article()
HOURS_OF = 500
"""Articles whose hours of yesterday are read, the strongest first. Slices hold all articles, so the number costs memory
rather than time."""
_TRIES = 2
"""A merge may need several rounds, and has learnt then to do with one."""


class Counts(NamedTuple):
    """Lists of one site. `longest` is None unless the age of some article is unknown. `wanted` were read by name."""

    recent: ListRead
    before: ListRead
    longest: ListRead | None
    wanted: frozenset[str]

    @property
    def is_level(self) -> bool:
        return self.recent.span.level and self.before.span.level

    @property
    def is_complete(self) -> bool:
        """Whether all counts are there, and all of one moment."""
        others = [self.before] if self.longest is None else [self.before, self.longest]
        one_moment = all(other.metas == self.recent.metas for other in others)
        return one_moment and self.recent.span.complete and self.before.span.complete


class RisingReader:
    """Remembers of one reading only what makes the next one cheaper."""

    def __init__(self, client: Any, rules: Mapping[str, IdRule]) -> None:
        """`rules` are the sites' rules for article ids."""
        self._rules = rules
        self._reader = Reader(client)
        self._hours = HoursReader(client)
        self._hints: dict[ListName, Hints] = {}
        self._generation = ""

    def keep(self, generation: Generation, sites: Collection[str]) -> None:
        """Forgets what is of other generations and sites."""
        if generation.id != self._generation:
            self._generation = generation.id
            self._hints.clear()
        self._hints = {name: hints for name, hints in self._hints.items() if name.site in sites}

    async def counts(
        self, site: str, board: RisingBoard, generation: Generation, partitions: int, articles: Articles
    ) -> Counts:
        """First the list `recent`, then what could be listed, of all windows at one moment.

        Raises StoreUnavailableError.
        """
        recent, before, longest = (
            ListName(site, board.of, window) for window in (board.recent, board.before, generation.longest.name)
        )
        aliases = {moved.encode(): to.encode() for moved, to in articles.aliases(site).items()}
        first = await self._lists(generation, partitions, [recent], ExtraKeys(aliases))
        # Until the second reading some more of them may reach the thresholds.
        loose = rising.Thresholds(board.thresholds.least // 2, board.thresholds.sigmas / 2, 1.0)
        wanted = frozenset(article for _, article in rising.could_be_listed(_rows(first[recent]), loose))
        names = [recent, before]
        if any(self._about(site, article, articles).published_at is None for article in wanted):
            names.append(longest)
        for _ in range(_TRIES):
            extra = ExtraKeys(aliases, frozenset(map(str.encode, wanted)))
            lists = await self._lists(generation, partitions, names, extra)
            read = Counts(lists[recent], lists[before], lists.get(longest), wanted)
            if read.is_complete:
                break
        return read

    async def _lists(
        self, generation: Generation, partitions: int, names: Sequence[ListName], extra: ExtraKeys
    ) -> dict[ListName, ListRead]:
        snapshot = await self._reader.refresh(generation, partitions, names, self._hints, dict.fromkeys(names, extra))
        if not snapshot.lists:
            raise StoreUnavailableError(f"no shard of generation {generation.id} has begun")
        self._hints |= {name: read.merged.hints for name, read in snapshot.lists.items()}
        return snapshot.lists

    async def rises(
        self, site: str, board: RisingBoard, generation: Generation, partitions: int, articles: Articles, read: Counts
    ) -> tuple[list[Rise], bool]:
        """The list, and whether everything was read that could be in it. Raises StoreUnavailableError."""
        recent, before = _window(generation, board.recent), _window(generation, board.before)
        merged, as_of_ms = read.recent.merged, read.recent.span.as_of_ms
        rows = rising.could_be_listed(_rows(read.recent), board.thresholds)
        in_before = _by_article(read.before)
        in_longest = {} if read.longest is None else _by_article(read.longest)
        begin_ms = as_of_ms - before.length_ms - before.grain_ms

        def is_listed(article: str) -> bool:
            about, counts = (
                self._about(site, article, articles),
                (in_before.get(article, 0), in_longest.get(article, 0)),
            )
            return not about.hidden and rising.was_there(about.published_at, begin_ms, *counts)

        ratio = rising.site_ratio(read.recent.total, read.before.total - read.recent.total)
        candidates = (
            Candidate(article, count, in_before.get(article, 0) - count)
            for count, article in rows
            if article in read.wanted
        )
        hopeful = [one for one in rising.hopeful(candidates, ratio, board.thresholds) if is_listed(one.article_id)]
        days = rising.yesterday(as_of_ms, recent.length_ms, before.length_ms)
        looked_at = [one.article_id for one in hopeful[:HOURS_OF]]
        aliases = articles.aliases(site)
        shards = _shards(site, looked_at, aliases, partitions, merged.hints)
        hours = await self._hours.read_each(generation, site, shards, days.first_hour_ms, days.hours)
        own = _own_ratios(looked_at, hours, aliases, generation.boards[board.of], days, ratio)
        listed, is_whole = rising.first_places(hopeful, own, ratio, board.thresholds)
        return listed, is_whole and hours is not None

    def _about(self, site: str, article_id: str, articles: Articles) -> Article:
        """What the catalogue knows of an article."""
        of = articles.of(site)
        known = of.get(article_id) if "?" not in article_id and "#" not in article_id else None  # most ids are names
        return known or known_as(of, *names_of(article_id, self._rules.get(site, DEFAULT))) or _UNKNOWN


def _window(generation: Generation, name: str) -> Window:
    return next(window for window in generation.windows if window.name == name)


def _rows(read: ListRead) -> list[tuple[int, str]]:
    """Count and article of the first places, then of what was read by name below them."""
    return [(count, article.decode()) for count, article in (*read.merged.rows, *read.merged.further)]


def _by_article(read: ListRead) -> dict[str, int]:
    return {article: count for count, article in _rows(read)}


def _shards(
    site: str, listed: Sequence[str], aliases: Mapping[str, str], partitions: int, hints: Hints
) -> dict[int, frozenset[str]]:
    """Shard to the articles that it may count of those `listed`, and of those that moved to them."""
    shards: dict[int, set[str]] = {}
    targets = set(listed)
    for article in (*listed, *(moved for moved, to in aliases.items() if to in targets)):
        held = {home(f"{site}/{article}".encode(), partitions), *hints.strays.get(article.encode(), ())}
        for shard in range(partitions) if hints.whole else held:
            shards.setdefault(shard, set()).add(article)
    return {shard: frozenset(found) for shard, found in sorted(shards.items())}


def _own_ratios(
    listed: Sequence[str],
    hours: Mapping[str, Hours] | None,
    aliases: Mapping[str, str],
    weights: Mapping[str, int],
    days: rising.Yesterday,
    site_ratio: float,
) -> dict[str, float]:
    """Each listed article's own ratio of yesterday; that of the site if no hours could be read."""
    if hours is None:
        return dict.fromkeys(listed, site_ratio)
    minutes = dict.fromkeys(listed, (0, 0))
    for counted, found in hours.items():
        article = aliases.get(counted, counted)
        if article in minutes:
            recent, before = days.count_minutes([hour[""] for hour in weighed(found, {"": weights})])
            minutes[article] = minutes[article][0] + recent, minutes[article][1] + before
    return {article: rising.own_ratio(*counted, site_ratio) for article, counted in minutes.items()}
