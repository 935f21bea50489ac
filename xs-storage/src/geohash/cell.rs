//! Cells: prefixes of hashes, the areas that they are, and their neighbours.

use std::ops::Range;

use super::{MAX_LATITUDE, MAX_LONGITUDE, Point, STEPS};

/// The places whose hashes have one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    steps: u8,
}

/// A part of the map between two meridians and two parallels, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// The least longitude.
    pub west: f64,
    /// The least latitude.
    pub south: f64,
    /// The greatest longitude.
    pub east: f64,
    /// The greatest latitude.
    pub north: f64,
}

impl Cell {
    /// The cell that a place is in, so many steps deep: 1 quarters the map, [`STEPS`] is the deepest.
    pub fn of(point: Point, steps: u8) -> Cell {
        let steps = steps.clamp(1, STEPS);
        let x = (point.longitude + MAX_LONGITUDE) / (2.0 * MAX_LONGITUDE);
        let y = (point.latitude + MAX_LATITUDE) / (2.0 * MAX_LATITUDE);
        Cell { bits: encode(x, y, steps), steps }
    }

    /// The prefix, two bits a step.
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// How deep the cell lies.
    pub fn steps(self) -> u8 {
        self.steps
    }

    /// The hashes of the places in the cell.
    pub fn hashes(self) -> Range<u64> {
        let shift = 2 * u32::from(STEPS - self.steps);
        self.bits << shift..(self.bits + 1) << shift
    }

    /// The cell's part of the map.
    pub fn area(self) -> Area {
        decode(self.bits, self.steps)
    }

    /// The cell of the same size that lies so many to the east and to the north. The map goes on at its opposite edge.
    pub fn neighbour(self, east: i32, north: i32) -> Cell {
        let mask = u32::MAX >> (32 - u32::from(self.steps));
        // On the limit the number has a bit more than the mask; a coordinate that doesn't change keeps it.
        let moved = |at: u32, by: i32| if by == 0 { at } else { at.wrapping_add_signed(by) & mask };
        let (x, y) = (gather(self.bits >> 1), gather(self.bits));
        Cell { bits: interleave(moved(x, east), moved(y, north)), ..self }
    }
}

/// The prefix of the place at these fractions of the map's width and height.
pub(super) fn encode(x: f64, y: f64, steps: u8) -> u64 {
    let scale = f64::from(1u32 << steps);
    interleave((x * scale) as u32, (y * scale) as u32)
}

/// The part of the map that a prefix means.
pub(super) fn decode(bits: u64, steps: u8) -> Area {
    let scale = f64::from(1u32 << steps);
    let at = |n: u32, limit: f64| -limit + f64::from(n) / scale * (2.0 * limit);
    let (x, y) = (gather(bits >> 1), gather(bits));
    // Only a number that is no hash wraps around here.
    Area {
        west: at(x, MAX_LONGITUDE),
        south: at(y, MAX_LATITUDE),
        east: at(x.wrapping_add(1), MAX_LONGITUDE),
        north: at(y.wrapping_add(1), MAX_LATITUDE),
    }
}

/// The bits of `x` and `y` in turn, the lowest one from `y`.
fn interleave(x: u32, y: u32) -> u64 {
    spread(x) << 1 | spread(y)
}

/// Moves bit n to bit 2n: the upper half of each group goes apart from its lower half, in ever smaller groups.
fn spread(n: u32) -> u64 {
    let mut n = u64::from(n);
    n = (n | n << 16) & 0x0000_ffff_0000_ffff;
    n = (n | n << 8) & 0x00ff_00ff_00ff_00ff;
    n = (n | n << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    n = (n | n << 2) & 0x3333_3333_3333_3333;
    (n | n << 1) & 0x5555_5555_5555_5555
}

/// Moves bit 2n to bit n, and drops the others: [`spread`] backwards.
fn gather(n: u64) -> u32 {
    let mut n = n & 0x5555_5555_5555_5555;
    n = (n | n >> 1) & 0x3333_3333_3333_3333;
    n = (n | n >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    n = (n | n >> 4) & 0x00ff_00ff_00ff_00ff;
    n = (n | n >> 8) & 0x0000_ffff_0000_ffff;
    (n | n >> 16) as u32
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_interleaved(x in any::<u32>(), y in any::<u32>()) {
            let naive = (0..32).fold(0u64, |bits, at| {
                bits | u64::from(y >> at & 1) << (2 * at) | u64::from(x >> at & 1) << (2 * at + 1)
            });
            prop_assert_eq!(interleave(x, y), naive);
            prop_assert_eq!((gather(naive >> 1), gather(naive)), (x, y));
        }
    }
}
