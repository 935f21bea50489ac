//! Many passes over a way, as mtr's table.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::way::{Fate, Way};

/// Statistics of each hop.
#[derive(Debug, Clone, Default)]
pub struct Report {
    hops: Vec<Hop>,
}

#[derive(Debug, Clone, Default)]
struct Hop {
    from: BTreeSet<IpAddr>,
    sent: u64,
    received: u64,
    last: f64,
    best: f64,
    worst: f64,
    sum: f64,
    squares: f64,
}

impl Report {
    /// Adds a pass that begins with hop `first`.
    pub fn add(&mut self, way: &Way, first: u8, last: u8) {
        for hop in first..=way.end().unwrap_or(last).min(last) {
            let Some(answers) = way.hop(hop) else { continue };
            let at = usize::from(hop - 1);
            if self.hops.len() <= at {
                self.hops.resize_with(at + 1, Hop::default);
            }
            let of = &mut self.hops[at];
            for answer in answers {
                of.sent += 1;
                let Some(answer) = answer else { continue };
                let millis = answer.time.as_secs_f64() * 1e3;
                of.received += 1;
                of.from.insert(answer.from);
                of.best = if of.received == 1 { millis } else { of.best.min(millis) };
                (of.last, of.worst) = (millis, of.worst.max(millis));
                of.sum += millis;
                of.squares += millis * millis;
            }
            if way.hop(hop).is_some_and(|all| all.iter().flatten().any(|answer| answer.fate == Fate::Arrived)) {
                // What an earlier pass has looked for behind the host is nothing.
                self.hops.truncate(at + 1);
                break;
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44}{:>6}{:>6}{:>8}{:>8}{:>8}{:>8}{:>8}",
            "HOST", "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev"
        )?;
        // Silence behind the last answer is one line.
        let answered = self.hops.iter().rposition(|hop| hop.received > 0).map_or(0, |at| at + 1);
        for (at, hop) in self.hops.iter().enumerate().take(answered + 1).filter(|(_, hop)| hop.sent > 0) {
            let mut names = hop.from.iter();
            let name = names.next().map_or_else(|| "???".to_owned(), ToString::to_string);
            let loss = (hop.sent - hop.received) as f64 * 100.0 / hop.sent as f64;
            let count = hop.received.max(1) as f64;
            let mean = hop.sum / count;
            let deviation = (hop.squares / count - mean * mean).max(0.0).sqrt();
            let host = format!("{:3}.|-- {name}", at + 1);
            write!(f, "{host:<44}{loss:>5.1}%{:>6}", hop.sent)?;
            writeln!(f, "{:>8.1}{mean:>8.1}{:>8.1}{:>8.1}{deviation:>8.1}", hop.last, hop.best, hop.worst)?;
            for other in names {
                writeln!(f, "        {other}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::way::Answer;

    #[test]
    fn passes_add_up() {
        let mut report = Report::default();
        for pass in 1..=2_u8 {
            let mut way = Way::new(1, 4, 1);
            let answer = |last, fate| {
                let (from, time) = ([10, 0, 0, last].into(), Duration::from_millis(u64::from(pass) * 2));
                Some(Answer { from, time, fate })
            };
            way.set(1, 0, answer(pass, Fate::Passing));
            way.set(2, 0, None);
            way.set(3, 0, if pass == 1 { None } else { answer(9, Fate::Arrived) });
            way.set(4, 0, None);
            report.add(&way, 1, 4);
        }
        let lines: Vec<String> =
            report.to_string().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let wanted = [
            "HOST Loss% Snt Last Avg Best Wrst StDev",
            "1.|-- 10.0.0.1 0.0% 2 4.0 3.0 2.0 4.0 1.0",
            "10.0.0.2",
            "2.|-- ??? 100.0% 2 0.0 0.0 0.0 0.0 0.0",
            "3.|-- 10.0.0.9 50.0% 2 4.0 4.0 4.0 4.0 0.0",
        ];
        assert_eq!(lines, wanted);
    }
}
