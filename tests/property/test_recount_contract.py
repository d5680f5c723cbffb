"""The second count reads a value exactly as the engine does, or both refuse it, whatever the value is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

import schemas
from ranker.core.decoder import Decoder
from ranker.core.fold import Fold
from ranker.core.generation import Generation, from_table
from ranker.core.source import SKIPPED, Source, faults
from ranker.recount import definition
from ranker.recount.contract import Contract
from ranker.recount.events import Event
from schemas import configuration
from tests.property import odd_avro, odd_records, odd_values
from tests.property.odd_records import Record
from tests.support.raw_records import Given, generation

TODAY = int(f"{datetime.now(UTC):%Y%m%d}")
EXAMPLES = {**schemas.examples("page-view", valid=True), **schemas.examples("page-view", valid=False)}
Read = Callable[[Record], Event | str | None]


def both(settings: Generation, schemas: Mapping[int, tuple[str, ...]] | None = None) -> tuple[Read, Read]:
    """How the engine reads a record, and how the second count does: an event, why it is no page view, or None."""
    fold, decode = Fold(settings, schemas=schemas), Decoder(settings.source, schemas)
    table = definition.read(settings.canonical(), settings.id)
    contract = Contract(table.sites, table.source, schemas)

    def engine(record: Record) -> Event | str | None:
        given = Given(0, odd_values.LAST_MS - 1, record.key, record.value, record.headers)
        partial = fold([given])
        if partial.rejected or partial.skipped:
            return None if partial.rejected else next(iter(partial.skipped))
        event = decode(record.value or b"", given)
        assert not isinstance(event, str)
        names = event.site_id, event.article_id, event.event_type, event.occurred_at, event.event_id or ""
        return Event(*names, event.repeat_key or event.visitor_id or "", event.agent_class, event.value)

    return engine, lambda record: contract.event(record.value, odd_values.LAST_MS - 1, record.key, record.headers)


ENGINE, SECOND = both(generation(bots="count"))


def same(value: bytes | None, engine: Read = ENGINE, second: Read = SECOND) -> bool:
    """Whether it is an event, to both of them the same one."""
    return isinstance(same_record(Record(value, None, ()), engine, second), Event)


def same_record(record: Record, engine: Read, second: Read) -> Event | str | None:
    """What it is, to both of them."""
    read = engine(record)
    assert second(record) == read, record
    return read


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_contract_are_read_alike(name: str) -> None:
    assert same(EXAMPLES[name]) == (name in schemas.examples("page-view", valid=True))


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_odd_values_are_read_alike(first: int) -> None:
    """Fields twice, floats for integers, huge numbers, no UTF-8, halves of surrogates, escaped names, what follows."""
    rng = random.Random(first)
    read = [same(odd_values.value(rng)) for _ in range(200_000 if first == 1_000_000 else 8_000)]
    assert 0.05 < sum(read) / len(read) < 0.5


@pytest.mark.parametrize("name", odd_values.OURS)
def test_every_odd_value_in_every_field_is_read_alike(name: str) -> None:
    """Alone, and before or behind a sound one: each that stands twice has to have its type, the last one holds."""
    sound = {ours: f'"{ours}":{_json(value)}' for ours, value in odd_values.OURS.items()}
    for raw in odd_values.RAW:
        odd = f'"{name}":{raw}'
        others = [each for ours, each in sound.items() if ours != name]
        for fields in ([odd, *others], [odd, *sound.values()], [*sound.values(), odd]):
            same(f"{{{','.join(fields)}}}".encode("utf-8", "surrogatepass"))


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_foreign_values_are_read_alike(first: int) -> None:
    """Under names, words, units of time and rules of ids that are drawn."""
    rng = random.Random(first)
    read: list[bool] = []
    for _ in range(2_000 if first == 1_000_000 else 100):
        settings = from_table(configuration.filled(odd_values.table(rng)))
        engine, second = both(settings)
        assert isinstance(settings.source, Source)
        fields, unit = settings.source.fields, settings.source.time
        read += [same(odd_values.foreign(rng, fields, unit), engine, second) for _ in range(50)]
    assert 0.1 < sum(read) / len(read) < 0.9


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_records_are_read_alike_wherever_their_fields_stand(first: int) -> None:
    """In objects, lists, headers, the key and the timestamp; those that a filter passes over are told apart alike."""
    rng = random.Random(first)
    found: Counter[str] = Counter()
    for _ in range(4_000 if first == 1_000_000 else 150):
        drawn = odd_records.drawn(rng)
        settings = from_table(configuration.filled(drawn.table))
        assert isinstance(settings.source, Source)
        assert faults(settings.source) == []
        engine, second = both(settings)
        for _ in range(40):
            read = same_record(odd_records.record(rng, drawn), engine, second)
            found[read if isinstance(read, str) else type(read).__name__] += 1
    assert set(found) == {"Event", "NoneType", *SKIPPED}
    assert 0.1 < found["Event"] / found.total() < 0.9


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_avro_is_read_alike(first: int) -> None:
    """Of schemas that are drawn: unions, enums, lists, what a schema says of its time, and bytes that are not its own."""
    rng = random.Random(first)
    found: Counter[str] = Counter()
    for number in range(20_000 if first == 1_000_000 else 1_000):
        drawn = odd_records.drawn(rng)
        drawn.table["source"]["format"] = "avro"
        if not odd_avro.is_fit(drawn):
            continue
        schemas, record = odd_avro.record(rng, drawn, number)
        read = same_record(record, *both(from_table(configuration.filled(drawn.table)), schemas))
        found[read if isinstance(read, str) else type(read).__name__] += 1
    assert found["Event"] > 0.05 * found.total()
    assert found.total() > 100


@pytest.mark.parametrize("unit", ["ms", "us", "s", "rfc3339"])
def test_times_are_read_alike(unit: str) -> None:
    """Fractions and how they are rounded, zones, letters of both cases, a blank for the T, 1970 and 2100."""
    rng = random.Random(f"{unit} {TODAY}")
    engine, second = both(from_table(configuration.filled({"source": {"time": unit}})))
    read = []
    for _ in range(4_000):
        times = [odd_values.time(rng, unit) for _ in range(rng.choice((1, 1, 1, 2)))]
        fields = [
            '"event_type":"view"',
            '"site_id":"demo"',
            '"article_id":"a"',
            *(f'"occurred_at":{at}' for at in times),
        ]
        read.append(same(f"{{{','.join(fields)}}}".encode(), engine, second))
    assert 0.1 < sum(read) / len(read) < 0.9


@pytest.mark.parametrize(
    "value", [None, b"", b" ", b"{}", b"[]", b"null", b"5", b'"x"', b"{", b"\xff", b"\xef\xbb\xbf{}"]
)
def test_what_is_no_object_is_no_event(value: bytes | None) -> None:
    assert not same(value)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_value_has_one_mebibyte_at_most(more: int) -> None:
    sound = EXAMPLES["every-field"].rstrip()
    assert same(sound + b" " * ((1 << 20) + more - len(sound))) == (more <= 0)


def test_a_name_of_an_article_says_nothing_of_sites() -> None:
    """An article may have the name of a site; that makes no valid event type of an empty one."""
    sound = {**odd_values.OURS, "article_id": "demo"}
    fields = {name: _json(value) for name, value in sound.items()}
    for event_type in ('"view"', '""'):
        value = ",".join(f'"{name}":{each}' for name, each in {**fields, "event_type": event_type}.items())
        assert same(f"{{{value}}}".encode()) == (event_type == '"view"')
