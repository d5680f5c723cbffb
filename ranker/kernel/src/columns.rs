//! Counts by slice, site, outcome and article, and what a step pays for them. The definition is `PartialCounts.counts` of
//! core/partial_counts.py, with the cost of consume/batch.py.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet, HashTable};
use hashbrown::hash_table::Entry as Place;

use crate::names::Names;

/// Site and outcome by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    pub slice: i64,
    pub site: u32,
    pub outcome: u32,
}

#[derive(Clone, Copy)]
pub struct Entry {
    pub group: u32,
    pub article: u32,
    pub count: i64,
}

/// What a step pays, as in core/costs.py: for the sums of a site's outcome, and for each article of an outcome; of one that
/// is not named, 1.
pub struct Costs {
    pub sums: u64,
    pub articles: std::collections::HashMap<String, u64>,
}

impl Costs {
    fn of(&self, outcome: &str) -> u64 {
        self.articles.get(outcome).copied().unwrap_or(1)
    }
}

/// Counts in the order in which they came up.
#[derive(Default)]
pub struct Counts {
    pub groups: Vec<Group>,
    pub entries: Vec<Entry>,
    pub cost: u64,
    group_places: HashMap<Group, u32>,
    entry_places: HashTable<u32>,
    /// Site and outcome: their number, and what each of its articles costs.
    pairs: HashMap<(u32, u32), (u32, u64)>,
    group_pairs: Vec<(u32, u64)>,
    /// Pair and article.
    paid: HashTable<(u32, u32)>,
    last: Option<(Group, u32)>,
}

impl Counts {
    pub fn clear(&mut self) {
        self.groups.clear();
        self.entries.clear();
        self.cost = 0;
        self.group_places.clear();
        self.entry_places.clear();
        self.pairs.clear();
        self.group_pairs.clear();
        self.paid.clear();
        self.last = None;
    }

    /// Makes room for so many more entries, so that no table grows meanwhile.
    fn reserve(&mut self, more: usize) {
        let entries = &mut self.entries;
        entries.reserve(more);
        self.entry_places.reserve(more, |&place| mixed(entries[place as usize].group, entries[place as usize].article));
        self.paid.reserve(more, |of| mixed(of.0, of.1));
    }

    pub fn count(&mut self, group: Group, article: u32, value: i64, costs: &Costs, outcomes: &Names) {
        let number = match self.last {
            Some((last, number)) if last == group => number,
            _ => {
                let known = self.group_places.get(&group).copied();
                let number = known.unwrap_or_else(|| self.new_group(group, costs, outcomes.get(group.outcome)));
                self.last = Some((group, number));
                number
            }
        };
        let entries = &mut self.entries;
        match self.entry_places.entry(
            mixed(number, article),
            |&place| entries[place as usize].article == article && entries[place as usize].group == number,
            |&place| mixed(entries[place as usize].group, entries[place as usize].article),
        ) {
            Place::Occupied(place) => entries[*place.get() as usize].count += value,
            Place::Vacant(place) => {
                place.insert(entries.len() as u32);
                entries.push(Entry { group: number, article, count: value });
                let (pair, cost) = self.group_pairs[number as usize];
                let hash = |of: &(u32, u32)| mixed(of.0, of.1);
                let paid = (pair, article);
                if let Place::Vacant(place) = self.paid.entry(hash(&paid), |&one| one == paid, hash) {
                    place.insert(paid);
                    self.cost += cost;
                }
            }
        }
    }

    fn new_group(&mut self, group: Group, costs: &Costs, outcome: &str) -> u32 {
        let number = self.groups.len() as u32;
        self.group_places.insert(group, number);
        self.groups.push(group);
        self.cost += 1; // an append to a slice
        let next = self.pairs.len() as u32;
        let pair = *self.pairs.entry((group.site, group.outcome)).or_insert_with(|| {
            self.cost += costs.sums;
            (next, costs.of(outcome))
        });
        self.group_pairs.push(pair);
        number
    }
}

