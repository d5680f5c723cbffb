//! From counts and floors to what a step changes, as bytes. The definition is `Router` of core/route.py, and core/delta.py
//! for the slices.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::columns::Columns;
use crate::home::murmur2;
use crate::msgpack;

/// With more than so many cells for each count, columns are not worth their zeros.
const SPARSE: usize = 4;

/// What a generation's counts are routed by; windows from the shortest on.
pub struct Routing {
    pub lanes: i64,
    pub fine_per_slice: Vec<i64>,
    /// Outcome to boards and their weights.
    pub boards_of: HashMap<String, Vec<(String, i64)>>,
}

type Counted = Vec<(u32, i64)>;

/// Of one site and outcome.
struct Part {
    site: u32,
    outcome: u32,
    /// Each article once.
    counted: Counted,
}

/// A slice, and what is appended to it.
pub struct Slice {
    pub tier: usize,
    pub slice: i64,
    /// Those of a site together.
    parts: Vec<Part>,
}

/// The same increments for the lists of a board in these windows.
pub struct Increase<'a> {
    pub site: u32,
    pub board: &'a str,
    pub windows: Vec<usize>,
    pub counted: Counted,
}

/// What counts change above some floors.
pub struct Routed {
    pub slices: Vec<Slice>,
    /// What enters the windows from this tier on, those of a site together.
    entered: Vec<(usize, Part)>,
    tiers: usize,
    articles: usize,
    /// By an article's number its place among all, by their texts.
    ranks: Vec<u32>,
}

/// Adds up counts of articles.
struct Sums {
    places: Vec<u32>,
    counted: Counted,
}

impl Sums {
    fn new(articles: usize) -> Self {
        Self { places: vec![u32::MAX; articles], counted: Vec::new() }
    }

    fn add(&mut self, article: u32, count: i64) {
        let place = &mut self.places[article as usize];
        if *place == u32::MAX {
            *place = self.counted.len() as u32;
            self.counted.push((article, count));
        } else {
            self.counted[*place as usize].1 += count;
        }
    }

    /// The sums, and none from now on.
    fn take(&mut self) -> Counted {
        self.counted.iter().for_each(|&(article, _)| self.places[article as usize] = u32::MAX);
        std::mem::take(&mut self.counted)
    }
}

