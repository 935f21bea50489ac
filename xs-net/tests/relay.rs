//! Relays over memory, over TCP with and without pipes, and over streams that do the worst that streams do.

mod common;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use common::*;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use xs_net::listener::MemoryStream;
use xs_net::relay::{End, Flow, Options, Pipes, Relay, Relayed, Side};
use xs_net::{Timer, Transport};
use xs_os::{Rng, VirtualClock};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

fn spawn(
    a: impl Transport + Unpin + Send + 'static,
    b: impl Transport + Unpin + Send + 'static,
    options: Options,
) -> JoinHandle<Relayed> {
    tokio::spawn(Relay::new(a, b, &Timer::system(), options))
}

/// Bytes among which none can be lost or moved without a difference.
fn bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.below(256) as u8).collect()
}

/// Says all of `what` in pieces, sometimes pausing, and ends; hears everything in the meantime. A failure ends either.
async fn talk(io: impl AsyncRead + AsyncWrite, what: Vec<u8>, mut rng: Rng) -> Vec<u8> {
    // Much is not said byte by byte: that would take minutes.
    let much = usize::from(what.len() > 100_000);
    let (mut read, mut write) = tokio::io::split(io);
    let mut pauses = Rng::from_seed(rng.below(u64::MAX));
    let most = [1, 100, 5_000, 100_000, 300_000][rng.below(3) as usize + 2 * much];
    let say = async move {
        let mut rest = &what[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((1 + rng.below(most) as usize).min(rest.len()));
            write.write_all(piece).await?;
            rest = behind;
            if rng.below(3) == 0 {
                tokio::task::yield_now().await;
            }
        }
        write.shutdown().await
    };
    let hear = async move {
        let mut heard = Vec::new();
        let mut space = vec![0; [1, 50, 3_000, 20_000, 70_000][pauses.below(3) as usize + 2 * much]];
        while let Ok(n @ 1..) = read.read(&mut space).await {
            heard.extend_from_slice(&space[..n]);
            if pauses.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        heard
    };
    tokio::join!(say, hear).1
}

async fn exchange(
    [client, a, b, endpoint]: [impl Transport + Unpin + Send + 'static; 4],
    options: Options,
    seed: u64,
    most: u64,
) {
    let mut rng = Rng::from_seed(seed);
    let (len, back) = (rng.below(most) as usize, rng.below(most) as usize);
    let (asked, answered) = (bytes(&mut rng, len), bytes(&mut rng, back));
    let flow = Arc::new(Flow::default());
    let relay = tokio::spawn(Relay::new(a, b, &Timer::system(), options).counted(flow.clone()));
    let [first, second] = [0; 2].map(|_: i32| Rng::from_seed(rng.below(u64::MAX)));
    let talks = async { tokio::join!(talk(client, asked.clone(), first), talk(endpoint, answered.clone(), second)) };
    let (at_client, at_endpoint) = within(talks).await;
    assert!(at_endpoint == asked, "there: {} of {} bytes", at_endpoint.len(), asked.len());
    assert!(at_client == answered, "back: {} of {} bytes", at_client.len(), answered.len());
    let relayed = within(relay).await.unwrap();
    assert!(matches!(relayed.end, End::Complete), "{relayed:?}");
    assert_eq!((relayed.there, relayed.back), (asked.len() as u64, answered.len() as u64));
    assert_eq!((flow.there(), flow.back()), (relayed.there, relayed.back));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_goes_in_comes_out_in_order(seed in any::<u64>(), near in 1..5000usize, far in 1..5000usize, buffer in 1..9000usize) {
        runtime().block_on(async {
            let ((client, a), (b, endpoint)) = (MemoryStream::pair(near), MemoryStream::pair(far));
            exchange([client, a, b, endpoint], Options { buffer, ..Options::default() }, seed, 60_000).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_goes_in_comes_out_in_order_over_tcp(seed in any::<u64>(), buffer in 100..40_000usize, pipes in 0..3usize, after in 0..3usize) {
        runtime().block_on(async {
            let (near, far) = (tcp_pair().await, tcp_pair().await);
            let pipes = (pipes > 0).then(|| Pipes::new(pipes));
            let splice_after = [0, 1, 100_000][after];
            let options = Options { buffer, pipes, splice_after, ..Options::default() };
            exchange([near.0, near.1, far.0, far.1], options, seed, 1_500_000).await;
        });
    }
}

#[tokio::test]
async fn the_end_of_one_side_leaves_the_other_way_open() {
    for splice_after in [0, usize::MAX] {
        let ((mut client, a), (b, mut endpoint)) = (tcp_pair().await, tcp_pair().await);
        let relay = spawn(a, b, Options { pipes: Some(Pipes::new(2)), splice_after, ..Options::default() });
        client.write_all(b"all that I have to say").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        within(endpoint.read_to_string(&mut question)).await.unwrap();
        assert_eq!(question, "all that I have to say");
        for _ in 0..3 {
            endpoint.write_all(b"and").await.unwrap();
            expect(&mut client, "and").await;
        }
        assert!(!relay.is_finished());
        drop(endpoint);
        assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
        let relayed = within(relay).await.unwrap();
        assert!(matches!(relayed, Relayed { there: 22, back: 9, end: End::Complete }), "{relayed:?}");
    }
}

#[tokio::test]
async fn a_reset_is_passed_on_as_one() {
    for splice_after in [0, usize::MAX] {
        let ((client, a), (b, mut endpoint)) = (tcp_pair().await, tcp_pair().await);
        let relay = spawn(a, b, Options { pipes: Some(Pipes::new(2)), splice_after, ..Options::default() });
        client.reset_on_close();
        drop(client);
        let error = within(endpoint.read(&mut [0])).await.expect_err("an end would be a lie");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let relayed = within(relay).await.unwrap();
        assert!(matches!(relayed.end, End::Failed(Side::A, _)), "{relayed:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_end_of_the_question_arrives() {
    let ((mut client, a), (b, mut endpoint)) = (MemoryStream::pair(100), MemoryStream::pair(100));
    let relay = spawn(a, b, Options::default());
    client.write_all(b"a long").await.unwrap();
    expect(&mut endpoint, "a long").await;
    endpoint.write_all(b"too long!").await.unwrap();
    drop(endpoint); // which has not read the rest, and never will
    let _ = client.write_all(&[b'x'; 50]).await;
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "too long!");
    drop(client);
    let relayed = within(relay).await.unwrap();
    assert_eq!(relayed.back, 9);
    assert!(matches!(relayed.end, End::Failed(Side::B, _)), "{relayed:?}");
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    let ((mut client, a), (b, _endpoint)) = (MemoryStream::pair(1000), MemoryStream::pair(1000));
    let _relay = spawn(a, b, Options { buffer: 500, ..Options::default() });
    let mut written = 0;
    while let Some(n) = Timer::system().timeout(Duration::from_millis(50), client.write(&[0; 100])).await {
        written += n.unwrap();
        settle().await;
    }
    assert!((2000..=2500).contains(&written), "two streams and a buffer hold 2500 bytes, and took {written}");
}

#[tokio::test]
async fn a_relay_in_which_nothing_moves_ends() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let ((mut client, a), (b, mut endpoint)) = (MemoryStream::pair(100), MemoryStream::pair(100));
    let options = Options { idle: Some(Duration::from_secs(60)), ..Options::default() };
    let relay = tokio::spawn(Relay::new(a, b, &timer, options));
    for _ in 0..5 {
        settle().await;
        clock.advance(Duration::from_secs(40));
        endpoint.write_all(b".").await.unwrap();
        expect(&mut client, ".").await;
    }
    assert!(!relay.is_finished());
    for _ in 0..6 {
        settle().await;
        clock.advance(Duration::from_secs(15));
    }
    let relayed = within(relay).await.unwrap();
    assert!(matches!(relayed, Relayed { there: 0, back: 5, end: End::Idle }), "{relayed:?}");
}

#[tokio::test]
async fn what_was_read_before_goes_first() {
    let ((client, a), (b, mut endpoint)) = (MemoryStream::pair(10), MemoryStream::pair(10));
    let relay = Relay::new(a, b, &Timer::system(), Options::default());
    let relay = tokio::spawn(relay.preloaded(BytesMut::from(&[b'1'; 100][..]), BytesMut::from("hello")));
    let mut client = client;
    expect(&mut client, "hello").await;
    let ask = async {
        client.write_all(b"2").await.unwrap();
        client.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(ask, endpoint.read_to_end(&mut heard));
    read.unwrap();
    assert_eq!(heard, [vec![b'1'; 100], vec![b'2']].concat());
    drop((client, endpoint));
    assert!(matches!(within(relay).await.unwrap().end, End::Complete));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn descriptors_are_held_only_while_something_is_in_a_pipe() {
    // Thirty relays share two pipes; those that wait to read hold none, so all of them get through.
    let pipes = Pipes::new(2);
    let mut relays = Vec::new();
    for _ in 0..30 {
        let ((client, a), (b, endpoint)) = (tcp_pair().await, tcp_pair().await);
        let options = Options { pipes: Some(pipes.clone()), splice_after: 0, ..Options::default() };
        relays.push((client, endpoint, spawn(a, b, options)));
    }
    for round in 0..3 {
        for (client, endpoint, _) in &mut relays {
            client.write_all(format!("round {round}").as_bytes()).await.unwrap();
            expect(endpoint, &format!("round {round}")).await;
        }
    }
}

/// A stream that gives and takes any number of bytes, makes its user wait for nothing, and at some point breaks.
struct Fickle {
    io: MemoryStream,
    rng: Rng,
    /// So many calls until it breaks.
    left: u64,
    reset: Arc<AtomicBool>,
}

impl Fickle {
    /// What to do now: at most so many bytes, or nothing, or fail.
    fn mood(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.rng.below(4) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(1 + self.rng.below(300) as usize))
    }
}

impl AsyncRead for Fickle {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = std::task::ready!(self.mood(cx))?.min(buf.remaining());
        let mut space = vec![0; most];
        let mut piece = ReadBuf::new(&mut space);
        std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut piece))?;
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fickle {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let most = std::task::ready!(self.mood(cx))?.min(buf.len());
        Pin::new(&mut self.io).poll_write(cx, &buf[..most])
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bufs.first().map_or(&[], |first| first))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Transport for Fickle {
    fn reset_on_close(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn over_fickle_streams_what_arrives_is_what_was_said_so_far(seed in any::<u64>(), breaks in prop::bool::weighted(0.7), buffer in 1..700usize) {
        runtime().block_on(async {
            let mut rng = Rng::from_seed(seed);
            let ((client, a), (b, endpoint)) = (MemoryStream::pair(500), MemoryStream::pair(500));
            let reset = Arc::new(AtomicBool::new(false));
            let mut fickle = |io| {
                let left = if breaks { 1 + rng.below(400) } else { u64::MAX };
                Fickle { io, rng: Rng::from_seed(rng.below(u64::MAX)), left, reset: reset.clone() }
            };
            let (a, b) = (fickle(a), fickle(b));
            let (asked, answered) = (bytes(&mut rng, 10_000), bytes(&mut rng, 10_000));
            let relay = spawn(a, b, Options { buffer, ..Options::default() });
            let [first, second] = [0; 2].map(|_: i32| Rng::from_seed(rng.below(u64::MAX)));
            let talks = async { tokio::join!(talk(client, asked.clone(), first), talk(endpoint, answered.clone(), second)) };
            let (at_client, at_endpoint) = within(talks).await;
            let relayed = within(relay).await.unwrap();
            assert!(asked.starts_with(&at_endpoint) && answered.starts_with(&at_client), "{relayed:?}");
            match relayed.end {
                End::Complete => assert_eq!((at_client.len(), at_endpoint.len()), (10_000, 10_000)),
                // Either both were cut, or only the way to the side that failed broke, and the other one is whole.
                End::Failed(Side::A, _) => assert!(reset.load(Ordering::SeqCst) || at_endpoint.len() == 10_000, "{relayed:?}"),
                End::Failed(Side::B, _) => assert!(reset.load(Ordering::SeqCst) || at_client.len() == 10_000, "{relayed:?}"),
                _ => panic!("{relayed:?}"),
            }
        });
    }
}
