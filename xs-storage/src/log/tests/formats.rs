//! Files as they were written on the day that a format was settled, kept as bytes: they are read for ever.

use std::path::PathBuf;

use xs_os::vfs::{Open, SystemVfs, VfsExt};

use super::*;
use crate::testing::log::Entries;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A copy of a fixture, to be opened.
fn kept(name: &str) -> MemoryVfs {
    let (disk, from) = (MemoryVfs::new(), fixture(name));
    for file in SystemVfs.list(&from).expect("the fixture is part of the source") {
        let bytes = SystemVfs.read(&from.join(&file), 1 << 20).unwrap();
        disk.put(&Path::new(DIR).join(&file), Arc::new(bytes)).unwrap();
    }
    disk
}

#[test]
fn a_log_of_format_1_stays_readable() {
    let log = open(&kept("log-1"));
    let mut expected: Vec<_> = (3..40).map(|n| (n, payload(n))).collect();
    expected.extend((40..60).map(|n| (n, payload(n + 1000))));
    assert_eq!(read(&log, 0), expected);
    assert_eq!(log.append(&[b"goes on"]).unwrap().0, Index(60));
}

#[test]
#[ignore = "writes the fixture, which stays as it is until there is a format 2"]
fn write_the_fixture_of_format_1() {
    let dir = fixture("log-1");
    assert_eq!(FORMAT, 1);
    let jobs = SteppedJobs::new();
    let options = || LogOptions { first: Index(3), spares: 0, ..small(&jobs) };
    let log = Log::open(Arc::new(SystemVfs), &dir, options()).unwrap();
    (3..50).for_each(|n| drop(log.append(&[&payload(n)]).unwrap()));
    drop(log);
    let log = Log::open(Arc::new(SystemVfs), &dir, options()).unwrap();
    log.truncate_from(Index(40)).unwrap();
    (40..60).for_each(|n| drop(log.append(&[&payload(n + 1000)]).unwrap()));
}

/// Entries in two segments and more, the tail cut once, each durable when the next comes: so both slots of the watermark
/// are written, and the newer one speaks of the last entry.
fn fill_foreign<F: Entries>(vfs: Arc<dyn Vfs>, dir: &Path) -> Vec<(u64, Vec<u8>)> {
    let jobs = SteppedJobs::new();
    let log = Log::open_with(vfs, dir, small(&jobs), F::default()).unwrap();
    for n in 0..60 {
        log.append(&[&F::payload(n, 20 + n as usize * 13 % 200)]).unwrap().1.wait().unwrap();
        jobs.run_until_idle(10);
        if n == 50 {
            log.truncate_from(Index(log.bounds().end.0 - 9)).unwrap();
        }
    }
    F::joined(read(&log, 0))
}

fn stays_readable<F: Entries>(name: &str) {
    let written = fill_foreign::<F>(Arc::new(MemoryVfs::new()), Path::new(DIR));
    let disk = kept(name);
    let again = |disk: &MemoryVfs| {
        Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), F::default())
            .map(|log| (F::joined(read(&log, 0)), log.bounds().end))
    };
    assert_eq!(again(&disk.fork()).unwrap().0, written);
    // The watermark is understood as well: without the newest entry, opening says that it was promised.
    let newest = disk.files().into_iter().rfind(|(path, _)| path.extension().is_some()).unwrap().0;
    let used = disk.read(&newest, 1 << 20).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    disk.open(&newest, Open::Write).unwrap().set_len(used as u64 - 20).unwrap();
    let error = again(&disk).unwrap_err();
    assert!(error.is_corrupt() && error.to_string().contains("watermark"), "{error}");
    // And it is what vouches for that.
    disk.remove(&Path::new(DIR).join("watermark")).unwrap();
    assert!(again(&disk).unwrap().0.len() <= written.len());
}

#[test]
fn batches_and_their_watermark_of_format_1_stay_readable() {
    stays_readable::<Batches>("log-1-batches");
}

#[test]
fn raw_bytes_and_their_watermark_of_format_1_stay_readable() {
    stays_readable::<Raw>("log-1-raw");
}

#[test]
#[ignore = "writes the fixtures of foreign framings, which stay as they are until there is a format 2"]
fn write_the_foreign_fixtures_of_format_1() {
    assert_eq!(FORMAT, 1);
    fill_foreign::<Batches>(Arc::new(SystemVfs), &fixture("log-1-batches"));
    fill_foreign::<Raw>(Arc::new(SystemVfs), &fixture("log-1-raw"));
}
