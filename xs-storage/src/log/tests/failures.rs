//! Disks that fail while the log is written.

use std::future::Future;

use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};

use super::*;

/// A log with five durable entries and one that is not, on a disk that then begins to fail.
fn failing(fault: impl FnOnce(&FaultyVfs)) -> (FaultyVfs, Log, Commit, Commit) {
    let disk = FaultyVfs::new(1);
    let log = open(&disk);
    for n in 0..5 {
        log.append(&[&payload(n)]).unwrap().1.wait().unwrap();
    }
    let durable = log.append(&[&payload(5)]).unwrap().1;
    log.sync().unwrap();
    let lost = log.append(&[&payload(6)]).unwrap().1;
    fault(&disk);
    (disk, log, durable, lost)
}

fn stays_readable_and_recovers(disk: &FaultyVfs, log: Log) {
    let expected: Vec<_> = (0..6).map(|n| (n, payload(n))).collect();
    assert!(matches!(log.append(&[b"more"]), Err(Error::Stopped { .. })));
    assert!(matches!(log.sync(), Err(Error::Stopped { .. })));
    assert!(matches!(log.truncate_from(Index(2)), Err(Error::Stopped { .. })));
    assert_eq!(log.bounds(), Index(0)..Index(6));
    assert_eq!(read(&log, 0), expected);
    drop(log);
    disk.heal();
    let log = open(disk);
    assert!(read(&log, 0).starts_with(&expected));
    log.append(&[b"more"]).unwrap().1.wait().unwrap();
}

#[test]
fn after_a_failed_sync_nothing_is_promised_any_more() {
    let (disk, log, durable, lost) = failing(|disk| disk.fail(Fault::of(Operation::Sync)));
    assert!(matches!(lost.wait(), Err(Error::Stopped { .. })));
    durable.wait().unwrap();
    stays_readable_and_recovers(&disk, log);
}

#[test]
fn after_a_failed_write_nothing_is_promised_any_more() {
    let (disk, log, _, lost) = failing(|disk| disk.fail(Fault::of(Operation::Write)));
    assert!(matches!(lost.wait(), Err(Error::Stopped { .. })));
    stays_readable_and_recovers(&disk, log);
}

#[test]
fn a_full_disk_stops_the_log_and_leaves_it_readable() {
    let disk = FaultyVfs::new(1);
    let jobs = SteppedJobs::new();
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    disk.set_capacity(Some(12_000));
    let mut durable = 0;
    let error = loop {
        let appended = log.append(&[&payload(durable)]).and_then(|(_, commit)| commit.wait());
        match appended {
            Ok(()) => durable += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert!(durable > 60);
    let expected: Vec<_> = (0..durable).map(|n| (n, payload(n))).collect();
    assert_eq!(read(&log, 0), expected);
    drop(log);
    // What was set aside is enough to open it.
    let log = open(&disk);
    assert!(read(&log, 0).starts_with(&expected));
    disk.set_capacity(None);
    log.append(&[b"more"]).unwrap().1.wait().unwrap();
}

#[test]
fn whatever_call_fails_the_durable_is_there() {
    for operation in [Operation::Write, Operation::Sync, Operation::SetLen, Operation::SyncDir, Operation::Rename]
        .into_iter()
        .chain([Operation::Open, Operation::Remove])
    {
        for after in 0..40 {
            let disk = FaultyVfs::new(after);
            disk.fail(Fault::of(operation).after(after));
            let (mut durable, mut submitted) = (0, 0);
            for _ in 0..3 {
                let jobs = SteppedJobs::new();
                let Ok(log) = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)) else { continue };
                // A read that failed may be tried again.
                let found = try_read(&log, 0).or_else(|_| try_read(&log, 0)).unwrap();
                let first = log.bounds().start.0;
                assert!(first + found.len() as u64 >= durable && first <= durable, "{operation:?} {after}");
                assert!(found.iter().all(|(n, bytes)| payload(*n) == *bytes));
                submitted = first + found.len() as u64;
                durable = submitted;
                for _ in 0..60 {
                    let Ok((_, commit)) = log.append(&[&payload(submitted)]) else { break };
                    submitted += 1;
                    if commit.wait().is_ok() {
                        durable = submitted;
                    }
                    jobs.step();
                }
                let _ = log.trim_to(Index(durable.saturating_sub(30)));
            }
            disk.heal();
            let log = open(&disk);
            assert!(log.bounds().end.0 >= durable && log.bounds().end.0 <= submitted, "{operation:?} {after}");
        }
    }
}

