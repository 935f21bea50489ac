//! What is measured: pools, and the work that they get.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, Thread};

/// Work without a result, from a thread that is none of the pool's.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// Hands over so many jobs that `make` makes, and returns when the last has ended.
pub(super) fn hand_over(count: u64, make: &dyn Fn(u64) -> Work, mut spawn: impl FnMut(Work)) {
    struct Left(AtomicU64, Thread);

    let left = Arc::new(Left(AtomicU64::new(count), thread::current()));
    for at in 0..count {
        let (work, left) = (make(at), left.clone());
        spawn(Box::new(move || {
            work();
            if left.0.fetch_sub(1, SeqCst) == 1 {
                left.1.unpark();
            }
        }));
    }
    while left.0.load(SeqCst) > 0 {
        thread::park();
    }
}

/// A pool.
pub(super) trait Subject {
    fn name(&self) -> &'static str;
    /// Lets `count` jobs run that `make` makes, and returns when the last has ended.
    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work);
    /// The numbers below `end` added up by forks down to `leaf` numbers each; none if it can't fork.
    fn add_up(&self, end: u64, leaf: u64) -> Option<u64>;
    /// Forks in two of such unlike sizes that one worker has most of it, unless it is stolen again and again.
    fn uneven(&self, nodes: u64) -> Option<u64>;
}

/// One line of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) jobs: u64,
    pub(super) run: fn(&dyn Subject, u64) -> Option<u64>,
    /// What it must answer.
    pub(super) answer: fn(u64) -> u64,
}

/// Some microsecond of computing.
pub(super) fn compute(seed: u64, rounds: u32) -> u64 {
    let mut z = seed;
    for _ in 0..rounds {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
    }
    z
}

/// The two parts of an uneven fork: one in eight, and the rest.
pub(super) fn parts(nodes: u64) -> (u64, u64) {
    let small = (nodes / 8).max(1);
    (small, nodes - small)
}

/// What a leaf of an uneven fork does.
pub(super) fn leaf(nodes: u64) -> u64 {
    (0..nodes).for_each(|node| {
        std::hint::black_box(compute(node, 20));
    });
    nodes
}

/// Nodes that are not forked any more.
pub(super) const SMALL: u64 = 16;

fn empty_jobs(subject: &dyn Subject, jobs: u64) -> Option<u64> {
    subject.run_all(jobs, &|_| Box::new(|| ()));
    Some(jobs)
}

fn short_jobs(subject: &dyn Subject, jobs: u64) -> Option<u64> {
    subject.run_all(jobs, &|at| {
        Box::new(move || {
            std::hint::black_box(compute(at, 700));
        })
    });
    Some(jobs)
}

fn one_at_a_time(subject: &dyn Subject, jobs: u64) -> Option<u64> {
    for _ in 0..jobs {
        subject.run_all(1, &|_| Box::new(|| ()));
    }
    Some(jobs)
}

fn contended(subject: &dyn Subject, jobs: u64) -> Option<u64> {
    subject.run_all(8, &move |at| {
        Box::new(move || {
            std::hint::black_box(compute(at, jobs as u32 / 8));
        })
    });
    Some(jobs)
}

/// In the order in which they are printed.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "fork and join, empty",
        jobs: 4_000_000,
        run: |subject, jobs| subject.add_up(jobs, 1),
        answer: |jobs| jobs * (jobs.saturating_sub(1)) / 2,
    },
    Row {
        name: "fork and join, 1,000 numbers",
        jobs: 40_000_000,
        run: |subject, jobs| subject.add_up(jobs, 1_000),
        answer: |jobs| jobs * (jobs.saturating_sub(1)) / 2,
    },
    Row { name: "uneven forks", jobs: 4_000_000, run: |subject, jobs| subject.uneven(jobs), answer: |jobs| jobs },
    Row { name: "empty jobs from outside", jobs: 500_000, run: empty_jobs, answer: |jobs| jobs },
    Row { name: "jobs of a microsecond", jobs: 200_000, run: short_jobs, answer: |jobs| jobs },
    Row { name: "one job, there and back", jobs: 20_000, run: one_at_a_time, answer: |jobs| jobs },
    Row { name: "eight long jobs", jobs: 80_000_000, run: contended, answer: |jobs| jobs },
];
