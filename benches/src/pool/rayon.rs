//! Rayon.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use ::rayon::{ThreadPool, ThreadPoolBuilder, join};

use super::subject::{SMALL, Subject, Work, leaf, parts};

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
        let left = Arc::new((AtomicU64::new(count), std::thread::current()));
        for at in 0..count {
            let (work, left) = (make(at), left.clone());
            self.0.spawn(move || {
                work();
                if left.0.fetch_sub(1, SeqCst) == 1 {
                    left.1.unpark();
                }
            });
        }
        while left.0.load(SeqCst) > 0 {
            std::thread::park();
        }
    }

    fn add_up(&self, end: u64, leaf: u64) -> Option<u64> {
        Some(self.0.install(|| add_up(0, end, leaf)))
    }

    fn uneven(&self, nodes: u64) -> Option<u64> {
        Some(self.0.install(|| uneven(nodes)))
    }
}
