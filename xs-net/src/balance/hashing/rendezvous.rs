//! Rendezvous: every member draws a number, and the best draw wins.

use super::{Order, place, stir};
use crate::endpoint::Endpoint;

/// Highest random weight: every member draws a number for the hash, and the best draw wins.
///
/// No table, and nothing better in spread and disruption: a member that leaves moves its own keys and no other, in
/// proportion to the others' weights. O(members) a pick, so for tens of members rather than thousands.
///
/// A draw is `−weight / ln u` with `u` in (0, 1). Members with twice the weight win twice as often.
#[derive(Debug, Clone, Default)]
pub struct Rendezvous {
    /// Where each member is and what it weighs.
    members: Vec<(u64, u32)>,
}

impl Rendezvous {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Order for Rendezvous {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        self.members = endpoints.iter().map(|endpoint| (place(&endpoint.name), endpoint.weight)).collect();
    }

    fn first(&self, hash: u64, accept: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        let hash = stir(hash);
        let mut best: Option<(f64, usize)> = None;
        for (index, &(place, weight)) in self.members.iter().enumerate() {
            if weight == 0 || !accept(index) {
                continue;
            }
            // 53 bits, and a half, so that neither 0 nor 1 can be drawn.
            let unit = ((stir(place ^ hash) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            let draw = -f64::from(weight) / ln(unit);
            if best.is_none_or(|(most, _)| draw > most) {
                best = Some((draw, index));
            }
        }
        best.map(|(_, index)| index)
    }
}

/// 1, 1/3, 1/5 and so on.
const TERMS: [f64; 11] = {
    let (mut terms, mut k) = ([1.0; 11], 0);
    while k < terms.len() {
        terms[k] /= (2 * k + 1) as f64;
        k += 1;
    }
    terms
};

/// The natural logarithm of a positive normal number, by additions, multiplications and divisions alone: these are exact to
/// the last bit on every machine, which the one of the system's library need not be.
fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & MANTISSA | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m − 1) / (m + 1)), and that argument is below 0.172, so eleven terms are enough.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * (z * z) + term);
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * z * series
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        for x in [1e-16, 0.001, 0.3, 0.5, 0.7, 0.708, 0.99, 1.0 - 1e-12, 1.0, 2.5, 1e10] {
            let (ours, theirs) = (ln(x), x.ln());
            assert!((ours - theirs).abs() <= 1e-14 * theirs.abs().max(1e-3), "ln {x}: {ours}, {theirs}");
        }
    }
}
