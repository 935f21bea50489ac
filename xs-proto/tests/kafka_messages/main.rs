//! Kafka's messages: what the descriptions make, Kafka's own definitions, bytes that real clients sent, and connections.
#![cfg(feature = "kafka")]

mod clients;
mod connections;
mod definitions;
mod descriptions;
