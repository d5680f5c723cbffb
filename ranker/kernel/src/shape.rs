//! How the records of a topic say what the fold reads: by our own contract, or by a flat `[source]`
//! (the definition is core/shape.py).

use std::collections::HashMap;

pub const FIELDS: usize = 11;
const NONE: (u128, u128) = (1, 0);

pub struct Shape {
    /// By field, in the order of the contract, `"name":` as a record has it; empty if it is not read.
    names: [Vec<u8>; FIELDS],
    /// Each of `names` as a number, the first byte lowest, and the bits that its bytes have; longer ones have none.
    words: [(u128, u128); FIELDS],
    /// Bits of the fields that have to be there.
    pub required: u32,
    /// What holds for records that name none, or empty.
    pub site: Vec<u8>,
    pub event_type: Vec<u8>,
    /// The topic's types that become others.
    pub types: HashMap<Vec<u8>, Vec<u8>>,
    /// Our own contract: ids are texts, and each event has one.
    pub is_ours: bool,
    /// A time becomes milliseconds by these factors.
    pub times: i64,
    pub over: i64,
}

impl Shape {
    pub fn new(fields: &[Option<String>; FIELDS], required: u32, is_ours: bool) -> Self {
        let names = fields.each_ref().map(|name| name.as_ref().map_or(Vec::new(), |name| format!("\"{name}\":").into()));
        let words = names.each_ref().map(|name: &Vec<u8>| match name.len() {
            1..=16 => name.iter().rev().fold((0, 0), |(word, bits), &byte| (word << 8 | u128::from(byte), bits << 8 | 0xff)),
            _ => NONE,
        });
        let (site, event_type, types) = (Vec::new(), Vec::new(), HashMap::new());
        Self { names, words, required, site, event_type, types, is_ours, times: 1, over: 1 }
    }

    /// The field whose name is next in these bytes, and the name's length; `expected` is looked for first.
    #[inline(always)]
    pub fn next(&self, bytes: u128, expected: usize) -> Option<(usize, usize)> {
        let mut fields = (expected..FIELDS).chain(0..expected);
        let field = fields.find(|&one| bytes & self.words[one].1 == self.words[one].0)?;
        Some((field, self.names[field].len()))
    }

    /// The field of this name.
    pub fn named(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|one| !one.is_empty() && one[1..one.len() - 2] == *name)
    }
}
