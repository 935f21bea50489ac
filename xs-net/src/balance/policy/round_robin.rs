//! Turns.

use xs_os::Rng;

use super::{Candidates, Policy};
use crate::endpoint::Endpoint;

/// One after another, whatever they weigh and have to do. It begins anywhere, so that many callers that start together don't
/// all begin with the same one.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin {
    /// The index whose turn it is.
    next: Option<usize>,
}

impl RoundRobin {
    /// Begins by chance.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Policy for RoundRobin {
    // Indices move when members do; a turn more or less does not matter then.
    fn changed(&mut self, _: &[Endpoint]) {}

    fn pick(&mut self, candidates: &Candidates<'_>, _: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let places = candidates.places();
        let first = match self.next {
            Some(next) => candidates.place_from(next),
            None => rng.index(places),
        };
        let picked = (first..places).chain(0..first).find_map(|place| candidates.place(place))?;
        self.next = Some(picked.index + 1);
        Some(picked.index)
    }
}
