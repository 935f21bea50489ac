//! The store of a single process.

use std::convert::Infallible;

use bytes::Bytes;

use super::SharedStore;
use crate::Timer;
use crate::limit::{Denied, Keyed, Policy};

/// A [`Keyed`] limit as a [`SharedStore`], for one process, or for tests of what is made for several.
#[derive(Debug)]
pub struct MemoryStore<P: Policy> {
    keyed: Keyed<Bytes, P>,
    timer: Timer,
}

impl<P: Policy> MemoryStore<P> {
    /// A store of these limits.
    pub fn new(keyed: Keyed<Bytes, P>, timer: &Timer) -> Self {
        MemoryStore { keyed, timer: timer.clone() }
    }
}

impl<P: Policy + Send + Sync> SharedStore for MemoryStore<P> {
    type Error = Infallible;

    async fn take(&self, key: Bytes, cost: u64) -> Result<Result<(), Denied>, Infallible> {
        Ok(self.keyed.check(&key, self.timer.nanos(), cost))
    }
}
