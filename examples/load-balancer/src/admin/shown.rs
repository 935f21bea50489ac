//! What there is to show: everything at one moment, with rates since a while ago.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xs_net::serve::ConnectionLimit;

use crate::config::Mode;
use crate::stats::{Latency, ListenerStats, quantile};
use crate::upstream::Upstream;
use crate::work::Work;

/// Where the numbers are.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) listeners: Vec<(SocketAddr, Work, ConnectionLimit)>,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    pub(crate) ending: bool,
}

/// The least time that a rate is taken over.
const STEP: Duration = Duration::from_secs(1);

/// What came since a while ago.
#[derive(Debug, Default)]
pub(super) struct Rates {
    since: Option<Instant>,
    /// Of each listener and each endpoint: how many there were then, and how many a second since the time before.
    counts: BTreeMap<String, (u64, f64)>,
}

/// A listener at one moment.
pub(super) struct ListenerSeen {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) mode: &'static str,
    pub(super) open: u64,
    pub(super) most: usize,
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) rate: f64,
    /// By the hundreds of their status.
    pub(super) responses: [u64; 6],
    pub(super) limited: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// A pool at one moment.
pub(super) struct PoolSeen {
    pub(super) name: String,
    pub(super) requests: u64,
    pub(super) retries: u64,
    pub(super) over_budget: u64,
    pub(super) nobody: u64,
    pub(super) endpoints: Vec<EndpointSeen>,
}

/// An endpoint at one moment.
pub(super) struct EndpointSeen {
    pub(super) name: String,
    pub(super) zone: Option<String>,
    pub(super) weight: u32,
    pub(super) state: &'static str,
    pub(super) outstanding: u32,
    /// The peak average of the latency, by which two choices are compared.
    pub(super) average: Duration,
    pub(super) requests: u64,
    pub(super) rate: f64,
    pub(super) connects: u64,
    pub(super) connect_failures: u64,
    pub(super) timeouts: u64,
    pub(super) breaks: u64,
    pub(super) errors: u64,
    pub(super) ejections: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// Everything at one moment.
pub(super) struct Seen {
    pub(super) listeners: Vec<ListenerSeen>,
    pub(super) pools: Vec<PoolSeen>,
    pub(super) ending: bool,
}

/// Bytes that came from clients and that went to them.
pub(super) fn bytes(stats: &ListenerStats) -> (u64, u64) {
    (stats.received.get() + stats.flow.there(), stats.sent.get() + stats.flow.back())
}

/// How an endpoint does, in a word.
pub(crate) fn state(status: &xs_net::balance::Status) -> &'static str {
    match status {
        status if !status.well => "unwell",
        status if status.ejected_until.is_some() => "ejected",
        status if status.endpoint.weight == 0 => "draining",
        _ => "well",
    }
}

fn quantiles(latency: &Latency) -> (Duration, Duration) {
    let all = latency.snapshot();
    (quantile(&all, 0.5), quantile(&all, 0.99))
}

