//! The log against a `Vec`, and against what disks do.

mod crashes;
mod damage;
mod failures;
mod formats;
mod model;
mod ranges;
mod threads;
mod trims;
mod uses;
mod written;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_os::SteppedJobs;
use xs_os::vfs::{MemoryVfs, Vfs};

use super::*;
use crate::engine::Commit;
use crate::{Error, Result};

const DIR: &str = "log";

/// Options under which everything happens soon.
fn small(jobs: &SteppedJobs) -> LogOptions {
    let jobs = Arc::new(jobs.clone());
    let (reserve_bytes, background_sync_bytes) = (600, 1500);
    let sizes = LogOptions { segment_bytes: 4096, reserve_bytes, buffer_bytes: 1024, ..LogOptions::default() };
    LogOptions { background_sync_bytes, jobs, ..sizes }
}

fn try_open(disk: &dyn CloneVfs) -> Result<Log> {
    Log::open(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()))
}

fn open(disk: &dyn CloneVfs) -> Log {
    try_open(disk).unwrap()
}

/// The disks of these tests.
trait CloneVfs {
    fn vfs(&self) -> Arc<dyn Vfs>;
}

impl<V: Vfs + Clone + 'static> CloneVfs for V {
    fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.clone())
    }
}

/// Everything from an index on, or what stops the reader.
fn try_read<F: Framing>(log: &Log<F>, from: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut reader = log.reader(Index(from));
    let mut found = Vec::new();
    while let Some(entry) = reader.next()? {
        found.push((entry.index.0, entry.payload.to_vec()));
    }
    Ok(found)
}

fn read<F: Framing>(log: &Log<F>, from: u64) -> Vec<(u64, Vec<u8>)> {
    try_read(log, from).unwrap()
}

/// A payload that tells its number, of a length that varies.
fn payload(n: u64) -> Vec<u8> {
    (0..8 + n * 7 % 150).map(|at| (n * 31 + at) as u8).collect()
}

/// Entries 0 to `n`, each with a commit of its own.
fn filled(disk: &MemoryVfs, n: u64) -> Vec<(u64, Vec<u8>)> {
    let log = open(disk);
    let entries: Vec<_> = (0..n).map(|n| (n, payload(n))).collect();
    for (_, payload) in &entries {
        log.append(&[payload]).unwrap().1.wait().unwrap();
    }
    entries
}

/// A batch as Kafka's producers make them, of so many records that it does not look into.
fn batch(base: u64, records: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 61];
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[8..12].copy_from_slice(&(49 + body.len() as u32).to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&records.to_be_bytes());
    bytes.extend_from_slice(body);
    let sum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    bytes
}
