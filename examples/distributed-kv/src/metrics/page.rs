//! The numbers in the text format of Prometheus, on a port of their own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, header};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::service_fn;
use xs_net::Addr;
use xs_net::http::{Incoming, Server};
use xs_net::listener::{BindError, TcpListener, TcpOptions};
use xs_net::observe::{Exposition, InvalidMetric, Kind, PROMETHEUS_TEXT};
use xs_net::serve::{Conn, ConnectionLimit, ServeOptions, serve_with};

use super::{BEHIND, NUMBERS, Number, followers_behind};
use crate::front::Front;

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

fn text(front: &Front) -> Result<String, InvalidMetric> {
    let status = front.node.status();
    let mut page = Exposition::new();
    for Number { name, kind, help, value } in NUMBERS {
        page.family(name, kind, help)?.sample(&[], value(&status, &front.node.clients) as f64)?;
    }
    let mut behind = page.family(BEHIND.0, Kind::Gauge, BEHIND.1)?;
    for (node, lacks) in followers_behind(&status) {
        behind.sample(&[("follower", &node.to_string())], lacks as f64)?;
    }
    Ok(page.into_text())
}