impl Rates {
    /// Looks at everything. Rates are those since the last look but one that was at least a second ago.
    pub(super) fn see(&mut self, view: &View, now: Instant) -> Seen {
        let elapsed = self.since.map(|since| now.saturating_duration_since(since));
        let renew = elapsed.is_none_or(|elapsed| elapsed >= STEP);
        let mut counts = BTreeMap::new();
        let known = &self.counts;
        let mut rate = |key: String, count: u64| {
            let before = known.get(&key).copied();
            let rate = match (before, elapsed) {
                (Some((before, _)), Some(elapsed)) if renew => {
                    count.saturating_sub(before) as f64 / elapsed.as_secs_f64()
                }
                (Some((_, rate)), _) => rate,
                _ => 0.0,
            };
            counts.insert(key, if renew { (count, rate) } else { before.unwrap_or((count, rate)) });
            rate
        };
        let listeners = view.listeners.iter().map(|(address, work, limit)| {
            let (config, stats) = (work.config(), work.stats());
            let tcp = matches!(config.mode, Mode::Tcp(_));
            let (requests, connections) = (stats.requests.get(), stats.connections.get());
            let (received, sent) = bytes(stats);
            let (p50, p99) = quantiles(&stats.latency);
            ListenerSeen {
                name: config.name.clone(),
                address: *address,
                mode: if tcp { "tcp" } else { "http" },
                open: stats.open.get(),
                most: limit.max(),
                connections,
                requests,
                rate: rate(format!("listener {}", config.name), if tcp { connections } else { requests }),
                responses: std::array::from_fn(|hundreds| stats.responses[hundreds].get()),
                limited: stats.limited.get(),
                received,
                sent,
                p50,
                p99,
            }
        });
        let listeners = listeners.collect();
        let mut pools = Vec::new();
        for (name, upstream) in &view.upstreams {
            let mut endpoints = Vec::new();
            for (status, backend) in upstream.members.look() {
                let stats = &backend.stats;
                let (p50, p99) = quantiles(&stats.latency);
                endpoints.push(EndpointSeen {
                    name: status.endpoint.name.to_string(),
                    zone: status.endpoint.zone.as_deref().map(str::to_owned),
                    weight: status.endpoint.weight,
                    state: state(&status),
                    outstanding: status.outstanding,
                    average: status.latency,
                    requests: stats.requests.get(),
                    rate: rate(format!("endpoint {name} {}", status.endpoint.name), stats.requests.get()),
                    connects: stats.connects.get(),
                    connect_failures: stats.connect_failures.get(),
                    timeouts: stats.timeouts.get(),
                    breaks: stats.breaks.get(),
                    errors: stats.errors.get(),
                    ejections: status.ejections,
                    p50,
                    p99,
                });
            }
            pools.push(PoolSeen {
                name: name.clone(),
                requests: upstream.stats.requests.get(),
                retries: upstream.stats.retries.get(),
                over_budget: upstream.stats.over_budget.get(),
                nobody: upstream.stats.nobody.get(),
                endpoints,
            });
        }
        self.counts = counts;
        if renew {
            self.since = Some(now);
        }
        Seen { listeners, pools, ending: view.ending }
    }
}

impl Seen {
    /// Everything as JSON; times are in milliseconds, rates a second.
    pub(super) fn json(&self) -> Value {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let listeners = self.listeners.iter().map(|listener| {
            json!({
                "name": listener.name, "address": listener.address.to_string(), "mode": listener.mode,
                "open": listener.open, "most": listener.most, "connections": listener.connections,
                "requests": listener.requests, "rate": listener.rate, "limited": listener.limited,
                "responses": {
                    "broken": listener.responses[0], "1xx": listener.responses[1], "2xx": listener.responses[2],
                    "3xx": listener.responses[3], "4xx": listener.responses[4], "5xx": listener.responses[5],
                },
                "received": listener.received, "sent": listener.sent,
                "p50_ms": millis(listener.p50), "p99_ms": millis(listener.p99),
            })
        });
        let pools = self.pools.iter().map(|pool| {
            let endpoints = pool.endpoints.iter().map(|endpoint| {
                json!({
                    "name": endpoint.name, "zone": endpoint.zone, "weight": endpoint.weight, "state": endpoint.state,
                    "outstanding": endpoint.outstanding, "requests": endpoint.requests, "rate": endpoint.rate,
                    "connects": endpoint.connects, "connect_failures": endpoint.connect_failures,
                    "timeouts": endpoint.timeouts, "breaks": endpoint.breaks, "errors": endpoint.errors,
                    "ejections": endpoint.ejections,
                    "average_ms": millis(endpoint.average),
                    "p50_ms": millis(endpoint.p50), "p99_ms": millis(endpoint.p99),
                })
            });
            json!({
                "name": pool.name, "requests": pool.requests, "retries": pool.retries,
                "over_budget": pool.over_budget, "nobody": pool.nobody, "endpoints": endpoints.collect::<Vec<_>>(),
            })
        });
        json!({
            "ending": self.ending, "listeners": listeners.collect::<Vec<_>>(), "pools": pools.collect::<Vec<_>>(),
        })
    }
}
