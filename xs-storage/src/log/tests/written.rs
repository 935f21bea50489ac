//! What was answered to be written is there when the process is killed, and nobody waits for the disk to be told so.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::{Rng, ThreadJobs};

use super::*;

fn poll<F: Framing>(written: &mut Written<F>) -> Poll<Result<()>> {
    pin!(written).as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The log on the disk as the kernel knows it: what a process that is started again finds.
fn killed<F: Framing + Default>(disk: &MemoryVfs) -> Log<F> {
    let options = small(&SteppedJobs::new());
    Log::open_with(disk.fork().vfs(), Path::new(DIR), options, F::default()).unwrap()
}

#[test]
fn what_is_written_survives_the_process_at_once() {
    let disk = MemoryVfs::new();
    let log = open(&disk);
    // The first segment begins with this.
    log.append(&[b"one"]).unwrap().1.wait().unwrap();
    let syncs = log.stats().syncs;
    for entry in [b"two", b"six"] {
        drop(log.append(&[entry]).unwrap());
    }
    assert_eq!(killed::<Records>(&disk).bounds().end, Index(1));
    let written = log.write();
    assert!(matches!(written.outcome(), Some(Ok(()))));
    assert_eq!(killed::<Records>(&disk).bounds().end, Index(3));
    assert_eq!((log.stats().syncs, log.durable()), (syncs, Index(1)), "nothing was synced");
    written.wait().unwrap();
}

#[test]
fn entries_together_are_one_write() {
    let disk = FaultyVfs::new(1);
    let log = open(&disk);
    log.append(&[b"one"]).unwrap().1.wait().unwrap();
    for n in 0..10 {
        drop(log.append(&[&[n; 20]]).unwrap());
    }
    disk.fail(Fault::of(Operation::Write).after(1).forever());
    assert!(matches!(log.write().outcome(), Some(Ok(()))));
    assert!(matches!(log.write().outcome(), Some(Ok(()))), "and nothing is none");
}

#[test]
fn who_would_have_to_begin_a_segment_leaves_it_to_the_job() {
    let disk = MemoryVfs::new();
    let jobs = SteppedJobs::new();
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    log.append(&[b"one"]).unwrap().1.wait().unwrap();
    jobs.run_until_idle(100);
    log.roll();
    drop(log.append(&[b"two"]).unwrap());
    let (segments, mut written) = (disk.files().len(), log.write());
    assert!(written.outcome().is_none());
    assert_eq!(disk.files().len(), segments);
    assert!(poll(&mut written).is_pending());
    jobs.run_until_idle(100);
    assert!(matches!(poll(&mut written), Poll::Ready(Ok(()))));
    assert_eq!(killed::<Records>(&disk).bounds().end, Index(2));
}

#[test]
fn a_failed_write_is_told_to_who_awaits_it() {
    let disk = FaultyVfs::new(1);
    let log = open(&disk);
    log.append(&[b"one"]).unwrap().1.wait().unwrap();
    drop(log.append(&[b"two"]).unwrap());
    disk.fail(Fault::of(Operation::Write));
    let mut written = log.write();
    assert!(matches!(written.outcome(), Some(Err(Error::Stopped { .. }))));
    assert!(matches!(poll(&mut written), Poll::Ready(Err(Error::Stopped { .. }))));
    assert!(matches!(log.write().wait(), Err(Error::Stopped { .. })));
}

#[test]
fn what_is_asked_to_be_synced_is_durable_when_the_job_was_there() {
    let disk = FaultyVfs::new(1);
    let jobs = SteppedJobs::new();
    let log = Log::open(disk.vfs(), Path::new(DIR), small(&jobs)).unwrap();
    log.append(&[b"one"]).unwrap().1.wait().unwrap();
    drop(log.append(&[b"two"]).unwrap());
    log.write().wait().unwrap();
    jobs.run_until_idle(100);
    assert_eq!(log.durable(), Index(1));
    log.sync_behind();
    jobs.run_until_idle(100);
    assert_eq!(log.durable(), Index(2));
    let crashed = disk.crash(&mut Rng::from_seed(1));
    assert_eq!(open(&crashed).bounds().end, Index(2));
    // Nothing came since: there is nothing to be done.
    let syncs = log.stats().syncs;
    log.sync_behind();
    jobs.run_until_idle(100);
    assert_eq!(log.stats().syncs, syncs);
}

/// A sync beside the turn may end behind a cut.
#[test]
fn a_sync_behind_the_writers_makes_nothing_durable_that_was_cut() {
    let disk = FaultyVfs::new(1);
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    for n in 0..5 {
        drop(log.append(&[&payload(n)]).unwrap());
    }
    log.write().wait().unwrap();
    for _ in 0..20 {
        log.sync_behind();
        log.truncate_from(Index(2)).unwrap();
        assert!(log.durable() <= log.bounds().end);
        drop(log.append(&[&payload(2)]).unwrap());
        drop(log.append(&[&payload(3)]).unwrap());
        log.write().wait().unwrap();
        assert!(log.durable() <= log.bounds().end);
    }
}

fn any_calls<F: crate::testing::log::Entries>(seed: u64) {
    let mut rng = Rng::from_seed(seed);
    let (disk, jobs) = (MemoryVfs::new(), SteppedJobs::new());
    let log = Log::open_with(disk.vfs(), Path::new(DIR), small(&jobs), F::default()).unwrap();
    let (mut next, mut waiting) = (0, Vec::new());
    for call in 0..200 {
        match rng.below(12) {
            0 => drop(jobs.step()),
            1 => waiting.push((next, log.write())),
            2 if rng.chance(0.2) => log.sync().unwrap(),
            3 if rng.chance(0.2) => log.roll(),
            4 => log.sync_behind(),
            _ => {
                let size = if rng.chance(0.05) { 3000 } else { rng.index(200) };
                let (index, _) = log.append(&[&F::payload(call, size)]).unwrap();
                assert_eq!(index, Index(next));
                next = log.bounds().end.0;
            }
        }
        let mut promised = 0;
        for (upto, written) in &mut waiting {
            if written.outcome().is_some() || rng.chance(0.3) && poll(written).is_ready() {
                promised = promised.max(*upto);
            }
        }
        if rng.chance(0.1) {
            let found = killed::<F>(&disk).bounds().end.0;
            assert!((promised..=next).contains(&found), "seed {seed}: {found} of {promised} to {next}");
        }
    }
    // Whoever awaits is told, by nobody but the job.
    for (_, written) in &mut waiting {
        let _ = poll(written);
    }
    jobs.run_until_idle(1000);
    assert!(waiting.iter().all(|(_, written)| matches!(written.outcome(), Some(Ok(())))), "seed {seed}");
}

#[test]
fn no_kill_loses_what_was_written() {
    for seed in 0..60 {
        any_calls::<Records>(seed);
        any_calls::<Batches>(seed);
        any_calls::<Raw>(seed);
    }
}

#[test]
fn many_tasks_write_and_some_sync_and_nothing_told_is_lost() {
    let disk = MemoryVfs::new();
    let options = LogOptions { jobs: Arc::new(ThreadJobs::new()), ..small(&SteppedJobs::new()) };
    let log = Log::open(disk.vfs(), Path::new(DIR), options).unwrap();
    let (told, running) = (AtomicU64::new(0), AtomicBool::new(true));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (log, told, running) = (&log, &told, &running);
            scope.spawn(move || {
                let mut n = thread;
                while running.load(Ordering::Relaxed) {
                    let (index, commit) = log.append(&[&payload(n)]).unwrap();
                    match n % 8 {
                        0 => commit.wait().unwrap(),
                        1 => log.write().wait().unwrap(),
                        _ => block_on(log.write()).unwrap(),
                    }
                    told.fetch_max(index.0 + 1, Ordering::SeqCst);
                    n += 1;
                }
            });
        }
        for _ in 0..50 {
            std::thread::yield_now();
            let promised = told.load(Ordering::SeqCst);
            let found = killed::<Records>(&disk).bounds().end.0;
            assert!(found >= promised, "{found} of {promised}");
        }
        running.store(false, Ordering::Relaxed);
    });
}

/// A thread that sleeps until its task is woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
