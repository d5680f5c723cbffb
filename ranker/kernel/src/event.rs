//! The page view as the fold reads it: the definition is `PageView` in core/event.py.

use std::borrow::Cow;

use crate::scan::Scan;

pub const MAX_TIME_MS: i64 = 4_102_444_800_000;
const MOST_CHARACTERS: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    Bot,
    Internal,
    Other,
}

pub struct Event<'a> {
    pub event_id: Cow<'a, [u8]>,
    pub event_type: Cow<'a, [u8]>,
    pub site: Cow<'a, [u8]>,
    pub article: Cow<'a, [u8]>,
    pub occurred_ms: i64,
    pub visitor: Option<Cow<'a, [u8]>>,
    pub repeat_key: Option<Cow<'a, [u8]>>,
    pub agent: Agent,
    pub value: i64,
    pub producer: Option<Cow<'a, [u8]>>,
    pub sequence: Option<i64>,
}

/// As a record has them, in the order of the contract: the next one is mostly the one that is expected.
const NAMES: [&[u8]; 11] = [
    b"\"event_id\":",
    b"\"event_type\":",
    b"\"site_id\":",
    b"\"article_id\":",
    b"\"occurred_at\":",
    b"\"visitor_id\":",
    b"\"repeat_key\":",
    b"\"agent_class\":",
    b"\"value\":",
    b"\"producer_id\":",
    b"\"sequence\":",
];
/// Each of `NAMES` as a number, the first byte lowest, and the bits that its bytes have.
const WORDS: [(u128, u128); 11] = {
    let mut words = [(0, 0); 11];
    let mut field = 0;
    while field < 11 {
        let name = NAMES[field];
        let mut at = 0;
        while at < name.len() {
            words[field].0 |= (name[at] as u128) << (8 * at);
            words[field].1 |= 0xff << (8 * at);
            at += 1;
        }
        field += 1;
    }
    words
};
/// The first five.
const REQUIRED: u32 = 0b1_1111;

/// The event of a record's value; None if it is not clean.
pub fn parse(value: &[u8]) -> Option<Event<'_>> {
    let mut event = Event {
        event_id: Cow::Borrowed(&[]),
        event_type: Cow::Borrowed(&[]),
        site: Cow::Borrowed(&[]),
        article: Cow::Borrowed(&[]),
        occurred_ms: 0,
        visitor: None,
        repeat_key: None,
        agent: Agent::Other,
        value: 1,
        producer: None,
        sequence: None,
    };
    let (mut seen, mut expected) = (0_u32, 0);
    let mut scan = Scan::new(value);
    scan.object(|scan| {
        let next = scan.sixteen();
        let mut fields = (expected..11).chain(0..expected);
        let field = match fields.find(|&one| next & WORDS[one].1 == WORDS[one].0) {
            Some(field) => {
                scan.pass(NAMES[field].len());
                field
            }
            None => {
                let name = scan.name()?;
                match NAMES.iter().position(|one| one[1..one.len() - 2] == *name) {
                    Some(field) => field,
                    None => return scan.skip(0),
                }
            }
        };
        expected = field + 1;
        let bit = 1 << field;
        if seen & bit != 0 {
            return None; // named twice: which one holds is the decoder's to say
        }
        seen |= bit;
        match field {
            0 => event.event_id = scan.string().filter(|text| !text.is_empty() && is_short(text))?,
            1 => event.event_type = scan.string()?,
            2 => event.site = scan.string()?,
            3 => event.article = scan.string()?,
            4 => event.occurred_ms = scan.integer().filter(|ms| (0..=MAX_TIME_MS).contains(ms))?,
            5 => event.visitor = short(scan)?,
            6 => event.repeat_key = short(scan)?,
            7 => {
                event.agent = match scan.string()?.as_ref() {
                    b"person" | b"unknown" => Agent::Other,
                    b"bot" => Agent::Bot,
                    b"internal" => Agent::Internal,
                    _ => return None,
                }
            }
            8 => event.value = scan.integer().filter(|value| (-1000..=1000).contains(value))?,
            9 => event.producer = short(scan)?,
            _ => event.sequence = if scan.is_null() { None } else { Some(scan.integer().filter(|&number| number >= 0)?) },
        }
        Some(())
    })?;
    scan.end()?;
    (seen & REQUIRED == REQUIRED).then_some(event)
}

/// A text that may be absent.
#[inline(always)]
fn short<'a>(scan: &mut Scan<'a>) -> Option<Option<Cow<'a, [u8]>>> {
    if scan.is_null() {
        return Some(None);
    }
    scan.string().filter(|text| is_short(text)).map(Some)
}

fn is_short(text: &[u8]) -> bool {
    text.len() <= MOST_CHARACTERS || text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= MOST_CHARACTERS
}
