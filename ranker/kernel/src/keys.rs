//! A set of 64-bit keys that are spread as hashes are. Cut into tables, each of which grows for itself: a set of
//! millions never stands still to be written anew.

use hashbrown::HashTable;

const TABLES: u64 = 32;

#[derive(Clone)]
pub struct KeySet {
    tables: Vec<HashTable<u64>>,
    len: usize,
    /// What `add` has added since the caller took it, oldest first.
    pub fresh: Vec<u64>,
}

impl KeySet {
    /// Empty, with room for about as many keys as are expected.
    pub fn new(expected: usize) -> Self {
        let each = if expected == 0 { 0 } else { expected / TABLES as usize + 1 };
        let tables = (0..TABLES).map(|_| HashTable::with_capacity(each)).collect();
        Self { tables, len: 0, fresh: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the key is new; the set has it from now on.
    pub fn add(&mut self, key: u64) -> bool {
        let is_new = self.take(key);
        if is_new {
            self.fresh.push(key);
        }
        is_new
    }

    /// As `add`, but what is taken over is not fresh.
    pub fn take(&mut self, key: u64) -> bool {
        let table = &mut self.tables[Self::table(key)];
        // One search for both: the place of a key that is absent is where it belongs.
        match table.entry(key, |&held| held == key, |&held| held) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(key);
                self.len += 1;
                true
            }
        }
    }

    pub fn discard(&mut self, key: u64) {
        if let Ok(found) = self.tables[Self::table(key)].find_entry(key, |&held| held == key) {
            found.remove();
            self.len -= 1;
        }
    }

    /// Bytes that the set takes.
    pub fn bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(HashTable::allocation_size).sum();
        tables + self.tables.len() * size_of::<HashTable<u64>>() + self.fresh.capacity() * size_of::<u64>()
    }

    /// By bits that neither the place in a table (the lowest) nor its tag (the highest) is taken from.
    fn table(key: u64) -> usize {
        ((key >> 40) % TABLES) as usize
    }
}
