//! Record batches of version 2, walked in place: https://kafka.apache.org/documentation/#recordbatch.

pub const HEAD: usize = 61;

/// What a batch's header says of its records.
#[derive(Clone, Copy)]
pub struct Head {
    pub base_offset: i64,
    pub next_offset: i64,
    pub first_ms: i64,
    pub max_ms: i64,
    pub is_append_time: bool,
    pub records: i32,
}

impl Head {
    /// None if the batch is shorter than a header.
    pub fn read(batch: &[u8]) -> Option<Self> {
        let head = batch.get(..HEAD)?;
        let base_offset = i64::from_be_bytes(head[0..8].try_into().ok()?);
        let last_delta = i32::from_be_bytes(head[23..27].try_into().ok()?);
        Some(Self {
            base_offset,
            next_offset: base_offset.checked_add(i64::from(last_delta))?.checked_add(1)?,
            first_ms: i64::from_be_bytes(head[27..35].try_into().ok()?),
            max_ms: i64::from_be_bytes(head[35..43].try_into().ok()?),
            is_append_time: head[22] & 8 != 0,
            records: i32::from_be_bytes(head[57..61].try_into().ok()?),
        })
    }
}

/// Where the batch ends that begins at `at`; None if its end is not there.
pub fn end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = i32::from_be_bytes(bytes.get(at + 8..at + 12)?.try_into().ok()?);
    let end = (at + 12).checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some(end)
}

/// Leader epoch and attributes of a batch of version 2; None of another one.
pub fn kind(batch: &[u8]) -> Option<(i32, i16)> {
    let head = batch.get(..HEAD)?;
    let epoch = i32::from_be_bytes(head[12..16].try_into().ok()?);
    (head[16] == 2).then_some((epoch, i16::from_be_bytes([head[21], head[22]])))
}

/// Whether the batch is undamaged.
pub fn is_whole(batch: &[u8]) -> bool {
    batch.len() >= HEAD && crc32c::crc32c(&batch[21..]).to_be_bytes() == batch[17..21]
}

pub struct Record<'a> {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// The record at `at`, and where the next one begins; None if its lengths and offsets do not fit.
pub fn record<'a>(data: &'a [u8], at: usize, head: &Head) -> Option<(Record<'a>, usize)> {
    let (length, at) = varint(data, at)?;
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let data = data.get(..end)?;
    let (since_ms, place) = varint(data, at + 1)?; // behind the attributes
    let (delta, place) = varint(data, place)?;
    let (key, place) = field(data, place)?;
    let (value, _) = field(data, place)?;
    let timestamp = if head.is_append_time { head.max_ms } else { head.first_ms.checked_add(since_ms)? };
    Some((Record { offset: head.base_offset.checked_add(delta)?, timestamp, key, value }, end))
}

fn field(data: &[u8], at: usize) -> Option<(Option<&[u8]>, usize)> {
    let (length, at) = varint(data, at)?;
    if length < 0 {
        return Some((None, at));
    }
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    Some((Some(data.get(at..end)?), end))
}

/// A zigzag-encoded number of 64 bits at most, and its end. Most have one byte or two.
#[inline(always)]
fn varint(data: &[u8], at: usize) -> Option<(i64, usize)> {
    let first = *data.get(at)?;
    if first < 0x80 {
        return Some((zigzag(u64::from(first)), at + 1));
    }
    let second = *data.get(at + 1)?;
    if second < 0x80 {
        return Some((zigzag(u64::from(second) << 7 | u64::from(first & 0x7f)), at + 2));
    }
    long_varint(data, at)
}

fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn long_varint(data: &[u8], mut at: usize) -> Option<(i64, usize)> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = *data.get(at)?;
        at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((zigzag(number), at));
        }
    }
    None
}
