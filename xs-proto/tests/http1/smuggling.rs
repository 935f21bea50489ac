//! Request smuggling: one test for each published way to make two recipients see different messages in the same bytes.
//! Each names its source. What they share: the connection ends at the first byte that could be read in two ways, and the
//! smuggled request is never an event.
//!
//! - Linhart et al. 2005: C. Linhart, A. Klein, R. Heled, S. Orrin, "HTTP Request Smuggling".
//! - Host of Troubles: J. Chen et al., "Host of Troubles: Multiple Host Ambiguities in HTTP Implementations" (2016).
//! - Kettle 2019: J. Kettle, "HTTP Desync Attacks: Request Smuggling Reborn".
//! - Davison 2019: N. Davison, "Abusing HTTP hop-by-hop request headers".
//! - Egorov 2019: M. Egorov, "What's wrong with WebSocket APIs?"
//! - Klein 2020: A. Klein, "HTTP Request Smuggling in 2020".
//! - Miller 2020: J. Miller, "h2c Smuggling: Request Smuggling Via HTTP/2 Cleartext".
//! - Kettle 2022: J. Kettle, "Browser-Powered Desync Attacks".
//! - HTTP Garden: B. Kallus, P. Anantharaman, M. Locasto, S. Smith, "The HTTP Garden" (2024).
//! - Funky chunks: J. Weikop, "Funky chunks: abusing ambiguous chunk line terminators for request smuggling" (2025).
//! - Kettle 2025: J. Kettle, "HTTP/1.1 must die: the desync endgame".

use http::{Method, StatusCode};
use xs_proto::Machine;
use xs_proto::http1::{ClientCommand, CommandError, Error, Fields, Limits, Payload, RequestHead, ServerEvent};
use xs_proto::machine::Phase;

use crate::wire::{Wire, client, server, server_with};

/// What is hidden behind the attack; it must never be seen as a request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a request with these lines behind `Host`, and what is hidden behind it.
#[track_caller]
fn refused(lines: &str, body: &str, error: Error) {
    let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}{HIDDEN}");
    refused_whole(&input, error);
}

#[track_caller]
fn refused_whole(input: &str, error: Error) {
    assert_eq!(Wire::refusal(input), Some(error), "{}", input.escape_default());
    let mut wire = server();
    wire.feed(input);
    let hidden = wire
        .raw_events()
        .iter()
        .any(|event| matches!(event, ServerEvent::Request { head, .. } if head.target().contains("hidden")));
    assert!(!hidden, "{}", input.escape_default());
    assert!(wire.sent().contains("connection: close"));
    assert_eq!((wire.phase(), wire.machine.wants_input()), (Phase::Closing, false));
}

/// Sends what is right, and the next request is seen.
#[track_caller]
fn accepted(lines: &str, body: &str) {
    let mut wire = server();
    wire.feed(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}{HIDDEN}"));
    assert_eq!(wire.events().last().unwrap(), "1 GET /hidden None");
}

#[test]
fn what_is_right_passes() {
    accepted("Content-Length: 5", "hello");
    accepted("Content-Length:\t5 \t", "hello");
    accepted("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    accepted("TRANSFER-ENCODING:\tChunked\t", "5;a=\"b\"\r\nhello\r\n000\r\nX: y\r\n\r\n");
    accepted("X: y", "");
}

/// Kettle 2019: the front end counts by length, the back end by chunks. RFC 9112, section 6.1.
#[test]
fn cl_te() {
    refused("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG", Error::LengthAndEncoding);
}

/// Kettle 2019: the front end counts by chunks, the back end by length.
#[test]
fn te_cl() {
    refused("Transfer-Encoding: chunked\r\nContent-Length: 3", "8\r\nSMUGGLED\r\n0\r\n\r\n", Error::LengthAndEncoding);
    refused("Transfer-Encoding: chunked\r\nContent-Length: 0", "0\r\n\r\n", Error::LengthAndEncoding);
}

