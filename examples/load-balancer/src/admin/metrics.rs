//! The numbers in the text format of Prometheus.

use std::sync::Arc;

use xs_net::balance::Status;
use xs_net::observe::{Exposition, InvalidMetric, Kind, NANOSECONDS, SECONDS};

use super::shown::{View, bytes, state};
use crate::upstream::Backend;
use crate::{ListenerStats, PoolStats};

/// Everything that there is to tell.
pub(super) fn text(view: &View) -> Result<String, InvalidMetric> {
    let mut page = Exposition::new();
    listeners(&mut page, view)?;
    pools(&mut page, view)?;
    endpoints(&mut page, view)?;
    Ok(page.into_text())
}

/// A metric that is a number: its name, kind and help, and where the number is.
type Number<T> = (&'static str, Kind, &'static str, T);

fn listeners(page: &mut Exposition, view: &View) -> Result<(), InvalidMetric> {
    use Kind::{Counter, Gauge};
    let numbers: [Number<fn(&ListenerStats) -> u64>; 6] = [
        ("xs_lb_listener_connections_total", Counter, "Connections taken.", |stats| stats.connections.get()),
        ("xs_lb_listener_connections_open", Gauge, "Connections open now.", |stats| stats.open.get()),
        ("xs_lb_listener_requests_total", Counter, "Requests that came.", |stats| stats.requests.get()),
        ("xs_lb_listener_limited_total", Counter, "Requests or connections that were too many.", |stats| {
            stats.limited.get()
        }),
        ("xs_lb_listener_received_bytes_total", Counter, "Bytes of bodies or connections from clients.", |stats| {
            bytes(stats).0
        }),
        ("xs_lb_listener_sent_bytes_total", Counter, "Bytes of bodies or connections to clients.", |stats| {
            bytes(stats).1
        }),
    ];
    for (name, kind, help, value) in numbers {
        let mut family = page.family(name, kind, help)?;
        for (_, work, _) in &view.listeners {
            family.sample(&[("listener", &work.config().name)], value(work.stats()) as f64)?;
        }
    }
    let help = "Responses by the hundreds of their status.";
    let mut family = page.family("xs_lb_listener_responses_total", Counter, help)?;
    for (_, work, _) in &view.listeners {
        for (class, count) in ["broken", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&work.stats().responses) {
            family.sample(&[("listener", &work.config().name), ("class", class)], count.get() as f64)?;
        }
    }
    let help = "From a request's head to the end of its response; tcp: until connected.";
    let mut family = page.family("xs_lb_listener_latency_seconds", Kind::Histogram, help)?;
    for (_, work, _) in &view.listeners {
        let latency = work.stats().latency.snapshot();
        family.histogram(&[("listener", &work.config().name)], &latency, &SECONDS, NANOSECONDS)?;
    }
    Ok(())
}

fn pools(page: &mut Exposition, view: &View) -> Result<(), InvalidMetric> {
    let numbers: [(&str, &str, fn(&PoolStats) -> u64); 4] = [
        ("xs_lb_pool_requests_total", "Requests or connections for the pool.", |stats| stats.requests.get()),
        ("xs_lb_pool_retries_total", "Tries after the first one.", |stats| stats.retries.get()),
        ("xs_lb_pool_over_budget_total", "Retries that the budget did not allow.", |stats| stats.over_budget.get()),
        ("xs_lb_pool_nobody_total", "Requests for which there was no endpoint.", |stats| stats.nobody.get()),
    ];
    for (name, help, value) in numbers {
        let mut family = page.family(name, Kind::Counter, help)?;
        for (pool, upstream) in &view.upstreams {
            family.sample(&[("pool", pool)], value(&upstream.stats) as f64)?;
        }
    }
    Ok(())
}

fn endpoints(page: &mut Exposition, view: &View) -> Result<(), InvalidMetric> {
    use Kind::{Counter, Gauge};
    let looked: Vec<_> = view
        .upstreams
        .iter()
        .flat_map(|(pool, upstream)| upstream.members.look().into_iter().map(move |seen| (pool, seen)))
        .collect();
    let numbers: [Number<fn(&Status, &Arc<Backend>) -> u64>; 10] = [
        ("xs_lb_endpoint_up", Gauge, "Whether it gets its share: well, not ejected, not draining.", |status, _| {
            u64::from(state(status) == "well")
        }),
        ("xs_lb_endpoint_weight", Gauge, "Its share beside the others'.", |status, _| status.endpoint.weight.into()),
        ("xs_lb_endpoint_outstanding", Gauge, "Requests or connections under way.", |status, _| {
            status.outstanding.into()
        }),
        ("xs_lb_endpoint_requests_total", Counter, "Requests or connections given to it.", |_, backend| {
            backend.stats.requests.get()
        }),
        ("xs_lb_endpoint_connects_total", Counter, "Connections tried.", |_, backend| backend.stats.connects.get()),
        ("xs_lb_endpoint_connect_failures_total", Counter, "Connections that failed to open.", |_, backend| {
            backend.stats.connect_failures.get()
        }),
        ("xs_lb_endpoint_timeouts_total", Counter, "Answers that did not come in time.", |_, backend| {
            backend.stats.timeouts.get()
        }),
        ("xs_lb_endpoint_breaks_total", Counter, "Answers or connections that broke off.", |_, backend| {
            backend.stats.breaks.get()
        }),
        ("xs_lb_endpoint_errors_total", Counter, "Responses of 500 and above.", |_, backend| {
            backend.stats.errors.get()
        }),
        ("xs_lb_endpoint_ejections_total", Counter, "How often it was left out for failing.", |status, _| {
            status.ejections
        }),
    ];
    for (name, kind, help, value) in numbers {
        let mut family = page.family(name, kind, help)?;
        for (pool, (status, backend)) in &looked {
            let labels = [("pool", pool.as_str()), ("endpoint", &*status.endpoint.name)];
            family.sample(&labels, value(status, backend) as f64)?;
        }
    }
    let help = "From giving it a request to the head of its response; tcp: until connected.";
    let mut family = page.family("xs_lb_endpoint_latency_seconds", Kind::Histogram, help)?;
    for (pool, (status, backend)) in &looked {
        let labels = [("pool", pool.as_str()), ("endpoint", &*status.endpoint.name)];
        family.histogram(&labels, &backend.stats.latency.snapshot(), &SECONDS, NANOSECONDS)?;
    }
    Ok(())
}
