"""What a script pays for counts, in increments: the bound of a batch, which has to be known before it is routed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ranker.core.generation import Generation
from ranker.core.partial_counts import Rejected

_REJECTED_BYTES = 4096
"""So many bytes of rejected records cost as much as an increment: a batch holds some 20 to 40 MiB of them at most."""

SEQUENCES = 128
"""So many sequences cost as much as an increment (kernel/src/fold.rs has the number too). If 16 shards share a run they
are two bitmaps of 1,024, if 64 share it eight. The script writes a bitmap in 0.8 us and makes an increment in 1.4 to
5 us; however many sequences a batch has, of a run it writes no more than the 128 bitmaps that are kept. It also bounds
the memory of a waiting batch: some 320,000 to 1,280,000 numbers at most, of 8 to 16 bytes each as the kernel has them,
and of 40 in a list."""


@dataclass(frozen=True, slots=True)
class Costs:
    """`sums`: an outcome of a site. `articles`: each of its articles, by outcome. An append to a slice costs 1."""

    sums: int
    articles: dict[str, int]

    @classmethod
    def of(cls, generation: Generation) -> Costs:
        windows = len(generation.windows)
        return cls(windows, {outcome: len(pairs) * windows for outcome, pairs in generation.boards_of.items()})

    def article(self, outcome: str) -> int:
        """An outcome that no board weighs costs no increment, but memory here and in its slice."""
        return max(1, self.articles.get(outcome, 0))

    @staticmethod
    def rejected(records: Iterable[Rejected]) -> int:
        """What their memory costs."""
        return sum(1 + record.content_bytes // _REJECTED_BYTES for record in records)

    @property
    def dearest_article(self) -> int:
        """What an article costs with its append at most."""
        return max(self.articles.values(), default=1) + 1

    @property
    def dearest_record(self) -> int:
        """What a record costs at most, if it is not rejected: with the sums and a producer."""
        return self.dearest_article + self.sums + 1
