//! `xs-container`: the command line of the runtime in [`xs_os::container`].

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod foreground;
#[cfg(target_os = "linux")]
mod log;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use clap::Parser as _;
    let args = args::Args::parse();
    let log = log::Log::new(&args);
    match commands::run(args, &log) {
        Ok(code) => code,
        Err(error) => {
            log.error(&*error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("xs-container: containers are Linux'");
    ExitCode::FAILURE
}
