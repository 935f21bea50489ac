//! `xs-traceroute`: see the library's page.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = xs_traceroute::Options::parse();
    match xs_traceroute::run(&options, &mut std::io::stdout()) {
        Ok(arrived) => ExitCode::from(u8::from(!arrived)),
        Err(error) => {
            eprintln!("xs-traceroute: {error}");
            ExitCode::from(2)
        }
    }
}
