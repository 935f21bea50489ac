//! A shared limit around a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tower::{Layer, Service};

use super::SharedStore;
use crate::count::count;
use crate::limit::{Charge, Error};
use crate::{BoxError, Timer};

/// What happens to requests while the store doesn't answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// They pass: the store must not take the service along. What protects the service itself is another limit, inside
    /// of this one.
    #[default]
    Admit,
    /// They are refused with [`Error::Unavailable`]: no limit, no service.
    Refuse,
}

/// Asks a store before each call, for all services that it makes and their clones.
pub struct SharedLimitLayer<T, F> {
    shared: Arc<Shared<T, F>>,
    options: Options,
}

struct Shared<T, F> {
    store: T,
    charge: F,
    timer: Timer,
    /// Whether the store failed the last time that it was asked.
    down: AtomicBool,
}

#[derive(Debug, Clone)]
struct Options {
    name: Arc<str>,
    timeout: Duration,
    on_failure: OnFailure,
}

impl<T, F> SharedLimitLayer<T, F> {
    /// A limit by `store`, where `charge` says who pays for a request, and how much.
    pub fn new(store: T, timer: &Timer, charge: F) -> Self {
        let options =
            Options { name: "shared".into(), timeout: Duration::from_millis(100), on_failure: OnFailure::Admit };
        let shared = Shared { store, charge, timer: timer.clone(), down: AtomicBool::new(false) };
        SharedLimitLayer { shared: Arc::new(shared), options }
    }

    /// The name in events and counters. Default "shared".
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = name.into();
        self
    }

    /// How long the store may take to answer. Default 100 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// What happens when it doesn't. Default [`OnFailure::Admit`].
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.options.on_failure = on_failure;
        self
    }
}

impl<T, F> Clone for SharedLimitLayer<T, F> {
    fn clone(&self) -> Self {
        SharedLimitLayer { shared: self.shared.clone(), options: self.options.clone() }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for SharedLimitLayer<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, options) = (&self.shared.store, &self.options);
        f.debug_struct("SharedLimitLayer").field("store", store).field("options", options).finish_non_exhaustive()
    }
}

impl<S, T, F> Layer<S> for SharedLimitLayer<T, F> {
    type Service = SharedLimit<S, T, F>;

    fn layer(&self, inner: S) -> Self::Service {
        SharedLimit { inner, layer: self.clone() }
    }
}

impl<T: SharedStore, F> SharedLimitLayer<T, F> {
    fn answered(&self) {
        if self.shared.down.load(Ordering::Relaxed) && self.shared.down.swap(false, Ordering::Relaxed) {
            tracing::info!(name = &*self.options.name, "the limit's store answers again");
        }
    }

    async fn admit<E>(self, key: Bytes, cost: u64) -> Result<(), Error<E>> {
        let asked = self.shared.timer.timeout(self.options.timeout, self.shared.store.take(key, cost)).await;
        let name = &self.options.name;
        let why: BoxError = match asked {
            Some(Ok(Ok(()))) => {
                self.answered();
                return Ok(());
            }
            Some(Ok(Err(denied))) => {
                self.answered();
                tracing::debug!(name = &**name, %denied, "refused");
                count("xs_limit_refused_total", name);
                return Err(Error::Denied(denied));
            }
            Some(Err(error)) => error.into(),
            None => format!("no answer in {:?}", self.options.timeout).into(),
        };
        // Once, and not for each of ten thousand requests a second.
        if self.shared.down.swap(true, Ordering::Relaxed) {
            tracing::debug!(name = &**name, %why, "the limit's store doesn't answer");
        } else {
            tracing::warn!(name = &**name, %why, "the limit's store doesn't answer");
        }
        count("xs_limit_store_failed_total", name);
        match self.options.on_failure {
            OnFailure::Admit => Ok(()),
            OnFailure::Refuse => Err(Error::Unavailable(why.to_string().into())),
        }
    }
}

/// A service behind a shared limit. See [`SharedLimitLayer`].
pub struct SharedLimit<S, T, F> {
    inner: S,
    layer: SharedLimitLayer<T, F>,
}

impl<S: Clone, T, F> Clone for SharedLimit<S, T, F> {
    fn clone(&self) -> Self {
        SharedLimit { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, T: fmt::Debug, F> fmt::Debug for SharedLimit<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimit").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, R, T, F> Service<R> for SharedLimit<S, T, F>
where
    S: Service<R, Future: Send> + Clone + Send + 'static,
    S::Error: Send,
    R: Send + 'static,
    T: SharedStore + 'static,
    F: Charge<R, Key = Bytes> + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Error<S::Error>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (key, cost) = self.layer.shared.charge.charge(&request);
        let (layer, next) = (self.layer.clone(), self.inner.clone());
        // The one that is ready makes the call.
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            layer.admit(key, cost).await?;
            inner.call(request).await.map_err(Error::Inner)
        })
    }
}
