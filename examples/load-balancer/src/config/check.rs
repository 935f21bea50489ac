//! Whether a configuration makes sense: what was written becomes what is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::fault::{Faults, Findings};
use super::raw::{Raw, RawListener, RawMode};
use super::{Admin, ClientTimeouts, Config, Forwarded, Http, Key, Limit, Listener, ListenerTls, Mode, Pool, Tcp};
use super::{pool, route};

pub(super) fn config(text: &str) -> Result<Config, Faults> {
    let mut findings = Findings::new(text);
    let raw: Raw = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            findings.add(error.span().unwrap_or(0..0), error.message());
            return findings.finish().and_then(|()| Err(Faults(Vec::new())));
        }
    };
    let config = read(raw, &mut findings);
    findings.finish()?;
    // Without a fault there is a configuration: whatever yields none has noted why.
    config.ok_or_else(|| Faults(Vec::new()))
}

fn read(raw: Raw, findings: &mut Findings<'_>) -> Option<Config> {
    let threads = match raw.threads {
        Some(threads) if !(1..=1024).contains(threads.get_ref()) => {
            findings.add(threads.span(), "`threads` is from 1 to 1024");
            None
        }
        threads => Some(threads.map_or(1, Spanned::into_inner)),
    };
    let mut addresses = BTreeMap::new();
    let admin = raw.admin.map(|admin| {
        let listen = address(&admin.listen, findings)?;
        addresses.insert(listen, "the admin page".to_owned());
        Some(Admin { listen })
    });
    let mut pools = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (name, raw) in raw.pool.unwrap_or_default() {
        let at = name.span();
        let name = name.into_inner();
        names.insert(name.clone());
        if name.is_empty() {
            findings.add(at.clone(), "a pool needs a name");
        }
        if let Some(pool) = pool::read(raw, findings) {
            pools.insert(name, pool);
        }
    }
    let mut known = Known { pools: &pools, names: &names, listeners: BTreeSet::new(), addresses };
    let raws = raw.listener.unwrap_or_default();
    if raws.is_empty() {
        findings.add(0..0, "there is no listener: write a [[listener]] with `name`, `listen` and `pool`");
    }
    let all = raws.len();
    let listeners: Vec<_> = raws.into_iter().filter_map(|raw| listener(raw, &mut known, findings)).collect();
    if listeners.len() < all || pools.len() < names.len() {
        return None;
    }
    let drain = raw.drain.map_or(Duration::from_secs(30), |time| time.0);
    Some(Config {
        threads: threads?,
        drain,
        admin: admin.map_or(Some(None), |admin| admin.map(Some))?,
        listeners,
        pools,
    })
}

/// What a listener refers to, and what it must differ from.
pub(super) struct Known<'a> {
    pools: &'a BTreeMap<String, Pool>,
    /// Of all pools, those with faults included.
    names: &'a BTreeSet<String>,
    listeners: BTreeSet<String>,
    addresses: BTreeMap<SocketAddr, String>,
}

impl Known<'_> {
    /// The name of a pool that there is.
    pub(super) fn pool(&self, name: &Spanned<String>, findings: &mut Findings<'_>) -> Option<String> {
        if self.names.contains(name.get_ref()) {
            return Some(name.get_ref().clone());
        }
        let there: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        let name_of = name.get_ref();
        findings.add(
            name.span(),
            format!("there is no pool `{name_of}`: write a [pool.{name_of}], or name one of {there}"),
        );
        None
    }
}

