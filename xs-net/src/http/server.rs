//! The server's side: [`Server`], which makes and serves connections.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use http::Request;
use pin_project_lite::pin_project;
use tower::Service;
use xs_proto::http1::{Limits, Timeouts};

use super::{Connection, FromHead, Incoming, IntoHead};
use crate::session::{Cause, HalfClose, Registry};
use crate::{Addr, BoxError, Conn, Timer, Transport, driver};

/// How a server's connections behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// What a client may send, and how much is held for it. Default [`Limits::SERVER`].
    pub limits: Limits,
    /// How long a client may take. Default [`Timeouts::DEFAULT`].
    pub timeouts: Timeouts,
    /// Buffers, and how a connection is closed.
    pub driver: driver::Options,
    /// What becomes of a request under way when the client ends its side. Default: it is dropped, for a client that has
    /// left looks the same.
    pub half_close: HalfClose,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            limits: Limits::SERVER,
            timeouts: Timeouts::DEFAULT,
            driver: driver::Options::DEFAULT,
            half_close: HalfClose::Cancel,
        }
    }
}

/// Makes connections of HTTP/1. See the [module page](super).
#[derive(Debug, Clone)]
pub struct Server {
    timer: Timer,
    options: ServerOptions,
    registry: Option<Registry>,
}

impl Server {
    /// A server by `timer`'s clock, with the default options.
    pub fn new(timer: &Timer) -> Server {
        Server { timer: timer.clone(), options: ServerOptions::default(), registry: None }
    }

    /// Other options.
    #[must_use]
    pub fn with_options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// Enters each connection that [`serve`](Server::serve) answers in `registry`, through which it is listed, finished and
    /// killed. There is no place in HTTP for what is pushed through a handle: it is dropped.
    #[must_use]
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// One connection: a future that answers each request of `io` by `service`. `Req` is what the service takes:
    /// [`Request<Incoming>`](http::Request) or [`Message<RequestHead>`](super::Message).
    pub fn connection<Io, S, Req>(&self, io: Io, service: S) -> Connection<Io, S, Req>
    where
        Io: Transport + Unpin,
        S: Service<Req>,
        S::Response: IntoHead,
    {
        Connection::new(io, BytesMut::new(), service, &self.timer, self.options)
    }

    /// The service of connections for [`serve`](crate::serve::serve()): `make` makes the service that answers the requests
    /// of a connection. It sees the connection before it begins, and so can hand its peer's address on.
    pub fn serve<M, Io, Peer, S, Req>(self, make: M) -> Serve<M, Req>
    where
        M: FnMut(&Conn<Io, Peer>) -> S,
        S: Service<Req>,
    {
        Serve { server: self, make, request: PhantomData }
    }

    /// [`serve`](Server::serve) by clones of one service that takes the `http` crate's requests.
    pub fn serve_clones<S>(self, service: S) -> ServeClones<S>
    where
        S: Service<Request<Incoming>> + Clone,
    {
        ServeClones { server: self, service }
    }

    fn accept<Io, Peer, S, Req>(&self, conn: Conn<Io, Peer>, service: S) -> Serving<Io, S, Req>
    where
        Io: Transport + Unpin,
        Peer: Into<Addr>,
        S: Service<Req>,
        S::Response: IntoHead,
    {
        let mut connection = self.connection(conn.io, service).with_drain(conn.drain);
        if let Some(registry) = &self.registry {
            connection = connection.with_registration(registry.register(conn.peer));
        }
        Serving { connection }
    }
}

/// A service of connections. Made by [`Server::serve`].
pub struct Serve<M, Req> {
    server: Server,
    make: M,
    request: PhantomData<fn(Req)>,
}

impl<M: Clone, Req> Clone for Serve<M, Req> {
    fn clone(&self) -> Self {
        Serve { server: self.server.clone(), make: self.make.clone(), request: PhantomData }
    }
}

impl<M, Req> fmt::Debug for Serve<M, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<M, Io, Peer, S, Req> Service<Conn<Io, Peer>> for Serve<M, Req>
where
    M: FnMut(&Conn<Io, Peer>) -> S,
    Io: Transport + Unpin + Send + 'static,
    Peer: Into<Addr>,
    S: Service<Req>,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    <S::Response as IntoHead>::Body: http_body::Body<Error: Into<BoxError>>,
    Req: FromHead,
{
    type Response = Cause;
    type Error = Infallible;
    type Future = Serving<Io, S, Req>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<Io, Peer>) -> Self::Future {
        let service = (self.make)(&conn);
        self.server.accept(conn, service)
    }
}

/// A service of connections by clones of one service. Made by [`Server::serve_clones`].
#[derive(Debug, Clone)]
pub struct ServeClones<S> {
    server: Server,
    service: S,
}

impl<Io, Peer, S> Service<Conn<Io, Peer>> for ServeClones<S>
where
    Io: Transport + Unpin + Send + 'static,
    Peer: Into<Addr>,
    S: Service<Request<Incoming>> + Clone,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    <S::Response as IntoHead>::Body: http_body::Body<Error: Into<BoxError>>,
{
    type Response = Cause;
    type Error = Infallible;
    type Future = Serving<Io, S, Request<Incoming>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<Io, Peer>) -> Self::Future {
        self.server.accept(conn, self.service.clone())
    }
}

pin_project! {
    /// A connection that is served: why it ended is its answer.
    pub struct Serving<Io, S, Req>
    where
        S: Service<Req>,
        S::Response: IntoHead,
    {
        #[pin]
        connection: Connection<Io, S, Req>,
    }
}

impl<Io, S, Req> Future for Serving<Io, S, Req>
where
    Io: Transport + Unpin + Send + 'static,
    S: Service<Req>,
    S::Response: IntoHead,
    S::Error: Into<BoxError>,
    <S::Response as IntoHead>::Body: http_body::Body<Error: Into<BoxError>>,
    Req: FromHead,
{
    type Output = Result<Cause, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().connection.poll(cx).map(Ok)
    }
}

impl<Io, S, Req> fmt::Debug for Serving<Io, S, Req>
where
    S: Service<Req>,
    S::Response: IntoHead,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
