//! Pools: endpoints, and everything that is known about how to treat them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use http::StatusCode;
use toml::Spanned;
use xs_net::tls::Connector;

use super::check::{head, key, wrong_address};
use super::fault::Findings;
use super::raw::{
    RawBreaker, RawConnections, RawHealth, RawPolicy, RawPool, RawPoolTls, RawProxyVersion, RawRetry, RawSticky,
};
use super::{
    Breaker, Connections, Endpoint, EndpointTimeouts, Endpoints, Health, Key, Outlier, Policy, Pool, PoolTls, Probe,
    ProxyVersion, Retry, Sticky, route,
};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Pool {
    /// What it has that only requests can have.
    pub(super) fn only_http(&self) -> Option<&'static str> {
        match (&self.hash, &self.sticky) {
            (Key::Header(_) | Key::Cookie(_) | Key::Path, _) => Some("hashes by what stands in a request"),
            (_, Some(Sticky::Cookie { .. })) => Some("sets a cookie"),
            _ => None,
        }
    }
}

pub(super) fn read(raw: Spanned<RawPool>, findings: &mut Findings<'_>) -> Option<Pool> {
    let whole = head(&raw);
    let raw = raw.into_inner();
    let endpoints = endpoints(&raw, whole, findings);
    let hashes = matches!(
        raw.policy.as_ref().map(Spanned::get_ref),
        Some(RawPolicy::RingHash | RawPolicy::Maglev | RawPolicy::Rendezvous | RawPolicy::BoundedLoad)
    );
    if let Some(hash) = raw.hash.as_ref().filter(|_| !hashes) {
        findings.add(
            hash.span(),
            "`hash` is for the policies \"ring-hash\", \"maglev\", \"rendezvous\" and \"bounded-load\": name one, or remove it",
        );
    }
    let hash = raw.hash.as_ref().map_or(Some(Key::Source), |hash| key(hash, false, findings));
    let policy = policy(&raw, findings);
    let sticky = match raw.sticky {
        None => Some(None),
        Some(sticky) => {
            let at = sticky.span();
            let sticky = self::sticky(sticky, findings);
            let clash = match (&sticky, hashes, raw.policy.is_some()) {
                (Some(Sticky::Cookie { .. }), true, _) => {
                    Some("a policy that hashes keeps clients already: choose one of the two")
                }
                (Some(Sticky::Source), _, true) => {
                    Some("the source decides alone: remove `policy`, or choose a hashing one")
                }
                _ => None,
            };
            if let Some(why) = clash {
                findings.add(at, why);
            }
            sticky.map(Some)
        }
    };
    let health = raw.health.map_or(Some(None), |health| self::health(health, findings).map(Some));
    let outlier = raw.outlier.map_or_else(Outlier::default, |raw| {
        let default = Outlier::default();
        Outlier {
            failures: raw.failures.unwrap_or(default.failures),
            interval: raw.interval.map_or(default.interval, |time| time.0),
            volume: raw.volume.unwrap_or(default.volume),
            deviations: raw.deviations.unwrap_or(default.deviations),
            term: raw.term.map_or(default.term, |time| time.0),
            longest_term: raw.longest_term.map_or(default.longest_term, |time| time.0),
            most_percent: raw.most.map_or(default.most_percent, |part| part.percent()),
        }
    });
    let breaker = raw.breaker.map_or(Some(None), |breaker| self::breaker(breaker, findings).map(Some));
    let retry = retry(raw.retry, findings);
    let timeouts = EndpointTimeouts {
        connect: raw.timeouts.connect.map_or(seconds(3), |time| time.0),
        response: raw.timeouts.response.map_or(seconds(60), |time| time.0),
        idle: raw.timeouts.idle.map_or(seconds(60), |time| time.0),
    };
    let connections = connections(raw.connections, findings);
    let send_proxy = raw.send_proxy.map(|version| match version {
        RawProxyVersion::V1 => ProxyVersion::V1,
        RawProxyVersion::V2 => ProxyVersion::V2,
    });
    let tls = raw.tls.map(|tls| self::tls(tls, findings));
    Some(Pool {
        policy: policy?,
        hash: hash?,
        zone: raw.zone,
        endpoints: endpoints?,
        sticky: sticky?,
        health: health?,
        outlier,
        slow_start: raw.slow_start.map_or(Duration::ZERO, |time| time.0),
        panic_percent: raw.panic.map_or(50, |part| part.percent()),
        breaker: breaker?,
        retry: retry?,
        timeouts,
        connections: connections?,
        send_proxy,
        tls,
    })
}

