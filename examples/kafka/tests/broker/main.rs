//! The broker, asked by the codec's own client, and by real ones.

mod client;
mod real;
mod records;
mod topics;
