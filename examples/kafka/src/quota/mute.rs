//! A connection that is not heard for a while.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use parking_lot::Mutex;
use xs_net::Timer;
use xs_net::timer::Sleep;

/// Until when nothing more is taken from a connection. Answers set it, whoever takes requests heeds it.
#[derive(Debug, Default)]
pub(crate) struct Mute(Mutex<Option<Instant>>);

impl Mute {
    /// Not before then.
    pub(crate) fn until(&self, then: Instant) {
        let mut until = self.0.lock();
        *until = Some(until.map_or(then, |until| until.max(then)));
    }
}

/// Waits for it.
#[derive(Debug)]
pub(crate) struct Pause {
    timer: Timer,
    sleep: Option<Sleep>,
}

impl Pause {
    pub(crate) fn new(timer: Timer) -> Pause {
        Pause { timer, sleep: None }
    }

    /// Ready when the connection may be heard.
    pub(crate) fn poll(&mut self, mute: &Mute, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = *mute.0.lock() else { return Poll::Ready(()) };
        let timer = &self.timer;
        let sleep = self.sleep.get_or_insert_with(|| timer.sleep_until(until));
        if sleep.deadline() != until {
            sleep.reset(until);
        }
        if Pin::new(sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        *mute.0.lock() = None;
        self.sleep = None;
        Poll::Ready(())
    }
}