/// Kettle 2019: both know chunks, and one of them can be kept from seeing that they are meant.
#[test]
fn te_te() {
    let te = |lines: &str, error| refused(lines, "0\r\n\r\n", error);
    te("Transfer-Encoding: xchunked", Error::TransferEncoding);
    te("Transfer-Encoding : chunked", Error::SpaceBeforeColon);
    te("Transfer-Encoding\t: chunked", Error::SpaceBeforeColon);
    te("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Error::TransferEncoding);
    te("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", Error::TransferEncoding);
    te("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked", Error::TransferEncoding);
    te(" Transfer-Encoding: chunked", Error::ObsFold);
    te("X: X\nTransfer-Encoding: chunked", Error::BareLf);
    te("X: X\rTransfer-Encoding: chunked", Error::FieldValue);
    te("Transfer-Encoding\n : chunked", Error::BareLf);
    te("Transfer-Encoding\r\n : chunked", Error::FieldName);
    te("Transfer-Encoding:\r\n chunked", Error::TransferEncoding);
    te("Transfer-Encoding: \x0bchunked", Error::FieldValue);
    te("Transfer-Encoding: \x0cchunked", Error::FieldValue);
    te("Transfer-Encoding: chunked\x00", Error::FieldValue);
    te("Transfer-Encoding: \"chunked\"", Error::TransferEncoding);
    te("Transfer-Encoding: 'chunked'", Error::TransferEncoding);
    te("Transfer-Encoding: chunked;q=1", Error::TransferEncoding);
    te("Transfer-Encoding: cow", Error::TransferEncoding);
    te("Transfer-Encoding:", Error::TransferEncoding);
    te("Transfer-Encoding: \u{e9}chunked", Error::TransferEncoding);
    te("Transfer-\u{17f}ncoding: chunked", Error::FieldName);
}

/// RFC 9112, section 6.1: `chunked` comes last, once, and anything before it is a coding that is not known here.
#[test]
fn te_that_does_not_end_in_chunked() {
    let te = |value: &str, error| refused(&format!("Transfer-Encoding: {value}"), "0\r\n\r\n", error);
    te("chunked, identity", Error::TransferEncoding);
    te("chunked, chunked", Error::TransferEncoding);
    te("identity", Error::TransferEncoding);
    te("chunked,", Error::TransferEncoding);
    te(",chunked", Error::TransferEncoding);
    te("gzip, chunked", Error::TransferCoding);
    te("identity, chunked", Error::TransferCoding);
}

/// HTTP Garden: gateways that hand fields over as variables turn `-` into `_`, and then both names are one.
#[test]
fn names_that_only_some_take_for_framing() {
    refused("Transfer_Encoding: chunked", "0\r\n\r\n", Error::FieldName);
    refused("Content_Length: 0", "", Error::FieldName);
    accepted("X_Content_Length: 0", "");
}

/// RFC 9112, section 6.1; HTTP Garden: a recipient of HTTP/1.0 may not know chunks.
#[test]
fn te_in_http_1_0() {
    refused_whole(
        &format!("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
        Error::TransferEncodingVersion,
    );
    refused_whole(
        &format!("POST / HTTP/1.0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
        Error::TransferEncodingVersion,
    );
}

/// Linhart et al. 2005: two lengths, and everyone picks one.
#[test]
fn cl_cl() {
    refused("Content-Length: 0\r\nContent-Length: 44", "", Error::ContentLengthRepeated);
    refused("Content-Length: 5\r\nContent-Length: 5", "hello", Error::ContentLengthRepeated);
    refused("Content-Length: 5, 5", "hello", Error::ContentLength);
    refused("Content-Length: 0, 44", "", Error::ContentLength);
    refused("Content-Length: 5\r\n , 6", "hello", Error::ObsFold);
}

/// HTTP Garden: what the number parsers of languages take and HTTP does not.
#[test]
fn lengths_that_only_some_can_read() {
    for value in
        ["+5", "-5", "-0", "0x5", "5_0", "5 0", "5;", "5.0", "5e0", "\"5\"", "", "five", "\u{0665}", "0b1", "0o5"]
    {
        refused(&format!("Content-Length: {value}"), "hello", Error::ContentLength);
    }
    refused("Content-Length: 18446744073709551621", "hello", Error::ContentLength); // 2^64 + 5
    refused("Content-Length : 5", "hello", Error::SpaceBeforeColon);
    refused("Content-Length abcde: 5", "hello", Error::FieldName); // Klein 2020
    refused("Content-Length\x00: 5", "hello", Error::FieldName);
    refused("Content-Length: 5\x00", "hello", Error::FieldValue);
    refused("Content-Length", "hello", Error::FieldName);
    refused(": 5", "hello", Error::FieldName);
}

/// Klein 2020: a carriage return in front of a name, which some take for the end of the line before.
#[test]
fn cr_in_front_of_a_name() {
    refused("X: y\r\n\rContent-Length: 5", "hello", Error::FieldName);
    refused("X: y\r\rContent-Length: 5", "hello", Error::FieldValue);
}

/// RFC 9112, section 2.2: a line feed alone may end a line, if one likes. Here it ends the connection.
#[test]
fn bare_line_feeds() {
    refused_whole(&format!("POST / HTTP/1.1\nHost: a\r\n\r\n{HIDDEN}"), Error::BareLf);
    refused_whole(&format!("POST / HTTP/1.1\r\nHost: a\n\r\n{HIDDEN}"), Error::BareLf);
    refused_whole(&format!("POST / HTTP/1.1\r\nHost: a\r\n\n{HIDDEN}"), Error::BareLf);
    refused_whole(&format!("POST / HTTP/1.1\r\nHost: a\n\n{HIDDEN}"), Error::BareLf);
    refused_whole(&format!("\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}"), Error::BareLf);
    refused_whole(&format!("\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}"), Error::RequestLine);
}

/// RFC 9112, section 5.2: folded lines are refused, framing or not.
#[test]
fn folded_lines() {
    refused("X: y\r\n Content-Length: 5", "hello", Error::ObsFold);
    refused("X: y\r\n\tz", "", Error::ObsFold);
    refused_whole(&format!("GET / HTTP/1.1\r\n Host: a\r\n\r\n{HIDDEN}"), Error::ObsFold);
}

/// Kettle 2022: a back end that forgets the length where it expects no body.
#[test]
fn cl_0() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "BREW"] {
        let mut wire = server();
        wire.feed(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()));
        assert_eq!(wire.events().len(), 3, "{method}"); // the request, its body, and the end
        wire.respond(0, 200, Payload::Empty).unwrap();
        assert!(wire.events().is_empty());
    }
}

