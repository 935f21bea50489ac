//! **A replicated key-value store, assembled**.
#![forbid(unsafe_code)]

mod answer;
mod cli;
mod client;
mod command;
mod front;
mod node;
mod peer;
mod server;
mod simulate;
mod store;
mod wire;
mod workload;

pub use cli::run;
pub use node::AtFollower;
pub use peer::{Network, Tcp};
pub use server::{Bound, Config, EngineKind, Environment, Server, StartError};
