//! Groups and their offsets, as clients of all kinds see them.

#[path = "../common/client.rs"]
mod client;
mod kill;
mod members;
#[path = "../common/payer.rs"]
mod payer;
#[allow(dead_code, reason = "what others need of it")]
#[path = "../program/process.rs"]
mod process;
mod real;
mod transactions;
mod users;
