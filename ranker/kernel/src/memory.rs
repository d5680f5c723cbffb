//! What rules remember: the definition is `Buckets` in core/memory.py, which has the same methods and the same words.

use std::collections::BTreeMap;
use std::hint::black_box;

use crate::keys::KeySet;

const NEVER_MS: i64 = 1 << 62;
/// One of the event and one of its reader, at most.
const KEYS_OF_RECORD: i64 = 2;

#[derive(Default)]
pub struct Change {
    pub latest_ms: i64,
    pub first: i64,
    pub keys: Vec<(i64, Vec<u64>)>,
    pub gone: Vec<i64>,
    pub given_up: u64,
    pub settled: u64,
}

/// Time in grains of one length. A division is dear, and a time is mostly in the same grain as the last one.
pub struct Grains {
    each_ms: i64,
    last: i64,
}

impl Grains {
    pub fn new(each_ms: i64) -> Self {
        Self { each_ms, last: 0 }
    }

    /// The number of the piece that a time is in.
    pub fn of(&mut self, ms: i64) -> i64 {
        if !(0..self.each_ms).contains(&(ms - self.last * self.each_ms)) {
            self.last = ms.div_euclid(self.each_ms);
        }
        self.last
    }
}

pub struct Memory {
    buckets: Grains,
    grace_ms: i64,
    most: usize,
    latest_ms: i64,
    first: i64,
    live: BTreeMap<i64, KeySet>,
    /// Buckets that are gone by what is pending.
    forgotten: BTreeMap<i64, KeySet>,
    pending: BTreeMap<i64, Vec<u64>>,
    change: Change,
    next_settles_ms: i64,
    unchecked: i64,
    size: usize,
}

impl Memory {
    pub fn new(per_ms: i64, grace_ms: i64, most: usize, latest_ms: i64, first: i64) -> Self {
        Self {
            buckets: Grains::new(per_ms),
            grace_ms,
            most,
            latest_ms,
            first,
            live: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            pending: BTreeMap::new(),
            change: Change::default(),
            next_settles_ms: NEVER_MS,
            unchecked: 0,
            size: 0,
        }
    }

    pub fn expect(&mut self, bucket: i64, keys: usize) {
        if let Some(old) = self.live.insert(bucket, KeySet::new(keys)) {
            self.size -= old.len();
        }
        self.find_next();
    }

    pub fn hold(&mut self, bucket: i64, keys: impl Iterator<Item = u64>) {
        self.begin(bucket);
        let set = self.live.get_mut(&bucket).expect("it was begun");
        self.size += keys.filter(|&key| set.take(key)).count();
        self.unchecked = 0;
    }

    /// The bucket of this event time if it is live, to which rules `add`; None if it is settled.
    pub fn live_at(&mut self, occurred_ms: i64) -> Option<i64> {
        let bucket = self.buckets.of(occurred_ms);
        if bucket < self.first || self.settles_ms(bucket) < self.latest_ms {
            self.change.settled += 1;
            return None;
        }
        if self.live.get(&bucket).is_none_or(KeySet::is_empty) {
            self.begin(bucket);
        }
        Some(bucket)
    }

    /// Whether the key is new in this live bucket.
    pub fn add(&mut self, bucket: i64, key: u64) -> bool {
        let is_new = self.live.get_mut(&bucket).is_some_and(|keys| keys.add(key));
        self.size += usize::from(is_new);
        is_new
    }

    /// These keys (event time, keys) are added next, or not. Their places are read one behind the other, without waiting
    /// for any.
    pub fn read_ahead(&mut self, records: impl Iterator<Item = (i64, [Option<u64>; 2])>) {
        let mut read = 0;
        for (occurred_ms, keys) in records {
            if let Some(set) = self.live.get(&self.buckets.of(occurred_ms)) {
                read |= keys.into_iter().flatten().fold(0, |all, key| all | set.first(key));
            }
        }
        black_box(read);
    }

    /// After each record that was not rejected: forgets what is settled by it, or too much.
    pub fn passed(&mut self, occurred_ms: i64) {
        if occurred_ms > self.latest_ms {
            self.latest_ms = occurred_ms;
            while self.next_settles_ms < occurred_ms {
                self.forget_oldest();
            }
        }
        self.unchecked -= 1;
        if self.unchecked < 0 {
            while self.size > self.most {
                let (oldest, had_keys) = self.forget_oldest();
                self.change.given_up += u64::from(had_keys);
                self.first = oldest + 1;
            }
            self.unchecked = (self.most - self.size) as i64 / KEYS_OF_RECORD;
        }
    }

    pub fn take_change(&mut self) -> Change {
        let mut change = std::mem::take(&mut self.change);
        (change.latest_ms, change.first) = (self.latest_ms, self.first);
        for (&bucket, keys) in &mut self.live {
            if !keys.fresh.is_empty() {
                let fresh = std::mem::take(&mut keys.fresh);
                self.pending.entry(bucket).or_default().extend_from_slice(&fresh);
                change.keys.push((bucket, fresh));
            }
        }
        change
    }

    /// The store has so many of the oldest pending keys of a bucket.
    pub fn stored(&mut self, bucket: i64, keys: usize) {
        if let Some(pending) = self.pending.get_mut(&bucket) {
            pending.drain(..keys.min(pending.len()));
        }
    }

    /// The store has forgotten this bucket.
    pub fn gone(&mut self, bucket: i64) {
        self.forgotten.remove(&bucket);
        self.pending.remove(&bucket);
    }

    /// Forgets what was folded since the store's version, whose `latest_ms` and `first` these are.
    pub fn drop_pending(&mut self, latest_ms: i64, first: i64) {
        self.take_change();
        self.live.append(&mut self.forgotten);
        for (bucket, keys) in std::mem::take(&mut self.pending) {
            if let Some(set) = self.live.get_mut(&bucket) {
                keys.into_iter().for_each(|key| set.discard(key));
            }
        }
        self.live.retain(|_, keys| !keys.is_empty());
        self.size = self.live.values().map(KeySet::len).sum();
        (self.latest_ms, self.first) = (latest_ms, first);
        self.unchecked = 0;
        self.find_next();
    }

    /// How many keys are live, pending ones included.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn bytes(&self) -> usize {
        self.live.values().chain(self.forgotten.values()).map(KeySet::bytes).sum()
    }

    fn begin(&mut self, bucket: i64) {
        if !self.live.contains_key(&bucket) {
            let before = self.live.get(&(bucket - 1)).map_or(0, KeySet::len);
            self.expect(bucket, before);
        }
    }

    fn settles_ms(&self, bucket: i64) -> i64 {
        (bucket + 1) * self.buckets.each_ms + self.grace_ms
    }

    /// The oldest live bucket, and whether it had keys: one without is no part of the state.
    fn forget_oldest(&mut self) -> (i64, bool) {
        let (bucket, mut keys) = self.live.pop_first().expect("a live bucket settles next, or holds a key");
        self.pending.entry(bucket).or_default().append(&mut keys.fresh);
        self.size -= keys.len();
        let had_keys = !keys.is_empty();
        self.forgotten.insert(bucket, keys);
        self.change.gone.push(bucket);
        self.find_next();
        (bucket, had_keys)
    }

    fn find_next(&mut self) {
        self.next_settles_ms = self.live.keys().next().map_or(NEVER_MS, |&bucket| self.settles_ms(bucket));
    }
}
