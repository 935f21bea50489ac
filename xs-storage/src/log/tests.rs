//! The log against a `Vec`, and against what disks do.

use std::path::Path;
use std::sync::Arc;

use xs_os::SteppedJobs;
use xs_os::vfs::MemoryVfs;

use super::*;

const DIR: &str = "log";

fn small() -> LogOptions {
    LogOptions { segment_bytes: 4096, buffer_bytes: 1024, jobs: Arc::new(SteppedJobs::new()), ..LogOptions::default() }
}

fn open(disk: &MemoryVfs) -> Log {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), small()).unwrap()
}

fn payloads<F: framing::Framing>(log: &Log<F>, from: u64) -> Vec<(u64, Vec<u8>)> {
    let mut reader = log.reader(Index(from));
    let mut found = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        found.push((entry.index.0, entry.payload.to_vec()));
    }
    found
}

#[test]
fn what_is_appended_is_read_at_once_and_after_reopening() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    let expected: Vec<_> = (0..500_u64).map(|n| (n, vec![n as u8; (n % 90) as usize])).collect();
    for (n, payload) in &expected {
        let (index, commit) = log.append(&[&payload[..payload.len() / 2], &payload[payload.len() / 2..]]).unwrap();
        assert_eq!(index, Index(*n));
        if n % 7 == 0 {
            commit.wait().unwrap();
        }
    }
    assert!(log.stats().segments > 3);
    assert_eq!(payloads(&log, 0), expected);
    assert_eq!(payloads(&log, 321), expected[321..]);
    drop(log);
    let log = open(&disk);
    assert_eq!(payloads(&log, 0), expected);
    assert_eq!(log.bounds(), Index(0)..Index(500));
    log.truncate_from(Index(123)).unwrap();
    assert_eq!(log.append(&[b"new"]).unwrap().0, Index(123));
    log.sync().unwrap();
    drop(log);
    let log = open(&disk);
    assert_eq!(payloads(&log, 0)[..123], expected[..123]);
    assert_eq!(payloads(&log, 123), [(123, b"new".to_vec())]);
}
