//! From fetched bytes to stretches of records: what lies one behind the other, checked to its end.

use crate::batch::{self, HEAD, Head, is_whole, record};

/// Bits of a batch's attributes.
const CODEC: i16 = 7;
const TRANSACTION: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// A stretch: begin, end, next offset, records.
pub type Span = (usize, usize, i64, usize);

/// As `cut`, without Python.
pub fn walk(
    bytes: &[u8],
    begin: usize,
    end: usize,
    from: i64,
    room: usize,
    most: usize,
    most_bytes: usize,
) -> Option<(Head, Vec<Span>)> {
    let head = Head::read(bytes.get(begin..end)?)?;
    let data = bytes.get(..end)?;
    let (mut at, mut next_offset, mut limit) = (begin + HEAD, head.base_offset, room.max(1));
    let (mut spans, mut start, mut records) = (Vec::new(), at, 0);
    for _ in 0..usize::try_from(head.records).ok()? {
        let (record, after) = record(data, at, &head)?;
        if !(next_offset..head.next_offset).contains(&record.offset) {
            return None;
        }
        if record.offset >= from {
            if records >= limit || (records > 0 && after - start > most_bytes) {
                spans.push((start, at, next_offset, records));
                (start, records, limit) = (at, 0, most.max(1));
            }
            records += 1;
        } else {
            start = after;
        }
        (at, next_offset) = (after, record.offset + 1);
    }
    if at != end {
        return None;
    }
    if records > 0 {
        spans.push((start, at, next_offset, records));
    }
    Some((head, spans))
}

/// Clean batches that lie one behind the other, of one leader's epoch, and where the next one begins.
pub struct Clean {
    pub stretches: Vec<(Head, Span)>,
    pub at: usize,
    pub next_offset: i64,
    pub epoch: i32,
}

/// The clean batches of a fetch from byte `at` on, as far as their records from offset `from` on are at most `room` and
/// `most_bytes`; none if the first one alone is more; None if it is not clean. Clean is a whole batch of version 2 that is
/// neither compressed nor in a transaction, whose records can be walked. Every other one is the caller's to judge.
pub fn clean(bytes: &[u8], at: usize, from: i64, room: usize, most_bytes: usize, check_crcs: bool) -> Option<Clean> {
    let (mut records, mut size) = (0, 0);
    let mut found: Option<Clean> = None;
    let mut at = at;
    while let Some(end) = batch::end(bytes, at)
        && let Some((epoch, attributes)) = batch::kind(&bytes[at..end])
    {
        let is_other = found.as_ref().is_some_and(|found| found.epoch != epoch);
        if is_other || attributes & (CODEC | TRANSACTION | CONTROL) != 0 {
            break;
        }
        // before the walk, for which the bytes are in the processor's cache then; one that does not fit is checked again
        if check_crcs && !is_whole(&bytes[at..end]) {
            break;
        }
        let from = found.as_ref().map_or(from, |found| found.next_offset); // offsets may lie over those of a batch before
        let Some((head, spans)) = walk(bytes, at, end, from, usize::MAX, usize::MAX, usize::MAX) else { break };
        let span = spans.first().copied();
        let (more, bytes_more) = span.map_or((0, 0), |(begin, end, _, count)| (count, end - begin));
        if found.is_some() && (records + more > room || size + bytes_more > most_bytes) {
            break;
        }
        if found.is_none() && (more > room || bytes_more > most_bytes) {
            return Some(Clean { stretches: Vec::new(), at, next_offset: from, epoch });
        }
        let found = found.get_or_insert(Clean { stretches: Vec::new(), at, next_offset: from, epoch });
        (records, size, at) = (records + more, size + bytes_more, end);
        found.stretches.extend(span.map(|span| (head, span)));
        (found.at, found.next_offset) = (end, found.next_offset.max(head.next_offset));
    }
    found
}