/// Kettle 2022 and 2025 (0.CL): a response before the body must not turn the body into a request.
#[test]
fn an_early_response_does_not_free_the_body() {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", HIDDEN.len());
    let mut wire = server();
    wire.feed(&head);
    wire.respond(0, 302, Payload::Empty).unwrap();
    wire.feed(HIDDEN).feed(HIDDEN);
    assert_eq!(wire.events(), [format!("0 POST / Sized({})", HIDDEN.len()), "1 GET /hidden None".to_owned()]);

    // Where the rest is too long to wait for, the connection ends.
    let mut wire = server_with(Limits { drain: 5, ..Limits::SERVER });
    wire.feed(&head);
    wire.respond(0, 302, Payload::Empty).unwrap();
    wire.feed(HIDDEN);
    assert_eq!((wire.events().len(), wire.machine.wants_input()), (1, false));
}

/// Kettle 2022: a server that gives up on a body and keeps the connection takes the rest for a request.
#[test]
fn a_pause_in_a_body_ends_the_connection() {
    let mut wire = server();
    wire.feed(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", HIDDEN.len()));
    wire.pass(std::time::Duration::from_secs(60));
    wire.feed(HIDDEN);
    assert!(wire.sent().contains("connection: close"));
    assert_eq!((wire.events().len(), wire.phase()), (2, Phase::Closing));
}

/// Kettle 2025: `Expect` makes a front end forget the body of a request that was answered early.
#[test]
fn expectations() {
    refused("Expect: y 100-continue\r\nContent-Length: 5", "", Error::Expectation);
    refused("Expect: 100-continue, x\r\nContent-Length: 5", "", Error::Expectation);
    refused_whole(&format!("GET / HTTP/1.0\r\nExpect: 099-continue\r\n\r\n{HIDDEN}"), Error::Expectation); // found by fuzzing
    refused("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5", "", Error::Expectation);
    let mut wire = server();
    wire.feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n");
    wire.respond(0, 403, Payload::Empty).unwrap();
    wire.feed(HIDDEN);
    assert_eq!((wire.events().len(), wire.machine.wants_input()), (1, false));
}

/// Funky chunks: a line feed ends a chunk's line for one, and is part of an extension for the other.
#[test]
fn term_ext_and_ext_term() {
    let chunks = |body: &str, error| refused("Transfer-Encoding: chunked", body, error);
    chunks("2;\nxx\r\n4c\r\n0\r\n\r\n", Error::BareLf);
    chunks("2;a\nxx\r\n0\r\n\r\n", Error::BareLf);
    chunks("2;a=\"\n\"\r\nxx\r\n0\r\n\r\n", Error::BareLf);
    chunks("2;a\rb\r\nxx\r\n0\r\n\r\n", Error::ChunkExtension);
    chunks("2;a\x00\r\nxx\r\n0\r\n\r\n", Error::ChunkExtension);
    chunks("2;\r\nxx\r\n0\r\n\r\n", Error::ChunkExtension);
    chunks("2\nxx\r\n0\r\n\r\n", Error::BareLf);
    chunks("2\rxx\r\n0\r\n\r\n", Error::ChunkSize);
}

/// Funky chunks (TERM.SPILL, SPILL.TERM, ONE.TWO, TWO.ONE, ZERO.TWO): what is skipped behind a chunk is looked at.
#[test]
fn spill() {
    let chunks = |body: &str, error| refused("Transfer-Encoding: chunked", body, error);
    chunks("2\r\nxx\n0\r\n\r\n", Error::ChunkEnd);
    chunks("2\r\nxxXX0\r\n\r\n", Error::ChunkEnd);
    chunks("2\r\nxx0\r\n\r\n", Error::ChunkEnd);
    chunks("2\r\nxx\r0\r\n\r\n", Error::ChunkEnd);
    chunks("2\r\nxx\r\n\r\n0\r\n\r\n", Error::ChunkSize);
    chunks("2\r\nxx\r\n0\r\n\n", Error::BareLf);
    chunks("2\r\nxx\r\n0\r\nX: y\n\r\n", Error::BareLf);
}

/// HTTP Garden, and CVE-2013-2028 among others: sizes that overflow, or that only some can read.
#[test]
fn chunk_sizes() {
    for size in [
        "10000000000000000",
        "100000000000000002",
        "00000000000000002",
        "-2",
        "+2",
        "0x2",
        " 2",
        "2 ",
        "2\t",
        "2_0",
        "g",
        "",
    ] {
        refused("Transfer-Encoding: chunked", &format!("{size}\r\nxx\r\n0\r\n\r\n"), Error::ChunkSize);
    }
    refused("Transfer-Encoding: chunked", "ffffffffffffffff\r\nxx", Error::BodyTooLarge);
    refused("Transfer-Encoding: chunked", "2\r\nxx\r\nffffffffffffffff\r\n", Error::ChunkSize);
}

/// HTTP Garden: trailers that are merged into the head frame or route what comes next.
#[test]
fn trailers_that_frame_or_route() {
    for trailer in ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Connection: close", "TE: trailers"] {
        refused("Transfer-Encoding: chunked", &format!("0\r\n{trailer}\r\n\r\n"), Error::Trailer);
    }
}

