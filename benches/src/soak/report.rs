//! The samples as a table, and what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::median;

/// The store at a moment, and its writes since the moment before.
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) resident: u64,
    pub(super) descriptors: u64,
    pub(super) space: u64,
    pub(super) p999: Duration,
    pub(super) worst: Duration,
    pub(super) writes: u64,
    pub(super) reads: u64,
    /// What the store says of its memory, by owner.
    pub(super) owners: Vec<(&'static str, u64)>,
}

#[derive(Default)]
pub(super) struct Report {
    samples: Vec<Sample>,
}

/// A column: how it is called, its figure of a sample, what growth is none, and whether growth is a failure.
struct Column {
    name: &'static str,
    of: fn(&Sample) -> f64,
    /// So much more is still flat: a part of the first third, and something that is always forgiven.
    part: f64,
    slack: f64,
    counts: bool,
}

const MIB: f64 = (1 << 20) as f64;

const COLUMNS: &[Column] = &[
    Column { name: "resident MiB", of: |s| s.resident as f64 / MIB, part: 0.1, slack: 4.0, counts: true },
    Column { name: "accounted MiB", of: accounted, part: 0.1, slack: 4.0, counts: true },
    Column { name: "descriptors", of: |s| s.descriptors as f64, part: 0.1, slack: 8.0, counts: true },
    Column { name: "space MiB", of: |s| s.space as f64 / MIB, part: 0.1, slack: 8.0, counts: true },
    // What else runs on the machine shows in these: told, not judged.
    Column { name: "p99.9 ms", of: |s| s.p999.as_secs_f64() * 1e3, part: 0.5, slack: 1.0, counts: false },
    Column { name: "worst ms", of: |s| s.worst.as_secs_f64() * 1e3, part: 1.0, slack: 5.0, counts: false },
];

fn accounted(sample: &Sample) -> f64 {
    sample.owners.iter().map(|(_, bytes)| *bytes as f64 / MIB).sum()
}

impl Column {
    fn median(&self, samples: &[Sample]) -> f64 {
        median(samples.iter().map(self.of).collect())
    }

    fn most(&self, samples: &[Sample]) -> f64 {
        samples.iter().map(self.of).fold(0.0, f64::max)
    }

    fn grows(&self, first: &[Sample], last: &[Sample]) -> bool {
        let before = self.median(first);
        self.median(last) > before * (1.0 + self.part) + self.slack
    }
}

impl Report {
    pub(super) fn add(&mut self, sample: Sample) {
        eprintln!(
            "{:>5.0} s  {:>7} writes  {:>7} reads  {}",
            sample.at.as_secs_f64(),
            sample.writes,
            sample.reads,
            COLUMNS.iter().map(|c| format!("{} {:.1}", c.name, (c.of)(&sample))).collect::<Vec<_>>().join("  "),
        );
        self.samples.push(sample);
    }

    /// The first and the last third of what follows the warm-up, a fifth of the time.
    fn thirds(&self) -> (&[Sample], &[Sample]) {
        let warm = &self.samples[self.samples.len() / 5..];
        let third = warm.len().div_ceil(3);
        (&warm[..third], &warm[warm.len() - third..])
    }

    pub(super) fn grows(&self) -> bool {
        let (first, last) = self.thirds();
        COLUMNS.iter().any(|column| column.counts && column.grows(first, last))
    }

    pub(super) fn print(&self) {
        let (first, last) = self.thirds();
        println!("| | first third | last third | most | verdict |\n|---|---|---|---|---|");
        for column in COLUMNS {
            let verdict = if column.grows(first, last) { "grows" } else { "flat" };
            println!(
                "| {} | {:.1} | {:.1} | {:.1} | {verdict} |",
                column.name,
                column.median(first),
                column.median(last),
                column.most(&self.samples),
            );
        }
        // Who holds the memory that the store knows of.
        let mut owners: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
        for (which, samples) in [first, last].into_iter().enumerate() {
            for (owner, _) in samples.iter().flat_map(|sample| &sample.owners) {
                let of = |s: &Sample| s.owners.iter().find(|(name, _)| name == owner).map_or(0.0, |(_, b)| *b as f64);
                owners.entry(owner).or_default()[which] = median(samples.iter().map(of).collect()) / MIB;
            }
        }
        for (owner, [first, last]) in owners {
            println!("| … {owner} MiB | {first:.1} | {last:.1} | | |");
        }
        let (writes, reads) = self.samples.iter().fold((0, 0), |sum, s| (sum.0 + s.writes, sum.1 + s.reads));
        println!("\n{writes} writes, {reads} reads, medians of {} samples a third\n", first.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(resident: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> u64) -> Report {
        let mut report = Report::default();
        for nth in 0..100 {
            report.samples.push(Sample {
                at: Duration::from_secs(nth),
                resident: resident(nth) << 20,
                descriptors: descriptors(nth),
                space: 1 << 30,
                p999: Duration::from_millis(1),
                worst: Duration::from_millis(nth),
                writes: 1,
                reads: 1,
                owners: vec![("cache", 1 << 20)],
            });
        }
        report
    }

    #[test]
    fn growth_is_told_from_noise_and_from_a_start() {
        assert!(!report(|_| 100, |_| 20).grows());
        assert!(!report(|nth| 90 + nth % 20, |nth| 10 + nth % 8).grows(), "up and down");
        assert!(!report(|nth| nth.min(20) * 10, |_| 20).grows(), "a warm-up");
        assert!(report(|nth| 100 + nth, |_| 20).grows(), "a leak of memory");
        assert!(report(|_| 100, |nth| 20 + nth / 4).grows(), "a leak of descriptors");
    }
}
