//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xs_net::BoxError;
use xs_net::signals::{Asked, Signals};
use xs_os::descriptors;
use xs_os::vfs::VfsExt;

use crate::balancer::{Balancer, StartError, check};
use crate::config::{Config, Faults};
use crate::demo::{Demo, Outcome, demo};
use crate::machine::Machine;

const HELP: &str = "\
xs-load-balancer: a load balancer for HTTP/1.1 and TCP

  xs-load-balancer run FILE       works by the configuration in FILE
  xs-load-balancer --check FILE   says what is wrong with it, by line and column, and ends
  xs-load-balancer demo           shows it at work: kills an endpoint and slows one down, in 16 seconds
  xs-load-balancer --help

SIGHUP reads FILE, and the certificates and authorities that it names, again; if that is wrong, nothing changes. SIGTERM
and SIGINT end it once every connection has finished what it has begun; a second one ends it at once.
";

/// How many descriptors the balancer keeps for itself: listeners, checks, runtimes, its page, pipes for splicing.
const OWN: usize = 1024;

/// No configuration is longer.
const LONGEST: usize = 16 << 20;

enum Command {
    Help,
    Demo,
    Check(PathBuf),
    Run(PathBuf),
}

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}\nTry --help.")]
    Usage(String),
    #[error("{}: {error}", file.display())]
    Read { file: PathBuf, error: std::io::Error },
    #[error("{}", faults.in_file(file))]
    Wrong { file: String, faults: Faults },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the demo has failed: {0}")]
    Demo(BoxError),
    #[error("{} requests were lost", .0.lost)]
    Lost(Outcome),
}

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let machine = Machine::system();
    match parse(args).map_err(|error| Failure::Usage(error.to_string()))? {
        Command::Help => print!("{HELP}"),
        Command::Demo => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // Nobody has to read it to the end.
            let say = |line: &dyn Display| drop(writeln!(std::io::stdout(), "{line}"));
            let outcome = runtime.block_on(demo(Demo::default(), say)).map_err(Failure::Demo)?;
            if !outcome.is_good() {
                return Err(Failure::Lost(outcome));
            }
        }
        Command::Check(file) => {
            check(&read(&file, &machine)?, &machine)?;
            println!("{}: good", file.display());
        }
        Command::Run(file) => {
            let filter = tracing_subscriber::EnvFilter::try_from_default_env();
            let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
            let config = read(&file, &machine)?;
            make_room(&config);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(balance(&file, config, machine))?;
        }
    }
    Ok(())
}

/// Makes room for the connections that a configuration allows, each with one to an endpoint, as far as the system lets us;
/// and says so if there is no room even for the clients' ends.
fn make_room(config: &Config) {
    let connections = config.listeners.iter().map(|listener| listener.connections);
    let connections = connections.fold(0_usize, usize::saturating_add);
    let there = descriptors::raise(connections.saturating_mul(2).saturating_add(OWN));
    if there < connections.saturating_add(OWN) {
        tracing::warn!(there, connections, "fewer files may be open than `connections` allows: see `ulimit -n`");
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_args(args);
    let command = match parser.next()? {
        None | Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(Long("check")) => Command::Check(parser.value()?.into()),
        Some(Value(word)) if word == "demo" => Command::Demo,
        Some(Value(word)) if word == "run" => Command::Run(parser.value()?.into()),
        Some(other) => return Err(other.unexpected()),
    };
    match parser.next()? {
        None => Ok(command),
        Some(other) => Err(other.unexpected()),
    }
}

fn read(file: &Path, machine: &Machine) -> Result<Config, Failure> {
    let failed = |error| Failure::Read { file: file.to_owned(), error };
    let bytes = machine.disk.read(file, LONGEST).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| failed(std::io::Error::other(error)))?;
    Config::parse(text).map_err(|faults| Failure::Wrong { file: file.display().to_string(), faults })
}

async fn balance(file: &Path, config: Config, machine: Machine) -> Result<(), Failure> {
    // Asked for before anything listens: who sees it listen may send a signal.
    let mut signals = Signals::new()?;
    let mut balancer = Balancer::start(config, machine.clone())?;
    while signals.next().await == Asked::Reload {
        let changed = read(file, &machine).and_then(|config| {
            make_room(&config);
            Ok(balancer.reload(config)?)
        });
        match changed {
            Ok(()) => tracing::info!("the new configuration is at work"),
            Err(failure) => tracing::error!("nothing has changed: {failure}"),
        }
    }
    tracing::info!("ending");
    tokio::select! {
        ended = balancer.stop() => ended?,
        _ = signals.end() => {}
    }
    Ok(())
}
