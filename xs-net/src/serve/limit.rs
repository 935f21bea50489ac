//! How many connections may exist at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A number of places for connections. Clones share the places.
#[derive(Clone)]
pub struct ConnectionLimit {
    shared: Arc<Shared>,
}

struct Shared {
    max: AtomicUsize,
    open: AtomicUsize,
    refused: AtomicU64,
    freed: Notify,
}

impl ConnectionLimit {
    /// `max` places.
    pub fn new(max: usize) -> Self {
        let (max, open, refused) = (AtomicUsize::new(max), AtomicUsize::new(0), AtomicU64::new(0));
        let shared = Shared { max, open, refused, freed: Notify::new() };
        ConnectionLimit { shared: Arc::new(shared) }
    }

    /// As many places as anybody wants; they are still counted.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// How many places are taken.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many places there are.
    pub fn max(&self) -> usize {
        self.shared.max.load(Ordering::Relaxed)
    }

    /// How many connections were turned away because there was no place, ever since the limit was made.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    pub(super) fn note_refused(&self) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes the number of places. Whoever has one keeps it.
    pub fn set_max(&self, max: usize) {
        self.shared.max.store(max, Ordering::Relaxed);
        self.shared.freed.notify_waiters();
        self.shared.freed.notify_one();
    }

    /// A place, if one is free.
    pub fn try_take(&self) -> Option<Place> {
        let max = self.max();
        self.shared
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |open| (open < max).then_some(open + 1))
            .is_ok()
            .then(|| Place { shared: self.shared.clone() })
    }

    /// A place, as soon as one is free.
    pub async fn take(&self) -> Place {
        loop {
            // Listening starts before looking, so a place that is freed in between is not missed.
            let freed = self.shared.freed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            freed.await;
        }
    }
}

impl fmt::Debug for ConnectionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimit").field("open", &self.open()).field("max", &self.max()).finish()
    }
}

/// One connection's place, free again when dropped.
pub struct Place {
    shared: Arc<Shared>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::AcqRel);
        self.shared.freed.notify_one();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_freed_place_goes_to_whoever_waits() {
        let limit = ConnectionLimit::new(1);
        let first = limit.take().await;
        assert!(limit.try_take().is_none());
        let waiting = tokio::spawn({
            let limit = limit.clone();
            async move { limit.take().await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let second = waiting.await.unwrap();
        assert_eq!(limit.open(), 1);
        limit.set_max(2);
        assert!(limit.try_take().is_some());
        drop(second);
        assert_eq!(limit.open(), 0);
    }
}
