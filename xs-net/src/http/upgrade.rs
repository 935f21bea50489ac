//! A connection that goes on with another protocol.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use xs_proto::Out;

use crate::serve::Drain;
use crate::session::Registration;
use crate::{Addr, Transport};

/// The way to the connection once the response has said that it changes its protocol: 101 to an `Upgrade`, a success to a
/// `CONNECT`. It lies in the extensions of a request that asks for that. Clones are the same one, and the first that is
/// ready gets the connection.
#[derive(Clone)]
pub struct OnUpgrade {
    promise: Arc<Mutex<Promise>>,
}

struct Promise {
    /// Wakes whoever has asked it last.
    receiver: oneshot::Receiver<Upgraded>,
    /// Everybody who has asked.
    waiting: Vec<Waker>,
}

/// The request was answered otherwise, or the connection ended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection did not change its protocol")]
pub struct NotUpgraded;

impl OnUpgrade {
    pub(super) fn new() -> (oneshot::Sender<Upgraded>, OnUpgrade) {
        let (sender, promise) = oneshot::channel();
        let promise = Promise { receiver: promise, waiting: Vec::new() };
        (sender, OnUpgrade { promise: Arc::new(Mutex::new(promise)) })
    }

    /// Lets the other clones look again.
    fn wake_others(&self) {
        let waiting = std::mem::take(&mut self.promise.lock().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Drop for OnUpgrade {
    fn drop(&mut self) {
        // It may be the one that would have been woken.
        self.wake_others();
    }
}

impl Future for OnUpgrade {
    type Output = Result<Upgraded, NotUpgraded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut promise = self.promise.lock();
        if promise.receiver.is_terminated() {
            return Poll::Ready(Err(NotUpgraded));
        }
        let outcome = Pin::new(&mut promise.receiver).poll(cx).map(|outcome| outcome.map_err(|_| NotUpgraded));
        if outcome.is_ready() {
            drop(promise);
            self.wake_others();
        } else if !promise.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            promise.waiting.push(cx.waker().clone());
        }
        outcome
    }
}

impl fmt::Debug for OnUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnUpgrade").finish_non_exhaustive()
    }
}

/// What a stream must be to be handed over.
trait Stream: Transport + Unpin + Send + Any {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<T: Transport + Unpin + Send + 'static> Stream for T {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A connection whose HTTP is over: a stream that begins with what had been read already.
pub struct Upgraded {
    io: Box<dyn Stream>,
    input: BytesMut,
    /// Tells when the server wants to end. The connection's future is over, and the server waits for it no longer; but as long
    /// as this is kept, the connection has its place under the server's limit.
    pub drain: Option<Drain>,
    /// The connection's entry in its registry.
    pub registration: Option<Registration>,
}

impl Upgraded {
    pub(super) fn new<T: Transport + Unpin + Send + 'static>(io: T, input: BytesMut) -> Upgraded {
        Upgraded { io: Box::new(io), input, drain: None, registration: None }
    }

    /// What has been read already and not been taken. The stream goes on behind it.
    pub fn take_input(&mut self) -> BytesMut {
        std::mem::take(&mut self.input)
    }

    /// The stream itself, and the bytes that come before what is read from it, if it is a `T`. Take [`drain`](Self::drain)
    /// out before, and keep it.
    ///
    /// # Errors
    ///
    /// It is another type of stream.
    pub fn downcast<T: Transport + Unpin + Send + 'static>(self) -> Result<(T, BytesMut), Upgraded> {
        let Upgraded { io, input, drain, registration } = self;
        if (*io).type_id() != std::any::TypeId::of::<T>() {
            return Err(Upgraded { io, input, drain, registration });
        }
        match io.into_any().downcast::<T>() {
            Ok(io) => Ok((*io, input)),
            Err(_) => unreachable!("the type has just been compared"),
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut *self.io).poll_read(cx, buf);
        }
        let len = self.input.len().min(buf.remaining());
        buf.put_slice(&self.input[..len]);
        self.input.advance(len);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl Transport for Upgraded {
    fn poll_write_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut Out) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_out(cx, out)
    }

    fn local_end(&self) -> Option<Addr> {
        self.io.local_end()
    }

    fn descriptor(&self) -> Option<i32> {
        self.io.descriptor()
    }

    /// As long as something lies in front of the stream, its bytes are not the socket's.
    fn as_tcp(&self) -> Option<&tokio::net::TcpStream> {
        if self.input.is_empty() { self.io.as_tcp() } else { None }
    }

    fn sent(&self) -> Option<u64> {
        self.io.sent()
    }

    fn reset_on_close(&self) {
        self.io.reset_on_close();
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("unread", &self.input.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::listener::MemoryStream;

    #[tokio::test]
    async fn every_clone_hears_how_it_ended_whoever_asked_last() {
        for dropped in [false, true] {
            let (sender, promise) = OnUpgrade::new();
            let mut asks: Vec<_> = (0..3).map(|_| tokio::spawn(promise.clone())).collect();
            tokio::task::yield_now().await;
            if dropped {
                let last = asks.pop().unwrap();
                last.abort();
                assert!(last.await.unwrap_err().is_cancelled());
            }
            let (stream, _theirs) = MemoryStream::pair(8);
            assert!(sender.send(Upgraded::new(stream, BytesMut::new())).is_ok());
            let mut got = 0;
            for ask in asks {
                let outcome = tokio::time::timeout(std::time::Duration::from_secs(5), ask).await;
                got += usize::from(outcome.expect("it hangs").unwrap().is_ok());
            }
            assert_eq!(got, 1);
        }
    }
}
