//! The broker, asked by the codec's own client.

#[path = "../common/client.rs"]
mod client;
mod records;
mod topics;
mod versions;
