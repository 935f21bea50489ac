//! The PROXY protocol, versions 1 and 2: who a connection through a proxy really comes from.
//!
//! # The problem
//!
//! A proxy that passes bytes on hides the client: the server sees a connection from the proxy, so its access list, its log
//! and its limits by address all see one busy client. HTTP has header fields for that, other protocols have none, and a
//! proxy that does not speak the protocol can't write any. What is needed is a prefix that any proxy can put in front of
//! any protocol, that a server which does not expect it refuses at once, and that a stranger cannot use to forge an
//! address.
//!
//! # How it works
//!
//! The proxy sends one header, once, before the first byte of the client. Version 1 is a line of at most 107 bytes:
//!
//! ```text
//!   PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n        source, destination, their ports
//!   PROXY UNKNOWN\r\n                                       the proxy cannot say; anything may stand before the end
//! ```
//!
//! Version 2 is binary, so that it can carry every family, and more than addresses:
//!
//! ```text
//!   0            12  13  14    16                        16 + length
//!   ├────────────┼───┼───┼─────┼───────────┬──────────────┤
//!   │ signature  │2 c│f t│ len │ addresses │ type len value … │
//!   └────────────┴───┴───┴─────┴───────────┴──────────────┘
//!                 │   │                      TLVs: ALPN, authority, CRC32C, TLS (with TLVs of its own), …
//!                 │   └ family (IPv4, IPv6, Unix) and transport (stream, datagram)
//!                 └ command: LOCAL, the proxy speaks for itself (a health check), or PROXY
//! ```
//!
//! The signature has line feeds, a NUL and nothing that HTTP, TLS, SSH or SMTP could begin with.
//!
//! [`HeaderCodec`] reads both versions and writes one. What it reads is a [`Header`]: either [`Header::Local`], or an
//! [`Origin`] with [`Extensions`], the TLVs that the specification knows, checked, and the rest as they came. A server
//! that must not read beyond the header, because the connection is handed on as it is, asks [`HeaderCodec::missing`] how
//! much it may read.
//!
//! # Invariants
//!
//! - What was written is read, and to the last byte (`what_is_written_is_read_however_it_is_cut`).
//! - How the input is cut into reads changes nothing, errors included (the same property, and the fuzz target).
//! - What begins like no header, or has a byte that none has in that place, is refused at that byte; only a line's words
//!   wait for its end, as the specification wants (`what_is_wrong_is_refused_at_once`).
//! - [`HeaderCodec::missing`] is never more than what the header still has to have
//!   (`a_reader_that_takes_what_is_missing_takes_the_header_exactly`).
//! - No length is believed beyond the codec's limit, and nothing is allocated before its bytes are there
//!   ([`HeaderCodec::with_limit`]).
//! - A checksum that is there is right (`Tlvs::parse`). A registered TLV stands at most once, so that two readers cannot
//!   take different ones.
//!
//! # Cost
//!
//! A header is read once per connection: some 100 ns, and no allocation but for the text of TLVs. Writing one is a few
//! dozen bytes at the front of the connection's first segment.
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use xs_proto::proxy_protocol::{Header, HeaderCodec, Version};
//! use xs_proto::{Decode, Encode, Out};
//!
//! // The proxy.
//! let header = Header::proxied("192.0.2.7:56324".parse()?, "198.51.100.1:443".parse()?);
//! let mut out = Out::new();
//! HeaderCodec::new(Version::V1).encode(&header, &mut out)?;
//! out.put_slice(b"EHLO mail.example\r\n");
//!
//! // The server behind it.
//! let mut src = BytesMut::from(&out.to_vec()[..]);
//! assert!(src.starts_with(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"));
//! let header = HeaderCodec::default().decode(&mut src)?.expect("a whole header");
//! assert_eq!(header.source(), Some("192.0.2.7:56324".parse()?));
//! assert_eq!(src, "EHLO mail.example\r\n"); // the client's own
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! haproxy peeks at the socket and takes the header in one go, as the sender is obliged to send it in one segment; it
//! does not mind waiting for a broken line's end. nginx reads at most 4096 bytes of a version 2 header, which is this
//! codec's default limit. Most servers skip TLVs they have no use for, and so never notice a torn one.
//!
//! Where the specification leaves a choice, this refuses: a family without a transport, TLVs that do not fill their space
//! exactly, a second TLV of a registered type, a carriage return or line feed inside a line of version 1. Whatever is
//! behind this reader may have been told something else by another one.
//!
//! # What this leaves out
//!
//! - Guessing whether there is a header. The specification forbids it: a client could then write its own.
//! - Who may send one. That is for the server to say, by the address that the connection really comes from.
//! - Senders' own registered ranges (0xE0 to 0xF7): they are kept as they came ([`Extensions::other`]).
//!
//! # Try next
//!
//! Put a header with the address of your neighbour in front of an SSH connection to a server that trusts everybody, and
//! look into its log.
//!
//! # Sources
//!
//! W. Tarreau, "The PROXY protocol, versions 1 & 2" (haproxy, `doc/proxy-protocol.txt`, 2020); RFC 4960, appendix B, for
//! CRC32C; RFC 7239, section 5.2, for what HTTP has instead.

mod codec;
mod error;
mod header;
mod tlv;
mod v1;
mod v2;

pub use codec::{DEFAULT_LIMIT, HeaderCodec, Version};
pub use error::{EncodeError, Error};
pub use header::{Header, Origin, Protocol, UnixName};
pub use tlv::{Extensions, Tls};
