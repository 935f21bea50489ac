//! Record batches, format 2: what producers send, brokers store and consumers get, byte for byte.
//!
//! # The problem
//!
//! A broker moves messages by the million in a second. It can't look at each one: it wants to check a lump of them, give
//! it a number, append it to a file, and later hand the very same bytes to every consumer. So the unit of everything is the
//! batch, which the producer makes, compresses and signs with a checksum. What the broker must write into it lies outside
//! of that checksum; what it must know lies at fixed places in front.
//!
//! # How it works
//!
//! ```text
//!    0 base offset i64        ◀ the broker's         27 time of the first record i64 (the base of the others)
//!    8 length of the rest i32                        35 latest time i64
//!   12 leader's epoch i32     ◀ the broker's         43 producer i64 ─┐
//!   16 format i8 = 2                                 51 its epoch i16 ├ idempotence, transactions
//!   17 CRC32C of all from 21 on                      53 sequence i32 ─┘
//!   21 attributes i16 ─ compression, flags           57 number of records i32
//!   23 last offset, from the base i32                61 records, all together compressed
//!
//!   record:  length, attributes, time and offset (from the base), key, value, headers     varints throughout
//! ```
//!
//! There are two levels, since a broker needs the first one only:
//!
//! - [`BatchHeader`] is those 61 bytes as numbers, and [`Batch`] a header with its bytes. Reading one costs a few loads.
//!   [`Batch::check_crc`] is what a broker does with a batch that a stranger sent, and [`BatchHeader::check_produced`] what
//!   else a producer may not do.
//! - [`Batch::records`] goes through the records, one after the other, as [`Record`]s whose keys and values are slices of
//!   the batch. It decompresses first, to a limit that the caller names.
//!
//! [`BatchBuilder`] makes batches: as a producer does, or as compaction does, which leaves records out and keeps the
//! offsets of the others. [`Control`] is what a control batch says: that a transaction has ended.
//!
//! # Invariants
//!
//! - Reading what was written gives the same, whatever the compression (`what_is_written_is_read`).
//! - No input panics, and every flipped bit from byte 16 on is noticed (`every_flipped_bit_is_noticed`, and the fuzz
//!   target `kafka_records`).
//! - Decompression never has more than its limit in memory, and a claimed length reserves nothing (`bombs_are_refused`).
//! - Within a batch offsets rise and stay within what the header spans; a record that says otherwise is an error.
//! - An iterator ends after its first error, and reports bytes that are left over behind the last record.
//!
//! # Cost
//!
//! A header is 13 loads; the checksum, once over all bytes, is the price of a batch at the broker. A
//! record costs two counted references, one for the key and one for the value. Compressed batches are decompressed as a
//! whole: the largest batch, decompressed, is in memory once for each reader.
//!
//! # Example
//!
//! ```
//! use xs_proto::kafka::records::{Batch, BatchBuilder, DEFAULT_LIMIT};
//!
//! let mut builder = BatchBuilder::new();
//! builder.append(1_700_000_000_000, Some(b"key"), Some(b"first"));
//! builder.append(1_700_000_000_005, None, Some(b"second"));
//! let sent = builder.finish()?;
//!
//! let batch = Batch::new(sent)?;
//! batch.check_crc()?;
//! batch.header().check_produced()?;
//! assert_eq!((batch.header().count, batch.header().last_offset()), (2, 1));
//! let values: Result<Vec<_>, _> = batch.records(DEFAULT_LIMIT)?.map(|record| Ok(record?.value)).collect();
//! assert_eq!(values?, [Some("first".into()), Some("second".into())]);
//! # Ok::<(), xs_proto::kafka::records::BatchError>(())
//! ```
//!
//! # How others do it
//!
//! Kafka's broker decompresses every batch that comes in and checks each record, and recompresses where the topic's
//! configuration differs from the producer's. Redpanda checks the checksum and no more. librdkafka parses batches in place
//! and hands out messages that hold the receive buffer. rskafka and kafka-protocol decode all records into vectors.
//!
//! # What this leaves out
//!
//! - The formats 0 and 1, which Kafka 4 has dropped, too: [`BatchError::Magic`].
//! - Compression levels: everything is written with its library's default, since a broker writes little.
//! - Checks across batches (sequences, epochs, offsets): those are the partition's.
//!
//! # Try next
//!
//! Send a topic of JSON lines, once as one batch and once as a batch for each record, and compare the bytes with each
//! compression. Then find out from which batch size on zstd beats lz4 in bytes and loses to it in time.
//!
//! # Sources
//!
//! Kafka's documentation, "Message format"; KIP-98 (producers, transactions and format 2), KIP-110 (zstd), KIP-534
//! (delete horizon); RFC 1952, RFC 8878, the LZ4 frame format, and the framing of snappy-java's `SnappyOutputStream`.

mod batch;
mod builder;
mod compression;
mod control;
mod error;
mod header;
mod record;

pub use batch::{Batch, BatchIter};
pub use builder::BatchBuilder;
pub use compression::Compression;
pub use control::{Control, Outcome, end_transaction};
pub use error::BatchError;
pub use header::{BatchHeader, HEADER_LEN, TimestampType};
pub use record::{Headers, Record, Records};

/// A generous limit for a batch that is decompressed, in bytes: 64 times what a broker lets in by default
/// (`message.max.bytes`).
pub const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;
