"""Lists as readers see them: which reading is published, and how old it may get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ranker.core.generation import Generation, ListName
from ranker.core.rising import Rise
from ranker.core.watermark import age_ms
from ranker.lists.filters import Filter
from ranker.lists.names import names_of
from ranker.settings import BEHIND
from ranker.store.reader import ListRead
from schemas.article_id import DEFAULT, IdRule

KEEP_LEVEL_MS = 5_000
"""How long the last list stays on show while shards are between two floors (once a minute, a second or so)."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Limits of a list's age, which is the wall clock less its as_of; milliseconds."""

    stale_ms: int
    gone_ms: int

    @property
    def behind_ms(self) -> int:
        """From when on a list names the shards that it waits for, and is not complete without them."""
        return BEHIND * self.stale_ms


class Published:
    """One list on show, from when it was read until a later reading takes its place."""

    def __init__(
        self,
        name: ListName,
        generation: Generation,
        partitions: int,
        read: ListRead,
        now_ms: int,
        covered: frozenset[Filter] = frozenset(),
        named: frozenset[bytes] = frozenset(),
        rule: IdRule = DEFAULT,
        before: Published | None = None,
        every_ms: int = 0,
    ) -> None:
        """`covered` are the filters whose articles of the catalogue were all read by name, `named` all that were.

        `rule` is the site's for article ids, `before` the reading on show now, whose names of articles are taken over.
        `every_ms`: how seldom the list is read; 0: at every refresh.
        """
        self.name = name
        self.generation = generation
        self.partitions = partitions
        self.read = read
        self.read_ms = now_ms
        self.covered = covered
        self.every_ms = every_ms
        self.rises: Mapping[str, Rise] | None = None
        """Of a rising list, by article id; its rows are not in the order of their counts."""
        self._named = named
        self._rule = rule
        self.known_names: Mapping[str, tuple[str, str]] = {} if before is None else before.known_names
        """Of this list's ids, once `names` is read; until then those of the reading before."""
        self.window = next(window for window in generation.windows if window.name == name.window)

    @property
    def as_of_ms(self) -> int:
        return self.read.span.as_of_ms

    @cached_property
    def counted_ms(self) -> int:
        return self.read.counted_ms

    @cached_property
    def rows(self) -> list[tuple[int, str]]:
        """Count and article id of the first places."""
        return [(count, article.decode()) for count, article in self.read.merged.rows]

    @cached_property
    def further(self) -> list[tuple[int, str]]:
        """The same of articles below them that were looked up by name."""
        return [(count, article.decode()) for count, article in self.read.merged.further]

    @cached_property
    def names(self) -> Mapping[str, tuple[str, str]]:
        """Own name and name of articles in `rows` and `further` whose ids are other spellings."""
        before, rule = self.known_names, self._rule
        ids = (article_id for _, article_id in (*self.rows, *self.further))
        self.known_names = {one: before.get(one) or names_of(one, rule) for one in ids}
        return {one: names for one, names in self.known_names.items() if names[1] != one}

    @cached_property
    def _counts(self) -> dict[bytes, int]:
        merged = self.read.merged
        return {article: count for count, article in (*merged.rows, *merged.further)}

    def count_of(self, article: bytes) -> int | None:
        """The count of an article, 0 if it has none; None if it may have one that was not read."""
        count = self._counts.get(article)
        if count is None and (not self.read.merged.more or article in self._named):
            return 0
        return count

    def age_ms(self, now_ms: int) -> int:
        """Below zero only for a list of the future, which clocks that jumped have left: it is never complete."""
        return age_ms(now_ms, self.as_of_ms)

    def is_stale(self, now_ms: int, ages: Ages) -> bool:
        return self.age_ms(now_ms) > ages.stale_ms + self.every_ms

    def behind(self, ages: Ages) -> list[tuple[int, int | None]]:
        """Shards whose T lay too far behind the clock when they were read, and T; None of those without an answer.

        By that reading and not by now: if Redis is away, no shard stands still. Whether one stands still or
        catches up is the same to who reads the list, and needs no memory that another reader would not have.
        """
        clocks = self.read.clocks
        return [
            (shard, clocks.get(shard))
            for shard in range(self.partitions)
            if shard not in clocks or self.read_ms - clocks[shard] > ages.behind_ms
        ]

    def yields_to(self, read: ListRead, generation: Generation, partitions: int, now_ms: int, ages: Ages) -> bool:
        """Whether a new reading takes this one's place.

        Another generation does, at once; so does any reading, if this one is of the future. Else this one stays while
        the new one is older (a failover), lacks shards, or, for 5 s, lies between two floors; once it is stale, only
        while it may still be served and the new one, older, may not: shards that are counted again from the start begin
        a window ago.
        """
        age = self.age_ms(now_ms)
        if generation.id != self.generation.id or not 0 <= age <= ages.gone_ms:
            return True
        older = read.span.as_of_ms < self.as_of_ms
        if age > ages.stale_ms:
            return not older or now_ms - read.span.as_of_ms <= ages.gone_ms
        if older:
            return False
        if read.answered < partitions and self.read.answered == self.partitions:
            return False
        between = self.read.span.level and not read.span.level
        return not (between and now_ms - self.read_ms <= KEEP_LEVEL_MS)


def of_one_moment(lists: Sequence[Published]) -> bool:
    """Whether every partition was at the same record, floors and watermark when each of these lists was read."""
    return all(one.read.metas == lists[0].read.metas and one.generation.id == lists[0].generation.id for one in lists)
