"""What can be taken from the kernel's reading: of batches, events, texts and names."""

from __future__ import annotations

from tests.mutants.kernel import Mutant

RECORDS = (
    Mutant(
        "records before the position are in a stretch",
        "walk.rs",
        "            start = after;",
        "            (start, records) = (start, records + 1);",
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
    Mutant("63 has two bytes", "batch.rs", "if first < 0x80 {", "if first < 0x7e {"),
    Mutant("numbers of two bytes in another order", "batch.rs", "u64::from(second) << 7", "u64::from(second) << 8"),
    Mutant("numbers of two bytes at most", "batch.rs", "if second < 0x80 {", "if true {"),
    Mutant("longer numbers begin late", "batch.rs", "long_varint(data, at)\n}", "long_varint(data, at + 1)\n}"),
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
)
