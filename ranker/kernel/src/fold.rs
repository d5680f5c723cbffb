//! Folds records to counts: the definition is `Fold` in core/fold.py. Here are only its clean cases; at the first record
//! that is anything else the fold stops, and the plain one goes on there with the same memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::batch::{self, Head, Record};
use crate::columns::{Columns, Costs, Counts, Group};
use crate::event::{self, Agent, Event, MAX_TIME_MS};
use crate::memory::{Memory, Grains};
use crate::names::{self, Names};
use crate::shape::Shape;

const FIRST_MS: i64 = 946_684_800_000;
const MAX_VALUE_BYTES: usize = 1 << 20;
/// So many names are held, before all are forgotten: as many as the plain fold remembers.
const REMEMBERED: usize = 500_000;
/// So many cost as much as an increment, as in core/costs.py.
const SEQUENCES: u64 = 128;
/// So many records are read before the first of them is counted: the places of their keys come from memory meanwhile.
const AHEAD: usize = 64;

pub const DUPLICATE: u32 = 0;
pub const BOT: u32 = 1;
pub const INTERNAL: u32 = 2;
pub const REPEAT: u32 = 3;
/// Outcomes of dropped events, whose numbers the constants above are.
pub const DROPPED: [&str; 4] = ["!duplicate", "!bot", "!internal", "!repeat"];

pub struct Rules {
    pub grain_ms: i64,
    pub late_grain_ms: i64,
    pub late_ms: i64,
    pub future_ms: i64,
    pub only_sites: Option<Vec<String>>,
    pub drops_duplicates: bool,
    pub drops_bots: bool,
    pub drops_internal: bool,
    pub repeat_types: Vec<String>,
    pub seed: u64,
    pub unfit: Vec<(u32, u32)>,
}

/// A valid site with a valid type.
#[derive(Clone, Copy)]
struct Kind {
    site: u32,
    outcome: u32,
    is_once: bool,
}

pub struct Producer {
    pub name: String,
    pub sequences: Vec<i64>,
    pub last_seen_ms: i64,
}

/// Offset, append time and CRC-32 of the last record.
pub type Mark = (i64, i64, u32);

/// What a stretch of records counts, in the order in which it came up.
#[derive(Default)]
pub struct Counted {
    pub counts: Counts,
    pub records: u64,
    pub late: u64,
    pub first_append_ms: i64,
    pub mark: Option<Mark>,
    pub producers: Vec<Producer>,
    /// What a step pays for the producers and their sequences.
    cost: u64,
    sequences: u64,
    producer_places: HashMap<String, u32>,
    last_producer: Option<u32>,
}

impl Counted {
    pub fn clear(&mut self) {
        self.counts.clear();
        (self.records, self.late, self.first_append_ms, self.mark) = (0, 0, i64::MAX, None);
        self.producers.clear();
        (self.cost, self.sequences) = (0, 0);
        self.producer_places.clear();
        self.last_producer = None;
    }

    /// What a step pays for these, as consume/batch.py counts it.
    pub fn cost(&self) -> u64 {
        self.cost + self.counts.cost
    }

    fn note_producer(&mut self, name: &str, sequence: Option<i64>, append_ms: i64) {
        let last = self.last_producer.filter(|&last| self.producers[last as usize].name == name);
        let place = match last.or_else(|| self.producer_places.get(name).copied()) {
            Some(place) => place,
            None => {
                let place = self.producers.len() as u32;
                self.producer_places.insert(name.to_owned(), place);
                self.producers.push(Producer { name: name.to_owned(), sequences: Vec::new(), last_seen_ms: 0 });
                self.cost += 1;
                place
            }
        };
        self.last_producer = Some(place);
        let producer = &mut self.producers[place as usize];
        if let Some(sequence) = sequence {
            producer.sequences.push(sequence);
            self.sequences += 1;
            self.cost += u64::from(self.sequences % SEQUENCES == 0);
        }
        producer.last_seen_ms = append_ms;
    }
}

/// A record that will be counted, by what it says itself.
struct Countable<'a> {
    append_ms: i64,
    occurred_ms: i64,
    kind: Kind,
    article: u32,
    value: i64,
    agent: Agent,
    producer: Option<Cow<'a, [u8]>>,
    sequence: Option<i64>,
    event_key: Option<u64>,
    reader_key: Option<u64>,
}

pub struct Fold {
    rules: Rules,
    costs: Arc<Costs>,
    shape: Arc<Shape>,
    slices: Grains,
    articles: Names,
    sites: Names,
    outcomes: Names,
    kinds: HashMap<(u32, u32), Kind>,
    types: Names,
    last_kind: Option<(Vec<u8>, Vec<u8>, Kind)>,
    pub counted: Counted,
    key_text: Vec<u8>,
    /// By an article's number its number in a copy, while one is made.
    places: Vec<Option<u32>>,
}

