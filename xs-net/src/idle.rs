//! The coarse idle timer: it looks at a connection now and then, instead of being moved by every byte.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::Timer;
use crate::timer::Sleep;

#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    /// Nothing has moved since then, as far as the last look tells.
    since: Instant,
    sleep: Sleep,
}

impl Idle {
    pub(crate) fn new(limit: Duration, timer: &Timer) -> Self {
        Idle { limit, since: timer.now(), sleep: timer.sleep(Self::tick(limit)) }
    }

    /// How often to look: coarse enough to cost nothing.
    fn tick(limit: Duration) -> Duration {
        (limit / 4).max(Duration::from_secs(1)).min(limit)
    }

    /// True when the limit has passed without a movement. `touched` says that there was one since the last look; it
    /// is cleared when it has been seen.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>, timer: &Timer, touched: &mut bool) -> bool {
        while Pin::new(&mut self.sleep).poll(cx).is_ready() {
            let now = timer.now();
            if std::mem::take(touched) {
                self.since = now;
            }
            let deadline = self.since + self.limit;
            if now >= deadline {
                return true;
            }
            self.sleep.reset(deadline.min(now + Self::tick(self.limit)));
        }
        false
    }
}
