//! Who gets the next call: [`Policy`], and those that need no hash.

mod least;
mod random;
mod round_robin;
mod smooth;
mod two;

use std::fmt::Debug;

use xs_os::Rng;

pub use least::LeastConnections;
pub use random::Random;
pub use round_robin::RoundRobin;
pub use smooth::SmoothWeighted;
pub use two::{Measure, PowerOfTwoChoices};

use super::cluster::{Candidate, Candidates};
use crate::endpoint::Endpoint;

/// Picks one of the candidates. It decides and does nothing else: it begins no call and reads no clock.
pub trait Policy: Send + Debug {
    /// These are the members from now on; a candidate's index is its index here. Called before the first pick, and after
    /// each change.
    fn changed(&mut self, endpoints: &[Endpoint]);

    /// The index of a candidate. `None` only if there is none, or if the policy would rather have nobody take the call than
    /// one of these. `hash` is the request's, if it has one.
    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize>;
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        (**self).changed(endpoints);
    }

    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize> {
        (**self).pick(candidates, hash, rng)
    }
}

/// One of them by chance, in proportion to weights, but not the one at `except`.
fn draw<'a>(candidates: &Candidates<'a>, except: Option<usize>, rng: &mut Rng) -> Option<Candidate<'a>> {
    let places = candidates.places();
    if candidates.are_even() {
        // Nearly always the first try hits; a few more are cheaper than a look at all of them.
        for _ in 0..4 {
            let drawn = candidates.place(rng.index(places)).filter(|candidate| Some(candidate.index) != except);
            if drawn.is_some() {
                return drawn;
            }
        }
    }
    let others = candidates.iter().filter(|candidate| Some(candidate.index) != except);
    let total: u64 = others.clone().map(|candidate| candidate.weight).sum();
    let mut rest = rng.below(total);
    others.into_iter().find(|candidate| match rest.checked_sub(candidate.weight) {
        None => true,
        Some(less) => {
            rest = less;
            false
        }
    })
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
