//! What a node counts, in the text format of Prometheus, on a port of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, Request, Response, StatusCode, header};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::service_fn;
use xs_net::Addr;
use xs_net::http::{Incoming, Server};
use xs_net::listener::{BindError, TcpListener, TcpOptions};
use xs_net::observe::{Exposition, InvalidMetric, Kind, PROMETHEUS_TEXT};
use xs_net::serve::{Conn, ConnectionLimit, ServeOptions, serve_with};

use crate::front::Front;
use crate::node::Status;

/// So many may read at once.
const CONNECTIONS: usize = 16;

/// Serves `GET /metrics` on this runtime, until the task is aborted.
pub(crate) fn serve(front: Arc<Front>, listen: SocketAddr) -> Result<(SocketAddr, JoinHandle<()>), BindError> {
    let listener = TcpListener::bind(listen, TcpOptions::default())?;
    let (address, timer) = (listener.socket_addr(), front.timer.clone());
    let server = Server::new(&timer).serve(move |_: &Conn<TcpStream, Addr>| {
        let front = front.clone();
        service_fn(move |request: Request<Incoming>| {
            let answer = answer(&front, request.method(), request.uri().path());
            async move { Ok::<_, Infallible>(answer) }
        })
    });
    let options = ServeOptions { limit: ConnectionLimit::new(CONNECTIONS), timer, ..ServeOptions::default() };
    let task = tokio::spawn(async move {
        if let Err(error) = serve_with(listener, server, std::future::pending::<()>(), options).await {
            tracing::error!(%error, "the page of metrics has failed");
        }
    });
    Ok((address, task))
}

fn answer(front: &Front, method: &Method, path: &str) -> Response<String> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => match text(front) {
            Ok(text) => (StatusCode::OK, PROMETHEUS_TEXT, text),
            // Names that are written here, each once.
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        _ => (StatusCode::NOT_FOUND, "text/plain", "there is GET /metrics\n".to_owned()),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

/// A metric that is a number: its name, kind and help, and where the number is.
type Number = (&'static str, Kind, &'static str, fn(&Status) -> u64);

fn text(front: &Front) -> Result<String, InvalidMetric> {
    use Kind::{Counter, Gauge};
    let status = front.node.status();
    let mut page = Exposition::new();
    let numbers: [Number; 11] = [
        ("xs_dkv_is_leader", Gauge, "1 on the leader.", |status| u64::from(status.leader == Some(status.id))),
        ("xs_dkv_has_leader", Gauge, "1 if the node knows a leader.", |status| u64::from(status.leader.is_some())),
        ("xs_dkv_term", Gauge, "The term of Raft.", |status| status.term),
        ("xs_dkv_commit_index", Gauge, "The last entry known to be committed.", |status| status.commit),
        ("xs_dkv_applied_index", Gauge, "The last entry in the state.", |status| status.applied),
        ("xs_dkv_log_entries", Gauge, "Entries in the log.", |status| (status.last + 1).saturating_sub(status.first)),
        ("xs_dkv_elections_won_total", Counter, "How often this node became leader.", |status| status.elections),
        ("xs_dkv_entries_proposed_total", Counter, "Entries that this node brought into the log.", |status| {
            status.proposed
        }),
        ("xs_dkv_entries_forwarded_total", Counter, "Entries sent on to the leader.", |status| status.forwarded),
        ("xs_dkv_snapshots_installed_total", Counter, "Snapshots that took the place of the state.", |status| {
            status.snapshots
        }),
        ("xs_dkv_frames_dropped_total", Counter, "Messages to other nodes that found no room.", |status| {
            status.dropped
        }),
    ];
    for (name, kind, help, value) in numbers {
        page.family(name, kind, help)?.sample(&[], value(&status) as f64)?;
    }
    let clients = [
        ("xs_dkv_commands_total", "Requests of clients.", &front.commands),
        ("xs_dkv_connections_total", "Connections of clients.", &front.connections),
    ];
    for (name, help, count) in clients {
        page.family(name, Counter, help)?.sample(&[], count.load(Ordering::Relaxed) as f64)?;
    }
    let mut behind =
        page.family("xs_dkv_follower_behind_entries", Gauge, "Entries that a follower lacks; the leader tells.")?;
    for (node, follower) in &status.followers {
        let lacks = status.last.saturating_sub(follower.matched) as f64;
        behind.sample(&[("node", &node.to_string())], lacks)?;
    }
    Ok(page.into_text())
}
