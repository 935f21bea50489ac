//! The command line.

mod args;
mod demo;
mod operate;
mod serve;

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use xs_os::{Clock, SystemClock};

use self::args::{Args, Command};

/// Runs the program with these arguments, its own name first, to its end.
///
/// 0: done. 1: a check has failed, or a cluster refused. 2: the command line makes no sense. 3: the node can't start or go on.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let outcome = match args.command {
        Command::Serve(serve) => serve::run(*serve),
        Command::Status(status) => block_on(operate::status(status)),
        Command::Members { to, change } => block_on(operate::members(to, change)),
        Command::Transfer { to, node } => block_on(operate::transfer(to, node)),
        Command::Demo(demo) => block_on(demo::run(demo)),
        Command::Simulate { seed, seeds, first, threads } => {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let (first, seeds) = seed.map_or((first, seeds), |seed| (seed, 1));
            let (well, text) = crate::simulate::simulate(first, seeds, threads, &clock);
            say(&text);
            if well { Ok(()) } else { Err(Failure(1, "a seed failed".into())) }
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, why)) => {
            let _ = writeln!(io::stderr(), "xs-distributed-kv: {why}");
            ExitCode::from(code)
        }
    }
}

/// Why the program ends with this code.
struct Failure(u8, String);

impl Failure {
    fn refused(why: impl ToString) -> Failure {
        Failure(1, why.to_string())
    }

    fn usage(why: impl ToString) -> Failure {
        Failure(2, why.to_string())
    }

    fn broken(why: impl ToString) -> Failure {
        Failure(3, why.to_string())
    }
}

type Outcome = Result<(), Failure>;

/// A line on standard output. Whoever closed the pipe doesn't want to know.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broken)?.block_on(work)
}