impl Fold {
    pub fn new(rules: Rules, costs: Arc<Costs>, shape: Shape) -> Self {
        let mut fold = Self {
            slices: Grains::new(rules.grain_ms),
            shape: Arc::new(shape),
            rules,
            costs,
            articles: Names::default(),
            sites: Names::default(),
            outcomes: Names::default(),
            kinds: HashMap::new(),
            types: Names::default(),
            last_kind: None,
            counted: Counted::default(),
            key_text: Vec::new(),
            places: Vec::new(),
        };
        fold.forget_names();
        fold
    }

    fn forget_names(&mut self) {
        self.articles.clear();
        self.sites.clear();
        self.types.clear();
        self.kinds.clear();
        self.last_kind = None;
        self.outcomes.clear();
        for dropped in DROPPED {
            self.outcomes.hold(dropped);
        }
    }

    /// Begins a stretch: what was counted before is gone.
    pub fn begin(&mut self) {
        self.counted.clear();
        if self.articles.len() + self.kinds.len() >= REMEMBERED {
            self.forget_names();
        }
    }

    /// What the stretch counts.
    pub fn columns(&mut self) -> Columns {
        self.places.resize(self.articles.len(), None);
        let (counts, costs) = (&self.counted.counts, Arc::clone(&self.costs));
        Columns::copied(counts, &self.sites, &self.outcomes, &self.articles, &mut self.places, costs)
    }

    /// Folds the records of data[at..end] until what is counted costs `most_cost`. Returns where it stopped: at `end`,
    /// behind the record that costs so much, or at one that it declines, which nothing was counted of.
    pub fn run(
        &mut self,
        data: &[u8],
        mut at: usize,
        end: usize,
        head: &Head,
        mut memory: Option<&mut Memory>,
        most_cost: u64,
    ) -> usize {
        let shape = Arc::clone(&self.shape);
        let (mut last, mut ahead, mut goes_on) = (None, at, true);
        let mut clean = Vec::new();
        while goes_on && at < end && self.counted.cost() < most_cost {
            while clean.len() < AHEAD && ahead < end {
                let read = batch::record(data, ahead, head)
                    .and_then(|(record, next)| Some((self.clean(&record, &shape, memory.is_some())?, record, next)));
                let Some(found) = read else {
                    goes_on = false;
                    break;
                };
                ahead = found.2;
                clean.push(found);
            }
            if let Some(memory) = memory.as_deref_mut() {
                memory.read_ahead(clean.iter().map(|(one, ..)| (one.occurred_ms, [one.event_key, one.reader_key])));
            }
            for (one, record, next) in clean.drain(..) {
                if self.counted.cost() >= most_cost {
                    break;
                }
                self.record(one, memory.as_deref_mut());
                (last, at) = (Some(record), next);
            }
        }
        if let Some(record) = last {
            let mut crc = crc32fast::Hasher::new();
            crc.update(record.key.unwrap_or_default());
            crc.update(record.value.unwrap_or_default());
            self.counted.mark = Some((record.offset, record.timestamp, crc.finalize()));
        }
        at
    }

    /// A record, as far as it does not depend on those before it; None if it is not clean.
    fn clean<'a>(&mut self, record: &Record<'a>, shape: &'a Shape, is_remembered: bool) -> Option<Countable<'a>> {
        let append_ms = record.timestamp;
        let value = record.value.filter(|value| value.len() <= MAX_VALUE_BYTES)?;
        if !(FIRST_MS..=MAX_TIME_MS).contains(&append_ms) {
            return None;
        }
        let event = event::parse(value, shape)?;
        let kind = self.kind(&event)?;
        if event.value == 0 || event.occurred_ms > append_ms + self.rules.future_ms {
            return None;
        }
        let article = self.article(&event.article)?;
        let (event_key, reader_key) = if is_remembered { self.keys(&event, kind) } else { (None, None) };
        Some(Countable {
            append_ms,
            occurred_ms: event.occurred_ms,
            kind,
            article,
            value: event.value,
            agent: event.agent,
            producer: event.producer.filter(|name| !name.is_empty()),
            sequence: event.sequence,
            event_key,
            reader_key,
        })
    }

