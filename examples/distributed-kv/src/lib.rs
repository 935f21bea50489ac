//! **A replicated key-value store, assembled**.
#![forbid(unsafe_code)]

mod answer;
mod command;
mod front;
mod node;
mod peer;
mod server;
mod store;
mod wire;

pub use node::AtFollower;
pub use peer::{Network, Tcp};
pub use server::{Bound, Config, EngineKind, Environment, Server, StartError};
