//! Compaction: of each key the last record stays, and what came before it goes.
//!
//! ```text
//!   offset   0   1   2   3   4   5   6 │ 7   8 …        clean │ dirty                          │ newest
//!   key      a   b   a   c   b   a   c │ a   c
//!   value    1   2   3   4   –   5   6 │ 7   8
//!                                      │
//!   kept                     4   5   6 │ 7   8           (4 is a tombstone: it goes when it has been clean for long)
//! ```
//!
//! A pass has two parts. It reads what is dirty, up to the last stable offset and never the newest segment, and maps each
//! key to its last offset. Then it reads all full segments from the front, and writes them anew, several as one where that
//! makes one of ordinary length; a batch of which all is kept is copied as it is. Offsets stay, so there are holes.
//!
//! Keys are kept whole and not by a hash, within [`Compaction::map_bytes`]: two keys that collide would lose a record of one
//! of them. What has no room waits for the next pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use xs_os::Progress;
use xs_proto::kafka::records::{Batch, BatchBuilder, BatchError, BatchHeader, DEFAULT_LIMIT, Record};

use super::{Partition, Shared};
use crate::log::{Batches, Entry, Index, Reader, Rewrite};
use crate::{Error, Result};

/// When and how a partition is compacted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compaction {
    /// A pass begins when this share of the bytes is dirty (`min.cleanable.dirty.ratio`); 0.5 by default.
    pub min_dirty_ratio: f64,
    /// A segment is left as it is until its latest record is older than this, in milliseconds (`min.compaction.lag.ms`), and
    /// with it all behind; 0 by default. Within that time a consumer sees every record, and not only the last of a key.
    pub min_lag_ms: i64,
    /// A pass begins when the oldest dirty batch is as old as this, however little is dirty, in milliseconds
    /// (`max.compaction.lag.ms`); never for that reason by default. The newest segment is ended for it when it is as old, by
    /// the next append.
    pub max_lag_ms: Option<i64>,
    /// Tombstones and markers go when they have been clean for so long, in milliseconds (`delete.retention.ms`); a day by
    /// default. A consumer that reads from the front within that time sees every delete.
    pub delete_retention_ms: i64,
    /// The keys of a pass take about so many bytes, at most; 128 MiB by default.
    pub map_bytes: usize,
    /// A batch is decompressed to so many bytes, at most; 64 MiB by default.
    pub batch_bytes: usize,
}

impl Default for Compaction {
    fn default() -> Self {
        Compaction {
            min_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: None,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            map_bytes: 128 << 20,
            batch_bytes: DEFAULT_LIMIT,
        }
    }
}

/// So much is read in a step, in bytes.
const STEP: usize = 4 << 20;
/// What a key takes in the map besides its bytes.
const KEY: usize = 48;

/// What is known of the keys of a pass.
#[derive(Debug, Default)]
struct Map {
    last: BTreeMap<Box<[u8]>, i64>,
    bytes: usize,
    /// Everything in front of this was looked at.
    upto: Index,
    /// How often the partition had been cut by then.
    cuts: u64,
}

/// Transactions that were aborted, by who wrote them: first and last offsets.
#[derive(Debug, Default)]
struct Skipped(BTreeMap<i64, Vec<Range<i64>>>);

impl Skipped {
    fn of(shared: &Shared) -> Self {
        let mut skipped = Skipped::default();
        for aborted in shared.state.lock().derived.transactions.all_aborted() {
            let range = aborted.first.0 as i64..aborted.last.0 as i64;
            skipped.0.entry(aborted.producer).or_default().push(range);
        }
        skipped
    }

    fn has(&self, batch: &BatchHeader) -> bool {
        batch.is_transactional()
            && self.0.get(&batch.producer_id).is_some_and(|ranges| {
                let behind = ranges.partition_point(|range| range.end <= batch.base_offset);
                ranges.get(behind).is_some_and(|range| range.contains(&batch.base_offset))
            })
    }
}

