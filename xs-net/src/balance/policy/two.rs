//! The less busy of two.

use xs_os::Rng;

use super::{Candidate, Candidates, Policy, draw};
use crate::endpoint::Endpoint;

/// By what two candidates are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// Peak average of the latency × (calls under way + 1): finds the slow and the far as well as the busy.
    #[default]
    PeakEwma,
    /// Calls under way.
    Outstanding,
}

/// The better of two that are drawn by chance, in proportion to weights.
///
/// The second look is what matters: the fullest of `n` gets ln ln n / ln 2 + O(1) calls more than the mean, instead of
/// the much that pure chance gives it. And unlike "the best of all", many callers with different views don't stampede.
/// Constant time while weights are even, O(candidates) else.
#[derive(Debug, Clone, Copy, Default)]
pub struct PowerOfTwoChoices {
    measure: Measure,
}

impl PowerOfTwoChoices {
    /// Compares by `measure`.
    pub fn new(measure: Measure) -> Self {
        PowerOfTwoChoices { measure }
    }

    fn cost(&self, candidate: &Candidate<'_>, candidates: &Candidates<'_>) -> f64 {
        let cost = match self.measure {
            Measure::PeakEwma => candidate.load.cost(candidates.now()),
            Measure::Outstanding => f64::from(candidate.load.outstanding()) + 1.0,
        };
        cost / candidate.weight as f64
    }
}

impl Policy for PowerOfTwoChoices {
    fn changed(&mut self, _: &[Endpoint]) {}

    fn pick(&mut self, candidates: &Candidates<'_>, _: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let first = draw(candidates, None, rng)?;
        let Some(second) = draw(candidates, Some(first.index), rng) else { return Some(first.index) };
        let better = self.cost(&second, candidates) < self.cost(&first, candidates);
        Some(if better { second.index } else { first.index })
    }
}
