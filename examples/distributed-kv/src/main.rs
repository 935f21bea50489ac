//! `xs-distributed-kv`: a replicated key-value store, assembled.
//!
//! **Listeners × RESP × Raft × an engine.** Everything is in the library of this package.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xs_distributed_kv::run(std::env::args_os())
}