enum Phase {
    Rest,
    Mapping(Box<Mapping>),
    Cleaning(Box<Cleaning>),
}

struct Mapping {
    reader: Reader<Batches>,
    /// What lies behind is the newest segment's, too young, or not decided.
    limit: Index,
    map: Map,
    skipped: Skipped,
}

struct Cleaning {
    map: Map,
    skipped: Skipped,
    /// Segments that are to be written as one.
    groups: VecDeque<Range<Index>>,
    /// Producers whose transaction, as far as it was read, has batches that stay.
    alive: BTreeSet<i64>,
    /// What was clean for long: tombstones in front of this go.
    horizon: Index,
    group: Option<Group>,
    /// No group was left as it was: only then are old values gone of which a tombstone says so.
    whole: bool,
}

struct Group {
    reader: Reader<Batches>,
    end: Index,
    rewrite: Rewrite<Batches>,
    /// Something was left out, or several segments become one.
    changes: bool,
}

/// Compacts a partition, step by step: a job's work. It holds up no append and no read.
pub struct Compactor {
    partition: Partition,
    phase: Phase,
}

impl std::fmt::Debug for Compactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compactor").field("partition", &self.partition).finish_non_exhaustive()
    }
}

fn batch(entry: &Entry, shared: &Shared) -> Result<Batch> {
    Batch::new(entry.payload.clone()).map_err(|error| broken(shared, entry, error))
}

fn broken(shared: &Shared, entry: &Entry, error: BatchError) -> Error {
    Error::corrupt(&shared.dir, 0, format!("batch {} cannot be compacted: {error}", entry.index))
}

impl Compactor {
    pub(super) fn new(partition: Partition) -> Self {
        Compactor { partition, phase: Phase::Rest }
    }

    /// Does some of the work. [`Progress::Idle`] when there is none: ask again when more was appended.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a batch whose records are no records, [`Error::Io`] from the disk. The pass is given up, and the
    /// log as it was; the next step begins another one.
    pub fn step(&mut self, now: i64, how: &Compaction) -> Result<Progress> {
        let phase = std::mem::replace(&mut self.phase, Phase::Rest);
        let next = match phase {
            Phase::Rest => self.begin(now, how)?,
            Phase::Mapping(mapping) => Some(self.map(mapping, now, how)?),
            Phase::Cleaning(cleaning) => self.clean(cleaning, now, how)?,
        };
        match next {
            Some(phase) => {
                self.phase = phase;
                Ok(Progress::Busy)
            }
            None => Ok(Progress::Idle),
        }
    }

    fn begin(&self, now: i64, how: &Compaction) -> Result<Option<Phase>> {
        let shared = &self.partition.shared;
        let cuts = shared.cuts.load(Ordering::Acquire);
        let stable = self.partition.bounds().last_stable;
        let clean = shared.passes.lock().clean();
        if let Some(most) = how.max_lag_ms {
            shared.roll_older(&shared.state.lock(), now, most);
        }
        let segments = shared.log.segments()?;
        let Some((_, full)) = segments.split_last() else { return Ok(None) };
        let young = |latest: i64| how.min_lag_ms > 0 && now.saturating_sub(latest) < how.min_lag_ms;
        let within = full
            .iter()
            .take_while(|segment| segment.end <= clean || segment.end <= stable && !segment.latest.is_some_and(young));
        let (mut all, mut dirty, mut limit) = (0, 0, Index(0));
        for segment in within {
            all += segment.bytes;
            if segment.end > clean {
                dirty += segment.bytes;
            }
            limit = segment.end;
        }
        if limit <= clean {
            return Ok(None);
        }
        if (dirty as f64) < all as f64 * how.min_dirty_ratio && !self.is_overdue(clean, now, how)? {
            return Ok(None);
        }
        let reader = shared.log.reader(clean);
        let map = Map { upto: clean, cuts, ..Map::default() };
        Ok(Some(Phase::Mapping(Box::new(Mapping { reader, limit, map, skipped: Skipped::of(shared) }))))
    }