fn policy(raw: &RawPool, findings: &mut Findings<'_>) -> Option<Policy> {
    let policy = raw.policy.as_ref().map(|policy| *policy.get_ref());
    if let Some(percent) = &raw.percent {
        if policy != Some(RawPolicy::BoundedLoad) {
            findings.add(percent.span(), "`percent` is for the policy \"bounded-load\": remove it");
        } else if *percent.get_ref() < 100 {
            findings.add(percent.span(), "`percent` is of the mean, and at least 100");
        }
    }
    Some(match policy {
        Some(RawPolicy::RoundRobin) => Policy::RoundRobin,
        Some(RawPolicy::Weighted) => Policy::Weighted,
        Some(RawPolicy::Random) => Policy::Random,
        Some(RawPolicy::LeastConnections) => Policy::LeastConnections,
        Some(RawPolicy::P2c) | None => Policy::TwoChoices,
        Some(RawPolicy::RingHash) => Policy::RingHash,
        Some(RawPolicy::Maglev) => Policy::Maglev,
        Some(RawPolicy::Rendezvous) => Policy::Rendezvous,
        Some(RawPolicy::BoundedLoad) => {
            Policy::BoundedLoad(raw.percent.as_ref().map_or(125, |percent| *percent.get_ref()))
        }
    })
}

fn endpoints(raw: &RawPool, whole: Range<usize>, findings: &mut Findings<'_>) -> Option<Endpoints> {
    let given = [
        raw.endpoints.as_ref().map(Spanned::span),
        raw.file.as_ref().map(Spanned::span),
        raw.dns.as_ref().map(Spanned::span),
    ];
    let mut given = given.into_iter().flatten();
    let first = given.next();
    if first.is_none() {
        findings.add(whole, "the pool has no endpoints: write `endpoints = [\"127.0.0.1:9001\"]`, `file` or `dns`");
        return None;
    }
    for at in given {
        findings.add(at, "endpoints come from one place: `endpoints`, `file` or `dns`");
    }
    if let Some(file) = &raw.file {
        return Some(Endpoints::File(file.get_ref().into()));
    }
    if let Some(dns) = &raw.dns {
        let good =
            dns.get_ref().rsplit_once(':').is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok());
        let name = if good {
            Ok(dns.get_ref().clone())
        } else {
            Err("`dns` is a name and a port: \"app.internal:8080\"".into())
        };
        return findings.take(dns.span(), name).map(Endpoints::Dns);
    }
    let list = raw.endpoints.as_ref()?;
    if list.get_ref().is_empty() {
        findings.add(list.span(), "the list of endpoints is empty");
    }
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::with_capacity(list.get_ref().len());
    for endpoint in list.get_ref() {
        let at = endpoint.span();
        let raw = endpoint.get_ref();
        let parsed = raw.address.parse().map_err(|_| wrong_address(&raw.address));
        let Some(address) = findings.take(at.clone(), parsed) else { continue };
        if !seen.insert(address) {
            findings.add(at, format!("{address} was there before"));
        }
        endpoints.push(Endpoint { address, weight: raw.weight, zone: raw.zone.clone() });
    }
    (endpoints.len() == list.get_ref().len()).then_some(Endpoints::List(endpoints))
}

fn sticky(raw: Spanned<RawSticky>, findings: &mut Findings<'_>) -> Option<Sticky> {
    let at = raw.span();
    let raw = raw.into_inner();
    match (raw.cookie, raw.source) {
        (Some(name), None) => {
            if !route::is_token(name.get_ref()) {
                findings.add(name.span(), "a cookie's name has letters, digits, `-`, `.` and `_`");
            }
            let key = raw.key.map(|key| {
                let parsed = secret(key.get_ref()).ok_or_else(|| "`key` is 32 hexadecimal digits".to_owned());
                findings.take(key.span(), parsed)
            });
            Some(Sticky::Cookie { name: name.into_inner(), key: key.map_or(Some(None), |key| key.map(Some))? })
        }
        (None, Some(true)) => {
            if let Some(key) = raw.key {
                findings.add(key.span(), "`key` belongs to a cookie: remove it");
            }
            Some(Sticky::Source)
        }
        _ => {
            findings.add(at, "`sticky` is either { cookie = \"NAME\" } or { source = true }");
            None
        }
    }
}

