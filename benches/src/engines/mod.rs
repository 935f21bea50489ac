//! The storage engines side by side: what goes in, what comes out, how fast, and what it costs.
//!
//! An engine is a [`Maker`]; a row is a function over `&dyn Engine` in [`rows`]. Engines are interleaved within a round,
//! so that a disturbed moment hits all of them, and the median over the rounds is printed.

mod makers;
mod rows;

use std::env::ArgsOs;
use std::error::Error;
use std::iter::Skip;
use std::path::Path;
use std::sync::Arc;

use xs_storage::engine::Engine;

/// How an engine is opened in a directory, with so many bytes of memory.
pub(crate) struct Maker {
    pub(crate) name: &'static str,
    pub(crate) open: fn(&Path, u64) -> Result<Arc<dyn Engine>, Box<dyn Error>>,
}

const HELP: &str = "\
xs-benches engines [OPTIONS]
  --quick            100,000 keys and one round
  --keys N           entries of 16 + 100 bytes; 1000000
  --rounds N         3
  --memory MIB       of each engine; 256
  --engines A,B      only these
  --rows A,B         only rows whose names begin so
  --dir DIR          where to put the stores; a temporary directory";

struct Options {
    keys: u64,
    rounds: usize,
    memory: u64,
    engines: Vec<String>,
    rows: Vec<String>,
    dir: Option<String>,
}

fn options(args: Skip<ArgsOs>) -> Result<Option<Options>, Box<dyn Error>> {
    use lexopt::prelude::*;
    let mut options =
        Options { keys: 1_000_000, rounds: 3, memory: 256, engines: Vec::new(), rows: Vec::new(), dir: None };
    let mut parser = lexopt::Parser::from_args(args);
    let list = |value: std::ffi::OsString| -> Result<Vec<String>, lexopt::Error> {
        Ok(value.string()?.split(',').map(str::to_owned).collect())
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => (options.keys, options.rounds) = (100_000, 1),
            Long("keys") => options.keys = parser.value()?.parse()?,
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("memory") => options.memory = parser.value()?.parse()?,
            Long("engines") => options.engines = list(parser.value()?)?,
            Long("rows") => options.rows = list(parser.value()?)?,
            Long("dir") => options.dir = Some(parser.value()?.string()?),
            Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// Runs the rows on every engine.
pub(crate) fn run(args: Skip<ArgsOs>) -> Result<(), Box<dyn Error>> {
    let Some(options) = options(args)? else { return Ok(()) };
    let chosen = |list: &[String], name: &str| list.is_empty() || list.iter().any(|begin| name.starts_with(&**begin));
    let makers: Vec<_> = makers::all().into_iter().filter(|maker| chosen(&options.engines, maker.name)).collect();
    let mut seen: Vec<Vec<Vec<rows::Figure>>> = vec![Vec::new(); makers.len()];
    for _ in 0..options.rounds {
        for (maker, seen) in makers.iter().zip(&mut seen) {
            let mut builder = tempfile::Builder::new();
            let dir = match &options.dir {
                Some(parent) => builder.prefix("xs-engines").tempdir_in(parent)?,
                None => builder.tempdir()?,
            };
            let want = |row: &str| chosen(&options.rows, row);
            seen.push(rows::all(maker, dir.path(), options.keys, options.memory << 20, &want)?);
        }
    }
    print!("{:<22}", "row");
    makers.iter().for_each(|maker| print!("{:>16}", maker.name));
    println!();
    let rows = seen.first().and_then(|rounds| rounds.first()).map_or(&[][..], Vec::as_slice);
    for (at, row) in rows.iter().enumerate() {
        print!("{:<22}", row.name);
        for rounds in &seen {
            let mut values: Vec<f64> = rounds.iter().map(|round| round[at].value).collect();
            values.sort_by(f64::total_cmp);
            print!("{:>16}", number(values[values.len() / 2]));
        }
        println!("  {}", row.unit);
    }
    Ok(())
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}
