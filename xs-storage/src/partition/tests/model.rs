//! Any calls in any order, against a `Vec`.

use proptest::prelude::*;
use xs_os::vfs::MemoryVfs;

use super::*;

#[derive(Clone, Debug)]
enum Call {
    Append { records: usize, wait: bool },
    Idempotent { producer: i64, again: bool },
    Epoch,
    Truncate(f64),
    Delete(f64),
    Retain(u64),
    Roll,
    Reopen,
    Read { from: f64, limit: u64 },
    Time(i64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        12 => (1..6_usize, any::<bool>()).prop_map(|(records, wait)| Call::Append { records, wait }),
        6 => (0..3_i64, any::<bool>()).prop_map(|(producer, again)| Call::Idempotent { producer, again }),
        1 => Just(Call::Epoch),
        1 => (0.0..1.1).prop_map(Call::Truncate),
        2 => (0.0..1.0).prop_map(Call::Delete),
        1 => (0..20_000_u64).prop_map(Call::Retain),
        1 => Just(Call::Roll),
        2 => Just(Call::Reopen),
        4 => (0.0..1.1, 1..9000_u64).prop_map(|(from, limit)| Call::Read { from, limit }),
        2 => (-5..150_i64).prop_map(Call::Time),
    ];
    prop::collection::vec(call, 1..150)
}

#[derive(Clone)]
struct Stored {
    base: u64,
    end: u64,
    epoch: i32,
    time: i64,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Model {
    batches: Vec<Stored>,
    start: u64,
    end: u64,
    epoch: i32,
    /// What each producer sent last, of which only the last is sent again here: sequence, bytes, offset.
    sent: std::collections::BTreeMap<i64, Vec<(i32, Bytes, u64)>>,
    /// Counts cuts, behind which producers have other ids: what they sent may be forgotten.
    life: i64,
    count: u64,
}

impl Model {
    fn at(&self, share: f64) -> u64 {
        self.start + ((self.end - self.start) as f64 * share) as u64
    }

    fn append(&mut self, partition: &Partition, batch: Bytes, records: u64, time: i64) -> Appended {
        let how = Append { leader_epoch: self.epoch, now: NOW, stamp: false, keyed: false };
        let appended = partition.append(batch.clone(), how).unwrap();
        assert!(!appended.duplicate);
        assert_eq!((appended.base.0, appended.end.0), (self.end, self.end + records));
        let bytes = stored(&batch, self.end, self.epoch);
        self.batches.push(Stored { base: self.end, end: self.end + records, epoch: self.epoch, time, bytes });
        self.end += records;
        appended
    }

    fn call(&mut self, partition: &mut Option<Partition>, disk: &MemoryVfs, call: &Call) {
        let there = partition.as_ref().unwrap();
        self.count += 1;
        match *call {
            Call::Append { records, wait } => {
                // Times that mostly rise.
                let time = (self.count as i64) - (self.count as i64 % 7) * 3;
                let batch = plain(self.count, records, time.max(0));
                let appended = self.append(there, batch, records as u64, time.max(0));
                if wait {
                    appended.commit.wait().unwrap();
                }
            }
            Call::Idempotent { producer, again } => {
                let producer = producer + 10 * self.life;
                let sent = self.sent.get(&producer).cloned().unwrap_or_default();
                let known = sent.len().saturating_sub(5);
                if let Some((_, batch, base)) = sent[known..].first().filter(|_| again) {
                    let how = Append { leader_epoch: self.epoch, now: NOW, stamp: false, keyed: false };
                    let appended = there.append(batch.clone(), how).unwrap();
                    assert!(appended.duplicate);
                    assert_eq!(appended.base.0, *base);
                    return;
                }
                let sequence = sent.last().map_or(0, |(sequence, ..)| sequence + 2);
                let batch = batch(producer, 0, sequence, &[b"one", b"two"], 50);
                let base = self.append(there, batch.clone(), 2, 50).base.0;
                self.sent.entry(producer).or_default().push((sequence, batch, base));
            }
            Call::Epoch => self.epoch += 1,
            Call::Truncate(share) => {
                let cut = self.at(share);
                if cut < self.start.max(1) {
                    return;
                }
                there.truncate_to(Index(cut)).unwrap();
                self.batches.retain(|batch| batch.end <= cut);
                self.end = self.end.min(cut);
                self.life += 1;
            }
            Call::Delete(share) => {
                let before = self.at(share);
                assert_eq!(there.delete_records(Index(before)).unwrap().0, before.max(self.start));
                self.start = self.start.max(before);
            }
            Call::Retain(most) => {
                let keep = Retention { more_than_bytes: Some(most), producers_ms: i64::MAX, ..Retention::default() };
                there.tend(NOW, &keep).unwrap();
                let start = there.bounds().start.0;
                assert!(start >= self.start && start <= self.end);
                let kept: usize = self.batches.iter().filter(|batch| batch.base >= start).map(|b| b.bytes.len()).sum();
                assert!(start == self.start || kept as u64 + 32 * 100 >= most, "{kept} of {most}");
                self.start = start;
            }
            Call::Roll => there.shared.log.roll(),
            Call::Reopen => {
                *partition = None;
                *partition = Some(open(disk));
            }
            Call::Read { from, limit } => {
                let from = self.at(from.min(1.0));
                let expected = self.batches.iter().filter(|batch| batch.end > from).flat_map(|batch| &batch.bytes);
                let found = try_bytes(there, from, limit, Isolation::Uncommitted).unwrap();
                assert!(found.iter().eq(expected), "from {from}");
            }
            Call::Time(time) => {
                let expected = self.batches.iter().find(|batch| batch.end > self.start && batch.time >= time);
                let expected = expected.map(|batch| (Index(batch.base.max(self.start)), batch.time));
                assert_eq!(there.offset_for_time(time).unwrap(), expected);
            }
        }
        let there = partition.as_ref().unwrap();
        let bounds = there.bounds();
        assert_eq!((bounds.start.0, bounds.end.0), (self.start, self.end));
        self.batches.retain(|batch| batch.end > self.start || batch.end == self.end);
        if let Some(last) = self.batches.last().filter(|batch| batch.base >= self.start) {
            assert_eq!(there.end_of_epoch(last.epoch), Some((last.epoch, Index(self.end))));
        }
    }
}

proptest! {
    #[test]
    fn a_partition_is_a_vec(calls in calls()) {
        let disk = MemoryVfs::new();
        let mut partition = Some(open(&disk));
        let mut model = Model::default();
        for call in &calls {
            model.call(&mut partition, &disk, call);
        }
        let there = partition.take().unwrap();
        let checked = there.check().unwrap();
        prop_assert!(checked.batches >= model.batches.iter().filter(|batch| batch.base >= model.start).count() as u64);
        drop(there);
        let again = open(&disk);
        prop_assert_eq!((again.bounds().start.0, again.bounds().end.0), (model.start, model.end));
    }
}
