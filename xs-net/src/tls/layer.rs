//! TLS around a service of connections: [`TlsLayer`].

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Acceptor, Error, HandshakeError, TlsStream};
use crate::{Conn, Transport};

/// Puts TLS between a listener and a service of connections.
#[derive(Debug, Clone)]
pub struct TlsLayer {
    acceptor: Acceptor,
}

impl TlsLayer {
    /// A layer by this acceptor, which all its services share.
    pub fn new(acceptor: Acceptor) -> TlsLayer {
        TlsLayer { acceptor }
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Tls<S> {
        Tls { acceptor: self.acceptor.clone(), inner }
    }
}

/// A service of connections that speaks TLS on each before it gives it to the inner one. Made by [`TlsLayer`].
#[derive(Debug, Clone)]
pub struct Tls<S> {
    acceptor: Acceptor,
    inner: S,
}

type Handshake<Io, Peer> = Pin<Box<dyn Future<Output = Result<Conn<TlsStream<Io>, Peer>, HandshakeError>> + Send>>;

impl<Io, Peer, S> Service<Conn<Io, Peer>> for Tls<S>
where
    Io: Transport + Unpin + Send + 'static,
    Peer: Send + 'static,
    S: Service<Conn<TlsStream<Io>, Peer>> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = TlsFuture<Io, Peer, S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, conn: Conn<Io, Peer>) -> Self::Future {
        // The one that was asked goes along: only it has said that it is ready.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        let handshake = Box::pin(shake_hands(self.acceptor.clone(), conn));
        TlsFuture { state: State::Handshake { handshake, service } }
    }
}

/// A server that ends does not wait for handshakes: nothing has been asked on such a connection yet.
async fn shake_hands<Io, Peer>(
    acceptor: Acceptor,
    conn: Conn<Io, Peer>,
) -> Result<Conn<TlsStream<Io>, Peer>, HandshakeError>
where
    Io: Transport + Unpin,
{
    let Conn { io, peer, local, descriptor, mut drain } = conn;
    let io = tokio::select! {
        biased;
        outcome = acceptor.accept(io) => outcome?,
        () = drain.drained() => return Err(HandshakeError::Draining),
    };
    Ok(Conn { io, peer, local, descriptor, drain })
}

pin_project! {
    /// A handshake, and then what the inner service does with the connection.
    pub struct TlsFuture<Io, Peer, S>
    where
        S: Service<Conn<TlsStream<Io>, Peer>>,
    {
        #[pin]
        state: State<Io, Peer, S, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<Io, Peer, S, F> {
        // Boxed, for it is over soon, and the connection stays.
        Handshake { handshake: Handshake<Io, Peer>, service: S },
        Open { #[pin] serving: F },
    }
}

impl<Io, Peer, S> Future for TlsFuture<Io, Peer, S>
where
    S: Service<Conn<TlsStream<Io>, Peer>>,
{
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let serving = match state.as_mut().project() {
                StateProjection::Open { serving } => return serving.poll(cx).map_err(Error::Inner),
                StateProjection::Handshake { handshake, service } => match handshake.as_mut().poll(cx) {
                    Poll::Ready(Ok(conn)) => service.call(conn),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Handshake(error))),
                    Poll::Pending => return Poll::Pending,
                },
            };
            state.set(State::Open { serving });
        }
    }
}

impl<Io, Peer, S> fmt::Debug for TlsFuture<Io, Peer, S>
where
    S: Service<Conn<TlsStream<Io>, Peer>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = matches!(self.state, State::Open { .. });
        f.debug_struct("TlsFuture").field("open", &open).finish_non_exhaustive()
    }
}
