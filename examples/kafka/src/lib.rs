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
//! looked at. A fetch that finds too little waits for one of its partitions to grow. What may wait for the disk (making
//! topics, looking for a time) leaves the reactor through a bridge.
//!
//! | request | versions | |
//! |---|---|---|
//! | Produce | 3–10 | acks 0, 1, all; idempotent producers; listed from 0 |
//! | Fetch | 4–12 | long polling, both isolations; without sessions |
//! | ListOffsets | 1–7 | first, last, by time, latest time |
//! | Metadata | 0–12 | makes topics that are missing |
//! | ApiVersions | 0–4 | |
//! | CreateTopics, DeleteTopics, DeleteRecords | 2–7, 1–6, 0–2 | |
//! | InitProducerId | 0–4 | idempotent and transactional |
//! | AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit | 0–3 | |
//! | DescribeTransactions, ListTransactions | 0, 0–1 | |
//! | FindCoordinator | 0–3 | always this broker |
//! | JoinGroup, SyncGroup, Heartbeat, LeaveGroup | 0–7, 0–5, 0–4, 0–5 | static members; any protocol of the clients |
//! | DescribeGroups, ListGroups, DeleteGroups | 0–5, 0–5, 0–2 | |
//! | OffsetCommit, OffsetFetch, OffsetDelete | 2–9, 1–9, 0 | |
//! | SaslHandshake, SaslAuthenticate | 1, 0–2 | PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; handshake 0 is refused |
//! | OffsetForLeaderEpoch, DescribeCluster | 2–4, 0–1 | |
//!
//! # Invariants
//!
//! - Only what is served is listed: a client never finds out by an error.
//! - Records of one connection are appended in the order of its requests (`service::Connection::call`).
//! - A topic is there when the catalog's entry is durable, with all its partitions, and a topic that is made again never
//!   shows records of an earlier one (`topics`).
//! - An offset that is committed, and a transaction's end, are answered when they are on the disk.
//! - What a transaction has written counts in all of its partitions and groups, or in none, whenever the broker is killed.
//! - A batch is stored and sent as it came; only base offset, leader epoch and, where the topic wants that, its time are
//!   the broker's.
//! - What a client sends is bounded: frames, elements, batches, partitions, waiting time, bytes of an answer (`config`).
//!
//! # Cost
//!
//! A batch is read once, for its checksum. An answer to a fetch is read from the page cache into memory once.
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
//! Access rules, the groups of KIP-848, SASL in front of Kafka 1.0 (handshake 0), re-authentication, quotas, changing configurations, compaction,
//! replication, metrics. None of it is listed, so clients know.
//!
//! # Try next
//!
//! Take the order out of the service: append in the future instead of in `call`, send with an idempotent producer and five
//! requests in flight, and read the errors.
//!
//! # Sources
//!
//! Kafka's protocol guide and broker configurations; KIP-74 (sizes of fetches), KIP-98, KIP-227 (fetch sessions).
#![forbid(unsafe_code)]

mod api;
mod broker;
pub mod cli;
mod config;
mod coordinate;
mod entry;
mod groups;
mod sasl;
pub mod server;
mod service;
mod tend;
mod topic_config;
mod topics;
mod transactions;

pub use config::Flush;
pub use server::{Builder, Server, StartError};
