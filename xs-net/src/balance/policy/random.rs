//! Pure chance.

use xs_os::Rng;

use super::{Candidates, Policy, draw};
use crate::endpoint::Endpoint;

/// By chance, in proportion to weights. No state, so any number of callers do together what one of them would do; but of
/// `n` calls to `n` endpoints one gets about ln n / ln ln n.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl Policy for Random {
    fn changed(&mut self, _: &[Endpoint]) {}

    fn pick(&mut self, candidates: &Candidates<'_>, _: Option<u64>, rng: &mut Rng) -> Option<usize> {
        draw(candidates, None, rng).map(|candidate| candidate.index)
    }
}
