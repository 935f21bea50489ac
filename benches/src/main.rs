//! Every benchmark of xs, one name each: `xs-benches NAME [--quick] [--json FILE]`, and `xs-benches list` names them.
//!
//! A benchmark is a function from [`Options`] to a [`Report`]; adding one is a line in [`BENCHES`].
#![forbid(unsafe_code)]

mod caches;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// What the command line asks of a benchmark.
#[derive(Debug, Default)]
struct Options {
    /// Smaller inputs, for a run that only shows that everything works.
    quick: bool,
    /// Where to write the figures as JSON, beside printing them.
    json: Option<PathBuf>,
}

struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Options) -> Result<Report, Box<dyn Error>>,
}

const BENCHES: &[Bench] = &[Bench {
    name: "caches",
    about: "hit ratios and costs of the caches on zipf, scan and loop traces, against the optimum and, with --features \
            peers, against moka and quick_cache",
    run: caches::run,
}];

const USAGE: &str = "usage: xs-benches NAME [--quick] [--json FILE]\n       xs-benches list";

enum Command {
    Help,
    List,
    Run(&'static Bench, Options),
}

fn command() -> Result<Command, Box<dyn Error>> {
    use lexopt::prelude::*;
    let (mut name, mut options) = (None, Options::default());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("quick") => options.quick = true,
            Long("json") => options.json = Some(arguments.value()?.into()),
            Value(value) if name.is_none() => name = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match name.as_deref() {
        None => Err("which benchmark?".into()),
        Some("list") => Ok(Command::List),
        Some(name) => match BENCHES.iter().find(|bench| bench.name == name) {
            Some(bench) => Ok(Command::Run(bench, options)),
            None => Err(format!("there is no benchmark called {name:?}").into()),
        },
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    match command().map_err(|error| format!("{error}\n{USAGE}"))? {
        Command::Help => println!("{USAGE}"),
        Command::List => BENCHES.iter().for_each(|bench| println!("{:<12} {}", bench.name, bench.about)),
        Command::Run(bench, options) => {
            let report = (bench.run)(&options)?;
            print!("{report}");
            if let Some(path) = &options.json {
                std::fs::write(path, format!("{:#}\n", report.to_json(bench.name)))
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xs-benches: {error}");
            ExitCode::FAILURE
        }
    }
}
