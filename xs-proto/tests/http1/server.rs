//! A server's conversations.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use xs_proto::Machine;
use xs_proto::http1::{CommandError, Fields, Limits, Payload, ResponseHead, ServerCommand, ServerEvent, StreamId};
use xs_proto::machine::Phase;

use crate::wire::{server, server_with};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn full(bytes: &'static str) -> Payload {
    Payload::Full(Bytes::from_static(bytes.as_bytes()))
}

fn data(stream: u64, bytes: impl Into<Bytes>) -> ServerCommand {
    ServerCommand::Data { stream: StreamId(stream), bytes: bytes.into() }
}

fn end(stream: u64) -> ServerCommand {
    ServerCommand::End { stream: StreamId(stream), trailers: None }
}

#[test]
fn one_request_one_response_and_the_connection_stays() {
    let mut wire = server();
    wire.feed(GET);
    assert_eq!(wire.events(), ["0 GET / None"]);
    wire.respond(0, 200, full("hello")).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!((wire.phase(), wire.machine.exchanges()), (Phase::Open, 0));
    wire.feed(GET);
    assert_eq!(wire.events(), ["1 GET / None"]);
}

#[test]
fn pipelined_responses_keep_the_order_of_their_requests() {
    let mut wire = server();
    wire.feed(GET.repeat(3));
    assert_eq!(wire.events().len(), 3);
    wire.respond(2, 200, full("third")).unwrap();
    wire.respond(1, 200, Payload::Streamed).unwrap();
    wire.command(data(1, "sec")).unwrap();
    assert_eq!(wire.sent(), "");
    wire.respond(0, 204, Payload::Empty).unwrap();
    assert_eq!(
        wire.sent(),
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n"
    );
    wire.command(data(1, "ond")).unwrap();
    wire.command(end(1)).unwrap();
    assert_eq!(wire.sent(), "3\r\nond\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthird");
}

#[test]
fn the_pipeline_is_bounded_and_the_rest_stays_with_the_driver() {
    let mut wire = server_with(Limits { pipeline: 2, ..Limits::SERVER });
    wire.feed(GET.repeat(5));
    assert_eq!((wire.events().len(), wire.src.len(), wire.machine.wants_input()), (2, 3 * GET.len(), false));
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!((wire.events(), wire.src.len()), (vec!["2 GET / None".to_owned()], 2 * GET.len()));
}

#[test]
fn bodies_stream_in_with_back_pressure() {
    let mut wire = server_with(Limits { receive_window: 4, ..Limits::SERVER });
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_eq!(wire.events(), ["0 POST / Sized(10)", "0 data 0123"]);
    assert_eq!((wire.machine.wants_input(), &wire.src[..]), (false, &b"456789"[..]));
    wire.command(ServerCommand::Consumed { stream: StreamId(0), len: 3 }).unwrap();
    assert_eq!(wire.events(), ["0 data 456"]);
    wire.command(ServerCommand::Consumed { stream: StreamId(0), len: 100 }).unwrap();
    assert_eq!(wire.events(), ["0 data 789", "0 end"]);
}

