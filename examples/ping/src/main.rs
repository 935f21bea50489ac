//! `xs-ping`: see the library's page.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = xs_ping::Options::parse();
    match xs_ping::run(&options, &mut std::io::stdout()) {
        Ok(summary) => ExitCode::from(u8::from(summary.received == 0)),
        Err(error) => {
            eprintln!("xs-ping: {error}");
            ExitCode::from(2)
        }
    }
}
