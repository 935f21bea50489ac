//! `xs-redis`: a Redis server.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xs_redis::cli::main(std::env::args_os())
}
