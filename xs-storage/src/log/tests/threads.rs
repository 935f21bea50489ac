//! Many threads, one log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::{Rng, ThreadJobs};

use super::*;

const THREADS: usize = 8;

/// An entry that says whose it is and which.
fn entry(thread: usize, n: u64) -> Vec<u8> {
    let mut bytes = vec![thread as u8; 3 + (n % 60) as usize];
    bytes.splice(0..0, n.to_le_bytes());
    bytes
}

/// For each thread, how many of its entries are there: which must be the first ones, in order.
fn tally(entries: Vec<(u64, Vec<u8>)>) -> Vec<u64> {
    let mut found = vec![0; THREADS];
    for (_, bytes) in entries {
        let thread = bytes[8] as usize;
        assert_eq!(bytes, entry(thread, found[thread]));
        found[thread] += 1;
    }
    found
}

#[test]
fn what_is_acknowledged_survives_and_what_is_not_comes_in_order() {
    let disk = FaultyVfs::new(3);
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    let acknowledged: Vec<AtomicU64> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for (thread, acknowledged) in acknowledged.iter().enumerate() {
            let (log, running) = (&log, &running);
            scope.spawn(move || {
                for n in 0..100_000 {
                    let (_, commit) = log.append(&[&entry(thread, n)]).unwrap();
                    if n % 3 != 0 {
                        commit.wait().unwrap();
                        acknowledged.store(n + 1, Ordering::SeqCst);
                    }
                    if !running.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let crashes = (0..60).map(|seed| {
            let promised: Vec<_> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            let after = disk.crash(&mut Rng::from_seed(seed));
            (promised, after)
        });
        let crashes: Vec<_> = crashes.collect();
        running.store(false, Ordering::Relaxed);
        for (promised, after) in crashes {
            let found = tally(read(&open(&after), 0));
            assert!(found.iter().zip(&promised).all(|(found, promised)| found >= promised), "{found:?} {promised:?}");
        }
    });
    let total: u64 = tally(read(&log, 0)).iter().sum();
    assert_eq!(log.bounds().end, Index(total));
    assert!(log.stats().syncs < total, "{} syncs for {total} entries", log.stats().syncs);
}

#[test]
fn everybody_is_told_that_the_log_has_stopped() {
    for after in 0..20 {
        let disk = FaultyVfs::new(after);
        let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
        let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
        disk.fail(Fault::of(Operation::Sync).after(after).forever());
        let acknowledged: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let log = &log;
                    scope.spawn(move || {
                        let durable = |n| log.append(&[&entry(thread, n)]).and_then(|(_, commit)| commit.wait());
                        (0..).find(|n| durable(*n).is_err()).expect("the disk fails")
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // Readers see what was promised and not more.
        assert_eq!(tally(read(&log, 0)), acknowledged);
        drop(log);
        let after = disk.crash(&mut Rng::from_seed(after));
        let found = tally(read(&open(&after), 0));
        assert!(found.iter().zip(&acknowledged).all(|(found, acknowledged)| found >= acknowledged));
    }
}

#[test]
fn readers_follow_while_others_write() {
    let disk = MemoryVfs::new();
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    const EACH: u64 = 2000;
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..EACH {
                    let (_, commit) = log.append(&[&entry(thread, n)]).unwrap();
                    if n % 16 == 0 {
                        commit.wait().unwrap();
                    }
                }
            });
        }
        for from in [0, 1, 500] {
            let log = &log;
            scope.spawn(move || {
                let mut reader = log.reader(Index(from));
                let mut next = from;
                while next < 2 * EACH {
                    match reader.next().unwrap() {
                        Some(entry) => {
                            assert_eq!(entry.index.0, next);
                            next += 1;
                        }
                        None => std::thread::yield_now(),
                    }
                }
            });
        }
    });
}

#[test]
fn waiting_for_what_others_write_never_hangs() {
    // Every wait is for an entry of another thread, so each has to be woken by somebody else's turn.
    let disk = MemoryVfs::new();
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<Commit>();
    let receiver = parking_lot::Mutex::new(receiver);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (log, sender, receiver) = (&log, sender.clone(), &receiver);
            scope.spawn(move || {
                for n in 0..3000 {
                    sender.send(log.append(&[&payload(n)]).unwrap().1).unwrap();
                    let commit = receiver.lock().recv().unwrap();
                    commit.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(log.durable(), Index(12_000));
}

#[test]
fn a_reader_of_bytes_follows_while_they_are_written() {
    let disk = MemoryVfs::new();
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open_with(disk.vfs(), Path::new(DIR), options, Raw).unwrap();
    const BYTES: u64 = 400_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..BYTES).step_by(40) {
                let bytes: Vec<u8> = (at..at + 40).map(|at| (at % 251) as u8).collect();
                drop(log.append(&[&bytes]).unwrap());
            }
        });
        let mut reader = log.reader(Index(0));
        let mut next = 0;
        while next < BYTES {
            let Some(entry) = reader.next().unwrap() else { continue };
            assert_eq!(entry.index.0, next);
            assert!(entry.payload.iter().zip(next..).all(|(byte, at)| *byte == (at % 251) as u8));
            next = entry.end.0;
        }
    });
}

/// Who closes a store and opens it again at once finds nobody in its way: no step of the background holds the directory.
#[test]
fn a_closed_log_can_be_opened_again_at_once() {
    let disk = MemoryVfs::new();
    for n in 0..300_u64 {
        let options = LogOptions { segment_bytes: 4096, ..LogOptions::default() };
        let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
        assert_eq!(log.bounds().end, Index(n));
        log.append(&[&[b'x'; 500]]).unwrap().1.wait().unwrap();
    }
}

/// Whoever appends while somebody syncs goes on in memory; what it left there is written though nobody comes again.
#[test]
fn what_came_while_the_disk_was_busy_is_written_behind_it() {
    let disk = FaultyVfs::new(1);
    let options = LogOptions {
        jobs: Arc::new(ThreadJobs::new()),
        segment_bytes: 1 << 20,
        background_sync_bytes: u64::MAX,
        ..small(&SteppedJobs::new())
    };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    let until = |holds: &dyn Fn(&Log) -> bool| {
        let holds = (0..10_000).any(|_| holds(&log) || (std::thread::sleep(Duration::from_millis(1)), false).1);
        assert!(holds, "not in ten seconds");
    };
    std::thread::scope(|scope| {
        let (_, commit) = log.append(&[b"awaited"]).unwrap();
        disk.hold(Operation::Sync);
        scope.spawn(|| commit.wait().unwrap());
        until(&|log| log.stats().buffered_bytes == 0);
        for n in 0..5 {
            drop(log.append(&[&[n; 1000]]).unwrap());
        }
        // Its job has looked by now, and found somebody at the disk.
        std::thread::sleep(Duration::from_millis(50));
        assert!(log.stats().buffered_bytes > 5000);
        disk.release();
    });
    until(&|log| log.stats().buffered_bytes == 0);
}
