//! **Redis, assembled**: a listener × the RESP codec × a service × a keyspace.
//!
//! Run it and point the real client at it:
//!
//! ```text
//! cargo run --release -p xs-redis
//! redis-cli set greeting hello
//! ```
//!
//! Or have one inside a test, on a free port, in milliseconds:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = xs_redis::Server::ephemeral().await?;
//! let client = redis::Client::open(server.url())?;
//! let mut connection = client.get_multiplexed_async_connection().await?;
//! let () = redis::cmd("SET").arg("greeting").arg("hello").query_async(&mut connection).await?;
//! let greeting: String = redis::cmd("GET").arg("greeting").query_async(&mut connection).await?;
//! assert_eq!(greeting, "hello");
//! # Ok(()) }
//! ```

mod acl;
mod blocked;
pub mod cli;
mod client;
mod client_limits;
mod client_memory;
mod command;
mod commands;
mod config;
mod cron;
mod ctx;
mod db;
mod dispatch;
mod events;
mod eviction;
mod expiry;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod latency;
mod lazyfree;
mod log;
mod mail;
mod memory;
mod monitor;
mod notify;
mod oom;
mod parse;
mod pubsub;
mod redis;
mod row;
mod scan;
pub mod server;
mod service;
mod slowlog;
mod state;
mod syntax;
mod table;
mod tracking;

/// The version of Redis whose commands these are.
pub const VERSION: &str = "7.0.15";

pub use config::Config;
pub use redis::Redis;
pub use server::{Builder, Server, StartError};
