//! `xs-kv`: the command line of an embedded store.
//!
//! The store is the library of this package. Here is what lies between it and a person: words to bytes (`text`), a
//! command to calls (`commands`), long work to a moving bar (`progress`), failures to sentences and exit codes (`failure`).

mod args;
mod batch;
mod bench;
mod commands;
mod failure;
mod progress;
mod text;

use std::process::ExitCode;

use clap::Parser;
use xs_kv::{EngineKind, Machine, open};
use xs_storage::engine::Durability;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let machine = Machine::system();
    if let Command::Verify { file } = &args.command {
        // Needs no store.
        return commands::verify(file, &machine);
    }
    let (kind, dir) = args.place()?;
    let store = open(kind, dir, args.command.opening(), &machine)?;
    let outcome = commands::run(&store, &args, &machine);
    if !args.command.writes() {
        return outcome;
    }
    // What a command did before it failed is kept as well.
    let closed = store.admin.close();
    outcome?;
    match closed {
        // The writes themselves are durable, and the next opening finds them in the log.
        Err(error) if kind != EngineKind::Memory && args.durability() == Durability::Synced => {
            failure::say(&format!("written, and durable; but the store could not be tidied up: {error}"));
            Ok(())
        }
        closed => Ok(closed?),
    }
}