/// A log whose job has two kilobytes to sync behind the writers.
fn filled_without_waiting() -> (FaultyVfs, SteppedJobs, Log) {
    let (disk, jobs) = (FaultyVfs::new(1), SteppedJobs::new());
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    log.append(&[b"durable"]).unwrap().1.wait().unwrap();
    for n in 0..2 {
        drop(log.append(&[&[n; 1100]]).unwrap());
    }
    (disk, jobs, log)
}

#[test]
fn what_nobody_waits_for_is_synced_in_the_background() {
    let (disk, jobs, log) = filled_without_waiting();
    let syncs = log.stats().syncs;
    jobs.step();
    assert_eq!(log.stats().syncs, syncs + 1);
    assert_eq!(log.durable(), Index(3));
    let crashed = disk.crash(&mut xs_os::Rng::from_seed(1));
    assert_eq!(open(&crashed).bounds(), Index(0)..Index(3));
}

#[test]
fn a_sync_that_failed_in_the_background_is_missed_by_nobody() {
    let (disk, jobs, log) = filled_without_waiting();
    // Once: the next sync of the file would succeed, and promise what is gone.
    disk.fail(Fault::of(Operation::Sync));
    jobs.step();
    assert!(log.stopped().is_some());
    assert!(matches!(log.sync(), Err(Error::Stopped { .. })));
    assert!(matches!(log.append(&[b"more"]), Err(Error::Stopped { .. })));
    assert_eq!(log.bounds(), Index(0)..Index(1));
    drop(log);
    assert_eq!(read(&open(&disk), 0)[0], (0, b"durable".to_vec()));
}

#[test]
fn a_background_sync_that_fails_reaches_whoever_awaits() {
    let (disk, jobs, log) = filled_without_waiting();
    let commit = log.append(&[b"awaited"]).unwrap().1;
    disk.fail(Fault::of(Operation::Sync));
    let mut commit = std::pin::pin!(commit);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(commit.as_mut().poll(&mut cx).is_pending());
    jobs.run_until_idle(10);
    assert!(matches!(commit.poll(&mut cx), std::task::Poll::Ready(Err(Error::Stopped { .. }))));
}

#[test]
fn a_segment_that_finds_no_more_room_refuses_what_does_not_fit() {
    let disk = FaultyVfs::new(1);
    let open = || Log::open_with(disk.vfs(), Path::new(DIR), small(&SteppedJobs::new()), Batches::default());
    let log = open().unwrap();
    let append = |log: &Log<Batches>| {
        log.append(&[&<Batches as crate::testing::log::Entries>::payload(7, 100)]).and_then(|(_, commit)| commit.wait())
    };
    append(&log).unwrap();
    disk.set_capacity(Some(log.stats().disk_bytes));
    let mut fit = 1;
    let error = loop {
        match append(&log) {
            Ok(()) => fit += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    drop(log);
    disk.set_capacity(None);
    let log = open().unwrap();
    assert_eq!(log.bounds().end, Index(fit), "what was acknowledged, and nothing else");
    append(&log).unwrap();
}

#[test]
fn on_a_full_disk_spares_make_room_for_what_fits_none() {
    let disk = FaultyVfs::new(1);
    let jobs = SteppedJobs::new();
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    (0..30).for_each(|n| log.append(&[&payload(n)]).unwrap().1.wait().unwrap());
    jobs.run_until_idle(1000);
    let used = log.stats().disk_bytes;
    assert_eq!(used, 2 * 4096, "a segment, and a spare");
    disk.set_capacity(Some(used + 3000));
    log.append(&[&[7; 6000]]).unwrap().1.wait().unwrap();
    assert_eq!(log.stats().segments, 2);
    let error = log.append(&[&[7; 6000]]).and_then(|(_, commit)| commit.wait()).unwrap_err();
    assert!(error.is_full(), "{error}");
}
