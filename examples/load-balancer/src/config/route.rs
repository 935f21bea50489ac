//! Routes: which requests go where, and what changes on the way.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use http::header::{HeaderName, HeaderValue};
use toml::Spanned;

use super::check::Known;
use super::fault::Findings;
use super::raw::RawRoute;
use super::{Edits, Route};

type Text = Spanned<String>;

impl Route {
    /// Everything to one pool.
    pub(crate) fn to(pool: String) -> Route {
        Route {
            host: None,
            path: "/".to_owned(),
            methods: Vec::new(),
            pool,
            set_host: None,
            request: Edits::default(),
            response: Edits::default(),
            retry: true,
            timeout: None,
        }
    }
}

pub(super) fn read(
    raw: Option<Spanned<Vec<Spanned<RawRoute>>>>,
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Route>> {
    let raw = raw.map(Spanned::into_inner).unwrap_or_default();
    let (mut routes, all) = (Vec::with_capacity(raw.len() + 1), raw.len());
    let mut seen = BTreeSet::new();
    for route in raw {
        let at = super::check::head(&route);
        let Some(route) = one(route.into_inner(), known, findings) else { continue };
        let methods: BTreeSet<_> = route.methods.iter().map(Method::as_str).map(str::to_owned).collect();
        if !seen.insert((route.host.clone(), route.path.clone(), methods)) {
            findings.add(at, "a route before this one takes the same requests: remove one of them");
        }
        routes.push(route);
    }
    (routes.len() == all).then_some(routes)
}

fn one(raw: RawRoute, known: &Known<'_>, findings: &mut Findings<'_>) -> Option<Route> {
    let pool = known.pool(&raw.pool, findings);
    let host = raw.host.map(|host| {
        let name = host.get_ref().to_ascii_lowercase();
        let rest = name.strip_prefix("*.").unwrap_or(&name);
        let good = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[:]".contains(&b));
        let port = !rest.starts_with('[') && rest.contains(':');
        if !good || port {
            findings.add(host.span(), "`host` is a name without a port, such as \"a.example\" or \"*.example\"");
            return None;
        }
        Some(name)
    });
    let path = raw.path.map(|path| {
        let good = path.get_ref().starts_with('/')
            && path.get_ref().bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
        if !good {
            findings
                .add(path.span(), "`path` is what a path begins with: a slash, and visible ASCII without `?` and `#`");
            return None;
        }
        Some(path.into_inner())
    });
    let mut methods = Vec::new();
    for name in raw.methods.unwrap_or_default() {
        match Method::from_bytes(name.get_ref().as_bytes()) {
            Ok(Method::CONNECT) => findings.add(name.span(), "CONNECT asks for a tunnel, which is refused: remove it"),
            Ok(method) => methods.push(method),
            Err(_) => {
                findings.add(name.span(), format!("`{}` is no method: write \"GET\" or the like", name.get_ref()))
            }
        }
    }
    let set_host = raw.set_host.map(|host| {
        let good = !host.get_ref().is_empty()
            && host.get_ref().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[:]".contains(&b));
        if !good {
            findings
                .add(host.span(), "`set-host` is a name, and a port if it is not the usual one: \"app.internal:8080\"");
        }
        good.then(|| host.into_inner())
    });
    let request = edits(raw.set_header, raw.remove_header, findings);
    let response = edits(raw.set_response_header, raw.remove_response_header, findings);
    Some(Route {
        host: host.map_or(Some(None), |host| host.map(Some))?,
        path: path.unwrap_or_else(|| Some("/".to_owned()))?,
        methods,
        pool: pool?,
        set_host: set_host.map_or(Some(None), |host| host.map(Some))?,
        request: request?,
        response: response?,
        retry: raw.retry.unwrap_or(true),
        timeout: raw.timeout.map(|time| time.0),
    })
}

fn edits(set: BTreeMap<Text, Text>, remove: Vec<Text>, findings: &mut Findings<'_>) -> Option<Edits> {
    let (sets, removes) = (set.len(), remove.len());
    let set: Vec<_> = set
        .into_iter()
        .filter_map(|(name, value)| {
            let plain = value.get_ref().trim() == value.get_ref();
            if !plain || HeaderValue::from_str(value.get_ref()).is_err() {
                findings.add(value.span(), "a field's value has no control characters, and no blanks around it");
                return None;
            }
            Some((field(name, findings)?, value.into_inner()))
        })
        .collect();
    let remove: Vec<_> = remove.into_iter().filter_map(|name| field(name, findings)).collect();
    (set.len() == sets && remove.len() == removes).then_some(Edits { remove, set })
}

/// The name of a field that routes may change.
fn field(name: Text, findings: &mut Findings<'_>) -> Option<String> {
    let owned = [
        ("host", "use `set-host`"),
        ("content-length", "the balancer frames messages itself"),
        ("transfer-encoding", "the balancer frames messages itself"),
        ("connection", "it concerns one connection only, and never passes"),
        ("keep-alive", "it concerns one connection only, and never passes"),
        ("proxy-connection", "it concerns one connection only, and never passes"),
        ("te", "it concerns one connection only, and never passes"),
        ("trailer", "the balancer frames messages itself"),
        ("upgrade", "it concerns one connection only"),
    ];
    if HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
        findings.add(name.span(), format!("`{}` is no field's name", name.get_ref()));
        return None;
    }
    if let Some((_, why)) = owned.iter().find(|(owned, _)| name.get_ref().eq_ignore_ascii_case(owned)) {
        findings.add(name.span(), format!("`{}` cannot be changed: {why}", name.get_ref()));
        return None;
    }
    Some(name.into_inner())
}

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}
