//! What the balancer tells about itself: a page, its numbers as JSON and for Prometheus, and two orders.
//!
//! | | |
//! |---|---|
//! | `GET /` | the page; it shows the tables anew each second, or when it is loaded again |
//! | `GET /tables` | the tables alone |
//! | `GET /stats` | everything as JSON |
//! | `GET /metrics` | everything in the text format of Prometheus |
//! | `GET /healthz` | 200, or 503 while the balancer ends |
//! | `POST /drain?pool=P&endpoint=E` | the endpoint gets nothing new; what it has goes on |
//! | `POST /enable?pool=P&endpoint=E` | it gets its share again |
//!
//! Orders are taken from this machine only, and not from a page of somebody else that a browser here has open.

mod guard;
mod metrics;
mod page;
mod shown;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, header};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::service_fn;
use xs_net::balance::{Change, Endpoint};
use xs_net::http::{Incoming, Server};
use xs_net::listener::{BindError, TcpOptions};
use xs_net::observe::PROMETHEUS_TEXT;
use xs_net::serve::{ConnectionLimit, ServeOptions, serve_with};
use xs_net::{Addr, Conn, TcpListener};

use self::shown::Rates;
pub(crate) use self::shown::{View, state};
use crate::machine::Machine;

/// So many connections at once are enough for people and for what collects numbers.
const CONNECTIONS: usize = 64;

/// The admin page at work. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct AdminPage {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for AdminPage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What answers.
struct Desk {
    view: Arc<Mutex<View>>,
    rates: Mutex<Rates>,
    /// The weights of endpoints that were told to drain, by pool and name.
    drained: Mutex<BTreeMap<(String, String), u32>>,
    machine: Machine,
}

impl AdminPage {
    /// Listens, on the runtime that this is called in.
    pub(crate) fn start(listen: SocketAddr, view: Arc<Mutex<View>>, machine: &Machine) -> Result<AdminPage, BindError> {
        let listener = TcpListener::bind(listen, TcpOptions::default())?;
        let address = listener.socket_addr();
        let desk = Desk { view, rates: Mutex::default(), drained: Mutex::default(), machine: machine.clone() };
        let desk = Arc::new(desk);
        let server = Server::new(&machine.timer).serve(move |conn: &Conn<TcpStream, Addr>| {
            let local = matches!(&conn.peer, Addr::Tcp(peer) if peer.ip().to_canonical().is_loopback());
            let desk = desk.clone();
            service_fn(move |request: Request<Incoming>| {
                let answer = desk.answer(&request, local);
                async move { Ok::<_, Infallible>(answer) }
            })
        });
        let options = ServeOptions {
            limit: ConnectionLimit::new(CONNECTIONS),
            timer: machine.timer.clone(),
            ..ServeOptions::default()
        };
        let task = tokio::spawn(async move {
            if let Err(error) = serve_with(listener, server, std::future::pending::<()>(), options).await {
                tracing::error!(%error, "the admin page has failed");
            }
        });
        tracing::info!(%address, "the admin page");
        Ok(AdminPage { address, task })
    }
}

type Answer = Response<String>;

impl Desk {
    fn answer<B>(&self, request: &Request<B>, local: bool) -> Answer {
        let now = self.machine.timer.now();
        let path = request.uri().path();
        let seen = || self.rates.lock().see(&self.view.lock(), now);
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") => answer("text/html; charset=utf-8", page::whole(&seen())),
            (&Method::GET | &Method::HEAD, "/tables") => answer("text/html; charset=utf-8", page::tables(&seen())),
            (&Method::GET | &Method::HEAD, "/stats") => answer("application/json", seen().json().to_string()),
            (&Method::GET | &Method::HEAD, "/metrics") => {
                match metrics::text(&self.view.lock()) {
                    Ok(text) => answer(PROMETHEUS_TEXT, text),
                    // Names that are written here, each once.
                    Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
                }
            }
            (&Method::GET | &Method::HEAD, "/healthz") => match self.view.lock().ending {
                false => answer("text/plain", "ok\n".to_owned()),
                true => refused(StatusCode::SERVICE_UNAVAILABLE, "ending"),
            },
            (&Method::POST, "/drain" | "/enable") if !local => {
                refused(StatusCode::FORBIDDEN, "orders are taken from this machine only")
            }
            (&Method::POST, "/drain" | "/enable") => match guard::check(request.headers()) {
                Ok(()) => self.order(path == "/drain", request.uri().query().unwrap_or_default()),
                Err(why) => refused(StatusCode::FORBIDDEN, why),
            },
            (_, "/drain" | "/enable") => not_allowed("POST"),
            (_, "/" | "/tables" | "/stats" | "/metrics" | "/healthz") => not_allowed("GET, HEAD"),
            _ => refused(StatusCode::NOT_FOUND, "there is /, /stats, /metrics and /healthz"),
        }
    }

    /// Lets an endpoint drain, or takes it back.
    fn order(&self, drain: bool, query: &str) -> Answer {
        let mut asked = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            asked.insert(name, guard::decoded(value));
        }
        let (Some(Some(pool)), Some(Some(name))) = (asked.remove("pool"), asked.remove("endpoint")) else {
            return refused(StatusCode::BAD_REQUEST, "say which: ?pool=NAME&endpoint=ADDRESS");
        };
        let Some(upstream) = self.view.lock().upstreams.get(&pool).cloned() else {
            return refused(StatusCode::NOT_FOUND, "there is no such pool");
        };
        let members = &upstream.members;
        let Some(endpoint) = members.endpoints().into_iter().find(|endpoint| *endpoint.name == *name) else {
            return refused(StatusCode::NOT_FOUND, "there is no such endpoint in the pool");
        };
        let mut drained = self.drained.lock();
        let key = (pool, name);
        let weight = match drain {
            true if endpoint.weight == 0 => 0,
            true => {
                drained.insert(key.clone(), endpoint.weight);
                0
            }
            // One that the configuration itself lets drain has no other weight to go back to.
            false => drained.remove(&key).unwrap_or(endpoint.weight.max(1)),
        };
        members.apply(Change::Insert(Endpoint { weight, ..endpoint }));
        tracing::info!(pool = key.0, endpoint = key.1, weight, "ordered by hand");
        let mut answer = answer("text/plain", format!("{} of {} has the weight {weight}\n", key.1, key.0));
        // A form's sender goes back to the page.
        *answer.status_mut() = StatusCode::SEE_OTHER;
        answer.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/"));
        answer
    }
}

fn answer(kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(body);
    let fields = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nothing from elsewhere, and inside of nobody's frame.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ] {
        fields.insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

fn refused(status: StatusCode, why: &str) -> Answer {
    let mut answer = answer("text/plain", format!("{why}\n"));
    *answer.status_mut() = status;
    answer
}

fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, methods);
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(methods));
    answer
}
