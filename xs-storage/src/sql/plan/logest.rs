//! Estimates as ten times the logarithm to base 2: 0 is one, 10 two, 33 ten, 200 a million. To multiply is to add.
//!
//! Estimates are never exact, and so these aren't: what counts is that they are SQLite's, for the same numbers choose the same plan.

/// An estimate.
pub(in crate::sql) type LogEst = i16;

/// The largest and the least that is told of one table: those of 64 multiply to something that still is a number.
const MOST: LogEst = 400;

/// What is told of one table, within bounds.
pub(in crate::sql) fn bounded(n: LogEst) -> LogEst {
    n.clamp(-MOST, MOST)
}

/// Of a number.
pub(in crate::sql) fn of(n: u64) -> LogEst {
    if n < 2 {
        return 0;
    }
    // The bit that leads, and the three behind it.
    let lead = 63 - n.leading_zeros();
    let next = (if lead >= 3 { n >> (lead - 3) } else { n << (3 - lead) }) & 7;
    let part = [0, 2, 3, 5, 6, 7, 8, 9][next as usize];
    part + 10 * lead as LogEst
}

/// Of the sum.
pub(in crate::sql) fn add(a: LogEst, b: LogEst) -> LogEst {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    let more = match high.saturating_sub(low) {
        0..=1 => 10,
        2..=3 => 9,
        4..=5 => 8,
        6..=8 => 7,
        9..=11 => 6,
        12..=14 => 5,
        15..=18 => 4,
        19..=24 => 3,
        25..=31 => 2,
        32..=49 => 1,
        _ => 0,
    };
    high.saturating_add(more)
}

/// Of the logarithm: how many steps a search takes.
pub(in crate::sql) fn log(n: LogEst) -> LogEst {
    if n <= 10 { 0 } else { of(n as u64) - 33 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_those_of_sqlite() {
        let known =
            [(0, 0), (1, 0), (2, 10), (3, 16), (4, 20), (10, 33), (25, 46), (100, 66), (1000, 99), (1 << 20, 200)];
        for (n, expected) in known {
            assert_eq!(of(n), expected, "{n}");
        }
        assert_eq!((add(0, 0), add(200, 100), add(33, 43), add(99, 98)), (10, 200, 49, 109));
        assert_eq!((log(200), log(99), log(9)), (43, 33, 0));
    }
}
