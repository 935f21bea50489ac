//! From a method and a path to the function that answers: [`Router`].
//!
//! # The problem
//!
//! A web service is a list of functions, and every request must find its own. Going through the list is slow when it is
//! long, and its order becomes part of its meaning: whoever adds `/users/me` behind `/users/{id}` finds out in production
//! that nobody gets there. And the small print is easily forgotten: a `HEAD` for every `GET`, an answer to `OPTIONS`, 405
//! with the methods that there are, and what `%2F` means in the middle of a path.
//!
//! # How it works
//!
//! Patterns are cut at their slashes and make a tree of segments:
//!
//! ```text
//!   /users            ·── users ─┬──────────── GET, POST
//!   /users/me                    ├── me ────── GET
//!   /users/{id}                  └── {id} ─┬── GET, DELETE
//!   /users/{id}/keys                       └── keys ── GET
//!   /{*rest}          ·── {*rest} ──────────── GET
//! ```
//!
//! A path goes down the tree: at each node a literal goes before a parameter, and a parameter before a rest. If that way
//! ends, the next one is tried. So the most specific pattern wins, whatever the order in which they were added. The path
//! alone decides; then the method is looked up among those of its pattern.
//!
//! Decoding: a path is split at `/` first, and then each segment is percent-decoded, once. `%2F` is a slash inside of a
//! parameter, and never a border. A `%` without two digits, and what is not UTF-8 afterwards, is answered with 400. Empty
//! segments count: `/a`, `/a/` and `//a` are three paths. `.` and `..` are names like all others here: clients resolve
//! them (RFC 3986, section 5.2.4), and who makes file names out of parameters has to look, as [`files`](crate::files) does.
//!
//! | pattern | matches | and not |
//! |---|---|---|
//! | `/a` | `/a`, `/%61` | `/a/`, `/A` |
//! | `/a/{x}` | `/a/b`, `/a/b%2Fc` with `x` = `b/c` | `/a/`, `/a/b/c` |
//! | `/a/{*x}` | `/a/`, `/a/b`, `/a/b/c` with `x` = `b/c` | `/a` |
//!
//! # Invariants
//!
//! - Which route answers does not depend on the order in which routes were added (`tree`, tested against comparing all).
//! - Two routes for the same method and the same paths are an error when they are added (`Router::route`).
//! - Looking up visits each node once at most: the work of a request is bounded by the length of its path and the number
//!   of routes, never by more.
//! - `HEAD` is answered by `GET` unless it has its own handler, and the connection drops the body; 405 and `OPTIONS` name
//!   all methods in `Allow`.
//!
//! # Cost
//!
//! A map look-up a segment; an allocation for the list of segments, and one for each parameter. A handler's future is
//! boxed.
//!
//! # Example
//!
//! ```
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//! use xs_http::{Body, Router};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let router = Router::new()
//!     .get("/users/{id}", |_request, params| async move { format!("user {}", params["id"]) })?
//!     .get("/users/me", |_request, _params| async { "you" })?;
//!
//! let ask = |path: &str| router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
//! assert_eq!(ask("/users/me").await?.status(), StatusCode::OK);
//! assert_eq!(ask("/users").await?.status(), StatusCode::NOT_FOUND);
//! assert_eq!(ask("/users/%zz").await?.status(), StatusCode::BAD_REQUEST);
//!
//! let conflict = router.get("/users/{name}", |_request, _params| async { "who?" }).unwrap_err();
//! assert_eq!(conflict.to_string(), "the route GET /users/{name} is the same as /users/{id}");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! axum stands on matchit, a radix tree over bytes, which is faster for many routes and can have text around a parameter.
//! Express and Rails go through their routes in order, and the first one wins. nginx has one set of rules for prefixes and
//! another one for regular expressions. Go's `ServeMux` takes the more specific pattern since 1.22, and panics when neither
//! is.
//!
//! # What this leaves out
//!
//! Text around parameters (`/{name}.json`), expressions, hosts, nested routers, and typed parameters: a handler parses its
//! own. Paths are compared byte by byte, without Unicode normalisation.
//!
//! # Try next
//!
//! Change the order in `Node::find` so that parameters go before literals, and watch the property test find the smallest
//! pair of routes that shows it.
//!
//! # Sources
//!
//! RFC 3986, sections 2 and 3.3 (paths and their encoding); RFC 9110, sections 9.3.2 (HEAD), 9.3.7 (OPTIONS), 15.5.6 (405).

mod pattern;
pub(crate) mod tree;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::ops::Index;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower::Service;

