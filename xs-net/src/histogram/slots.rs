//! Which slot a value counts in: linear within a power of two, logarithmic across them.

/// Bits of a value's leading digits that are kept behind the first.
const BITS: u32 = 5;
/// Slots for each power of two.
const SLOTS: u64 = 1 << BITS;
/// The largest value that is told apart: 2⁴⁵ ns are 9.8 hours, 2⁴⁵ bytes are 32 TiB.
pub(super) const LARGEST: u64 = (1 << 45) - 1;
/// How many slots there are.
pub(super) const LEN: usize = 1312;

/// The slot of a value.
#[inline]
pub(super) fn of(value: u64) -> usize {
    let value = value.min(LARGEST);
    if value < SLOTS {
        return value as usize;
    }
    let shift = value.ilog2() - BITS;
    (u64::from(shift) * SLOTS + (value >> shift)) as usize
}

/// The largest value of a slot.
pub(super) fn last(slot: usize) -> u64 {
    let slot = slot as u64;
    if slot < SLOTS {
        return slot;
    }
    let shift = slot / SLOTS - 1;
    ((slot - shift * SLOTS + 1) << shift) - 1
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_each_other_without_gaps_and_the_last_one_fits() {
        for slot in 0..LEN - 1 {
            assert_eq!(of(last(slot)), slot);
            assert_eq!(of(last(slot) + 1), slot + 1);
        }
        assert_eq!((of(LARGEST), of(u64::MAX), last(LEN - 1)), (LEN - 1, LEN - 1, LARGEST));
    }

    #[test]
    fn a_slot_is_narrower_than_a_32nd_of_its_values() {
        for slot in 1..LEN {
            let (first, last) = (last(slot - 1) + 1, last(slot));
            assert!((last - first) * SLOTS < first, "{first} to {last}");
        }
    }
}