fn listener(raw: Spanned<RawListener>, known: &mut Known<'_>, findings: &mut Findings<'_>) -> Option<Listener> {
    let whole = head(&raw);
    let raw = raw.into_inner();
    let name = raw.name.get_ref().clone();
    if name.is_empty() {
        findings.add(raw.name.span(), "a listener needs a name");
    }
    if !known.listeners.insert(name.clone()) {
        findings.add(raw.name.span(), format!("there is a listener `{name}` already: give it another name"));
    }
    let listen = address(&raw.listen, findings);
    if let Some(listen) = listen.filter(|listen| listen.port() != 0)
        && let Some(other) = known.addresses.insert(listen, format!("listener `{name}`"))
    {
        findings.add(raw.listen.span(), format!("{other} listens at {listen} already"));
    }
    let trusted = raw.trusted.map(Spanned::into_inner).unwrap_or_default();
    let accept_proxy = raw.accept_proxy.as_ref().is_some_and(|accept| *accept.get_ref());
    if let Some(accept) = raw.accept_proxy.filter(|_| accept_proxy && trusted.is_empty()) {
        findings.add(
            accept.span(),
            "`accept-proxy` believes what the peer says about its client: name the peers in `trusted = [\"10.0.0.0/8\"]`",
        );
    }
    let tls = raw.tls.map(|tls| {
        let tls = tls.into_inner();
        ListenerTls { certificate: tls.certificate.into_inner().into(), key: tls.key.into_inner().into() }
    });
    let connections = match raw.limits.connections {
        Some(connections) if *connections.get_ref() == 0 => {
            findings.add(connections.span(), "`connections` is at least 1");
            None
        }
        connections => Some(connections.map_or(10_000, Spanned::into_inner)),
    };
    let limit = match (raw.limits.rate, raw.limits.burst, raw.limits.by) {
        (None, burst, by) => {
            for at in [burst.map(|burst| burst.span()), by.map(|by| by.span())].into_iter().flatten() {
                findings.add(at, "there is no `rate` that this could belong to: write one, such as `rate = \"100/s\"`");
            }
            Some(None)
        }
        (Some(rate), burst, by) => {
            let rate = rate.into_inner();
            let second = (f64::from(rate.count) / rate.per.as_secs_f64()).ceil().max(1.0) as u32;
            if let Some(burst) = burst.as_ref().filter(|burst| *burst.get_ref() == 0) {
                findings.add(burst.span(), "`burst` is at least 1");
            }
            let burst = burst.map_or(second, Spanned::into_inner);
            let key = by.as_ref().map_or(Some(Key::Source), |by| key(by, true, findings));
            key.map(|by| Some(Limit { rate, burst, by }))
        }
    };
    let mode = raw.mode.map_or(RawMode::Http, Spanned::into_inner);
    let idle = raw.timeouts.idle.map(|time| time.0);
    let default = raw.pool.as_ref().map(|pool| known.pool(pool, findings));
    let mode = match mode {
        RawMode::Tcp => {
            let only_http = [
                (raw.route.map(|route| route.span()), "`route`"),
                (raw.forwarded.map(|forwarded| forwarded.span()), "`forwarded`"),
                (raw.via.map(|via| via.span()), "`via`"),
                (raw.limits.body.map(|body| body.span()), "`body`"),
                (raw.timeouts.head.map(|time| time.span()), "`head`"),
                (raw.timeouts.body.map(|time| time.span()), "`body`"),
                (raw.timeouts.write.map(|time| time.span()), "`write`"),
                (raw.timeouts.upgraded.map(|time| time.span()), "`upgraded`"),
            ];
            for (at, name) in only_http {
                if let Some(at) = at {
                    findings.add(at, format!("{name} means something only where mode = \"http\": remove it"));
                }
            }
            if raw.pool.is_none() {
                findings.add(whole.clone(), "a listener of mode \"tcp\" needs a `pool`");
            }
            let pool = default??;
            if let Some(kept) = known.pools.get(&pool)
                && let Some(wrong) = kept.only_http()
            {
                let at = raw.pool.as_ref().map_or(whole, Spanned::span);
                findings
                    .add(at, format!("the pool `{pool}` {wrong}, which needs requests, not bytes: use another pool"));
            }
            let limit = limit?;
            if limit.as_ref().is_some_and(|limit| !matches!(limit.by, Key::All | Key::Source)) {
                findings.add(
                    raw.listen.span(),
                    "connections have no fields to be told apart by: limit by \"source\" or \"all\"",
                );
            }
            Mode::Tcp(Tcp { pool, idle: idle.unwrap_or(Duration::from_secs(3600)), limit })
        }
        RawMode::Http => {
            let mut routes = route::read(raw.route, known, findings);
            if let Some(pool) = default.flatten() {
                routes.iter_mut().for_each(|routes| routes.push(super::Route::to(pool.clone())));
            } else if raw.pool.is_none() && routes.as_ref().is_some_and(Vec::is_empty) {
                findings.add(whole, "nothing says where its requests go: write a `pool`, or [[listener.route]]s");
            }
            let seconds = Duration::from_secs;
            let own =
                |time: Option<Spanned<super::units::Time>>, or: Duration| time.map_or(or, |time| time.into_inner().0);
            let timeouts = ClientTimeouts {
                head: own(raw.timeouts.head, seconds(10)),
                body: own(raw.timeouts.body, seconds(30)),
                idle: idle.unwrap_or(seconds(60)),
                write: own(raw.timeouts.write, seconds(30)),
                upgraded: own(raw.timeouts.upgraded, seconds(3600)),
            };
            let forwarded = raw.forwarded.map_or(Forwarded { x: true, standard: false }, |forwarded| {
                use super::raw::RawForwarded::{Both, None, Rfc7239, X};
                let forwarded = forwarded.into_inner();
                debug_assert!(matches!(forwarded, Both | None | Rfc7239 | X));
                Forwarded { x: matches!(forwarded, X | Both), standard: matches!(forwarded, Rfc7239 | Both) }
            });
            let via = match raw.via {
                Some(via) if !via.get_ref().is_empty() && !route::is_token(via.get_ref()) => {
                    findings.add(via.span(), "`via` is a name of letters, digits, `-`, `.` and `_`, or empty");
                    None
                }
                via => Some(via.map_or_else(|| "xs".to_owned(), Spanned::into_inner)),
            };
            let body = raw.limits.body.map_or(1 << 30, Spanned::into_inner);
            Mode::Http(Http { routes: routes?, limit: limit?, body, timeouts, forwarded, via: via? })
        }
    };
    Some(Listener { name, listen: listen?, trusted, accept_proxy, tls, connections: connections?, mode })
}