use self::tree::Tree;
use crate::body::Body;
use crate::problem::Problem;
use crate::reply::Reply;

pub use pattern::{BadPattern, Pattern};

/// What stands where a pattern has holes, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    values: Vec<(String, String)>,
}

impl Params {
    /// The value of a parameter, if the pattern has one of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Index<&str> for Params {
    type Output = String;

    /// # Panics
    ///
    /// The pattern has no parameter of this name: the programmer's mistake, and not a client's.
    fn index(&self, name: &str) -> &String {
        let value = self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        value.unwrap_or_else(|| panic!("the pattern has no parameter {name:?}"))
    }
}

/// A response under way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

type Handler<B> = Arc<dyn Fn(Request<B>, Params) -> Answer + Send + Sync>;

struct Routes<B> {
    by_method: Vec<(Method, Handler<B>)>,
    any: Option<Handler<B>>,
}

/// A service that gives each request to the handler of its path and method; `B` is the requests' body. See the
/// [module page](self).
pub struct Router<B> {
    tree: Arc<Tree<Routes<B>>>,
}

/// A route cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Its pattern is none.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// There is a route for the same method and the same paths.
    #[error("the route {method} {pattern} is the same as {existing}")]
    Conflict {
        /// The method, or `*` for all.
        method: String,
        /// The pattern that was to be added.
        pattern: Pattern,
        /// The one that is there.
        existing: Pattern,
    },
}

impl<B> Router<B> {
    /// No route.
    pub fn new() -> Self {
        Router { tree: Arc::new(Tree::new()) }
    }

    /// A route for a method.
    ///
    /// # Errors
    ///
    /// The pattern is none, or there is a route for the same method and the same paths.
    pub fn route<H, F>(self, method: Method, pattern: &str, handler: H) -> Result<Self, RouteError>
    where
        H: Fn(Request<B>, Params) -> F + Send + Sync + 'static,
        F: Future<Output: Reply> + Send + 'static,
    {
        self.put(Some(method), pattern, boxed(handler))
    }

    /// A route for `GET`, and so for `HEAD`.
    ///
    /// # Errors
    ///
    /// As [`route`](Router::route).
    pub fn get<H, F>(self, pattern: &str, handler: H) -> Result<Self, RouteError>
    where
        H: Fn(Request<B>, Params) -> F + Send + Sync + 'static,
        F: Future<Output: Reply> + Send + 'static,
    {
        self.route(Method::GET, pattern, handler)
    }

    /// A route for `POST`.
    ///
    /// # Errors
    ///
    /// As [`route`](Router::route).
    pub fn post<H, F>(self, pattern: &str, handler: H) -> Result<Self, RouteError>
    where
        H: Fn(Request<B>, Params) -> F + Send + Sync + 'static,
        F: Future<Output: Reply> + Send + 'static,
    {
        self.route(Method::POST, pattern, handler)
    }

    /// A service for all methods of a pattern that have no route of their own: [`Files`](crate::Files) under `/{*path}`,
    /// another router.
    ///
    /// # Errors
    ///
    /// As [`route`](Router::route).
    pub fn service<S>(self, pattern: &str, service: S) -> Result<Self, RouteError>
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Send + 'static,
    {
        let handler: Handler<B> =
            Arc::new(move |request, _params| Box::pin(tower::ServiceExt::oneshot(service.clone(), request)));
        self.put(None, pattern, handler)
    }

    fn put(mut self, method: Option<Method>, pattern: &str, handler: Handler<B>) -> Result<Self, RouteError> {
        let pattern: Pattern = pattern.parse()?;
        let conflict = |existing| RouteError::Conflict {
            method: method.as_ref().map_or_else(|| "*".to_owned(), Method::to_string),
            pattern: pattern.clone(),
            existing,
        };
        // Routers are shared once they are built; one that is still being built is nobody else's.
        let tree = Arc::make_mut(&mut self.tree);
        let routes = tree.entry(pattern.clone(), Routes::default).map_err(conflict)?;
        let taken = match &method {
            Some(method) => routes.by_method.iter().any(|(known, _)| known == method),
            None => routes.any.is_some(),
        };
        if taken {
            return Err(conflict(pattern.clone()));
        }
        match method {
            Some(method) => routes.by_method.push((method, handler)),
            None => routes.any = Some(handler),
        }
        Ok(self)
    }
}

