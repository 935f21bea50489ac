//! The seal of a node: how readers without a lock notice that somebody wrote.
//!
//! What it guards is atomic itself, field by field, and read and written without an order. The seal gives the order: whose
//! number was the same before and after has read what stood there together.

use std::sync::atomic::Ordering;

use super::sync::{AtomicU64, fence};

/// A number that is odd while something is being written, and greater afterwards.
#[derive(Debug, Default)]
pub(super) struct Seal(AtomicU64);

impl Seal {
    /// The number to compare with later; none while it is being written.
    #[inline]
    pub(super) fn begin(&self) -> Option<u64> {
        let seen = self.0.load(Ordering::Acquire);
        seen.is_multiple_of(2).then_some(seen)
    }

    /// Whether nothing was written since [`Seal::begin`] gave this number: then everything read in between is sound.
    #[inline]
    pub(super) fn holds(&self, seen: u64) -> bool {
        // Reads in front of this must not move behind it.
        fence(Ordering::Acquire);
        self.0.load(Ordering::Relaxed) == seen
    }

    /// Before a write. There is one writer.
    #[inline]
    pub(super) fn open(&self) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store(now + 1, Ordering::Relaxed);
        // Writes behind this must not move in front of it.
        fence(Ordering::Release);
    }

    /// After a write.
    #[inline]
    pub(super) fn close(&self) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store(now + 1, Ordering::Release);
    }
}

/// Every interleaving of a writer with readers, and every old value that a reader may still be given.
#[cfg(all(test, xs_loom))]
mod loom_tests {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    #[test]
    fn what_a_seal_vouches_for_was_there_together() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let shared = Arc::new((Seal::default(), AtomicU64::new(0), AtomicU64::new(0)));
            let theirs = shared.clone();
            let writer = thread::spawn(move || {
                let (seal, one, two) = &*theirs;
                for n in 1..=2 {
                    seal.open();
                    one.store(n, Ordering::Relaxed);
                    two.store(n, Ordering::Relaxed);
                    seal.close();
                }
            });
            let (seal, one, two) = &*shared;
            let mut last = 0;
            for _ in 0..2 {
                if let Some(seen) = seal.begin() {
                    let (one, two) = (one.load(Ordering::Relaxed), two.load(Ordering::Relaxed));
                    if seal.holds(seen) {
                        assert_eq!((one, two), (seen / 2, seen / 2), "halves of two states");
                        assert!(one >= last, "time goes back");
                        last = one;
                    }
                }
            }
            writer.join().unwrap();
            assert_eq!((seal.begin(), one.load(Ordering::Relaxed)), (Some(4), 2));
        });
    }
}
