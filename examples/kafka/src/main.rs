//! `xs-kafka`: a Kafka broker, assembled.
//!
//! **A listener × a codec × a service × a store.** Everything is in the library of this package.

use std::process::ExitCode;

fn main() -> ExitCode {
    xs_kafka::cli::main(std::env::args_os())
}
