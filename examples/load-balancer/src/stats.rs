//! What has happened so far, in numbers that anyone may read at any time.
//!
//! Durations are in the histograms of `xs_net::histogram`, and the page for Prometheus is written by `xs_net::observe`. What
//! counts here is not `observe::Stats`, for two reasons. It counts calls, each of which begins, ends, and has one outcome;
//! a balancer also counts connections, bytes, attempts that were followed by others, and refusals. And it keeps a histogram
//! for each outcome, and a gauge of what is under way, which `balance` has already: four atomic additions and a look for
//! the outcome's name for each of the three parties (listener, pool, endpoint) of a request, where here it is one, or two
//! with a duration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use xs_net::histogram::{AtomicHistogram, Histogram, nanos};
use xs_net::relay::Flow;

/// A number that only grows, or, as a gauge, goes up and down.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn take(&self, count: u64) {
        self.0.fetch_sub(count, Relaxed);
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub struct Latency(AtomicHistogram);

impl Latency {
    #[inline]
    pub(crate) fn record(&self, time: Duration) {
        self.0.record(nanos(time));
    }

    /// What was recorded by now, in nanoseconds.
    pub fn snapshot(&self) -> Histogram {
        self.0.snapshot()
    }
}

/// The time that a part of all, from 0 to 1, did not exceed; zero if there were none.
pub(crate) fn quantile(histogram: &Histogram, part: f64) -> Duration {
    Duration::from_nanos(histogram.quantile(part).unwrap_or(0))
}

/// What came to a listener.
#[derive(Debug, Default)]
pub struct ListenerStats {
    /// Connections that were taken.
    pub connections: Counter,
    /// Connections that are open now.
    pub open: Counter,
    /// Requests that came.
    pub requests: Counter,
    /// Responses, by the hundreds of their status; 0 is for those that broke off.
    pub responses: [Counter; 6],
    /// Requests, or connections, that were too many.
    pub limited: Counter,
    /// Bytes of bodies that came.
    pub received: Counter,
    /// Bytes of bodies that were sent.
    pub sent: Counter,
    /// Bytes that were relayed, counted while they pass: there from the client, back to it.
    pub flow: Arc<Flow>,
    /// From a request's head to the end of its response; in mode "tcp" until an endpoint has taken the connection.
    pub latency: Latency,
}

/// What a pool had to do.
#[derive(Debug, Default)]
pub struct PoolStats {
    /// Requests, or connections, that were for it.
    pub requests: Counter,
    /// Requests, or connections, that were tried again.
    pub retries: Counter,
    /// Requests that would have been tried again, if the budget had allowed it.
    pub over_budget: Counter,
    /// Requests for which there was no endpoint.
    pub nobody: Counter,
}

/// What an endpoint did.
#[derive(Debug, Default)]
pub struct EndpointStats {
    /// Requests, or connections, that it was given.
    pub requests: Counter,
    /// Connections that were opened to it.
    pub connects: Counter,
    /// Connections that could not be opened.
    pub connect_failures: Counter,
    /// Requests that it did not answer in time.
    pub timeouts: Counter,
    /// Requests that it broke off, or answered with something else than HTTP.
    pub breaks: Counter,
    /// Responses of 500 and above.
    pub errors: Counter,
    /// From giving it a request to the head of its response; in mode "tcp" until it has taken the connection.
    pub latency: Latency,
}
