//! What the broker counts, told to the `metrics` facade: to whatever recorder the process has when the broker is assembled.
//! The program has one if it is given an address for its page.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Method, Request, Response, StatusCode, header};
use metrics::{Counter, Gauge};
use tokio::net::TcpStream;
use tower::service_fn;
use xs_net::http::{Incoming, Server};
use xs_net::listener::{BindError, TcpListener, TcpOptions};
use xs_net::observe::{PROMETHEUS_TEXT, Recorder};
use xs_net::serve::{Conn, ConnectionLimit, ServeOptions, serve_with};
use xs_net::{Addr, Timer};
use xs_proto::kafka::messages::ApiKey;

use crate::topics::Topics;

/// So many may read the page at once.
const CONNECTIONS: usize = 16;

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

    /// Tells what topics there are now.
    pub(crate) fn look(&self, topics: &Topics) {
        let all = topics.all();
        let partitions = || all.iter().flat_map(|topic| &topic.partitions);
        self.topics.set(all.len() as f64);
        self.partitions.set(partitions().count() as f64);
        self.stopped.set(partitions().filter(|partition| partition.stopped().is_some()).count() as f64);
        self.disk.set(partitions().map(|partition| partition.disk_bytes()).sum::<u64>() as f64);
    }
}

/// Serves `GET /metrics` on this runtime; where it listens.
pub(crate) fn serve(recorder: Recorder, listen: SocketAddr, timer: &Timer) -> Result<SocketAddr, BindError> {
    let listener = TcpListener::bind(listen, TcpOptions::default())?;
    let address = listener.socket_addr();
    let server = Server::new(timer).serve(move |_: &Conn<TcpStream, Addr>| {
        let recorder = recorder.clone();
        service_fn(move |request: Request<Incoming>| {
            let answer = answer(&recorder, request.method(), request.uri().path());
            async move { Ok::<_, Infallible>(answer) }
        })
    });
    let options =
        ServeOptions { limit: ConnectionLimit::new(CONNECTIONS), timer: timer.clone(), ..ServeOptions::default() };
    tokio::spawn(async move {
        if let Err(error) = serve_with(listener, server, std::future::pending::<()>(), options).await {
            tracing::error!(%error, "the page of metrics has failed");
        }
    });
    Ok(address)
}

fn answer(recorder: &Recorder, method: &Method, path: &str) -> Response<String> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, PROMETHEUS_TEXT, recorder.render()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "there is GET /metrics\n".to_owned()),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
