//! Our pool.

use std::error::Error;

use xs_os::pool::Pool;

use super::subject::{SMALL, Subject, Work, hand_over, leaf, parts};

struct Ours(Pool);

pub(super) fn start(threads: usize) -> Result<Box<dyn Subject>, Box<dyn Error>> {
    Ok(Box::new(Ours(Pool::builder().threads(threads).build()?)))
}

fn add_up(pool: &Pool, from: u64, to: u64, leaf: u64) -> u64 {
    if to - from <= leaf {
        return (from..to).map(std::hint::black_box).sum();
    }
    let half = from.midpoint(to);
    let (a, b) = pool.join(|| add_up(pool, from, half, leaf), || add_up(pool, half, to, leaf));
    a + b
}

fn uneven(pool: &Pool, nodes: u64) -> u64 {
    if nodes <= SMALL {
        return leaf(nodes);
    }
    let (small, large) = parts(nodes);
    let (a, b) = pool.join(|| uneven(pool, large), || uneven(pool, small));
    a + b
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        "xs"
    }

    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work) {
        // Refused only by a pool that ends.
        hand_over(count, make, |job| drop(self.0.spawn(job)));
    }

    fn add_up(&self, end: u64, leaf: u64) -> Option<u64> {
        Some(self.0.install(|| add_up(&self.0, 0, end, leaf)))
    }

    fn uneven(&self, nodes: u64) -> Option<u64> {
        Some(self.0.install(|| uneven(&self.0, nodes)))
    }
}
