//! What `serve` promises: the traps of the accept loop, each as a test.

mod common;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tower::Service;
use tower::limit::ConcurrencyLimit;
use xs_net::listener::{Addr, Listener, MemoryConnector, MemoryStream};
use xs_net::serve::{AtLimit, Conn, ConnectionLimit, Drained, ServeOptions, serve, serve_with};
use xs_net::{MemoryListener, Registry, Session, Timer};
use xs_os::VirtualClock;

type MemoryConn = Conn<MemoryStream, Addr>;

/// Every connection is an echo session that drains.
fn sessions(
    registry: &Registry,
    echo: &Echo,
) -> impl Service<MemoryConn, Response = (), Error = Infallible, Future: Send> + use<> {
    let (registry, echo) = (registry.clone(), echo.clone());
    tower::service_fn(move |conn: MemoryConn| {
        let session = Session::new(registry.register(conn.peer), LINES, echo.clone(), &Timer::system());
        let run = session.with_drain(conn.drain).run(conn.io);
        async move {
            let _ = run.await;
            Ok(())
        }
    })
}

async fn alive(connector: &MemoryConnector) -> MemoryStream {
    let mut client = within(connector.connect()).await.unwrap();
    client.write_all(b"hello\n").await.unwrap();
    expect(&mut client, "hello\n").await;
    client
}

#[tokio::test]
async fn shutdown_drains_the_live_connections_and_refuses_new_ones() {
    let (listener, connector) = MemoryListener::new(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let (registry, echo) = (Registry::new(), Echo::default());
    let server = tokio::spawn(serve(listener, sessions(&registry, &echo), stopped));
    let mut idle = alive(&connector).await;
    let mut busy = alive(&connector).await;
    busy.write_all(b"block\n").await.unwrap();
    settle().await;
    drop(stop);
    assert_eq!(within(idle.read(&mut [0])).await.unwrap(), 0); // nothing to finish
    assert_eq!(connector.connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.is_finished());
    echo.release.notify_one();
    expect(&mut busy, "unblocked\n").await;
    assert_eq!(within(server).await.unwrap().unwrap(), Drained { aborted: 0 });
    assert!(registry.is_empty());
}

#[tokio::test]
async fn connections_that_do_not_end_in_time_are_cut() {
    let clock = VirtualClock::new();
    let (listener, connector) = MemoryListener::new(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let (registry, echo) = (Registry::new(), Echo::default());
    let options = ServeOptions { timer: Timer::new(Arc::new(clock.clone())), ..ServeOptions::default() };
    let server = tokio::spawn(serve_with(listener, sessions(&registry, &echo), stopped, options));
    let mut client = alive(&connector).await;
    client.write_all(b"forever\n").await.unwrap();
    settle().await;
    drop(stop);
    settle().await;
    clock.advance(Duration::from_secs(9));
    settle().await;
    assert!(!server.is_finished());
    clock.advance(Duration::from_secs(1));
    assert_eq!(within(server).await.unwrap().unwrap(), Drained { aborted: 1 });
    assert_eq!(echo.cancelled.load(Ordering::SeqCst), 1);
    assert!(registry.is_empty());
}

#[tokio::test]
async fn at_the_limit_the_next_connection_waits_for_a_place() {
    let (listener, connector) = MemoryListener::new(8);
    let limit = ConnectionLimit::new(2);
    let options = ServeOptions { limit: limit.clone(), ..ServeOptions::default() };
    tokio::spawn(serve_with(listener, sessions(&Registry::new(), &Echo::default()), pending::<()>(), options));
    let first = alive(&connector).await;
    let _second = alive(&connector).await;
    let mut third = connector.connect().await.unwrap();
    third.write_all(b"hello\n").await.unwrap();
    settle().await;
    assert_eq!(limit.open(), 2);
    drop(first);
    expect(&mut third, "hello\n").await;
    assert_eq!(limit.open(), 2);
}

#[tokio::test]
async fn at_the_limit_a_connection_can_also_be_told_and_closed() {
    let (listener, connector) = MemoryListener::new(8);
    let limit = ConnectionLimit::new(1);
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"-ERR max number of clients reached\r\n"));
    let options = ServeOptions { limit: limit.clone(), at_limit, ..ServeOptions::default() };
    tokio::spawn(serve_with(listener, sessions(&Registry::new(), &Echo::default()), pending::<()>(), options));
    let first = alive(&connector).await;
    for _ in 0..3 {
        let mut text = String::new();
        let mut refused = connector.connect().await.unwrap();
        within(refused.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "-ERR max number of clients reached\r\n");
    }
    drop(first);
    settle().await;
    let _second = alive(&connector).await;
    limit.set_max(2);
    alive(&connector).await; // more places while the loop waits to refuse
}

/// Ready once for each permit.
struct Gated<S> {
    inner: S,
    gate: tokio_util::sync::PollSemaphore,
}