#[test]
fn a_chunked_body_with_extensions_and_trailers() {
    let mut wire = server();
    wire.feed(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    assert_eq!(wire.events(), ["0 POST / Chunked", "0 data abc", "0 end {\"X-Sum\": \"1\"}"]);
}

#[test]
fn bodies_stream_out_with_back_pressure() {
    let mut wire = server_with(Limits { send_window: 10, ..Limits::SERVER });
    wire.feed(GET.repeat(2));
    wire.events();
    wire.respond(0, 200, Payload::Sized(30)).unwrap();
    wire.sent();
    assert_eq!(wire.events(), ["0 writable"]); // the head alone filled this window
    assert_eq!(wire.machine.window(StreamId(0)), 10);
    wire.command(data(0, vec![b'x'; 15])).unwrap();
    assert_eq!((wire.machine.window(StreamId(0)), wire.events()), (0, vec![]));
    assert_eq!(wire.sent().len(), 15);
    assert_eq!((wire.machine.window(StreamId(0)), wire.events()), (10, vec!["0 writable".to_owned()]));

    // Who waits behind another exchange has a window of its own, and hears when its turn comes.
    wire.respond(1, 200, Payload::Streamed).unwrap();
    assert_eq!((wire.machine.window(StreamId(1)), wire.sent()), (0, String::new()));
    wire.command(data(0, vec![b'x'; 15])).unwrap();
    wire.command(end(0)).unwrap();
    wire.sent();
    assert_eq!(wire.events(), ["1 writable"]);
}

#[test]
fn more_or_less_than_announced_is_refused() {
    let mut wire = server();
    wire.feed(GET);
    wire.respond(0, 200, Payload::Sized(3)).unwrap();
    assert_eq!(wire.command(data(0, "four")), Err(CommandError::TooMuch));
    wire.command(data(0, "tw")).unwrap();
    wire.sent();
    assert_eq!((wire.command(end(0)), wire.phase()), (Err(CommandError::TooLittle), Phase::Aborted));
}

#[test]
fn nothing_goes_out_when_a_head_cannot() {
    let mut wire = server();
    wire.feed(GET);
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields_mut().append("Content-Length", b"4").unwrap();
    assert_eq!(wire.respond_with(0, head.clone(), full("hello")), Err(CommandError::Framing));
    head.fields_mut().set("Transfer-Encoding", b"gzip, chunked").unwrap();
    assert_eq!(wire.respond_with(0, head, full("four")), Err(CommandError::Framing));
    assert_eq!(wire.respond(0, 100, Payload::Empty), Err(CommandError::Status));
    assert_eq!(wire.respond(0, 101, Payload::Empty), Err(CommandError::Status));
    assert_eq!(wire.respond(0, 204, full("x")), Err(CommandError::Framing));
    assert_eq!(wire.respond(1, 200, Payload::Empty), Err(CommandError::OutOfTurn));
    assert_eq!(wire.command(data(0, "x")), Err(CommandError::OutOfTurn));
    assert_eq!(wire.sent(), "");
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.respond(0, 200, Payload::Empty).unwrap(); // it has ended: nothing happens
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn a_length_in_the_head_frames_a_stream() {
    let mut wire = server();
    wire.feed(GET);
    let mut parts = http::Response::new(()).into_parts().0;
    parts.headers.insert("content-length", "2".parse().unwrap());
    wire.respond_with(0, parts, Payload::Streamed).unwrap();
    wire.command(data(0, "ok")).unwrap();
    wire.command(end(0)).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
}

#[test]
fn a_response_to_head_tells_the_length_and_has_no_body() {
    let mut wire = server();
    wire.feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4));
    wire.respond(0, 200, full("hello")).unwrap();
    wire.respond(1, 200, Payload::Sized(7)).unwrap();
    wire.command(data(1, "ignored")).unwrap();
    wire.respond(2, 200, Payload::Empty).unwrap();
    wire.respond(3, 304, Payload::Streamed).unwrap();
    assert_eq!(
        wire.sent(),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n\
         HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"
    );
}

