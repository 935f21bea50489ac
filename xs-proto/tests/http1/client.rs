//! A client's conversations.

use bytes::Bytes;
use http::{Method, Request};
use xs_proto::Machine;
use xs_proto::http1::{ClientCommand, CommandError, Limits, Payload, RequestHead, StreamId};
use xs_proto::machine::Phase;

use crate::wire::{client, client_with};

fn full(bytes: &'static str) -> Payload {
    Payload::Full(Bytes::from_static(bytes.as_bytes()))
}

#[test]
fn one_exchange_and_the_connection_can_be_used_again() {
    let mut wire = client();
    assert!(wire.machine.is_idle());
    wire.get("/");
    assert_eq!((wire.sent(), wire.machine.is_ready()), ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), false));
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(wire.events(), ["0 200 Sized(5)…", "0 data hello", "0 end"]);
    assert!(wire.machine.is_idle());
    wire.get("/again");
    wire.feed("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.events(), ["1 404 Sized(0)."]);
}

#[test]
fn requests_of_the_http_crate_get_their_target_and_host_from_the_uri() {
    let send = |request: Request<()>| {
        let mut wire = client();
        let head = request.into_parts().0.into();
        let outcome = wire.command(ClientCommand::Request { head, payload: Payload::Empty });
        outcome.map(|()| wire.sent())
    };
    let request = || Request::builder().uri("http://example.org:8080?q");
    assert_eq!(
        send(request().header("accept", "*/*").body(()).unwrap()).unwrap(),
        "GET /?q HTTP/1.1\r\nhost: example.org:8080\r\naccept: */*\r\n\r\n"
    );
    assert_eq!(
        send(request().header("host", "other").method(Method::POST).body(()).unwrap()).unwrap(),
        "POST /?q HTTP/1.1\r\nhost: other\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        send(Request::connect("a:443").body(()).unwrap()).unwrap(),
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"
    );
    assert_eq!(
        send(Request::options("*").header("host", "a").body(()).unwrap()).unwrap(),
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"
    );
    for wrong in [
        Request::get("/no-host").body(()).unwrap(),
        Request::get("/").header("host", "a").header("host", "b").body(()).unwrap(),
        Request::get("*").header("host", "a").body(()).unwrap(),
        Request::connect("/").header("host", "a").body(()).unwrap(),
    ] {
        assert_eq!(send(wrong), Err(CommandError::Target));
    }
}

#[test]
fn bodies_go_out_whole_sized_or_in_chunks() {
    let mut wire = client();
    wire.request("PUT", "/", full("hello"));
    assert_eq!(wire.sent(), "PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello");

    let mut wire = client_with(Limits { send_window: 70, ..Limits::CLIENT });
    let stream = wire.request("PUT", "/", Payload::Streamed);
    let data = |bytes: &[u8]| ClientCommand::Data { stream, bytes: Bytes::copy_from_slice(bytes) };
    wire.command(data(&[b'x'; 16])).unwrap();
    assert_eq!(wire.machine.window(stream), 0);
    assert_eq!(
        wire.sent(),
        "PUT / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n10\r\nxxxxxxxxxxxxxxxx\r\n"
    );
    assert_eq!((wire.events(), wire.machine.window(stream)), (vec!["0 writable".to_owned()], 70));
    wire.command(ClientCommand::End { stream, trailers: None }).unwrap();
    assert_eq!(wire.sent(), "0\r\n\r\n");
    assert_eq!(wire.command(data(b"late")), Err(CommandError::OutOfTurn));
    assert_eq!(
        wire.command(ClientCommand::Data { stream: StreamId(7), bytes: Bytes::new() }),
        Err(CommandError::OutOfTurn)
    );
}

