//! What the client promises: replies never shift, failures say whether to ask again, and lost connections come back.

mod common;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::*;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, ServiceExt};
use xs_net::client::{self, Backoff, CallError, ClientOptions, Connection, Pushes, Reconnect, ReconnectOptions, Retry};
use xs_net::listener::MemoryStream;
use xs_net::{BoxError, Pipeline, Timer};
use xs_os::{Rng, VirtualClock};
use xs_proto::{Decode, Encode, Out};

type Line = Connection<Bytes, Bytes>;

/// Lines, of which one cannot be encoded, and fails when half of it is.
struct Picky(Lines);

impl Decode for Picky {
    type Item = Bytes;
    type Error = io::Error;
    fn decode(&mut self, src: &mut bytes::BytesMut) -> io::Result<Option<Bytes>> {
        self.0.decode(src)
    }
}

impl Encode<Bytes> for Picky {
    type Error = BoxError;
    fn encode(&mut self, line: Bytes, out: &mut Out) -> Result<(), BoxError> {
        if line == "unspeakable"[..] {
            out.put_slice(b"unspe");
            return Err("no words".into());
        }
        Ok(self.0.encode(line, out)?)
    }
}

/// A client, and the server's side of its connection by hand.
fn by_hand(options: ClientOptions) -> (Line, Pushes<Bytes>, MemoryStream, tokio::task::JoinHandle<io::Result<()>>) {
    let (ours, theirs) = MemoryStream::pair(1 << 16);
    let is_push = |line: &Bytes| line.starts_with(b">");
    let (connection, pushes, driver) = client::connect(ours, Picky(LINES), is_push, options);
    (connection, pushes, theirs, tokio::spawn(driver.run()))
}

async fn call(connection: &mut Line, line: &'static str) -> client::Reply<Bytes> {
    within(connection.ready()).await.unwrap().call(Bytes::from(line))
}

#[tokio::test]
async fn calls_are_pipelined_and_answered_in_order() {
    let (mut connection, _pushes, mut server, _driver) = by_hand(ClientOptions::default());
    let first = call(&mut connection, "a").await;
    let second = call(&mut connection.clone(), "b").await;
    expect(&mut server, "a\nb\n").await; // both before any reply
    server.write_all(b"1\n2\n").await.unwrap();
    assert_eq!((within(second).await.unwrap(), within(first).await.unwrap()), (Bytes::from("2"), Bytes::from("1")));
}

