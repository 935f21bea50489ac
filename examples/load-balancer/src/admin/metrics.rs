//! The numbers in the text format of Prometheus.

use std::fmt::{Display, Write};
use std::sync::Arc;

use xs_net::balance::Status;

use super::shown::{View, bytes, state};
use crate::stats::Histogram;
use crate::upstream::Backend;

/// Families of samples, one after the other.
#[derive(Default)]
struct Text(String);

type Labels<'a> = [(&'a str, &'a str)];

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl Display) {
        let mut separator = '{';
        self.0 += name;
        for (label, text) in labels {
            let _ = write!(self.0, "{separator}{label}=\"{}\"", escaped(text));
            separator = ',';
        }
        let _ = writeln!(self.0, "{} {value}", if separator == ',' { "}" } else { "" });
    }

    /// A histogram whose bounds are the ends of octaves, in seconds.
    fn histogram(&mut self, name: &str, labels: &Labels<'_>, histogram: &Histogram) {
        let (bucket, mut last) = (format!("{name}_bucket"), 0);
        for (bound, count) in histogram.cumulative().filter(|(bound, _)| bound.as_micros().is_power_of_two()) {
            let bound = bound.as_secs_f64().to_string();
            self.sample(&bucket, &[labels, &[("le", &bound)]].concat(), count);
            last = count;
        }
        // What was counted since must not make the whole smaller than its parts.
        let count = histogram.count().max(last);
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), count);
        self.sample(&format!("{name}_sum"), labels, histogram.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), labels, count);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn text(view: &View) -> String {
    let mut text = Text::default();
    listeners(&mut text, view);
    pools(&mut text, view);
    endpoints(&mut text, view);
    text.0
}

fn listeners(text: &mut Text, view: &View) {
    let families: [(&str, &str, &str, fn(&crate::ListenerStats) -> u64); 6] = [
        ("xs_lb_listener_connections_total", "counter", "Connections taken.", |stats| stats.connections.get()),
        ("xs_lb_listener_connections_open", "gauge", "Connections open now.", |stats| stats.open.get()),
        ("xs_lb_listener_requests_total", "counter", "Requests that came.", |stats| stats.requests.get()),
        ("xs_lb_listener_limited_total", "counter", "Requests or connections that were too many.", |stats| {
            stats.limited.get()
        }),
        ("xs_lb_listener_received_bytes_total", "counter", "Bytes of bodies or connections from clients.", |stats| {
            bytes(stats).0
        }),
        ("xs_lb_listener_sent_bytes_total", "counter", "Bytes of bodies or connections to clients.", |stats| {
            bytes(stats).1
        }),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for (_, work, _) in &view.listeners {
            text.sample(name, &[("listener", &work.config().name)], value(work.stats()));
        }
    }
    let name = "xs_lb_listener_responses_total";
    text.family(name, "counter", "Responses by the hundreds of their status.");
    for (_, work, _) in &view.listeners {
        for (class, count) in ["broken", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&work.stats().responses) {
            text.sample(name, &[("listener", &work.config().name), ("class", class)], count.get());
        }
    }
    let name = "xs_lb_listener_latency_seconds";
    text.family(name, "histogram", "From a request's head to the end of its response; tcp: until connected.");
    for (_, work, _) in &view.listeners {
        text.histogram(name, &[("listener", &work.config().name)], &work.stats().latency);
    }
}

fn pools(text: &mut Text, view: &View) {
    let families: [(&str, &str, fn(&crate::PoolStats) -> u64); 4] = [
        ("xs_lb_pool_requests_total", "Requests or connections for the pool.", |stats| stats.requests.get()),
        ("xs_lb_pool_retries_total", "Tries after the first one.", |stats| stats.retries.get()),
        ("xs_lb_pool_over_budget_total", "Retries that the budget did not allow.", |stats| stats.over_budget.get()),
        ("xs_lb_pool_nobody_total", "Requests for which there was no endpoint.", |stats| stats.nobody.get()),
    ];
    for (name, help, value) in families {
        text.family(name, "counter", help);
        for (pool, upstream) in &view.upstreams {
            text.sample(name, &[("pool", pool)], value(&upstream.stats));
        }
    }
}

