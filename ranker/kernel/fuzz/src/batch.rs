//! Any bytes as a batch: cutting it and reading its records never panics and ends; stretches lie in the batch one behind
//! the other, within their limits, and have the records that a plain reading of the format finds.
#![no_main]

use std::io::Read;

use _kernel::{Head, is_whole, record, walk};
use libfuzzer_sys::fuzz_target;

/// Bytes before the batch: the limits, how far the first offset is behind the batch's, and how much is behind the batch.
const ABOUT: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[room, most, high, low, skipped, behind], batch)) = bytes.split_first_chunk::<ABOUT>() else { return };
    let (room, most) = (usize::from(room), usize::from(most));
    let most_bytes = usize::from(u16::from_be_bytes([high, low]));
    let end = ABOUT + batch.len().saturating_sub(usize::from(behind));
    is_whole(&bytes[ABOUT..end]);
    let Some(head) = Head::read(&bytes[ABOUT..end]) else {
        assert!(walk(bytes, ABOUT, end, 0, room, most, most_bytes).is_none());
        return;
    };
    // Where no record begins.
    for at in [ABOUT, end, usize::from(behind), room << 56, usize::MAX] {
        record(&bytes[..end], at, &head);
    }
    let from = head.base_offset.saturating_add(i64::from(skipped as i8));
    let expected = plainly(&bytes[ABOUT..end]);
    let Some((_, pieces)) = walk(bytes, ABOUT, end, from, room, most, most_bytes) else {
        assert!(expected.is_none(), "a batch that can be read is not cut");
        return;
    };
    let expected = expected.expect("a batch that is cut can be read");
    let mut wanted = expected.iter().filter(|one| one.offset >= from);
    let (mut place, mut limit) = (pieces.first().map_or(end, |piece| piece.0), room.max(1));
    assert!(place >= ABOUT + 61);
    for (begin, stop, next_offset, records) in pieces {
        assert_eq!(begin, place);
        assert!(begin < stop && stop <= end);
        assert!((1..=limit).contains(&records));
        let (mut at, mut found, mut last) = (begin, 0, None);
        while at < stop {
            let (one, next) = record(&bytes[..stop], at, &head).expect("a record of a stretch");
            assert!(at < next && next <= stop);
            if one.offset >= from {
                let like = wanted.next().expect("no more records than there are");
                assert_eq!((one.offset, one.timestamp), (like.offset, like.timestamp));
                assert_eq!((one.key, one.value), (like.key.as_deref(), like.value.as_deref()));
                found += 1;
            }
            (at, last) = (next, Some(one.offset));
        }
        assert_eq!(found, records);
        assert_eq!(last.map(|offset| offset + 1), Some(next_offset));
        assert!(records == 1 || stop - begin <= most_bytes);
        (place, limit) = (stop, most.max(1));
    }
    assert_eq!(place, end);
    assert!(wanted.next().is_none(), "every record is in a stretch");
});

struct Plain {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// The records of a batch, read byte by byte as Kafka's documentation describes them; None if their lengths or offsets
/// do not fit.
fn plainly(mut batch: &[u8]) -> Option<Vec<Plain>> {
    let base_offset = i64::from_be_bytes(taken(&mut batch)?);
    let _length_epoch_magic_crc: [u8; 13] = taken(&mut batch)?;
    let attributes = i16::from_be_bytes(taken(&mut batch)?);
    let last_offset = i128::from(base_offset) + i128::from(i32::from_be_bytes(taken(&mut batch)?));
    let (first_ms, max_ms) = (i64::from_be_bytes(taken(&mut batch)?), i64::from_be_bytes(taken(&mut batch)?));
    let _producer_epoch_sequence: [u8; 14] = taken(&mut batch)?;
    let count = i32::from_be_bytes(taken(&mut batch)?);
    let mut records: Vec<Plain> = Vec::new();
    if count < 0 || last_offset >= i128::from(i64::MAX) {
        return None;
    }
    for _ in 0..count {
        let length = usize::try_from(number(&mut batch)?).ok()?;
        let (mut rest, behind) = batch.split_at_checked(length)?;
        batch = behind;
        let _attributes: [u8; 1] = taken(&mut rest)?;
        let since = number(&mut rest)?;
        let timestamp = if attributes & 8 == 0 { first_ms.checked_add(since)? } else { max_ms };
        let offset = base_offset.checked_add(number(&mut rest)?)?;
        let first = records.last().map_or(base_offset, |before| before.offset + 1);
        if offset < first || i128::from(offset) > last_offset {
            return None;
        }
        let key = field(&mut rest)?;
        let value = field(&mut rest)?;
        records.push(Plain { offset, timestamp, key, value });
    }
    batch.is_empty().then_some(records)
}

fn taken<const SIZE: usize>(from: &mut &[u8]) -> Option<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    from.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn field(from: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let length = number(from)?;
    if length < 0 {
        return Some(None);
    }
    let (bytes, rest) = from.split_at_checked(usize::try_from(length).ok()?)?;
    *from = rest;
    Some(Some(bytes.to_vec()))
}

/// A varint of ten bytes at most: the lowest seven bits first, then zigzag.
fn number(from: &mut &[u8]) -> Option<i64> {
    let mut bits: u128 = 0;
    for place in 0..10 {
        let [byte] = taken(from)?;
        bits |= u128::from(byte % 128) << (7 * place);
        if byte < 128 {
            let bits = bits as u64; // what is too much for 64 bits is cut off, as Kafka's own clients do
            let half = (bits / 2) as i64;
            return Some(if bits & 1 == 0 { half } else { -half - 1 });
        }
    }
    None
}