/// Host of Troubles: who is asked must be said once. hyper leaves this to its user.
#[test]
fn hosts() {
    refused_whole(&format!("GET / HTTP/1.1\r\n\r\n{HIDDEN}"), Error::HostMissing);
    refused_whole(&format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{HIDDEN}"), Error::HostRepeated);
    refused_whole(&format!("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n{HIDDEN}"), Error::HostRepeated);
    refused_whole(&format!("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n{HIDDEN}"), Error::HostRepeated);
    for host in ["a, b", "a b", "a/b", "u@a", "a:b", "a?b", "a#b", "a\\b", "[::1", "a\u{e9}"] {
        refused_whole(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"), Error::HostInvalid);
    }
    refused_whole(&format!("GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n{HIDDEN}"), Error::ObsFold);
    refused_whole(&format!("GET / HTTP/1.1\r\nHost : a\r\n\r\n{HIDDEN}"), Error::SpaceBeforeColon);
}

/// Host of Troubles: an absolute target and `Host` must agree; RFC 9112, section 3.2.2, prefers the target.
#[test]
fn absolute_targets() {
    let ask = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}");
    refused_whole(&ask("http://a/", "b"), Error::HostMismatch);
    refused_whole(&ask("http://a:81/", "a"), Error::HostMismatch);
    // The port that `Host` leaves out is that of the target's scheme, and no other's (RFC 9110, section 4.2.3).
    refused_whole(&ask("http://a:443/", "a"), Error::HostMismatch);
    refused_whole(&ask("https://a/", "a:80"), Error::HostMismatch);
    refused_whole(&ask("http://u@a/", "a"), Error::Target);
    refused_whole(&ask("http:///", "a"), Error::Target);
    refused_whole(&ask("a", "a"), Error::Target);
    refused_whole(&ask("*", "a"), Error::Target);
    refused_whole(&ask("/a#b", "a"), Error::Target);
    refused_whole(&ask("/a\u{e9}", "a"), Error::Target);
    refused_whole(&ask("/a\x01", "a"), Error::RequestLine);
    let mut wire = server();
    wire.feed(ask("http://A:80/x?y", "a"));
    let Some(ServerEvent::Request { head, .. }) = wire.raw_events().into_iter().next() else { panic!() };
    assert_eq!(head.authority(), Some("A:80"));
}

/// HTTP Garden: request lines with other white space, other versions, or more words.
#[test]
fn request_lines() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET /a b HTTP/1.1",
        "GET /",
        "GET / http/1.1",
        "GET / HTTP/1.1.1",
        "GET / HTTP/11",
        "GET / HTTP/+1.1",
        "G\0T / HTTP/1.1",
        "G@T / HTTP/1.1",
        "/ HTTP/1.1",
        "GET / HTTP/01.1",
    ] {
        refused_whole(&format!("{line}\r\nHost: a\r\n\r\n{HIDDEN}"), Error::RequestLine);
    }
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.1"] {
        refused_whole(&format!("GET / {version}\r\nHost: a\r\n\r\n{HIDDEN}"), Error::Version);
    }
}

