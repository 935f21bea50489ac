//! The broker, asked by the codec's own client.

mod client;
mod records;
mod topics;
mod versions;