pub fn route(columns: &Columns, routing: &Routing, floors: &[i64]) -> Routed {
    let counts = &columns.counts;
    let mut by_group: Vec<Counted> = vec![Vec::new(); counts.groups.len()];
    for entry in &counts.entries {
        by_group[entry.group as usize].push((entry.article, entry.count));
    }
    let lane = |article: u32| i64::from(crc32fast::hash(columns.articles.get(article).as_bytes())) % routing.lanes;
    let (mut slices, mut entered): (Vec<Slice>, Vec<(usize, Part)>) = (Vec::new(), Vec::new());
    let (mut slice_places, mut entered_places) = (HashMap::new(), HashMap::new());
    let mut part_places = HashMap::new();
    for (group, mut rest) in counts.groups.iter().zip(by_group) {
        for (tier, (&each, &floor)) in routing.fine_per_slice.iter().zip(floors).enumerate() {
            let slice = group.slice.div_euclid(each);
            let inside;
            (inside, rest) = split(rest, floor - slice * routing.lanes, routing.lanes, lane);
            if !inside.is_empty() {
                let (site, outcome) = (group.site, group.outcome);
                let new = || Part { site, outcome, counted: Vec::new() };
                let place: usize = *entered_places.entry((tier, site, outcome)).or_insert(entered.len());
                if place == entered.len() {
                    entered.push((tier, new()));
                }
                entered[place].1.counted.extend_from_slice(&inside);
                let number: usize = *slice_places.entry((tier, slice)).or_insert(slices.len());
                if number == slices.len() {
                    slices.push(Slice { tier, slice, parts: Vec::new() });
                }
                let parts = &mut slices[number].parts;
                let place: usize = *part_places.entry((number, site, outcome)).or_insert(parts.len());
                if place == parts.len() {
                    parts.push(new());
                }
                parts[place].counted.extend(inside);
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    let mut sums = Sums::new(columns.articles.len());
    for part in slices.iter_mut().flat_map(|slice| &mut slice.parts).chain(entered.iter_mut().map(|(_, part)| part)) {
        part.counted.drain(..).for_each(|(article, count)| sums.add(article, count));
        part.counted = sums.take();
    }
    entered.sort_by_key(|(_, part)| part.site);
    slices.iter_mut().for_each(|slice| slice.parts.sort_by_key(|part| part.site));
    let tiers = routing.fine_per_slice.len();
    Routed { slices, entered, tiers, articles: columns.articles.len(), ranks: Vec::new() }
}

/// Those in the first lane that is inside, or a later one; and those below.
fn split(counted: Counted, first_lane: i64, lanes: i64, lane: impl Fn(u32) -> i64) -> (Counted, Counted) {
    if first_lane <= 0 {
        return (counted, Vec::new());
    }
    if first_lane >= lanes {
        return (Vec::new(), counted);
    }
    counted.into_iter().partition(|&(article, _)| lane(article) >= first_lane)
}

impl Routed {
    /// Site, window, outcome and their sum.
    pub fn sums(&self) -> Vec<(u32, usize, u32, i64)> {
        let mut sums: BTreeMap<(u32, usize, u32), i64> = BTreeMap::new();
        for (tier, part) in &self.entered {
            let total: i64 = part.counted.iter().map(|&(_, count)| count).sum();
            for window in *tier..self.tiers {
                *sums.entry((part.site, window, part.outcome)).or_default() += total;
            }
        }
        sums.into_iter().map(|((site, window, outcome), sum)| (site, window, outcome, sum)).collect()
    }

    /// Windows of a board whose lists get the same increments stand together.
    pub fn increases<'a>(&self, columns: &Columns, routing: &'a Routing) -> Vec<Increase<'a>> {
        let boards = |part: &Part| routing.boards_of.get(columns.outcomes.get(part.outcome)).map_or(&[][..], Vec::as_slice);
        let mut sums = Sums::new(self.articles);
        let mut found: Vec<Increase> = Vec::new();
        for entered in self.entered.chunk_by(|one, other| one.1.site == other.1.site) {
            let site = entered[0].1.site;
            let named = entered.iter().flat_map(|(_, part)| boards(part));
            let names: BTreeSet<&str> = named.map(|(board, _)| &**board).collect();
            for board in names {
                let mut same: Option<Increase> = None;
                for window in 0..self.tiers {
                    let mut is_other = false;
                    for (_, part) in entered.iter().filter(|(tier, _)| *tier == window) {
                        for (_, weight) in boards(part).iter().filter(|(name, _)| name == board) {
                            is_other = true;
                            part.counted.iter().for_each(|&(article, count)| sums.add(article, count * weight));
                        }
                    }
                    if is_other {
                        found.extend(same.take());
                        same = Some(Increase { site, board, windows: vec![window], counted: sums.counted.clone() });
                    } else if let Some(increase) = &mut same {
                        increase.windows.push(window);
                    }
                }
                found.extend(same);
                sums.take();
            }
        }
        found
    }

    /// `site/article` of those whose home is another partition.
    pub fn strays(&self, columns: &Columns, partition: u32, partitions: u32) -> Vec<String> {
        let mut found = Vec::new();
        let mut key = String::new();
        for (_, part) in &self.entered {
            for &(article, _) in &part.counted {
                key.clear();
                key.push_str(columns.sites.get(part.site));
                key.push('/');
                key.push_str(columns.articles.get(article));
                if (murmur2(key.as_bytes()) & 0x7fff_ffff) % partitions != partition {
                    found.push(key.clone());
                }
            }
        }
        found
    }

    /// An open slice's delta: {site: {outcome: {article: count}}}.
    pub fn open(&self, number: usize, columns: &Columns) -> Vec<u8> {
        map_of(&self.slices[number].parts, columns)
    }

    /// How many articles a slice gets counts of, once for each outcome.
    pub fn size(&self, number: usize) -> usize {
        self.slices[number].parts.iter().map(|part| part.counted.len()).sum()
    }

    /// A sealed slice's delta before it is compressed, and whether it holds columns: all in the order of their texts.
    pub fn sealed(&mut self, number: usize, columns: &Columns) -> (bool, Vec<u8>) {
        if self.ranks.is_empty() {
            self.ranks = ranks(columns);
        }
        let ranks = &self.ranks;
        let mut all: Vec<Part> = self.slices[number].parts.iter().map(|part| {
            let mut counted: Counted = part.counted.iter().copied().filter(|&(_, count)| count != 0).collect();
            counted.sort_unstable_by_key(|&(article, _)| ranks[article as usize]);
            Part { counted, ..*part }
        }).filter(|part| !part.counted.is_empty()).collect();
        all.sort_by_key(|part| (columns.sites.get(part.site), columns.outcomes.get(part.outcome)));
        let mut out = Vec::new();
        msgpack::map(&mut out, by_site(&all).count());
        let mut places = vec![0_i64; self.articles];
        for parts in by_site(&all) {
            let mut articles: Vec<u32> = parts.iter().flat_map(|part| &part.counted).map(|&(article, _)| article).collect();
            let cells = articles.len();
            articles.sort_unstable_by_key(|&article| ranks[article as usize]);
            articles.dedup();
            if articles.len() * parts.len() > SPARSE * cells {
                return (false, map_of(&all, columns));
            }
            msgpack::text(&mut out, columns.sites.get(parts[0].site));
            msgpack::array(&mut out, 2);
            msgpack::array(&mut out, articles.len());
            articles.iter().for_each(|&article| msgpack::text(&mut out, columns.articles.get(article)));
            msgpack::map(&mut out, parts.len());
            for part in parts {
                part.counted.iter().for_each(|&(article, count)| places[article as usize] = count);
                msgpack::text(&mut out, columns.outcomes.get(part.outcome));
                msgpack::array(&mut out, articles.len());
                articles.iter().for_each(|&article| msgpack::integer(&mut out, places[article as usize]));
                part.counted.iter().for_each(|&(article, _)| places[article as usize] = 0);
            }
        }
        (true, out)
    }
}

/// The parts of each site.
fn by_site(parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    parts.chunk_by(|one, other| one.site == other.site)
}

fn map_of(parts: &[Part], columns: &Columns) -> Vec<u8> {
    let mut out = Vec::new();
    msgpack::map(&mut out, by_site(parts).count());
    for parts in by_site(parts) {
        msgpack::text(&mut out, columns.sites.get(parts[0].site));
        msgpack::map(&mut out, parts.len());
        for part in parts {
            msgpack::text(&mut out, columns.outcomes.get(part.outcome));
            msgpack::map(&mut out, part.counted.len());
            for &(article, count) in &part.counted {
                msgpack::text(&mut out, columns.articles.get(article));
                msgpack::integer(&mut out, count);
            }
        }
    }
    out
}

/// By an article's number its place among all by their texts.
fn ranks(columns: &Columns) -> Vec<u32> {
    let text = |article: u32| columns.articles.get(article).as_bytes();
    let first = |article: u32| {
        let mut word = [0; 16];
        let some = text(article).len().min(16);
        word[..some].copy_from_slice(&text(article)[..some]);
        u128::from_be_bytes(word)
    };
    let mut order: Vec<(u128, u32)> = (0..columns.articles.len() as u32).map(|article| (first(article), article)).collect();
    // most texts differ in their first bytes; zeros behind a short one sort as its end does, since no id has them
    order.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| text(one.1).cmp(text(other.1))));
    let mut ranks = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, &(_, article))| ranks[article as usize] = rank as u32);
    ranks
}