/// Kettle 2025 (CONNECT with a length), RFC 9110, section 9.3.6: a tunnel has no body.
#[test]
fn connect_with_a_body() {
    let connect = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n";
    refused_whole(&format!("{connect}Content-Length: 5\r\n\r\nhello{HIDDEN}"), Error::UnexpectedFraming);
    refused_whole(&format!("{connect}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"), Error::UnexpectedFraming);
}

/// Egorov 2019: bytes behind an upgrade are a request only if the upgrade was declined, and a tunnel only if it was not.
#[test]
fn behind_an_upgrade_nothing_is_read_before_the_answer() {
    let mut wire = server();
    wire.feed(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{HIDDEN}"));
    assert_eq!((wire.events().len(), wire.src.len()), (1, HIDDEN.len()));

    // The answer to an earlier request is not the answer to this one.
    let mut wire = server();
    wire.feed(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}"));
    wire.respond(0, 200, Payload::Empty).unwrap();
    assert_eq!((wire.events().len(), wire.src.len()), (2, HIDDEN.len()));
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    lines.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()).unwrap());
    fields
}

/// Davison 2019, Miller 2020: `Connection` can have fields removed that the next one relies on, and `Upgrade` must not
/// be passed on by who does not speak what it asks for.
#[test]
fn hop_by_hop() {
    let mut some = fields(&[
        ("Host", "a"),
        ("Connection", "close, X-Own, Host, Cookie, X-Forwarded-For, Content-Length"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "x"),
        ("X-Own", "1"),
        ("Cookie", "c"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Content-Length", "5"),
        ("TE", "trailers"),
        ("Keep-Alive", "5"),
        ("Proxy-Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Trailer", "X"),
        ("X", "y"),
    ]);
    some.remove_hop_by_hop();
    let left: Vec<_> = some.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect();
    assert_eq!(left, ["Host", "Cookie", "X-Forwarded-For", "Content-Length", "X"]);
}

/// A. Klein, "Divide and Conquer: HTTP Response Splitting" (2004): no line break gets into a head.
#[test]
fn response_splitting() {
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", " a", "a "] {
        assert_eq!(Fields::new().append("X", value.as_bytes()), Err(CommandError::Field), "{value:?}");
    }
    for name in ["", "X Y", "X:", "X\r\nY", "\u{e9}"] {
        assert_eq!(Fields::new().append(name, b"a"), Err(CommandError::Field), "{name:?}");
    }
    for target in ["/a b", "/a\r\nHost: b", "a", ""] {
        assert_eq!(RequestHead::new(Method::GET, target), Err(CommandError::Target), "{target:?}");
    }
}

