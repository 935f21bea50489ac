//! DNS messages: questions, records and their names.
//!
//! # The problem
//!
//! A name server and its clients speak in messages of a few hundred bytes, most of them in one datagram. To fit, names
//! are compressed: a name may end in a pointer to where its rest stands already. A pointer is also how a stranger
//! writes a loop, or a message of 500 bytes that unpacks to megabytes.
//!
//! # How it works
//!
//! ```text
//!   ├ id │ flags │ counts ┼ questions ┼ answers ┼ authorities ┼ additional ┤
//!                          name type class        │
//!                          3www7example3com0      └ name type class ttl length data
//!                                ▲                  c0 ─┐
//!                                └──────────────────────┘ a pointer: the name goes on at that offset
//! ```
//!
//! [`Message::parse`] reads a whole message into owned values, [`Message::write`] makes one, compressing the names that
//! RFC 3597 lets it compress. [`Name`] is one to 127 labels of any bytes, compared without regard to the case of ASCII
//! letters. [`Data`] knows the records in daily use, and keeps every other one as its bytes. Over TCP a message has two
//! bytes of length in front of it: [`TcpCodec`] is that stream's codec.
//!
//! # Invariants
//!
//! - A pointer points backwards, in front of the name that it stands in, so that following them ends (`name::read`).
//! - A name is at most 255 bytes, a label 63, however it was written (`Name::push`).
//! - Counts allocate nothing: records are read one after another, and each takes bytes. All names that a message
//!   unpacks to are bounded with it: a record is 11 bytes at least and its names 510 at most.
//! - What was written is parsed to the same (`tests::round_trips`); a record of an unknown type keeps its bytes (RFC 3597).
//!
//! # Cost
//!
//! A pass over the message; an allocation a name and one a record's data. Compression looks names up in a map of the
//! suffixes that were written.
//!
//! # Example
//!
//! ```
//! use xs_proto::dns::{Data, Message, Question, Record, RecordType};
//!
//! let mut message = Message::query(7, Question::new("example.com".parse()?, RecordType::A));
//! message.recursion_desired = true;
//! let bytes = message.write()?;
//!
//! // The server.
//! let mut answer = Message::parse(&bytes)?.into_response();
//! let name = answer.questions[0].name.clone();
//! answer.answers.push(Record::new(name, 300, Data::A("192.0.2.1".parse()?)));
//! let reply = Message::parse(&answer.write()?)?;
//! assert_eq!(reply.answers[0].to_string(), "example.com. 300 IN A 192.0.2.1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! hickory-proto parses to owned values as well and knows every type; domain parses lazily over the octets, for servers
//! that look at little. BIND's library and unbound read into wire-format pools.
//!
//! # What this leaves out
//!
//! Types out of daily use, TSIG and SIG(0), the canonical form that DNSSEC signs, zone files. A resolver and a server:
//! those stand on this.
//!
//! # Try next
//!
//! Write a message of 512 bytes whose names unpack to as much as they can, and compute the ratio. Then allow forward
//! pointers, and look at what a fuzzer finds.
//!
//! # Sources
//!
//! RFC 1034, 1035; RFC 2181 (clarifications), 2308 (SOA in negative answers), 2782 (SRV), 3596 (AAAA), 3597 (unknown
//! types), 6891 (EDNS), 7766 (TCP), 8659 (CAA), 9267 (what goes wrong in parsers).

mod data;
mod error;
mod message;
mod name;
mod record;
mod stream;
#[cfg(test)]
mod tests;

pub use data::Data;
pub use error::Error;
pub use message::{Message, Opcode, Question, ResponseCode};
pub use name::Name;
pub use record::{Class, Record, RecordType};
pub use stream::TcpCodec;
