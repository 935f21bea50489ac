//! A stream that may be encrypted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xs_proto::Out;

use super::TlsStream;
use crate::{Addr, Transport};

/// A stream as it is, or inside of TLS: for whoever learns only when it runs which of the two it is. A plain one costs a
/// comparison and nothing else, and the encrypted one, which is large, stands in a box.
#[derive(Debug)]
pub enum MaybeTls<Io> {
    /// As it is.
    Plain(Io),
    /// Encrypted.
    Tls(Box<TlsStream<Io>>),
}

impl<Io> MaybeTls<Io> {
    /// The stream below.
    pub fn get_ref(&self) -> &Io {
        match self {
            MaybeTls::Plain(io) => io,
            MaybeTls::Tls(tls) => tls.get_ref(),
        }
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, MaybeTls::Tls(_))
    }
}

impl<Io: Transport + Unpin> Transport for MaybeTls<Io> {
    #[inline]
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            MaybeTls::Plain(io) => io.poll_readable(cx),
            // Plaintext may wait here while the socket has nothing.
            MaybeTls::Tls(tls) => tls.poll_readable(cx),
        }
    }

    #[inline]
    fn poll_write_out(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_write_out(cx, out),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_write_out(cx, out),
        }
    }

    fn local_end(&self) -> Option<Addr> {
        self.get_ref().local_end()
    }

    fn descriptor(&self) -> Option<i32> {
        self.get_ref().descriptor()
    }

    /// A plain one's: the bytes of the other are not the socket's.
    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        match self {
            MaybeTls::Plain(io) => io.as_tcp(),
            MaybeTls::Tls(_) => None,
        }
    }

    fn sent(&self) -> Option<u64> {
        match self {
            MaybeTls::Plain(io) => io.sent(),
            MaybeTls::Tls(tls) => tls.sent(),
        }
    }

    fn reset_on_close(&self) {
        self.get_ref().reset_on_close();
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<Io> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_read(cx, buf),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buf),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<Io> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_write(cx, buf),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            MaybeTls::Plain(io) => io.is_write_vectored(),
            MaybeTls::Tls(tls) => tls.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_flush(cx),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            MaybeTls::Plain(io) => Pin::new(io).poll_shutdown(cx),
            MaybeTls::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
        }
    }
}
