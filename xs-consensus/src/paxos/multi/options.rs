//! What a replica may be told at its start.

use std::time::Duration;

use super::MAX_OPEN;
use crate::paxos::Error;

/// How patient a replica is, and how much it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A replica stands for leader after this long without one. 150 ms by default.
    pub patience: Duration,
    /// And up to this much longer, drawn anew each time, so that two seldom stand at once. 150 ms by default.
    pub jitter: Duration,
    /// A leader says that it is there this often, and again what was not answered. 50 ms by default.
    pub heartbeat: Duration,
    /// Slots that a leader opens beyond what it knows to be chosen. 1,024 by default, [`MAX_OPEN`] at most.
    pub max_open: u64,
    /// The largest command. 4 MiB by default.
    pub max_command_bytes: usize,
    /// What one message, or one [`Ready::apply`](super::Ready::apply), carries at most, except that it carries one value.
    /// 1 MiB by default.
    pub max_batch_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            patience: Duration::from_millis(150),
            jitter: Duration::from_millis(150),
            heartbeat: Duration::from_millis(50),
            max_open: 1024,
            max_command_bytes: 4 << 20,
            max_batch_bytes: 1 << 20,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what| Err(Error::Options(what));
        let hour = Duration::from_secs(3600);
        if self.heartbeat.is_zero() || self.patience > hour || self.jitter > hour {
            return wrong("heartbeat: not zero; patience, jitter: at most an hour");
        }
        if self.heartbeat * 2 >= self.patience {
            return wrong("heartbeat: less than half of patience");
        }
        if self.jitter < self.heartbeat {
            return wrong("jitter: at least a heartbeat, or candidates outbid each other for ever");
        }
        if !(1..=MAX_OPEN).contains(&self.max_open) {
            return wrong("max_open: from 1 to 65,536");
        }
        if self.max_command_bytes == 0 || self.max_batch_bytes == 0 {
            return wrong("max_command_bytes, max_batch_bytes: at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_by_name() {
        assert_eq!(Options::default().check(), Ok(()));
        let bad: [fn(&mut Options); 6] = [
            |o| o.heartbeat = Duration::from_millis(75),
            |o| o.heartbeat = Duration::ZERO,
            |o| o.jitter = Duration::from_millis(1),
            |o| o.max_open = 0,
            |o| o.max_open = MAX_OPEN + 1,
            |o| o.max_batch_bytes = 0,
        ];
        for change in bad {
            let mut options = Options::default();
            change(&mut options);
            assert!(matches!(options.check(), Err(Error::Options(_))), "{options:?}");
        }
    }
}
