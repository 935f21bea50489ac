//! What happens when the other side does not.

use std::time::Duration;

use xs_proto::Machine;
use xs_proto::http1::{Payload, ServerCommand, StreamId};
use xs_proto::machine::Phase;

use crate::wire::{client, server};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_connection_closes_without_a_word() {
    let mut wire = server();
    wire.pass(74 * SECOND);
    assert_eq!(wire.phase(), Phase::Open);
    wire.pass(SECOND);
    assert_eq!((wire.phase(), wire.sent()), (Phase::Closing, String::new()));

    // Every exchange starts the time again.
    let mut wire = server();
    for stream in 0..5 {
        wire.pass(70 * SECOND);
        wire.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.pass(1000 * SECOND); // the service may take as long as it likes
        wire.respond(stream, 200, Payload::Empty).unwrap();
        assert!(wire.sent().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(wire.phase(), Phase::Open);
}

#[test]
fn a_head_that_comes_byte_by_byte_has_one_deadline() {
    // R. Hansen, "Slowloris" (2009): a field line every few seconds keeps a connection for ever.
    let mut wire = server();
    wire.feed("GET / HTTP/1.1\r\nHost: a\r\n");
    for n in 0..29 {
        wire.pass(SECOND);
        wire.feed(format!("X-{n}: a\r\n"));
        assert_eq!(wire.sent(), "");
    }
    wire.pass(SECOND);
    assert_eq!(wire.events(), ["refused HeadTimeout"]);
    assert!(wire.sent().starts_with("HTTP/1.1 408 "));
    assert_eq!((wire.phase(), wire.machine.poll_timeout()), (Phase::Closing, None));
}

#[test]
fn each_pipelined_head_has_its_own_time() {
    let mut wire = server();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    wire.feed("GE");
    for _ in 0..5 {
        wire.pass(20 * SECOND);
        wire.feed(&get[2..]).feed("GE");
    }
    assert_eq!(wire.events().len(), 5);
    assert_eq!(wire.phase(), Phase::Open);
}

#[test]
fn a_body_may_pause_but_not_for_long() {
    let mut wire = server();
    wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for _ in 0..5 {
        wire.pass(29 * SECOND);
        wire.feed("x".repeat(8000));
    }
    wire.events();
    wire.pass(30 * SECOND);
    assert_eq!(wire.events(), ["0 reset BodyTimeout"]);
    assert!(wire.sent().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_body_may_trickle_but_not_for_ever() {
    // A byte every 29 seconds stays within the pause that is allowed, and would keep a connection for years.
    let mut wire = server();
    wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    let mut last = Vec::new();
    for second in 0..600 {
        if second % 29 == 0 {
            wire.feed("x");
        }
        wire.pass(SECOND);
        last = wire.events();
        if last.iter().any(|event| event.contains("reset")) {
            break;
        }
    }
    assert_eq!(last, ["0 reset BodyTimeout"]);
    assert!(wire.sent().starts_with("HTTP/1.1 408 "));

    // The rest of a body that nobody wants any more is no better.
    let mut wire = server();
    wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.sent();
    for _ in 0..20 {
        wire.pass(29 * SECOND);
        wire.feed("x");
    }
    assert_eq!(wire.phase(), Phase::Closing);
}

#[test]
fn a_body_that_is_slow_but_fast_enough_has_all_the_time() {
    let rate = usize::try_from(xs_proto::http1::Timeouts::DEFAULT.body_rate).unwrap();
    let mut wire = server();
    wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let consumed = |len| ServerCommand::Consumed { stream: StreamId(0), len };
    // With pauses, which what came before has paid for.
    for _ in 0..300 {
        wire.feed(format!("{:x}\r\n{}\r\n", 20 * rate, "x".repeat(20 * rate)));
        wire.command(consumed(20 * rate)).unwrap();
        wire.pass(20 * SECOND);
    }
    // And the time in which we want nothing doesn't count.
    let window = wire.machine.limits().receive_window;
    for _ in 0..5 {
        wire.feed(format!("{window:x}\r\n{}\r\n", "x".repeat(window)));
        wire.pass(1000 * SECOND);
        wire.command(consumed(window)).unwrap();
    }
    assert!(wire.events().iter().all(|event| !event.contains("reset")));
    assert_eq!(wire.phase(), Phase::Open);
    // A burst is no credit for ever.
    wire.feed("1\r\nx\r\n");
    for _ in 0..40 {
        wire.pass(SECOND);
        wire.feed("1\r\nx\r\n");
    }
    assert_eq!(wire.events().last().unwrap(), "0 reset BodyTimeout");
}

#[test]
fn who_waits_for_us_is_not_timed() {
    // For leave to send the body.
    let mut wire = server();
    wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    wire.pass(1000 * SECOND);
    assert_eq!(wire.events().len(), 1);
    wire.command(ServerCommand::Continue { stream: StreamId(0) }).unwrap();
    wire.pass(30 * SECOND);
    assert_eq!(wire.events(), ["0 reset BodyTimeout"]);

    // For room in the window.
    let mut wire = server();
    let window = wire.machine.limits().receive_window;
    wire.feed(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", window + 1)).feed(vec![b'x'; window]);
    assert_eq!(wire.events().len(), 2);
    wire.pass(1000 * SECOND);
    wire.command(ServerCommand::Consumed { stream: StreamId(0), len: window }).unwrap();
    wire.pass(29 * SECOND);
    assert!(wire.events().is_empty());
    wire.pass(SECOND);
    assert_eq!(wire.events(), ["0 reset BodyTimeout"]);
}

#[test]
fn a_client_waits_for_a_head_and_for_each_piece_of_a_body() {
    let mut wire = client();
    wire.get("/");
    wire.pass(29 * SECOND);
    wire.feed("HTTP/1.1 100 Continue\r\n\r\n"); // which buys no time
    wire.pass(SECOND);
    assert_eq!((wire.events().last().unwrap().as_str(), wire.phase()), ("0 reset HeadTimeout", Phase::Aborted));

    let mut wire = client();
    wire.get("/");
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    wire.pass(29 * SECOND);
    wire.feed("x");
    wire.pass(29 * SECOND);
    assert_eq!(wire.phase(), Phase::Open);
    wire.pass(SECOND);
    assert_eq!(wire.events().last().unwrap(), "0 reset BodyTimeout");

    let mut wire = client();
    wire.pass(75 * SECOND);
    assert_eq!(wire.phase(), Phase::Closing);
}

#[test]
fn a_client_that_is_still_sending_is_not_waiting() {
    let mut wire = client();
    let stream = wire.request("PUT", "/", Payload::Streamed);
    wire.pass(1000 * SECOND);
    assert_eq!(wire.phase(), Phase::Open);
    wire.command(xs_proto::http1::ClientCommand::End { stream, trailers: None }).unwrap();
    wire.pass(30 * SECOND);
    assert_eq!(wire.events(), ["0 reset HeadTimeout"]);
}
