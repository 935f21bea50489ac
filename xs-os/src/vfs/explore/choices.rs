//! Which of the changes that no sync has covered a crash leaves, and how they are written in a line of text.

use std::fmt;

use super::super::faulty::disk::{Change, Kept};
use crate::Rng;

/// Changes that were done, ascending, and how much of each.
pub(crate) type Choice = Vec<(usize, Kept)>;

/// The most changes in a subset that is tried for being small, or for lacking few.
const FEW: usize = 4;

/// One crash at random: from nothing done to everything done, now and then torn.
pub(crate) fn some(pending: &[Change], rng: &mut Rng) -> Choice {
    let density = [0.0, 0.1, 0.5, 0.9, 1.0][rng.index(5)];
    let mut choice: Choice = (0..pending.len()).filter(|_| rng.chance(density)).map(|nth| (nth, Kept::Whole)).collect();
    for (nth, kept) in &mut choice {
        if pending[*nth].sectors() > 1 && rng.chance(0.3) {
            *kept = torn(pending[*nth].sectors(), rng);
        }
    }
    choice
}

fn torn(sectors: usize, rng: &mut Rng) -> Kept {
    match rng.below(3) {
        0 => Kept::First(rng.index(sectors)),
        1 => Kept::Last(1 + rng.index(sectors - 1)),
        _ => Kept::Some(rng.next_u64() >> 48),
    }
}

/// The crashes to try at one point, at most about `limit`, and whether every small combination
/// is among them.
pub(super) fn choices(pending: &[Change], limit: usize, tears: usize, rng: &mut Rng) -> (Vec<Choice>, bool) {
    let n = pending.len();
    let room = (limit / (tears + 1)).max(2);
    let mut out = Subsets { n, limit: room, sets: Vec::new() };
    out.add((0..n).collect());
    out.add(Vec::new());
    let complete = family(n).saturating_mul(2).saturating_add(n + 2) <= room;
    if complete {
        let mut few = Vec::new();
        (1..=FEW.min(n)).for_each(|count| out.every(count, 0, &mut few));
    } else if 3 * n < room {
        (0..n).for_each(|nth| out.add(vec![nth]));
        (0..n).for_each(|nth| out.add((0..n).filter(|other| *other != nth).collect()));
    }
    if complete || 3 * n < room {
        // What a disk that keeps the order leaves.
        (1..n).for_each(|upto| out.add((0..upto).collect()));
    }
    while !complete && out.sets.len() < room {
        match rng.below(4) {
            0 => out.add((0..=rng.index(n)).collect()),
            1 => out.add(draw(n, 1 + rng.index(FEW), rng)),
            2 => {
                let lost = draw(n, 1 + rng.index(FEW), rng);
                out.add((0..n).filter(|nth| !lost.contains(nth)).collect());
            }
            _ => {
                let (upto, density) = (1 + rng.index(n), rng.unit());
                out.add((0..upto).filter(|_| rng.chance(density)).collect());
            }
        }
    }
    let mut choices: Vec<Choice> = Vec::new();
    for set in out.sets {
        let whole: Choice = set.into_iter().map(|nth| (nth, Kept::Whole)).collect();
        let wide: Vec<usize> = (0..whole.len()).filter(|at| pending[whole[*at].0].sectors() > 1).collect();
        if !wide.is_empty() {
            for _ in 0..tears {
                let mut one = whole.clone();
                // One that is torn, most often the last: what was on its way when the power went.
                let at = if rng.chance(0.5) { wide[wide.len() - 1] } else { wide[rng.index(wide.len())] };
                one[at].1 = torn(pending[one[at].0].sectors(), rng);
                choices.push(one);
            }
        }
        choices.push(whole);
    }
    (choices, complete)
}

/// How many subsets of 1 to [`FEW`] out of n there are.
fn family(n: usize) -> usize {
    let (mut sum, mut binomial) = (0_usize, 1_usize);
    for k in 1..=FEW.min(n) {
        binomial = binomial.saturating_mul(n - k + 1) / k;
        sum = sum.saturating_add(binomial);
    }
    sum
}

fn draw(n: usize, count: usize, rng: &mut Rng) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..count).map(|_| rng.index(n)).collect();
    drawn.sort_unstable();
    drawn.dedup();
    drawn
}

