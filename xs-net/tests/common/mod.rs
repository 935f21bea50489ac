//! What the tests of this crate share: a line protocol, a service that speaks it, and transports that watch.
#![allow(dead_code, unreachable_pub)] // every test crate uses its own part of it

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tower::Service;
use xs_net::{BoxError, Next, Timer, Transport, Turn};
use xs_proto::{Decode, Encode, Out};

/// Items end with the byte `end`.
#[derive(Debug, Clone)]
pub struct Lines {
    pub end: u8,
}

pub const LINES: Lines = Lines { end: b'\n' };

impl Decode for Lines {
    type Item = Bytes;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Bytes>> {
        let Some(end) = src.iter().position(|&b| b == self.end) else { return Ok(None) };
        let line = src.split_to(end).freeze();
        src.advance(1);
        if line == "garbage"[..] { Err(io::ErrorKind::InvalidData.into()) } else { Ok(Some(line)) }
    }

    /// A last item needs no end.
    fn decode_eof(&mut self, src: &mut BytesMut) -> io::Result<Option<Bytes>> {
        match self.decode(src)? {
            None if !src.is_empty() => Ok(Some(src.split().freeze())),
            line => Ok(line),
        }
    }
}

impl Encode<Bytes> for Lines {
    type Error = Infallible;

    fn encode(&mut self, line: Bytes, out: &mut Out) -> Result<(), Infallible> {
        out.put_bytes(line);
        out.put_u8(self.end);
        Ok(())
    }
}

/// Answers every line with itself; some lines are orders.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    pub turns: Arc<AtomicUsize>,
    /// How many blocked requests have been dropped.
    pub cancelled: Arc<AtomicUsize>,
    /// What a blocked request waits for.
    pub release: Arc<tokio::sync::Notify>,
}

struct Blocked(Arc<AtomicUsize>);

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Box<Turn<Lines>>, BoxError>> + Send>>;

impl Service<Box<Turn<Lines>>> for Echo {
    type Response = Box<Turn<Lines>>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut turn: Box<Turn<Lines>>) -> Answer {
        self.turns.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        Box::pin(async move {
            while let Some(line) = turn.input.next()? {
                match &line[..] {
                    b"block" => {
                        let guard = Blocked(this.cancelled.clone());
                        this.release.notified().await;
                        std::mem::forget(guard);
                        turn.out.put_slice(b"unblocked\n");
                    }
                    b"forever" => {
                        let _guard = Blocked(this.cancelled.clone());
                        pending::<()>().await;
                    }
                    b"again" => {
                        turn.out.put_slice(b"again\n");
                        turn.next = Next::Again;
                        return Ok(turn);
                    }
                    b"semicolons" => turn.input.codec_mut().end = b';',
                    b"close" => {
                        turn.out.put_slice(b"bye\n");
                        turn.next = Next::Close;
                        return Ok(turn);
                    }
                    b"take" => {
                        turn.out.put_slice(b"yours\n");
                        turn.next = Next::TakeOver;
                        return Ok(turn);
                    }
                    b"fail" => return Err("asked to fail".into()),
                    b"panic" => panic!("asked to panic"),
                    b"large" => turn.out.put_bytes(Bytes::from(vec![b'x'; 100_000])),
                    _ => {
                        let end = turn.input.codec().end;
                        turn.out.put_slice(&line);
                        turn.out.put_u8(end);
                    }
                }
            }
            Ok(turn)
        })
    }
}

/// Counts the calls of a transport.
#[derive(Debug)]
pub struct Counting<Io> {
    pub io: Io,
    pub reads: Arc<AtomicUsize>,
    pub writes: Arc<AtomicUsize>,
}

impl<Io> Counting<Io> {
    pub fn new(io: Io) -> (Self, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (reads, writes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        (Counting { io, reads: reads.clone(), writes: writes.clone() }, reads, writes)
    }
}

impl<Io: Transport + Unpin> Transport for Counting<Io> {}

impl<Io: AsyncRead + Unpin> AsyncRead for Counting<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if result.is_ready() {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        result
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Counting<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Reads exactly what is expected, and says what came instead.
pub async fn expect(io: &mut (impl AsyncRead + Unpin), what: &str) {
    let mut got = vec![0; what.len()];
    within(io.read_exact(&mut got)).await.unwrap_or_else(|e| panic!("waiting for {what:?}: {e}"));
    assert_eq!(String::from_utf8_lossy(&got), what);
}

/// Fails a test that hangs.
pub async fn within<F: Future>(future: F) -> F::Output {
    Timer::system().timeout(Duration::from_secs(10), future).await.expect("this should not take ten seconds")
}

/// Lets every task that can run do so.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
