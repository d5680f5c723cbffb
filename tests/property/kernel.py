"""Random batches through both folds: the kernel's counts, its memory and what it declines, against the plain fold."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from ranker.consume.batch import Batch
from ranker.consume.fold_chunk import Piece, fold_chunk
from ranker.core.costs import SEQUENCES, Costs
from ranker.core.fold import Fold
from ranker.core.generation import Generation, Window
from ranker.core.memory import Memory
from ranker.core.partial_counts import PartialCounts
from ranker.core.paths import parts
from ranker.core.rules import Rules
from ranker.kernel import _kernel
from ranker.kernel.fold import KernelFold
from ranker.kernel.memory import KernelMemory
from ranker.kernel.shape import shape_of
from ranker.log.chunks import Chunk
from tests.property import batches_of_pieces, odd_values
from tests.support import defaults, stretches
from tests.support.raw_records import Given

MINUTE, HOUR = 60_000, 3_600_000
BEGIN = 1_700_000_000_000
"""Where odd values have their times."""
_IDS = (
    *("a", "/politique/1", "/été", "/e\u0301", "\u200d", "\u200c/x", "\u2028", "\ufeff", "\U000e0100", "\U0010fffd"),
    *(
        "",
        " ",
        "a b",
        "\x7f",
        "\xad",
        "\xa0",
        "\u3000",
        "x" * 512,
        "x" * 513,
        "é" * 256,
        "é" * 257,
        "/a\\b",
        '/"',
        "\ue000",
    ),
)
_NAMES = (
    "demo",
    "it",
    "a.b-c_9",
    "s" * 64,
    "s" * 65,
    "",
    "Demo",
    "é",
    "view",
    "share",
    "v_1",
    "1v",
    "_v",
    "t" * 32,
    "t" * 33,
)
_TEXTS = (None, "", "u", "v", "w" * 128, "w" * 129, "é" * 128, "😀" * 129, "a\0b", "\n")


def generation(rng: random.Random) -> Generation:
    """Windows of minutes, rules of every kind."""
    windows = Window("short", 10 * MINUTE, MINUTE), Window("long", HOUR, 10 * MINUTE)
    duplicate, internal, repeat = (rng.random() < 0.6 for _ in range(3))
    rules: Any = msgspec.UNSET
    if duplicate or internal or repeat:
        types = rng.choice((("view",), ("share", "view"), ())) if repeat else ()
        names = "duplicate@1" if duplicate else "", "internal@1" if internal else "", "repeat@1" if repeat else ""
        per = rng.choice((MINUTE, 7 * MINUTE, HOUR))
        rules = Rules(*names, types, per, rng.choice((0, MINUTE, HOUR)), rng.choice((10**9, 30, 8, 3)))
    sites = rng.choice((None, None, None, ("demo", "it")))
    boards = {"read": {"view": 1, "share": 3}}
    return Generation(
        "page-views", windows[: rng.choice((1, 2))], boards, 8, rng.choice(("drop", "count")), sites=sites, rules=rules
    )


def value(rng: random.Random, append_ms: int) -> bytes | None:
    """Mostly an event, in every form that JSON has for it; sometimes an odd one, or none."""
    if rng.random() < 0.15:
        return odd_values.value(rng)
    if rng.random() < 0.02:
        return rng.choice((None, b"", b"null", b"[]", b"{}"))
    late = rng.choice((0, 0, 0, 1, -1, rng.randrange(2 * HOUR), -rng.randrange(6 * MINUTE)))
    edge = rng.choice((0, 0, 0, 5 * MINUTE, 5 * MINUTE + 1, 5 * MINUTE - 1, -HOUR, -HOUR - 1, -HOUR - 10 * MINUTE))
    event: dict[str, Any] = {
        "event_id": f"e{rng.randrange(40)}" if rng.random() < 0.97 else rng.choice(_TEXTS),
        "event_type": rng.choice(("view", "view", "view", "share")) if rng.random() < 0.95 else rng.choice(_NAMES),
        "site_id": rng.choice(("demo", "demo", "it")) if rng.random() < 0.95 else rng.choice(_NAMES),
        "article_id": rng.choice(("/a", "/b", "/é", "/c/d")) if rng.random() < 0.9 else rng.choice(_IDS),
        "occurred_at": max(0, append_ms - late + edge),
    }
    for name, choices in (
        ("visitor_id", _TEXTS),
        ("repeat_key", _TEXTS),
        ("agent_class", ("person", "bot", "internal", "unknown", "person", "cat", None)),
        ("value", (1, 1, 1, 2, -1, 0, 1000, -1000, 1001, -1001, None, 1.0, "1")),
        ("producer_id", ("p", "p", "q/1", "", None, "w" * 129)),
        ("sequence", (0, 1, 2**53, 2**62, 10**17, 10**18, 2**63, -1, None, 1.0)),
    ):
        if rng.random() < 0.4:
            event[name] = rng.choice(choices[: rng.choice((2, 4, len(choices)))])
    if rng.random() < 0.2:
        event[rng.choice(("x", "event", "value_", "zone", "é", 'a"b'))] = rng.choice(
            (
                None,
                True,
                False,
                5,
                -0.25,
                1.5e300,
                [],
                {},
                [1, [2, {"a": "é"}]],
                {"event_id": [None]},
                "\ud83d\ude00",
                "a\\b",
            )
        )
    items = list(event.items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    pairs = (f"{_text(rng, name)}{rng.choice((':', ' : '))}{_text(rng, each)}" for name, each in items)
    body = rng.choice((",", ", ", "\n,\t")).join(pairs) + rng.choice(("",) * 60 + (",", " ,"))
    written = f"{rng.choice(('', ' '))}{{{body}}}{rng.choice(('', chr(10)))}".encode("utf-8", "surrogatepass")
    if rng.random() < 0.003:
        return written.ljust((1 << 20) + rng.choice((0, 1)))
    return odd_values.altered(rng, written, 0.03)


def _text(rng: random.Random, given: Any) -> str:
    """JSON as different writers have it: PHP escapes slashes, many escape what is not ASCII, some escape anything."""
    text = json.dumps(given, ensure_ascii=rng.random() < 0.5)
    if isinstance(given, str) and rng.random() < 0.3:
        text = text.replace("/", "\\/")
    if isinstance(given, str) and given.isascii() and given.isalnum() and rng.random() < 0.1:
        at = rng.randrange(len(given))
        text = f'"{given[:at]}\\u{ord(given[at]):04{rng.choice("xX")}}{given[at + 1 :]}"'
    return text


def records(rng: random.Random) -> list[Given]:
    """Appended one behind the other, sometimes with no time, or a wrong one; offsets have holes."""
    found, offset, now = [], rng.choice((0, 7, 2**40)), BEGIN + rng.randrange(HOUR)
    for _ in range(rng.choice((1, 3, 30, 120))):
        offset += 1 if rng.random() < 0.9 else rng.randint(2, 5)
        now += rng.choice((0, 1, 500, MINUTE)) if rng.random() < 0.98 else rng.randrange(3 * HOUR)
        append_ms = now - rng.choice((0,) * 12 + (1, MINUTE))
        if rng.random() < 0.02:
            append_ms = rng.choice((-1, 0, now // 1000, now * 1000))
        found.append(
            Given(offset, append_ms, rng.choice((None, b"", b"demo/a")), value(rng, rng.choice((now, append_ms))))
        )
    return found


def batches(rng: random.Random, log: list[Given]) -> Iterator[tuple[bytes, int, int]]:
    """As producers send them, packed or not: bytes, first offset and the one behind the last, which may be a hole."""
    rest = list(log)
    while rest:
        count = min(len(rest), rng.choice((1, 2, 10, 1000)))
        some, rest = rest[:count], rest[count:]
        most = rest[0].offset if rest else some[-1].offset + 3
        end = rng.choice((some[-1].offset + 1, most))
        yield stretches.batch(some, rng.choice((0, 0, 0, 1, 2, 3, 4)), end), some[0].offset, end


def foreign(rng: random.Random) -> tuple[Generation, list[Given]]:
    """A topic of others that the kernel can read, and its records."""
    while True:
        table = odd_values.table(rng)["source"] | {"time": rng.choice(("ms", "us", "s", "rfc3339"))}
        source = defaults.source(table)
        settings = msgspec.structs.replace(generation(rng), source=source)
        if shape_of(settings) is not None:
            break
    names = {ours: str(parts(path)[0]) for ours, path in source.fields.items()}
    log = [one._replace(value=_foreign_value(rng, names, source.time, one.timestamp)) for one in records(rng)]
    return settings, log


def _foreign_value(rng: random.Random, names: dict[str, str], unit: str, append_ms: int) -> bytes:
    """Mostly an event of now; else an odd one at any time."""
    if rng.random() < 0.3:
        return odd_values.foreign(rng, names, unit)
    now_ms = max(0, append_ms - rng.choice((0, 1, 999, 1_000, rng.randrange(2 * HOUR))))
    times = {"ms": now_ms, "us": now_ms * 1000 + rng.choice((0, 1, 999)), "s": now_ms // 1000}
    choices: dict[str, tuple[Any, ...]] = {
        "event_id": ("e1", "e2", 17, -17, 10**17, 10**18, None, ""),
        "event_type": ("view", "share", "Page View", "click", "x"),
        "site_id": ("demo", "it", 5, 0),
        "article_id": ("/a", "/b", "/é", 7, "7", -7),
        "occurred_at": (times[unit],),
        "visitor_id": (*_TEXTS[:4], 3),
        "repeat_key": (*_TEXTS[:4], 3),
        "agent_class": ("person", "bot", "internal", "unknown"),
        "value": (1, 1, 2, 0),
        "producer_id": ("p", "q/1", 9, None),
        "sequence": (0, 1, 5, None),
    }
    event = {theirs: rng.choice(choices[ours]) for ours, theirs in names.items() if rng.random() < 0.97}
    if rng.random() < 0.2:
        event[rng.choice(("zz", "event_type", "site_id", "value"))] = rng.choice(("view", 1, None, {"a": []}))
    items = list(event.items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    return json.dumps(dict(items), ensure_ascii=rng.random() < 0.5).encode()


def check(seed: int, *, is_foreign: bool = False) -> tuple[int, int]:
    """Raises AssertionError if the folds differ. Returns the numbers of records and of those declined."""
    rng = random.Random(seed)
    settings, log = foreign(rng) if is_foreign else (generation(rng), records(rng))
    rules = None if isinstance(settings.rules, msgspec.UnsetType) or not settings.rules.remember else settings.rules
    declined: list[None] = []
    plain, compiled = Fold(settings), KernelFold(settings, lambda: declined.append(None))
    memory = None if rules is None else Memory(rules)
    buckets = None if rules is None else KernelMemory(rules)
    begin = rng.choice(log).offset if rng.random() < 0.2 else log[0].offset
    fetched = b"".join(data for data, _, end in batches(rng, log) if end > begin)
    fetched += b"\0" * rng.choice((0, 5))
    seen, pieces = 0, []
    limit = rng.choice((1, 3, 50, 1000))
    for chunk in stretches.chunks(fetched, begin, limit):
        wanted = [record for record in log if chunk.start <= record.offset < chunk.end]
        seen += len(wanted)
        assert len(wanted) <= limit
        most_cost, start, before = rng.choice((1, 5, 20, 1 << 62)), chunk.start, len(declined)
        for piece in fold_chunk(0, chunk, compiled, buckets, 1 << 62, most_cost, accept_create_time=True):
            part = [record for record in wanted if piece.start <= record.offset < piece.end]
            assert piece.start == start, "the pieces do not follow one another"
            start = piece.end
            same = Chunk(piece.start, piece.end, part, epoch=chunk.epoch)
            (want,) = fold_chunk(0, same, plain, memory, 1 << 62, most_cost, accept_create_time=True)
            _compare(piece, want)
            if piece.counts is not None and want.counts is not None:
                is_whole = piece.end <= wanted[-1].offset and len(declined) == before
                _check_cost(settings, want.counts, most_cost, is_whole=is_whole)
                before = len(declined)
                if memory is not None and buckets is not None:
                    _store(rng, piece, want, buckets, memory)
                pieces.append((piece, want))
        assert start == chunk.end
    assert seen == sum(record.offset >= begin for record in log)
    batches_of_pieces.check(settings, pieces)
    return seen, len(declined)


def _compare(got: Piece, want: Piece) -> None:
    where = f"offsets {got.start} to {got.end}"
    if got.counts is not None:
        columns = got.counts.columns
        assert isinstance(columns, _kernel.Columns), where
        dicts = dataclasses.replace(got.counts, counts=columns.as_dicts(), columns=None)
        got = got._replace(counts=dicts)
    assert got == want, where
    if got.counts is not None and want.counts is not None:
        assert [*got.counts.counts] == [*want.counts.counts], f"{where}: the order of the groups"
        orders = [[[*articles] for articles in one.counts.counts.values()] for one in (got, want) if one.counts]
        assert orders[0] == orders[1], f"{where}: the order of the articles"


def _check_cost(settings: Generation, counts: PartialCounts, most_cost: int, *, is_whole: bool) -> None:
    """A piece ends where a batch pays `most_cost`, no record later; one that only the kernel has folded no earlier."""
    costs = Costs.of(settings)
    cost = Batch(0, 0.0, None).cost_with(counts, costs)
    last = costs.dearest_record + costs.rejected(counts.rejected[-1:])
    apart = sum(map(len, counts.sequences.values())) // SEQUENCES  # fewer cost nothing between two declined records
    assert cost < most_cost + last + apart
    assert not is_whole or cost >= most_cost


def _store(rng: random.Random, got: Piece, want: Piece, buckets: KernelMemory, memory: Memory) -> None:
    """Sometimes the store has it all, sometimes it is dropped."""
    assert got.counts is not None
    assert want.counts is not None
    assert buckets.size == memory.size
    if rng.random() < 0.3:
        buckets.stored(got.counts.memory, ("", got.end))
        memory.stored(want.counts.memory, ("", want.end))
    elif rng.random() < 0.1:
        buckets.drop_pending()
        memory.drop_pending()
        assert buckets.size == memory.size
