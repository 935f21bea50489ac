//! Endpoints from a name that is looked up again and again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;

use super::poll::{Round, poll};
use crate::Timer;
use crate::endpoint::{Change, Endpoint};

/// What a name stands for at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The endpoints: the same ones in the same order, for of too many the first count.
    pub endpoints: Vec<Endpoint>,
    /// For how long this holds, if whoever answers says so.
    pub ttl: Option<Duration>,
}

impl From<Vec<SocketAddr>> for Answer {
    /// An endpoint of weight 1 for each address, in the addresses' order: name servers turn theirs around with each answer.
    fn from(mut addresses: Vec<SocketAddr>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        let endpoints = addresses.iter().map(|address| Endpoint::new(address.to_string())).collect();
        Answer { endpoints, ttl: None }
    }
}

/// Finds endpoints by a name, such as `shop.example:80`. Any `Fn(Arc<str>) -> Future` that gives an [`Answer`], or a list of
/// addresses, is one.
pub trait Resolve: Send + Sync {
    /// What the name stands for at the moment.
    fn resolve(&self, name: Arc<str>) -> impl Future<Output = io::Result<Answer>> + Send;
}

impl<F, A, T> Resolve for F
where
    F: Fn(Arc<str>) -> A + Send + Sync,
    A: Future<Output = io::Result<T>> + Send,
    T: Into<Answer>,
{
    fn resolve(&self, name: Arc<str>) -> impl Future<Output = io::Result<Answer>> + Send {
        let found = self(name);
        async { found.await.map(Into::into) }
    }
}

/// The operating system's resolver (`getaddrinfo`), on tokio's threads for blocking calls. It knows the hosts file and
/// whatever else the machine is set up for, and tells no time to live and no service records; a `DnsResolver` (feature
/// `discover-dns`) does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, name: Arc<str>) -> io::Result<Answer> {
        Ok(tokio::net::lookup_host(&*name).await?.collect::<Vec<_>>().into())
    }
}

/// How a name is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsOptions {
    /// From the end of one look-up to the next, if the answer has no time to live, or there was none. Default 10 s.
    pub every: Duration,
    /// A time to live counts as at least this, whatever is said. Default 1 s.
    pub least_ttl: Duration,
    /// And as at most this. Default 5 min.
    pub most_ttl: Duration,
    /// A look-up that takes longer has failed. Default 5 s.
    pub timeout: Duration,
    /// Of more endpoints the first so many count. Default 1,024.
    pub most_endpoints: usize,
    /// Whether an answer without endpoints is believed. By default it is taken for a fault of the name server.
    pub allow_empty: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        DnsOptions {
            every: 10 * second,
            least_ttl: second,
            most_ttl: 300 * second,
            timeout: 5 * second,
            most_endpoints: 1024,
            allow_empty: false,
        }
    }
}

/// The endpoints of a name, and every change of them, for ever. What is found by address is called by its address and port, and
/// has a weight of 1 unless the resolver knows better.
///
/// The name is looked up again when its time to live is over, within [`DnsOptions::least_ttl`] and
/// [`DnsOptions::most_ttl`], or after [`DnsOptions::every`] if nothing is known of one.
pub fn watch_dns<R: Resolve + 'static>(
    resolver: R,
    name: &str,
    timer: &Timer,
    options: DnsOptions,
) -> impl Stream<Item = Change> + Send + use<R> {
    let (resolver, name) = (Arc::new(resolver), Arc::<str>::from(name));
    let (looked_up, waits) = (name.clone(), timer.clone());
    let ask = move || {
        let (resolver, name, timer) = (resolver.clone(), looked_up.clone(), waits.clone());
        async move {
            let found = timer.timeout(options.timeout, resolver.resolve(name)).await;
            let Answer { mut endpoints, ttl } = found.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
            endpoints.truncate(options.most_endpoints);
            let rest = ttl.map_or(options.every, |ttl| ttl.min(options.most_ttl).max(options.least_ttl));
            Ok::<_, io::Error>(Round { endpoints, rest })
        }
    };
    poll(name, timer.clone(), options.every, options.allow_empty, ask)
}
