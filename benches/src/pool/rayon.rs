//! Rayon.

use std::error::Error;

use ::rayon::{ThreadPool, ThreadPoolBuilder, join};

use super::subject::{SMALL, Subject, Work, hand_over, leaf, parts};

struct Rayon(ThreadPool);

pub(super) fn start(threads: usize) -> Result<Box<dyn Subject>, Box<dyn Error>> {
    Ok(Box::new(Rayon(ThreadPoolBuilder::new().num_threads(threads).build()?)))
}

fn add_up(from: u64, to: u64, leaf: u64) -> u64 {
    if to - from <= leaf {
        return (from..to).map(std::hint::black_box).sum();
    }
    let half = from.midpoint(to);
    let (a, b) = join(|| add_up(from, half, leaf), || add_up(half, to, leaf));
    a + b
}

fn uneven(nodes: u64) -> u64 {
    if nodes <= SMALL {
        return leaf(nodes);
    }
    let (small, large) = parts(nodes);
    let (a, b) = join(|| uneven(large), || uneven(small));
    a + b
}

impl Subject for Rayon {
    fn name(&self) -> &'static str {
        "rayon"
    }

    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work) {
        hand_over(count, make, |job| self.0.spawn(job));
    }

    fn add_up(&self, end: u64, leaf: u64) -> Option<u64> {
        Some(self.0.install(|| add_up(0, end, leaf)))
    }

    fn uneven(&self, nodes: u64) -> Option<u64> {
        Some(self.0.install(|| uneven(nodes)))
    }
}
