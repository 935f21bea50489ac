//! What the broker counts, told to the `metrics` facade: to whatever recorder the process has when the broker is assembled.
//! The program has one if it is given an address for its page.

use std::time::Instant;

use metrics::{Counter, Gauge};
use xs_proto::kafka::messages::ApiKey;

use crate::topics::Topics;

/// Handles, so that counting is one addition.
pub(crate) struct Meters {
    /// In the order of [`ApiKey::ALL`].
    requests: Vec<Counter>,
    pub(crate) connections: Gauge,
    pub(crate) accepted: Counter,
    pub(crate) produced_batches: Counter,
    pub(crate) produced_bytes: Counter,
    pub(crate) refused_batches: Counter,
    pub(crate) fetched_bytes: Counter,
    topics: Gauge,
    partitions: Gauge,
    stopped: Gauge,
    disk: Gauge,
}

macro_rules! described {
    ($kind:ident, $describe:ident, $name:literal, $help:literal) => {{
        metrics::$describe!($name, $help);
        metrics::$kind!($name)
    }};
}

impl Meters {
    pub(crate) fn new() -> Meters {
        metrics::describe_counter!("xs_kafka_requests_total", "Requests, by what they ask for.");
        let requests = |api: &ApiKey| metrics::counter!("xs_kafka_requests_total", "api" => api.name());
        Meters {
            requests: ApiKey::ALL.iter().map(requests).collect(),
            connections: described!(gauge, describe_gauge, "xs_kafka_connections", "Connections that are open."),
            accepted: described!(counter, describe_counter, "xs_kafka_connections_total", "Connections ever."),
            produced_batches: described!(
                counter,
                describe_counter,
                "xs_kafka_produced_batches_total",
                "Batches that were appended, or were there already."
            ),
            produced_bytes: described!(counter, describe_counter, "xs_kafka_produced_bytes_total", "Their bytes."),
            refused_batches: described!(
                counter,
                describe_counter,
                "xs_kafka_refused_batches_total",
                "Batches that were answered with an error."
            ),
            fetched_bytes: described!(
                counter,
                describe_counter,
                "xs_kafka_fetched_bytes_total",
                "Bytes of batches in answers."
            ),
            topics: described!(gauge, describe_gauge, "xs_kafka_topics", "Topics."),
            partitions: described!(gauge, describe_gauge, "xs_kafka_partitions", "Partitions of all topics."),
            stopped: described!(
                gauge,
                describe_gauge,
                "xs_kafka_stopped_partitions",
                "Partitions whose disk has failed: they take nothing more until the broker is started again."
            ),
            disk: described!(gauge, describe_gauge, "xs_kafka_disk_bytes", "Bytes of all segments."),
        }
    }

    pub(crate) fn asked(&self, api: ApiKey) {
        if let Ok(at) = ApiKey::ALL.binary_search(&api) {
            self.requests[at].increment(1);
        }
    }

    /// Tells what topics there are now, and how fast they grow.
    pub(crate) fn look(&self, topics: &Topics, now: Instant) {
        let all = topics.all();
        all.iter().for_each(|topic| topic.traffic.look(now));
        let partitions = || all.iter().flat_map(|topic| &topic.partitions);
        self.topics.set(all.len() as f64);
        self.partitions.set(partitions().count() as f64);
        self.stopped.set(partitions().filter(|partition| partition.stopped().is_some()).count() as f64);
        self.disk.set(partitions().map(|partition| partition.disk_bytes()).sum::<u64>() as f64);
    }
}
