//! A runtime per core.
#![cfg(unix)]

mod common;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use xs_net::listener::TcpOptions;
use xs_net::reactors::{Reactor, ReactorOptions, Reactors, Thread, Threads, listen};
use xs_net::{Conn, Registry, Session, Timer, serve};

async fn echo(reactor: Reactor, registry: Registry, served: Arc<[AtomicUsize]>) -> std::io::Result<()> {
    let Reactor { index, listener, mut shutdown } = reactor;
    let service = tower::service_fn(move |conn: Conn<_, _>| {
        served[index].fetch_add(1, Ordering::SeqCst);
        let session = Session::new(registry.register(conn.peer), LINES, Echo::default(), &Timer::system());
        let run = session.with_drain(conn.drain).run(conn.io);
        async move {
            drop(run.await);
            Ok::<_, Infallible>(())
        }
    });
    serve(listener, service, async move { shutdown.drained().await }).await.map(drop)
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[test]
fn connections_are_spread_and_share_what_they_are_given() {
    let registry = Registry::new();
    let served: Arc<[AtomicUsize]> = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let options = ReactorOptions { threads: 3, ..ReactorOptions::default() };
    let run = {
        let (registry, served) = (registry.clone(), served.clone());
        move |reactor| echo(reactor, registry.clone(), served.clone())
    };
    let reactors = Reactors::start(any_port(), options, run).unwrap();
    let clients: Vec<_> = (0..60)
        .map(|_| {
            let mut client = TcpStream::connect(reactors.local_addr()).unwrap();
            client.write_all(b"hello\n").unwrap();
            let mut got = [0; 6];
            client.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"hello\n");
            client
        })
        .collect();
    assert_eq!(registry.len(), 60);
    let spread: Vec<_> = served.iter().map(|n| n.load(Ordering::SeqCst)).collect();
    assert!(spread.iter().sum::<usize>() == 60 && spread.iter().filter(|&&n| n > 0).count() > 1, "{spread:?}");
    reactors.shutdown();
    reactors.join().unwrap();
    assert!(registry.is_empty());
    for mut client in clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_even_if_it_could_be_shared() {
    let options = || ReactorOptions { threads: 2, ..ReactorOptions::default() };
    let sleep = |reactor: Reactor| async move {
        // The listener is named, so that it comes along and holds the port.
        let Reactor { listener, mut shutdown, .. } = reactor;
        shutdown.drained().await;
        drop(listener);
        Ok(())
    };
    let first = Reactors::start(any_port(), options(), sleep).unwrap();
    let error = Reactors::start(first.local_addr(), options(), sleep).unwrap_err();
    assert!(error.is_taken(), "{error}");
    drop(first); // and dropping ends the threads
}

#[test]
fn an_error_of_a_reactor_is_told() {
    let fail = |_| async { Err(std::io::Error::other("no")) };
    let reactors = Reactors::start(any_port(), ReactorOptions::default(), fail).unwrap();
    assert_eq!(reactors.join().unwrap_err().to_string(), "no");
}

#[test]
fn threads_without_a_port_are_told_to_end_and_sockets_without_threads_share_one() {
    let ran = Arc::new(AtomicUsize::new(0));
    let seen = ran.clone();
    let threads = Threads::start(3, "test", move |Thread { index, mut shutdown }| {
        let seen = seen.clone();
        async move {
            shutdown.drained().await;
            seen.fetch_add(index + 1, Ordering::SeqCst);
            Ok(())
        }
    });
    let sockets = listen(any_port(), 2, &TcpOptions::default()).unwrap();
    let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    assert!(addresses.len() == 2 && addresses[0] == addresses[1] && addresses[0].port() != 0);
    assert!(listen(addresses[0], 2, &TcpOptions::default()).unwrap_err().is_taken());
    let threads = threads.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    threads.shutdown();
    threads.join().unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 6);
}
