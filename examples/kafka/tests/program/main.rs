//! The program itself, as users start it: real clients, system calls, and sudden deaths.

#[path = "../common/client.rs"]
mod client;
mod clients;
mod kill;
mod many;
mod metrics;
mod process;
mod retries;
mod rust;
mod sendfile;
mod versions;
#[path = "../common/writer.rs"]
mod writer;