fn secret(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn health(raw: Spanned<RawHealth>, findings: &mut Findings<'_>) -> Option<Health> {
    let at = head(&raw);
    let raw = raw.into_inner();
    let probe = match (raw.http, raw.tcp) {
        (Some(path), None) => {
            let good =
                path.get_ref().starts_with('/') && path.get_ref().bytes().all(|b| b.is_ascii_graphic() && b != b'#');
            if !good {
                findings.add(path.span(), "`http` is the path to ask for, such as \"/health\"");
            }
            if let Some(host) = raw.host.as_ref().filter(|host| !host.get_ref().bytes().all(|b| b.is_ascii_graphic())) {
                findings.add(host.span(), "`host` is a name, and a port if it is not the usual one");
            }
            Some(Probe::Http { path: path.into_inner(), host: raw.host.map(Spanned::into_inner) })
        }
        (None, Some(true)) => {
            if let Some(host) = raw.host {
                findings.add(host.span(), "`host` belongs to `http`: remove it");
            }
            Some(Probe::Tcp)
        }
        _ => {
            findings.add(at, "`health` asks either http = \"/PATH\" or tcp = true");
            None
        }
    };
    for (time, name) in [(&raw.interval, "interval"), (&raw.timeout, "timeout")] {
        if let Some(time) = time.as_ref().filter(|time| time.get_ref().0.is_zero()) {
            findings.add(time.span(), format!("`{name}` is more than nothing"));
        }
    }
    for (count, name) in [(&raw.rise, "rise"), (&raw.fall, "fall")] {
        if let Some(count) = count.as_ref().filter(|count| *count.get_ref() == 0) {
            findings.add(count.span(), format!("`{name}` is at least 1"));
        }
    }
    Some(Health {
        probe: probe?,
        interval: raw.interval.map_or(seconds(5), |time| time.into_inner().0),
        timeout: raw.timeout.map_or(seconds(2), |time| time.into_inner().0),
        rise: raw.rise.map_or(2, Spanned::into_inner),
        fall: raw.fall.map_or(3, Spanned::into_inner),
    })
}

fn breaker(raw: RawBreaker, findings: &mut Findings<'_>) -> Option<Breaker> {
    if let Some(calls) = raw.calls.as_ref().filter(|calls| !(1..=100_000).contains(calls.get_ref())) {
        findings.add(calls.span(), "`calls` is from 1 to 100000");
        return None;
    }
    Some(Breaker {
        calls: raw.calls.map_or(100, Spanned::into_inner),
        failures: raw.failures.map_or(0.5, |part| part.0),
        slow: raw.slow.map(|time| time.0),
        open: raw.open.map_or(seconds(10), |time| time.0),
    })
}

fn retry(raw: Option<RawRetry>, findings: &mut Findings<'_>) -> Option<Retry> {
    let Some(raw) = raw else { return Some(Retry::default()) };
    let default = Retry::default();
    let mut good = true;
    if let Some(attempts) = raw.attempts.as_ref().filter(|attempts| !(1..=10).contains(attempts.get_ref())) {
        findings.add(attempts.span(), "`attempts` is from 1, which is never again, to 10");
        good = false;
    }
    let mut statuses = Vec::new();
    for status in raw.statuses.iter().flatten() {
        match StatusCode::from_u16(*status.get_ref()).ok().filter(StatusCode::is_server_error) {
            Some(status) => statuses.push(status),
            None => {
                findings.add(status.span(), "a status that is tried again is from 500 to 599");
                good = false;
            }
        }
    }
    good.then(|| Retry {
        attempts: raw.attempts.map_or(default.attempts, Spanned::into_inner),
        budget: raw.budget.map_or(default.budget, |part| part.0),
        least: raw.least.unwrap_or(default.least),
        statuses: if raw.statuses.is_some() { statuses } else { default.statuses },
    })
}

impl Default for Retry {
    fn default() -> Self {
        let statuses = vec![StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        Retry { attempts: 3, budget: 0.2, least: 10, statuses }
    }
}

impl Default for Outlier {
    fn default() -> Self {
        Outlier {
            failures: 5,
            interval: seconds(10),
            volume: 100,
            deviations: 1.9,
            term: seconds(30),
            longest_term: seconds(300),
            most_percent: 34,
        }
    }
}

fn connections(raw: RawConnections, findings: &mut Findings<'_>) -> Option<Connections> {
    let mut good = true;
    if let Some(max) = raw.max.as_ref().filter(|max| *max.get_ref() == 0) {
        findings.add(max.span(), "`max` is at least 1");
        good = false;
    }
    if let Some(wait) = raw.wait.as_ref().filter(|_| raw.max.is_none()) {
        findings.add(wait.span(), "without `max` nobody waits: write one, or remove it");
        good = false;
    }
    good.then(|| Connections {
        idle: raw.idle.unwrap_or(64),
        idle_timeout: raw.idle_timeout.map_or(seconds(30), |time| time.0),
        lifetime: raw.lifetime.map(|time| time.0),
        max: raw.max.map(Spanned::into_inner),
        wait: raw.wait.map_or(seconds(5), |time| time.into_inner().0),
    })
}

fn tls(raw: Spanned<RawPoolTls>, findings: &mut Findings<'_>) -> PoolTls {
    let raw = raw.into_inner();
    let verify = raw.verify.unwrap_or(true);
    if let Some(ca) = raw.ca.as_ref().filter(|_| !verify) {
        findings.add(ca.span(), "nobody asks these authorities where verify = false: remove one of the two");
    }
    if let Some(name) = raw.name.as_ref().filter(|name| !Connector::is_name(name.get_ref())) {
        findings.add(name.span(), "`name` is a host name without a port, or an IP address: \"app.internal\"");
    }
    PoolTls { ca: raw.ca.map(|ca| ca.into_inner().into()), verify, name: raw.name.map(Spanned::into_inner) }
}
