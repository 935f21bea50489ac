//! The stream inside of TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xs_proto::Out;

use crate::transport::write_out;
use crate::{Addr, Transport};

/// A stream that is encrypted on its way through another one. Both sides have the same type.
///
/// What is written is at once cut into records of up to 16 KiB and encrypted; at most 64 KiB of that wait for the stream
/// below. Whoever goes on to read moves them along, and so does a flush.
pub struct TlsStream<Io> {
    inner: tokio_rustls::TlsStream<Metered<Io>>,
    /// Whoever writes was told to wait, and is woken when the stream below can be written.
    writer_waits: bool,
}

impl<Io> TlsStream<Io> {
    pub(super) fn new(inner: impl Into<tokio_rustls::TlsStream<Metered<Io>>>) -> Self {
        TlsStream { inner: inner.into(), writer_waits: false }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &Io {
        &self.inner.get_ref().0.io
    }

    /// The protocol that both sides agreed on by ALPN (RFC 7301), such as `http/1.1`.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.inner.get_ref().1.alpn_protocol()
    }

    /// The name that the client asked for (RFC 6066, section 3); on the server's side only.
    pub fn server_name(&self) -> Option<&str> {
        match &self.inner {
            tokio_rustls::TlsStream::Server(server) => server.get_ref().1.server_name(),
            tokio_rustls::TlsStream::Client(_) => None,
        }
    }

    /// The version in use: `TLSv1_3` or `TLSv1_2`.
    pub fn version(&self) -> Option<&'static str> {
        self.inner.get_ref().1.protocol_version().and_then(|version| version.as_str())
    }

    /// The certificates that the peer has shown, its own one first.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.inner.get_ref().1.peer_certificates()
    }

    fn is_behind(&self) -> bool {
        self.inner.get_ref().1.wants_write()
    }

    fn note<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        self.writer_waits = outcome.is_pending();
        outcome
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> TlsStream<Io> {
    /// Moves along what is encrypted already.
    fn poll_catch_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_behind() { Pin::new(&mut self.inner).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl<Io: Transport + Unpin> Transport for TlsStream<Io> {
    /// Takes more only when everything before has left, so that a peer that takes nothing is noticed.
    fn poll_write_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        let caught_up = self.poll_catch_up(cx);
        ready!(self.note(caught_up))?;
        write_out(self, cx, out)
    }

    fn local_end(&self) -> Option<Addr> {
        self.get_ref().local_end()
    }

    fn descriptor(&self) -> Option<i32> {
        self.get_ref().descriptor()
    }

    /// What is encrypted and waits has not left.
    fn sent(&self) -> Option<u64> {
        Some(self.inner.get_ref().0.sent)
    }

    fn reset_on_close(&self) {
        self.get_ref().reset_on_close();
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Not everybody flushes. But a stream below has one place for a waker that waits to write, and where the halves
        // belong to two tasks, that must stay the writer's. An error is met again by whoever writes; there may still be
        // something to read.
        if !self.writer_waits {
            let _ = self.poll_catch_up(cx);
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(outcome)
    }

    /// Says by `close_notify` that this was all, and ends sending.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.note(outcome)
    }
}

impl<Io> fmt::Debug for TlsStream<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("version", &self.version())
            .field("alpn", &self.alpn().map(String::from_utf8_lossy))
            .field("server_name", &self.server_name())
            .finish_non_exhaustive()
    }
}

/// A stream that counts what it has taken: how far rustls has got, which does not tell.
#[derive(Debug)]
pub(super) struct Metered<Io> {
    io: Io,
    sent: u64,
}

impl<Io> Metered<Io> {
    pub(super) fn new(io: Io) -> Self {
        Metered { io, sent: 0 }
    }

    #[inline]
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.sent += *bytes as u64;
        }
        written
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Metered<Io> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Metered<Io> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note(written)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
