//! Connections that break in the middle of requests and answers: idempotent producers send again, and nothing is there twice.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use xs_os::Rng;

use crate::process::{Broker, beside, python, run};

/// Passes on so many bytes, and then breaks both directions: in the middle of what is said, or between two answers.
fn pass(mut from: TcpStream, mut to: TcpStream, mut left: usize, whole: bool) -> bool {
    let mut buffer = vec![0; 64 << 10];
    let broken = loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break false,
            Ok(read) if read > left => {
                let _ = to.write_all(&buffer[..if whole { 0 } else { left }]);
                break true;
            }
            Ok(read) if to.write_all(&buffer[..read]).is_err() => break false,
            Ok(read) => left -= read,
        }
    };
    for socket in [from, to] {
        let _ = socket.shutdown(Shutdown::Both);
    }
    broken
}

/// Connections break before this many have broken.
const BREAKS: usize = 20;

/// A way to the broker on which connections break until [`BREAKS`] are counted. Threads end with their connections.
fn proxy(listener: TcpListener, broker: SocketAddr, seed: u64, whole: bool) -> Arc<AtomicUsize> {
    let (breaks, mut rng) = (Arc::new(AtomicUsize::new(0)), Rng::from_seed(seed));
    let counted = breaks.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(broker)) else { return };
            let breaks = counted.load(Relaxed) < BREAKS;
            // An answer to a produce request has some 60 bytes; what comes before the first one, a few hundred.
            let (asked, answered) = match breaks {
                true => (rng.below(20_000) as usize, rng.below(4_000) as usize),
                false => (usize::MAX, usize::MAX),
            };
            for (from, to, left, whole) in [(&client, &server, asked, false), (&server, &client, answered, whole)] {
                let (Ok(from), Ok(to), counted) = (from.try_clone(), to.try_clone(), counted.clone()) else { return };
                thread::spawn(move || counted.fetch_add(usize::from(pass(from, to, left, whole)), Relaxed));
            }
        }
    });
    breaks
}

/// `whole`: answers come as a whole or not at all.
fn sent_again(client: &str, whole: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = listener.local_addr().unwrap().to_string();
    let broker = Broker::start(&["--port", "0", "--advertise", &way]);
    let breaks = proxy(listener, broker.addr, 7, whole);
    let kafkajs = beside("program/kafkajs.js");
    assert_eq!(run(python(), &["-c", include_str!("retries.py"), &way, client, &kafkajs], ""), "well\n", "{client}");
    let breaks = breaks.load(Relaxed);
    assert!(breaks >= 5, "{client}: {breaks} breaks");
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka"]
fn what_is_sent_again_is_there_once_and_in_order() {
    for client in ["confluent", "python", "aio"] {
        sent_again(client, false);
    }
}

/// kafkajs 2.2.4 keeps the beginning of an answer when its connection breaks, and takes the next connection's answers for
/// the rest of it: it never gets well again.
#[test]
#[ignore = "needs Node with kafkajs, and a Python with confluent-kafka"]
fn what_kafkajs_sends_again_is_there_once_and_in_order() {
    sent_again("kafkajs", true);
}