#[test]
fn http_1_0_closes_unless_asked_and_knows_no_chunks() {
    let mut wire = server();
    wire.feed("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_eq!(wire.events(), ["0 GET / None"]); // nothing behind a request that closes
    wire.respond(0, 200, Payload::Streamed).unwrap();
    wire.command(data(0, "all of it")).unwrap();
    wire.command(end(0)).unwrap();
    assert_eq!(wire.phase(), Phase::Open); // not before everything is polled
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it");
    assert_eq!(wire.phase(), Phase::Closing);

    let mut wire = server();
    wire.feed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    wire.respond(0, 200, full("x")).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx");
    assert_eq!(wire.phase(), Phase::Open);
}

#[test]
fn either_side_can_close_and_later_requests_are_told() {
    let mut wire = server();
    wire.feed("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n");
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(wire.phase(), Phase::Closing);

    let mut wire = server();
    wire.feed(GET.repeat(2));
    wire.events();
    wire.respond(1, 200, full("never")).unwrap();
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields_mut().append("Connection", b"close").unwrap();
    wire.respond_with(0, head, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!((wire.phase(), wire.machine.wants_input()), (Phase::Closing, false));
}

#[test]
fn expect_100_continue() {
    let expecting = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    let go_on = || ServerCommand::Continue { stream: StreamId(0) };
    let mut wire = server();
    wire.feed(expecting);
    let events = wire.raw_events();
    assert!(matches!(&events[..], [ServerEvent::Request { head, .. }] if head.expects_continue()));
    wire.command(go_on()).unwrap();
    wire.command(go_on()).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    wire.feed("ok");
    assert_eq!(wire.events(), ["0 data ok", "0 end"]);
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");

    // A refusal closes: what comes next could be the body or a request.
    let mut wire = server();
    wire.feed(expecting);
    wire.respond(0, 403, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");

    // Who does not wait is not told to go on.
    let mut wire = server();
    wire.feed(expecting).feed("o");
    wire.command(go_on()).unwrap();
    assert_eq!(wire.sent(), "");
    assert_eq!(server_refuses("PUT / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n"), "417 Expectation Failed");
}

fn server_refuses(input: &str) -> String {
    let mut wire = server();
    wire.feed(input);
    let sent = wire.sent();
    assert_eq!((wire.phase(), wire.machine.wants_input()), (Phase::Closing, false), "{input}: {sent}");
    assert!(sent.ends_with("\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), "{sent}");
    sent.lines().next().unwrap().trim_start_matches("HTTP/1.1 ").to_owned()
}

#[test]
fn interim_responses() {
    let mut wire = server();
    wire.feed(GET).feed("GET / HTTP/1.0\r\n\r\n");
    let inform = |stream, status: StatusCode| ServerCommand::Inform { stream: StreamId(stream), head: status.into() };
    let early = StatusCode::from_u16(103).unwrap();
    wire.command(inform(0, early)).unwrap();
    assert_eq!(wire.command(inform(0, StatusCode::OK)), Err(CommandError::Status));
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.command(inform(1, early)).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn an_upgrade_hands_over_the_undecoded_bytes() {
    let asking = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut wire = server();
    wire.feed(asking).feed("\x01\x02frames");
    assert_eq!((wire.events().len(), wire.machine.wants_input()), (1, false));
    let mut head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
    head.fields_mut().append("Connection", b"Upgrade").unwrap();
    head.fields_mut().append("Upgrade", b"websocket").unwrap();
    wire.respond_with(0, head, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    assert_eq!((wire.phase(), &wire.src[..]), (Phase::HandedOver, &b"\x01\x02frames"[..]));

    // Declined, it is a request like any other.
    let mut wire = server();
    wire.feed(asking).feed(GET);
    wire.events();
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!(wire.events(), ["1 GET / None"]);
}

/// RFC 9110, section 7.8: the new protocol begins behind the request. Handed over before, the rest of the body would be
/// taken for its first words.
#[test]
fn an_upgrade_waits_for_all_of_its_request() {
    let mut wire = server();
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 6\r\n\r\nbod");
    assert_eq!(wire.respond(0, 101, Payload::Empty), Err(CommandError::Status));
    assert_eq!((wire.sent(), wire.phase()), (String::new(), Phase::Open));
    wire.feed("y..and more");
    wire.respond(0, 101, Payload::Empty).unwrap();
    wire.sent();
    assert_eq!((wire.phase(), &wire.src[..]), (Phase::HandedOver, &b"and more"[..]));
}

#[test]
fn a_window_of_nothing_counts_as_one_byte() {
    let mut wire = server_with(Limits { send_window: 0, receive_window: 0, pipeline: 0, ..Limits::SERVER });
    wire.feed(GET);
    wire.respond(0, 200, Payload::Streamed).unwrap();
    wire.sent();
    assert_eq!(wire.machine.window(StreamId(0)), 1);
}

#[test]
fn connect_hands_over_when_granted() {
    let asking = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    let mut wire = server();
    wire.feed(asking).feed("tls");
    assert_eq!(wire.events(), ["0 CONNECT a:443 None"]);
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!((wire.sent(), wire.phase()), ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), Phase::HandedOver));
    assert_eq!(wire.src, "tls");

    let mut wire = server();
    wire.feed(asking);
    wire.respond(0, 403, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(wire.phase(), Phase::Open);
}

#[test]
fn what_is_left_of_a_body_is_dropped_if_it_is_short_and_closes_if_not() {
    let mut wire = server_with(Limits { drain: 10, ..Limits::SERVER });
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n123");
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    wire.events();
    wire.feed("45678").feed(GET);
    assert_eq!(wire.events(), ["1 GET / None"]);

    let mut wire = server_with(Limits { drain: 10, ..Limits::SERVER });
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n123");
    wire.respond(0, 413, Payload::Empty).unwrap();
    assert!(wire.sent().contains("connection: close"));
    assert_eq!(wire.phase(), Phase::Closing);

    let mut wire = server_with(Limits { drain: 10, ..Limits::SERVER });
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.sent();
    wire.feed("5\r\n12345\r\n");
    assert_eq!(wire.phase(), Phase::Open);
    wire.feed("6\r\n123456\r\n");
    assert_eq!(wire.phase(), Phase::Closing);
}

#[test]
fn a_body_that_breaks_off_resets_its_exchange() {
    let begun = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    let mut wire = server();
    wire.feed(begun).feed("x\r\n");
    assert_eq!(wire.events(), ["0 POST / Chunked", "0 data a", "0 reset ChunkSize"]);
    assert_eq!(wire.sent(), "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(wire.phase(), Phase::Closing);
    wire.respond(0, 200, Payload::Empty).unwrap(); // its user did not know yet
    assert_eq!(wire.sent(), "");

    // Half a response cannot be taken back: the connection is cut.
    let mut wire = server();
    wire.feed(begun);
    wire.respond(0, 200, Payload::Streamed).unwrap();
    wire.feed("x\r\n");
    assert_eq!(wire.phase(), Phase::Aborted);

    let mut wire = server();
    wire.feed(begun).eof();
    assert_eq!(wire.events()[2..], ["0 reset Truncated"]);
}

#[test]
fn the_end_of_input_lets_answers_out_first() {
    let mut wire = server();
    wire.feed(GET).feed("GET /").eof();
    assert_eq!(wire.events(), ["0 GET / None", "refused Truncated"]);
    assert_eq!(wire.phase(), Phase::Open);
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!(wire.sent(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(wire.phase(), Phase::Closing);

    let mut wire = server();
    wire.eof();
    assert_eq!((wire.events(), wire.phase()), (vec![], Phase::Closing));

    // An end that comes while the machine waits for its user is noticed afterwards.
    let mut wire = server_with(Limits { pipeline: 1, ..Limits::SERVER });
    wire.feed(GET).eof();
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.sent();
    assert_eq!(wire.phase(), Phase::Closing);
}

#[test]
fn shutting_down_completes_what_has_begun_and_says_so() {
    let mut wire = server();
    wire.feed(GET.repeat(2)).feed("GET /half");
    wire.command(ServerCommand::Shutdown).unwrap();
    assert!(!wire.machine.wants_input());
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.respond(1, 200, Payload::Empty).unwrap();
    assert_eq!(
        wire.sent(),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(wire.phase(), Phase::Closing);

    let mut idle = server();
    idle.command(ServerCommand::Shutdown).unwrap();
    assert_eq!(idle.phase(), Phase::Closing);
}

#[test]
fn giving_up_answers_500_or_cuts() {
    let abort = || ServerCommand::Abort { stream: StreamId(0) };
    let mut wire = server();
    wire.feed(GET);
    wire.command(abort()).unwrap();
    assert!(wire.sent().starts_with("HTTP/1.1 500 "));
    assert_eq!(wire.phase(), Phase::Closing);

    let mut wire = server();
    wire.feed(GET.repeat(2));
    wire.events();
    wire.respond(0, 200, Payload::Streamed).unwrap();
    wire.command(abort()).unwrap();
    assert_eq!((wire.phase(), wire.events()), (Phase::Aborted, vec!["1 reset Abandoned".to_owned()]));
}

#[test]
fn dates_are_the_callers_and_a_date_of_the_service_stays() {
    let mut wire = server();
    wire.command(ServerCommand::Date(*b"Sun, 06 Nov 1994 08:49:37 GMT")).unwrap();
    wire.feed(GET.repeat(2)).feed("nonsense\r\n");
    wire.respond(0, 200, Payload::Empty).unwrap();
    let mut parts = http::Response::new(()).into_parts().0;
    parts.headers = HeaderMap::from_iter([(http::header::DATE, "Mon, 07 Nov 1994 08:49:37 GMT".parse().unwrap())]);
    wire.respond_with(1, parts, Payload::Empty).unwrap();
    let sent = wire.sent();
    assert_eq!((sent.matches("date: Sun").count(), sent.matches("date: Mon").count()), (2, 1), "{sent}");
}

#[test]
fn trailers_go_out_in_chunks_only_and_never_frame() {
    let trailers = |name: &str| {
        let mut fields = Fields::new();
        fields.append(name, b"1").unwrap();
        ServerCommand::End { stream: StreamId(0), trailers: Some(fields.into()) }
    };
    let mut wire = server();
    wire.feed(GET);
    wire.respond(0, 200, Payload::Streamed).unwrap();
    wire.sent();
    assert_eq!(wire.command(trailers("Content-Length")), Err(CommandError::Field));
    wire.command(trailers("X-Sum")).unwrap();
    assert_eq!(wire.sent(), "0\r\nX-Sum: 1\r\n\r\n");
}

#[test]
fn every_limit_of_a_head_has_its_status() {
    let limits = Limits { start_line: 40, head: 100, fields: 3, body: 5, ..Limits::SERVER };
    for (input, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(40)), "414"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100)), "431"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n".to_owned(), "431"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n".to_owned(), "413"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), "505"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(), "501"),
    ] {
        let mut wire = server_with(limits);
        wire.feed(&input);
        assert!(wire.sent().starts_with(&format!("HTTP/1.1 {status} ")), "{input}");
        // And no sooner: the same limits let this one through.
        let mut wire = server_with(limits);
        wire.feed("PUT / HTTP/1.1\r\nHost: a\r\nA: 1\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(wire.events(), ["0 PUT / Sized(5)"]);
    }
}

#[test]
fn no_limit_lets_more_fields_in_than_a_map_can_hold() {
    let mut wire = server_with(Limits { fields: usize::MAX, head: 1 << 20, ..Limits::SERVER });
    let fields = |count: usize| (0..count).map(|n| format!("x{n}:\r\n")).collect::<String>();
    wire.feed(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(16_000)));
    let Some(ServerEvent::Request { head, .. }) = wire.raw_events().pop() else { panic!() };
    assert_eq!(head.into_parts().unwrap().headers.len(), 16_001);
    wire.respond(0, 200, Payload::Empty).unwrap();
    wire.sent();
    wire.feed(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(40_000)));
    assert_eq!(wire.events(), ["refused HeadTooLarge"]);
}

#[test]
fn the_memory_of_fields_goes_round() {
    let mut wire = server();
    for round in 0..3 {
        wire.feed("GET /path HTTP/1.1\r\nHost: a\r\nAccept: b\r\nX-C: d\r\nX-C: e\r\n\r\n");
        let Some(ServerEvent::Request { head, .. }) = wire.raw_events().pop() else { panic!() };
        let parts = head.into_request((), wire.machine.spare()).unwrap().into_parts().0;
        assert_eq!((parts.uri.path(), parts.headers.len()), ("/path", 4));
        assert_eq!(parts.headers.get_all("x-c").iter().collect::<Vec<_>>(), ["d", "e"]);
        wire.respond(round, 200, Payload::Empty).unwrap();
    }
}

#[test]
fn what_only_the_transport_can_fetch_is_framed_like_other_data() {
    let mut wire = server();
    wire.feed(GET.repeat(2));
    let external = |stream, len| ServerCommand::External { stream: StreamId(stream), chunk: Box::new("a file"), len };
    wire.respond(0, 200, Payload::Sized(10)).unwrap();
    assert_eq!(wire.command(external(0, 11)), Err(CommandError::TooMuch));
    wire.command(external(0, 10)).unwrap();
    wire.command(end(0)).unwrap();
    wire.respond(1, 200, Payload::Streamed).unwrap();
    wire.command(external(1, 20)).unwrap();
    wire.command(end(1)).unwrap();

    let mut out = xs_proto::Out::new();
    wire.machine.poll_transmit(&mut out);
    let mut seen = String::new();
    while !out.is_empty() {
        let len = match out.front_external() {
            Some(external) => {
                assert_eq!(external.chunk.downcast_ref::<&str>(), Some(&"a file"));
                seen.push_str(&format!("<{}>", external.left));
                external.left
            }
            None => {
                seen.push_str(std::str::from_utf8(out.front()).unwrap());
                out.front().len()
            }
        };
        out.advance(len);
    }
    assert_eq!(
        seen,
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n<10>\
         HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n<20>\r\n0\r\n\r\n"
    );
}

#[test]
fn the_next_head_is_read_when_the_one_before_is_taken() {
    let mut machine = xs_proto::http1::Server::new(server().now, Limits::SERVER, Default::default());
    let (now, mut src) = (server().now, bytes::BytesMut::from(GET.repeat(2).as_bytes()));
    machine.handle_input(now, &mut src);
    assert_eq!((src.len(), machine.wants_input()), (GET.len(), false));
    assert!(matches!(machine.poll_event(), Some(ServerEvent::Request { stream: StreamId(0), .. })));
    assert!(machine.wants_input() && machine.poll_event().is_none());
    machine.handle_input(now, &mut src);
    assert!(src.is_empty());
    assert!(matches!(machine.poll_event(), Some(ServerEvent::Request { stream: StreamId(1), .. })));
}

const HEAD: std::time::Duration = std::time::Duration::from_secs(30);

/// The client sends the rest of a head while nothing is read, because the response in front waits to be taken.
#[test]
fn a_head_is_not_late_while_the_server_does_not_read() {
    let mut wire = server_with(Limits { send_window: 100, ..Limits::SERVER });
    wire.feed("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HT");
    wire.events();
    wire.respond(0, 200, Payload::Streamed).unwrap();
    for _ in 0..5 {
        wire.command(data(0, vec![b'x'; 200])).unwrap();
        wire.pass(HEAD);
        assert!(!wire.machine.wants_input());
        assert!(wire.sent().contains('x'));
    }
    wire.command(end(0)).unwrap();
    wire.sent();
    wire.feed("TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.events().last().unwrap(), "1 GET /b None");
    // Once it reads, a head that stays away is late.
    wire.respond(1, 200, Payload::Empty).unwrap();
    wire.feed("GET /c");
    wire.sent();
    wire.pass(HEAD);
    assert!(wire.sent().starts_with("HTTP/1.1 408 "));
}