    /// The keys by which rules know the event and its reader.
    fn keys(&mut self, event: &Event, kind: Kind) -> (Option<u64>, Option<u64>) {
        let rules = &self.rules;
        let text = &mut self.key_text;
        text.clear();
        for part in [&event.site, &event.article, &event.event_type] {
            text.extend_from_slice(part);
            text.push(0);
        }
        let common = text.len();
        let mut key = |what: &[u8], name: &[u8]| {
            text.truncate(common);
            text.extend_from_slice(what);
            text.extend_from_slice(name);
            xxh3_64_with_seed(text, rules.seed)
        };
        let has_id = rules.drops_duplicates && !event.event_id.is_empty();
        let event_key = has_id.then(|| key(b"event ", &event.event_id));
        let mut reader = None;
        if kind.is_once && event.value == 1 {
            let repeat_key = event.repeat_key.as_deref().filter(|key| !key.is_empty());
            reader = repeat_key.or(event.visitor.as_deref()).filter(|reader| !reader.is_empty());
        }
        (event_key, reader.map(|reader| key(b"reader ", reader)))
    }

    /// Counts a record.
    fn record(&mut self, one: Countable, mut memory: Option<&mut Memory>) {
        let counted = &mut self.counted;
        counted.records += 1;
        counted.first_append_ms = counted.first_append_ms.min(one.append_ms);
        if let Some(producer) = one.producer.as_deref().and_then(|name| str::from_utf8(name).ok()) {
            counted.note_producer(producer, one.sequence, one.append_ms);
        }
        if self.is_late(one.occurred_ms, one.append_ms) {
            self.counted.late += 1;
        } else {
            let outcome = self.outcome(&one, memory.as_deref_mut());
            let group = Group { slice: self.slices.of(one.occurred_ms), site: one.kind.site, outcome };
            self.counted.counts.count(group, one.article, one.value, &self.costs, &self.outcomes);
        }
        if let Some(memory) = memory {
            memory.passed(one.occurred_ms);
        }
    }

    /// Whether its slice in the coarsest tier ended more than the longest window before the append time.
    fn is_late(&self, occurred_ms: i64, append_ms: i64) -> bool {
        let Rules { late_ms, late_grain_ms, .. } = self.rules;
        occurred_ms < append_ms - late_ms
            && (occurred_ms.div_euclid(late_grain_ms) + 1) * late_grain_ms < append_ms - late_ms
    }

    /// The event's type, or the rule that drops it, by number: duplicate, bot, internal, repeat, as in core/rules.py.
    fn outcome(&self, one: &Countable, memory: Option<&mut Memory>) -> u32 {
        let rules = &self.rules;
        let mut live = memory.and_then(|memory| memory.live_at(one.occurred_ms).map(|bucket| (memory, bucket)));
        let mut is_new = |key: Option<u64>| match (key, &mut live) {
            (Some(key), Some((memory, bucket))) => memory.add(*bucket, key),
            _ => true,
        };
        if !is_new(one.event_key) {
            return DUPLICATE;
        }
        if rules.drops_bots && one.agent == Agent::Bot {
            return BOT;
        }
        if rules.drops_internal && one.agent == Agent::Internal {
            return INTERNAL;
        }
        if !is_new(one.reader_key) {
            return REPEAT;
        }
        one.kind.outcome
    }

    fn kind(&mut self, event: &Event) -> Option<Kind> {
        if let Some((site, name, kind)) = &self.last_kind
            && *site == *event.site
            && *name == *event.event_type
        {
            return Some(*kind);
        }
        let known = self.sites.find(&event.site).zip(self.types.find(&event.event_type));
        let kind = match known.and_then(|pair| self.kinds.get(&pair)) {
            Some(kind) => *kind,
            None => {
                let texts = str::from_utf8(&event.site).ok().zip(str::from_utf8(&event.event_type).ok());
                texts.and_then(|(site, name)| self.new_kind(site, name))?
            }
        };
        self.last_kind = Some((event.site.to_vec(), event.event_type.to_vec(), kind));
        Some(kind)
    }

    fn new_kind(&mut self, site: &str, name: &str) -> Option<Kind> {
        let is_ours = self.rules.only_sites.as_ref().is_none_or(|sites| sites.iter().any(|one| one == site));
        if !(is_ours && names::is_site(site) && names::is_type(name)) {
            return None;
        }
        let pair = (self.sites.hold(site), self.types.hold(name));
        let is_once = self.rules.repeat_types.iter().any(|one| one == name);
        let kind = Kind { site: pair.0, outcome: self.outcomes.hold(name), is_once };
        self.kinds.insert(pair, kind);
        Some(kind)
    }

    fn article(&mut self, id: &[u8]) -> Option<u32> {
        if let Some(number) = self.articles.find(id) {
            return Some(number);
        }
        let id = str::from_utf8(id).ok()?;
        names::is_article(id, &self.rules.unfit).then(|| self.articles.hold(id))
    }
}
