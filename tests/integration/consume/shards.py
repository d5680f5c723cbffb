"""What stands in Redis, read all at once; only the packing of deltas is left to the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ranker.core import delta

_EVERYTHING = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  end
  found[#found + 1] = {string.sub(key, #ARGV[1] + 1), value}
end
return found
"""


@dataclass
class Shard:
    """One shard as it stood at one moment; the parts as in recount.Expected, with the zeros that may stand there."""

    meta: dict[str, str]
    totals: dict[tuple[str, str, str], Counter[str]]
    sums: Counter[tuple[str, str, str]]
    slices: dict[tuple[int, int], Counter[tuple[str, str, str]]]
    deltas: dict[tuple[int, int], int]
    index: set[tuple[int, int]]
    strays: set[str]
    sites: set[str]
    remembered: dict[int, list[bytes]] = field(default_factory=dict)
    buckets: set[int] = field(default_factory=set)

    @property
    def n(self) -> int:
        return int(self.meta["n"])

    @property
    def n0(self) -> int:
        return int(self.meta["n0"])

    @property
    def watermark_ms(self) -> int:
        return int(self.meta["T"])

    @property
    def floors(self) -> tuple[int, ...]:
        return tuple(map(int, self.meta["floors"].split(",")))

    @property
    def version(self) -> tuple[str, int, tuple[int, ...]]:
        return self.meta["lineage"], self.n, self.floors


async def read(client: Any, generation: str, partition: int) -> Shard | None:
    """The shard in a client that returns bytes; None if it has not begun."""
    tag = f"ranker:{{{generation}.{partition}}}:"
    entries = await client.eval(_EVERYTHING, 1, f"{tag}meta", tag)  # the first key leads a cluster to the node
    shard = Shard({}, {}, Counter(), {}, {}, set(), set(), set())
    for key, value in entries:
        name, *rest = key.decode().split(":")
        if name == "meta":
            shard.meta = {k.decode(): v.decode() for k, v in _pairs(value)}
        elif name == "total":
            window, site, board = rest
            shard.totals[window, site, board] = Counter({a.decode(): int(c) for a, c in _pairs(value)})
        elif name == "sums":
            shard.sums = Counter({_field(field): int(count) for field, count in _pairs(value)})
        elif name == "slice":
            slice_id = (int(rest[0]), int(rest[1]))
            shard.slices[slice_id] = _content(value)
            shard.deltas[slice_id] = len(value)
        elif name == "slices":
            shard.index = {(int(tier), int(number)) for tier, number in (m.split(b":") for m in value)}
        elif name == "remembered":
            keys = b"".join(value)
            shard.remembered[int(rest[0])] = [keys[at : at + 8] for at in range(0, len(keys), 8)]
        elif name == "buckets":
            shard.buckets = set(map(int, value))
        elif name == "strays":
            shard.strays = {member.decode() for member in value}
        elif name not in ("producers", "sequences"):  # of these the property tests have a recount
            assert name == "sites", f"a key that nobody knows: {key!r}"
            shard.sites = {member.decode() for member in value}
    return shard if shard.meta else None


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _field(field: bytes) -> tuple[str, str, str]:
    site, window, outcome = field.decode().split(":")
    return site, window, outcome


def _content(deltas: list[bytes]) -> Counter[tuple[str, str, str]]:
    content: Counter[tuple[str, str, str]] = Counter()
    for packed in deltas:
        for site, outcomes in delta.unpack(packed).items():
            for outcome, articles in outcomes.items():
                for article, count in articles.items():
                    content[site, outcome, article] += count
    return content