fn endpoints(text: &mut Text, view: &View) {
    let looked: Vec<_> = view
        .upstreams
        .iter()
        .flat_map(|(pool, upstream)| upstream.members.look().into_iter().map(move |seen| (pool, seen)))
        .collect();
    let families: [(&str, &str, &str, fn(&Status, &Arc<Backend>) -> u64); 10] = [
        ("xs_lb_endpoint_up", "gauge", "Whether it gets its share: well, not ejected, not draining.", |status, _| {
            u64::from(state(status) == "well")
        }),
        ("xs_lb_endpoint_weight", "gauge", "Its share beside the others'.", |status, _| status.endpoint.weight.into()),
        ("xs_lb_endpoint_outstanding", "gauge", "Requests or connections under way.", |status, _| {
            status.outstanding.into()
        }),
        ("xs_lb_endpoint_requests_total", "counter", "Requests or connections given to it.", |_, backend| {
            backend.stats.requests.get()
        }),
        ("xs_lb_endpoint_connects_total", "counter", "Connections tried.", |_, backend| backend.stats.connects.get()),
        ("xs_lb_endpoint_connect_failures_total", "counter", "Connections that failed to open.", |_, backend| {
            backend.stats.connect_failures.get()
        }),
        ("xs_lb_endpoint_timeouts_total", "counter", "Answers that did not come in time.", |_, backend| {
            backend.stats.timeouts.get()
        }),
        ("xs_lb_endpoint_breaks_total", "counter", "Answers or connections that broke off.", |_, backend| {
            backend.stats.breaks.get()
        }),
        ("xs_lb_endpoint_errors_total", "counter", "Responses of 500 and above.", |_, backend| {
            backend.stats.errors.get()
        }),
        ("xs_lb_endpoint_ejections_total", "counter", "How often it was left out for failing.", |status, _| {
            status.ejections
        }),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for (pool, (status, backend)) in &looked {
            let labels = [("pool", pool.as_str()), ("endpoint", &*status.endpoint.name)];
            text.sample(name, &labels, value(status, backend));
        }
    }
    let name = "xs_lb_endpoint_latency_seconds";
    text.family(name, "histogram", "From giving it a request to the end of its response; tcp: until connected.");
    for (pool, (status, backend)) in &looked {
        let labels = [("pool", pool.as_str()), ("endpoint", &*status.endpoint.name)];
        text.histogram(name, &labels, &backend.stats.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.family("a_total", "counter", "Help.");
        text.sample("a_total", &[], 1);
        text.sample("a_total", &[("x", "q\"\\\n"), ("y", "z")], 2);
        assert_eq!(
            text.0,
            "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\na_total{x=\"q\\\"\\\\\\n\",y=\"z\"} 2\n"
        );
    }

    #[test]
    fn a_histogram_grows_to_its_count() {
        let histogram = Histogram::default();
        [1, 3, 3, 2000, 5_000_000].into_iter().for_each(|micros| histogram.record(Duration::from_micros(micros)));
        let mut text = Text::default();
        text.histogram("h", &[("l", "v")], &histogram);
        let line = |start: &str| text.0.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        assert_eq!(line("h_bucket{l=\"v\",le=\"0.000002\"} ").as_deref(), Some("1"));
        assert_eq!(line("h_bucket{l=\"v\",le=\"0.000004\"} ").as_deref(), Some("3"));
        assert_eq!(line("h_bucket{l=\"v\",le=\"0.002048\"} ").as_deref(), Some("4"));
        assert_eq!(line("h_bucket{l=\"v\",le=\"+Inf\"} ").as_deref(), Some("5"));
        assert_eq!(line("h_count{l=\"v\"} ").as_deref(), Some("5"));
        let counts: Vec<u64> = text
            .0
            .lines()
            .filter(|line| line.contains("_bucket"))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(counts.is_sorted() && counts.len() > 20, "{counts:?}");
    }
}
