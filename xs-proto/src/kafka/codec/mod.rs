//! Connections: frames, headers, and who answers what.
//!
//! # The problem
//!
//! Client and broker have to talk before either knows which versions the other speaks. Broker and client of any age must
//! get far enough to find that out, and a broker must survive whoever connects to its port: a browser, a scanner, a client
//! with a bug in a length.
//!
//! # How it works
//!
//! ```text
//!   request   length i32 │ number i16 │ version i16 │ correlation i32 │ client id │ (tags) │ body
//!   answer    length i32 │ correlation i32 │ (tags) │ body
//!                                             └ with flexible versions; never in the answer to ApiVersions
//! ```
//!
//! [`FrameCodec`] finds frames and refuses long ones at their first four bytes. [`ServerCodec`] reads an [`Incoming`]: the
//! header, and the body unread, since a broker first asks whether it serves that request, in that version, to this client.
//! [`Incoming::request`] reads any body, [`Incoming::call`] that of one kind. Answers are encoded as [`Outgoing`], and go out
//! in the order of the requests. [`ClientCodec`] is the other end: it numbers requests and reads each answer as what was
//! asked for.
//!
//! A client opens with ApiVersions in the newest version that it knows. A broker that does not know that one answers
//! [`unknown_version_of_api_versions`] in version 0, and the client asks again. That is why the answer's header never
//! has tagged fields: its reader would not know.
//!
//! Record batches are slices of the read buffer in both directions, and may be chunks for the transport in answers: see
//! [`Blob`](super::wire::Blob).
//!
//! # Invariants
//!
//! - How the input is cut into reads changes nothing (`a_cut_changes_nothing`, and the fuzz target `kafka_request`).
//! - Nothing is allocated for a frame before its bytes arrive.
//! - After an error of writing nothing is left of the frame: the connection can go on with an error instead.
//!
//! # Cost
//!
//! A frame is split off the read buffer without a copy. An answer's length is patched when it is complete.
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use xs_proto::kafka::codec::{Ask, ClientCodec, Outgoing, ServerCodec};
//! use xs_proto::kafka::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, Response};
//! use xs_proto::{Decode, Encode, Out};
//!
//! let (mut client, mut server) = (ClientCodec::new(Some("example".into())), ServerCodec::default());
//! let mut out = Out::new();
//! client.encode(Ask { version: 3, request: &ApiVersionsRequest::default().into() }, &mut out)?;
//!
//! let asked = server.decode(&mut BytesMut::from(&out.to_vec()[..]))?.expect("a whole request");
//! let header = asked.header.clone();
//! let _: ApiVersionsRequest = asked.call()?;
//! let api_keys = ApiKey::ALL.iter().map(|api| api.listed()).collect();
//! let response = Response::from(ApiVersionsResponse { api_keys, ..Default::default() });
//! let (correlation_id, version) = (header.correlation_id, header.api_version);
//! let answer = Outgoing { correlation_id, version, response: Some(response.clone()) };
//! let mut out = Out::new();
//! server.encode(answer, &mut out)?;
//!
//! let answer = client.decode(&mut BytesMut::from(&out.to_vec()[..]))?;
//! assert_eq!(answer, Some(response));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! Kafka's broker reads one request of a connection at a time and does not look at the next before the answer is ready.
//! librdkafka matches answers to requests by their correlation number and accepts any order.
//!
//! # What this leaves out
//!
//! Request headers of version 0, which only one request between brokers ever had. SASL's bytes without headers, for which
//! a server uses [`FrameCodec`] by itself.
//!
//! # Try next
//!
//! Send `GET / HTTP/1.1` to a broker and find out which length it reads there, and what it does about it.
//!
//! # Sources
//!
//! Kafka's documentation, "Network" and "Request header"; KIP-35 and KIP-511 (ApiVersions); KIP-482.

mod client;
mod error;
mod frame;
mod header;
mod server;

pub use super::wire::WriteError;
pub use client::{Ask, ClientCodec};
pub use error::{ClientError, FrameError, RequestError, ServerError};
pub use frame::{DEFAULT_LIMIT, FrameCodec};
pub use header::{Incoming, RequestHeader};
pub use server::{Outgoing, ServerCodec, unknown_version_of_api_versions};
