//! The least busy of all.

use xs_os::Rng;

use super::{Candidates, Policy};
use crate::endpoint::Endpoint;

/// The one with the fewest calls under way for its weight, counting the one to come; of several, any by chance.
///
/// The best that one caller can do who sees all there is to see. With many callers each sees its own calls only, and all run
/// to whoever looks idle: then take [`PowerOfTwoChoices`](super::PowerOfTwoChoices). O(candidates) a pick.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeastConnections;

impl Policy for LeastConnections {
    fn changed(&mut self, _: &[Endpoint]) {}

    fn pick(&mut self, candidates: &Candidates<'_>, _: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let mut best = candidates.iter().next()?;
        let mut best_calls = u64::from(best.load.outstanding()) + 1;
        let mut ties = 1;
        for candidate in candidates.iter().skip(1) {
            let calls = u64::from(candidate.load.outstanding()) + 1;
            // calls / weight < best_calls / best.weight, without the division. A weight is below 2⁴⁰, so this needs 128 bits.
            let (here, there) = (calls as u128 * best.weight as u128, best_calls as u128 * candidate.weight as u128);
            ties = if here < there { 1 } else { ties + u64::from(here == there) };
            // The k-th of equals takes the place with probability 1/k, which makes all of them equally likely.
            if here < there || (here == there && rng.below(ties) == 0) {
                (best, best_calls) = (candidate, calls);
            }
        }
        Some(best.index)
    }
}
