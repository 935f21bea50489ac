//! What `Pipeline` promises, and the first trap.

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tower::Service;
use tower::limit::ConcurrencyLimit;
use xs_net::listener::{Addr, MemoryStream};
use xs_net::pipeline::PipelineOptions;
use xs_net::serve::DrainSignal;
use xs_net::session::Cause;
use xs_net::{BoxError, Pipeline, Registry, Timer};
use xs_os::VirtualClock;

/// Echoes; a line that begins with "wait" takes a permit of the gate first.
#[derive(Clone)]
struct Gated {
    gate: Arc<Semaphore>,
    started: Arc<AtomicUsize>,
}

fn gated() -> Gated {
    Gated { gate: Arc::new(Semaphore::new(0)), started: Arc::default() }
}

impl Service<Bytes> for Gated {
    type Response = Bytes;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Bytes, BoxError>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, line: Bytes) -> Self::Future {
        self.started.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.clone();
        assert!(line != "panic in call"[..], "asked to");
        Box::pin(async move {
            if line.starts_with(b"wait") {
                gate.acquire().await?.forget();
            }
            match &line[..] {
                b"fail" => Err("asked to fail".into()),
                b"panic" => panic!("asked to panic"),
                b"large" => Ok(Bytes::from(vec![b'x'; 50_000])),
                _ => Ok(line),
            }
        })
    }
}

fn start<S>(service: S, options: PipelineOptions) -> (MemoryStream, tokio::task::JoinHandle<Cause>)
where
    S: Service<Bytes, Response = Bytes, Future: Send> + Send + 'static,
    S::Error: Into<BoxError> + Send,
{
    let (client, server) = MemoryStream::pair(1 << 20);
    let pipeline = Pipeline::new(LINES, service, &Timer::system()).with_options(options);
    (client, tokio::spawn(pipeline.run(server)))
}

#[tokio::test]
async fn replies_keep_the_order_of_requests_whatever_finishes_first() {
    let service = gated();
    let (mut client, _running) = start(service.clone(), PipelineOptions::default());
    client.write_all(b"wait 1\nquick 2\nwait 3\nquick 4\n").await.unwrap();
    settle().await;
    assert_eq!(service.started.load(Ordering::SeqCst), 4); // all at once
    client.write_all(b"quick 5\n").await.unwrap();
    settle().await;
    assert_eq!(service.started.load(Ordering::SeqCst), 5); // a later read starts while earlier ones are in flight
    service.gate.add_permits(2);
    expect(&mut client, "wait 1\nquick 2\nwait 3\nquick 4\nquick 5\n").await;
}

#[tokio::test]
async fn trap_1_a_concurrency_limit_of_one_makes_progress() {
    let service = gated();
    let (mut client, _running) = start(ConcurrencyLimit::new(service.clone(), 1), PipelineOptions::default());
    client.write_all(b"wait 1\nwait 2\nwait 3\n").await.unwrap();
    settle().await;
    assert_eq!(service.started.load(Ordering::SeqCst), 1);
    service.gate.add_permits(3);
    expect(&mut client, "wait 1\nwait 2\nwait 3\n").await;
}

#[tokio::test]
async fn an_idle_connection_holds_no_place_of_a_shared_limit() {
    let shared = tower::limit::GlobalConcurrencyLimitLayer::new(1);
    let limited = || tower::Layer::layer(&shared, gated());
    let (mut idle, _a) = start(limited(), PipelineOptions::default());
    idle.write_all(b"once\n").await.unwrap();
    expect(&mut idle, "once\n").await;
    let (mut other, _b) = start(limited(), PipelineOptions::default());
    other.write_all(b"now me\n").await.unwrap();
    expect(&mut other, "now me\n").await;
}

#[tokio::test]
async fn no_more_than_depth_calls_are_in_flight() {
    let service = gated();
    let (mut client, _running) = start(service.clone(), PipelineOptions { depth: 3, ..PipelineOptions::default() });
    client.write_all(&b"wait\n".repeat(10)).await.unwrap();
    settle().await;
    assert_eq!(service.started.load(Ordering::SeqCst), 3);
    service.gate.add_permits(1);
    settle().await;
    assert_eq!(service.started.load(Ordering::SeqCst), 4);
    service.gate.add_permits(9);
    expect(&mut client, &"wait\n".repeat(10)).await;
}

#[tokio::test]
async fn a_slow_reader_holds_back_its_own_requests() {
    let service = gated();
    let (mut client, server) = MemoryStream::pair(1000);
    let options = PipelineOptions { depth: 2, high_water: 10_000, ..PipelineOptions::default() };
    let pipeline = Pipeline::new(LINES, service.clone(), &Timer::system()).with_options(options);
    tokio::spawn(pipeline.run(server));
    client.write_all(&b"large\n".repeat(20)).await.unwrap();
    settle().await;
    assert!(service.started.load(Ordering::SeqCst) <= 3);
    expect(&mut client, &("x".repeat(50_000) + "\n").repeat(20)).await;
}

