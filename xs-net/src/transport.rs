//! Byte streams that can be written from an [`Out`]: the [`Transport`] trait.
//!
//! # The problem
//!
//! What a server has to say lies in several places: small replies next to each other in one buffer, large values
//! wherever the store keeps them. Copying them together costs memory bandwidth; writing them one by one costs a system
//! call each. The kernel can gather, if it is handed all the pieces at once.
//!
//! # How it works
//!
//! A transport is tokio's [`AsyncRead`] and [`AsyncWrite`] plus one method, [`Transport::poll_write_out`], which takes
//! bytes from the front of an [`Out`]:
//!
//! ```text
//!   Out  [replies │ large value │ replies]
//!             └────────┬─────────────┘
//!                  io_slices (up to 64)  ──▶ writev ──▶ n bytes taken ──▶ Out::advance(n)
//! ```
//!
//! With a single piece, the common case, it is a plain write. A range of a file ([`FileRange`]) goes from the page cache to
//! a TCP socket by `sendfile`, and never enters the process; what comes before it waits in the kernel, so that the two
//! leave together. [`Transport::sends_files`] says which transports can. A page that is not in memory is read while the
//! call waits, so whoever puts a range into an [`Out`] has seen to that elsewhere.
//!
//! # Invariants
//!
//! - Bytes leave in order, and exactly those that the inner stream took are forgotten (`write_out`, the one place that
//!   advances).
//! - A stream that takes zero bytes is an error of kind `WriteZero`, so that no caller spins.
//! - An external chunk that the transport doesn't know is an error of kind `Unsupported`: never skipped, never padded. So
//!   is a file that has become shorter, of kind `UnexpectedEof`: what was announced cannot follow.
//!
//! # Cost
//!
//! One system call for up to [`MAX_SLICES`] pieces and no allocation. The array of slices is one kilobyte of stack and
//! is only made when there is more than one piece.
//!
//! # Example
//!
//! ```
//! use tokio::io::AsyncReadExt;
//! use xs_net::transport::write_all;
//! use xs_proto::Out;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (mut ours, mut theirs) = tokio::io::duplex(64);
//! let mut out = Out::new();
//! out.put_slice(b"+OK\r\n");
//! write_all(&mut ours, &mut out).await?;
//! let mut got = [0; 5];
//! theirs.read_exact(&mut got).await?;
//! assert_eq!(&got, b"+OK\r\n");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! hyper collects buffers in a queue of its own and chooses between flattening and gathering when it sees what the
//! stream supports. Redis gathers since version 7 and writes piece by piece before. `tokio_util::codec::Framed` copies
//! everything into one buffer.
//!
//! # What this leaves out
//!
//! `MSG_ZEROCOPY`. Files to other sockets than TCP's, and on other systems than Linux: there they are read and written like
//! everything else.
//!
//! # Try next
//!
//! Wrap a transport in one that counts its writes (the tests of [`session`](crate::session) do) and see how many system
//! calls a hundred pipelined requests cost.
//!
//! # Sources
//!
//! `writev(2)`, `sendfile(2)`, and `MSG_MORE` in `send(2)`; `tokio::io::AsyncWrite::poll_write_vectored`.

#[cfg(all(feature = "sendfile", target_os = "linux"))]
mod files;

#[cfg(all(feature = "sendfile", target_os = "linux"))]
pub use files::FileRange;

use std::future::poll_fn;
use std::io::{self, IoSlice};
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use xs_proto::Out;

use crate::Addr;

/// How many pieces one write gathers at most.
pub const MAX_SLICES: usize = 64;

/// A byte stream in both directions that can be written from an [`Out`].
pub trait Transport: AsyncRead + AsyncWrite {
    /// Writes from the front of `out` and forgets what was taken; returns how many bytes that was.
    ///
    /// With an empty `out` this is `Ready(Ok(0))`. The default gathers up to [`MAX_SLICES`] pieces into one write, and
    /// fails with [`io::ErrorKind::Unsupported`] when the next piece is an external chunk: a transport that knows
    /// some type of chunk overrides it.
    fn poll_write_out(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        write_out(self, cx, out)
    }

    /// Pending only if a read would be: the task is woken then when one may give something. For a stream that can tell it
    /// without a buffer at hand. The default cannot, and is always ready.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Whether ranges of files, as external chunks of the type [`FileRange`], can be sent. The default cannot.
    fn sends_files(&self) -> bool {
        false
    }

    /// This side's own end, where the stream has a name of its own for it: a TCP connection to a listener on every
    /// interface came to one of its addresses. The default doesn't know.
    fn local_end(&self) -> Option<Addr> {
        None
    }

    /// The number of the descriptor behind it, to be shown and not to be used: Unix has one. The default has none.
    fn descriptor(&self) -> Option<i32> {
        None
    }

    /// The kernel's TCP socket, where the stream's bytes are exactly that socket's: a relay lets the
    /// kernel move them by itself. The default has none, and so must a stream that adds anything of its own.
    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        None
    }

    /// How many bytes have left it for the peer ever, where that is not what [`poll_write_out`](Transport::poll_write_out) has
    /// taken: a stream that holds bytes back, as TLS does, may have taken a lot from here long before the peer takes any of it.
    /// The default knows of no difference.
    fn sent(&self) -> Option<u64> {
        None
    }

    /// When it is closed, tell the peer that the stream was cut off and did not end: TCP sends a reset. The default has
    /// no way to say so.
    fn reset_on_close(&self) {}
}

