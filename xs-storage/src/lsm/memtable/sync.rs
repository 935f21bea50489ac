//! The atomic numbers that the tree is made of, or loom's twins of them when a model is checked. The [chunks](super::chunks)
//! that nodes live in stay as they are: a model trusts the standard library's cells.

#[cfg(not(xs_loom))]
pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(xs_loom)]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

/// Waiting for somebody who holds a seal open: a few turns, then let others run.
pub(super) fn pause(turn: &mut u32) {
    *turn += 1;
    #[cfg(not(xs_loom))]
    if turn.is_multiple_of(64) {
        std::thread::yield_now()
    } else {
        std::hint::spin_loop()
    }
    // Nobody else runs in a model until it is their turn.
    #[cfg(xs_loom)]
    loom::thread::yield_now();
}
