//! A service of connections that reads the header first.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use pin_project_lite::pin_project;
use tower::Service;
use tower::util::Oneshot;

use super::{Header, HeaderCodec, poll_header};
use crate::count::count;
use crate::timer::Sleep;
use crate::{Addr, Conn, Timer};

/// Who is at the other end of a connection, and through whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client: as the header says, or else the connection's own other end.
    pub addr: Addr,
    /// The connection's own other end.
    pub via: Addr,
    /// The header, of a trusted peer.
    pub header: Option<Box<Header>>,
}

impl From<Peer> for Addr {
    fn from(peer: Peer) -> Addr {
        peer.addr
    }
}

/// What becomes of connections from peers that are not trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// They are closed.
    #[default]
    Refuse,
    /// They go on without a header: what they send is the client's.
    Pass,
}

/// How headers are read.
#[derive(Debug, Clone)]
pub struct AcceptOptions {
    /// What events and counters call it.
    pub name: Arc<str>,
    /// How long the header may take. Default 5 s.
    pub timeout: Duration,
    /// How long a header of version 2 may be, in bytes. Default 4096.
    pub limit: usize,
    /// What becomes of connections from peers that are not trusted. Default: they are closed.
    pub others: Others,
}

impl AcceptOptions {
    /// The defaults.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        AcceptOptions {
            name: name.into(),
            timeout: Duration::from_secs(5),
            limit: xs_proto::proxy_protocol::DEFAULT_LIMIT,
            others: Others::default(),
        }
    }
}

/// Why a connection was closed before its service saw it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The peer is not trusted.
    #[error("{0} may not speak for others")]
    Untrusted(Addr),
    /// The header is none.
    #[error(transparent)]
    Header(#[from] xs_proto::proxy_protocol::Error),
    /// It took too long.
    #[error("no PROXY protocol header in time")]
    TimedOut,
    /// The peer left before the first byte, as checks of health do.
    #[error("closed before a PROXY protocol header")]
    Closed,
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
}

/// What a connection ended with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// Its service never saw it.
    #[error(transparent)]
    Refused(Refused),
    /// What its service says.
    #[error("{0}")]
    Inner(E),
}

impl<E> Error<E> {
    /// The service's own error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            Error::Refused(_) => None,
        }
    }
}

/// Reads the header of each connection, then gives it to a clone of a service, whose readiness is waited for in the
/// connection's own task. See the [module page](super).
#[derive(Clone)]
pub struct Accept<S, T> {
    inner: S,
    trusts: T,
    options: AcceptOptions,
    timer: Timer,
}

impl<S, T: Fn(&Addr) -> bool> Accept<S, T> {
    /// Believes those of whom `trusts` says yes, and demands a header from them.
    pub fn new(inner: S, options: AcceptOptions, timer: &Timer, trusts: T) -> Self {
        Accept { inner, trusts, options, timer: timer.clone() }
    }
}

impl<S, T> fmt::Debug for Accept<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<S, T, Io, P> Service<Conn<Io, P>> for Accept<S, T>
where
    S: Service<Conn<Io, Peer>> + Clone,
    T: Fn(&Addr) -> bool,
    P: Into<Addr>,
    Io: crate::Transport + Unpin,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Accepting<S, Io>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<Io, P>) -> Self::Future {
        let Conn { io, peer, local, descriptor, drain } = conn;
        let addr: Addr = peer.into();
        let trusted = (self.trusts)(&addr);
        let peer = Peer { addr: addr.clone(), via: addr, header: None };
        let conn = Conn { io, peer, local, descriptor, drain };
        let service = self.inner.clone();
        let name = self.options.name.clone();
        let state = match (trusted, self.options.others) {
            (true, _) => State::Reading {
                conn: Some((conn, service)),
                codec: HeaderCodec::default().with_limit(self.options.limit),
                src: BytesMut::new(),
                sleep: self.timer.sleep(self.options.timeout),
            },
            (false, Others::Pass) => State::Serving { call: Oneshot::new(service, conn) },
            (false, Others::Refuse) => State::Untrusted { peer: conn.peer.via },
        };
        Accepting { name, state }
    }
}

pin_project! {
    /// A connection whose header is read, and which then is answered. Made by [`Accept`].
    pub struct Accepting<S, Io>
    where
        S: Service<Conn<Io, Peer>>,
    {
        name: Arc<str>,
        #[pin]
        state: State<S, Io>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, Io>
    where
        S: Service<Conn<Io, Peer>>,
    {
        Reading { conn: Option<(Conn<Io, Peer>, S)>, codec: HeaderCodec, src: BytesMut, sleep: Sleep },
        Serving { #[pin] call: Oneshot<S, Conn<Io, Peer>> },
        Untrusted { peer: Addr },
    }
}

impl<S, Io> Future for Accepting<S, Io>
where
    S: Service<Conn<Io, Peer>>,
    Io: crate::Transport + Unpin,
{
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let refused = match this.state.as_mut().project() {
                Projected::Serving { call } => return call.poll(cx).map_err(Error::Inner),
                Projected::Untrusted { peer } => Refused::Untrusted(peer.clone()),
                Projected::Reading { conn, codec, src, sleep } => {
                    let Some((reading, _)) = conn else { return Poll::Pending };
                    match poll_header(cx, &mut reading.io, codec, src) {
                        Poll::Ready(Ok(header)) => {
                            if let Some((conn, service)) = conn.take() {
                                let call = Oneshot::new(service, told(conn, header));
                                this.state.set(State::Serving { call });
                            }
                            continue;
                        }
                        Poll::Ready(Err(refused)) => refused,
                        Poll::Pending => {
                            ready!(Pin::new(sleep).poll(cx));
                            Refused::TimedOut
                        }
                    }
                }
            };
            tracing::debug!(name = &**this.name, %refused, "a connection was refused");
            count("xs_proxy_protocol_refused_total", this.name);
            return Poll::Ready(Err(Error::Refused(refused)));
        }
    }
}

/// The connection as the header tells of it.
fn told<Io>(mut conn: Conn<Io, Peer>, header: Header) -> Conn<Io, Peer> {
    if let (Some(source), Some(destination)) = (header.source(), header.destination()) {
        conn.peer.addr = source.into();
        conn.local = destination.into();
    }
    conn.peer.header = Some(Box::new(header));
    conn
}

impl<S, Io> fmt::Debug for Accepting<S, Io>
where
    S: Service<Conn<Io, Peer>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").field("name", &self.name).finish_non_exhaustive()
    }
}
