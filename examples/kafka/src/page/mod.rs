//! What the broker tells about itself: to people, and to what collects numbers.
//!
//! | | |
//! |---|---|
//! | `GET /` | topics, throughput, groups and their lag; shown anew each second |
//! | `GET /tables` | the tables alone |
//! | `GET /metrics` | everything in the text format of Prometheus |
//!
//! It is looked at when somebody asks, away from the reactors.

mod html;
mod seen;
mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::net::TcpStream;
use tower::service_fn;
use xs_net::Addr;
use xs_net::http::{Incoming, Server};
use xs_net::listener::{BindError, TcpListener, TcpOptions};
use xs_net::observe::{PROMETHEUS_TEXT, Recorder};
use xs_net::serve::{Conn, ConnectionLimit, ServeOptions, serve_with};

use self::seen::Seen;
use crate::broker::Broker;

/// So many may read the page at once.
const CONNECTIONS: usize = 16;

const HTML: &str = "text/html; charset=utf-8";

/// Serves the page on this runtime; where it listens.
pub(crate) fn serve(recorder: Recorder, broker: Arc<Broker>, listen: SocketAddr) -> Result<SocketAddr, BindError> {
    let listener = TcpListener::bind(listen, TcpOptions::default())?;
    let address = listener.socket_addr();
    let timer = broker.timer.clone();
    let server = Server::new(&timer).serve(move |_: &Conn<TcpStream, Addr>| {
        let (recorder, broker) = (recorder.clone(), broker.clone());
        service_fn(move |request: Request<Incoming>| {
            let (recorder, broker) = (recorder.clone(), broker.clone());
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            async move { Ok::<_, Infallible>(answer(recorder, broker, &method, path).await) }
        })
    });
    let options = ServeOptions { limit: ConnectionLimit::new(CONNECTIONS), timer, ..ServeOptions::default() };
    tokio::spawn(async move {
        if let Err(error) = serve_with(listener, server, std::future::pending::<()>(), options).await {
            tracing::error!(%error, "the page has failed");
        }
    });
    Ok(address)
}

async fn answer(recorder: Recorder, broker: Arc<Broker>, method: &Method, path: String) -> Response<String> {
    if !matches!(*method, Method::GET | Method::HEAD) || !matches!(&*path, "/" | "/tables" | "/metrics") {
        return page(StatusCode::NOT_FOUND, "text/plain", "there is GET / and GET /metrics\n".to_owned());
    }
    let looking = broker.clone();
    let made = broker.bridge.run(move || {
        let seen = Seen::look(&looking).map_err(|error| error.to_string())?;
        Ok::<_, String>(match &*path {
            "/" => (HTML, html::whole(&seen)),
            "/tables" => (HTML, html::tables(&seen)),
            _ => (PROMETHEUS_TEXT, text::text(&recorder, &seen).map_err(|error| error.to_string())?),
        })
    });
    match made.await {
        Ok((kind, body)) => page(StatusCode::OK, kind, body),
        Err(error) => {
            tracing::error!(error, "the page cannot be made");
            page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n"))
        }
    }
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nothing from elsewhere, and inside of nobody's frame.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    answer
}
