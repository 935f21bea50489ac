//! `xs-load-balancer`: the command line. Everything else is the library of this package.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xs_load_balancer::main(std::env::args_os().skip(1))
}
