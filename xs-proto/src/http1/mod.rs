//! HTTP/1.0 and HTTP/1.1: both sides of a connection as machines.
//!
//! # The problem
//!
//! HTTP/1.1 is text that anyone can type, and it says in four different ways where a message ends: by having no body, by
//! a number, by chunks, by hanging up. If two recipients of the same bytes read them in two ways, a stranger can put a
//! request of his own in front of the next client's: that is request smuggling, and twenty years of it have come from
//! parsers that were kind. On top of the text lies a conversation: requests come before the responses to those before
//! them are written, a client asks for leave to send its body, either side ends the connection with a word in a field,
//! and another protocol may take it over. And a proxy must do all of this twice for each request, at a price that is
//! small beside two system calls.
//!
//! # How it works
//!
//! Two [machines](crate::machine), [`Server`] and [`Client`], and one vocabulary:
//!
//! ```text
//!   bytes ──▶ Server ── ServerEvent: Request, Data…, End ──────────▶ service
//!   bytes ◀──        ◀─ ServerCommand: Continue, Respond, Data…, End ──
//!
//!   user  ── ClientCommand: Request, Data…, End ─────▶ Client ──▶ bytes
//!         ◀─ ClientEvent: Informed, Response, Data…, End ──   ◀── bytes
//! ```
//!
//! **Exchanges have names.** Every event and command carries a [`StreamId`], and a server may answer in any order: what
//! must wait for an earlier response waits in the machine. A service that is written to this vocabulary does not see
//! whether one exchange is under way or many, so HTTP/2 can speak it too.
//!
//! **Heads come as they came.** A [`RequestHead`] or [`ResponseHead`] is the bytes of the head, shared with the read
//! buffer, and a list of where each field lies. Their [`Fields`] keep order and case. `into_parts` makes the types of the
//! `http` crate of it, for a service that wants them, and every command takes either form. A proxy wants neither a map
//! nor URIs: it looks at a few fields, removes what concerns one hop ([`Fields::remove_hop_by_hop`]), adds its own, and
//! what is left is copied to the other side in runs of lines.
//!
//! **One head at a time.** However many requests one read has brought, the next head is read when the event of the one
//! before is taken, and its answer written in place if it comes before that. So a whole pipeline passes through one head's
//! memory, and what nobody takes stays bytes.
//!
//! **Framing is the machine's.** `Content-Length`, `Transfer-Encoding` and `Connection` in a head to be sent are read,
//! held against the [`Payload`], and written anew; if they contradict it the command is refused and nothing is sent.
//! A length in the head of a streamed body frames it. A streamed body without one goes out in chunks, and to a client of
//! HTTP/1.0 up to the end of the connection.
//!
//! **Bodies are streams with windows.** Pieces are slices of the read buffer; only chunks below a kilobyte are joined. A
//! body counts against [`Limits::receive_window`] until it is [consumed](ServerCommand::Consumed), across all exchanges
//! of the connection, and beyond it the machine leaves bytes where they are and wants no more. In the other direction
//! [`window`](crate::Machine::window) says how much may be sent, and `Writable` when there is room again. Large pieces
//! go by reference ([`Out`](crate::Out)), and what only the transport can fetch, such as a range of a file, as
//! [`External`](ServerCommand::External).
//!
//! **The connection ends** after a request or response that says so, after a fault, and wherever it would be unclear
//! what comes next:
//!
//! | situation | what a server does |
//! |---|---|
//! | bytes that are no request | answers [`Error::status`] behind the other responses, closes |
//! | a fault inside a body, before the response | the same, and resets the exchange |
//! | a fault inside a body, during the response | cuts the connection |
//! | response complete, rest of the body short | reads and drops it, goes on |
//! | response complete, rest of the body long | says `close`, closes |
//! | final response where the client waits for 100 | says `close`, closes: the body may come or not |
//! | `Upgrade` or `CONNECT` | reads nothing before the answer; then hands over, or goes on |
//!
//! **Time is an argument.** There is one deadline at any moment ([`Timeouts`]), and only while the peer is the one that
//! is waited for. The calendar's time for `Date` is given with [`ServerCommand::Date`], once a second or so.
//!
//! # Invariants
//!
//! - **One reading only.** Whatever RFC 9110 and 9112 let a recipient accept *or* refuse, and what recipients are known
//!   to read in different ways, is refused: `tests/http1/smuggling.rs` has each published case with its source. The
//!   rules stand in `Facts` (what fields say together), `field_line` (what a line is), `chunk_line`, and
//!   `RequestParser::take` (targets and hosts).
//! - A head, a line and a trailer section are judged when they are complete, so any split of the input gives the same
//!   events and errors (`tests/http1/splits.rs`, and the fuzz targets `http1_request` and `http1_response`).
//! - What is sent is read back the same (`tests/http1/encoding.rs`), and no name, value or target gets a line break into
//!   a head: [`Fields::append`] and [`RequestHead::new`] refuse it, and the `http` crate's types have none.
//! - Responses leave in the order of their requests (`Server::settle` is where an exchange gets its turn).
//! - A head that is all there and usual is read in one pass (`RequestHead::read`), and everything else by the parser that
//!   can wait and explain (`RequestParser::parse`). The first refuses to judge whatever it does not accept, so the second
//!   alone decides what is wrong; any split of the input leads through it, and to the same events.
//! - Fields that are those of the connection's last head, byte by byte and to the empty line, are not read again (`Memo`).
//!   What came before changes nothing of what is found (a property test beside it).
//! - Nothing behind `CONNECT` or an `Upgrade` is looked at before it is answered (`Read::Paused`).
//! - Memory is bounded by [`Limits`]: a head, the receive window, and two send windows, whatever the peer does. A byte
//!   that waits for the end of its line is searched once, however many reads bring the line.
//!
//! # Cost
//!
//! With the types of the `http` crate, parsing, handing over and answering a request takes about as long as in hyper, and
//! most of it is the map. With heads as they came it takes half as long for a browser's fourteen fields, and two thirds for
//! four; a proxy, which does it twice, stays below one server with a map. `cargo run --release -p xs-benches --features
//! peers-http -- http1` measures this beside httparse and hyper. A request's head is a box with a list of positions, and
//! none is allocated if they are given back ([`Server::spare`]), nor is a `HeaderMap` for which a response has brought one.
//! A server keeps up to a kilobyte of the last head's fields for the next, which mostly has the same, and saves most of the
//! parsing then; load generators always send the same, so what is measured with them says nothing of fields that change,
//! and the benchmark has a column for either.
//! Events are small; the largest command, a response, can be given by reference ([`Server::respond`]).
//!
//! # Example
//!
//! A whole exchange, without a network:
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use http::{Method, StatusCode};
//! use std::time::Instant;
//! use xs_proto::http1::{
//!     Client, ClientCommand, ClientEvent, Limits, Payload, RequestHead, ResponseHead, Server, ServerCommand,
//!     ServerEvent, Timeouts,
//! };
//! use xs_proto::{Machine, Out};
//!
//! /// Carries what one side has to say to the other's read buffer.
//! fn carry(from: &mut impl Machine, to: &mut BytesMut) {
//!     let mut out = Out::new();
//!     from.poll_transmit(&mut out);
//!     to.extend_from_slice(&out.to_vec());
//! }
//!
//! let now = Instant::now();
//! let mut client = Client::new(now, Limits::CLIENT, Timeouts::DEFAULT);
//! let mut server = Server::new(now, Limits::SERVER, Timeouts::DEFAULT);
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//!
//! let mut head = RequestHead::new(Method::GET, "/greeting?name=Ada").unwrap();
//! head.fields_mut().append("Host", b"example.org").unwrap();
//! client.command(now, ClientCommand::Request { head: head.into(), payload: Payload::Empty }).unwrap();
//! carry(&mut client, &mut to_server);
//!
//! server.handle_input(now, &mut to_server);
//! let Some(ServerEvent::Request { stream, head }) = server.poll_event() else { panic!() };
//! assert_eq!(head.into_parts().unwrap().uri.query(), Some("name=Ada"));
//! let head = ResponseHead::new(StatusCode::OK).into();
//! let payload = Payload::Full(Bytes::from("Good day, Ada!"));
//! server.command(now, ServerCommand::Respond { stream, head, payload }).unwrap();
//! carry(&mut server, &mut to_client);
//! assert!(to_client.starts_with(b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n"));
//!
//! client.handle_input(now, &mut to_client);
//! let Some(ClientEvent::Response { head, complete: false, .. }) = client.poll_event() else { panic!() };
//! assert_eq!(head.status(), StatusCode::OK);
//! let Some(ClientEvent::Data { bytes, .. }) = client.poll_event() else { panic!() };
//! assert_eq!(bytes, "Good day, Ada!");
//! assert!(matches!(client.poll_event(), Some(ClientEvent::End { .. })));
//! assert!(client.is_idle()); // ready for the next one
//!
//! // Two lengths are one too many.
//! to_server.extend_from_slice(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
//! server.handle_input(now, &mut to_server);
//! let Some(ServerEvent::Refused { error }) = server.poll_event() else { panic!() };
//! assert_eq!(error.status(), StatusCode::BAD_REQUEST);
//! ```
//!
//! # How others do it
//!
//! - **hyper** parses with httparse into a `HeaderMap` at once. It serves one exchange at a time and leaves the rest of
//!   the pipeline unread. It lets a missing or second `Host` through to its user, takes equal repetitions of
//!   `Content-Length`, and a line feed alone as a line's end.
//! - **llhttp**, in Node, is a state machine generated from a grammar; it calls back for each piece of a token, and has
//!   flags for each leniency that its users could not live without.
//! - **haproxy** turns a head into a list of blocks in a ring buffer (HTX) on which its rules work, and writes the other
//!   side from it. nginx keeps the buffer and a list of pointers, which is nearest to what is done here.
//! - **h11** has the same shape as these machines: events from bytes, bytes from events, no socket.
//!
//! Search with vector instructions over a whole head (picohttpparser, simdjson's kind) gains most on long values. Here a
//! value is validated and its end found in the same pass over words of eight bytes, and line ends that are not there yet
//! are looked for with memchr. `unsafe` is not allowed in this crate.
//!
//! # What this leaves out
//!
//! - Meaning beyond the connection: caching, ranges, conditions, content codings, cookies.
//! - Transfer codings other than `chunked`; a request that has one is answered 501.
//! - Leniency. Old devices that send a line feed alone, or pad a chunk's size with spaces, are refused. So is raw UTF-8
//!   in a target.
//! - `HTTP/0.9`, and minor versions above 1, which RFC 9110 would have a recipient treat as 1.1: nobody sends them, and
//!   they have been used to get past filters.
//! - A lower bound on the rate at which a response is taken, or comes: a slow reader is the driver's business (that of
//!   `xs-net` has a bound), and [`Timeouts::body_rate`] bounds requests only.
//! - An absolute target in what the [`Client`] makes of the `http` crate's types, as a forward proxy is asked:
//!   [`RequestHead::new`] takes one.
//! - Whether a trailer was announced in `Trailer`, and whether the client wants any (`TE: trailers`).
//!
//! # Try next
//!
//! Let `transfer_encoding` accept a list that ends in `chunked`, and see which tests fail; then find out what a proxy in
//! front of a server that does not know the other coding would do. Or let [`Fields`] keep its positions in 16 bits and
//! measure what that gains.
//!
//! # Sources
//!
//! RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (URIs). The papers on smuggling are listed in
//! `tests/http1/smuggling.rs`. The search in words is from H. S. Warren, "Hacker's Delight", section 6-1; the calendar
//! in `date` is H. Hinnant's "chrono-Compatible Low-Level Date Algorithms".

mod body;
mod chars;
mod client;
mod config;
mod date;
mod encode;
mod error;
mod fields;
mod memo;
mod message;
mod request;
mod response;
mod server;
mod target;
mod timer;

pub use client::Client;
pub use config::{Limits, Timeouts};
pub use date::http_date;
pub use error::{CommandError, Error};
pub use fields::Fields;
pub use message::{
    AnyFields, AnyRequest, AnyResponse, ClientCommand, ClientEvent, Framing, Payload, ServerCommand, ServerEvent,
    Spare, StreamId,
};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use server::Server;
pub use target::TargetForm;

use http::Version;

/// The version in a start line; `None` is no version at all.
fn version_of(bytes: &[u8]) -> Option<Result<Version, Error>> {
    match bytes {
        b"HTTP/1.1" => Some(Ok(Version::HTTP_11)),
        b"HTTP/1.0" => Some(Ok(Version::HTTP_10)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Some(Err(Error::Version))
        }
        _ => None,
    }
}
