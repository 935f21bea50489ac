//! What a host's network is bounded by.

use std::time::Duration;

/// Sizes and times of a host's connections. The defaults are a small TCP on a fast network, with times that let a simulated
/// minute show what takes a real one an hour.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most payload of one packet, in bytes.
    pub segment: usize,
    /// What a connection keeps of what was written and not yet acknowledged; a writer waits beyond it. In bytes.
    pub send_buffer: usize,
    /// What a connection keeps of what arrived and wasn't read; the other side's writer waits beyond it. In bytes.
    pub receive_buffer: usize,
    /// How many connections of a listener may wait to be accepted, those that are half open included.
    pub backlog: usize,
    /// How many connections a host may have. Beyond it, it doesn't answer, and its own attempts fail with `AddrNotAvailable`.
    pub connections: usize,
    /// How long an answer is awaited before anything is known of the way.
    pub first_retry: Duration,
    /// The least time until something is sent again.
    pub least_retry: Duration,
    /// The most time until something is sent again; it doubles each time until then.
    pub most_retry: Duration,
    /// How long [`connect`](super::Node::connect) tries.
    pub connect_patience: Duration,
    /// After what time without an answer a connection that waits for one breaks with `TimedOut`.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            segment: 16 * 1024,
            send_buffer: 64 * 1024,
            receive_buffer: 64 * 1024,
            backlog: 128,
            connections: 16_384,
            first_retry: Duration::from_millis(100),
            least_retry: Duration::from_millis(20),
            most_retry: Duration::from_secs(2),
            connect_patience: Duration::from_secs(10),
            patience: Duration::from_secs(15),
        }
    }
}

impl Limits {
    /// The same with what makes no sense moved to what does: nothing is empty.
    pub(super) fn checked(mut self) -> Self {
        for size in [&mut self.segment, &mut self.send_buffer, &mut self.receive_buffer, &mut self.backlog] {
            *size = (*size).max(1);
        }
        for time in [&mut self.first_retry, &mut self.least_retry] {
            *time = (*time).max(Duration::from_micros(1));
        }
        self.most_retry = self.most_retry.max(self.least_retry);
        self
    }
}
