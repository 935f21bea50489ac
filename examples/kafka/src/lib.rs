//! **A Kafka broker, assembled**: a listener × the Kafka codec × a service × partitions on a log.
//!
//! # The problem
//!
//! Programs that speak Kafka need a Kafka in their tests and on laptops, and learners want to see how little is left of
//! a broker when its parts are taken out: a protocol, a log, and the rules between them.
//!
//! # How it works
//!
//! ```text
//!   client ─▶ xs_net::Pipeline × xs_proto::kafka::codec      frames, headers, answers in order
//!                    │
//!                 service ─▶ api/: produce, fetch, metadata …   one family of requests in each file
//!                    │
//!                 topics ─▶ catalog: xs_storage::btree          which topics there are
//!                       └─▶ xs_storage::partition               batches as they came, on xs_storage::log
//! ```
//!
//! A produce request is a check of the batch's header and checksum and an append of its bytes; the records inside are never
//! looked at, unless the topic is compacted and each must have a key. A fetch that finds too little waits for one of its
//! partitions to grow; what it finds is a list of ranges of files, which the kernel sends. What may wait for the disk (making
//! topics, looking for a time) leaves the reactor through a bridge. In the background records are written, deleted when
//! they are old, and compacted (`tend`).
//!
//! Who a client is, SASL says (`sasl`); what it may do, [access rules](acl) (`caller` asks them); how much of it, quotas (`quota`).
//! A client over its quota is answered at once, told how long it has to wait, and not heard until then: the service's `poll_ready`
//! says so, and the pipeline stops reading.
//!
//! What is served, and which versions kcat with librdkafka 2.0.2, confluent-kafka 2.16.1 (librdkafka 2.16.0, as rdkafka
//! 0.39 has it in the tests), kafka-python 3.0.12, aiokafka 0.14.0, kafkajs 2.2.4 and rskafka 0.6.0 chose of it.
//! `tests/program/versions.rs` makes the table from the broker's trace while they produce, consume in groups, commit
//! transactions and administrate, and compares it. Where a place is empty, the client did not ask in doing so.
//!
#![doc = include_str!("versions.md")]
//!
//! Produce is listed from 0 for the sake of old librdkafkas, and refused below 3. Its zstd begins with version 7; readers are
//! sent what lies there, whatever their version. Access rules are there where [`Builder::acl`] is said. Coordinators are always
//! this broker. Of the broker's own configuration some is told and none changed.
//!
//! What an operator sees (`--metrics`): a page of topics, throughput, groups and their lag, and the same for Prometheus with
//! counts of requests, connections, transactions and fetch sessions. It is looked up when somebody asks, and has a limit of rows.
//!
//! # Invariants
//!
//! - Only what is served is listed: a client never finds out by an error (`tests/broker/versions.rs` asks everything that is
//!   listed, in every version).
//! - Records of one connection are appended in the order of its requests (`service::Connection::call`).
//! - What was acknowledged is there when the broker was killed (`tests/program/kill.rs`): each partition of a request is
//!   written, with one call, before the answer.
//! - With [`Flush::Always`] what was acknowledged is there after every crash, and what an idempotent producer sends again is
//!   there once (`tests/program/kill.rs`; `tests/simulated`, where the disk forgets, too; `tests/program/retries.rs`, where
//!   connections break under real clients).
//! - A topic is there when the catalog's entry is durable, with all its partitions, and a topic that is made again never
//!   shows records of an earlier one (`topics`).
//! - An offset that is committed, and a transaction's end, are answered when they are on the disk.
//! - What a transaction has written counts in all of its partitions and groups, or in none, whenever the broker is killed.
//! - A batch is stored and sent as it came; only base offset, leader epoch and, where the topic wants that, its time are
//!   the broker's.
//! - Where access rules are obeyed, every request asks them, and is answered with Kafka's error where they say no
//!   (`tests/access/refusals.rs` tries everything that is served). What may not be seen is left out of lists.
//! - A client over its quota gets the rate that it says, over all of its connections, and others don't notice
//!   (`tests/access/quotas.rs`, in a simulated world).
//! - What a client sends is bounded: frames, elements, batches, partitions, sessions, waiting time, bytes of an answer
//!   (`config`). What has to be decompressed has a limit.
//!
//! # Cost
//!
//! A batch is read once, for its checksum, and written once. Consumers read nothing through the broker: a trace of its system
//! calls shows `sendfile` and no read of a segment (`tests/program/sendfile.rs`). Partitions
//! share sixteen threads for what is done in the background, and one that nobody has written to has no segment
//! (`tests/program/many.rs` makes two thousand). One that is written to sets a segment aside.
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_proto::kafka::codec::{Ask, ClientCodec};
//! use xs_proto::kafka::messages::{MetadataRequest, MetadataRequestTopic, Response};
//! use xs_proto::{Decode, Encode, Out};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = xs_kafka::Server::ephemeral().await?;
//! let mut socket = tokio::net::TcpStream::connect(server.addr()).await?;
//!
//! // Asking for a topic makes it.
//! let topic = MetadataRequestTopic { name: Some("greetings".into()), ..Default::default() };
//! let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() }.into();
//! let (mut client, mut out, mut input) = (ClientCodec::new(None), Out::new(), BytesMut::new());
//! client.encode(Ask { version: 9, request: &request }, &mut out)?;
//! socket.write_all(&out.to_vec()).await?;
//! let answer = loop {
//!     socket.read_buf(&mut input).await?;
//!     if let Some(answer) = client.decode(&mut input)? {
//!         break answer;
//!     }
//! };
//! let Response::Metadata(metadata) = answer else { panic!("another answer") };
//! assert_eq!(metadata.topics[0].partitions.len(), 1);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! Kafka answers one request of a connection at a time, holds waiting fetches in a "purgatory" with timers of its own, and
//! keeps its catalog in a Raft log. Redpanda gives each partition to one core. NATS JetStream and Pulsar solve the same
//! problem behind other protocols.
//!
//! # What this leaves out
//!
//! - Replication: there is one broker, and every partition has one replica.
//! - Without [`Flush::Always`] what was acknowledged within the last second or two may be lost when the machine goes down, and
//!   what was sent with acks 0 when the process is killed. Kafka leaves the former to replicas.
//! - Changing `segment.bytes` and `segment.ms` of a topic that is there, and the broker's own configuration while it runs.
//! - A partition whose disk has failed answers with an error until the broker is started again; the metrics count them.
//!   The machine should be started again, too: behind a sync that failed, its page cache may show what the disk does not have.
//! - The groups of KIP-848, re-authentication, users that are added while it runs. What is not served is not listed, so clients
//!   know.
//! - Quotas for single users or clients, and asking for quotas (DescribeClientQuotas, AlterClientQuotas): all of a kind have the
//!   same, from the command line. Requests are counted by number; Kafka counts the time that its threads spend on them.
//! - Tiered storage, and batches in formats before version 2.
//!
//! # Try next
//!
//! Take the order out of the service: append in the future instead of in `call`, send with an idempotent producer and five
//! requests in flight, and read the errors.
//!
//! # Sources
//!
//! Kafka's protocol guide and broker configurations; KIP-74 (sizes of fetches), KIP-98 (idempotent producers), KIP-110
//! (zstd), KIP-219 (quotas), KIP-227 (fetch sessions), KIP-339 (incremental changes of configurations), KIP-966 (topics page by page).
#![forbid(unsafe_code)]

pub mod acl;
mod api;
mod broker;
mod caller;
pub mod cli;
mod config;
mod coordinate;
mod entry;
mod groups;
mod metrics;
mod mutation;
mod page;
mod quota;
mod sasl;
pub mod server;
mod service;
mod tend;
mod topic_config;
mod topics;
mod traffic;
mod transactions;

pub use config::Flush;
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use quota::QuotaBy;
pub use server::{Builder, Server, StartError};
