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
    pub event_id: Cow<'a, str>,
    pub event_type: Cow<'a, str>,
    pub site: Cow<'a, str>,
    pub article: Cow<'a, str>,
    pub occurred_ms: i64,
    pub visitor: Option<Cow<'a, str>>,
    pub repeat_key: Option<Cow<'a, str>>,
    pub agent: Agent,
    pub value: i64,
    pub producer: Option<Cow<'a, str>>,
    pub sequence: Option<i64>,
}

/// The fields in the order of the contract: the next name is mostly the one that is expected.
const NAMES: [&[u8]; 11] = [
    b"event_id",
    b"event_type",
    b"site_id",
    b"article_id",
    b"occurred_at",
    b"visitor_id",
    b"repeat_key",
    b"agent_class",
    b"value",
    b"producer_id",
    b"sequence",
];
/// The first five.
const REQUIRED: u32 = 0b1_1111;

/// The event of a record's value; None if it is not clean.
pub fn parse(value: &[u8]) -> Option<Event<'_>> {
    let mut event = Event {
        event_id: Cow::Borrowed(""),
        event_type: Cow::Borrowed(""),
        site: Cow::Borrowed(""),
        article: Cow::Borrowed(""),
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
    scan.object(|scan, name| {
        let Some(field) = (0..NAMES.len()).map(|step| (expected + step) % NAMES.len()).find(|&one| NAMES[one] == name)
        else {
            return scan.skip(0);
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
                    "person" | "unknown" => Agent::Other,
                    "bot" => Agent::Bot,
                    "internal" => Agent::Internal,
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
fn short<'a>(scan: &mut Scan<'a>) -> Option<Option<Cow<'a, str>>> {
    if scan.is_null() {
        return Some(None);
    }
    scan.string().filter(|text| is_short(text)).map(Some)
}

fn is_short(text: &str) -> bool {
    text.len() <= MOST_CHARACTERS || text.chars().count() <= MOST_CHARACTERS
}
