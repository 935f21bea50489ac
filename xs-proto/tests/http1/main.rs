//! HTTP/1 as its users see it: bytes in, events out; commands in, bytes out.
#![cfg(feature = "http1")]

mod client;
mod encoding;
mod server;
mod smuggling;
mod splits;
mod timeouts;
mod wire;
