//! `xs-http`: a web server, assembled.
//!
//! **A listener × TLS × HTTP × a service.** Everything is in the library of this package; its `cli` reads the arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    xs_http::cli::main(std::env::args_os())
}
