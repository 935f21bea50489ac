//! The primitive types of Kafka's messages, and how a field comes and goes with the versions.
//!
//! # The problem
//!
//! Kafka's messages have grown for more than ten years. A field comes in one version and goes in another, may be null from a
//! third on, and since KIP-482 all lengths are written in another way and fields with numbers may follow that nobody has to
//! know. Around that stand the ordinary traps: a count that promises two thousand million elements, text that is not text,
//! and payloads of megabytes that nobody should copy.
//!
//! # How it works
//!
//! ```text
//!                  older versions                  flexible versions
//!   string         length i16 · bytes              length + 1 as varint · bytes
//!   bytes          length i32 · bytes              length + 1 as varint · bytes
//!   array          count i32 · elements            count + 1 as varint · elements
//!   null           length -1                       0
//!   structure      its fields                      its fields · count of tagged fields · (number, length, value) …
//! ```
//!
//! [`Reader`] takes values off the front of a frame, [`Writer`] appends them to an [`Out`](crate::Out), and a type that has
//! a form is [`Wire`]. A [`Form`] says what decides about that form: the version, whether it is flexible, and whether the
//! field at hand may be null. [`At`] says in which versions a field is there, and is a constant beside each field in
//! [`messages`](super::messages).
//!
//! Text and bytes are slices of the frame: nothing is copied. [`Blob`] carries record batches, in both directions: as memory,
//! or as chunks that only the transport can fetch, such as ranges of a file for `sendfile`. Their length is known, so the
//! message around them is written as if they were there.
//!
//! Tagged fields that are not known are skipped, and not kept: what a message has no field for cannot be passed on.
//!
//! # Invariants
//!
//! - Writing what was read gives the same bytes (`tests/kafka_messages.rs`, for every message and version, beside a second
//!   reader of the descriptions).
//! - No count reserves memory: an array grows as its elements arrive. All arrays of a frame share one allowance
//!   ([`Reader::with_elements`]), since an element of one byte may be a structure of a hundred in memory.
//! - Null is an error where its version has no null, in both directions.
//! - A value that a version has no field for is an error, unless the field is one that nobody misses
//!   ([`At::ignorable`]): a request never silently loses what it asks for.
//!
//! # Cost
//!
//! Reading a field costs what its type costs, a comparison of versions for most, and a counted reference for text and bytes.
//!
//! # Example
//!
//! ```
//! use bytestring::ByteString;
//! use xs_proto::Out;
//! use xs_proto::kafka::wire::{Form, Reader, Wire, Writer};
//!
//! let names = vec![ByteString::from("a"), ByteString::from("bc")];
//! for (form, bytes) in [
//!     (Form::new(3, false), &b"\0\0\0\x02\0\x01a\0\x02bc"[..]),
//!     (Form::new(9, true), b"\x03\x02a\x03bc"),
//! ] {
//!     let mut out = Out::new();
//!     names.write(&mut Writer::new(&mut out), form).unwrap();
//!     assert_eq!(out.to_vec(), bytes);
//!     let mut reader = Reader::new(out.to_vec().into());
//!     assert_eq!(Vec::<ByteString>::read(&mut reader, form), Ok(names.clone()));
//! }
//! ```
//!
//! # How others do it
//!
//! Kafka's generator writes a class for each message, with a switch over the versions in both directions and a tree of
//! unknown tagged fields that are kept. kafka-protocol for Rust generates the same shape; it trusts an array's count for
//! its first allocation. librdkafka reads fields one by one from a buffer by macros that jump out when it ends.
//!
//! # What this leaves out
//!
//! Signed varints, which stand in records only ([`records`](super::records)). Unknown tagged fields, as said above.
//!
//! # Try next
//!
//! Keep the unknown tagged fields in one more field of each structure, write them back, and measure a produce request
//! before and after.
//!
//! # Sources
//!
//! Kafka's documentation, "Protocol primitive types"; KIP-482 (flexible versions and tagged fields), KIP-893 (structures
//! that may be null).

mod blob;
mod describe;
mod error;
mod reader;
mod uuid;
mod values;
mod writer;

pub use blob::{Blob, Chunk};
pub use describe::{At, Field, Kind, all, between, from};
pub use error::{ReadError, WriteError};
pub use reader::{DEFAULT_ELEMENTS, Reader};
pub use uuid::Uuid;
pub use writer::Writer;

/// What decides about the form of a value besides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The message's version.
    pub version: i16,
    /// Whether that is a flexible one.
    pub flexible: bool,
    /// Whether this value may be null.
    pub nullable: bool,
}

impl Form {
    /// The form of values in `version` that may not be null.
    pub const fn new(version: i16, flexible: bool) -> Form {
        Form { version, flexible, nullable: false }
    }

    /// The form of the field that is there `at` these versions.
    #[inline]
    #[must_use]
    pub const fn field(self, at: &At) -> Form {
        Form { nullable: at.can_be_null(self.version), ..self }
    }

    /// The form of what stands inside of a value, which may not be null.
    #[inline]
    #[must_use]
    pub const fn element(self) -> Form {
        Form { nullable: false, ..self }
    }
}

/// A type with a form on the wire.
pub trait Wire: Sized {
    /// The form, as data.
    const KIND: Kind;

    /// Takes a value off the front.
    fn read(reader: &mut Reader, form: Form) -> Result<Self, ReadError>;

    /// Appends the value.
    fn write(&self, writer: &mut Writer<'_>, form: Form) -> Result<(), WriteError>;
}
