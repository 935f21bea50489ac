//! What a compacted partition is used for, by a seed, and what must come of it.

use std::collections::BTreeMap;

use xs_os::{Progress, Rng};
use xs_proto::kafka::records::{BatchBuilder, BatchIter, Compression, Record};

use super::*;

pub(super) const NOBODY: i64 = -1;

/// Records of keys and values, in one batch.
pub(super) fn keyed(producer: i64, sequence: i32, records: &[(u8, Option<u32>)], compression: Compression) -> Bytes {
    let mut batch = BatchBuilder::new().with_compression(compression);
    batch.header.producer_id = producer;
    if producer != NOBODY {
        (batch.header.producer_epoch, batch.header.base_sequence) = (0, sequence);
        batch.header.set_transactional(true);
    }
    for (key, value) in records {
        let value = value.map(|value| format!("value {value:0>40}"));
        batch.append(NOW, Some(&[b'k', *key]), value.as_ref().map(String::as_bytes));
    }
    batch.finish().unwrap()
}

/// All records that a reader of what is committed is left with.
pub(super) fn records(partition: &Partition) -> Vec<Record> {
    let (mut next, mut found) = (partition.bounds().start, Vec::new());
    loop {
        let fetched = partition.read(next, 900, Isolation::Committed).unwrap();
        if fetched.ranges.is_empty() {
            return found;
        }
        for range in &fetched.ranges {
            for batch in BatchIter::new(range.read().unwrap()) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                let header = *batch.header();
                let skipped = fetched.aborted.iter().any(|aborted| {
                    let within = aborted.first.0 as i64..=aborted.last.0 as i64;
                    aborted.producer == header.producer_id && within.contains(&header.base_offset)
                });
                if header.is_control() || header.is_transactional() && skipped {
                    continue;
                }
                found.extend(batch.records(1 << 20).unwrap().map(Result::unwrap));
            }
        }
        next = fetched.next;
    }
}

/// What each key has come to; a tombstone is no value.
pub(super) fn view(records: &[Record]) -> BTreeMap<Bytes, Bytes> {
    let mut view = BTreeMap::new();
    for record in records {
        match &record.value {
            Some(value) => view.insert(record.key.clone().unwrap(), value.clone()),
            None => view.remove(record.key.as_ref().unwrap()),
        };
    }
    view
}

pub(super) fn compact(compactor: &mut Compactor, now: i64, how: &Compaction) {
    while compactor.step(now, how).unwrap() == Progress::Busy {}
}

pub(super) const EAGER: Compaction = Compaction {
    min_dirty_ratio: 0.0,
    min_lag_ms: 0,
    max_lag_ms: None,
    delete_retention_ms: 1000,
    map_bytes: 1 << 20,
    batch_bytes: 1 << 20,
};

/// A record: its key, and its value or none.
type Pair = (u8, Option<u32>);

/// What a batch did.
enum Event {
    Records(Vec<Pair>),
    InTransaction(i64, Vec<Pair>),
    End(i64, Outcome),
}

/// Appends and ends transactions, by a seed, and knows what each key has come to at every offset.
pub(super) struct Life {
    rng: Rng,
    /// What is open comes later, in the order of the ends: so these keys are nobody else's meanwhile.
    open: BTreeMap<i64, Vec<u8>>,
    sequences: BTreeMap<i64, i32>,
    /// Batches by their offsets.
    events: Vec<(u64, u64, Event)>,
    pub(super) durable: u64,
    pub(super) now: i64,
    epoch: i32,
    count: u32,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        Life {
            rng: Rng::from_seed(seed),
            open: BTreeMap::new(),
            sequences: BTreeMap::new(),
            events: Vec::new(),
            durable: 0,
            now: NOW,
            epoch: 0,
            count: 0,
        }
    }

    /// Records of keys that are nobody else's.
    fn draw(&mut self, producer: i64) -> Vec<Pair> {
        let others = self.open.iter().filter(|(other, _)| **other != producer);
        let busy: Vec<u8> = others.flat_map(|(_, keys)| keys.clone()).collect();
        let count = 1 + self.rng.index(4);
        let mut draw = || {
            self.count += 1;
            (self.rng.below(12) as u8, self.rng.chance(0.8).then_some(self.count))
        };
        (0..count).map(|_| draw()).filter(|(key, _)| !busy.contains(key)).collect()
    }

    fn put(&mut self, appended: Appended, event: Event) {
        self.events.push((appended.base.0, appended.end.0, event));
        if self.rng.chance(0.05) {
            appended.commit.wait().unwrap();
            self.durable = self.events.last().map_or(0, |(_, end, _)| *end);
        }
    }

    /// One call.
    pub(super) fn call(&mut self, partition: &Partition) {
        self.now += self.rng.below(200) as i64;
        self.epoch += i32::from(self.rng.chance(0.02));
        let how = Append { leader_epoch: self.epoch, now: self.now, stamp: false, keyed: true };
        let compression = [Compression::None, Compression::Lz4][self.rng.index(2)];
        let draw = self.rng.below(10);
        if draw < 7 {
            let producer = if draw < 5 { NOBODY } else { self.rng.below(3) as i64 };
            let records = self.draw(producer);
            if records.is_empty() {
                return;
            }
            let sequence = self.sequences.entry(producer).or_default();
            let appended = partition.append(keyed(producer, *sequence, &records, compression), how).unwrap();
            *sequence += records.len() as i32;
            let event = match producer {
                NOBODY => Event::Records(records),
                _ => {
                    self.open.entry(producer).or_default().extend(records.iter().map(|(key, _)| *key));
                    Event::InTransaction(producer, records)
                }
            };
            return self.put(appended, event);
        }
        let Some((producer, _)) = self.open.pop_first() else { return };
        let outcome = if self.rng.chance(0.6) { Outcome::Commit } else { Outcome::Abort };
        let appended = partition.end_transaction(producer, 0, outcome, 0, how).unwrap();
        self.put(appended, Event::End(producer, outcome));
    }

    pub(super) fn end_all(&mut self, partition: &Partition) {
        let how = Append { leader_epoch: self.epoch, now: self.now, stamp: false, keyed: false };
        for (producer, _) in std::mem::take(&mut self.open) {
            let appended = partition.end_transaction(producer, 0, Outcome::Abort, 0, how).unwrap();
            self.put(appended, Event::End(producer, Outcome::Abort));
        }
    }

    /// What a reader of what is committed is left with, in a partition that ends at `end`.
    pub(super) fn expected(&self, end: u64) -> BTreeMap<Bytes, Bytes> {
        let there = || self.events.iter().filter(move |(_, until, _)| *until <= end);
        // How the transaction of a producer ends that is open at an offset; none if it does not.
        let outcome = |producer: i64, at: u64| {
            there().find_map(|(base, _, event)| match event {
                Event::End(who, outcome) if *who == producer && *base > at => Some(*outcome),
                _ => None,
            })
        };
        let mut view = BTreeMap::new();
        for (base, _, event) in there() {
            let records = match event {
                Event::Records(records) => records,
                Event::InTransaction(producer, records) => match outcome(*producer, *base) {
                    Some(Outcome::Commit) => records,
                    Some(Outcome::Abort) => continue,
                    // Nothing behind this is given to such a reader.
                    None => break,
                },
                Event::End(..) => continue,
            };
            for (key, value) in records {
                let key = Bytes::from(vec![b'k', *key]);
                match value {
                    Some(value) => view.insert(key, Bytes::from(format!("value {value:0>40}"))),
                    None => view.remove(&key),
                };
            }
        }
        view
    }
}
