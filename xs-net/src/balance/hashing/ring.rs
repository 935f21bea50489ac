//! The ring: points on a circle.

use super::{Order, place, stir};
use crate::endpoint::Endpoint;

/// Karger's ring: every member stands at many points of a circle, and a hash goes to the next point clockwise.
///
/// A member's part of the circle varies by about `1/√points`, so of `n` members with `v` points each the largest has about
/// `1 + √(2 ln n / v)` of the mean. A member that leaves gives its parts to their next neighbours and changes nothing else.
/// 16 bytes a point, a binary search a pick.
#[derive(Debug, Clone)]
pub struct Ring {
    points_per_weight: u32,
    most_points: usize,
    /// In order of place; each with its member.
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// So many points for each unit of weight, at least one. 100 points go well with weights below 10; with weights around
    /// 100, a point or two for each unit are as good.
    ///
    /// There are never more than a million points; above that, all members get fewer, in proportion.
    pub fn new(points_per_weight: u32) -> Self {
        Ring { points_per_weight: points_per_weight.max(1), most_points: 1 << 20, points: Vec::new() }
    }
}

impl Default for Ring {
    /// 100 points for each unit of weight.
    fn default() -> Self {
        Ring::new(100)
    }
}

impl Order for Ring {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        let wanted = |endpoint: &Endpoint| u128::from(endpoint.weight) * u128::from(self.points_per_weight);
        let all: u128 = endpoints.iter().map(wanted).sum();
        let most = self.most_points as u128;
        self.points.clear();
        for (index, endpoint) in endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.weight > 0) {
            let points = if all <= most { wanted(endpoint) } else { (wanted(endpoint) * most / all).max(1) };
            let start = place(&endpoint.name);
            let at = |nth: u64| stir(start.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            self.points.extend((0..points as u64).map(|nth| (at(nth), index as u32)));
        }
        // Of two at one place the one with the smaller index comes first, in every process.
        self.points.sort_unstable();
    }

    fn first(&self, hash: u64, accept: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        let hash = stir(hash);
        let (before, after) = self.points.split_at(self.points.partition_point(|&(point, _)| point < hash));
        after.iter().chain(before).map(|&(_, index)| index as usize).find(|&index| accept(index))
    }
}
