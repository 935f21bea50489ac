//! The blocks that replicas are made of, on simulated machines and networks.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one.

mod clock;
mod crdt;
mod lease;
mod merkle;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// The command that runs a seed again.
fn command(test: &str) -> String {
    format!("XS_SEED={{seed}} cargo test -p xs-consensus --test blocks {test}")
}
