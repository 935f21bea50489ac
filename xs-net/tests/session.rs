//! What `Session` promises, one test for each claim.

mod common;

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tower::Service;
use xs_net::listener::{Addr, MemoryStream};
use xs_net::serve::DrainSignal;
use xs_net::session::{
    Cause, HalfClose, Next, Outcome, OutputLimits, PushError, Registry, Session, SessionOptions, TakenOver, Turn,
};
use xs_net::{Handle, Timer, Transport};
use xs_os::VirtualClock;
use xs_proto::Out;

/// A running echo session and its client.
struct Talk<Io = MemoryStream> {
    client: MemoryStream,
    handle: Handle,
    registry: Registry,
    echo: Echo,
    clock: VirtualClock,
    running: JoinHandle<Outcome<Io, Echo, Lines>>,
}

fn talk_over<Io>(client: MemoryStream, server: Io, options: SessionOptions) -> Talk<Io>
where
    Io: Transport + Unpin + Send + 'static,
{
    let (registry, echo, clock) = (Registry::new(), Echo::default(), VirtualClock::new());
    let timer = Timer::new(Arc::new(clock.clone()));
    let session = Session::new(registry.register(Addr::Memory(1)), LINES, echo.clone(), &timer).with_options(options);
    let handle = session.handle().clone();
    Talk { client, handle, registry, echo, clock, running: tokio::spawn(session.run(server)) }
}

fn talk_with(options: SessionOptions) -> Talk {
    let (client, server) = MemoryStream::pair(1 << 20);
    talk_over(client, server, options)
}

fn talk() -> Talk {
    talk_with(SessionOptions::default())
}

impl<Io> Talk<Io> {
    async fn say(&mut self, text: &str) {
        within(self.client.write_all(text.as_bytes())).await.unwrap();
    }

    async fn hear(&mut self, text: &str) {
        expect(&mut self.client, text).await;
    }

    async fn end(self) -> Outcome<Io, Echo, Lines> {
        within(self.running).await.unwrap()
    }

    async fn cause(self) -> Cause {
        match self.end().await {
            Outcome::Closed(cause) => cause,
            Outcome::TakenOver(_) => panic!("nobody asked for a take-over"),
        }
    }
}

async fn rest(io: &mut MemoryStream) -> Vec<u8> {
    let mut rest = Vec::new();
    within(io.read_to_end(&mut rest)).await.unwrap();
    rest
}

