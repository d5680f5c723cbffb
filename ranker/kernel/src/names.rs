//! Names known to be valid, numbered: sites with types, and article ids. They outlive a fold, like those of core/fold.py.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

const MOST_ID_BYTES: usize = 512;

/// Texts, each held once, by number.
#[derive(Default)]
pub struct Names {
    texts: Vec<Box<str>>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Names {
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn get(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// The number of a text; None if it is not held.
    pub fn find(&self, text: &[u8]) -> Option<u32> {
        self.places.find(self.hasher.hash_one(text), |&number| self.texts[number as usize].as_bytes() == text).copied()
    }

    /// The number of a text, which is held from now on.
    pub fn hold(&mut self, text: &str) -> u32 {
        if let Some(number) = self.find(text.as_bytes()) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.places.insert_unique(hasher.hash_one(text.as_bytes()), number, |&held| hasher.hash_one(texts[held as usize].as_bytes()));
        number
    }

    pub fn clear(&mut self) {
        self.texts.clear();
        self.places.clear();
    }
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
