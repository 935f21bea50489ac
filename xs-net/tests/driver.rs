//! The driver, run with a machine of lines over a stream in memory, in virtual time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use xs_net::driver::{Driver, HIGH_WATER, Options};
use xs_net::listener::MemoryStream;
use xs_net::{Timer, Transport};
use xs_os::VirtualClock;
use xs_proto::Out;
use xs_proto::machine::{Machine, Phase};

const PATIENCE: Duration = Duration::from_secs(10);

/// Events are lines, at most two ahead of their answers; commands are lines to send. `BYE` closes, `CUT` aborts, `NEXT`
/// hands over, and so does the end of input close. Ten seconds without a line end it with a word.
struct Lines {
    events: VecDeque<Bytes>,
    unanswered: usize,
    out: Out,
    deadline: Instant,
    patience: Duration,
    end: Phase,
}

impl Lines {
    fn new(now: Instant) -> Lines {
        Lines {
            events: VecDeque::new(),
            unanswered: 0,
            out: Out::new(),
            deadline: now + PATIENCE,
            patience: PATIENCE,
            end: Phase::Open,
        }
    }
}

impl Machine for Lines {
    type Stream = ();
    type Event = Bytes;
    type Command = Bytes;
    type Error = Infallible;

    fn handle_input(&mut self, now: Instant, src: &mut BytesMut) {
        while self.wants_input()
            && let Some(end) = src.iter().position(|&b| b == b'\n')
        {
            let line = src.split_to(end).freeze();
            src.advance(1);
            self.deadline = now + self.patience;
            match &line[..] {
                b"BYE" => self.end = Phase::Closing,
                b"CUT" => self.end = Phase::Aborted,
                b"NEXT" => self.end = Phase::HandedOver,
                _ => {
                    self.unanswered += 1;
                    self.events.push_back(line);
                }
            }
        }
    }