    /// Whether the first dirty batch waits for longer than it may.
    fn is_overdue(&self, clean: Index, now: i64, how: &Compaction) -> Result<bool> {
        let Some(most) = how.max_lag_ms else { return Ok(false) };
        let shared = &self.partition.shared;
        let Some(first) = shared.log.reader(clean).next()? else { return Ok(false) };
        Ok(now.saturating_sub(shared.header(&first)?.max_timestamp) >= most)
    }

    fn map(&self, mut mapping: Box<Mapping>, now: i64, how: &Compaction) -> Result<Phase> {
        let shared = &self.partition.shared;
        let Mapping { reader, limit, map, skipped } = &mut *mapping;
        let mut read = 0;
        while read < STEP {
            let entry = reader.next()?.filter(|entry| entry.end <= *limit);
            // What has no room waits for the next pass; one batch has.
            let full = map.bytes >= how.map_bytes.max(1);
            let Some(entry) = entry.filter(|_| !full) else {
                if !full {
                    map.upto = *limit;
                }
                return Ok(Phase::Cleaning(self.cleaning(*mapping, now, how)?));
            };
            read += entry.payload.len();
            map.upto = entry.end;
            let batch = batch(&entry, shared)?;
            if batch.header().is_control() || skipped.has(batch.header()) {
                continue;
            }
            for record in batch.records(how.batch_bytes).map_err(|error| broken(shared, &entry, error))? {
                let record = record.map_err(|error| broken(shared, &entry, error))?;
                let Some(key) = record.key else { continue };
                if map.last.insert(Box::from(&key[..]), record.offset).is_none() {
                    map.bytes += key.len() + KEY;
                }
            }
        }
        Ok(Phase::Mapping(mapping))
    }

    fn cleaning(&self, mapping: Mapping, now: i64, how: &Compaction) -> Result<Box<Cleaning>> {
        let Mapping { limit, map, skipped, .. } = mapping;
        let shared = &self.partition.shared;
        {
            // The ends of transactions that were taken into account, and what took the place of what is about to go.
            shared.log.sync()?;
            // Leader epochs, sequence numbers and aborted transactions follow from batches that are about to go.
            let _keeping = shared.keeping.lock();
            shared.save_for(limit)?;
        }
        let segments = shared.log.segments()?;
        let mut groups: VecDeque<Range<Index>> = VecDeque::new();
        let mut bytes = 0;
        for segment in segments.iter().take_while(|segment| segment.end <= limit && segment.first < map.upto) {
            match groups.back_mut() {
                Some(group) if bytes + segment.bytes <= shared.options.segment_bytes => group.end = segment.end,
                _ => {
                    groups.push_back(segment.first..segment.end);
                    bytes = 0;
                }
            }
            bytes += segment.bytes;
        }
        let horizon = shared.passes.lock().clean_since(now.saturating_sub(how.delete_retention_ms));
        let alive = BTreeSet::new();
        Ok(Box::new(Cleaning { map, skipped, groups, alive, horizon, group: None, whole: true }))
    }

