//! `xs-supervisor`: the command line of [`xs_os::supervisor`].

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod demo;
#[cfg(target_os = "linux")]
mod failure;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    match commands::run(args::Args::parse()) {
        Ok(code) => std::process::ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    let _ =
        std::io::Write::write_all(&mut std::io::stderr(), b"xs-supervisor: processes are supervised on Linux only\n");
    std::process::ExitCode::FAILURE
}