#[tokio::test]
async fn calls_made_together_leave_in_one_write() {
    let (ours, mut server) = MemoryStream::pair(1 << 16);
    let (ours, _, writes) = Counting::new(ours);
    let (mut connection, _pushes, driver) = client::connect(ours, LINES, |_| false, ClientOptions::default());
    let mut replies = Vec::new();
    for _ in 0..100 {
        replies.push(call(&mut connection, "x").await);
    }
    tokio::spawn(driver.run());
    expect(&mut server, &"x\n".repeat(100)).await;
    assert_eq!(writes.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dropped_call_does_not_shift_the_replies() {
    let (mut connection, _pushes, mut server, _driver) = by_hand(ClientOptions::default());
    let given_up = call(&mut connection, "slow").await;
    let kept = call(&mut connection, "kept").await;
    expect(&mut server, "slow\nkept\n").await;
    drop(given_up);
    server.write_all(b"reply to slow\nreply to kept\n").await.unwrap();
    assert_eq!(within(kept).await.unwrap(), "reply to kept");
}

#[tokio::test]
async fn a_call_dropped_before_it_is_sent_is_never_sent() {
    let (mut connection, _pushes, mut server, _driver) = by_hand(ClientOptions::default());
    drop(call(&mut connection, "never").await); // the driver hasn't run yet
    let kept = call(&mut connection, "kept").await;
    expect(&mut server, "kept\n").await;
    server.write_all(b"yes\n").await.unwrap();
    assert_eq!(within(kept).await.unwrap(), "yes");
}

#[tokio::test]
async fn a_request_that_cannot_be_encoded_fails_alone() {
    let (mut connection, _pushes, mut server, _driver) = by_hand(ClientOptions::default());
    let bad = call(&mut connection, "unspeakable").await;
    let good = call(&mut connection, "fine").await;
    let error = within(bad).await.unwrap_err();
    assert_eq!(
        (error.retry(), error.to_string().as_str()),
        (Retry::Useless, "the request cannot be encoded: no words")
    );
    expect(&mut server, "fine\n").await; // and no half of the other one before it
    server.write_all(b"ok\n").await.unwrap();
    assert_eq!(within(good).await.unwrap(), "ok");
}

#[tokio::test]
async fn pushes_go_their_own_way() {
    let (mut connection, mut pushes, mut server, _driver) = by_hand(ClientOptions::default());
    let reply = call(&mut connection, "q").await;
    server.write_all(b">one\nanswer\n>two\n").await.unwrap();
    assert_eq!(within(reply).await.unwrap(), "answer");
    assert_eq!(within(pushes.recv()).await.unwrap(), ">one");
    assert_eq!(within(pushes.recv()).await.unwrap(), ">two");
}

#[tokio::test]
async fn pushes_that_nobody_takes_end_the_connection_and_dropped_ones_do_not() {
    let options = || ClientOptions { pushes: 2, ..ClientOptions::default() };
    let (_connection, _pushes, mut server, driver) = by_hand(options());
    server.write_all(b">1\n>2\n>3\n").await.unwrap();
    assert!(within(driver).await.unwrap().unwrap_err().to_string().contains("not taken"));

    let (mut connection, pushes, mut server, _driver) = by_hand(options());
    drop(pushes);
    server.write_all(b">1\n>2\n>3\n").await.unwrap();
    let reply = call(&mut connection, "q").await;
    expect(&mut server, "q\n").await;
    server.write_all(b"still here\n").await.unwrap();
    assert_eq!(within(reply).await.unwrap(), "still here");
}

#[tokio::test]
async fn a_failure_tells_what_may_be_asked_again() {
    let (ours, mut server) = MemoryStream::pair(8);
    let (mut connection, _pushes, driver) = client::connect(ours, LINES, |_| false, ClientOptions::default());
    let sent = call(&mut connection, "1234567").await; // fills the stream
    let unsent = call(&mut connection, "later").await;
    let driver = tokio::spawn(driver.run());
    settle().await;
    server.shutdown().await.unwrap();
    assert!(within(driver).await.unwrap().is_err());
    assert_eq!(within(sent).await.unwrap_err().retry(), Retry::IfIdempotent);
    assert_eq!(within(unsent).await.unwrap_err().retry(), Retry::Safe);
    let error = within(connection.ready()).await.unwrap_err();
    assert_eq!((error.retry(), connection.is_closed()), (Retry::Safe, true));
}

#[tokio::test]
async fn a_dropped_driver_leaves_nobody_waiting() {
    let (mut connection, _pushes, _server, driver) = by_hand(ClientOptions::default());
    let reply = call(&mut connection, "q").await;
    settle().await;
    driver.abort();
    assert!(matches!(within(reply).await, Err(CallError::Lost(_))));
    assert!(within(connection.ready()).await.is_err());
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let (_connection, _pushes, mut server, driver) = by_hand(ClientOptions::default());
    server.write_all(b"surprise\n").await.unwrap();
    assert_eq!(within(driver).await.unwrap().unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn readiness_holds_back_what_exceeds_the_depth() {
    let (mut connection, _pushes, mut server, _driver) =
        by_hand(ClientOptions { depth: 2, ..ClientOptions::default() });
    let first = call(&mut connection, "1").await;
    let _second = call(&mut connection, "2").await;
    let mut third = connection.clone();
    let waiting = tokio::spawn(async move { third.ready().await.unwrap().call(Bytes::from("3")).await });
    expect(&mut server, "1\n2\n").await;
    settle().await;
    assert!(!waiting.is_finished());
    server.write_all(b"one\n").await.unwrap();
    within(first).await.unwrap();
    expect(&mut server, "3\n").await;
    server.write_all(b"two\nthree\n").await.unwrap();
    assert_eq!(within(waiting).await.unwrap().unwrap(), "three");
}

#[tokio::test]
async fn the_driver_ends_well_when_its_callers_are_gone_and_answered() {
    let (mut connection, _pushes, mut server, driver) = by_hand(ClientOptions::default());
    let reply = call(&mut connection, "last").await;
    drop(connection);
    settle().await;
    assert!(!driver.is_finished());
    server.write_all(b"word\n").await.unwrap();
    assert_eq!(within(reply).await.unwrap(), "word");
    within(driver).await.unwrap().unwrap();
    let mut rest = Vec::new();
    within(server.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"last\n");
}

/// A service that opens the connections that a test prepared, and notes when.
type Plan = Arc<Mutex<VecDeque<Result<MemoryStream, &'static str>>>>;

fn reconnecting(
    plan: Plan,
    timer: &Timer,
    options: ReconnectOptions,
) -> impl Service<Bytes, Response = Bytes, Error = CallError, Future = client::Reply<Bytes>> {
    let make = move || {
        let next = plan.lock().pop_front().unwrap_or(Err("nothing planned"));
        async move {
            let (connection, _, driver) = client::connect(next?, LINES, |_| false, ClientOptions::default());
            tokio::spawn(driver.run());
            Ok::<Line, &'static str>(connection)
        }
    };
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10), Rng::from_seed(42));
    Reconnect::new(make, backoff, timer, options)
}

fn echo_server() -> (MemoryStream, tokio::task::JoinHandle<()>) {
    let (ours, theirs) = MemoryStream::pair(1000);
    let echo = tower::service_fn(|line: Bytes| async move { Ok::<_, io::Error>(line) });
    let run = Pipeline::new(LINES, echo, &Timer::system()).run(theirs);
    (ours, tokio::spawn(async move { drop(run.await) }))
}

#[tokio::test]
async fn a_lost_connection_comes_back_after_a_pause() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let ((first, server), (second, _server)) = (echo_server(), echo_server());
    let plan = Plan::new(Mutex::new(VecDeque::from([Err("refused"), Ok(first), Err("refused"), Ok(second)])));
    let mut service = reconnecting(plan.clone(), &timer, ReconnectOptions::default());

    for word in ["before", "after"] {
        let (answer, ()) =
            tokio::join!(async { service.ready().await.unwrap().call(Bytes::from(word)).await }, async {
                while plan.lock().len() > if word == "before" { 2 } else { 0 } {
                    settle().await;
                    clock.advance(Duration::from_millis(10)); // nothing waits for real time
                }
            });
        assert_eq!(answer.unwrap(), word);
        server.abort();
        settle().await;
    }
}

#[tokio::test]
async fn giving_up_is_an_error_that_may_be_tried_again() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let (io, _server) = echo_server();
    let plan = Plan::new(Mutex::new(VecDeque::from([Err("refused"), Err("refused"), Ok(io)])));
    let options = ReconnectOptions { attempts: Some(2), ..ReconnectOptions::default() };
    let mut service = reconnecting(plan, &timer, options);
    let (error, ()) = tokio::join!(async { service.ready().await.err().unwrap() }, async {
        settle().await;
        clock.advance(Duration::from_secs(1));
    });
    assert_eq!(error.to_string(), "not sent: gave up after 2 attempts: refused");
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(within(service.ready()).await.unwrap().call(Bytes::from("hi")).await.unwrap(), "hi");
}
