//! `native-count BOOTSTRAP TOPIC PARTITIONS EVENTS`: counts a topic in one thread, by article, type and minute, with
//! the kernel's own fold and nothing around it: no rules, no memory, no offsets kept, nothing written. Prints JSON.
//!
//! Each partition has a connection, and its next fetch is asked for before the last one is folded. The fold begins anew
//! with each response and is added to the totals: so it stays in the processor's cache.

// The modules themselves, and not the crate: that is Python's, and would need Python to run.
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/batch.rs"]
mod batch;
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/columns.rs"]
mod columns;
#[path = "../../../../../ranker/kernel/src/event.rs"]
mod event;
mod fetch;
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/fold.rs"]
mod fold;
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/keys.rs"]
mod keys;
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/memory.rs"]
mod memory;
#[allow(dead_code)]
#[path = "../../../../../ranker/kernel/src/names.rs"]
mod names;
#[path = "../../../../../ranker/kernel/src/scan.rs"]
mod scan;
#[path = "../../../../../ranker/kernel/src/shape.rs"]
mod shape;

use std::io::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;

use batch::Head;
use columns::{Costs, Group};
use fetch::Connection;
use fold::{Fold, Rules};
use shape::Shape;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Nothing is dropped: no rules, and times as wide as any bench's.
fn rules() -> Rules {
    Rules {
        grain_ms: MINUTE_MS,
        late_grain_ms: MINUTE_MS,
        late_ms: 365 * DAY_MS,
        future_ms: DAY_MS,
        only_sites: None,
        drops_duplicates: false,
        drops_bots: false,
        drops_internal: false,
        repeat_types: Vec::new(),
        seed: 0,
        unfit: Vec::new(),
    }
}

/// The fields that the bench's events have.
fn shape() -> Shape {
    let names = ["event_id", "event_type", "site_id", "article_id", "occurred_at", "", "repeat_key", "", "", "producer_id", "sequence"];
    Shape::new(&names.map(|name| (!name.is_empty()).then(|| name.to_owned())), 0b1_1111, true)
}

/// Counts by minute, then by (site, type, article): a minute's table stays in the processor's cache.
#[derive(Default)]
struct Totals {
    minutes: HashMap<i64, HashMap<(u32, u32, u32), i64>>,
}

impl Totals {
    /// Adds what the fold holds, a group at a time: its entries are in the order in which they came up.
    fn add(&mut self, fold: &Fold) {
        let groups = &fold.counted.counts.groups;
        for part in fold.counted.counts.entries.chunk_by(|one, next| one.group == next.group) {
            let Group { slice, site, outcome } = groups[part[0].group as usize];
            let minute = self.minutes.entry(slice).or_default();
            for entry in part {
                *minute.entry((site, outcome, entry.article)).or_default() += entry.count;
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = i64> {
        self.minutes.values().flat_map(|minute| minute.values().copied())
    }
}

/// The batches that are there to their end, each with its head.
fn batches(records: &[u8]) -> impl Iterator<Item = (Head, &[u8])> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let head = Head::read(rest)?;
        let length = u32::from_be_bytes(rest[8..12].try_into().ok()?) as usize;
        let (whole, behind) = rest.split_at_checked(12 + length)?;
        rest = behind;
        Some((head, whole))
    })
}

/// Folds all whole batches, without their records before offset `from`.
fn fold_all(fold: &mut Fold, records: &[u8], from: i64) -> Result<()> {
    for (head, whole) in batches(records) {
        if !batch::is_whole(whole) {
            return Err(Error::other("a batch is damaged"));
        }
        if whole[22] & 0b10_0111 != 0 {
            return Err(Error::other("a batch is compressed or a marker of transactions"));
        }
        let mut at = batch::HEAD;
        while let Some((_, next)) = batch::record(whole, at, &head).filter(|(record, _)| record.offset < from) {
            at = next;
        }
        if fold.run(whole, at, whole.len(), &head, None, u64::MAX) != whole.len() {
            return Err(Error::other("the kernel declines a record"));
        }
    }
    Ok(())
}

/// Nanoseconds of CPU of this process, which has one thread.
fn cpu_ns() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    text.split(' ').next().and_then(|word| word.parse().ok()).ok_or_else(|| Error::other("no time in schedstat"))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, partitions, expected] = words.as_slice() else {
        return Err(Error::other("usage: native-count BOOTSTRAP TOPIC PARTITIONS EVENTS"));
    };
    let number = |word: &str| word.parse::<u64>().map_err(Error::other);
    let (partitions, expected) = (number(partitions)?, number(expected)?);
    let mut connections = Vec::new();
    for partition in 0..partitions {
        connections.push((Connection::open(bootstrap, topic, partition as i32)?, 0));
    }
    let nothing = Arc::new(Costs { sums: 0, articles: Default::default() });
    let (mut fold, mut totals) = (Fold::new(rules(), nothing, shape()), Totals::default());
    let (mut events, mut records) = (0, Vec::new());
    let (began, began_cpu_ns) = (Instant::now(), cpu_ns()?);
    for (connection, from) in &mut connections {
        connection.ask(*from)?;
    }
    while events < expected && !connections.is_empty() {
        let mut going_on = Vec::new();
        for (mut connection, from) in connections {
            let end = connection.receive(&mut records)?;
            fold.begin(); // 500,000 articles and more would be numbered anew: the sums, which are compared, would differ
            let next = batches(&records).last().map_or(from, |(head, _)| head.next_offset);
            if next < end {
                connection.ask(next)?; // answered while this is folded
                going_on.push((connection, next));
            }
            fold_all(&mut fold, &records, from)?;
            totals.add(&fold);
            events += fold.counted.records;
        }
        connections = going_on;
    }
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), (cpu_ns()? - began_cpu_ns) as f64 / 1e9);
    let (rows, squares): (u64, i64) = totals.rows().fold((0, 0), |sum, count| (sum.0 + 1, sum.1 + count * count));
    println!(
        "{{\"events\":{events},\"rows\":{rows},\"squares\":{squares},\"seconds\":{seconds:.6},\"cpu_s\":{cpu_s:.3},\
         \"process_cpu_s\":{:.3}}}",
        cpu_ns()? as f64 / 1e9
    );
    Ok(())
}
