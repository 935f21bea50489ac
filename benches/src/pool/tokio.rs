//! Tokio's threads for blocking calls.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use ::tokio::runtime::{Builder, Runtime};

use super::subject::{Subject, Work};

struct Tokio(Runtime);

pub(super) fn start(threads: usize) -> Result<Box<dyn Subject>, Box<dyn Error>> {
    Ok(Box::new(Tokio(Builder::new_current_thread().max_blocking_threads(threads).build()?)))
}

impl Subject for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work) {
        let left = Arc::new((AtomicU64::new(count), std::thread::current()));
        for at in 0..count {
            let (work, left) = (make(at), left.clone());
            self.0.spawn_blocking(move || {
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

    fn add_up(&self, _: u64, _: u64) -> Option<u64> {
        None
    }

    fn uneven(&self, _: u64) -> Option<u64> {
        None
    }
}
