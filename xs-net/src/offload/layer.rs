//! The layer.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};

use tower::{Layer, Service};
use xs_os::pool::{Failed, Pool, Priority, Reason, Task};

use super::Error;

/// Runs a service's calls on a pool. See the [module page](super).
#[derive(Clone, Debug)]
pub struct OffloadLayer {
    pool: Arc<Pool>,
    priority: Priority,
}

impl OffloadLayer {
    /// On this pool, as urgent as most.
    pub fn new(pool: Arc<Pool>) -> Self {
        OffloadLayer { pool, priority: Priority::Normal }
    }

    /// As urgent as this.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }
}

impl<S> Layer<S> for OffloadLayer {
    type Service = OffloadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OffloadService { inner, pool: self.pool.clone(), priority: self.priority }
    }
}

/// A service whose calls run on a pool.
#[derive(Clone)]
pub struct OffloadService<S> {
    inner: S,
    pool: Arc<Pool>,
    priority: Priority,
}

impl<S> fmt::Debug for OffloadService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadService").field("priority", &self.priority).finish_non_exhaustive()
    }
}

impl<S, Request> Service<Request> for OffloadService<S>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = OffloadFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready goes; a clone of it stays and is asked anew.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let call = move || block_on(inner.call(request));
        if self.pool.is_worker() {
            // A worker that waited for another call of its own pool would wait for itself.
            return OffloadFuture(State::Done(Some(call())));
        }
        OffloadFuture(match self.pool.try_submit(self.priority, call) {
            Ok(task) => State::Running(task),
            Err(rejected) => State::Refused(rejected.reason),
        })
    }
}

enum State<T, E> {
    Running(Task<Result<T, E>>),
    Done(Option<Result<T, E>>),
    Refused(Reason),
}

/// Polls a future on this thread to its end.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

/// A call that runs on a pool.
///
/// # Panics
///
/// With what the service panicked with; and when it is polled after it was ready.
pub struct OffloadFuture<T, E>(State<T, E>);

impl<T, E> fmt::Debug for OffloadFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadFuture").finish_non_exhaustive()
    }
}

// Nothing in it is pinned.
impl<T, E> Unpin for OffloadFuture<T, E> {}

impl<T, E> Future for OffloadFuture<T, E> {
    type Output = Result<T, Error<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = match &mut self.0 {
            State::Running(task) => task,
            State::Done(answer) => match answer.take() {
                Some(answer) => return Poll::Ready(answer.map_err(Error::Inner)),
                None => panic!("a call that was polled after it was ready"),
            },
            State::Refused(reason) => return Poll::Ready(Err(Error::Refused(*reason))),
        };
        Poll::Ready(match ready!(Pin::new(task).poll(cx)) {
            Ok(answer) => answer.map_err(Error::Inner),
            Err(Failed::Panicked(panic)) => resume_unwind(panic),
            Err(Failed::Cancelled) => Err(Error::Cancelled),
        })
    }
}
