//! Names known to be valid, numbered: sites with types, and article ids. They outlive a fold, like those of core/fold.py.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

const MOST_ID_BYTES: usize = 512;

/// Texts, each held once, by number.
#[derive(Default)]
pub struct Names {
    /// One behind the other.
    texts: String,
    spans: Vec<Span>,
    places: HashTable<(Span, u32)>,
    hasher: DefaultHashBuilder,
}

/// Where a text begins and ends.
type Span = (u32, u32);

impl Names {
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn get(&self, number: u32) -> &str {
        let (begin, end) = self.spans[number as usize];
        &self.texts[begin as usize..end as usize]
    }

    /// The number of a text; None if it is not held.
    pub fn find(&self, text: &[u8]) -> Option<u32> {
        let found = self.places.find(self.hasher.hash_one(text), |&(span, _)| bytes(&self.texts, span) == text);
        found.map(|&(_, number)| number)
    }

    /// The number of a text, which is held from now on.
    pub fn hold(&mut self, text: &str) -> u32 {
        if let Some(number) = self.find(text.as_bytes()) {
            return number;
        }
        self.append(text)
    }

    /// As `hold`, of a text that is not held yet.
    pub fn append(&mut self, text: &str) -> u32 {
        let number = self.spans.len() as u32;
        let begin = self.texts.len() as u32;
        self.texts.push_str(text);
        let span = (begin, self.texts.len() as u32);
        self.spans.push(span);
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.places.insert_unique(hasher.hash_one(text.as_bytes()), (span, number), |&(held, _)| {
            hasher.hash_one(bytes(texts, held))
        });
        number
    }

    pub fn clear(&mut self) {
        self.texts.clear();
        self.spans.clear();
        self.places.clear();
    }
}

fn bytes(texts: &str, (begin, end): Span) -> &[u8] {
    &texts.as_bytes()[begin as usize..end as usize]
}

/// [a-z0-9._-]{1,64}
pub fn is_site(site: &str) -> bool {
    (1..=64).contains(&site.len()) && site.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// [a-z][a-z0-9_]{0,31}
pub fn is_type(name: &str) -> bool {
    name.len() <= 32
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// `unfit` are the ranges of characters that no id has, in order.
pub fn is_article(id: &str, unfit: &[(u32, u32)]) -> bool {
    (1..=MOST_ID_BYTES).contains(&id.len())
        && id.chars().all(|c| {
            if c.is_ascii() {
                return c.is_ascii_graphic();
            }
            let after = unfit.partition_point(|&(first, _)| first <= c as u32);
            after == 0 || unfit[after - 1].1 < c as u32
        })
}
