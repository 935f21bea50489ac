//! The broker, asked by the codec's own client.

#[path = "../common/client.rs"]
mod client;
mod configs;
mod harm;
mod records;
mod sessions;
mod topics;
mod versions;
