//! The program's ends: streams and listeners.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::poll_proceed;
use xs_os::sim::NodeId;

use super::node::{Shared, address};
use super::stack::Key;
use crate::{Addr, Listener, Transport};

/// Listens on a port of a simulated node. Dropping it frees the port and resets who waited.
pub struct SimListener {
    shared: Arc<Shared>,
    addr: SocketAddr,
}

impl SimListener {
    pub(super) fn bind(shared: &Arc<Shared>, port: u16) -> io::Result<Self> {
        let port = shared.with(|stack| stack.listen(port))?;
        Ok(SimListener { shared: shared.clone(), addr: address(shared.id, port) })
    }

    /// The port, that which was taken if none was asked for.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }
}

impl Listener for SimListener {
    type Io = SimStream;
    type Peer = Addr;

    /// Never fails: what fails before it is accepted is not heard of.
    fn accept(&mut self) -> impl Future<Output = io::Result<(SimStream, Addr)>> + Send {
        poll_fn(|cx| {
            let (key, port) = ready!(self.shared.with(|stack| stack.poll_accept(self.addr.port(), cx.waker())));
            let peer = address(key.peer, port);
            Poll::Ready(Ok((SimStream::new(&self.shared, key, self.addr, peer), Addr::Tcp(peer))))
        })
    }

    fn local_addr(&self) -> Addr {
        Addr::Tcp(self.addr)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.shared.with(|stack| stack.stop_listening(self.addr.port()));
    }
}

impl fmt::Debug for SimListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimListener").field(&self.addr).finish()
    }
}

/// One end of a connection between two simulated nodes.
///
/// It does what a TCP socket does to a program. Errors are `ConnectionReset` when the other end is gone, `TimedOut` when
/// nothing was heard of it for [`Limits::patience`](super::Limits::patience) while an answer was due, and `BrokenPipe` when
/// something is written behind either, or behind a shutdown. An idle connection notices nothing, as TCP's doesn't.
pub struct SimStream {
    shared: Arc<Shared>,
    key: Key,
    local: SocketAddr,
    peer: SocketAddr,
    in_a_hurry: AtomicBool,
}

impl SimStream {
    fn new(shared: &Arc<Shared>, key: Key, local: SocketAddr, peer: SocketAddr) -> Self {
        SimStream { shared: shared.clone(), key, local, peer, in_a_hurry: AtomicBool::new(false) }
    }

    pub(super) async fn connect(shared: &Arc<Shared>, node: NodeId, port: u16) -> io::Result<Self> {
        let (key, from) = shared.with(|stack| stack.connect(node, port))?;
        // Dropping it takes back the call.
        let stream = SimStream::new(shared, key, address(shared.id, from), address(node, port));
        poll_fn(|cx| shared.with(|stack| stack.poll_open(key, cx.waker()))).await?;
        Ok(stream)
    }

    /// The node at the other end.
    pub fn peer(&self) -> NodeId {
        self.key.peer
    }

    /// The address of the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address of this end.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let in_a_hurry = self.in_a_hurry.load(Ordering::Relaxed);
        self.shared.with(|stack| stack.close(self.key, in_a_hurry));
    }
}

impl fmt::Debug for SimStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStream").field("local", &self.local).field("peer", &self.peer).finish()
    }
}

impl Transport for SimStream {
    fn local_end(&self) -> Option<Addr> {
        Some(Addr::Tcp(self.local))
    }

    fn reset_on_close(&self) {
        self.in_a_hurry.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let budget = ready!(poll_proceed(cx));
        let read = ready!(self.shared.with(|stack| stack.poll_read(self.key, into, cx.waker())));
        budget.made_progress();
        Poll::Ready(read)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let budget = ready!(poll_proceed(cx));
        let wrote = ready!(self.shared.with(|stack| stack.poll_write(self.key, slices, cx.waker())));
        budget.made_progress();
        Poll::Ready(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was written leaves at the end of the step by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends this direction, behind all that was written; the other one goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shared.with(|stack| stack.shut_down(self.key)))
    }
}
