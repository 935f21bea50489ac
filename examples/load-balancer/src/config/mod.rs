//! What a balancer is told to do: the file's text becomes a [`Config`], or [`Faults`] with their places.

mod check;
mod fault;
mod pool;
mod raw;
mod route;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};

pub use fault::{Fault, Faults};
pub use units::{Network, Rate};

/// A whole configuration, in which every name stands for something and every number makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How many threads listen, each with a runtime of its own. Default 1.
    pub threads: usize,
    /// How long connections get to end by themselves when the balancer stops. Default 30 s.
    pub drain: Duration,
    /// Where the balancer tells about itself, if anywhere.
    pub admin: Option<Admin>,
    /// Where connections come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where they go, by name.
    pub pools: BTreeMap<String, Pool>,
}

/// The balancer's own page and its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address.
    pub listen: SocketAddr,
}

/// An address at which connections come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// What it is called in logs and metrics.
    pub name: String,
    /// The address.
    pub listen: SocketAddr,
    /// Whose word about a client's address is believed: in a PROXY header, and in fields such as `Forwarded`.
    pub trusted: Vec<Network>,
    /// Whether trusted peers begin each connection with a PROXY header (version 1 or 2).
    pub accept_proxy: bool,
    /// The certificate that it shows, if it speaks TLS.
    pub tls: Option<ListenerTls>,
    /// How many connections it has at once at most. Default 10,000.
    pub connections: usize,
    /// What it does with a connection.
    pub mode: Mode,
}

/// What a listener does with connections.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// Passes the bytes on.
    Tcp(Tcp),
    /// Passes requests on.
    Http(Http),
}

/// How bytes are passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tcp {
    /// The pool's name.
    pub pool: String,
    /// A connection on which nothing has moved in either direction for so long ends. Default 1 h.
    pub idle: Duration,
    /// How fast connections may come.
    pub limit: Option<Limit>,
}

/// How requests are passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// In the order of the file; the most specific one wins, the first of equal ones.
    pub routes: Vec<Route>,
    /// How fast requests may come.
    pub limit: Option<Limit>,
    /// The longest body of a request, in bytes. Default 1 GiB.
    pub body: u64,
    /// How long clients may take.
    pub timeouts: ClientTimeouts,
    /// Which fields tell the endpoint who asks.
    pub forwarded: Forwarded,
    /// What the balancer calls itself in `Via`; empty: there is no `Via`. Default "xs".
    pub via: String,
}

/// So many in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The rate.
    pub rate: Rate,
    /// So many may come at once. Default: those of one second, or 1.
    pub burst: u32,
    /// Who shares it. Default: each source for itself.
    pub by: Key,
}

/// By what requests are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Not at all: all are alike.
    All,
    /// The client's address; of an IPv6 one the first 64 bits.
    Source,
    /// The value of a field.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The path without its query.
    Path,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For a head, from its first byte. Default 10 s.
    pub head: Duration,
    /// Between two pieces of a body. Default 30 s.
    pub body: Duration,
    /// Between two requests. Default 60 s.
    pub idle: Duration,
    /// Without taking anything of a response. Default 30 s.
    pub write: Duration,
    /// On an upgraded connection, such as a WebSocket, without anything moving in either direction. Default 1 h.
    pub upgraded: Duration,
}

/// Which fields tell the endpoint who asks. Those that an untrusted client has sent are removed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// `X-Forwarded-For`, `-Proto` and `-Host`. Default yes.
    pub x: bool,
    /// `Forwarded` (RFC 7239). Default no.
    pub standard: bool,
}

/// Which requests go where.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// In lower case and without a port: `a.example`, `*.example`; `None` is any.
    pub host: Option<String>,
    /// What the path begins with, in whole segments: `/api` is for `/api` and `/api/x`, not for `/apis`. Default `/`.
    pub path: String,
    /// Which methods; none is all.
    pub methods: Vec<Method>,
    /// The pool's name.
    pub pool: String,
    /// The `Host` that the endpoint is told. Default: the client's.
    pub set_host: Option<String>,
    /// What becomes of the request's fields.
    pub request: Edits,
    /// What becomes of the response's fields.
    pub response: Edits,
    /// Whether failed requests are tried again, where that is safe. Default yes.
    pub retry: bool,
    /// From the request's head to the response's, over all attempts. Default: for ever, each attempt has its own.
    pub timeout: Option<Duration>,
}

/// Changes to fields: what is removed goes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Names.
    pub remove: Vec<String>,
    /// Names and values, which replace whatever has these names.
    pub set: Vec<(String, String)>,
}

/// Endpoints, and how work is spread over them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Who gets the next call.
    pub policy: Policy,
    /// What hashing policies go by. Default: the source.
    pub hash: Key,
    /// The balancer's own zone, which is preferred.
    pub zone: Option<String>,
    /// Who there is.
    pub endpoints: Endpoints,
    /// Who is sent back to the endpoint that it had before.
    pub sticky: Option<Sticky>,
    /// How endpoints are asked whether they are well.
    pub health: Option<Health>,
    /// Who is left out for failing. Default: five failures in a row.
    pub outlier: Outlier,
    /// How long newcomers take to get their whole share. Default: none.
    pub slow_start: Duration,
    /// When fewer than so many percent are well, all count. Default 50.
    pub panic_percent: u8,
    /// A breaker for each endpoint.
    pub breaker: Option<Breaker>,
    /// How failed requests are tried again.
    pub retry: Retry,
    /// How long endpoints may take.
    pub timeouts: EndpointTimeouts,
    /// The connections that are kept.
    pub connections: Connections,
    /// Whether connections, those of checks included, begin with a PROXY header. Each then serves one client alone.
    pub send_proxy: Option<ProxyVersion>,
    /// Whether connections, those of checks included, speak TLS. Behind the PROXY header, if there is one.
    pub tls: Option<PoolTls>,
}

