//! The packed form of a sorted set: member, score, member, score, … in one listpack, in order.

use std::cmp::Ordering;
use std::io::Write;

use super::super::item::Item;
use super::super::listpack::{ListPack, Place};
use super::super::members::Pairs;
use super::{Inserted, compare_scores};

/// A score as text that reads back as the same number, in `buffer`. Whole ones become integers, so that minus zero loses
/// its sign, here as in Redis.
pub(super) fn score_text(score: f64, buffer: &mut [u8; 40]) -> &[u8] {
    let room = buffer.len();
    let mut rest = &mut buffer[..];
    let exact = score == score.trunc() && score.abs() < 1e17;
    let written = if exact {
        write!(rest, "{}", score as i64)
    } else if (1e-5..1e17).contains(&score.abs()) {
        write!(rest, "{score}")
    } else {
        write!(rest, "{score:e}")
    };
    debug_assert!(written.is_ok(), "17 digits, a sign, a point, four zeros or an exponent");
    let left = rest.len();
    &buffer[..room - left]
}

/// The number that a score's entry says.
#[inline]
pub(super) fn read_score(item: Item<'_>) -> f64 {
    match item {
        Item::Int(number) => number as f64,
        Item::Bytes(text) => {
            let score: Option<f64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            score.filter(|score| !score.is_nan()).unwrap_or(0.0)
        }
    }
}

#[inline]
fn compare_members(a: Item<'_>, b: &[u8]) -> Ordering {
    a.as_bytes(&mut [0; 20]).cmp(b)
}

/// Where a member's pair is, with its score.
pub(super) fn find(pack: &ListPack, member: &[u8]) -> Option<(Place, f64)> {
    let place = pack.find(pack.first(), member, 2)?;
    Some((place, read_score(pack.get(pack.next(place)?))))
}

/// The pairs at a range of ranks. `start <= end <= len`.
pub(super) fn pairs(pack: &ListPack, start: usize, end: usize) -> Pairs<'_> {
    let mut all = pack.iter();
    all.narrow(2 * start, 2 * (pack.len() / 2 - end));
    Pairs(all)
}

pub(super) fn insert(pack: &mut ListPack, score: f64, member: &[u8]) -> Inserted {
    let mut outcome = Inserted::Added;
    if let Some((place, old)) = find(pack, member) {
        if compare_scores(old, score).is_eq() {
            return Inserted::Unchanged;
        }
        pack.remove(place, 2);
        outcome = Inserted::Updated;
    }
    let rank = partition_point(pack, |m, s| {
        compare_scores(s, score).then_with(|| compare_members(m, member)) == Ordering::Less
    });
    let place = pack.seek(2 * rank).unwrap_or(pack.end());
    let mut buffer = [0; 40];
    pack.insert(place, score_text(score, &mut buffer));
    pack.insert(place, member);
    outcome
}

/// How many pairs `before` holds for, which is a prefix.
pub(super) fn partition_point(pack: &ListPack, mut before: impl FnMut(Item<'_>, f64) -> bool) -> usize {
    Pairs(pack.iter()).take_while(|&(member, score)| before(member, read_score(score))).count()
}

/// The same by the members' bytes.
pub(super) fn partition_by_member(pack: &ListPack, mut before: impl FnMut(&[u8]) -> bool) -> usize {
    let mut scratch = [0; 20];
    partition_point(pack, |member, _| before(member.as_bytes(&mut scratch)))
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_score_survives_its_text(score in prop_oneof![any::<f64>(), (-1000..1000_i32).prop_map(f64::from),
                                                          (-1000..1000_i32).prop_map(|n| f64::from(n) / 8.0)]) {
            let mut buffer = [0; 40];
            let text = score_text(score, &mut buffer).to_vec();
            let back = read_score(Item::compact(&text));
            prop_assert!(back == score || score.is_nan(), "{score:?} as {text:?} is {back:?}");
        }
    }

    #[test]
    fn edges_of_the_number_line() {
        let mut buffer = [0; 40];
        for (score, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (3.1, "3.1"),
            (1e16, "10000000000000000"),
            (1e17, "1e17"),
            (1.5e-7, "1.5e-7"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(score_text(score, &mut buffer), text.as_bytes());
        }
        for score in [f64::MAX, f64::MIN_POSITIVE, 5e-324, -1.2345678901234567e-5, -1.2345678901234567e-300] {
            let text = score_text(score, &mut buffer).to_vec();
            assert_eq!(read_score(Item::Bytes(&text)), score);
        }
    }
}