    fn clean(&self, mut cleaning: Box<Cleaning>, now: i64, how: &Compaction) -> Result<Option<Phase>> {
        let shared = &self.partition.shared;
        let mut read = 0;
        while read < STEP {
            let Some(group) = &mut cleaning.group else {
                let Some(range) = cleaning.groups.pop_front() else {
                    let _keeping = shared.keeping.lock();
                    if cleaning.whole && shared.cuts.load(Ordering::Acquire) == cleaning.map.cuts {
                        let mut passes = shared.passes.lock();
                        passes.passed(cleaning.map.upto, now, now.saturating_sub(how.delete_retention_ms));
                        passes.write(&*shared.vfs, &shared.dir)?;
                    }
                    return Ok(Some(Phase::Rest));
                };
                let several = shared.log.segments()?.iter().any(|at| at.first > range.start && at.first < range.end);
                match shared.log.rewrite(range.clone())? {
                    Some(rewrite) => {
                        let reader = shared.log.reader(range.start);
                        cleaning.group = Some(Group { reader, end: range.end, rewrite, changes: several });
                    }
                    // Some were deleted meanwhile; the next pass looks anew at what is left.
                    None => cleaning.whole &= range.end <= shared.log.bounds().start,
                }
                continue;
            };
            let entry = group.reader.next()?.filter(|entry| entry.end <= group.end);
            let Some(entry) = entry else {
                let group = cleaning.group.take();
                if let Some(group) = group.filter(|group| group.changes) {
                    let _keeping = shared.keeping.lock();
                    if shared.cuts.load(Ordering::Acquire) != cleaning.map.cuts {
                        // The last record of a key may be among what was cut off.
                        return Ok(Some(Phase::Rest));
                    }
                    cleaning.whole &= group.rewrite.finish()?;
                }
                continue;
            };
            read += entry.payload.len();
            let kept =
                cleaning.map.kept(&cleaning.skipped, &mut cleaning.alive, cleaning.horizon, &entry, shared, how)?;
            let group = cleaning.group.as_mut().expect("it was there");
            match kept {
                Kept::All => group.rewrite.push(&entry.payload)?,
                Kept::Some(bytes) => {
                    group.changes = true;
                    group.rewrite.push(&bytes)?;
                }
                Kept::None => group.changes = true,
            }
        }
        Ok(Some(Phase::Cleaning(cleaning)))
    }
}

enum Kept {
    All,
    Some(Bytes),
    None,
}

impl Map {
    fn keeps(&self, record: &Record, horizon: Index) -> bool {
        // Nothing says what a record without a key takes the place of: as in Kafka, it goes with the first pass.
        let Some(key) = &record.key else { return record.offset >= self.upto.0 as i64 };
        if self.last.get(&key[..]).is_some_and(|last| record.offset < *last) {
            return false;
        }
        record.value.is_some() || record.offset >= horizon.0 as i64
    }

    /// What stays of a batch.
    fn kept(
        &self,
        skipped: &Skipped,
        alive: &mut BTreeSet<i64>,
        horizon: Index,
        entry: &Entry,
        shared: &Shared,
        how: &Compaction,
    ) -> Result<Kept> {
        let batch = batch(entry, shared)?;
        let header = batch.header();
        let producer = header.producer_id;
        if header.is_control() {
            // It says what becomes of records that are still there, or was not seen by all, or is all that tells of an epoch.
            let stays = alive.remove(&producer) || entry.end > horizon || self.is_last(header, shared);
            return Ok(if stays { Kept::All } else { Kept::None });
        }
        let (mut kept, mut all) = (Vec::new(), !skipped.has(header));
        if all {
            for record in batch.records(how.batch_bytes).map_err(|error| broken(shared, entry, error))? {
                let record = record.map_err(|error| broken(shared, entry, error))?;
                match self.keeps(&record, horizon) {
                    true => kept.push(record),
                    false => all = false,
                }
            }
        }
        // The last batch of a producer stays, empty if need be: who replays the log learns its sequence number from it.
        if kept.is_empty() && !self.is_last(header, shared) {
            return Ok(Kept::None);
        }
        if header.is_transactional() {
            alive.insert(producer);
        }
        if all {
            return Ok(Kept::All);
        }
        let mut rest = BatchBuilder::rewrite(header).map_err(|error| broken(shared, entry, error))?;
        kept.iter().for_each(|record| rest.keep(record));
        if rest.is_empty() {
            rest.header.max_timestamp = header.max_timestamp;
        }
        rest.finish().map(Kept::Some).map_err(|error| broken(shared, entry, error))
    }

    fn is_last(&self, header: &BatchHeader, shared: &Shared) -> bool {
        let state = shared.state.lock();
        let Some(known) = state.derived.producers.0.get(&header.producer_id) else { return false };
        match known.sent.back() {
            Some(last) => last.base.0 as i64 == header.base_offset,
            None => header.is_control() && header.producer_epoch == known.epoch,
        }
    }
}
