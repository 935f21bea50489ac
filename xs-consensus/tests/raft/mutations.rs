//! Every deliberate bug must be found by the random network, or it would find no accidental one either.
//!
//! `cargo test -p xs-consensus --features mutations --test raft mutations -- --ignored --nocapture` prints in which seed each is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use xs_consensus::raft::Mutation;

use crate::random::{STEPS, run_with};

/// Seeds that a bug may take.
const SEEDS: u64 = 1000;

#[test]
#[ignore = "minutes"]
fn every_deliberate_bug_is_found() {
    let only = std::env::var("XS_MUTATION").ok();
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{mutation:?}")) {
            continue;
        }
        let found = (0..SEEDS).find_map(|seed| {
            // A broken node may also break what the test itself relies on.
            let run = || run_with(seed, STEPS, |options| options.mutation = Some(mutation));
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(_)) => None,
                Ok(Err(wrong)) => Some((seed, wrong.lines().next().unwrap_or_default().to_string())),
                Err(_) => Some((seed, "panicked".to_string())),
            }
        });
        match found {
            Some((seed, wrong)) => println!("{mutation:?}: seed {seed}: {wrong}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