#[test]
fn responses_that_have_no_body_whatever_they_say() {
    let mut wire = client();
    wire.request("HEAD", "/", Payload::Empty);
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    wire.get("/");
    wire.feed("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    wire.get("/");
    wire.feed("HTTP/1.1 204 No Content\r\n\r\n");
    wire.request("HEAD", "/", Payload::Empty);
    wire.feed("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(wire.events(), ["0 200 Sized(5).", "1 304 Sized(5).", "2 204 None.", "3 200 UntilClose."]);
    assert!(wire.machine.is_idle());
    wire.get("/");
    wire.feed("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((wire.events(), wire.phase()), (vec!["4 reset UnexpectedFraming".to_owned()], Phase::Aborted));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let mut wire = client();
    wire.get("/");
    wire.sent();
    wire.feed("HTTP/1.0 200 OK\r\n\r\nall").feed(" of it");
    assert_eq!(wire.events(), ["0 200 UntilClose…", "0 data all", "0 data  of it"]);
    wire.eof();
    assert_eq!((wire.events(), wire.phase()), (vec!["0 end".to_owned()], Phase::Closing));
}

#[test]
fn interim_responses_come_before_the_response() {
    let mut wire = client();
    wire.get("/");
    wire.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.events(), ["0 informed 100", "0 informed 103", "0 200 Sized(0)."]);
}

#[test]
fn upgrades_and_tunnels_hand_over() {
    let mut wire = client();
    let mut head = RequestHead::new(Method::GET, "/").unwrap();
    for (name, value) in [("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "websocket")] {
        head.fields_mut().append(name, value.as_bytes()).unwrap();
    }
    wire.command(ClientCommand::Request { head: head.into(), payload: Payload::Empty }).unwrap();
    assert_eq!(wire.sent(), "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    wire.feed("HTTP/1.1 101 Switching Protocols\r\n\r\nframes");
    assert_eq!((wire.events(), wire.phase()), (vec!["0 101 None.".to_owned()], Phase::HandedOver));
    assert_eq!(wire.src, "frames");

    let mut wire = client();
    wire.get("/");
    wire.feed("HTTP/1.1 101 Switching Protocols\r\n\r\nframes");
    assert_eq!(wire.events(), ["0 reset UnexpectedResponse"]);

    // A length in the answer to CONNECT means nothing (RFC 9110, section 9.3.6).
    let mut wire = client();
    wire.request("CONNECT", "a:443", Payload::Empty);
    wire.sent();
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntls");
    assert_eq!((wire.phase(), &wire.src[..]), (Phase::HandedOver, &b"tls"[..]));
}

#[test]
fn no_protocol_changes_in_the_middle_of_a_request() {
    let mut wire = client();
    let stream = wire.machine.next_stream();
    let mut head = RequestHead::new(Method::POST, "/").unwrap();
    for (name, value) in [("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "x")] {
        head.fields_mut().append(name, value.as_bytes()).unwrap();
    }
    wire.command(ClientCommand::Request { head: head.into(), payload: Payload::Sized(6) }).unwrap();
    wire.command(ClientCommand::Data { stream, bytes: Bytes::from_static(b"bod") }).unwrap();
    wire.feed("HTTP/1.1 101 Switching Protocols\r\n\r\nframes");
    assert_eq!((wire.events(), wire.phase()), (vec!["0 reset UnexpectedResponse".to_owned()], Phase::Aborted));
}

#[test]
fn a_window_of_nothing_counts_as_one_byte() {
    let mut wire = client_with(Limits { send_window: 0, ..Limits::CLIENT });
    let stream = wire.request("PUT", "/", Payload::Streamed);
    wire.sent();
    assert_eq!(wire.machine.window(stream), 1);
}

#[test]
fn a_server_that_closes_before_it_answers_is_told_apart() {
    let mut wire = client();
    wire.get("/");
    wire.eof();
    assert_eq!((wire.events(), wire.phase()), (vec!["0 reset NoResponse".to_owned()], Phase::Aborted));

    let mut wire = client();
    wire.get("/");
    wire.feed("HTTP/1.1 2").eof();
    assert_eq!(wire.events(), ["0 reset Truncated"]);

    let mut wire = client();
    wire.get("/");
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell").eof();
    assert_eq!(wire.events()[2..], ["0 reset Truncated"]);
}

#[test]
fn an_idle_connection_notices_its_end_and_what_nobody_asked_for() {
    let mut wire = client();
    wire.eof();
    assert_eq!((wire.phase(), wire.machine.is_ready()), (Phase::Closing, false));
    let mut wire = client();
    wire.feed("HTTP/1.1 408 Request Timeout\r\n\r\n");
    assert_eq!((wire.phase(), wire.machine.is_ready()), (Phase::Aborted, false));
}

#[test]
fn pipelining_where_it_is_allowed() {
    let mut wire = client_with(Limits { pipeline: 2, ..Limits::CLIENT });
    assert_eq!((wire.get("/0"), wire.get("/1")), (StreamId(0), StreamId(1)));
    let third =
        ClientCommand::Request { head: RequestHead::new(Method::GET, "/").unwrap().into(), payload: Payload::Empty };
    assert_eq!(wire.command(third), Err(CommandError::OutOfTurn));
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb");
    assert_eq!(wire.events(), ["0 200 Sized(1)…", "0 data a", "0 end", "1 200 Sized(1)…", "1 data b", "1 end"]);
    wire.sent();
    assert_eq!(wire.phase(), Phase::Closing);

    // A server that closes early leaves the rest unanswered.
    let mut wire = client_with(Limits { pipeline: 2, ..Limits::CLIENT });
    wire.get("/0");
    wire.get("/1");
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.events(), ["0 200 Sized(0).", "1 reset NoResponse"]);
}

#[test]
fn a_response_before_its_request_is_sent_ends_the_connection() {
    let mut wire = client();
    wire.request("PUT", "/", Payload::Sized(1000));
    wire.feed("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(wire.events(), ["0 413 Sized(0)."]);
    wire.sent();
    assert_eq!(wire.phase(), Phase::Closing);
}

#[test]
fn received_bodies_wait_for_who_reads_them() {
    let mut wire = client_with(Limits { receive_window: 3, ..Limits::CLIENT });
    let stream = wire.get("/");
    wire.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(wire.events(), ["0 200 Chunked…", "0 data hel"]);
    assert!(!wire.machine.wants_input());
    wire.command(ClientCommand::Consumed { stream, len: 3 }).unwrap();
    assert_eq!(wire.events(), ["0 data lo", "0 end {\"X-Sum\": \"1\"}"]);
}

#[test]
fn giving_up_and_shutting_down() {
    let mut wire = client();
    let stream = wire.get("/");
    wire.command(ClientCommand::Abort { stream }).unwrap();
    assert_eq!((wire.phase(), wire.events()), (Phase::Aborted, vec!["0 reset Abandoned".to_owned()]));

    let mut wire = client();
    wire.get("/");
    wire.sent();
    wire.command(ClientCommand::Shutdown).unwrap();
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((wire.phase(), wire.events()), (Phase::Closing, vec!["0 200 Sized(0).".to_owned()]));
}

#[test]
fn less_than_announced_cuts_the_connection() {
    let mut wire = client();
    let stream = wire.request("PUT", "/", Payload::Sized(2));
    let end = ClientCommand::End { stream, trailers: None };
    assert_eq!((wire.command(end), wire.phase()), (Err(CommandError::TooLittle), Phase::Aborted));
}
