//! The program itself, as users start it: real clients, system calls, and sudden deaths.

#[path = "../common/client.rs"]
mod client;
mod clients;
mod kill;
mod many;
mod metrics;
mod process;
mod sendfile;
#[path = "../common/writer.rs"]
mod writer;
