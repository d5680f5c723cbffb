"""Faults put into the kernel's source: each has to be seen by comparing it with the plain fold (tests/property/kernel.py).

`python -m tests.mutants.kernel LIBRARY`: compares until the library's fold differs; exit status 1 then.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` stands in `file` once; `new` takes its place."""

    what: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("the year 2000 has not begun", "fold.rs", "(FIRST_MS..=MAX_TIME_MS)", "(0..=MAX_TIME_MS)"),
    Mutant("2100 ends later", "fold.rs", "(FIRST_MS..=MAX_TIME_MS)", "(FIRST_MS..=i64::MAX)"),
    Mutant("large values count", "fold.rs", "value.len() <= MAX_VALUE_BYTES", "value.len() <= 2 * MAX_VALUE_BYTES"),
    Mutant("the value 0 counts", "fold.rs", "event.value == 0 ||", "false ||"),
    Mutant(
        "the future begins a moment later",
        "fold.rs",
        "append_ms + self.rules.future_ms",
        "append_ms + self.rules.future_ms + 1",
    ),
    Mutant(
        "late by the window alone",
        "fold.rs",
        "&& (occurred_ms.div_euclid(late_grain_ms) + 1) * late_grain_ms < append_ms - late_ms",
        "",
    ),
    Mutant("late a slice earlier", "fold.rs", "div_euclid(late_grain_ms) + 1)", "div_euclid(late_grain_ms))"),
    Mutant("late counts", "fold.rs", "self.counted.late += 1;", "{}"),
    Mutant("nothing is late", "fold.rs", "if self.is_late(one.occurred_ms, one.append_ms) {", "if false {"),
    Mutant(
        "late moves no time",
        "fold.rs",
        "if let Some(memory) = memory {\n            memory.passed",
        "if let Some(memory) = memory && !self.is_late(one.occurred_ms, one.append_ms) {\n            memory.passed",
    ),
    Mutant(
        "the last value holds",
        "fold.rs",
        "[*place.get() as usize].count += value",
        "[*place.get() as usize].count = value",
    ),
    Mutant(
        "each event is one",
        "fold.rs",
        "self.counted.count(group, one.article, one.value,",
        "self.counted.count(group, one.article, 1,",
    ),
    Mutant(
        "the last group goes on",
        "fold.rs",
        "Some((last, number)) if last == group => number",
        "Some((_, number)) => number",
    ),
    Mutant(
        "groups of another outcome",
        "fold.rs",
        "site: one.kind.site, outcome };",
        "site: one.kind.site, outcome: one.kind.outcome };",
    ),
    Mutant(
        "bots go before duplicates",
        "fold.rs",
        "if !is_new(one.event_key)",
        "if one.agent != Agent::Bot && !is_new(one.event_key)",
    ),
    Mutant("duplicates count", "fold.rs", "return DUPLICATE;", "{}"),
    Mutant("bots count", "fold.rs", "if rules.drops_bots &&", "if false &&"),
    Mutant("internal ones are bots", "fold.rs", "return INTERNAL;", "return BOT;"),
    Mutant("repeats of every type", "fold.rs", "if kind.is_once && event.value == 1", "if event.value == 1"),
    Mutant("repeats of every value", "fold.rs", "if kind.is_once && event.value == 1", "if kind.is_once"),
    Mutant(
        "visitor_id goes first",
        "fold.rs",
        "repeat_key.or(event.visitor.as_deref())",
        "event.visitor.as_deref().or(repeat_key)",
    ),
    Mutant(
        "an empty key is one",
        "fold.rs",
        "event.repeat_key.as_deref().filter(|key| !key.is_empty())",
        "event.repeat_key.as_deref()",
    ),
    Mutant("events and readers share keys", "fold.rs", 'key(b"reader ", reader', 'key(b"event ", reader'),
    Mutant("no separator in keys", "fold.rs", "text.push(0);", "{}"),
    Mutant(
        "the article is no part of a key",
        "fold.rs",
        "[&event.site, &event.article, &event.event_type]",
        "[&event.site, &event.site, &event.event_type]",
    ),
    Mutant(
        "every site is ours",
        "fold.rs",
        "let is_ours = self.rules.only_sites",
        "let is_ours = true || self.rules.only_sites",
    ),
    Mutant("the last kind goes on", "fold.rs", "&& *name == *event.event_type", ""),
    Mutant("a producer without a name", "fold.rs", ".filter(|name| !name.is_empty())", ""),
    Mutant(
        "a producer's first time",
        "fold.rs",
        "producer.last_seen_ms = append_ms;",
        "producer.last_seen_ms = producer.last_seen_ms.max(append_ms);",
    ),
    Mutant(
        "the last append time is the first",
        "fold.rs",
        "counted.first_append_ms.min(one.append_ms)",
        "one.append_ms",
    ),
    Mutant("a grain has no end", "memory.rs", "(0..self.each_ms)", "(0..i64::MAX)"),
    Mutant("a grain has no beginning", "memory.rs", "(0..self.each_ms)", "(i64::MIN..self.each_ms)"),
    Mutant("keys behind one that is discarded are lost", "keys.rs", "if moved != key {", "if false {"),
    Mutant(
        "keys behind one that is discarded stay in place", "keys.rs", "let new = self.place(moved);", "let new = place;"
    ),
    Mutant("the mark has no key", "fold.rs", "crc.update(record.key.unwrap_or_default());", ""),
    Mutant(
        "records before the position are in a stretch",
        "walk.rs",
        "            start = after;",
        "            (start, records) = (start, records + 1);",
    ),
    Mutant("settled ones are looked at", "memory.rs", "self.settles_ms(bucket) < self.latest_ms", "false"),
    Mutant("what was given up begins anew", "memory.rs", "bucket < self.first ||", ""),
    Mutant("settled ones are not noted", "memory.rs", "self.change.settled += 1;", ""),
    Mutant("the time goes back", "memory.rs", "if occurred_ms > self.latest_ms {", "if true {"),
    Mutant(
        "the bound itself is too much",
        "memory.rs",
        "while self.size > self.most {",
        "while self.size >= self.most && self.size > 0 {",
    ),
    Mutant("the bound is looked at too late", "memory.rs", "as i64 / KEYS_OF_RECORD", "as i64"),
    Mutant("given up is not noted", "memory.rs", "self.first = oldest + 1;", ""),
    Mutant("one without keys is given up", "memory.rs", "u64::from(had_keys)", "1"),
    Mutant("what is gone stays", "memory.rs", "self.change.gone.push(bucket);", ""),
    Mutant("what is taken is not pending", "memory.rs", "or_default().extend_from_slice(&fresh);", "or_default();"),
    Mutant("what is stored stays pending", "memory.rs", "pending.drain(..keys.min(pending.len()));", "let _ = keys;"),
    Mutant(
        "fresh keys of what is forgotten are not pending",
        "memory.rs",
        "or_default().append(&mut keys.fresh);",
        "or_default();",
    ),
    Mutant(
        "dropped: what was forgotten stays so",
        "memory.rs",
        "self.live.append(&mut self.forgotten);",
        "self.forgotten.clear();",
    ),
    Mutant("dropped: keys stay", "memory.rs", "keys.into_iter().for_each(|key| set.discard(key));", "drop(keys);"),
    Mutant(
        "dropped: the time stays",
        "memory.rs",
        "(self.latest_ms, self.first) = (latest_ms, first);",
        "self.first = first; let _ = latest_ms;",
    ),
    Mutant(
        "nothing is required", "event.rs", "(seen & shape.required == shape.required)", "(seen & shape.required != 0)"
    ),
    Mutant("an event without an id", "event.rs", "!text.is_empty() && is_short(text)", "is_short(text)"),
    Mutant(
        "bytes for characters",
        "event.rs",
        "|| text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= MOST_CHARACTERS",
        "|| text.len() <= 4 * MOST_CHARACTERS",
    ),
    Mutant("times of any size", "event.rs", "(0..=latest).contains(&number).then(||", "Some(())\n        .map(|()|"),
    Mutant("values of any size", "event.rs", ".filter(|value| (-1000..=1000).contains(value))", ""),
    Mutant("sequences below 0", "event.rs", ".filter(|&number| number >= 0)", ""),
    Mutant("any agent", "event.rs", "_ => return None,\n                }", "_ => Agent::Other,\n                }"),
    Mutant("something may follow", "event.rs", "scan.end()?;", ""),
    Mutant("control characters in texts", "scan.rs", "|&byte| byte < 0x20", "|&byte| byte < 0x00"),
    Mutant(
        "control characters in plain texts",
        "scan.rs",
        "let controls = word.wrapping_sub(EACH * 0x20);",
        "let controls = 0;",
    ),
    Mutant("halves of pairs", "scan.rs", "if !(0xdc00..0xe000).contains(&low) {", "if false {"),
    Mutant(
        "numbers begin with 0",
        "scan.rs",
        "let has_leading_zero = digits > 1 && self.text[start] == b'0';",
        "let has_leading_zero = false;",
    ),
    Mutant("numbers without a sign", "scan.rs", "if is_negative { -number } else { number }", "number"),
    Mutant(
        "a list that ends with a comma",
        "scan.rs",
        "b',' => self.at += 1,\n                b']'",
        "b',' => { self.at += 1; if self.is_next(b']') { return Some(()); } }\n                b']'",
    ),
    Mutant(
        "an object that ends with a comma",
        "scan.rs",
        "b',' => self.at += 1,\n                b'}'",
        "b',' => { self.at += 1; if self.is_next(b'}') { return Some(()); } }\n                b'}'",
    ),
    Mutant("sites of any length", "names.rs", "(1..=64).contains(&site.len())", "!site.is_empty()"),
    Mutant("types of any length", "names.rs", "name.len() <= 32", "true"),
    Mutant("types begin with anything", "names.rs", "b.is_ascii_lowercase())", "b.is_ascii_lowercase() || b == b'_')"),
    Mutant("ids of any length", "names.rs", "(1..=MOST_ID_BYTES).contains(&id.len())", "!id.is_empty()"),
    Mutant("spaces in ids", "names.rs", "c.is_ascii_graphic()", "(c.is_ascii_graphic() || c == ' ')"),
    Mutant("invisible ids", "names.rs", "after == 0 ||", "true || after == 0 ||"),
    Mutant("the first of a range is fit", "names.rs", "first <= c as u32", "first < c as u32"),
    Mutant("the producers' time is the broker's", "batch.rs", "if head.is_append_time {", "if true {"),
    Mutant("a stretch goes over the limit", "walk.rs", "if records >= limit ||", "if records > limit ||"),
    Mutant(
        "a stretch forgets its end",
        "walk.rs",
        "(at, next_offset) = (after, record.offset + 1);",
        "(at, next_offset) = (after, record.offset);",
    ),
    Mutant(
        "numbers as ids in our own topic", "event.rs", "if shape.is_ours { None } else {", "if false { None } else {"
    ),
    Mutant("no numbers as ids", "event.rs", "if shape.is_ours { None } else {", "if true { None } else {"),
    Mutant(
        "an event_id of null in our own topic",
        "event.rs",
        "0 if !shape.is_ours && scan.is_null()",
        "0 if scan.is_null()",
    ),
    Mutant("types stay theirs", "event.rs", "event.event_type = Cow::Borrowed(ours);", "let _ = ours;"),
    Mutant("times in other units", "event.rs", "number * shape.times / shape.over", "number"),
    Mutant("an event without an id is a duplicate", "fold.rs", "&& !event.event_id.is_empty();", ";"),
    Mutant("no constant site", "event.rs", "Cow::Borrowed(&shape.site)", "Cow::Borrowed(&[])"),
    Mutant("no constant type", "event.rs", "Cow::Borrowed(&shape.event_type)", "Cow::Borrowed(&[])"),
    Mutant(
        "long names are not found",
        "shape.rs",
        "one[1..one.len() - 2] == *name",
        "one.len() < 17 && one[1..one.len() - 2] == *name",
    ),
    Mutant("damaged batches are clean", "walk.rs", "check_crcs && !is_whole(&bytes[at..end])", "false"),
    Mutant("transactions are clean", "walk.rs", "(CODEC | TRANSACTION | CONTROL)", "(CODEC | CONTROL)"),
    Mutant("one chunk of several leaders", "walk.rs", "found.epoch != epoch", "false"),
    Mutant("clean records without a bound", "walk.rs", "records + more > room ||", ""),
    Mutant("a first batch of any size", "walk.rs", "(more > room || bytes_more > most_bytes)", "false"),
    Mutant("offsets come twice", "walk.rs", "map_or(from, |found| found.next_offset)", "map_or(from, |_| from)"),
    Mutant("holes are not stepped over", "walk.rs", "found.next_offset.max(head.next_offset)", "found.next_offset"),
    Mutant("a fetch goes back", "walk.rs", "found.next_offset.max(head.next_offset)", "head.next_offset"),
    Mutant(
        "an article is paid for once for all",
        "fold.rs",
        "let hash = |of: &(u32, u32)| mixed(of.0, of.1);\n        match self.paid.entry(hash(&article), |&one| one == article",
        "let hash = |of: &(u32, u32)| mixed(0, of.1);\n        match self.paid.entry(hash(&article), |&one| one.1 == article.1",
    ),
    Mutant(
        "each slice's article is paid for",
        "fold.rs",
        "if self.pays((self.group_pairs[number as usize], article)) {",
        "{",
    ),
    Mutant("appends cost nothing", "fold.rs", "self.cost += 1; // an append to a slice", ""),
    Mutant("sums cost nothing", "fold.rs", "self.cost += sums_cost;", ""),
    Mutant("producers cost nothing", "fold.rs", "self.cost += 1;\n                place", "place"),
    Mutant(
        "what is read ahead counts",
        "fold.rs",
        "if self.counted.cost >= most_cost {\n                    break;",
        "if false {\n                    break;",
    ),
    Mutant("a bound is below itself", "sequences.rs", "number < bound", "number <= bound"),
    Mutant("what follows comes first", "sequences.rs", ".numbers.extend(later);", ".numbers.splice(..0, later);"),
    Mutant("bits from the highest on", "sequences.rs", "1 << (at % 8)", "0x80 >> (at % 8)"),
    Mutant("what was paid is remembered", "fold.rs", "self.paid.clear();", ""),
)


def main(library: str, seeds: int = 3_000) -> None:
    """Raises SystemExit: 1 as soon as both folds differ, or the kernel fails, else 0."""
    spec = importlib.util.spec_from_file_location("ranker.kernel._kernel", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ranker.kernel._kernel"] = module
    spec.loader.exec_module(module)
    from ranker.kernel.fold import KernelFold
    from ranker.kernel.memory import KernelMemory
    from tests.property import chunks, clean_batches, kernel, sequence_forms

    for seed in range(seeds):
        try:
            kernel.check(seed)
            kernel.check(seed, is_foreign=True)
            clean_batches.check(seed)
            sequence_forms.check(seed)
            if seed % 3 == 0:
                chunks.check(seed, KernelFold, KernelMemory)
        except Exception as error:
            raise SystemExit(1) from error
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1])
