//! Tokio's threads for blocking calls.

use std::error::Error;

use ::tokio::runtime::{Builder, Runtime};

use super::subject::{Subject, Work, hand_over};

struct Tokio(Runtime);

pub(super) fn start(threads: usize) -> Result<Box<dyn Subject>, Box<dyn Error>> {
    Ok(Box::new(Tokio(Builder::new_current_thread().max_blocking_threads(threads).build()?)))
}

impl Subject for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn run_all(&self, count: u64, make: &dyn Fn(u64) -> Work) {
        hand_over(count, make, |job| drop(self.0.spawn_blocking(job)));
    }

    fn add_up(&self, _: u64, _: u64) -> Option<u64> {
        None
    }

    fn uneven(&self, _: u64) -> Option<u64> {
        None
    }
}