    fn handle_eof(&mut self, now: Instant, src: &mut BytesMut) {
        self.handle_input(now, src);
        if self.wants_input() {
            self.end = Phase::Closing;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline <= now && self.end == Phase::Open {
            self.out.put_slice(b"asleep?\n");
            self.end = Phase::Closing;
        }
    }

    fn command(&mut self, _now: Instant, line: Bytes) -> Result<(), Infallible> {
        self.unanswered -= 1;
        self.out.put_bytes(line);
        self.out.put_u8(b'\n');
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Bytes> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, out: &mut Out) -> bool {
        let any = !self.out.is_empty();
        out.append(&mut self.out);
        any
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (self.end == Phase::Open).then_some(self.deadline)
    }

    fn wants_input(&self) -> bool {
        self.end == Phase::Open && self.unanswered < 2
    }

    fn phase(&self) -> Phase {
        let settled = self.out.is_empty() && self.unanswered == 0 || self.end == Phase::Aborted;
        if settled { self.end } else { Phase::Open }
    }
}

/// Counts what is asked of a stream.
struct Counted<T>(T, Arc<Counts>);

#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
    resets: AtomicUsize,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.1.reads.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<T: Transport + Unpin> Transport for Counted<T> {
    fn reset_on_close(&self) {
        self.1.resets.fetch_add(1, Ordering::Relaxed);
    }
}

fn rig(buffer: usize) -> (MemoryStream, Driver<Lines, Counted<MemoryStream>>, Arc<Counts>, VirtualClock) {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let (client, server) = MemoryStream::pair(buffer);
    let counts = Arc::new(Counts::default());
    let driver = Driver::new(Lines::new(timer.now()), Counted(server, counts.clone()), &timer);
    (client, driver, counts, clock)
}

/// Answers each line with itself, but not while too much waits to be written.
async fn echo<T: Transport + Unpin>(driver: &mut Driver<Lines, T>) -> io::Result<usize> {
    let (mut lines, mut count) = (VecDeque::new(), 0);
    poll_fn(|cx| {
        loop {
            while driver.unsent() < HIGH_WATER
                && let Some(line) = lines.pop_front()
            {
                driver.command(line).unwrap();
                count += 1;
            }
            match driver.poll_event(cx) {
                Poll::Ready(Ok(Some(line))) => lines.push_back(line),
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if !lines.is_empty() && driver.unsent() < HIGH_WATER => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Polls once, and says whether it is done.
fn poke<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn what_comes_together_is_answered_in_one_write() {
    let (mut client, mut driver, counts, _clock) = rig(64 * 1024);
    let sent = "line\n".repeat(500);
    client.write_all(sent.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(echo(&mut driver).await.unwrap(), 500);
    assert_eq!(counts.writes.load(Ordering::Relaxed), 1);
    drop(driver);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, sent);
}

#[tokio::test]
async fn a_slow_reader_stops_the_reading() {
    let (mut client, mut driver, counts, _clock) = rig(1024);
    let line = "x".repeat(999) + "\n";
    let (mut sent, mut stopped) = (0, false);
    let mut echo = pin!(echo(&mut driver));
    for _ in 0..1000 {
        tokio::task::yield_now().await; // the runtime lets a task do so much and no more
        assert!(poke(echo.as_mut()).is_none());
        let wrote = poke(pin!(client.write(line.as_bytes())));
        stopped = wrote.is_none();
        sent += wrote.map_or(0, Result::unwrap);
    }
    assert!(stopped);
    // Two streams, a read buffer, what is unanswered, and the high-water mark: that is all there can be.
    assert!(sent < HIGH_WATER + 64 * 1024, "{sent} bytes were taken");
    assert!(counts.reads.load(Ordering::Relaxed) < 1000);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_given_up() {
    let (mut client, mut driver, _counts, clock) = rig(16);
    client.write_all(b"twelve bytes\n").await.unwrap();
    let mut echo = pin!(echo(&mut driver));
    assert!(poke(echo.as_mut()).is_none());
    client.write_all(b"and more\n").await.unwrap();
    assert!(poke(echo.as_mut()).is_none());
    // It still sends a line now and then, and so keeps the machine's own patience.
    for _ in 0..5 {
        clock.advance(Duration::from_secs(7));
        let _ = poke(pin!(client.write_all(b"z\n")));
        if let Some(end) = poke(echo.as_mut()) {
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
            return;
        }
    }
    panic!("still there");
}

#[tokio::test]
async fn deadlines_are_the_machines() {
    let (mut client, mut driver, _counts, clock) = rig(1024);
    let mut echo = pin!(echo(&mut driver));
    assert!(poke(echo.as_mut()).is_none());
    for _ in 0..5 {
        clock.advance(PATIENCE - Duration::from_millis(1));
        client.write_all(b"still here\n").await.unwrap();
        assert!(poke(echo.as_mut()).is_none());
    }
    clock.advance(PATIENCE);
    assert!(poke(echo.as_mut()).is_none()); // lingers
    clock.advance(Options::DEFAULT.linger);
    assert_eq!(poke(echo.as_mut()).unwrap().unwrap(), 5);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    assert!(got.ends_with("still here\nasleep?\n"));
}

#[tokio::test]
async fn the_deadline_wakes_the_task() {
    let (_client, mut driver, _counts, clock) = rig(1024);
    let task = tokio::spawn(async move { echo(&mut driver).await });
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    clock.advance(PATIENCE);
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    clock.advance(Options::DEFAULT.linger);
    let ended = tokio::time::timeout(Duration::from_secs(5), task).await;
    assert_eq!(ended.expect("woken").unwrap().unwrap(), 0);
}

#[tokio::test]
async fn closing_drops_what_still_comes_but_not_for_ever() {
    let (mut client, mut driver, counts, clock) = rig(64 * 1024);
    client.write_all(b"one\nBYE\n").await.unwrap();
    let mut echo = pin!(echo(&mut driver));
    assert!(poke(echo.as_mut()).is_none());
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap(); // the end came before the linger
    assert_eq!(got, "one\n");
    for _ in 0..3 {
        client.write_all(&[b'y'; 32 * 1024]).await.unwrap();
        assert!(poke(echo.as_mut()).is_none());
    }
    clock.advance(Options::DEFAULT.linger);
    assert_eq!(poke(echo.as_mut()).unwrap().unwrap(), 1);
    assert_eq!(counts.resets.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn closing_hears_a_large_upload_to_its_end() {
    let (mut client, mut driver, counts, clock) = rig(64 * 1024);
    client.write_all(b"one\nBYE\n").await.unwrap();
    let mut echo = pin!(echo(&mut driver));
    // Two megabytes, for longer than a peer may be silent.
    for _ in 0..64 {
        assert!(poke(echo.as_mut()).is_none(), "a reset now would lose the answer");
        clock.advance(Options::DEFAULT.linger / 8);
        client.write_all(&[b'y'; 32 * 1024]).await.unwrap();
    }
    assert!(poke(echo.as_mut()).is_none());
    client.shutdown().await.unwrap();
    assert_eq!(poke(echo.as_mut()).unwrap().unwrap(), 1);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    assert_eq!((&*got, counts.resets.load(Ordering::Relaxed)), ("one\n", 0));
}

#[tokio::test]
async fn closing_drops_only_so_much() {
    let (mut client, mut driver, _counts, _clock) = rig(64 * 1024);
    client.write_all(b"BYE\n").await.unwrap();
    let mut echo = pin!(echo(&mut driver));
    let mut dropped = 0;
    while poke(echo.as_mut()).is_none() {
        client.write_all(&[b'y'; 32 * 1024]).await.unwrap();
        dropped += 32 * 1024;
        assert!(dropped <= Options::DEFAULT.linger_bytes + 128 * 1024, "it never ends");
    }
    assert!(dropped >= Options::DEFAULT.linger_bytes);
}

#[tokio::test]
async fn closing_hears_nobody_for_ever() {
    let (mut client, mut driver, _counts, clock) = rig(64 * 1024);
    client.write_all(b"BYE\n").await.unwrap();
    let mut echo = pin!(echo(&mut driver));
    let step = Options::DEFAULT.linger / 2;
    let mut heard = Duration::ZERO;
    while poke(echo.as_mut()).is_none() {
        client.write_all(b"y").await.unwrap();
        clock.advance(step);
        heard += step;
        assert!(heard <= Options::DEFAULT.linger_most + step, "it never ends");
    }
    assert!(heard >= Options::DEFAULT.linger_most);
}

/// A transport that takes everything and holds it back, as TLS does when its peer reads nothing: it can neither be flushed
/// nor say its end.
struct HoldsBack(MemoryStream);

impl AsyncRead for HoldsBack {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for HoldsBack {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Transport for HoldsBack {}

/// A transport that takes everything at once and passes it on as fast as the stream below takes it: what TLS does with 64 KiB.
struct TakesAll {
    io: MemoryStream,
    held: Out,
    sent: u64,
}

impl TakesAll {
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match Pin::new(&mut self.io).poll_write_out(cx, &mut self.held) {
                Poll::Ready(passed) => self.sent += passed? as u64,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TakesAll {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for TakesAll {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.held.put_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_pass_on(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_pass_on(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.io).poll_shutdown(cx),
            other => other,
        }
    }
}

impl Transport for TakesAll {
    fn sent(&self) -> Option<u64> {
        Some(self.sent)
    }
}

#[tokio::test]
async fn what_a_peer_takes_counts_wherever_the_bytes_wait() {
    // A line of 20,000 bytes, of which the peer takes so many each second, with a credit of half a minute.
    for (rate, heard) in [(300, Ok(20_001)), (100, Err(io::ErrorKind::TimedOut))] {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let (mut client, server) = MemoryStream::pair(64);
        let mut machine = Lines::new(timer.now());
        machine.patience = Duration::from_secs(3600);
        let mut driver = Driver::new(machine, TakesAll { io: server, held: Out::new(), sent: 0 }, &timer);
        client.write_all(b"say\n").await.unwrap();
        let asked = driver.next().await.unwrap().unwrap();
        assert_eq!(asked, "say");
        driver.command(Bytes::from(vec![b'x'; 20_000])).unwrap();
        let task = tokio::spawn(async move { driver.next().await.map(drop).map_err(|error| error.kind()) });
        let mut all = 0;
        for _ in 0..200 {
            let mut room = [0; 10];
            for _ in 0..rate / 10 {
                tokio::task::yield_now().await;
                all += poke(pin!(client.read(&mut room))).map_or(0, Result::unwrap);
            }
            // What has been made room for is filled now, so that nothing but time passes then.
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        let outcome = if task.is_finished() { task.await.unwrap().map(|()| all) } else { Ok(all) };
        assert_eq!(outcome, heard, "at {rate} bytes a second");
    }
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up_wherever_the_bytes_wait() {
    for last in ["", "NEXT\n", "BYE\n"] {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let (mut client, server) = MemoryStream::pair(1024);
        // Before the machine loses its own patience.
        let options = Options { write_timeout: Some(PATIENCE / 2), ..Options::DEFAULT };
        let mut driver = Driver::with_options(Lines::new(timer.now()), HoldsBack(server), &timer, options);
        let task = tokio::spawn(async move { echo(&mut driver).await.map_err(|error| error.kind()) });
        client.write_all(format!("one\n{last}").as_bytes()).await.unwrap();
        for _ in 0..4 {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            clock.advance(PATIENCE / 5);
        }
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert!(task.is_finished(), "{last:?}: it hangs");
        let expected = if last == "BYE\n" { Ok(1) } else { Err(io::ErrorKind::TimedOut) };
        assert_eq!(task.await.unwrap(), expected, "{last:?}");
    }
}

#[tokio::test]
async fn an_abort_resets_and_sends_nothing_more() {
    let (mut client, mut driver, counts, _clock) = rig(1024);
    client.write_all(b"one\nCUT\n").await.unwrap();
    assert_eq!(echo(&mut driver).await.unwrap(), 1);
    assert_eq!((driver.phase(), counts.resets.load(Ordering::Relaxed)), (Phase::Aborted, 1));
}

#[tokio::test]
async fn a_hand_over_writes_first_and_gives_the_rest() {
    let (mut client, mut driver, _counts, _clock) = rig(1024);
    client.write_all(b"one\nNEXT\nof another protocol").await.unwrap();
    assert_eq!(echo(&mut driver).await.unwrap(), 1);
    assert_eq!(driver.phase(), Phase::HandedOver);
    let mut parts = driver.into_parts();
    assert_eq!(parts.input, "of another protocol");
    parts.io.write_all(b"!").await.unwrap();
    let mut got = [0; 5];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"one\n!");
}

#[tokio::test]
async fn what_a_peer_said_before_it_left_is_told_before_the_error() {
    let (mut client, mut driver, _counts, _clock) = rig(1024);
    client.write_all(b"ask\n").await.unwrap();
    let line = driver.next().await.unwrap().unwrap();
    client.write_all(b"never mind\n").await.unwrap();
    drop(client); // writing fails from now on
    driver.command(line).unwrap();
    assert_eq!(driver.next().await.unwrap().unwrap(), "never mind");
    driver.command(Bytes::from_static(b"nobody hears")).unwrap();
    assert_eq!(driver.next().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However input is cut and whatever the stream holds, each line is answered once and in order.
    #[test]
    fn any_cut_of_the_input_is_answered_alike(
        lines in prop::collection::vec("[a-z]{0,40}", 0..40),
        cuts in prop::collection::vec(1usize..60, 1..20),
        buffer in 1usize..200,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sent: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let got = runtime.block_on(async {
            let (client, mut driver, _counts, _clock) = rig(buffer);
            let (mut read, mut write) = tokio::io::split(client);
            let writing = async {
                let mut rest = sent.as_bytes();
                for cut in cuts.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (now, later) = rest.split_at((*cut).min(rest.len()));
                    write.write_all(now).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = later;
                }
                write.shutdown().await.unwrap();
            };
            let reading = async {
                let mut got = String::new();
                read.read_to_string(&mut got).await.unwrap();
                got
            };
            let (count, (), got) = tokio::join!(echo(&mut driver), writing, reading);
            assert_eq!(count.unwrap(), lines.len());
            got
        });
        prop_assert_eq!(got, sent);
    }
}
