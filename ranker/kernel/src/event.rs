//! The page view as the fold reads it: the definition is `PageView` in core/event.py, and core/decoder.py for topics of
//! others.

use std::borrow::Cow;

use crate::scan::Scan;
use crate::shape::Shape;

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

/// The event of a record's value; None if it is not clean.
pub fn parse<'a>(value: &'a [u8], shape: &'a Shape) -> Option<Event<'a>> {
    let mut event = Event {
        event_id: Cow::Borrowed(&[]),
        event_type: Cow::Borrowed(&shape.event_type),
        site: Cow::Borrowed(&shape.site),
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
        let field = match shape.next(scan.sixteen(), expected) {
            Some((field, bytes)) => {
                scan.pass(bytes);
                field
            }
            None => {
                let name = scan.name()?;
                match shape.named(&name) {
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
            0 if !shape.is_ours && scan.is_null() => {}
            0 => event.event_id = id(scan, shape).filter(|text| !text.is_empty() && is_short(text))?,
            1 => event.event_type = scan.string()?,
            2 => event.site = id(scan, shape)?,
            3 => event.article = id(scan, shape)?,
            4 => event.occurred_ms = time(scan.integer()?, shape)?,
            5 => event.visitor = short(scan, shape)?,
            6 => event.repeat_key = short(scan, shape)?,
            7 => {
                event.agent = match scan.string()?.as_ref() {
                    b"person" | b"unknown" => Agent::Other,
                    b"bot" => Agent::Bot,
                    b"internal" => Agent::Internal,
                    _ => return None,
                }
            }
            8 => event.value = scan.integer().filter(|value| (-1000..=1000).contains(value))?,
            9 => event.producer = short(scan, shape)?,
            _ => event.sequence = if scan.is_null() { None } else { Some(scan.integer().filter(|&number| number >= 0)?) },
        }
        Some(())
    })?;
    scan.end()?;
    if let Some(ours) = shape.types.get(&*event.event_type) {
        event.event_type = Cow::Borrowed(ours);
    }
    (seen & shape.required == shape.required).then_some(event)
}

/// Of a foreign topic also a number, by its digits: 17 and "17" are one article.
#[inline(always)]
fn id<'a>(scan: &mut Scan<'a>, shape: &Shape) -> Option<Cow<'a, [u8]>> {
    scan.string().or_else(|| if shape.is_ours { None } else { scan.digits_of_integer().map(Cow::Borrowed) })
}

fn time(number: i64, shape: &Shape) -> Option<i64> {
    let latest = MAX_TIME_MS / shape.times * shape.over;
    (0..=latest).contains(&number).then(|| number * shape.times / shape.over)
}

/// A text that may be absent.
#[inline(always)]
fn short<'a>(scan: &mut Scan<'a>, shape: &Shape) -> Option<Option<Cow<'a, [u8]>>> {
    if scan.is_null() {
        return Some(None);
    }
    id(scan, shape).filter(|text| is_short(text)).map(Some)
}

fn is_short(text: &[u8]) -> bool {
    text.len() <= MOST_CHARACTERS || text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= MOST_CHARACTERS
}
