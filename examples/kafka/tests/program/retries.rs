//! Connections that break in the middle of requests and answers: idempotent producers send again, and nothing is there twice.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use xs_os::Rng;

use crate::process::{Broker, beside, python, run};

/// Passes on so many bytes, and then breaks both directions.
fn pass(mut from: TcpStream, mut to: TcpStream, mut left: usize) -> bool {
    let mut buffer = [0; 512];
    let broken = loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break false,
            Ok(read) if read > left => {
                let _ = to.write_all(&buffer[..left]);
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
fn proxy(listener: TcpListener, broker: SocketAddr, seed: u64) -> Arc<AtomicUsize> {
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
            for (from, to, left) in [(&client, &server, asked), (&server, &client, answered)] {
                let (Ok(from), Ok(to), counted) = (from.try_clone(), to.try_clone(), counted.clone()) else { return };
                thread::spawn(move || counted.fetch_add(usize::from(pass(from, to, left)), Relaxed));
            }
        }
    });
    breaks
}

#[test]
#[ignore = "needs a Python with confluent-kafka, kafka-python and aiokafka, and Node with kafkajs"]
fn what_is_sent_again_is_there_once_and_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = listener.local_addr().unwrap().to_string();
    let broker = Broker::start(&["--port", "0", "--advertise", &way]);
    let breaks = proxy(listener, broker.addr, 7);
    for client in ["confluent", "python", "aio", "kafkajs"] {
        breaks.store(0, Relaxed);
        let kafkajs = beside("program/kafkajs.js");
        assert_eq!(run(python(), &["-c", include_str!("retries.py"), &way, client, &kafkajs], ""), "well\n", "{client}");
        let breaks = breaks.load(Relaxed);
        println!("{client}: {breaks} breaks");
        assert!(breaks >= 5, "{client}: {breaks} breaks");
    }
}
