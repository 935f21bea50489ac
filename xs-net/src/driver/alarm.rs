//! One timer for a deadline that moves all the time.
//!
//! Deadlines mostly move away: each request puts the idle one off. Arming the runtime's timer anew for each would cost
//! more than the request's parsing, so a timer that is set too early stays, fires for nothing, and is set again then.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use crate::Timer;
use crate::timer::Sleep;

#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Sleep>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl Alarm {
    /// Sees to it that the task is woken at `at` or before. True when that has passed already.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &Timer, now: Instant, at: Instant) -> bool {
        let known = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        match &mut self.sleep {
            Some(sleep) if now < sleep.deadline() && sleep.deadline() <= at => {
                if known {
                    return false;
                }
                // Another task waits now, as where a client's connection comes from a pool: it only has to be told.
            }
            Some(sleep) => sleep.reset(at),
            none => *none = Some(timer.sleep_until(at)),
        }
        if !known {
            self.waker = Some(cx.waker().clone());
        }
        self.sleep.as_mut().is_some_and(|sleep| Pin::new(sleep).poll(cx).is_ready())
    }
}
