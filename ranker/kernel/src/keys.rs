//! A set of 64-bit keys that are spread as hashes are. Cut into tables, each of which grows for itself: a set of
//! millions never stands still to be written anew.

const TABLES: u64 = 32;

pub struct KeySet {
    tables: Vec<Table>,
    /// The key 0, which in a table is an empty place.
    has_zero: bool,
    len: usize,
    /// What `add` has added since the caller took it, oldest first.
    pub fresh: Vec<u64>,
}

impl KeySet {
    /// Empty, with room for about as many keys as are expected.
    pub fn new(expected: usize) -> Self {
        let each = if expected == 0 { 0 } else { expected / TABLES as usize + 1 };
        let tables = (0..TABLES).map(|_| Table::with_room(each)).collect();
        Self { tables, has_zero: false, len: 0, fresh: Vec::new() }
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
        let is_new = match key {
            0 => !std::mem::replace(&mut self.has_zero, true),
            _ => self.tables[Self::table(key)].take(key),
        };
        self.len += usize::from(is_new);
        is_new
    }

    pub fn discard(&mut self, key: u64) {
        let was_there = match key {
            0 => std::mem::take(&mut self.has_zero),
            _ => self.tables[Self::table(key)].discard(key),
        };
        self.len -= usize::from(was_there);
    }

    /// What stands at the key's place: read ahead, it is in the processor's cache when the key is looked for.
    pub fn first(&self, key: u64) -> u64 {
        let table = &self.tables[Self::table(key)];
        table.slots.get(table.home(key)).copied().unwrap_or_default()
    }

    /// Bytes that the set takes.
    pub fn bytes(&self) -> usize {
        let slots: usize = self.tables.iter().map(|table| table.slots.len()).sum();
        self.tables.len() * size_of::<Table>() + (slots + self.fresh.capacity()) * size_of::<u64>()
    }

    /// By the lowest bits: the place in a table is by the highest.
    fn table(key: u64) -> usize {
        (key % TABLES) as usize
    }
}

/// Open addressing by linear probing: one cache line is read for a key, two at times. 0 is an empty place, and at least a
/// fifth are, so a search ends.
struct Table {
    slots: Box<[u64]>,
    used: usize,
}

impl Table {
    fn with_room(keys: usize) -> Self {
        Self { slots: vec![0; keys + keys.div_ceil(4)].into(), used: 0 }
    }

    fn take(&mut self, key: u64) -> bool {
        if (self.used + 1) * 5 > self.slots.len() * 4 {
            self.grow();
        }
        let place = self.place(key);
        let is_new = self.slots[place] == 0;
        self.slots[place] = key;
        self.used += usize::from(is_new);
        is_new
    }

    fn discard(&mut self, key: u64) -> bool {
        if self.slots.is_empty() {
            return false;
        }
        let mut place = self.place(key);
        let was_there = self.slots[place] == key;
        // The keys behind it may be where they are because its place was taken.
        while self.slots[place] != 0 {
            let moved = std::mem::take(&mut self.slots[place]);
            if moved != key {
                let new = self.place(moved);
                self.slots[new] = moved;
            }
            place = self.next(place);
        }
        self.used -= usize::from(was_there);
        was_there
    }

    /// Twice as many places. They are almost in the order of the keys: both tables are gone through from end to end.
    fn grow(&mut self) {
        let room = (self.slots.len() * 2).max(8);
        for key in std::mem::replace(&mut self.slots, vec![0; room].into()) {
            if key != 0 {
                let place = self.place(key);
                self.slots[place] = key;
            }
        }
    }

    /// Where the key is, or the empty place where it belongs.
    fn place(&self, key: u64) -> usize {
        let mut place = self.home(key);
        while self.slots[place] != 0 && self.slots[place] != key {
            place = self.next(place);
        }
        place
    }

    fn next(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    fn home(&self, key: u64) -> usize {
        ((u128::from(key) * self.slots.len() as u128) >> 64) as usize
    }
}