/// Kettle 2019 and 2022 (response queue poisoning): a response that nobody asked for must not wait for the next user.
#[test]
fn a_second_response_is_never_taken_for_the_next_one() {
    let mut wire = client();
    wire.get("/");
    wire.sent();
    wire.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_eq!(wire.events(), ["0 200 Sized(0)."]);
    assert_eq!((wire.phase(), wire.machine.is_ready()), (Phase::Aborted, false));
}

/// What a server behind a proxy must not get away with either.
#[test]
fn responses_are_read_as_strictly() {
    for (lines, error) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", Error::LengthAndEncoding),
        ("Content-Length: 5\r\nContent-Length: 6", Error::ContentLengthRepeated),
        ("Content-Length: +5", Error::ContentLength),
        ("Transfer-Encoding: gzip, chunked", Error::TransferCoding),
        ("Transfer-Encoding: identity", Error::TransferEncoding),
        ("Transfer-Encoding : chunked", Error::SpaceBeforeColon),
        ("X: y\r\n z", Error::ObsFold),
        ("X: y\nZ: a", Error::BareLf),
        ("X: y\0", Error::FieldValue),
    ] {
        let mut wire = client();
        wire.get("/");
        wire.feed(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhello"));
        assert_eq!(wire.events(), [format!("0 reset {error:?}")], "{lines:?}");
        assert_eq!(error.gateway_status(), StatusCode::BAD_GATEWAY);
    }
    for line in
        ["HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 200OK", "ICY 200 OK", "HTTP/1.1 200 O\0K"]
    {
        let mut wire = client();
        wire.get("/");
        wire.feed(format!("{line}\r\n\r\n"));
        assert_eq!(wire.events(), ["0 reset StatusLine"], "{line:?}");
    }
}

/// What this side sends is never ambiguous either: the framing is the machine's, whatever the head says.
#[test]
fn a_forwarded_head_is_framed_anew() {
    let mut source = server();
    source.feed("POST /x HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING: chunked\r\nX-Case: Kept\r\n\r\n");
    let Some(ServerEvent::Request { mut head, .. }) = source.raw_events().pop() else { panic!() };
    head.fields_mut().remove_hop_by_hop();
    let mut upstream = client();
    let request = ClientCommand::Request { head: head.into(), payload: Payload::Streamed };
    upstream.command(request).unwrap();
    assert_eq!(upstream.sent(), "POST /x HTTP/1.1\r\nHost: a\r\nX-Case: Kept\r\ntransfer-encoding: chunked\r\n\r\n");
}
