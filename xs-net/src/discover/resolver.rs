//! A resolver that asks for service records and says how long an answer holds, over `hickory-resolver`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata::SRV};
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::dns::{Answer, Resolve};
use crate::endpoint::Endpoint;

/// Of more targets of a service the first so many count, in order of their names.
const MOST_TARGETS: usize = 256;
/// Targets that are looked up at once.
const AT_ONCE: usize = 8;

/// A resolver that asks name servers itself. What it finds holds for the shortest time to live of all records that were
/// needed.
///
/// - `shop.example:80`: the addresses of a host (A and AAAA), each with this port and a weight of 1.
/// - `_http._tcp.shop.example`, whatever begins with `_`: the targets of a service (SRV, RFC 2782), each with its own port and
///   weight. Only those of the best priority count; a weight of 0 is the smallest one, 1, for nobody drains by DNS. A target of
///   several addresses has its weight at each of them.
///
/// That there are no records is an answer without endpoints. If a target's addresses cannot be found out, the whole look-up
/// has failed: nobody is left out because a name server is slow.
pub struct DnsResolver {
    resolver: TokioResolver,
}

impl DnsResolver {
    /// As the machine is set up (`/etc/resolv.conf` and the hosts file).
    ///
    /// # Errors
    ///
    /// The set-up cannot be read.
    pub fn system() -> io::Result<Self> {
        Self::build(TokioResolver::builder_tokio().map_err(io::Error::other)?)
    }

    /// Asks these name servers, by UDP, and by TCP what is too long for that.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn asking(servers: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let server = |address: SocketAddr| {
            let mut config = NameServerConfig::udp_and_tcp(address.ip());
            config.connections.iter_mut().for_each(|connection| connection.port = address.port());
            config
        };
        let servers: Vec<_> = servers.into_iter().map(server).collect();
        if servers.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name server to ask"));
        }
        let config = ResolverConfig::from_name_servers(servers);
        Self::build(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> io::Result<Self> {
        let options = builder.options_mut();
        // Whoever watches a name asks when its time is over; a cache here would make that twice as long.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(DnsResolver { resolver: builder.build().map_err(io::Error::other)? })
    }

    /// The addresses of a host, in order.
    async fn host(&self, host: &str) -> io::Result<(Vec<IpAddr>, Option<Duration>)> {
        let found = match self.resolver.lookup_ip(host).await {
            Ok(found) => found,
            Err(error) => return no_records(error).map(|()| Default::default()),
        };
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        Ok((addresses, shortest(found.as_lookup().answers())))
    }

    /// The targets of a service, in order of their names, ports and addresses.
    async fn service(&self, name: &str) -> io::Result<Answer> {
        let found = match self.resolver.lookup(name, RecordType::SRV).await {
            Ok(found) => found,
            Err(error) => return no_records(error).map(|()| Answer::default()),
        };
        let records = found.answers().iter().filter_map(|record| match &record.data {
            // The root as a target says that there is no such service here.
            RData::SRV(record) if !record.target.is_root() => Some(record),
            _ => None,
        });
        let mut targets: Vec<SRV> = records.cloned().collect();
        let best = targets.iter().map(|target| target.priority).min();
        targets.retain(|target| Some(target.priority) == best);
        targets.sort_by(|a, b| (&a.target, a.port).cmp(&(&b.target, b.port)));
        targets.truncate(MOST_TARGETS);
        let look_ups = stream::iter(targets.into_iter().map(|target| self.target(target)));
        let found_all: Vec<_> = look_ups.buffered(AT_ONCE).try_collect().await?;
        let mut answer = Answer { endpoints: Vec::new(), ttl: shortest(found.answers()) };
        for (endpoints, ttl) in found_all {
            answer.endpoints.extend(endpoints);
            answer.ttl = answer.ttl.into_iter().chain(ttl).min();
        }
        Ok(answer)
    }

    /// A service's target at each of its addresses.
    async fn target(&self, target: SRV) -> io::Result<(Vec<Endpoint>, Option<Duration>)> {
        let (addresses, ttl) = self.host(&target.target.to_ascii()).await?;
        let weight = u32::from(target.weight).max(1);
        let named = |address| Endpoint::new(SocketAddr::new(address, target.port).to_string()).weight(weight);
        Ok((addresses.into_iter().map(named).collect(), ttl))
    }
}

impl Resolve for DnsResolver {
    async fn resolve(&self, name: Arc<str>) -> io::Result<Answer> {
        if name.starts_with('_') {
            return self.service(&name).await;
        }
        if let Ok(address) = name.parse::<SocketAddr>() {
            return Ok(vec![address].into());
        }
        let (host, port) = name.rsplit_once(':').unwrap_or_default();
        let (false, Ok(port)) = (host.is_empty(), port.parse()) else {
            let expected = "expected HOST:PORT, or a service's name that begins with _";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, expected));
        };
        let (addresses, ttl) = self.host(host).await?;
        let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Ok(Answer { ttl, ..addresses.into() })
    }
}

fn no_records(error: NetError) -> io::Result<()> {
    if error.is_no_records_found() { Ok(()) } else { Err(io::Error::other(error)) }
}

fn shortest(records: &[Record]) -> Option<Duration> {
    records.iter().map(|record| Duration::from_secs(record.ttl.into())).min()
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver").finish_non_exhaustive()
    }
}