/// Where a table begins: not all of its lines.
pub(super) fn head<T>(table: &Spanned<T>) -> Range<usize> {
    table.span().start..table.span().start
}

pub(super) fn address(text: &Spanned<String>, findings: &mut Findings<'_>) -> Option<SocketAddr> {
    let parsed = text.get_ref().parse().map_err(|_| wrong_address(text.get_ref()));
    findings.take(text.span(), parsed)
}

pub(super) fn wrong_address(text: &str) -> String {
    let why = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && host.parse::<std::net::IpAddr>().is_ok() => {
            "an IPv6 address stands in brackets: \"[::1]:80\""
        }
        Some((_, port)) if port.parse::<u16>().is_ok() => {
            "write an IP address and a port, such as \"127.0.0.1:80\"; names are looked up with `dns = \"name:port\"` in a pool"
        }
        _ => "write an IP address and a port, such as \"127.0.0.1:80\"",
    };
    format!("`{text}` is no address: {why}")
}

/// What requests are told apart by.
pub(super) fn key(text: &Spanned<String>, all: bool, findings: &mut Findings<'_>) -> Option<Key> {
    let parsed = match text.get_ref().split_once(':') {
        None if text.get_ref() == "source" => Ok(Key::Source),
        None if text.get_ref() == "path" => Ok(Key::Path),
        None if all && text.get_ref() == "all" => Ok(Key::All),
        Some(("header", name)) if route::is_token(name) => Ok(Key::Header(name.to_owned())),
        Some(("cookie", name)) if route::is_token(name) => Ok(Key::Cookie(name.to_owned())),
        _ => {
            let or = if all { "\"all\", " } else { "" };
            Err(format!(
                "`{}` says nothing: write {or}\"source\", \"header:NAME\", \"cookie:NAME\" or \"path\"",
                text.get_ref()
            ))
        }
    };
    findings.take(text.span(), parsed)
}
