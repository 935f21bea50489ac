//! Which route a request takes.

use std::sync::Arc;

use http::Method;
use xs_proto::http1::{CommandError, Fields, RequestHead};

use crate::config::{Edits, Route};
use crate::upstream::Upstream;

/// The routes of a listener, the most specific ones first.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// Whether any of them asks for a host.
    hosts: bool,
}

/// A route, ready to be taken.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) route: Route,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) request: Changes,
    pub(crate) response: Changes,
}

/// Changes to fields, ready to be made.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Names that go, whether they are only removed or set anew.
    remove: Vec<String>,
    set: Fields,
}

impl Changes {
    fn new(edits: &Edits) -> Result<Changes, CommandError> {
        let mut set = Fields::new();
        for (name, value) in &edits.set {
            set.append(name, value.as_bytes())?;
        }
        let names = edits.set.iter().map(|(name, _)| name);
        Ok(Changes { remove: edits.remove.iter().chain(names).cloned().collect(), set })
    }

    /// Makes them.
    #[inline]
    pub(crate) fn apply(&self, fields: &mut Fields) -> Result<(), CommandError> {
        if !self.remove.is_empty() {
            fields.retain(|name, _| !self.remove.iter().any(|gone| name.eq_ignore_ascii_case(gone.as_bytes())));
            fields.extend(&self.set)?;
        }
        Ok(())
    }
}

impl Table {
    /// The table of `routes`, each with the pool that it leads to.
    pub(crate) fn new(routes: impl IntoIterator<Item = (Route, Arc<Upstream>)>) -> Result<Table, CommandError> {
        let mut entries = Vec::new();
        for (route, upstream) in routes {
            let (request, response) = (Changes::new(&route.request)?, Changes::new(&route.response)?);
            entries.push(Entry { route, upstream, request, response });
        }
        // A stable sort: of equal ones the first in the file stays the first.
        entries.sort_by_key(|entry| std::cmp::Reverse(rank(&entry.route)));
        let hosts = entries.iter().any(|entry| entry.route.host.is_some());
        Ok(Table { entries, hosts })
    }

    /// The first route that a request fits.
    pub(crate) fn find(&self, head: &RequestHead, path: &str) -> Option<&Entry> {
        let host = if self.hosts { host_of(head.authority().unwrap_or_default()) } else { "" };
        self.entries.iter().find(|entry| fits(&entry.route, head.method(), host, path))
    }
}

/// What makes a route more specific than another one: its host, then the length of its path, then that it names methods.
fn rank(route: &Route) -> (u8, usize, usize, bool) {
    let (kind, len) = match route.host.as_deref() {
        None => (0, 0),
        Some(host) if host.starts_with("*.") => (1, host.len()),
        Some(host) => (2, host.len()),
    };
    (kind, len, route.path.len(), !route.methods.is_empty())
}

fn fits(route: &Route, method: &Method, host: &str, path: &str) -> bool {
    let named = match route.host.as_deref() {
        None => true,
        Some(wanted) => match wanted.strip_prefix('*') {
            // One or more labels in front of the rest.
            Some(rest) => {
                let front = host.len().checked_sub(rest.len());
                front.is_some_and(|at| at > 0 && host.is_char_boundary(at) && host[at..].eq_ignore_ascii_case(rest))
            }
            None => host.eq_ignore_ascii_case(wanted),
        },
    };
    named && under(&route.path, path) && (route.methods.is_empty() || route.methods.contains(method))
}

/// Whether a path begins with these segments.
fn under(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => prefix == "/",
    }
}

/// A host without its port and the dot that may end it.
fn host_of(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str, methods: &[Method]) -> Route {
        Route {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            methods: methods.to_vec(),
            ..Route::to(String::new())
        }
    }

    #[test]
    fn a_prefix_is_made_of_whole_segments() {
        for (prefix, path, expected) in [
            ("/", "/", true),
            ("/", "*", true),
            ("/", "/a", true),
            ("/api", "/api", true),
            ("/api", "/api/x", true),
            ("/api", "/apis", false),
            ("/api/", "/api", false),
            ("/api/", "/api/x", true),
            ("/api", "/Api", false),
        ] {
            assert_eq!(under(prefix, path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn hosts_are_compared_without_case_port_and_last_dot() {
        for (wanted, authority, expected) in [
            ("a.example", "A.Example:8080", true),
            ("a.example", "a.example.", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example:1", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "notexample", false),
            ("[::1]", "[::1]:80", true),
            ("[::1]", "[::1]", true),
        ] {
            let found = fits(&route(Some(wanted), "/", &[]), &Method::GET, host_of(authority), "/");
            assert_eq!(found, expected, "{wanted} {authority}");
        }
    }

    #[test]
    fn the_most_specific_route_is_the_first() {
        let mut routes = [
            route(None, "/", &[]),
            route(None, "/a/b", &[]),
            route(Some("*.example"), "/", &[]),
            route(Some("*.b.example"), "/", &[]),
            route(Some("b.example"), "/", &[]),
            route(Some("b.example"), "/a", &[]),
            route(Some("b.example"), "/a", &[Method::POST]),
        ];
        routes.sort_by_key(|route| std::cmp::Reverse(rank(route)));
        let order: Vec<_> = routes
            .iter()
            .map(|route| (route.host.as_deref().unwrap_or("-"), &*route.path, route.methods.len()))
            .collect();
        let expected = [
            ("b.example", "/a", 1),
            ("b.example", "/a", 0),
            ("b.example", "/", 0),
            ("*.b.example", "/", 0),
            ("*.example", "/", 0),
            ("-", "/a/b", 0),
            ("-", "/", 0),
        ];
        assert_eq!(order, expected);
    }
}
