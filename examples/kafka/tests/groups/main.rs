//! Groups and their offsets, as clients of all kinds see them.

#[path = "../common/client.rs"]
mod client;
mod kill;
mod members;
#[path = "../program/process.rs"]
mod process;
mod real;
mod transactions;
mod users;
