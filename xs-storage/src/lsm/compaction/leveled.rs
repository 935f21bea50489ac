//! Levels of which each holds a multiple of the one above.

use std::sync::Arc;

use super::super::{LEVELS, Span, TableInfo};
use super::{Choice, Context, Shape, between};

/// Level 0 takes what is flushed; each further level is sorted, and holds a multiple of the one above it.
///
/// The fullest level gives: level 0 all its tables, another the table that overlaps the fewest bytes of the next level
/// for its size. What overlaps nothing is moved without being read.
///
/// Space comes back by two further rules. Level 0 gives, too, when a merge of it might give back three quarters of what is
/// below: a small store that is overwritten would else keep several copies of itself, and one that is emptied all of it. In
/// a store that keeps its size a byte is so written 1.3 times by merges, and space comes to 1.75 times what is there; with
/// a half instead, twice and to 1.5 times. And a table of which a quarter is deletes, or that has deleted ranges, goes down to what
/// they delete, until there is nothing below; there it is written again without them.
#[derive(Clone, Debug, PartialEq)]
pub struct Leveled {
    /// This many tables in level 0 are merged into level 1.
    pub tables: usize,
    /// What level 1 may hold, in bytes.
    pub base_bytes: u64,
    /// How many times more the next level may hold.
    pub factor: u64,
    /// Level 0 is merged before that if it holds this many hundredths of the bytes below it, where each of its deletes
    /// counts as much as an entry below; 0 for never. Less means less space, and more writing.
    pub top_percent: u64,
    /// From this many tables in level 0 on, writers are slowed down.
    pub slow: usize,
    /// At this many they stop.
    pub stop: usize,
}

impl Default for Leveled {
    fn default() -> Self {
        Leveled { tables: 4, base_bytes: 256 << 20, factor: 10, top_percent: 75, slow: 8, stop: 24 }
    }
}

impl Leveled {
    pub(super) fn is_sound(&self) -> bool {
        self.tables > 0 && self.base_bytes > 0 && self.factor > 1 && self.tables <= self.slow && self.slow < self.stop
    }

    fn target(&self, level: usize) -> u64 {
        (1..level).fold(self.base_bytes, |bytes, _| bytes.saturating_mul(self.factor))
    }

    /// How full a level is, in thousandths.
    fn fullness(&self, shape: &Shape, level: usize) -> u64 {
        let (has, may) = match level {
            0 if self.weighs(shape) => (1, 1),
            0 => (shape.levels[0].len() as u64, self.tables as u64),
            // One byte above counts.
            _ => (shape.bytes(level), self.target(level) + 1),
        };
        (u128::from(has) * 1000 / u128::from(may)) as u64
    }

    /// Whether a merge of level 0 might give much back: as many bytes as it has itself, and for each of its deletes those
    /// of an entry below. Where nothing is below, the oldest table stands for it.
    fn weighs(&self, shape: &Shape) -> bool {
        let (mut top, mut below) = (&shape.levels[0][..], shape.levels[1..].iter().flatten().collect::<Vec<_>>());
        if below.is_empty()
            && let Some((oldest, newer)) = top.split_last()
        {
            (top, below) = (newer, vec![oldest]);
        }
        if self.top_percent == 0 || top.is_empty() || shape.levels[0].len() > self.tables {
            return false;
        }
        let sum = |tables: &mut dyn Iterator<Item = &Arc<TableInfo>>, of: fn(&TableInfo) -> u64| -> u128 {
            tables.map(|table| u128::from(of(table))).sum()
        };
        let bytes = sum(&mut below.iter().copied(), |table| table.bytes);
        let entries = sum(&mut below.iter().copied(), |table| table.entries);
        let deletes = sum(&mut top.iter(), |table| table.deletes);
        let garbage = sum(&mut top.iter(), |table| table.bytes) + deletes * bytes / entries.max(1);
        garbage * 100 >= bytes * u128::from(self.top_percent)
    }

    pub(super) fn pressure(&self, shape: &Shape) -> u32 {
        between(self.slow - 1, self.stop, shape.levels[0].len())
    }

    pub(super) fn choose(&self, shape: &Shape, context: &Context) -> Choice {
        // The last level has nowhere to give to.
        let full = (0..LEVELS - 1)
            .map(|level| (self.fullness(shape, level), level))
            .max_by_key(|(full, level)| (*full, LEVELS - level));
        match full {
            Some((1000.., 0)) => Self::from_top(shape),
            Some((1000.., level)) => Self::from_level(shape, level),
            _ => Self::reclaim(shape, context),
        }
    }

    fn from_top(shape: &Shape) -> Choice {
        let top: Vec<&Arc<TableInfo>> = shape.levels[0].iter().collect();
        let ids = |tables: &[&Arc<TableInfo>]| tables.iter().map(|table| table.id).collect::<Vec<_>>();
        let apart = |(at, table): (usize, &&Arc<TableInfo>)| {
            top[at + 1..].iter().all(|other| !table.span.overlaps(&other.span))
        };
        if top.iter().enumerate().all(apart) && shape.overlapping(1, &top).is_empty() {
            return Choice::Move { tables: ids(&top), to: 1 };
        }
        // The outcome may stretch over the gaps between the tables, so what lies in these goes in too.
        let Some(hull) = Span::of(top.iter().map(|table| &table.span)) else { return Choice::Nothing };
        let below = shape.levels[1].iter().filter(|table| table.span.overlaps(&hull));
        Choice::Merge { tables: ids(&top.iter().copied().chain(below).collect::<Vec<_>>()), to: 1 }
    }

    fn from_level(shape: &Shape, level: usize) -> Choice {
        let cost = |table: &Arc<TableInfo>| {
            let below: u64 = shape.overlapping(level + 1, &[table]).iter().map(|table| table.bytes).sum();
            (u128::from(below) << 20) / u128::from(table.bytes.max(1))
        };
        let Some(table) = shape.levels[level].iter().min_by_key(|table| (cost(table), table.id)) else {
            return Choice::Nothing;
        };
        Self::down(shape, level, table)
    }

    /// Puts a table into the next level.
    fn down(shape: &Shape, level: usize, table: &Arc<TableInfo>) -> Choice {
        let below = shape.overlapping(level + 1, &[table]);
        let to = level + 1;
        if below.is_empty() {
            return Choice::Move { tables: vec![table.id], to };
        }
        Choice::Merge { tables: [table].into_iter().chain(below).map(|table| table.id).collect(), to }
    }

    /// Brings deletes to what they delete, and takes them out where nothing is left below.
    fn reclaim(shape: &Shape, context: &Context) -> Choice {
        let seen_by_all = |table: &Arc<TableInfo>| table.seqs.1 <= context.oldest;
        for (level, tables) in shape.levels.iter().enumerate().skip(1) {
            for table in tables.iter().filter(|table| seen_by_all(table)) {
                let alone = (level + 1..LEVELS).all(|below| shape.overlapping(below, &[table]).is_empty());
                // Alone the table itself is written again; what goes down takes more with it.
                let many = table.deletes * if alone { 2 } else { 4 } > table.entries || table.range_deletes > 0;
                match (many, alone) {
                    (true, true) => return Choice::Merge { tables: vec![table.id], to: level },
                    (true, false) => return Self::down(shape, level, table),
                    (false, _) => {}
                }
            }
        }
        let deletes_ranges = |table: &Arc<TableInfo>| table.range_deletes > 0 && seen_by_all(table);
        if shape.levels[0].iter().any(deletes_ranges) { Self::from_top(shape) } else { Choice::Nothing }
    }
}
