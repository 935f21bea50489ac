//! `xs-sqlite`: the program.

use std::io;
use std::process::ExitCode;

use xs_sqlite::{Request, Shell, parse};

fn main() -> ExitCode {
    let options = match parse(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => {
            print!("{}", xs_sqlite::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Request::Version) => {
            println!("xs-sqlite {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("xs-sqlite: Error: {why}\nUse -help for a list of options.");
            return ExitCode::FAILURE;
        }
    };
    match Shell::open(*options, Box::new(io::stdout()), Box::new(io::stderr())) {
        Ok(shell) => ExitCode::from(shell.run(io::stdin().lock())),
        Err(failed) => {
            eprintln!("Error: {failed}");
            ExitCode::FAILURE
        }
    }
}
