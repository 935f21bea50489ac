//! Which reply belongs to which request, and what all of them say.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use xs_os::Nanos;

/// The requests of a run, and what came back.
#[derive(Debug, Default)]
pub struct Session {
    sent: u64,
    /// By sequence number as the packet has it: when it was sent, and whether it was answered.
    asked: HashMap<u16, (Nanos, bool)>,
    waiting: usize,
    began: Option<Nanos>,
    ended: Nanos,
    received: u64,
    duplicates: u64,
    errors: u64,
    times: Times,
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The first to a request, after so long.
    Reply(Duration),
    /// Another one to the same.
    Duplicate(Duration),
}

#[derive(Debug, Default, Clone, Copy)]
struct Times {
    least: Duration,
    most: Duration,
    /// In milliseconds, as are the squares.
    sum: f64,
    squares: f64,
}

impl Session {
    /// Nothing sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next request leaves now: its sequence number, which begins with 1.
    pub fn send(&mut self, now: Nanos) -> u16 {
        self.sent += 1;
        self.began.get_or_insert(now);
        self.ended = now;
        let sequence = self.sent as u16;
        let before = self.asked.insert(sequence, (now, false));
        // One that comes round again gives up on the old one.
        self.waiting += usize::from(before.is_none_or(|(_, answered)| answered));
        sequence
    }

    /// A reply has come. `None` if it answers nothing.
    pub fn reply(&mut self, sequence: u16, now: Nanos) -> Option<Heard> {
        let (sent, answered) = self.asked.get_mut(&sequence)?;
        let time = now - *sent;
        self.ended = now;
        if std::mem::replace(answered, true) {
            self.duplicates += 1;
            return Some(Heard::Duplicate(time));
        }
        self.waiting -= 1;
        self.received += 1;
        self.times.least = if self.received == 1 { time } else { self.times.least.min(time) };
        self.times.most = self.times.most.max(time);
        let millis = time.as_secs_f64() * 1e3;
        self.times.sum += millis;
        self.times.squares += millis * millis;
        Some(Heard::Reply(time))
    }

    /// Somebody has sent an error about a request. `false` if there was none such, or it has an answer.
    pub fn error(&mut self, sequence: u16, now: Nanos) -> bool {
        let Some((_, answered @ false)) = self.asked.get_mut(&sequence) else { return false };
        *answered = true;
        self.waiting -= 1;
        self.errors += 1;
        self.ended = now;
        true
    }

    /// How many were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many are neither answered nor given up.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// What came of it so far.
    pub fn summary(&self) -> Summary {
        let count = self.received.max(1) as f64;
        let mean = self.times.sum / count;
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        Summary {
            sent: self.sent,
            received: self.received,
            duplicates: self.duplicates,
            errors: self.errors,
            time: self.began.map_or(Duration::ZERO, |began| self.ended - began),
            times: (self.received > 0).then(|| {
                let deviation = (self.times.squares / count - mean * mean).max(0.0).sqrt();
                [millis(self.times.least), mean, millis(self.times.most), deviation]
            }),
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Requests.
    pub sent: u64,
    /// Those that were answered.
    pub received: u64,
    /// Replies beyond the first of a request.
    pub duplicates: u64,
    /// Requests that somebody has sent an error about.
    pub errors: u64,
    /// From the first request to the last thing that happened.
    pub time: Duration,
    /// Least, mean and most milliseconds of a reply, and their deviation; none without replies.
    pub times: Option<[f64; 4]>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.sent - self.received.min(self.sent);
        write!(f, "{} packets transmitted, {} received, ", self.sent, self.received)?;
        if self.duplicates > 0 {
            write!(f, "+{} duplicates, ", self.duplicates)?;
        }
        if self.errors > 0 {
            write!(f, "+{} errors, ", self.errors)?;
        }
        let share = lost as f64 * 100.0 / self.sent.max(1) as f64;
        // As printf's %g of six digits, which iputils uses.
        let share = format!("{share:.4}");
        let share = share.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{share}% packet loss, time {}ms", self.time.as_millis())?;
        if let Some([least, mean, most, deviation]) = self.times {
            write!(f, "\nrtt min/avg/max/mdev = {least:.3}/{mean:.3}/{most:.3}/{deviation:.3} ms")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Nanos {
        Nanos::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn replies_are_counted_once() {
        let mut session = Session::new();
        let first = session.send(at(0));
        let second = session.send(at(1000));
        assert_eq!((first, second, session.waiting()), (1, 2, 2));
        assert_eq!(session.reply(second, at(1003)), Some(Heard::Reply(Duration::from_millis(3))));
        assert_eq!(session.reply(second, at(1004)), Some(Heard::Duplicate(Duration::from_millis(4))));
        assert_eq!(session.reply(9, at(1004)), None);
        assert_eq!(session.reply(first, at(1005)), Some(Heard::Reply(Duration::from_millis(1005))));
        assert_eq!(session.waiting(), 0);
        let text = "2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 1005ms\n\
                    rtt min/avg/max/mdev = 3.000/504.000/1005.000/501.000 ms";
        assert_eq!(session.summary().to_string(), text);
    }

    #[test]
    fn what_is_lost_is_a_share() {
        let mut session = Session::new();
        for second in 0..3 {
            session.send(at(second * 1000));
        }
        assert!(session.error(2, at(2500)) && !session.error(2, at(2500)) && !session.error(7, at(2500)));
        session.reply(3, at(2600));
        let text = session.summary().to_string();
        assert!(
            text.starts_with("3 packets transmitted, 1 received, +1 errors, 66.6667% packet loss, time 2600ms\n"),
            "{text}"
        );
        assert_eq!(Session::new().summary().to_string(), "0 packets transmitted, 0 received, 0% packet loss, time 0ms");
    }

    #[test]
    fn sequence_numbers_come_round() {
        let mut session = Session::new();
        for n in 0..65_536 + 5 {
            session.send(at(n));
        }
        assert_eq!((session.sent(), session.waiting()), (65_541, 65_536));
        assert_eq!(session.reply(3, at(70_000)), Some(Heard::Reply(Duration::from_millis(70_000 - 65_538))));
    }
}
