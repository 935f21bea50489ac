//! Kafka's protocol: messages in all the versions that today's clients speak, record batches, connections.
//!
//! # The problem
//!
//! A Kafka broker is known by its protocol: forty requests, each in several versions, around one format of stored bytes.
//! Clients in every language choose different versions of it. To serve them all, or to be one of them in a test, a program
//! needs every version right, and the stored bytes untouched.
//!
//! # How it works
//!
//! ```text
//!   codec      frames, headers, who answers what          bytes   ⇄ Incoming, Response
//!   messages   one description a message, all versions            ⇄ structures
//!   wire       primitive types, versions of a field
//!   records    batches: what is in Produce and Fetch, and in the log, byte for byte
//! ```
//!
//! Read [`records`] first: it is what Kafka is about. Then [`wire`], [`messages`] and [`codec`], from small to large.
//! [`ErrorCode`] is how answers say what went wrong.
//!
//! # Invariants
//!
//! - No input panics; no length, count or size that is only claimed reserves memory; compressed data have a limit.
//! - Every message and version is checked against Kafka's own definitions, and against bytes that real clients sent.
//! - Record batches are passed on as they came.
//!
//! # Cost
//!
//! Nothing is copied on the way in: text, payloads and batches are slices of the read buffer, which stays until the last of
//! them is dropped. On the way out, large pieces go by reference and ranges of files by [`wire::Chunk`].
//!
//! # Example
//!
//! What a broker does with a produce request, without its network and its disk:
//!
//! ```
//! use xs_proto::kafka::ErrorCode;
//! use xs_proto::kafka::messages::{PartitionProduceData, ProduceRequest, TopicProduceData};
//! use xs_proto::kafka::records::{Batch, BatchBuilder, BatchError};
//!
//! let mut batch = BatchBuilder::new();
//! batch.append(1_700_000_000_000, None, Some(b"hello"));
//! let partition = PartitionProduceData { index: 0, records: Some(batch.finish()?.into()) };
//! let topic = TopicProduceData { name: "events".into(), partition_data: vec![partition] };
//! let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
//!
//! for topic in request.topic_data {
//!     for partition in topic.partition_data {
//!         let bytes = partition.records.and_then(|records| records.to_bytes()).unwrap_or_default();
//!         let code = match Batch::new(bytes).and_then(|batch| batch.check_crc()) {
//!             Ok(()) => ErrorCode::NONE,
//!             Err(error) => ErrorCode::from(error),
//!         };
//!         assert!(code.is_ok());
//!     }
//! }
//! # Ok::<(), BatchError>(())
//! ```
//!
//! # How others do it
//!
//! Kafka and kafka-protocol (Rust) generate code from JSON definitions; rskafka writes the few messages that it needs by
//! hand. Brokers that are not Kafka (Redpanda, WarpStream, Tansu) do one or the other. Here each message is described once,
//! in Rust, and checked against the definitions.
//!
//! # What this leaves out
//!
//! - What a broker does: partitions are in xs-storage, `partition`.
//! - The contents of group metadata and assignments, which belong to the clients.
//! - TLS, and the mechanisms of SASL.
//!
//! # Try next
//!
//! Point a client at a port on which nothing but ApiVersions is answered, and see how far it comes with each version.
//!
//! # Sources
//!
//! <https://kafka.apache.org/protocol>; Kafka's message definitions; the KIPs that the pages name.

pub mod codec;
mod error_code;
pub mod messages;
pub mod records;
mod varint;
pub mod wire;

pub use error_code::ErrorCode;