/// Our own numbers, which nobody from outside can choose: spread by a multiplication.
fn mixed(group: u32, article: u32) -> u64 {
    let product = (u64::from(group) << 32 | u64::from(article)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 29
}

/// Counts with the texts that they are of.
pub struct Columns {
    pub sites: Names,
    pub outcomes: Names,
    pub articles: Names,
    pub counts: Counts,
    costs: Arc<Costs>,
    /// Whether more can be counted: the tables are there.
    is_open: bool,
}

impl Columns {
    pub fn new(costs: Arc<Costs>) -> Self {
        Self {
            sites: Names::default(),
            outcomes: Names::default(),
            articles: Names::default(),
            counts: Counts::default(),
            costs,
            is_open: true,
        }
    }

    /// What was counted by the numbers of these names; `places` is empty, and as long as there are articles.
    pub fn copied(
        counts: &Counts,
        sites: &Names,
        outcomes: &Names,
        articles: &Names,
        places: &mut [Option<u32>],
        costs: Arc<Costs>,
    ) -> Self {
        let mut copy = Self { is_open: false, ..Self::new(costs) };
        copy.counts.cost = counts.cost;
        copy.counts.groups.extend(counts.groups.iter().map(|group| Group {
            slice: group.slice,
            site: copy.sites.hold(sites.get(group.site)),
            outcome: copy.outcomes.hold(outcomes.get(group.outcome)),
        }));
        copy.counts.entries.extend(counts.entries.iter().map(|entry| {
            let place = &mut places[entry.article as usize];
            let article = *place.get_or_insert_with(|| copy.articles.append(articles.get(entry.article)));
            Entry { article, ..*entry }
        }));
        counts.entries.iter().for_each(|entry| places[entry.article as usize] = None);
        copy
    }

    pub fn count(&mut self, slice: i64, site: &str, outcome: &str, article: &str, value: i64) {
        let group = Group { slice, site: self.sites.hold(site), outcome: self.outcomes.hold(outcome) };
        self.counts.count(group, self.articles.hold(article), value, &self.costs, &self.outcomes);
    }

    /// Makes the tables, if they are not there.
    fn open(&mut self) {
        if !self.is_open {
            let mine = std::mem::replace(self, Self::new(Arc::clone(&self.costs)));
            self.add(&mine);
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.open();
        let articles = 0..other.articles.len() as u32;
        let articles: Vec<u32> = articles.map(|at| self.articles.hold(other.articles.get(at))).collect();
        let groups: Vec<Group> = other.counts.groups.iter().map(|group| Group {
            slice: group.slice,
            site: self.sites.hold(other.sites.get(group.site)),
            outcome: self.outcomes.hold(other.outcomes.get(group.outcome)),
        }).collect();
        self.counts.reserve(other.counts.entries.len());
        for entry in &other.counts.entries {
            let (group, article) = (groups[entry.group as usize], articles[entry.article as usize]);
            self.counts.count(group, article, entry.count, &self.costs, &self.outcomes);
        }
    }

    /// What both cost together. It may be too high if it is not more than `enough`.
    pub fn cost_with(&mut self, other: &Self, enough: u64) -> u64 {
        let sum = self.counts.cost + other.counts.cost;
        if sum <= enough {
            return sum;
        }
        self.open();
        let mine = &self.counts;
        let find = |names: &Names, text: &str| names.find(text.as_bytes());
        let articles = 0..other.articles.len() as u32;
        let articles: Vec<Option<u32>> = articles.map(|at| find(&self.articles, other.articles.get(at))).collect();
        let (mut cost, mut pairs, mut groups) = (mine.cost, HashMap::new(), Vec::new());
        for group in &other.counts.groups {
            let site = find(&self.sites, other.sites.get(group.site));
            let known = site.zip(find(&self.outcomes, other.outcomes.get(group.outcome)));
            let is_known = known.is_some_and(|(site, outcome)| {
                mine.group_places.contains_key(&Group { slice: group.slice, site, outcome })
            });
            cost += u64::from(!is_known);
            let pair = *pairs.entry((group.site, group.outcome)).or_insert_with(|| {
                let pair = known.and_then(|known| mine.pairs.get(&known)).copied();
                cost += if pair.is_none() { self.costs.sums } else { 0 };
                (pair.map(|(number, _)| number), self.costs.of(other.outcomes.get(group.outcome)))
            });
            groups.push((pair, (group.site, group.outcome)));
        }
        let mut new: HashSet<((u32, u32), u32)> = HashSet::new();
        for entry in &other.counts.entries {
            let ((pair, each), of) = groups[entry.group as usize];
            let paid = pair.zip(articles[entry.article as usize]);
            let is_paid = paid.is_some_and(|paid| mine.paid.find(mixed(paid.0, paid.1), |&one| one == paid).is_some());
            cost += if !is_paid && new.insert((of, entry.article)) { each } else { 0 };
        }
        cost
    }
}
