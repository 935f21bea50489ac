//! Levels of which each holds a multiple of the one above.

use std::sync::Arc;

use super::super::{LEVELS, Span, TableInfo};
use super::{Choice, Context, Shape, between};

/// Level 0 takes what is flushed; each further level is sorted, and holds a multiple of the one above it.
///
/// The fullest level gives: level 0 all its tables, another the table that overlaps the fewest bytes of the next level
/// for its size. What overlaps nothing is moved without being read. In the last level, a table that is half deletes is
/// written again without them.
#[derive(Clone, Debug, PartialEq)]
pub struct Leveled {
    /// This many tables in level 0 are merged into level 1.
    pub tables: usize,
    /// What level 1 may hold, in bytes.
    pub base_bytes: u64,
    /// How many times more the next level may hold.
    pub factor: u64,
    /// From this many tables in level 0 on, writers are slowed down.
    pub slow: usize,
    /// At this many they stop.
    pub stop: usize,
}

impl Default for Leveled {
    fn default() -> Self {
        Leveled { tables: 4, base_bytes: 256 << 20, factor: 10, slow: 8, stop: 24 }
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
            0 => (shape.levels[0].len() as u64, self.tables as u64),
            // One byte above counts.
            _ => (shape.bytes(level), self.target(level) + 1),
        };
        (u128::from(has) * 1000 / u128::from(may)) as u64
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
            _ => Self::without_deletes(shape, context),
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
        let below = shape.overlapping(level + 1, &[table]);
        let to = level + 1;
        if below.is_empty() {
            return Choice::Move { tables: vec![table.id], to };
        }
        Choice::Merge { tables: [table].into_iter().chain(below).map(|table| table.id).collect(), to }
    }

    /// A table under which there is nothing, so that its deletes delete nothing any more.
    fn without_deletes(shape: &Shape, context: &Context) -> Choice {
        for level in 1..LEVELS {
            for table in &shape.levels[level] {
                let many = table.deletes * 2 > table.entries || table.range_deletes > 0;
                let alone = (level + 1..LEVELS).all(|below| shape.overlapping(below, &[table]).is_empty());
                if many && alone && table.seqs.1 <= context.oldest {
                    return Choice::Merge { tables: vec![table.id], to: level };
                }
            }
        }
        Choice::Nothing
    }
}
