//! Endpoints from a name that is looked up again and again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;

use super::poll::poll;
use crate::Timer;
use crate::endpoint::{Change, Endpoint};

/// Finds addresses by a name, such as `shop.example:80`. Any `Fn(Arc<str>) -> Future` that does so is one.
pub trait Resolve: Send + Sync {
    /// The addresses at the moment, in any order.
    fn resolve(&self, name: Arc<str>) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

impl<F, A> Resolve for F
where
    F: Fn(Arc<str>) -> A + Send + Sync,
    A: Future<Output = io::Result<Vec<SocketAddr>>> + Send,
{
    fn resolve(&self, name: Arc<str>) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        self(name)
    }
}

/// The operating system's resolver (`getaddrinfo`), on tokio's threads for blocking calls. It knows the hosts file and
/// whatever else the machine is set up for, and tells no time to live.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, name: Arc<str>) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host(&*name).await?.collect())
    }
}

/// How a name is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsOptions {
    /// From the end of one look-up to the next. Default 10 s.
    pub every: Duration,
    /// A look-up that takes longer has failed. Default 5 s.
    pub timeout: Duration,
    /// Of more addresses the first so many count, in order. Default 1,024.
    pub most_endpoints: usize,
    /// Whether an answer without addresses is believed. By default it is taken for a fault of the name server.
    pub allow_empty: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        let (every, timeout) = (Duration::from_secs(10), Duration::from_secs(5));
        DnsOptions { every, timeout, most_endpoints: 1024, allow_empty: false }
    }
}

/// An endpoint of weight 1 for each address of a name, and every change of it, for ever. An endpoint is called by its address
/// and port.
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
            let mut addresses = found.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
            // Name servers turn the order around with each answer; the same ones are to be kept each time.
            addresses.sort_unstable();
            addresses.dedup();
            addresses.truncate(options.most_endpoints);
            Ok::<_, io::Error>(addresses.iter().map(|address| Endpoint::new(address.to_string())).collect())
        }
    };
    poll(name, timer.clone(), options.every, options.allow_empty, ask)
}
