//! Requests in, requests out: what an HTTP listener does.
//!
//! A client's connection is one task, and everything that is done for its requests happens in it: the endpoint's connection
//! is taken from the thread's pool, driven by the same task, and comes home when the response's body has ended. There is no
//! channel between the two sides, and no task for a request; only an upgraded connection gets one of its own.

mod attempt;
mod body;
mod heads;
mod limit;
mod table;
mod tied;
mod upgrade;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use smallvec::SmallVec;
use tower::service_fn;
use xs_net::http::{Incoming, Message, OnUpgrade, Server, ServerOptions};
use xs_net::relay::Pipes;
use xs_net::session::Cause;
use xs_net::{Addr, Conn, Timer, Transport, driver};
use xs_proto::http1::{CommandError, Limits, RequestHead, ResponseHead, Timeouts};

use self::body::Answer;
use self::heads::Introduction;
use self::table::{Entry, Table};
use self::tied::Tied;
use crate::config::{self, Http};
use crate::machine::Machine;
use crate::stats::ListenerStats;
use crate::upstream::Upstream;

pub(crate) use self::attempt::Trial;
pub(crate) use self::body::Sending;
pub(crate) use self::limit::Limits as Shares;

/// So many connections of a thread are spliced at the same moment; others are copied meanwhile.
pub(crate) const PIPES: usize = 128;

/// A listener of requests, at work.
#[derive(Debug)]
pub(crate) struct HttpListener {
    pub(crate) config: config::Listener,
    http: Http,
    table: Table,
    pub(crate) shares: Option<Arc<Shares>>,
    pub(crate) stats: Arc<ListenerStats>,
    timer: Timer,
    /// For upgraded connections, those of each thread.
    pipes: Vec<Pipes>,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Visit {
    listener: Arc<HttpListener>,
    thread: usize,
    source: IpAddr,
    /// Both ends of its connection.
    peer: Addr,
    local: Addr,
    introduction: Introduction,
    /// The connections to endpoints that are its own.
    tied: Tied,
}

/// A request on its way, with what is to be known of it besides its head.
struct Asked {
    came: Instant,
    head: RequestHead,
    body: Incoming,
    upgrade: Option<OnUpgrade>,
}

type Reply = Message<ResponseHead, Answer>;

impl HttpListener {
    pub(crate) fn new(
        config: &config::Listener,
        http: &Http,
        stats: Arc<ListenerStats>,
        shares: Option<Arc<Shares>>,
        upstream: impl Fn(&str) -> Option<Arc<Upstream>>,
        threads: usize,
        machine: &Machine,
    ) -> Result<HttpListener, CommandError> {
        let routes = http.routes.iter().filter_map(|route| Some((route.clone(), upstream(&route.pool)?)));
        Ok(HttpListener {
            config: config.clone(),
            http: http.clone(),
            table: Table::new(routes)?,
            shares,
            stats,
            timer: machine.timer.clone(),
            pipes: (0..threads).map(|_| Pipes::new(PIPES)).collect(),
        })
    }

    /// A client's connection on a thread: a future that ends when it does.
    pub(crate) fn connection<Io>(
        self: Arc<Self>,
        thread: usize,
        conn: Conn<Io, Addr>,
    ) -> impl Future<Output = Cause> + Send + use<Io>
    where
        Io: Transport + Unpin + Send + 'static,
    {
        let Http { body, timeouts, .. } = &self.http;
        let options = ServerOptions {
            limits: Limits { body: *body, ..Limits::SERVER },
            timeouts: Timeouts {
                head: Some(timeouts.head),
                body: Some(timeouts.body),
                idle: Some(timeouts.idle),
                ..Timeouts::DEFAULT
            },
            driver: driver::Options { write_timeout: Some(timeouts.write), ..driver::Options::DEFAULT },
            ..ServerOptions::default()
        };
        let server = Server::new(&self.timer).with_options(options);
        let visit = Arc::new(Visit::new(self, thread, conn.peer, conn.local));
        let answer = service_fn(move |message: Message<RequestHead>| visit.clone().answer(message));
        server.connection(conn.io, answer).with_drain(conn.drain)
    }
}

impl Visit {
    fn new(listener: Arc<HttpListener>, thread: usize, peer: Addr, local: Addr) -> Visit {
        let source = match &peer {
            Addr::Tcp(address) => address.ip(),
            _ => IpAddr::from([0; 4]),
        };
        let Http { forwarded, via, .. } = &listener.http;
        let trusted = listener.config.trusted.iter().any(|network| network.contains(source));
        let introduction = Introduction::new(source, listener.config.tls.is_some(), trusted, *forwarded, via);
        // Addresses and names that were checked are values of fields.
        let introduction = introduction.unwrap_or_else(|_| unreachable!("an address can be said in a field"));
        listener.stats.connections.add(1);
        listener.stats.open.add(1);
        Visit { listener, thread, source, peer, local, introduction, tied: Tied::default() }
    }

