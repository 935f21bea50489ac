//! Turns by weight, evenly mixed.

use std::collections::BTreeMap;
use std::sync::Arc;

use xs_os::Rng;

use super::{Candidates, Policy};
use crate::endpoint::Endpoint;

/// nginx's weighted round robin: in proportion to weights, and as evenly mixed as it can be: `a a b a c a a` for weights of
/// 5, 1 and 1, and not five `a` in a row.
///
/// Every candidate saves its weight in each round. The richest is picked, and pays what all have saved in the round. So
/// nobody is ever ahead of its part by a whole call, and after as many rounds as all weights together everybody has had
/// exactly its part. O(candidates) a pick.
#[derive(Debug, Clone, Default)]
pub struct SmoothWeighted {
    names: Vec<Arc<str>>,
    saved: Vec<i64>,
}

impl SmoothWeighted {
    /// Nobody has saved anything.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Policy for SmoothWeighted {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        let kept: BTreeMap<_, _> = self.names.drain(..).zip(self.saved.drain(..)).collect();
        self.names = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        self.saved = self.names.iter().map(|name| kept.get(name).copied().unwrap_or(0)).collect();
    }

    fn pick(&mut self, candidates: &Candidates<'_>, _: Option<u64>, _: &mut Rng) -> Option<usize> {
        let (mut total, mut richest) = (0_i64, None);
        for candidate in candidates.iter() {
            // A weight is below 2⁴⁰, and there are fewer than 2²³ candidates.
            let weight = candidate.weight as i64;
            total = total.saturating_add(weight);
            let saved = self.saved.get_mut(candidate.index)?;
            *saved = saved.saturating_add(weight);
            if richest.is_none_or(|(most, _)| *saved > most) {
                richest = Some((*saved, candidate.index));
            }
        }
        let (_, index) = richest?;
        self.saved[index] = self.saved[index].saturating_sub(total);
        Some(index)
    }
}
