//! What was asked, how it ended and how long it took: metrics, traces and an access log.
//!
//! # The problem
//!
//! A system that nobody can look into is repaired by guessing. Three questions come up, and each wants another kind of answer.
//! *Is something wrong?* wants a few numbers that are always there: how many requests, how many failed, how long they took;
//! of all requests, so it must cost next to nothing. *Where is it wrong?* wants one request followed through all systems that it
//! met, which have to agree on its name. *Who was it?* wants a line for each request, kept for long, which an attacker
//! would like to write himself.
//!
//! # How it works
//!
//! [`ObserveLayer`] watches any service and knows nothing of what it serves. Which operation a request is, says a closure
//! ([`Describe`]); what its outcome is called, another ([`Judge`]); where it carries its place in a trace, a third
//! ([`Propagate`]).
//!
//! ```text
//!              ┌───────────────── ObserveLayer ─────────────────┐
//!   request ──▶│ operation?  trace: child or root   span, clock │──▶ request, with its new place ──▶ inner service
//!              │     │                                 │        │
//!   result  ◀──│     └──▶ Stats: in flight, outcome, duration   │◀── result, or dropped: "cancelled"
//!              └───────────┬────────────────────┬───────────────┘
//!                          │ read: an admin page │ facade `metrics`, if the feature is on
//!                          ▼                     ▼
//!                      Exposition  ◀──────── Recorder: all layers' counters
//!                          └──▶ Prometheus' text
//! ```
//!
//! [`Stats`] is where it counts: for each operation and outcome a [histogram](crate::histogram) of durations, which is at the
//! same time the number of calls. It is read without any recorder, and written to a page by [`Stats::expose`]. With the feature
//! `metrics` the same goes to whatever recorder the process has, beside the counters `xs_<block>_<what>_total` of the other
//! layers; `Recorder` is one that keeps them for a page.
//!
//! [`TraceContext`] is a request's place in a trace as W3C's standard writes it: the trace's name, the caller's, and a list that
//! tracing systems pass to themselves. [`AccessLog`] formats the line.
//!
//! Name | Labels | What
//! ---|---|---
//! `xs_requests_total` | `name`, `operation`, `outcome` | a counter
//! `xs_request_duration_seconds` | `name`, `operation`, `outcome` | a histogram
//! `xs_requests_in_flight` | `name`, `operation` | a gauge
//!
//! # Invariants
//!
//! - Every call that began ends once, with an outcome: a dropped or panicking one is [`CANCELLED`] (`Watch`'s `Drop`).
//! - Memory is bounded by the program and never by what clients send: operations are listed beforehand, outcomes are names in
//!   the program and at most twelve an operation (`Counts::series`), a `Recorder` refuses series beyond its limit and tells.
//! - A quantile is never too short, and too long by less than a 32nd ([`Histogram`](crate::histogram::Histogram)).
//! - No id is zero, and nothing is passed on that the standard forbids: a `traceparent` is refused as a whole, a broken
//!   `tracestate` is dropped and breaks nothing else (`TraceContext::parse`).
//! - Whatever a client sends, an access log's line is one line of visible characters whose fields end where they should
//!   (`AccessLog::write`; property tests).
//! - The layer adds no error, no wait and no bound: it is transparent.
//!
//! # Cost
//!
//! A call: two readings of the clock (`Timer::ticks` makes them cheaper), three atomic additions and a
//! reference count; no lock, no allocation and no look-up by name. How many are under way is the difference of those that began
//! and those that ended, and summed up when somebody asks. A trace adds a lock around the generator and writing the fields; a
//! span costs what its subscriber does, and a check of a flag if there is none. A page takes a microsecond or two for each series. 10.5 KiB an operation and outcome that was seen.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::observe::{Exposition, ObserveLayer, Stats};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let stats = Stats::new("shop", ["read", "write"]);
//! let layer = ObserveLayer::new(&stats, &Timer::system()).describe(|request: &&str| usize::from(request.starts_with("set")));
//! let mut shop = layer.layer(service_fn(|request: &'static str| async move {
//!     if request.ends_with("tea") { Ok(request.len()) } else { Err("sold out") }
//! }));
//! for request in ["get tea", "get milk", "set tea"] {
//!     let _ = shop.ready().await.unwrap().call(request).await;
//! }
//!
//! let all = stats.all();
//! assert_eq!((all.count(), all.count_of("error"), all.in_flight()), (3, 1, 0));
//! assert!(all.quantile(0.99).is_some());
//! let mut page = Exposition::new();
//! Stats::expose(&[stats], &mut page).unwrap();
//! assert!(page.text().contains("xs_requests_total{name=\"shop\",operation=\"write\",outcome=\"ok\"} 1\n"));
//! # }
//! ```
//!
//! # How others do it
//!
//! `tower-http`'s `TraceLayer` opens a span and hands five callbacks to its user; it is for HTTP, times nothing but what it logs,
//! and counts nothing. `axum-prometheus` labels by method, path and status and looks the series up by these strings in each
//! call; a path that a client made up becomes a series unless told otherwise. OpenTelemetry has all of it behind one interface,
//! with exporters, batches and a background task; its names are followed where they exist. Envoy's histograms are log-linear as
//! ours are, and merged from one a thread.
//!
//! The writer is ours and not `metrics-exporter-prometheus`, which is well kept and under the MIT licence. The page has to be
//! there for [`Stats`], that is without the facade; series must be bounded, and in an order that no hash seed chooses; and
//! without its HTTP listener it still brings `metrics-util`, `evmap`, `indexmap`, `quanta` and `base64` (version 0.18), for what
//! are three hundred lines here. The facade stays the seam: a process that installs that exporter gets all of these metrics
//! through it.
//!
//! # What this leaves out
//!
//! Sending anything anywhere: spans go to a `tracing` subscriber, pages to whoever asks. Sampling decisions: the flag is passed
//! on, and a root says "not sampled". Exemplars and native histograms of Prometheus, and OpenMetrics. A streamed body: the layer's
//! call ends with the response's head; `Counted` tells when the body did. Baggage, and contexts for anything but HTTP's fields
//! (any request type can carry one by two closures).
//!
//! # Try next
//!
//! Put the layer outside and inside of a [`retry`](crate::retry) layer, under two names, and make the backend fail now and then:
//! the difference is what callers never saw.
//!
//! # Sources
//!
//! *W3C Trace Context Level 2*; Prometheus' "Exposition formats", text format 0.0.4; OpenTelemetry's semantic conventions for HTTP
//! metrics; T. Wilkie's RED method; RFC 3339; OWASP's page on log injection.

mod access;
#[cfg(feature = "http")]
mod headers;
mod layer;
mod prometheus;
#[cfg(feature = "metrics")]
mod recorder;
mod state;
mod stats;
#[cfg(all(test, not(xs_loom)))]
mod tests;
mod trace;

pub use access::{Access, AccessLog};
#[cfg(feature = "http")]
pub use headers::{BodyEnd, Counted, HasStatus, Headers, status_class};
pub use layer::{
    Alike, Describe, Judge, ObserveFuture, ObserveLayer, ObserveService, OkOrError, Propagate, Trace, Traced, Untraced,
};
pub use prometheus::{Exposition, Family, InvalidMetric, Kind, NANOSECONDS, PROMETHEUS_TEXT, SECONDS};
#[cfg(feature = "metrics")]
pub use recorder::{AlreadyInstalled, Recorder};
pub use state::{InvalidTraceState, TraceState};
pub use stats::{CANCELLED, OTHER, Operation, Stats};
pub use trace::{InvalidTraceParent, SpanId, TraceContext, TraceId};