fn boxed<B, H, F>(handler: H) -> Handler<B>
where
    H: Fn(Request<B>, Params) -> F + Send + Sync + 'static,
    F: Future<Output: Reply> + Send + 'static,
{
    Arc::new(move |request, params| {
        let answer = handler(request, params);
        Box::pin(async move { Ok(answer.await.reply()) })
    })
}

impl<B> Routes<B> {
    fn handler(&self, method: &Method) -> Option<&Handler<B>> {
        let of = |wanted: &Method| self.by_method.iter().find(|(known, _)| known == wanted).map(|(_, handler)| handler);
        of(method).or_else(|| if *method == Method::HEAD { of(&Method::GET) } else { None }).or(self.any.as_ref())
    }

    /// The methods, for `Allow`.
    fn allow(&self) -> HeaderValue {
        let mut names: Vec<&str> = self.by_method.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names.sort_unstable();
        names.dedup();
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

impl<B> Service<Request<B>> for Router<B> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let at_once = |response| -> Answer { Box::pin(ready(Ok(response))) };
        // `OPTIONS *` is about the server as a whole.
        if request.method() == Method::OPTIONS && request.uri().path() == "*" {
            return at_once(StatusCode::NO_CONTENT.reply());
        }
        let (routes, values) = match self.tree.find(request.uri().path()) {
            Ok(Some(found)) => found,
            Ok(None) => return at_once(Problem::new(StatusCode::NOT_FOUND).reply()),
            Err(tree::Undecodable) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST).detail("The path is not percent-encoded UTF-8.");
                return at_once(problem.reply());
            }
        };
        if let Some(handler) = routes.handler(request.method()) {
            let own = |(name, value): (&str, String)| (name.to_owned(), value);
            return handler(request, Params { values: values.into_iter().map(own).collect() });
        }
        let mut response = match *request.method() {
            Method::OPTIONS => StatusCode::NO_CONTENT.reply(),
            _ => Problem::new(StatusCode::METHOD_NOT_ALLOWED).reply(),
        };
        response.headers_mut().insert(header::ALLOW, routes.allow());
        at_once(response)
    }
}

impl<B> Default for Routes<B> {
    fn default() -> Self {
        Routes { by_method: Vec::new(), any: None }
    }
}

impl<B> Clone for Routes<B> {
    fn clone(&self) -> Self {
        Routes { by_method: self.by_method.clone(), any: self.any.clone() }
    }
}

impl<B> Default for Router<B> {
    fn default() -> Self {
        Router::new()
    }
}

impl<B> Clone for Router<B> {
    fn clone(&self) -> Self {
        Router { tree: self.tree.clone() }
    }
}

impl<B> fmt::Debug for Router<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    fn router() -> Router<Body> {
        Router::new()
            .get("/a", |_, _| async { "get" })
            .and_then(|router| router.post("/a", |_, _| async { StatusCode::CREATED }))
            .and_then(|router| router.route(Method::DELETE, "/only", |_, _| async { StatusCode::NO_CONTENT }))
            .and_then(|router| {
                router.get("/rest/{*path}", |_, params: Params| async move { params["path"].to_owned() })
            })
            .unwrap()
    }

    async fn ask(method: Method, path: &str) -> Response<Body> {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        router().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn methods_are_looked_up_and_named() {
        for (method, path, status, allow) in [
            (Method::GET, "/a", 200, None),
            (Method::HEAD, "/a", 200, None),
            (Method::POST, "/a", 201, None),
            (Method::PUT, "/a", 405, Some("GET, HEAD, OPTIONS, POST")),
            (Method::OPTIONS, "/a", 204, Some("GET, HEAD, OPTIONS, POST")),
            (Method::GET, "/only", 405, Some("DELETE, OPTIONS")),
            (Method::GET, "/b", 404, None),
            (Method::OPTIONS, "/b", 404, None),
            (Method::OPTIONS, "*", 204, None),
            (Method::GET, "/rest/", 200, None),
            (Method::GET, "/rest", 404, None),
        ] {
            let response = ask(method.clone(), path).await;
            assert_eq!(response.status(), status, "{method} {path}");
            let named = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(named.as_deref(), allow, "{method} {path}");
        }
    }

    #[test]
    fn the_same_route_twice_is_refused() {
        let again = router().get("/a", |_, _| async { "other" }).unwrap_err();
        assert_eq!(again.to_string(), "the route GET /a is the same as /a");
        assert!(router().route(Method::PUT, "/a", |_, _| async { "other" }).is_ok());
        assert!(matches!(router().get("a", |_, _| async { "" }), Err(RouteError::Pattern(_))));
    }
}
