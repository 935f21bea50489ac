//! RESP, the protocol of Redis, in versions 2 and 3: requests, replies and frames.
//!
//! # The problem
//!
//! A Redis server answers millions of small requests in a second, over thousands of connections, from clients in
//! every language and from people at a telnet prompt. So its protocol must be cheap to read (every length stands in
//! front of what it counts), easy to write by hand, and able to carry any bytes. Version 3 adds types, so that a
//! client no longer has to know that the array which `HGETALL` answers is a map. And whoever reads it must survive a
//! stranger who claims to be about to send an array of two thousand million elements.
//!
//! # How it works
//!
//! A value is a type byte, a line and, for most types, something behind the line that it counts:
//!
//! ```text
//!   *2\r\n                 an array of two values
//!     $3\r\nGET\r\n         a bulk string of three bytes
//!     $1\r\nk\r\n           a bulk string of one byte
//!   :42\r\n                an integer           %1\r\n+a\r\n:1\r\n     a map of one pair (version 3)
//! ```
//!
//! The two sides of a connection are not alike, and so there are three tools:
//!
//! ```text
//!             requests: arrays of bulk strings, or lines          replies: any type
//!   client ── FrameCodec (Encode<&Request>) ──▶ RequestDecoder ── server ── Reply ──▶ FrameCodec (Decode) ── client
//! ```
//!
//! - [`RequestDecoder`] reads what a server reads. It finds where each argument lies in the read buffer and copies
//!   nothing: [`Args`] is a borrowed view of positions and bytes. [`Request`] is the same, owned.
//! - [`Reply`] writes what a server writes, piece by piece and in the version that the client speaks, into an
//!   [`Out`](crate::Out). One call such as [`Reply::map`] serves both versions.
//! - [`format_double`] and [`LongDouble`] are the two ways in which Redis prints a number with a fraction, and clients
//!   see the difference.
//! - [`FrameCodec`] reads and writes [`Frame`]s, the full tree of values. It serves clients, proxies and tests.
//!
//! Both decoders are small state machines which remember how far they have come. The request decoder leaves the bytes
//! where they are and remembers positions, because a request is used as a whole. The frame codec takes each piece off
//! the buffer and keeps the open aggregates on a stack, because a reply may be a tree of any size.
//!
//! Version 3 may stream a string or an aggregate whose length the sender does not know (`$?`, `*?`, `~?`, `%?`). They
//! are decoded and become ordinary values: the chunks of a string are joined. Nothing here streams when it writes,
//! and streamed pushes and attributes, which the specification does not define, are refused.
//!
//! # Invariants
//!
//! - Reading what was written gives the same (`what_is_written_is_read_however_it_is_cut`, for requests and frames).
//! - How the input is cut into reads changes nothing, errors included (`a_cut_changes_nothing_…`, and the fuzz targets).
//! - What has been passed is not looked at again (`what_has_been_seen_is_not_looked_at_again`).
//! - No length is believed before its bytes arrive: memory grows with what was received, at most eight bytes of
//!   position for the six that the shortest argument takes, and a frame's element for each three.
//! - A line break never gets from a text into a line: [`Reply`] turns it into spaces, [`FrameCodec`] refuses it.
//! - Errors are final, `Clone + Eq`, and say who is at fault ([`RequestError::blame`], [`FrameError::blame`]).
//!
//! # Cost
//!
//! Parsing a pipelined `SET` of a 16-byte key and answering it takes 20 to 30 ns, 5 to 10 ns for each argument, on a machine
//! of 2020s make. Neither allocates: the vector of positions and the output buffer are used again. What an argument
//! costs is mostly the branch predictor's surprise at the next length, which is why short lengths are read as one
//! word (the private module `length` tells how). A double costs more than the whole request, 150 to 250 ns, because
//! seventeen exact digits are hard work.
//!
//! # Example
//!
//! A whole server, without a network:
//!
//! ```
//! use xs_proto::Out;
//! use xs_proto::resp::{InputLimits, Reply, RequestDecoder, Version};
//!
//! fn serve(mut input: &[u8], out: &mut Out) {
//!     let mut decoder = RequestDecoder::new(InputLimits::default());
//!     loop {
//!         match decoder.parse(input) {
//!             Ok(Some(taken)) => {
//!                 let args = decoder.args(input);
//!                 let mut reply = Reply::new(out, Version::Resp2);
//!                 match (args.get(0), args.len()) {
//!                     (None, _) => {} // an empty line
//!                     (Some(b"PING"), 1) => reply.simple("PONG"),
//!                     (Some(b"ECHO"), 2) => reply.bulk(&args[1]),
//!                     _ => reply.error("ERR unknown command"),
//!                 }
//!                 input = &input[taken..];
//!             }
//!             Ok(None) => return, // a server would read more
//!             Err(error) => return Reply::new(out, Version::Resp2).error(format!("ERR {error}")),
//!         }
//!     }
//! }
//!
//! let mut out = Out::new();
//! serve(b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n?", &mut out);
//! assert_eq!(out.to_vec(), b"+PONG\r\n$2\r\nhi\r\n");
//! serve(b"*nonsense\r\n", &mut out);
//! assert!(out.to_vec().ends_with(b"-ERR Protocol error: invalid multibulk length\r\n"));
//! ```
//!
//! # How others do it
//!
//! Redis keeps the count and the length that it waits for in the client and makes a string object of each argument;
//! an argument of 32 KiB or more takes over the read buffer instead of being copied. mini-redis first checks whether a
//! frame is complete and then parses it, from its start, at each read. redis-rs parses replies with combinators that
//! can stop and go on.
//!
//! Where the specification and Redis 7.0 differ about requests, this follows Redis, since that is what clients were
//! tested against: leading zeros in a length are refused, the two bytes behind an argument are skipped without a look,
//! and a NUL byte in a line hides the line's end, since Redis looks for it in a C string. For frames it follows the specification, which is strict about them.
//!
//! # What this leaves out
//!
//! - Commands: what the arguments mean is the server's business.
//! - Streamed output. A server that does not know a length uses [`Reply::begin`], which moves what was written.
//! - Checks that a set has no repetitions and that a map's keys differ: both are for the receiver to judge.
//!
//! # Try next
//!
//! Take the two lines out of [`RequestDecoder`] that remember `scanned`, and time an inline request of 60 KiB that
//! arrives byte by byte. Or teach [`Reply`] to stream an aggregate (`*?`), and find out which clients understand it.
//!
//! # Sources
//!
//! The RESP3 specification (S. Sanfilippo, `redis/redis-specifications`, `protocol/RESP3.md`); the protocol page of
//! the Redis documentation; the behaviour of Redis 7.0 for error texts, limits and the form of numbers. The word-wise
//! search for a byte is in H. S. Warren, "Hacker's Delight", section 6-1.

mod args;
mod codec;
mod frame;
mod hex_float;
mod inline;
mod length;
mod limits;
mod long_double;
mod number;
mod reply;
mod request;

pub use args::{Args, ArgsIter, Request};
pub use codec::FrameCodec;
pub use frame::{EncodeError, Frame, FrameError};
pub use hex_float::HexFloat;
pub use limits::InputLimits;
pub use long_double::LongDouble;
pub use number::{format_double, parse_double, parse_i64};
pub use reply::{Mark, Reply};
pub use request::{RequestDecoder, RequestError};

/// The version of the protocol that a client speaks.
///
/// Requests look alike in both; replies differ. A connection starts in version 2, and `HELLO 3` changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// Five types and two forms of null.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, big numbers, verbatim strings, attributes and pushes.
    Resp3,
}
