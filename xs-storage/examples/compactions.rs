//! Prints what each compaction policy would do to the same writes: no disk, no data, shapes only.
//!
//! `cargo run -p xs-storage --features lsm --example compactions [flushes]`

use std::collections::BTreeSet;
use std::sync::Arc;

use xs_os::Rng;
use xs_storage::lsm::compaction::{Choice, Context, Fifo, Leveled, Policy, Shape, Tiered};
use xs_storage::lsm::{Span, TableInfo};

const FLUSH: u64 = 32 << 20;
const TABLE: u64 = 64 << 20;
/// Half of what is flushed overwrites something older.
const KEYS: u64 = 40 * FLUSH;

struct Simulation {
    shape: Shape,
    next: u64,
    written: u64,
    merges: u64,
}

impl Simulation {
    fn info(&mut self, first: u64, last: u64, bytes: u64, created_ms: u64, seq: u64) -> Arc<TableInfo> {
        self.next += 1;
        let key = |n: u64| n.to_be_bytes().to_vec().into();
        let span = Span { first: key(first), last: key(last), open: false };
        let entries = bytes / 116;
        Arc::new(TableInfo {
            id: self.next,
            bytes,
            entries,
            deletes: 0,
            range_deletes: 0,
            span,
            created_ms,
            seqs: (seq, seq),
            blobs: Vec::new(),
        })
    }

    /// Carries a choice out: what is merged loses what is there twice, by chance.
    fn carry_out(&mut self, choice: Choice) {
        let (ids, to) = match choice {
            Choice::Nothing => return,
            Choice::Drop { tables } => {
                self.shape.levels.iter_mut().for_each(|level| level.retain(|table| !tables.contains(&table.id)));
                return;
            }
            Choice::Move { tables, to } => {
                let ids: BTreeSet<u64> = tables.into_iter().collect();
                let moved: Vec<_> = self.shape.tables().filter(|table| ids.contains(&table.id)).cloned().collect();
                self.shape.levels.iter_mut().for_each(|level| level.retain(|table| !ids.contains(&table.id)));
                self.shape.levels[to].extend(moved);
                self.shape.levels[to].sort_by(|a, b| a.span.first.cmp(&b.span.first));
                return;
            }
            Choice::Merge { tables, to } => (tables.into_iter().collect::<BTreeSet<u64>>(), to),
        };
        let inputs: Vec<_> = self.shape.tables().filter(|table| ids.contains(&table.id)).cloned().collect();
        // Of a sorted level the tables have no key in common; those of level 0 are runs of their own.
        let mut runs: Vec<u64> = Vec::new();
        for (number, level) in self.shape.levels.iter().enumerate() {
            let chosen = level.iter().filter(|table| ids.contains(&table.id)).map(|table| table.bytes);
            if number == 0 { runs.extend(chosen) } else { runs.push(chosen.sum()) }
        }
        let place = self.shape.levels[to].iter().position(|table| ids.contains(&table.id)).unwrap_or(0);
        self.shape.levels.iter_mut().for_each(|level| level.retain(|table| !ids.contains(&table.id)));
        let Some(span) = Span::of(inputs.iter().map(|table| &table.span)) else { return };
        let number = |key: &[u8]| key.first_chunk::<8>().map_or(0, |key| u64::from_be_bytes(*key));
        let (first, last) = (number(&span.first), number(&span.last));
        // Of `width` bytes of keys each run has a part; together they have what a union of random parts has.
        let width = (last - first + 1) as f64;
        let missing: f64 = runs.iter().map(|bytes| 1.0 - (*bytes as f64 / width).min(1.0)).product();
        let bytes = (width * (1.0 - missing)) as u64;
        let created = inputs.iter().map(|table| table.created_ms).max().unwrap_or(0);
        let parts = if to == 0 { 1 } else { bytes.div_ceil(TABLE).max(1) };
        let step = (last - first + 1).div_ceil(parts);
        let mut outcome = Vec::new();
        for part in 0..parts {
            let from = first + part * step;
            let until = (from + step - 1).min(last);
            if from <= until {
                outcome.push(self.info(from, until, bytes / parts, created, 0));
            }
        }
        self.written += bytes;
        self.merges += 1;
        self.shape.levels[to].splice(place..place, outcome);
        if to > 0 {
            self.shape.levels[to].sort_by(|a, b| a.span.first.cmp(&b.span.first));
        }
    }
}

fn main() {
    let flushes: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200);
    let policies = [
        ("leveled", Policy::Leveled(Leveled::default())),
        ("tiered", Policy::Tiered(Tiered::default())),
        ("fifo", Policy::Fifo(Fifo { max_bytes: 2 << 30, max_age: None })),
    ];
    println!("{flushes} flushes of {} MiB over a key space of {} MiB", FLUSH >> 20, KEYS >> 20);
    println!(
        "{:<8} {:>7} {:>9} {:>9} {:>9}  tables by level",
        "policy", "merges", "write amp", "space amp", "most runs"
    );
    for (name, policy) in policies {
        let mut simulation = Simulation { shape: Shape::default(), next: 0, written: 0, merges: 0 };
        let mut rng = Rng::from_seed(1);
        let mut most_runs = 0;
        for flush in 0..flushes {
            // Each flush has keys from all over, up to a random bit at both ends.
            let (first, last) = (rng.below(KEYS / 100), KEYS - 1 - rng.below(KEYS / 100));
            let table = simulation.info(first, last, FLUSH, flush, flush);
            simulation.shape.levels[0].insert(0, table);
            simulation.written += FLUSH;
            loop {
                let levels = &simulation.shape.levels;
                let runs = levels[0].len() + levels[1..].iter().filter(|level| !level.is_empty()).count();
                most_runs = most_runs.max(runs);
                match policy.choose(&simulation.shape, &Context { now_ms: flush, ..Context::default() }) {
                    Choice::Nothing => break,
                    choice => simulation.carry_out(choice),
                }
            }
        }
        let user = flushes * FLUSH;
        let live = (KEYS as f64 * (1.0 - (1.0 - FLUSH as f64 / KEYS as f64).powf(flushes as f64))).max(1.0);
        let levels: Vec<usize> = simulation.shape.levels.iter().map(Vec::len).collect();
        println!(
            "{name:<8} {:>7} {:>9.2} {:>9.2} {most_runs:>9}  {levels:?}",
            simulation.merges,
            simulation.written as f64 / user as f64,
            simulation.shape.total_bytes() as f64 / live,
        );
    }
}
