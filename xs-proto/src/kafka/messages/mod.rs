//! Kafka's messages: one description each, for all versions, in both directions.
//!
//! # The problem
//!
//! Forty kinds of requests and as many answers, each in up to a dozen versions, every one of which some client still
//! sends. Written by hand, that is thousands of lines in which one wrong version number goes unnoticed until a client of
//! another age connects. So it must be a table that a reader can compare with the protocol's own.
//!
//! # How it works
//!
//! ```text
//!   structs! {                                            one line for each field:
//!       /// The topics.                                     what it is for
//!       topics: Vec<FetchTopic>, all();                     name, type, versions
//!       rack_id: ByteString, from(11).ignorable();          … from version 11 on; nobody minds where it is missing
//!       cluster_id: Option<ByteString>, from(12).nullable().tag(0).ignorable();
//!   }        │
//!            ├─▶ a structure with a default for every field
//!            ├─▶ its reader and writer for every version          Wire
//!            └─▶ its description as data                          FIELDS: tests, tools
//! ```
//!
//! The versions are a constant expression ([`At`](super::wire::At)) beside the type, so the compiler folds what no version
//! asks for. The table in `api.rs` says which request has which number, versions and answer; from it come [`ApiKey`],
//! [`Request`], [`Response`] and what a broker lists.
//!
//! A macro by example was chosen over a build script that reads Kafka's JSON: what is described stands in the crate, in its
//! language, with its documentation; rustdoc, the debugger and "go to definition" find it; and nothing has to be there to
//! build. What it costs: someone must write the lines. That they are right is checked against the JSON by a test that takes
//! its directory (`the_descriptions_are_kafka_s_own`).
//!
//! Values are plain numbers with -1 for what is absent, as on the wire; whoever gives them a meaning gives them a type.
//!
//! # Invariants
//!
//! - What was read is written as the same bytes, for every message and version
//!   (`what_a_description_makes_is_read_and_written_back`). The bytes come from the descriptions alone.
//! - No input panics, and truncated input is an error (the same test, and the fuzz target `kafka_request`).
//! - Names, versions, defaults, nulls and tags are those of Kafka's definitions, checked against them.
//!
//! # Cost
//!
//! A message is a tree of vectors. Text and payloads are slices of the frame. Reading a produce request with one partition
//! allocates two vectors.
//!
//! # Example
//!
//! ```
//! use xs_proto::Out;
//! use xs_proto::kafka::messages::{ApiKey, MetadataRequest, MetadataRequestTopic, Request};
//! use xs_proto::kafka::wire::{Reader, Writer};
//!
//! let topic = MetadataRequestTopic { name: Some("events".into()), ..Default::default() };
//! let request = Request::from(MetadataRequest { topics: Some(vec![topic]), ..Default::default() });
//! for version in ApiKey::Metadata.versions() {
//!     let mut out = Out::new();
//!     request.write(version, &mut Writer::new(&mut out))?;
//!     let mut reader = Reader::new(out.to_vec().into());
//!     assert_eq!(Request::read(ApiKey::Metadata, version, &mut reader), Ok(request.clone()));
//! }
//! # Ok::<(), xs_proto::kafka::wire::WriteError>(())
//! ```
//!
//! # How others do it
//!
//! Kafka generates Java from its JSON definitions at build time, and so do kafka-protocol (Rust) and franz-go, which keep the
//! result in the tree. librdkafka, kafka-python and rskafka write each version that they speak by hand.
//!
//! # What this leaves out
//!
//! - Versions that no client of the last years asks for, below, and those that need topic ids in Produce, Fetch and
//!   OffsetCommit, above: [`ApiKey::versions`] is the list.
//! - Requests between brokers, telemetry, delegation tokens, share groups and the newer group protocol.
//!
//! # Try next
//!
//! Add a field with a tag to [`FetchRequest`], and look at which bytes of which versions change.
//!
//! # Sources
//!
//! Kafka's `clients/src/main/resources/common/message/*.json` and the README beside them; KIP-482, KIP-511 (ApiVersions),
//! KIP-896 (the versions that were dropped).

mod acls;
mod api;
mod api_versions;
mod committed_offsets;
mod configs;
mod fetch;
mod groups;
mod introspection;
mod macros;
mod metadata;
mod offsets_of_time;
mod produce;
mod sasl;
mod topics;
mod transactions;

pub use acls::*;
pub use api::{ApiKey, Call, Request, Response};
pub use api_versions::*;
pub use committed_offsets::*;
pub use configs::*;
pub use fetch::*;
pub use groups::*;
pub use introspection::*;
pub use metadata::*;
pub use offsets_of_time::*;
pub use produce::*;
pub use sasl::*;
pub use topics::*;
pub use transactions::*;