    fn timer(&self) -> &Timer {
        &self.listener.timer
    }

    /// Notes that a response has ended.
    fn note(&self, came: Instant, now: Instant, hundreds: u16) {
        let stats = &self.listener.stats;
        stats.responses[usize::from(hundreds.min(5))].add(1);
        stats.latency.record(now.saturating_duration_since(came));
    }

    async fn answer(self: Arc<Self>, message: Message<RequestHead>) -> Result<Reply, Infallible> {
        let came = self.timer().now();
        self.listener.stats.requests.add(1);
        let Message { head, body, mut extensions } = message;
        let upgrade = if head.wants_upgrade() { extensions.remove() } else { None };
        let asked = Asked { came, head, body, upgrade };
        Ok(match self.pass(asked).await {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(came, &refusal),
        })
    }

    async fn pass(self: &Arc<Self>, mut asked: Asked) -> Result<Reply, Refusal> {
        let wrong = |_| Refusal::new(StatusCode::BAD_REQUEST, "the request cannot be passed on");
        let listener = &*self.listener;
        if *asked.head.method() == Method::CONNECT {
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "there are no tunnels here"));
        }
        heads::to_origin(&mut asked.head).map_err(wrong)?;
        let Some(entry) = listener.table.find(&asked.head, heads::path_of(asked.head.target())) else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no route leads there"));
        };
        if let Some(shares) = &listener.shares
            && let Err(after) = shares.check(&asked.head, self.source, asked.came)
        {
            listener.stats.limited.add(1);
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests").after(after));
        }
        if !heads::count_down(&mut asked.head).map_err(wrong)? {
            let options = *asked.head.method() == Method::OPTIONS;
            let status = if options { StatusCode::OK } else { StatusCode::NOT_IMPLEMENTED };
            return Err(Refusal::new(status, "this is where the request was to end"));
        }
        self.prepare(entry, &mut asked).map_err(wrong)?;
        let Some(limit) = entry.route.timeout else { return self.exchange(entry, asked).await };
        let late = Refusal::new(StatusCode::GATEWAY_TIMEOUT, "no response in time");
        Box::pin(self.timer().timeout(limit, self.exchange(entry, asked))).await.unwrap_or(Err(late))
    }

    /// Makes the client's head the one that the endpoint gets.
    fn prepare(&self, entry: &Entry, asked: &mut Asked) -> Result<(), CommandError> {
        let head = &mut asked.head;
        if !heads::strip_request(head)? {
            asked.upgrade = None;
        }
        // It is borrowed from the fields that are about to change.
        let host: SmallVec<[u8; 64]> = SmallVec::from_slice(head.fields().get("host").unwrap_or_default());
        self.introduction.tell(head.fields_mut(), &host)?;
        match &entry.route.set_host {
            Some(host) => head.fields_mut().set("host", host.as_bytes())?,
            // A client of HTTP/1.0 need not say whom it asks; the endpoint is told so (RFC 9110, section 7.2).
            None if host.is_empty() && head.fields().get("host").is_none() => head.fields_mut().append("host", b"")?,
            None => {}
        }
        entry.request.apply(head.fields_mut())
    }

    /// An answer of the balancer's own.
    #[cold]
    fn refuse(self: &Arc<Self>, came: Instant, refusal: &Refusal) -> Reply {
        let mut head = ResponseHead::new(refusal.status);
        let mut add = |name, value: &[u8]| {
            // Plain words, which can be said in a field.
            let _ = head.fields_mut().append(name, value);
        };
        add("content-type", b"text/plain; charset=utf-8");
        if let Some(after) = refusal.retry_after {
            // Whole seconds, and never too early.
            add("retry-after", after.as_millis().div_ceil(1000).to_string().as_bytes());
        }
        let text = Bytes::from(format!("{}\n", refusal.text));
        Message::new(head, Answer::own(text, self.clone(), came, refusal.status))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.listener.stats.open.take(1);
    }
}

/// Why a request is not passed on.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    text: &'static str,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: &'static str) -> Refusal {
        Refusal { status, text, retry_after: None }
    }

    fn after(mut self, time: Duration) -> Refusal {
        self.retry_after = Some(time);
        self
    }
}