/// Who gets the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // as in `xs_net::balance`
pub enum Policy {
    RoundRobin,
    Weighted,
    Random,
    LeastConnections,
    /// The default.
    TwoChoices,
    RingHash,
    Maglev,
    Rendezvous,
    /// Maglev's order, and none gets more than so many percent of the mean.
    BoundedLoad(u32),
}

/// Where the endpoints stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// In the configuration.
    List(Vec<Endpoint>),
    /// In a file that is read again and again.
    File(PathBuf),
    /// In the name system: a name and a port.
    Dns(String),
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// Its share beside the others'. Zero: it drains. Default 1.
    pub weight: u32,
    /// Where it stands.
    pub zone: Option<String>,
}

/// How clients come back to the endpoint that they had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// By a cookie of this name that the balancer sets.
    Cookie {
        /// The name.
        name: String,
        /// The secret that makes its values: the same one in all balancers that share clients. `None`: a new one at each
        /// start.
        key: Option<[u8; 16]>,
    },
    /// By their address.
    Source,
}

/// How endpoints are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// From the end of a check to the next one. Default 5 s.
    pub interval: Duration,
    /// A check that takes longer has failed. Default 2 s.
    pub timeout: Duration,
    /// So many good checks in a row make it well. Default 2.
    pub rise: u32,
    /// So many bad checks in a row make it unwell. Default 3.
    pub fall: u32,
}

/// A question that a sound endpoint can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Whether it takes a connection.
    Tcp,
    /// Whether it answers a GET with a status from 200 to 399.
    Http {
        /// The target.
        path: String,
        /// The `Host`; `None` is its address.
        host: Option<String>,
    },
}

/// Who is left out for failing, as in `xs_net::balance::OutlierOptions`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Outlier {
    pub failures: u32,
    pub interval: Duration,
    pub volume: u32,
    pub deviations: f64,
    pub term: Duration,
    pub longest_term: Duration,
    pub most_percent: u8,
}

/// When an endpoint gets nothing for a while, as in `xs_net::breaker`. A response counts as soon as its head has come: how
/// long its body or an upgraded connection goes on says nothing, and a body that breaks off is a failure for `outlier` only.
#[derive(Debug, Clone, PartialEq)]
pub struct Breaker {
    /// How many of the last calls count. Default 100.
    pub calls: usize,
    /// The part of them that may fail, from 0 to 1. Default 0.5.
    pub failures: f64,
    /// How long until the response's head counts as slow, and with that as a failure.
    pub slow: Option<Duration>,
    /// How long it gets nothing. Default 10 s.
    pub open: Duration,
}

/// How failed requests are tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// How often a request is sent at most. Default 3; 1 is never again.
    pub attempts: u32,
    /// How many retries there may be, as a part of all requests. Default 0.2.
    pub budget: f64,
    /// So many retries a second may be in any case. Default 10.
    pub least: u32,
    /// Answers that count as failures and are tried again, of idempotent requests only. Default 502, 503 and 504.
    pub statuses: Vec<StatusCode>,
}

/// How long endpoints may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointTimeouts {
    /// To take a connection, with TLS to the end of its handshake. Default 3 s.
    pub connect: Duration,
    /// From the end of the request to the end of the response's head. Default 60 s.
    pub response: Duration,
    /// Between two pieces of a body. Default 60 s.
    pub idle: Duration,
}

/// The connections to the endpoints of a pool. Counts are for each thread, as the connections are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How many idle ones are kept for each endpoint. Default 64. With `send-proxy` a connection is one client's: requests
    /// of others never go on it, it ends with the client's own at the latest, and a client has at most five idle ones.
    pub idle: usize,
    /// How long an idle one is kept. Default 30 s, which is less than most servers wait. With `send-proxy` this and
    /// `lifetime` are looked at when the client asks for something and when it was answered: an idle one alone doesn't free
    /// its place among `max` before its client asks again, switches to another protocol or goes.
    pub idle_timeout: Duration,
    /// How old one may become. Default: any age.
    pub lifetime: Option<Duration>,
    /// How many there may be for each endpoint. Default: any number.
    pub max: Option<usize>,
    /// How long a request waits for one of them at most. Default 5 s.
    pub wait: Duration,
}

/// The version of a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// What a listener shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// A file with the chain of certificates (PEM).
    pub certificate: PathBuf,
    /// A file with the private key (PEM).
    pub key: PathBuf,
}

/// How endpoints are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolTls {
    /// A file with the authorities that are believed (PEM); `None` is the system's.
    pub ca: Option<PathBuf>,
    /// Whether certificates are checked. Default yes.
    pub verify: bool,
    /// The name that is asked for (SNI), and that certificates must be for; `None` is each endpoint's address.
    pub name: Option<String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; where its structure is wrong, the first such thing alone.
    pub fn parse(text: &str) -> Result<Config, Faults> {
        check::config(text)
    }
}
