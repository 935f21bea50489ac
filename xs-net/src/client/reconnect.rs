//! A connection that comes back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower::Service;

use super::{Backoff, CallError, Connection, Reply};
use crate::timer::Sleep;
use crate::{BoxError, Timer};

/// When [`Reconnect`] gives up, and what it counts as a success.
#[derive(Debug, Clone)]
pub struct ReconnectOptions {
    /// After so many failures in a row `poll_ready` fails once, and the next one begins anew. Default `None`: it goes
    /// on for ever.
    pub attempts: Option<u32>,
    /// How long a connection must live to count as a success; one that breaks sooner makes the next pause longer.
    /// Default 1 s.
    pub healthy_after: Duration,
}

impl Default for ReconnectOptions {
    fn default() -> Self {
        ReconnectOptions { attempts: None, healthy_after: Duration::from_secs(1) }
    }
}

/// A service that always has a connection, or is making one.
///
/// `make` opens a connection and spawns its [`Driver`](super::Driver). `poll_ready` waits for the first connection, and
/// for the next one after a loss; calls that were in flight when a connection broke fail with what
/// [`CallError::retry`] tells, they are never sent twice by this service.
pub struct Reconnect<M, F, Req, Resp> {
    make: M,
    state: State<F, Req, Resp>,
    backoff: Backoff,
    timer: Timer,
    options: ReconnectOptions,
    failures: u32,
}

enum State<F, Req, Resp> {
    Idle,
    Connecting(Pin<Box<F>>),
    Resting(Sleep),
    Live { connection: Connection<Req, Resp>, since: Instant },
}

impl<M, F, Req, Resp, E> Reconnect<M, F, Req, Resp>
where
    M: FnMut() -> F,
    F: Future<Output = Result<Connection<Req, Resp>, E>>,
    E: Into<BoxError>,
{
    /// A service over the connections that `make` opens, none of them yet.
    pub fn new(make: M, backoff: Backoff, timer: &Timer, options: ReconnectOptions) -> Self {
        Reconnect { make, state: State::Idle, backoff, timer: timer.clone(), options, failures: 0 }
    }

    /// Notes a failure: rests, or gives up for this time.
    fn fail(&mut self, why: impl fmt::Display) -> Result<(), CallError> {
        self.failures += 1;
        if self.options.attempts.is_some_and(|most| self.failures >= most) {
            let error = CallError::unsent(format_args!("gave up after {} attempts: {why}", self.failures));
            self.failures = 0;
            self.state = State::Idle;
            return Err(error);
        }
        let pause = self.backoff.pause();
        tracing::debug!(%why, ?pause, "no connection");
        self.state = State::Resting(self.timer.sleep(pause));
        Ok(())
    }
}

impl<M, F, Req, Resp, E> Service<Req> for Reconnect<M, F, Req, Resp>
where
    M: FnMut() -> F,
    F: Future<Output = Result<Connection<Req, Resp>, E>>,
    E: Into<BoxError>,
{
    type Response = Resp;
    type Error = CallError;
    type Future = Reply<Resp>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        loop {
            match &mut self.state {
                State::Idle => self.state = State::Connecting(Box::pin((self.make)())),
                State::Connecting(connecting) => match std::task::ready!(connecting.as_mut().poll(cx)) {
                    Ok(connection) => self.state = State::Live { connection, since: self.timer.now() },
                    Err(e) => {
                        let why: BoxError = e.into();
                        if let Err(gave_up) = self.fail(why) {
                            return Poll::Ready(Err(gave_up));
                        }
                    }
                },
                State::Resting(sleep) => {
                    std::task::ready!(Pin::new(sleep).poll(cx));
                    self.state = State::Idle;
                }
                State::Live { connection, since } => match std::task::ready!(connection.poll_ready(cx)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(why) => {
                        if self.timer.now() >= *since + self.options.healthy_after {
                            self.backoff.reset();
                            self.failures = 0;
                        }
                        if let Err(gave_up) = self.fail(why) {
                            return Poll::Ready(Err(gave_up));
                        }
                    }
                },
            }
        }
    }

    /// # Panics
    ///
    /// When called without having answered ready, as tower has it.
    fn call(&mut self, request: Req) -> Reply<Resp> {
        match &mut self.state {
            State::Live { connection, .. } => connection.call(request),
            _ => panic!("poll_ready comes before call"),
        }
    }
}

impl<M, F, Req, Resp> fmt::Debug for Reconnect<M, F, Req, Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Connecting(_) => "connecting",
            State::Resting(_) => "resting",
            State::Live { .. } => "live",
        };
        f.debug_struct("Reconnect").field("state", &state).field("failures", &self.failures).finish_non_exhaustive()
    }
}