impl<S: Service<MemoryConn>> Service<MemoryConn> for Gated<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.gate.poll_acquire(cx) {
            Poll::Ready(permit) => permit.expect("the gate is never taken away").forget(),
            Poll::Pending => return Poll::Pending,
        }
        self.inner.poll_ready(cx)
    }
    fn call(&mut self, conn: MemoryConn) -> Self::Future {
        self.inner.call(conn)
    }
}

#[tokio::test]
async fn a_connection_that_finds_a_place_is_kept_until_the_service_is_ready() {
    let (listener, connector) = MemoryListener::new(8);
    let (limit, gate) = (ConnectionLimit::new(1), Arc::new(tokio::sync::Semaphore::new(1)));
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"full"));
    let options = ServeOptions { limit: limit.clone(), at_limit, ..ServeOptions::default() };
    let inner = sessions(&Registry::new(), &Echo::default());
    let service = Gated { inner, gate: tokio_util::sync::PollSemaphore::new(gate.clone()) };
    tokio::spawn(serve_with(listener, service, pending::<()>(), options));
    let _first = alive(&connector).await;
    settle().await;
    limit.set_max(2); // while the loop waits to refuse, and the service isn't ready for another one
    let mut second = connector.connect().await.unwrap();
    second.write_all(b"hello\n").await.unwrap();
    settle().await;
    gate.add_permits(1);
    expect(&mut second, "hello\n").await;
    let mut third = String::new();
    within(connector.connect().await.unwrap().read_to_string(&mut third)).await.unwrap();
    assert_eq!((third.as_str(), limit.refused()), ("full", 1));
}

#[tokio::test]
async fn loops_that_refuse_hold_no_places_of_the_limit_that_they_share() {
    let limit = ConnectionLimit::new(2);
    let mut connectors = Vec::new();
    for _ in 0..3 {
        let (listener, connector) = MemoryListener::new(8);
        let at_limit = AtLimit::Refuse(Bytes::from_static(b"full"));
        let options = ServeOptions { limit: limit.clone(), at_limit, ..ServeOptions::default() };
        tokio::spawn(serve_with(listener, sessions(&Registry::new(), &Echo::default()), pending::<()>(), options));
        connectors.push(connector);
    }
    settle().await;
    let _two = (alive(&connectors[0]).await, alive(&connectors[0]).await);
    let mut third = String::new();
    within(connectors[1].connect().await.unwrap().read_to_string(&mut third)).await.unwrap();
    assert_eq!((third.as_str(), limit.open()), ("full", 2));
    limit.set_max(3);
    alive(&connectors[2]).await;
    // And when there are fewer places than connections, the next one finds none.
    settle().await;
    limit.set_max(1);
    let mut fourth = String::new();
    within(connectors[2].connect().await.unwrap().read_to_string(&mut fourth)).await.unwrap();
    assert_eq!(fourth, "full");
}

#[tokio::test]
async fn shutdown_is_heard_while_a_connection_waits_for_the_service() {
    let (listener, connector) = MemoryListener::new(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let limit = ConnectionLimit::new(0);
    let at_limit = AtLimit::Refuse(Bytes::from_static(b"full"));
    let options = ServeOptions { limit: limit.clone(), at_limit, ..ServeOptions::default() };
    let gate = tokio_util::sync::PollSemaphore::new(Arc::new(tokio::sync::Semaphore::new(0)));
    let service = Gated { inner: sessions(&Registry::new(), &Echo::default()), gate };
    let server = tokio::spawn(serve_with(listener, service, stopped, options));
    settle().await;
    limit.set_max(1);
    let mut kept = connector.connect().await.unwrap();
    settle().await;
    assert_eq!(limit.open(), 1);
    drop(stop);
    within(server).await.unwrap().unwrap();
    assert_eq!((within(kept.read(&mut [0])).await.unwrap(), limit.open()), (0, 0));
}

#[tokio::test]
async fn trap_2_shutdown_is_heard_while_saturated() {
    for limited_by_service in [true, false] {
        let (listener, connector) = MemoryListener::new(8);
        let (stop, stopped) = oneshot::channel::<()>();
        let limit = ConnectionLimit::new(if limited_by_service { 100 } else { 1 });
        let options = ServeOptions { limit, ..ServeOptions::default() };
        let answer = sessions(&Registry::new(), &Echo::default());
        let service = ConcurrencyLimit::new(answer, if limited_by_service { 1 } else { 100 });
        let server = tokio::spawn(serve_with(listener, service, stopped, options));
        let _live = alive(&connector).await;
        let _waiting = connector.connect().await.unwrap();
        settle().await;
        drop(stop); // and the live connection is told, or this would wait for it for ever
        assert_eq!(within(server).await.unwrap().unwrap(), Drained { aborted: 0 });
    }
}

/// Fails a few times before it works.
struct Flaky {
    errors: VecDeque<io::Error>,
    inner: MemoryListener,
}

impl Listener for Flaky {
    type Io = MemoryStream;
    type Peer = Addr;
    async fn accept(&mut self) -> io::Result<(MemoryStream, Addr)> {
        match self.errors.pop_front() {
            Some(e) => Err(e),
            None => self.inner.accept().await,
        }
    }
    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }
}

