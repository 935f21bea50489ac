//! What is known of a way.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// What an answer says of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A router on the way.
    Passing,
    /// The host itself.
    Arrived,
    /// The host can't be reached, for a reason that traceroute has a letter for (`!H`, `!N`, `!X` …).
    Unreachable(char),
}

/// An answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Whose.
    pub from: IpAddr,
    /// After how long.
    pub time: Duration,
    /// What it says.
    pub fate: Fate,
}

impl Fate {
    /// What an ICMP error says: whether UDP's "port unreachable" means arrival, the caller says.
    pub(crate) fn of_error(v6: bool, kind: u8, code: u8) -> Option<Fate> {
        Some(match (v6, kind, code) {
            (false, 11, 0) | (true, 3, 0) => Fate::Passing,
            (false, 3, 3) | (true, 1, 4) => Fate::Arrived,
            (false, 3, 0) | (true, 1, 0) => Fate::Unreachable('N'),
            (false, 3, 1) | (true, 1, 3) => Fate::Unreachable('H'),
            (false, 3, 2) => Fate::Unreachable('P'),
            (false, 3, 4) | (true, 2, _) => Fate::Unreachable('F'),
            (false, 3, 5) => Fate::Unreachable('S'),
            (false, 3, 9 | 10 | 13) | (true, 1, 1) => Fate::Unreachable('X'),
            (false, 3, 14) => Fate::Unreachable('V'),
            (false, 3, 15) => Fate::Unreachable('C'),
            (false, 3, _) | (true, 1, _) => Fate::Unreachable('?'),
            _ => return None,
        })
    }
}

/// The answers of one pass over a way.
#[derive(Debug, Clone)]
pub struct Way {
    first: u8,
    /// By hop and probe: none yet, lost, or an answer.
    hops: Vec<Vec<Option<Option<Answer>>>>,
}

impl Way {
    /// A way of so many hops, each probed so often.
    pub fn new(first: u8, last: u8, queries: u8) -> Self {
        let hops = usize::from(last.saturating_sub(first)) + 1;
        Way { first, hops: vec![vec![None; queries.into()]; hops] }
    }

    /// What came of a probe; `None` if nothing came.
    pub fn set(&mut self, hop: u8, query: u8, answer: Option<Answer>) {
        let hop = self.hops.get_mut(usize::from(hop.wrapping_sub(self.first)));
        if let Some(place) = hop.and_then(|hop| hop.get_mut(usize::from(query))) {
            *place = Some(answer);
        }
    }

    /// The hop at which the way ends, as far as that is known.
    pub fn end(&self) -> Option<u8> {
        let ends = |probe: &Option<Option<Answer>>| matches!(probe, Some(Some(answer)) if answer.fate != Fate::Passing);
        self.hops.iter().position(|hop| hop.iter().any(ends)).map(|at| self.first.saturating_add(at as u8))
    }

    /// Whether the host itself has answered.
    pub fn arrived(&self) -> bool {
        let arrived =
            |probe: &Option<Option<Answer>>| matches!(probe, Some(Some(answer)) if answer.fate == Fate::Arrived);
        self.hops.iter().flatten().any(arrived)
    }

    /// The answers of a hop's probes, if all of them are over.
    pub fn hop(&self, hop: u8) -> Option<Vec<Option<Answer>>> {
        self.hops.get(usize::from(hop.checked_sub(self.first)?))?.iter().copied().collect()
    }

    /// A hop's line as traceroute prints it: an address where it differs from the one before.
    pub fn line(&self, hop: u8) -> Option<String> {
        let (mut line, mut last) = (format!("{hop:2} "), None);
        for answer in self.hop(hop)? {
            let Some(Answer { from, time, fate }) = answer else {
                line.push_str(" *");
                continue;
            };
            if last.replace(from) != Some(from) {
                let _ = write!(line, " {from}");
            }
            let _ = write!(line, "  {:.3} ms", time.as_secs_f64() * 1e3);
            if let Fate::Unreachable(letter) = fate {
                let _ = write!(line, " !{letter}");
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(last: u8, micros: u64, fate: Fate) -> Option<Answer> {
        Some(Answer { from: [10, 0, 0, last].into(), time: Duration::from_micros(micros), fate })
    }

    #[test]
    fn lines_are_traceroutes() {
        let mut way = Way::new(1, 30, 3);
        way.set(1, 0, answer(1, 61, Fate::Passing));
        way.set(1, 1, None);
        assert_eq!(way.line(1), None, "a probe is under way");
        way.set(1, 2, answer(2, 1048, Fate::Passing));
        assert_eq!(way.line(1).unwrap(), " 1  10.0.0.1  0.061 ms * 10.0.0.2  1.048 ms");
        for query in 0..3 {
            way.set(12, query, answer(9, 500, Fate::Unreachable('H')));
        }
        assert_eq!(way.line(12).unwrap(), "12  10.0.0.9  0.500 ms !H  0.500 ms !H  0.500 ms !H");
        assert_eq!(way.line(31), None);
    }

    #[test]
    fn a_way_ends_where_the_first_end_is() {
        let mut way = Way::new(2, 9, 2);
        assert_eq!((way.end(), way.arrived()), (None, false));
        way.set(5, 1, answer(9, 1, Fate::Arrived));
        way.set(4, 0, answer(9, 1, Fate::Arrived));
        assert_eq!((way.end(), way.arrived()), (Some(4), true));
        way.set(3, 0, answer(3, 1, Fate::Unreachable('X')));
        assert_eq!(way.end(), Some(3));
        way.set(200, 0, None);
        way.set(1, 0, None);
    }
}