/// The default of [`Transport::poll_write_out`].
pub(crate) fn write_out<T>(io: Pin<&mut T>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>>
where
    T: AsyncWrite + ?Sized,
{
    let front = out.front();
    let taken = if front.len() == out.len() {
        if front.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(io.poll_write(cx, front))?
    } else {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let n = out.io_slices(&mut slices);
        if n == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this transport cannot send the chunk that is next",
            )));
        }
        ready!(io.poll_write_vectored(cx, &slices[..n]))?
    };
    if taken == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    out.advance(taken);
    Poll::Ready(Ok(taken))
}

/// Writes all of `out`.
pub async fn write_all<T: Transport + Unpin + ?Sized>(io: &mut T, out: &mut Out) -> io::Result<()> {
    while !out.is_empty() {
        poll_fn(|cx| Pin::new(&mut *io).poll_write_out(cx, out)).await?;
    }
    Ok(())
}

impl Transport for tokio::net::TcpStream {
    #[cfg(all(feature = "sendfile", target_os = "linux"))]
    fn poll_write_out(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        if out.has_external() { files::write_out(self.get_mut(), cx, out) } else { write_out(self, cx, out) }
    }

    #[inline]
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with it is the read's to say.
        self.poll_read_ready(cx).map(drop)
    }

    fn sends_files(&self) -> bool {
        cfg!(all(feature = "sendfile", target_os = "linux"))
    }

    fn local_end(&self) -> Option<Addr> {
        self.local_addr().ok().map(Addr::Tcp)
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<i32> {
        Some(self.as_raw_fd())
    }

    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        Some(self)
    }

    fn reset_on_close(&self) {
        // A socket that refuses this is closed in the usual way.
        let _ = socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO));
    }
}

#[cfg(unix)]
impl Transport for tokio::net::UnixStream {
    #[inline]
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.as_raw_fd())
    }
}

impl Transport for tokio::io::DuplexStream {}

impl<T: Transport + Unpin + ?Sized> Transport for Box<T> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_readable(cx)
    }

    fn sends_files(&self) -> bool {
        (**self).sends_files()
    }

    fn poll_write_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self).poll_write_out(cx, out)
    }

    fn local_end(&self) -> Option<Addr> {
        (**self).local_end()
    }

    fn descriptor(&self) -> Option<i32> {
        (**self).descriptor()
    }

    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        (**self).as_tcp()
    }

    fn sent(&self) -> Option<u64> {
        (**self).sent()
    }

    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }
}

impl<T: Transport + Unpin + ?Sized> Transport for &mut T {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_readable(cx)
    }

    fn sends_files(&self) -> bool {
        (**self).sends_files()
    }

    fn poll_write_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self).poll_write_out(cx, out)
    }

    fn local_end(&self) -> Option<Addr> {
        (**self).local_end()
    }

    fn descriptor(&self) -> Option<i32> {
        (**self).descriptor()
    }

    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        (**self).as_tcp()
    }

    fn sent(&self) -> Option<u64> {
        (**self).sent()
    }

    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn pieces_of_both_kinds_leave_in_order() {
        let (mut ours, mut theirs) = tokio::io::duplex(1000);
        let large = Bytes::from(vec![b'x'; 20_000]);
        let mut out = Out::new();
        out.put_slice(b"before");
        out.put_bytes(large.clone());
        out.put_slice(b"after");
        let all = out.to_vec();
        let reader = async {
            let mut got = vec![0; all.len()];
            theirs.read_exact(&mut got).await.map(|_| got)
        };
        let (wrote, got) = tokio::join!(write_all(&mut ours, &mut out), reader);
        wrote.unwrap();
        assert_eq!(got.unwrap(), all);
        assert!(out.is_empty());
    }

    #[tokio::test]
    async fn a_socket_tells_without_a_buffer_whether_there_is_something() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (peer, ours) = tokio::join!(connect, listener.accept());
        let (mut peer, mut ours) = (peer.unwrap(), Box::new(ours.unwrap().0));
        for _ in 0..2 {
            let (written, ()) = tokio::join!(
                tokio::io::AsyncWriteExt::write_all(&mut peer, b"x"),
                poll_fn(|cx| ours.poll_readable(cx)),
            );
            written.unwrap();
            // A read that leaves room has taken everything, and the socket knows that.
            assert_eq!(ours.read(&mut [0; 2]).await.unwrap(), 1);
            assert!(poll_fn(|cx| Poll::Ready(ours.poll_readable(cx))).await.is_pending());
        }
        // The end can be read too.
        drop(peer);
        poll_fn(|cx| ours.poll_readable(cx)).await;
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_unknown_external_chunk_is_an_error_and_not_a_gap() {
        let (mut ours, _theirs) = tokio::io::duplex(1000);
        let mut out = Out::new();
        out.put_slice(b"head");
        out.put_external(Box::new("a file"), 10);
        let error = write_all(&mut ours, &mut out).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(out.len(), 10); // the head left, the chunk is still there
    }
}