#[tokio::test]
async fn trap_3_a_failed_accept_does_not_end_the_server() {
    const EMFILE: i32 = 24;
    let clock = VirtualClock::new();
    let (inner, connector) = MemoryListener::new(8);
    let errors = VecDeque::from([
        io::ErrorKind::ConnectionAborted.into(),
        io::Error::from_raw_os_error(EMFILE),
        io::Error::from_raw_os_error(EMFILE),
        io::Error::other("never heard of"),
        io::ErrorKind::ConnectionReset.into(),
    ]);
    let options = ServeOptions { timer: Timer::new(Arc::new(clock.clone())), ..ServeOptions::default() };
    let answer = sessions(&Registry::new(), &Echo::default());
    let server = tokio::spawn(serve_with(Flaky { errors, inner }, answer, pending::<()>(), options));
    for pause in [5, 10, 20] {
        settle().await;
        // It rests instead of spinning, for twice as long each time.
        assert_eq!(clock.next_deadline(), Some(xs_os::Clock::now(&clock) + Duration::from_millis(pause)));
        clock.advance(Duration::from_millis(pause));
    }
    alive(&connector).await;
    assert!(!server.is_finished());
}

#[tokio::test]
async fn shutdown_is_heard_while_resting_after_an_error() {
    let (inner, _connector) = MemoryListener::new(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let timer = Timer::new(Arc::new(VirtualClock::new())); // nobody moves it
    let options = ServeOptions { timer, ..ServeOptions::default() };
    let errors = VecDeque::from([io::Error::from_raw_os_error(24)]);
    let answer = sessions(&Registry::new(), &Echo::default());
    let server = tokio::spawn(serve_with(Flaky { errors, inner }, answer, stopped, options));
    settle().await;
    drop(stop);
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broken_listener_ends_the_server_after_a_drain() {
    let (inner, connector) = MemoryListener::new(8);
    let (registry, echo) = (Registry::new(), Echo::default());
    let server = tokio::spawn(serve(inner, sessions(&registry, &echo), pending::<()>()));
    let mut client = alive(&connector).await;
    drop(connector); // nobody can ever connect again
    assert_eq!(within(server).await.unwrap().unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_that_fails_or_panics_ends_alone() {
    let (listener, connector) = MemoryListener::new(8);
    let count = Arc::new(AtomicUsize::new(0));
    let service = tower::service_fn(move |mut conn: MemoryConn| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match n {
                0 => Err(io::Error::other("failed")),
                1 => panic!("panicked"),
                _ => conn.io.write_all(b"fine").await,
            }
        }
    });
    let server = tokio::spawn(serve(listener, service, pending::<()>()));
    for expected in ["", "", "fine"] {
        let mut text = String::new();
        within(connector.connect().await.unwrap().read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, expected);
    }
    assert!(!server.is_finished());
}

/// Counts how often it was asked and called; a clone starts from nothing.
#[derive(Default)]
struct Wary {
    asked: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Wary {
    fn clone(&self) -> Self {
        Wary { asked: false, calls: self.calls.clone() }
    }
}

impl Service<MemoryConn> for Wary {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        assert!(!self.asked, "asked twice for one call");
        self.asked = true;
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: MemoryConn) -> Self::Future {
        assert!(std::mem::take(&mut self.asked), "called without having been asked");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(()))
    }
}

#[tokio::test]
async fn trap_5_the_service_that_answered_ready_is_the_one_that_is_called() {
    let (listener, connector) = MemoryListener::new(1);
    let wary = Wary::default();
    let calls = wary.calls.clone();
    let server = tokio::spawn(serve(listener, wary, pending::<()>()));
    for _ in 0..10 {
        let mut client = connector.connect().await.unwrap();
        assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
    assert!(!server.is_finished());
}

#[tokio::test]
async fn a_service_that_fails_to_become_ready_ends_the_server_with_its_error() {
    let (listener, connector) = MemoryListener::new(1);
    let answer = tower::service_fn(|_: MemoryConn| async { Ok::<_, io::Error>(()) });
    let failing = Failing { inner: answer, left: 1 };
    let server = tokio::spawn(serve(listener, failing, pending::<()>()));
    let _ = connector.connect().await;
    assert!(within(server).await.unwrap().is_err());
}

struct Failing<S> {
    inner: S,
    left: usize,
}

impl<S: Service<MemoryConn, Error = io::Error>> Service<MemoryConn> for Failing<S> {
    type Response = S::Response;
    type Error = io::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 { Poll::Ready(Err(io::Error::other("worn out"))) } else { self.inner.poll_ready(cx) }
    }
    fn call(&mut self, conn: MemoryConn) -> Self::Future {
        self.left = 0;
        self.inner.call(conn)
    }
}
