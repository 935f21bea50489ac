//! `xs-kafka`: a Kafka broker, assembled.
//!
//! **A listener × a codec × a service × a store.** Everything is in the library of this package.

use std::process::ExitCode;

// Requests of a megabyte come and go: their memory is used again instead of being asked for anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xs_kafka::cli::main(std::env::args_os())
}
