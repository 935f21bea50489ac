//! Fallbacks: another answer for a call that failed.
//!
//! # The problem
//!
//! A page whose recommendations are missing is still a page; a price that is an hour old is better than none. What to answer
//! when the best answer cannot be had is a decision of the product, but where that decision is made tends to be all over
//! the code, once at each call.
//!
//! # How it works
//!
//! ```text
//!   request ──▶ keep(&request) ──▶ K ─────────┐
//!      └──────▶ inner ── Ok ──▶ response      ▼
//!                 └───── Err(e) ──▶ instead(K, e).await ──▶ Ok(another response), or Err
//! ```
//!
//! `keep` takes from the request what another answer needs (its key, say), before the request is gone; `instead` makes the
//! answer, or says that this error stays one. It is async: it may ask a cache or another service.
//!
//! # Invariants
//!
//! - `instead` runs only after an error, once, and its result is the call's.
//! - The error type may change: an `instead` that always has an answer makes it [`std::convert::Infallible`], except that
//!   readiness can fail too, which `poll_ready` passes on through `From`.
//!
//! # Cost
//!
//! What `keep` and the clone of `instead` cost; the two futures share no allocation, and none is made.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use xs_net::fallback::FallbackLayer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let prices = service_fn(|item: &'static str| async move { Err::<u32, _>(format!("no price of {item}")) });
//! let last_known = |item: &'static str, error| async move { if item == "tea" { Ok(3) } else { Err(error) } };
//! let mut prices = FallbackLayer::new("prices", |item: &&'static str| *item, last_known).layer(prices);
//!
//! assert_eq!(prices.ready().await.unwrap().call("tea").await, Ok(3));
//! assert_eq!(prices.ready().await.unwrap().call("salt").await, Err("no price of salt".to_owned()));
//! # }
//! ```
//!
//! # How others do it
//!
//! `ServiceExt::or_else` of tower's `util` is a fallback that sees the error alone: enough for a constant answer, and then
//! the better choice. Hystrix gave each command a fallback method; resilience4j has one by annotation, Polly as a policy.
//!
//! # What this leaves out
//!
//! Responses that are failures inside (an HTTP status of 503): make them errors first, with `ServiceExt::map_result`. A
//! stale answer from a cache is the layer `cache`'s own business.
//!
//! # Try next
//!
//! Chain two of these: a second service, then a constant; and count how often each answered.
//!
//! # Sources
//!
//! M. Nygard, *Release It!* (2nd edition 2018); and as the warning, J. Gabrielson, "Avoiding fallback in distributed systems"
//! (Amazon Builders' Library): a path that is only taken in an emergency is only tested in one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::count::count;

/// Answers in place of a call that failed. See the [module page](self).
#[derive(Clone)]
pub struct FallbackLayer<P, F> {
    name: Arc<str>,
    keep: P,
    instead: F,
}

impl<P, F> FallbackLayer<P, F> {
    /// `keep`, `Fn(&R) -> K`, looks at each request; `instead`, `Fn(K, E) -> Future<Output = Result<T, E2>>`, answers for
    /// those that failed. `name` is what events and counters call it.
    pub fn new(name: &str, keep: P, instead: F) -> Self {
        FallbackLayer { name: name.into(), keep, instead }
    }
}

impl<S, P: Clone, F: Clone> Layer<S> for FallbackLayer<P, F> {
    type Service = FallbackService<S, P, F>;

    fn layer(&self, inner: S) -> Self::Service {
        FallbackService { inner, layer: self.clone() }
    }
}

/// A service with another answer for its errors.
#[derive(Clone)]
pub struct FallbackService<S, P, F> {
    inner: S,
    layer: FallbackLayer<P, F>,
}

impl<R, S, P, F, K, G, E> Service<R> for FallbackService<S, P, F>
where
    S: Service<R>,
    P: Fn(&R) -> K,
    F: Fn(K, S::Error) -> G + Clone,
    G: Future<Output = Result<S::Response, E>>,
    E: From<S::Error>,
{
    type Response = S::Response;
    type Error = E;
    type Future = FallbackFuture<S::Future, K, F, G>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(cx).map_err(E::from)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let kept = Some((self.layer.keep)(&request));
        let (call, instead, name) = (self.inner.call(request), self.layer.instead.clone(), self.layer.name.clone());
        FallbackFuture { state: State::First { call, kept, instead, name } }
    }
}

pin_project! {
    /// A call with another answer for its error.
    pub struct FallbackFuture<C, K, F, G> {
        #[pin]
        state: State<C, K, F, G>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<C, K, F, G> {
        First { #[pin] call: C, kept: Option<K>, instead: F, name: Arc<str> },
        Second { #[pin] call: G },
    }
}

impl<C, K, F, G, T, E, E2> Future for FallbackFuture<C, K, F, G>
where
    C: Future<Output = Result<T, E>>,
    F: Fn(K, E) -> G,
    G: Future<Output = Result<T, E2>>,
{
    type Output = Result<T, E2>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let call = match state.as_mut().project() {
                StateProjection::First { call, kept, instead, name } => match ready!(call.poll(cx)) {
                    Ok(response) => return Poll::Ready(Ok(response)),
                    Err(error) => {
                        count("xs_fallback_used_total", name);
                        tracing::debug!(name = &**name, "answering in its place");
                        instead(kept.take().expect("a future is not polled after its end"), error)
                    }
                },
                StateProjection::Second { call } => return call.poll(cx),
            };
            state.set(State::Second { call });
        }
    }
}

impl<P, F> fmt::Debug for FallbackLayer<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S, P, F> fmt::Debug for FallbackService<S, P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackService").field("name", &self.layer.name).finish_non_exhaustive()
    }
}

impl<C, K, F, G> fmt::Debug for FallbackFuture<C, K, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = matches!(self.state, State::Second { .. });
        f.debug_struct("FallbackFuture").field("in_place", &second).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn it_answers_once_for_an_error_and_never_for_a_response() {
        let used = AtomicU32::new(0);
        let inner = service_fn(|n: i32| async move { if n > 0 { Ok(n) } else { Err(n) } });
        let instead = |kept: i32, error: i32| {
            used.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                if error < 0 { Ok(kept) } else { Err(format!("{error}")) }
            }
        };
        #[derive(Debug, PartialEq)]
        struct Text(String);
        impl From<i32> for Text {
            fn from(n: i32) -> Self {
                Text(n.to_string())
            }
        }
        let instead = |kept, error| {
            let answer = instead(kept, error);
            async { answer.await.map_err(Text) }
        };
        let mut service = FallbackLayer::new("test", |n: &i32| n * 100, instead).layer(inner);
        assert_eq!(service.ready().await.unwrap().call(5).await, Ok(5));
        assert_eq!(used.load(Ordering::SeqCst), 0);
        assert_eq!(service.ready().await.unwrap().call(-5).await, Ok(-500));
        assert_eq!(service.ready().await.unwrap().call(0).await, Err(Text("0".into())));
        assert_eq!(used.load(Ordering::SeqCst), 2);
    }
}
