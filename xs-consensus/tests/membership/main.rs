//! Membership and failure detection in the simulated world: a campaign with everything that can go wrong, deliberate bugs
//! that it must find, and the claims of the papers with what is measured here beside them.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one.

mod campaign;
mod claims;
mod detectors;
#[cfg(feature = "mutations")]
mod mutations;
mod node;