struct Subsets {
    n: usize,
    limit: usize,
    sets: Vec<Vec<usize>>,
}

impl Subsets {
    fn add(&mut self, set: Vec<usize>) {
        if self.sets.len() < self.limit {
            self.sets.push(set);
        }
    }

    /// Every subset with `count` more from `from` on, and what is left without it.
    fn every(&mut self, count: usize, from: usize, chosen: &mut Vec<usize>) {
        if count == 0 {
            self.add(chosen.clone());
            self.add((0..self.n).filter(|nth| !chosen.contains(nth)).collect());
            return;
        }
        for nth in from..self.n {
            chosen.push(nth);
            self.every(count - 1, nth + 1, chosen);
            chosen.pop();
        }
    }
}

/// `0,3,5` or `0,3:first2,5`; `-` for nothing.
pub(super) struct Line<'a>(pub(super) &'a Choice);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (at, (nth, kept)) in self.0.iter().enumerate() {
            write!(f, "{}{nth}", if at > 0 { "," } else { "" })?;
            match kept {
                Kept::Whole => {}
                Kept::First(n) => write!(f, ":first{n}")?,
                Kept::Last(n) => write!(f, ":last{n}")?,
                Kept::Some(seed) => write!(f, ":some{seed}")?,
            }
        }
        Ok(())
    }
}

/// Reads what [`Line`] wrote.
pub(super) fn parse(text: &str) -> Option<Choice> {
    if text == "-" {
        return Some(Vec::new());
    }
    let change = |text: &str| {
        let (nth, kept) = text.split_once(':').unwrap_or((text, ""));
        let digits = kept.find(|c: char| c.is_ascii_digit()).unwrap_or(kept.len());
        let kept = match kept.split_at(digits) {
            ("", "") => Kept::Whole,
            ("first", n) => Kept::First(n.parse().ok()?),
            ("last", n) => Kept::Last(n.parse().ok()?),
            ("some", seed) => Kept::Some(seed.parse().ok()?),
            _ => return None,
        };
        Some((nth.parse().ok()?, kept))
    };
    text.split(',').map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(n: usize) -> Vec<Change> {
        (0..n).map(|nth| Change::Length { inode: 1, len: nth as u64 }).collect()
    }

    #[test]
    fn up_to_four_changes_are_tried_in_every_combination() {
        for n in 0..=4 {
            let (mut tried, complete) = choices(&changes(n), 1000, 0, &mut Rng::from_seed(1));
            tried.sort();
            tried.dedup();
            assert!(complete);
            assert_eq!(tried.len(), 1 << n, "all subsets of {n}");
        }
    }

    #[test]
    fn of_more_all_subsets_up_to_four_are_kept_and_are_lost() {
        let (tried, complete) = choices(&changes(9), 2000, 0, &mut Rng::from_seed(1));
        assert!(complete);
        for mask in 0..1_u32 << 9 {
            let set: Choice = (0..9).filter(|nth| mask >> nth & 1 == 1).map(|nth| (nth, Kept::Whole)).collect();
            assert!(tried.contains(&set), "{set:?}: of nine, four are kept or at most four lost");
        }
    }

    #[test]
    fn beyond_the_limit_a_sample_is_drawn() {
        let (tried, complete) = choices(&changes(60), 500, 1, &mut Rng::from_seed(1));
        assert!(!complete && tried.len() <= 500 && tried.len() > 200);
        assert!(tried.iter().all(|set| set.is_sorted_by(|a, b| a.0 < b.0)), "changes are done in their order");
    }

    #[test]
    fn a_line_is_read_back() {
        let choice = vec![(0, Kept::Whole), (3, Kept::First(2)), (4, Kept::Last(1)), (9, Kept::Some(77))];
        assert_eq!(Line(&choice).to_string(), "0,3:first2,4:last1,9:some77");
        assert_eq!(parse("0,3:first2,4:last1,9:some77"), Some(choice));
        assert_eq!(parse(&Line(&Vec::new()).to_string()), Some(Vec::new()));
        assert_eq!(parse("1:most"), None);
        assert_eq!(parse(""), None);
    }
}
