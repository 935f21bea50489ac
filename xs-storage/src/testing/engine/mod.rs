//! The suite that every [`Engine`](crate::engine::Engine) passes: [`check`].
//!
//! # The problem
//!
//! The contract in [`engine`](crate::engine) is prose. Here it is a program, one scenario for each of its sentences, and
//! a generator for all that no sentence foresees.
//!
//! # How it works
//!
//! Every scenario opens an empty store on a [stepped machine](super::Machine::stepped) with a disk in memory, does the same to
//! the engine and to a [`Model`], and compares. Then sequences of random operations do that with batches, range
//! deletes, cursors in and out of ranges, snapshots, flushes, turns of background work and reopening:
//!
//! ```text
//!   seed ──▶ steps ──▶ engine ┐
//!              │              ├─ compared after every step
//!              └─────▶ model ─┘
//!                                differs? leave out steps while it still does; print what is left, and the seed
//! ```
//!
//! # Invariants
//!
//! - Nothing is asked for that the contract does not promise: what was not waited for may be gone after reopening, so
//!   the suite waits first. What a crash may do is another suite's question.
//! - What runs on threads (writers and readers at once; random steps beside background work) is last, and says so.
//! - The same seed gives the same steps, on every machine and in every release of one version of this suite.
//!
//! # Cost
//!
//! Some seconds in a debug build, of which most goes into a few thousand random steps and 20,000 entries.
//!
//! # Example
//!
//! See [`testing`](super) for a [`Subject`]. Stamping one is a line:
//!
//! ```
//! # use xs_storage::engine::MemoryEngine;
//! # use xs_storage::testing::{Machine, Subject, engine};
//! # struct Memory(MemoryEngine);
//! # impl Subject for Memory {
//! #     type Engine = MemoryEngine;
//! #     fn open(&self, _: &Machine) -> xs_storage::Result<MemoryEngine> { Ok(self.0.clone()) }
//! # }
//! engine::check(&|| Memory(MemoryEngine::new()));
//! ```
//!
//! # How others do it
//!
//! redb compares itself with a `BTreeMap` in a fuzz target; RocksDB's `db_stress` keeps the expected
//! state beside a running store. proptest would shrink better than the few lines here do, but its strategies are built
//! before the run, and a suite in a library should cost its users no dependency.
//!
//! # What this leaves out
//!
//! Limits of keys and batches, files and formats, and every failure: those are each engine's own tests.
//!
//! # Try next
//!
//! Let the random steps ingest, checkpoint and restore, for engines that can: a trait with those calls, and three more
//! kinds of step.
//!
//! # Sources
//!
//! The prose of [`Engine`](crate::engine::Engine) and [`Cursor`](crate::engine::Cursor).

pub(crate) mod model;
mod random;
mod scenarios;
pub(crate) mod store;
mod views;

use super::Subject;
use crate::Result;
use store::Store;

pub use model::Model;

/// Runs the whole suite: every scenario, on stores that `make` makes, each an empty one; then random sequences of
/// operations from a few seeds.
///
/// # Panics
/// At the first thing that doesn't hold.
pub fn check<S: Subject>(make: &dyn Fn() -> S) {
    let scenarios: [(&str, fn(&mut Store<S>) -> Result<()>); 17] = [
        ("an empty store", scenarios::empty),
        ("single entries", scenarios::single_entries),
        ("keys are ordered as byte strings", scenarios::byte_order),
        ("a batch is applied in its order", scenarios::batch_order),
        ("range deletes", scenarios::range_deletes),
        ("states of a cursor", views::cursor_states),
        ("seeking", views::seeking),
        ("ranges", views::ranges),
        ("a cursor turns round anywhere", views::turning_round),
        ("a view never changes", views::views_repeat),
        ("a snapshot outlives its engine", views::snapshots_outlive),
        ("large entries", scenarios::large_entries),
        ("commits are waited for, awaited or dropped", scenarios::commits),
        ("what is durable is there when opened again", scenarios::reopening),
        ("flushing", scenarios::flushing),
        ("many entries", scenarios::many_entries),
        ("figures", scenarios::figures),
    ];
    for (name, scenario) in scenarios {
        let run = |mut store| scenario(&mut store);
        Store::new(make(), false).and_then(run).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let run = |store| scenarios::threads(&store);
    Store::new(make(), true).and_then(run).unwrap_or_else(|error| panic!("threads: {error}"));
    check_random(make, 1..9, 300);
    (9..11).for_each(|seed| random::check_threaded(make, seed, 300));
}

/// Runs random sequences of `steps` operations, one for each seed.
///
/// # Panics
/// If an answer differs from the model's, with the seed and a sequence made as short as leaving out steps makes it.
pub fn check_random<S: Subject>(make: &dyn Fn() -> S, seeds: std::ops::Range<u64>, steps: usize) {
    seeds.for_each(|seed| random::check(make, seed, steps));
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;
    use crate::testing::Machine;

    struct Memory(MemoryEngine);

    impl Subject for Memory {
        type Engine = MemoryEngine;

        fn open(&self, _: &Machine) -> Result<MemoryEngine> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn memory() {
        check(&|| Memory(MemoryEngine::new()));
    }
}
