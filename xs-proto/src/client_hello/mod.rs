//! The TLS ClientHello: what a client says before anything is secret.
//!
//! # The problem
//!
//! A balancer that passes TLS on without decrypting it, a firewall and a sniffer all want to know for which server a
//! connection is. The first message of a TLS connection says so in the clear, together with all that the client can do;
//! and it is written by a stranger, cut into records and segments as that one likes.
//!
//! # How it works
//!
//! ```text
//!   record: type 22 │ version │ length ┬ handshake: type 1 │ length (24 bits) ┬ version │ random │ session │ ciphers │ compression │ extensions
//!                                      │ … may go on in further records       │                                                       │
//!                                                                                          type │ length │ body  ◀────────────────────┘
//! ```
//!
//! [`ClientHello::from_records`] takes what has come of the stream and answers as a codec does: the message, or that
//! there is less than one, or an error at the first byte that no ClientHello has. It consumes nothing, so that the
//! bytes can be handed on as they are. [`ClientHello::parse`] reads a handshake message that something else has taken
//! out of its records (QUIC's frames). Extensions keep their bytes; accessors read those of interest:
//! [`server_name`](ClientHello::server_name), [`alpn`](ClientHello::alpn),
//! [`supported_versions`](ClientHello::supported_versions).
//!
//! # Invariants
//!
//! - At most 64 KiB of handshake message are gathered, in at most 64 records; a first byte that is no TLS is refused at
//!   once (`tests::what_is_no_tls_is_refused_at_once`).
//! - How the message is cut into records and reads changes nothing (`tests::records_may_cut_it_anywhere`).
//! - Every length fills what it stands in exactly; an extension stands at most once (RFC 8446, section 4.2).
//! - A server name is a DNS name in ASCII, or an error: it is used to choose where to go.
//!
//! # Cost
//!
//! One copy of the message, and a pass over it. A hello is 200 to 2,000 bytes.
//!
//! # Example
//!
//! ```
//! use xs_proto::client_hello::ClientHello;
//!
//! let hello = ClientHello::with_server_name("example.com", &[b"h2", b"http/1.1"]);
//! let stream = hello.write_record()?;
//! assert_eq!(ClientHello::from_records(&stream[..20])?, None); // more is needed
//! let hello = ClientHello::from_records(&stream)?.expect("all of it");
//! assert_eq!(hello.server_name()?, Some("example.com"));
//! assert_eq!(hello.alpn()?, [&b"h2"[..], b"http/1.1"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! haproxy (`req.ssl_sni`), nginx (`ssl_preread`) and Envoy's TLS inspector each have such a reader; rustls' `Acceptor`
//! is one for who goes on to terminate TLS.
//!
//! # What this leaves out
//!
//! Everything behind the first message; encrypted hellos (ECH), whose outer name is all there is to see; SSL 2's hello.
//!
//! # Try next
//!
//! Compute JA4 fingerprints of the clients on your machine with what this reads, and see which two you can't tell apart.
//!
//! # Sources
//!
//! RFC 8446, sections 4.1.2, 4.2 and 5.1; RFC 5246, section 7.4.1.2; RFC 6066, section 3 (server names); RFC 7301
//! (ALPN); RFC 8701 (GREASE).

mod error;
mod hello;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use hello::{ClientHello, Extension};
