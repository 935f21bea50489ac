//! Sorted runs, merged with others of about their size.

use std::sync::Arc;

use super::super::{LEVELS, TableInfo};
use super::{Choice, Shape, between};

/// Each table of level 0 is a run, and each further level is one. Neighbouring runs of about the same size are merged
/// into one, so an entry is written once for each time that its run grows severalfold.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiered {
    /// This many runs of similar size are merged.
    pub runs: usize,
    /// Runs are similar if the next older one is at most this many hundredths of all newer ones together.
    pub similar_percent: u64,
    /// Everything is merged when all runs but the oldest together are more than this many hundredths of it: the bound on
    /// wasted space.
    pub waste_percent: u64,
    /// From this many runs on, writers are slowed down.
    pub slow: usize,
    /// At this many they stop.
    pub stop: usize,
}

impl Default for Tiered {
    fn default() -> Self {
        Tiered { runs: 4, similar_percent: 120, waste_percent: 200, slow: 16, stop: 32 }
    }
}

/// A run: its level, and its tables.
struct SortedRun<'a> {
    level: usize,
    tables: &'a [Arc<TableInfo>],
    bytes: u64,
}

impl Tiered {
    pub(super) fn is_sound(&self) -> bool {
        self.runs > 1 && self.similar_percent > 0 && self.runs <= self.slow && self.slow < self.stop
    }

    /// The newest first.
    fn sorted_runs(shape: &Shape) -> Vec<SortedRun<'_>> {
        let run = |level, tables: &'_ [Arc<TableInfo>]| {
            let bytes = tables.iter().map(|table| table.bytes).sum();
            (level, bytes)
        };
        let mut runs: Vec<SortedRun<'_>> = Vec::new();
        for tables in shape.levels[0].chunks(1) {
            let (level, bytes) = run(0, tables);
            runs.push(SortedRun { level, tables, bytes });
        }
        for (level, tables) in shape.levels.iter().enumerate().skip(1).filter(|(_, tables)| !tables.is_empty()) {
            let (level, bytes) = run(level, tables);
            runs.push(SortedRun { level, tables, bytes });
        }
        runs
    }

    pub(super) fn pressure(&self, shape: &Shape) -> u32 {
        between(self.slow - 1, self.stop, Self::sorted_runs(shape).len())
    }

    pub(super) fn choose(&self, shape: &Shape) -> Choice {
        let runs = Self::sorted_runs(shape);
        if runs.len() < self.runs {
            return Choice::Nothing;
        }
        let newer: u64 = runs[..runs.len() - 1].iter().map(|run| run.bytes).sum();
        let oldest = runs[runs.len() - 1].bytes;
        if u128::from(newer) * 100 > u128::from(oldest) * u128::from(self.waste_percent) {
            return Self::merge(&runs, 0, runs.len());
        }
        for from in 0..runs.len() {
            let mut bytes = runs[from].bytes;
            let similar = runs[from + 1..].iter().take_while(|run| {
                let fits = u128::from(run.bytes) * 100 <= u128::from(bytes) * u128::from(self.similar_percent);
                bytes += run.bytes;
                fits
            });
            let count = 1 + similar.count();
            if count >= self.runs {
                return Self::merge(&runs, from, from + count);
            }
        }
        // No size fits another, and there are too many all the same: the newest few.
        let excess = runs.len() - self.runs + 1;
        if runs.len() > self.slow { Self::merge(&runs, 0, excess.max(2)) } else { Choice::Nothing }
    }

    /// The outcome goes as deep as it can without passing an older run.
    fn merge(runs: &[SortedRun<'_>], from: usize, to: usize) -> Choice {
        let level = runs.get(to).map_or(LEVELS - 1, |next| next.level.saturating_sub(1));
        let tables = runs[from..to].iter().flat_map(|run| run.tables).map(|table| table.id).collect();
        Choice::Merge { tables, to: level }
    }
}
