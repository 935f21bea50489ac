//! The partition against a plain `Vec`, over crashes, and as brokers use it.

mod compaction;
mod crashes;
mod damage;
mod life;
mod model;
mod uses;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_os::SteppedJobs;
use xs_os::vfs::Vfs;
use xs_proto::kafka::records::BatchBuilder;

use super::*;

const DIR: &str = "partition";
const NOW: i64 = 1_700_000_000_000;

/// Options under which everything happens soon.
fn small() -> PartitionOptions {
    PartitionOptions {
        segment_bytes: 4096,
        buffer_bytes: 1024,
        background_sync_bytes: 1500,
        segment_ms: None,
        jobs: Arc::new(SteppedJobs::new()),
        ..PartitionOptions::default()
    }
}

fn try_open(vfs: Arc<dyn Vfs>) -> Result<Partition> {
    Partition::open(vfs, Path::new(DIR), small())
}

fn open(vfs: &(impl Vfs + Clone + 'static)) -> Partition {
    try_open(Arc::new(vfs.clone())).unwrap()
}

fn at(now: i64) -> Append {
    Append { leader_epoch: 0, now, stamp: false, keyed: false }
}

/// A batch as a producer sends it; nobody's, if the id is -1.
fn batch(producer: i64, epoch: i16, sequence: i32, values: &[&[u8]], time: i64) -> Bytes {
    let mut batch = BatchBuilder::new();
    (batch.header.producer_id, batch.header.producer_epoch, batch.header.base_sequence) = (producer, epoch, sequence);
    values.iter().for_each(|value| batch.append(time, None, Some(value)));
    batch.finish().unwrap()
}

/// A batch of nobody's, of so many records.
fn plain(n: u64, records: usize, time: i64) -> Bytes {
    let value: Vec<u8> = (0..10 + n * 7 % 90).map(|at| (n + at) as u8).collect();
    batch(-1, -1, -1, &vec![&value[..]; records], time)
}

/// A batch of a producer's transaction.
fn in_transaction(producer: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
    let mut bytes = batch(producer, epoch, sequence, values, NOW).to_vec();
    bytes[22] |= 1 << 4;
    let sum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    bytes.into()
}

/// A batch as it is stored.
fn stored(batch: &Bytes, base: u64, epoch: i32) -> Vec<u8> {
    let mut bytes = batch.to_vec();
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes
}

/// The bytes from an offset to the end of what may be read.
fn try_bytes(partition: &Partition, from: u64, limit: u64, isolation: Isolation) -> Result<Vec<u8>, ReadError> {
    let (mut next, mut bytes) = (Index(from), Vec::new());
    loop {
        let fetched = partition.read(next, limit, isolation)?;
        for range in &fetched.ranges {
            bytes.extend(range.read()?);
        }
        if fetched.ranges.is_empty() {
            return Ok(bytes);
        }
        assert!(fetched.next > next, "{fetched:?}");
        next = fetched.next;
    }
}

fn bytes(partition: &Partition, from: u64) -> Vec<u8> {
    try_bytes(partition, from, 500, Isolation::Uncommitted).unwrap()
}

/// What is derived is what a replay of the whole log gives, as far as the log still has it.
fn derived_is_replayed(partition: &Partition) -> Result<(), String> {
    let shared = &partition.shared;
    let mut replayed = state::Derived::default();
    let mut reader = shared.log.reader(Index(0));
    while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
        let header = shared.header(&entry).unwrap();
        replayed.apply(&header, &entry.payload, entry.index, entry.end, header.max_timestamp);
    }
    let state = shared.state.lock();
    replayed.end = state.derived.end;
    replayed.trim(state.start);
    replayed.transactions.high_watermark(state.high);
    let mut derived = state.derived.clone();
    // A clock is no part of the log.
    for known in derived.producers.0.values_mut().chain(replayed.producers.0.values_mut()) {
        known.seen = 0;
        known.open.iter_mut().for_each(|open| open.since = 0);
    }
    if derived == replayed { Ok(()) } else { Err(format!("derived {derived:?}, replayed {replayed:?}")) }
}
