//! Rows for what users of such engines complain about: stalls, space that never comes back, scans through what was deleted.

use std::time::{Duration, Instant};

use super::child::{BATCH, Bench, KEY, VALUE, ordered, report, scattered, value};
use super::subject::{Fallible, Write};
use crate::{median, process};

/// Rounds of overwriting and deleting.
const ROUNDS: u64 = 8;

impl Bench<'_> {
    /// Random overwrites without a pause: how long the slowest batches take. A percentile is reported only if enough
    /// batches were slower than it to know it: with `n` of them, up to 1 - 1/n.
    pub(super) fn batches(mut self) -> Fallible<()> {
        let batches = if self.job.keys >= 1_000_000 { 10_000 } else { 1_000 };
        let mut took = Vec::with_capacity(batches);
        for _ in 0..batches {
            let entries: Vec<_> =
                (0..BATCH).map(|_| (scattered(self.rng.below(self.job.keys)), value(&mut self.rng))).collect();
            let writes: Vec<Write<'_>> = entries.iter().map(|(key, value)| (&key[..], Some(&value[..]))).collect();
            let began = Instant::now();
            self.subject.write(&writes, false)?;
            took.push(began.elapsed());
        }
        for (name, part) in [("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)] {
            if let Some(took) = percentile(&mut took, part) {
                report(&format!("batch of 1000, {name}"), "ms", took.as_secs_f64() * 1e3, None);
            }
        }
        Ok(())
    }

    /// Space over time. Each round deletes the oldest quarter of the entries, adds as many, and overwrites as many: there
    /// are never more entries than at the beginning. In the end all of them are deleted.
    pub(super) fn churn(mut self) -> Fallible<()> {
        // Half as many entries, each written five times over.
        let live = (self.job.keys / 2).max(4 * BATCH);
        let part = live / 4;
        let numbers: Vec<u64> = (0..live).collect();
        self.fill(scattered, &numbers, false)?;
        let bytes = (live * (KEY + VALUE) as u64) as f64;
        let mut first = 0;
        for round in 1..=ROUNDS {
            self.delete(scattered, first..first + part)?;
            let fresh: Vec<u64> = (first + live..first + live + part).collect();
            self.fill(scattered, &fresh, false)?;
            first += part;
            let old: Vec<u64> = (0..part).map(|_| first + self.rng.below(live)).collect();
            self.fill(scattered, &old, false)?;
            if [1, ROUNDS / 2, ROUNDS].contains(&round) {
                self.subject.settle()?;
                self.rest();
                let space = process::directory_bytes(&self.job.dir)? as f64 / bytes;
                report(&format!("space after {round} rounds of change"), "x", space, None);
            }
        }
        self.delete(scattered, first..first + live)?;
        self.subject.settle()?;
        self.rest();
        let left = process::directory_bytes(&self.job.dir)? as f64 / f64::from(1 << 20);
        report("space after all was deleted", "MiB", left, None);
        Ok(())
    }

    /// Entries side by side are deleted, all but the first and the last: how long it takes from the one to the other.
    pub(super) fn deleted(mut self) -> Fallible<()> {
        let numbers: Vec<u64> = (0..self.job.keys).collect();
        self.fill(ordered, &numbers, false)?;
        self.subject.settle()?;
        self.delete(ordered, 1..self.job.keys - 1)?;
        let from = ordered(1);
        let to_first = || -> Fallible<f64> {
            let (began, mut seen) = (Instant::now(), 0);
            self.subject.read(&mut |reader| reader.scan(&from, 1).map(|count| seen = count))?;
            if seen == 1 { Ok(began.elapsed().as_secs_f64() * 1e3) } else { Err("the last entry is not found".into()) }
        };
        report("scan over deleted, first", "ms", to_first()?, None);
        let again = (0..9).map(|_| to_first()).collect::<Fallible<Vec<_>>>()?;
        report("scan over deleted, again", "ms", median(again), None);
        self.subject.settle()?;
        self.rest();
        report("scan over deleted, settled", "ms", to_first()?, None);
        Ok(())
    }

    fn delete(&self, key: fn(u64) -> [u8; KEY], numbers: std::ops::Range<u64>) -> Fallible<()> {
        let numbers: Vec<u64> = numbers.collect();
        for numbers in numbers.chunks(BATCH as usize) {
            let keys: Vec<_> = numbers.iter().map(|&n| key(n)).collect();
            let writes: Vec<Write<'_>> = keys.iter().map(|key| (&key[..], None)).collect();
            self.subject.write(&writes, false)?;
        }
        Ok(())
    }
}

/// The time that this part of the calls did not exceed; none if no call is left to tell.
fn percentile(took: &mut [Duration], part: f64) -> Option<Duration> {
    took.sort_unstable();
    let slower = (took.len() as f64 * (1.0 - part)).round() as usize;
    if slower == 0 { None } else { took.len().checked_sub(slower).map(|nth| took[nth]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_that_nobody_can_know_is_none() {
        let mut took: Vec<_> = (1..=1000).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut took, 0.99), Some(Duration::from_millis(991)));
        assert_eq!(percentile(&mut took, 0.999), Some(Duration::from_millis(1000)));
        assert_eq!(percentile(&mut took, 0.9999), None);
    }
}