#[tokio::test]
async fn replies_that_are_ready_together_leave_in_one_write() {
    let (mut client, server) = MemoryStream::pair(1 << 20);
    let (server, _, writes) = Counting::new(server);
    tokio::spawn(Pipeline::new(LINES, gated(), &Timer::system()).run(server));
    let many: String = (0..200).map(|i| format!("{i}\n")).collect(); // more than the depth
    client.write_all(many.as_bytes()).await.unwrap();
    expect(&mut client, &many).await;
    assert_eq!(writes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failing_or_panicking_service_ends_its_connection_after_what_was_answered() {
    for (last, failed) in [("fail", true), ("panic", false), ("panic in call", false)] {
        let (mut client, running) = start(gated(), PipelineOptions::default());
        client.write_all(b"one\n").await.unwrap();
        expect(&mut client, "one\n").await;
        client.write_all(format!("{last}\nnever\n").as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        within(client.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
        let cause = within(running).await.unwrap();
        assert_eq!((matches!(cause, Cause::Failed(_)), matches!(cause, Cause::Panicked(_))), (failed, !failed));
    }
}

#[tokio::test]
async fn requests_before_undecodable_bytes_are_answered() {
    let service = gated();
    let (mut client, running) = start(service.clone(), PipelineOptions::default());
    client.write_all(b"wait\nfine\ngarbage\nnever\n").await.unwrap();
    settle().await;
    service.gate.add_permits(1);
    let mut rest = String::new();
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "wait\nfine\n");
    assert!(matches!(within(running).await.unwrap(), Cause::Decode(_)));
}

#[tokio::test]
async fn a_half_closed_peer_gets_all_its_answers() {
    let service = gated();
    let (mut client, running) = start(service.clone(), PipelineOptions::default());
    client.write_all(b"wait\nlast without end").await.unwrap();
    client.shutdown().await.unwrap();
    settle().await;
    service.gate.add_permits(1);
    let mut rest = String::new();
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "wait\nlast without end\n");
    assert!(matches!(within(running).await.unwrap(), Cause::Peer));
}

#[tokio::test]
async fn a_drain_answers_what_was_read_and_closes() {
    let (mut client, server) = MemoryStream::pair(1000);
    let (signal, service) = (DrainSignal::new(), gated());
    let pipeline = Pipeline::new(LINES, service.clone(), &Timer::system()).with_drain(signal.drain());
    let running = tokio::spawn(pipeline.run(server));
    client.write_all(b"wait\nread\nhal").await.unwrap();
    settle().await;
    signal.start();
    settle().await;
    service.gate.add_permits(1);
    let mut rest = String::new();
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "wait\nread\n"); // and not the half of a request
    assert!(matches!(within(running).await.unwrap(), Cause::Finished));
}

#[tokio::test]
async fn a_registered_pipeline_is_pushed_to_and_killed() {
    let (mut client, server) = MemoryStream::pair(1000);
    let registry = Registry::new();
    let registration = registry.register(Addr::Memory(1));
    let handle = registration.handle().clone();
    let pipeline = Pipeline::new(LINES, gated(), &Timer::system()).with_registration(registration);
    let running = tokio::spawn(pipeline.run(server));
    settle().await;
    handle.push(|out| out.put_slice(b"news\n")).unwrap();
    expect(&mut client, "news\n").await;
    client.write_all(b"wait\n").await.unwrap();
    settle().await;
    handle.kill();
    assert!(matches!(within(running).await.unwrap(), Cause::Killed));
    assert!(registry.is_empty());
}

#[tokio::test]
async fn an_idle_peer_is_closed_and_a_waiting_one_is_not() {
    let (mut client, server) = MemoryStream::pair(1000);
    let (clock, service, minute) = (VirtualClock::new(), gated(), Duration::from_secs(60));
    let options = PipelineOptions { idle_timeout: Some(minute), ..PipelineOptions::default() };
    let timer = Timer::new(Arc::new(clock.clone()));
    let running = tokio::spawn(Pipeline::new(LINES, service.clone(), &timer).with_options(options).run(server));
    client.write_all(b"wait\n").await.unwrap();
    for _ in 0..10 {
        settle().await;
        clock.advance(minute);
    }
    service.gate.add_permits(1);
    expect(&mut client, "wait\n").await;
    for _ in 0..2 {
        settle().await;
        clock.advance(minute);
    }
    assert!(matches!(within(running).await.unwrap(), Cause::Idle));
}

#[tokio::test]
async fn an_endless_request_ends_the_connection() {
    let options = PipelineOptions { max_unread: 1000, ..PipelineOptions::default() };
    let (mut client, running) = start(gated(), options);
    let _ = client.write_all(&[b'n'; 5000]).await;
    assert!(matches!(within(running).await.unwrap(), Cause::Unread));
}

#[test]
fn errors_can_be_read_by_people() {
    let cause = Cause::Io(io::Error::other("disk on fire"));
    assert_eq!(cause.to_string(), "the stream failed: disk on fire");
}
