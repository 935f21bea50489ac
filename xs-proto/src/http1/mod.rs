//! HTTP/1.0 and HTTP/1.1: the vocabulary of a connection.
//!
//! # The problem
//!
//! HTTP/1.1 is text that anyone can type, and a protocol in which a wrong guess about where a message ends lets a
//! stranger put words into another client's mouth.
//!
//! # How it works
//!
//! ```text
//!   GET /a?b HTTP/1.1\r\n     method, target, version
//!   Host: example.org\r\n     fields
//!   \r\n                      and, where they say so, a body
//! ```
//!
//! # Invariants
//!
//! - No field gets a line break into a head ([`Fields::append`]).
//!
//! # Cost
//!
//! A received head is its bytes, shared with the read buffer, and a list of positions.
//!
//! # Example
//!
//! ```
//! use http::{Method, StatusCode};
//! use xs_proto::http1::RequestHead;
//!
//! let mut head = RequestHead::new(Method::GET, "/a?b").unwrap();
//! head.fields_mut().append("Host", b"example.org").unwrap();
//! assert_eq!(head.authority(), Some("example.org"));
//! assert_eq!(head.into_parts().unwrap().uri.query(), Some("b"));
//! ```
//!
//! # How others do it
//!
//! Most libraries make a map of a head at once, and lose the order and the case of its fields.
//!
//! # What this leaves out
//!
//! Meaning beyond the connection: caching, ranges, content codings.
//!
//! # Try next
//!
//! Count how many fields of a browser's request a server looks at.
//!
//! # Sources
//!
//! RFC 9110 (semantics) and RFC 9112 (HTTP/1.1).

mod body;
mod chars;
mod client;
mod config;
mod date;
mod encode;
mod error;
mod fields;
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
    StreamId,
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