#[tokio::test]
async fn a_batch_is_one_call_and_its_replies_are_one_write() {
    let (client, server) = MemoryStream::pair(1 << 20);
    let (server, reads, writes) = Counting::new(server);
    let mut talk = talk_over(client, server, SessionOptions::default());
    let hundred: String = (0..100).map(|i| format!("line {i}\n")).collect();
    talk.say(&hundred).await;
    talk.hear(&hundred).await;
    assert_eq!(talk.echo.turns.load(Ordering::SeqCst), 1);
    assert_eq!((reads.load(Ordering::SeqCst), writes.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn large_replies_leave_by_reference_in_the_same_vectored_write() {
    let (client, server) = MemoryStream::pair(1 << 20);
    let (server, _, writes) = Counting::new(server);
    let mut talk = talk_over(client, server, SessionOptions::default());
    talk.say("a\nlarge\nb\n").await;
    talk.hear(&format!("a\n{}b\n", "x".repeat(100_000))).await;
    assert_eq!(writes.load(Ordering::SeqCst), 1);
}

/// Answers at once, and notices if it isn't asked at once.
struct Immediate;

impl Service<Box<Turn<()>>> for Immediate {
    type Response = Box<Turn<()>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Box<Turn<()>>>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, mut turn: Box<Turn<()>>) -> Self::Future {
        let n = turn.input.len();
        turn.out.put_slice(&turn.input.unread().to_ascii_uppercase());
        turn.input.consume(n);
        ready(Ok(turn))
    }
}

#[tokio::test]
async fn a_ready_future_is_polled_in_place_so_one_poll_reads_and_answers() {
    let (mut client, server) = MemoryStream::pair(1000);
    let session = Session::new(Registry::new().register(Addr::Memory(1)), (), Immediate, &Timer::system());
    let mut run = Box::pin(session.run(server));
    client.write_all(b"hello").await.unwrap();
    // No runtime and no wake-up: a single poll by hand.
    assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    expect(&mut client, "HELLO").await;
}

#[tokio::test]
async fn a_request_in_pieces_stays_undecoded_until_it_is_whole() {
    let mut talk = talk();
    for piece in ["he", "l", "lo\nwor"] {
        talk.say(piece).await;
        settle().await;
    }
    talk.hear("hello\n").await;
    talk.say("ld\n").await;
    talk.hear("world\n").await;
}

#[tokio::test]
async fn a_request_far_beyond_the_read_buffer_is_taken_in() {
    let mut talk = talk();
    let long = "y".repeat(700_000) + "\n";
    talk.say(&long).await;
    talk.hear(&long).await;
}

#[tokio::test]
async fn pushes_stand_behind_the_replies_that_were_given_before_them() {
    let mut talk = talk();
    for round in 0..50 {
        talk.say("reply\n").await;
        talk.hear("reply\n").await;
        talk.handle.push(|out| out.put_slice(format!("push {round}\n").as_bytes())).unwrap();
        talk.handle.push(|out| out.put_slice(b"another\n")).unwrap();
        talk.hear(&format!("push {round}\nanother\n")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_from_other_threads_all_arrive_and_in_the_order_of_each_thread() {
    let mut talk = talk();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let handle = talk.handle.clone();
            std::thread::spawn(move || {
                for i in 0..500 {
                    handle.push(|out| out.put_slice(format!("{t} {i}\n").as_bytes())).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(&mut talk.client));
    for _ in 0..2000 {
        let line = within(lines.next_line()).await.unwrap().unwrap();
        let (t, i) = line.split_once(' ').unwrap();
        let t: usize = t.parse().unwrap();
        assert_eq!(i.parse::<usize>().unwrap(), next[t]);
        next[t] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[tokio::test]
async fn what_was_pushed_before_a_turn_took_effect_goes_before_its_replies() {
    let (mut client, server) = MemoryStream::pair(1000);
    let registration = Registry::new().register(Addr::Memory(1));
    let handle = registration.handle().clone();
    let service = tower::service_fn(move |mut turn: Box<Turn<Lines>>| {
        let line = turn.input.next().unwrap().unwrap();
        // Another thread still has the lock, and pushes; then it is this turn's.
        handle.push(|out| out.put_slice(b"before\n")).unwrap();
        handle.take_pushed(&mut turn.out);
        turn.out.put_slice(&line);
        turn.out.put_u8(b'\n');
        // The lock is given back while the replies are not queued yet.
        handle.push(|out| out.put_slice(b"behind\n")).unwrap();
        ready(Ok::<_, io::Error>(turn))
    });
    tokio::spawn(Session::new(registration, LINES, service, &Timer::system()).run(server));
    for _ in 0..2 {
        client.write_all(b"reply\n").await.unwrap();
        expect(&mut client, "before\nreply\nbehind\n").await;
    }
}

#[tokio::test]
async fn pushes_are_delivered_while_a_request_blocks() {
    let mut talk = talk();
    talk.say("block\n").await;
    settle().await;
    talk.handle.push(|out| out.put_slice(b"news\n")).unwrap();
    talk.hear("news\n").await;
    talk.echo.release.notify_one();
    talk.hear("unblocked\n").await;
}

#[tokio::test]
async fn what_comes_while_a_request_blocks_is_served_after_it() {
    let mut talk = talk();
    talk.say("block\nsame read\nha").await;
    settle().await;
    talk.say("lf\nlater\n").await;
    settle().await;
    talk.echo.release.notify_one();
    talk.hear("unblocked\nsame read\nhalf\nlater\n").await;
}

#[tokio::test]
async fn again_sends_what_is_answered_before_the_slow_request_begins() {
    let mut talk = talk();
    talk.say("first\nagain\nblock\nlast\n").await;
    talk.hear("first\nagain\n").await; // although the third one blocks
    talk.echo.release.notify_one();
    talk.hear("unblocked\nlast\n").await;
    assert_eq!(talk.echo.turns.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_departed_peer_cancels_the_request_that_blocks() {
    let mut talk = talk();
    talk.say("forever\n").await;
    settle().await;
    assert_eq!(talk.echo.cancelled.load(Ordering::SeqCst), 0);
    let (cancelled, registry) = (talk.echo.cancelled.clone(), talk.registry.clone());
    drop(std::mem::replace(&mut talk.client, MemoryStream::pair(1).0));
    assert!(matches!(talk.cause().await, Cause::Departed));
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
    assert!(registry.is_empty());
}

#[tokio::test]
async fn a_departed_peer_is_noticed_behind_bytes_that_it_sent_last() {
    let mut talk = talk();
    talk.say("forever\n").await;
    settle().await;
    talk.say("one more\n").await;
    drop(std::mem::replace(&mut talk.client, MemoryStream::pair(1).0));
    assert!(matches!(talk.cause().await, Cause::Departed));
}

#[tokio::test]
async fn reading_ahead_of_a_blocked_request_is_bounded() {
    let (client, server) = MemoryStream::pair(1000);
    let options = SessionOptions { read_buffer: 100, max_buffered_while_blocked: 1000, ..SessionOptions::default() };
    let mut talk = talk_over(client, server, options);
    talk.say("block\n").await;
    settle().await;
    let mut sent = 0;
    let flood = vec![b'z'; 100];
    while Timer::system().timeout(Duration::from_millis(50), talk.client.write_all(&flood)).await.is_some() {
        sent += flood.len();
        assert!(sent < 20_000, "nothing holds the peer back");
    }
}

#[tokio::test]
async fn a_half_closed_peer_is_still_answered_and_its_last_line_needs_no_end() {
    let mut talk = talk();
    talk.say("one\ntwo\nthree").await;
    talk.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut talk.client).await, b"one\ntwo\nthree\n");
    assert!(matches!(talk.cause().await, Cause::Peer));
}

#[tokio::test]
async fn half_close_can_also_mean_that_the_answer_is_wanted() {
    let mut talk = talk_with(SessionOptions { half_close: HalfClose::Answer, ..SessionOptions::default() });
    talk.say("block\nmore\n").await;
    talk.client.shutdown().await.unwrap();
    settle().await;
    talk.echo.release.notify_one();
    assert_eq!(rest(&mut talk.client).await, b"unblocked\nmore\n");
    assert!(matches!(talk.cause().await, Cause::Peer));
}

#[tokio::test]
async fn the_codec_changes_between_two_requests_of_one_read() {
    let mut talk = talk();
    talk.say("before\nsemicolons\nafter;with\nnewline;").await;
    talk.hear("before\nafter;with\nnewline;").await;
}

#[tokio::test]
async fn close_sends_what_is_queued_and_ignores_the_rest() {
    let mut talk = talk();
    talk.say("one\nclose\nnever\n").await;
    assert_eq!(rest(&mut talk.client).await, b"one\nbye\n");
    assert!(matches!(talk.cause().await, Cause::Service));
}

#[tokio::test]
async fn a_take_over_gets_the_stream_the_undecoded_bytes_and_the_registration() {
    let mut talk = talk();
    talk.say("one\ntake\nundecoded \0 bytes").await;
    talk.hear("one\nyours\n").await;
    let (registry, handle, mut client) =
        (talk.registry.clone(), talk.handle.clone(), std::mem::replace(&mut talk.client, MemoryStream::pair(1).0));
    let Outcome::TakenOver(TakenOver { mut io, unread, mut registration, .. }) = talk.end().await else {
        panic!("the connection was given up")
    };
    assert_eq!(unread, "undecoded \0 bytes");
    io.write_all(b"raw").await.unwrap();
    expect(&mut client, "raw").await;

    // It is still listed, pushed to and killed, now by way of whoever holds the registration.
    assert_eq!(registry.len(), 1);
    let (mut out, waker) = (Out::new(), Waker::noop());
    assert!(registration.poll_mail(waker, &mut out).is_pending());
    handle.push(|out| out.put_slice(b"mail")).unwrap();
    assert!(matches!(registration.poll_mail(waker, &mut out), Poll::Ready(Ok(None))));
    assert_eq!(out.to_vec(), b"mail");
    registry.kill(handle.id());
    assert!(matches!(registration.poll_mail(waker, &mut out), Poll::Ready(Err(Cause::Killed))));
    drop(registration);
    assert!(registry.is_empty() && handle.is_closed());
    assert_eq!(handle.push(|_| ()), Err(PushError::Closed));
}

#[tokio::test]
async fn a_take_over_waits_for_a_slow_reader_to_take_the_queue() {
    let (client, server) = MemoryStream::pair(10);
    let mut talk = talk_over(client, server, SessionOptions::default());
    talk.say("0123456789abcdef\ntake\n").await;
    settle().await;
    assert!(!talk.running.is_finished());
    talk.hear("0123456789abcdef\nyours\n").await;
    assert!(matches!(talk.end().await, Outcome::TakenOver(_)));
}

#[tokio::test]
async fn a_failing_service_ends_its_connection_alone() {
    let (mut fails, mut lives) = (talk(), talk());
    fails.say("fail\n").await;
    let cause = fails.cause().await;
    assert!(matches!(&cause, Cause::Failed(e) if e.to_string() == "asked to fail"), "{cause}");
    lives.say("still here\n").await;
    lives.hear("still here\n").await;
}

#[tokio::test]
async fn a_panicking_service_ends_its_connection_alone_and_leaves_the_registry() {
    let mut talk = talk();
    talk.say("panic\n").await;
    let registry = talk.registry.clone();
    let cause = talk.cause().await; // the task itself has not panicked
    assert!(matches!(&cause, Cause::Panicked(text) if text == "asked to panic"), "{cause}");
    assert!(registry.is_empty());
}

#[tokio::test]
async fn the_registry_lists_finds_and_kills() {
    let registry = Registry::new();
    let sessions: Vec<_> = (1..=3)
        .map(|n| {
            let (client, server) = MemoryStream::pair(1000);
            let session = Session::new(registry.register(Addr::Memory(n)), LINES, Echo::default(), &Timer::system());
            (client, tokio::spawn(session.run(server)))
        })
        .collect();
    let ids = |registry: &Registry| registry.handles().iter().map(Handle::id).collect::<Vec<_>>();
    assert_eq!(ids(&registry), [1, 2, 3]);
    assert_eq!(registry.get(2).unwrap().peer(), &Addr::Memory(2));
    assert!(registry.kill(2) && !registry.kill(99));
    let mut sessions = sessions.into_iter();
    let _first = sessions.next();
    let (mut client, running) = sessions.next().unwrap();
    assert!(matches!(within(running).await.unwrap().cause(), Some(Cause::Killed)));
    assert_eq!(rest(&mut client).await, b"");
    assert_eq!(ids(&registry), [1, 3]);
    assert_eq!(registry.register(Addr::Memory(4)).handle().id(), 4); // a number is never used twice
}

#[tokio::test]
async fn a_kill_reaches_a_request_that_blocks() {
    let mut talk = talk();
    talk.say("forever\n").await;
    settle().await;
    talk.handle.kill();
    let cancelled = talk.echo.cancelled.clone();
    assert!(matches!(talk.cause().await, Cause::Killed));
    assert_eq!(cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn ten_slow_readers_cost_no_more_than_their_limit() {
    const LIMIT: usize = 50_000;
    let options = || SessionOptions { output: OutputLimits::hard(LIMIT), ..SessionOptions::default() };
    let talks: Vec<_> = (0..10)
        .map(|_| {
            let (client, server) = MemoryStream::pair(100);
            talk_over(client, server, options())
        })
        .collect();
    for mut talk in talks {
        let mut refused = None;
        for _ in 0..1000 {
            settle().await;
            let pushed = talk.handle.push(|out| out.put_slice(&[b'p'; 999]));
            assert!(talk.handle.pending_output() <= LIMIT);
            if let Err(e) = pushed {
                refused = Some(e);
                break;
            }
        }
        assert_eq!(refused, Some(PushError::Overflow));
        let registry = talk.registry.clone();
        talk.say("").await;
        assert!(matches!(talk.cause().await, Cause::Overflow));
        assert!(registry.is_empty());
    }
}

#[tokio::test]
async fn replies_count_against_the_limit_as_pushes_do() {
    let (client, server) = MemoryStream::pair(1000);
    let options = SessionOptions { output: OutputLimits::hard(150_000), ..SessionOptions::default() };
    let mut talk = talk_over(client, server, options);
    talk.say("large\n").await; // 100 KB that nobody reads: within the limit
    settle().await;
    assert!(talk.handle.pending_output() > 90_000);
    talk.say("large\n").await;
    assert!(matches!(talk.cause().await, Cause::Overflow));
}

#[tokio::test]
async fn the_soft_limit_must_be_exceeded_without_a_break() {
    let seconds = Duration::from_secs;
    let (client, server) = MemoryStream::pair(1000);
    let output = OutputLimits { hard: usize::MAX, soft: 50_000, soft_for: seconds(60) };
    let mut talk = talk_over(client, server, SessionOptions { output, ..SessionOptions::default() });
    for _ in 0..3 {
        talk.say("large\n").await;
        settle().await;
        talk.clock.advance(seconds(59));
        settle().await;
        talk.hear(&"x".repeat(100_000)).await; // in time, and the count begins anew
        settle().await;
    }
    talk.say("large\n").await;
    settle().await;
    talk.clock.advance(seconds(60));
    assert!(matches!(talk.cause().await, Cause::Overflow));
}

#[tokio::test]
async fn limits_can_be_changed_from_outside() {
    let (client, server) = MemoryStream::pair(1000);
    let mut talk = talk_over(client, server, SessionOptions::default());
    talk.say("large\n").await;
    settle().await;
    talk.handle.set_output_limits(OutputLimits::hard(10));
    assert_eq!(talk.handle.output_limits().hard, 10);
    assert!(matches!(talk.cause().await, Cause::Overflow));
}

#[tokio::test]
async fn above_the_high_water_mark_no_request_is_served() {
    let (client, server) = MemoryStream::pair(1000);
    let mut talk = talk_over(client, server, SessionOptions { high_water: Some(50_000), ..SessionOptions::default() });
    for _ in 0..5 {
        talk.say("large\n").await;
        settle().await;
    }
    assert_eq!(talk.echo.turns.load(Ordering::SeqCst), 1); // the other four wait in the peer's own socket
    assert!(talk.handle.pending_output() < 100_000);
    talk.hear(&"x".repeat(500_000)).await;
}

#[tokio::test]
async fn the_limit_of_a_request_can_be_changed_on_a_live_connection() {
    let mut talk = talk();
    talk.handle.set_max_unread(10);
    talk.say("a whole line may be longer\n").await;
    talk.hear("a whole line may be longer\n").await;
    talk.say("a part may not").await;
    assert!(matches!(talk.cause().await, Cause::Unread));
}

#[tokio::test]
async fn a_request_beyond_the_limit_ends_the_connection() {
    let mut talk = talk_with(SessionOptions { max_unread: 1000, ..SessionOptions::default() });
    talk.say(&"n".repeat(1001)).await;
    assert!(matches!(talk.cause().await, Cause::Unread));
}

#[tokio::test]
async fn an_idle_peer_is_closed_when_the_clock_says_so() {
    let minute = Duration::from_secs(60);
    let mut talk = talk_with(SessionOptions { idle_timeout: Some(minute), ..SessionOptions::default() });
    for _ in 0..5 {
        settle().await;
        talk.clock.advance(minute / 2);
        settle().await;
        talk.say("busy\n").await;
        talk.hear("busy\n").await;
    }
    talk.clock.advance(minute / 4); // the next look sees the last movement
    settle().await;
    talk.clock.advance(minute - Duration::from_secs(1));
    settle().await;
    assert!(!talk.running.is_finished());
    talk.clock.advance(Duration::from_secs(1));
    assert!(matches!(talk.cause().await, Cause::Idle));
}

#[tokio::test]
async fn waiting_for_an_answer_is_not_idleness() {
    let minute = Duration::from_secs(60);
    let mut talk = talk_with(SessionOptions { idle_timeout: Some(minute), ..SessionOptions::default() });
    talk.say("block\n").await;
    for _ in 0..20 {
        settle().await;
        talk.clock.advance(minute);
    }
    talk.echo.release.notify_one();
    talk.hear("unblocked\n").await;
}

#[tokio::test]
async fn the_idle_timeout_can_be_set_on_a_live_connection() {
    let talk = talk();
    settle().await;
    talk.handle.set_idle_timeout(Some(Duration::from_secs(5)));
    settle().await;
    talk.clock.advance(Duration::from_secs(5));
    assert!(matches!(talk.cause().await, Cause::Idle));
}

#[tokio::test]
async fn a_drain_lets_the_request_in_flight_end_and_then_closes() {
    let (mut client, server) = MemoryStream::pair(1000);
    let (signal, echo) = (DrainSignal::new(), Echo::default());
    let session = Session::new(Registry::new().register(Addr::Memory(1)), LINES, echo.clone(), &Timer::system())
        .with_drain(signal.drain());
    let running = tokio::spawn(session.run(server));
    client.write_all(b"block\nsame read\n").await.unwrap();
    settle().await;
    signal.start();
    settle().await;
    client.write_all(b"too late\n").await.unwrap();
    settle().await;
    assert!(!running.is_finished());
    echo.release.notify_one();
    assert_eq!(rest(&mut client).await, b"unblocked\nsame read\n");
    assert!(matches!(within(running).await.unwrap().cause(), Some(Cause::Finished)));
}

#[tokio::test]
async fn a_finishing_session_notices_that_the_peer_of_a_blocked_request_has_left() {
    for late in ["", "late\n"] {
        let mut talk = talk();
        talk.say("forever\n").await;
        settle().await;
        talk.handle.finish();
        settle().await;
        talk.say(late).await;
        settle().await;
        assert!(!talk.running.is_finished());
        drop(std::mem::replace(&mut talk.client, MemoryStream::pair(1).0));
        let cancelled = talk.echo.cancelled.clone();
        assert!(matches!(talk.cause().await, Cause::Departed), "{late:?}");
        assert_eq!(cancelled.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn what_comes_after_the_order_to_finish_is_not_begun() {
    let mut talk = talk();
    talk.say("block\nbefore\n").await;
    settle().await;
    talk.handle.finish();
    settle().await;
    talk.say("after\n").await;
    settle().await;
    talk.echo.release.notify_one();
    assert_eq!(rest(&mut talk.client).await, b"unblocked\nbefore\n");
    assert!(matches!(talk.cause().await, Cause::Finished));
}

#[tokio::test]
async fn finish_closes_an_idle_connection_at_once() {
    let talk = talk();
    settle().await;
    talk.handle.finish();
    assert!(matches!(talk.cause().await, Cause::Finished));
}

#[tokio::test]
async fn input_of_an_earlier_protocol_comes_first() {
    let (mut client, server) = MemoryStream::pair(1000);
    let session = Session::new(Registry::new().register(Addr::Memory(1)), LINES, Echo::default(), &Timer::system())
        .with_input(BytesMut::from("from bef"));
    tokio::spawn(session.run(server));
    client.write_all(b"ore\n").await.unwrap();
    expect(&mut client, "from before\n").await;
}

/// Clones answer ready only if they themselves were asked.
struct Wary {
    asked: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Wary {
    fn clone(&self) -> Self {
        Wary { asked: false, calls: self.calls.clone() }
    }
}

impl Service<Box<Turn<()>>> for Wary {
    type Response = Box<Turn<()>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Box<Turn<()>>>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.asked = true;
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, mut turn: Box<Turn<()>>) -> Self::Future {
        assert!(std::mem::take(&mut self.asked), "called without having been asked");
        self.calls.fetch_add(1, Ordering::SeqCst);
        turn.out.put_u8(b'.');
        turn.input.consume(1);
        turn.next = Next::Again;
        ready(Ok(turn))
    }
}

#[tokio::test]
async fn the_value_that_answered_ready_is_the_one_that_is_called() {
    let (mut client, server) = MemoryStream::pair(1000);
    let wary = Wary { asked: false, calls: Arc::default() };
    let calls = wary.calls.clone();
    let session = Session::new(Registry::new().register(Addr::Memory(1)), (), wary, &Timer::system());
    tokio::spawn(session.run(server));
    client.write_all(&[b'x'; 100]).await.unwrap();
    expect(&mut client, &".".repeat(100)).await; // more turns than one poll takes
    assert_eq!(calls.load(Ordering::SeqCst), 100);
}

#[test]
fn a_turn_can_be_made_without_a_connection() {
    let mut turn = Turn::new(LINES, BytesMut::from("a\nb"));
    assert_eq!(turn.input.next().unwrap(), Some(Bytes::from("a")));
    assert_eq!(turn.input.next().unwrap(), None);
    assert_eq!(turn.input.unread(), b"b");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// However the input is cut, however little the stream holds and whatever blocks, every line is answered in order.
    #[test]
    fn any_cut_of_the_input_gives_the_same_replies(
        lines in proptest::collection::vec("[a-z]{0,20}|again|block|semicolons", 0..40),
        cuts in proptest::collection::vec(1_usize..50, 1..20),
        buffer in 1_usize..100,
        high_water in proptest::option::of(0_usize..50),
    ) {
        let (mut end, mut input, mut expected) = ('\n', String::new(), String::new());
        for line in &lines {
            input.push_str(line);
            input.push(end);
            match &line[..] {
                "semicolons" => end = ';',
                "block" => expected.push_str("unblocked\n"),
                "again" => expected.push_str("again\n"),
                line => {
                    expected.push_str(line);
                    expected.push(end);
                }
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let replies = runtime.block_on(async {
            let (client, server) = MemoryStream::pair(buffer);
            let options = SessionOptions {
                read_buffer: 8,
                high_water,
                half_close: HalfClose::Answer,
                max_buffered_while_blocked: 16,
                ..SessionOptions::default()
            };
            let mut talk = talk_over(client, server, options);
            let release = talk.echo.release.clone();
            let releasing = tokio::spawn(async move {
                loop {
                    release.notify_one();
                    tokio::task::yield_now().await;
                }
            });
            let (mut reader, mut writer) = tokio::io::split(&mut talk.client);
            let mut replies = String::new();
            let write = async {
                let (mut rest, mut cuts) = (input.as_bytes(), cuts.iter().cycle());
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                    writer.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = later;
                }
                writer.shutdown().await.unwrap();
            };
            within(async { tokio::join!(write, reader.read_to_string(&mut replies)).1 }).await.unwrap();
            releasing.abort();
            replies
        });
        proptest::prop_assert_eq!(replies, expected);
    }
}
