"""What the records of the topic of page views show: whether they have append times, and whether [source] fits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ranker.connect.registry import RegistryAwayError
from ranker.core import append_time
from ranker.core.append_time import is_append_time
from ranker.core.decoder import Decoder
from ranker.core.event import MAX_VALUE_BYTES
from ranker.core.fold import Fold, Record
from ranker.core.framed import Schemas
from ranker.core.generation import Generation
from ranker.log.admin import Sample, TopicState
from ranker.log.value_schemas import ValueSchemas
from ranker.operate.findings import Finding, fault, note, ok
from ranker.operate.topics import has_create_time
from ranker.service.runbook import Section

_DAY_MS = 86_400_000
_NEWEST = 100


def timestamps(topic: TopicState, samples: Mapping[int, Sample], now_ms: int) -> list[Finding]:
    """Findings on records that have no append time, or one far ahead; on records that are gone because of theirs."""
    records = {(number, one.offset): one for number, part in samples.items() for one in part.records}
    stamps = {place: one.timestamp for place, one in records.items()}
    none = sorted(place for place, stamp in stamps.items() if not is_append_time(stamp))
    ahead = sorted(place for place, stamp in stamps.items() if is_append_time(stamp) and stamp > now_ms + _DAY_MS)
    text = f"of {len(stamps)} records of {topic.name}"
    found: list[Finding] = []
    if none:
        partition, offset = none[0]
        first = f"the record at offset {offset} of partition {partition} has {append_time.named(stamps[none[0]])}"
        text += f" {len(none)} do not say when they were appended: {first}. Its partition is counted up to there"
        fix = append_time.fix_of(by_broker=records[none[0]].timestamp_type == 1)
        found.append(
            fault("Kafka", Section.PARTITION_STOPPED, text, f"{fix}, and `ranker consume` says how to pass over them")
        )
    elif ahead:
        partition, offset = ahead[0]
        text += (
            f" {len(ahead)} have timestamps more than a day ahead of this machine's clock, such as offset {offset} of "
        )
        text += f"partition {partition}: what they hold counts as late, or much too long"
        found.append(note("Kafka", Section.CLOCKS_DIFFER, text, "correct the clocks of its producers, or this one"))
    elif not stamps and any(part.end for part in samples.values()) and has_create_time(topic):
        text = (
            f"Kafka has deleted every record that {topic.name} had: with CreateTime at once, if its timestamps say 1970"
        )
        found.append(
            note(
                "Kafka",
                Section.TOPIC_SETTINGS,
                text,
                f"if the producer gives seconds: {append_time.fix_of(by_broker=False)}",
            )
        )
    if len(samples) < topic.partitions:
        text = f"only {len(samples)} of {topic.partitions} partitions of {topic.name} could be looked into within 10 s"
        found.append(note("Kafka", Section.KAFKA_SLOW, text, "run `ranker check` again"))
    return found


async def fits(generation: Generation, records: Sequence[Record], schemas: ValueSchemas | None) -> list[Finding]:
    """Whether [source] fits the topic's newest records; those without an append time are left out.

    If the schema registry that they need is away, that is all that is found.
    """
    if schemas is None:
        return _fits(generation, records, None)
    try:
        await schemas.fetch(schemas.lacking(records))
        if not schemas.known:
            await schemas.reach()  # else a wrong address would show when the first record comes
    except RegistryAwayError as error:
        text, _, fix = str(error).rpartition("; ")
        return [fault("schema registry", Section.REGISTRY_AWAY, text, fix)]
    found = f"; {len(schemas.known)} schemas of the newest records" if schemas.known else ""
    return [ok("schema registry", f"replies{found}"), *_fits(generation, records, schemas.known)]


def _fits(generation: Generation, records: Sequence[Record], schemas: Schemas | None) -> list[Finding]:
    if not records:
        return [
            note(
                "Kafka",
                Section.DEAD_LETTERS,
                f"topic {generation.topic} is empty, so nothing shows yet whether [source] fits it",
            )
        ]
    timed = [record for record in records if is_append_time(record.timestamp)]
    if not timed:
        return []
    partial = Fold(generation, schemas=schemas)(timed)
    bad = [rejected for rejected in partial.rejected if rejected.reason != "future"]
    skipped = sum(partial.skipped.values())
    text = f"of the newest {len(timed)} records of {generation.topic} "
    finding = fault if 2 * (len(bad) + partial.late) > len(timed) - skipped else note
    if bad:
        text += f"{len(bad)} cannot be counted, such as offset {bad[0].offset}: {bad[0].reason}"
        if bad[0].cut is not None:
            return [
                finding(
                    "Kafka",
                    Section.DEAD_LETTERS,
                    text,
                    f"have its producer write values of {MAX_VALUE_BYTES:,} bytes at most",
                )
            ]
        record = next(one for one in timed if (one.offset, one.value) == (bad[0].offset, bad[0].value))
        why = Decoder(generation.source, schemas).fault(record.value or b"", record)
        text += f" ({why.what})" if why else ""
        return [
            finding(
                "Kafka",
                Section.DEAD_LETTERS,
                text,
                (why and why.fix) or "compare [source] in ranker.toml with the record",
            )
        ]
    if partial.late:
        text += f"{partial.late} are too old to be counted"
        return [
            finding(
                "Kafka", Section.DEAD_LETTERS, text, "if they are not, time in [source] is not the unit of their times"
            )
        ]
    if partial.skipped:
        reasons = ", ".join(f"{reason} {records}" for reason, records in partial.skipped.items())
        text += f"{len(timed) - skipped} are page views; {skipped} are none ({reasons})"
        if skipped == len(timed):
            return [note("Kafka", Section.DEAD_LETTERS, text, "if some are, correct what [source] says of these")]
        return [ok("Kafka", text)]
    return [ok("Kafka", f"{text}all can be read as page views")]


def strangers(generation: Generation, samples: Mapping[int, Sample]) -> list[Finding]:
    """Finding on newest records of a topic of ours whose values are none of our producers' but have a known form."""
    newest = [
        (number, record)
        for number, part in samples.items()
        for record in sorted(part.records, key=lambda record: record.offset)[-_NEWEST:]
    ]
    decoder = Decoder(generation.source)
    found = [(number, record.offset, decoder.fault(record.value or b"")) for number, record in newest]
    named = [(number, offset, form) for number, offset, form in found if form is not None and form.fix]
    if not named:
        return []
    number, offset, form = named[0]
    text = f"of the newest {len(newest)} records of {generation.topic} {len(named)} cannot be counted"
    text = f"{text}, such as offset {offset} of partition {number}: {form.what}"
    return [(fault if 2 * len(named) > len(newest) else note)("Kafka", Section.DEAD_LETTERS, text, form.fix)]
