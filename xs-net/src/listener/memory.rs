//! Connections inside the process.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

use super::{Addr, Listener};
use crate::Transport;

/// How much each direction of a connection holds before the writer has to wait, unless told otherwise.
const BUFFER: usize = 64 * 1024;

/// Listens inside the process: no port, no file, no kernel.
#[derive(Debug)]
pub struct MemoryListener {
    waiting: mpsc::Receiver<(MemoryStream, u64)>,
}

/// Opens connections to a [`MemoryListener`]. Clones lead to the same one.
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    listener: mpsc::Sender<(MemoryStream, u64)>,
    opened: Arc<AtomicU64>,
    buffer: usize,
}

impl MemoryListener {
    /// A listener with room for `backlog` connections (at least one) that wait to be accepted, and the way to it.
    pub fn new(backlog: usize) -> (MemoryListener, MemoryConnector) {
        let (listener, waiting) = mpsc::channel(backlog.max(1));
        let connector = MemoryConnector { listener, opened: Arc::default(), buffer: BUFFER };
        (MemoryListener { waiting }, connector)
    }
}

impl MemoryConnector {
    /// Connections whose directions hold `buffer` bytes each (default 64 KiB).
    #[must_use]
    pub fn with_buffer(mut self, buffer: usize) -> Self {
        self.buffer = buffer.max(1);
        self
    }

    /// Opens a connection; waits while the backlog is full. Fails with `ConnectionRefused` once the listener is gone.
    pub async fn connect(&self) -> io::Result<MemoryStream> {
        let refused = |()| io::Error::from(io::ErrorKind::ConnectionRefused);
        let place = self.listener.reserve().await.map_err(|_| refused(()))?;
        let (ours, theirs) = tokio::io::duplex(self.buffer);
        place.send((MemoryStream(theirs), self.opened.fetch_add(1, Ordering::Relaxed) + 1));
        Ok(MemoryStream(ours))
    }
}

impl Listener for MemoryListener {
    type Io = MemoryStream;
    type Peer = Addr;

    /// Fails with `NotConnected` once every connector is gone and nothing waits: no connection can come any more.
    async fn accept(&mut self) -> io::Result<(MemoryStream, Addr)> {
        let (stream, number) = self.waiting.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        Ok((stream, Addr::Memory(number)))
    }

    fn local_addr(&self) -> Addr {
        Addr::Memory(0)
    }
}

/// One end of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream(DuplexStream);

impl MemoryStream {
    /// Two connected ends whose directions hold `buffer` bytes each.
    pub fn pair(buffer: usize) -> (MemoryStream, MemoryStream) {
        let (a, b) = tokio::io::duplex(buffer.max(1));
        (MemoryStream(a), MemoryStream(b))
    }
}

impl Transport for MemoryStream {}

impl AsyncRead for MemoryStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_numbered_and_a_dropped_listener_refuses() {
        let (mut listener, connector) = MemoryListener::new(2);
        let _first = connector.connect().await.unwrap();
        let _second = connector.connect().await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, Addr::Memory(1));
        assert_eq!(listener.accept().await.unwrap().1, Addr::Memory(2));
        drop(listener);
        assert_eq!(connector.connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_listener_that_nobody_can_reach_says_so() {
        let (mut listener, connector) = MemoryListener::new(1);
        drop(connector);
        assert_eq!(listener.accept().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}
