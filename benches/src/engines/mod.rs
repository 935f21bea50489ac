//! The storage engines beside RocksDB, fjall, LMDB, redb, canopydb, sled and SQLite.
//!
//! Every subject runs each phase in a process of its own; the phases of all subjects are interleaved, round by round,
//! so that whatever slows the machine for a while slows all of them. What is printed is the median of the rounds.

mod child;
mod complaints;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod subject;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use child::{Job, PHASES};
use subject::Entry;

/// What `--help` prints.
const HELP: &str = "\
engines: our storage engines beside RocksDB, fjall, LMDB, redb, canopydb, sled and SQLite

  --quick            100,000 entries instead of 1,000,000, short rows, one round
  --json FILE        one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --only A,B         only these subjects
  --phases A,B       only these phases (sequential random ycsb durable crash batches churn deleted); a row
                     belongs to one of them
  --rounds N         rounds (default 3)
  --keys N           entries
  --dir DIR          where the stores are put (default: the system's place for temporary files)

16-byte keys, 100-byte values, 256 MiB of cache, no compression. Build with `--features peers` to measure the peers;
RocksDB is used if its library is installed (Debian: librocksdb7.8).
";

#[derive(Debug)]
struct Options {
    quick: bool,
    json: Option<File>,
    only: Option<Vec<String>>,
    phases: Option<Vec<String>>,
    rounds: usize,
    keys: u64,
    dir: Option<PathBuf>,
}

#[cfg(feature = "peers")]
fn entries() -> impl Iterator<Item = &'static Entry> {
    ours::ENTRIES.iter().chain(peers::ENTRIES)
}

#[cfg(not(feature = "peers"))]
fn entries() -> impl Iterator<Item = &'static Entry> {
    ours::ENTRIES.iter()
}

/// Rows in the order in which they first came, by unit; each subject's figures of all rounds.
#[derive(Default)]
struct Table {
    rows: Vec<(String, String)>,
    figures: BTreeMap<(String, &'static str), Vec<(f64, f64)>>,
}

impl Table {
    fn add(&mut self, subject: &'static str, line: &str) {
        let mut fields = line.split('\t');
        let (Some(row), Some(unit), Some(Ok(figure)), Some(Ok(cpu))) =
            (fields.next(), fields.next(), fields.next().map(str::parse), fields.next().map(str::parse))
        else {
            return;
        };
        if !self.rows.iter().any(|(known, _)| known == row) {
            self.rows.push((row.to_owned(), unit.to_owned()));
        }
        self.figures.entry((row.to_owned(), subject)).or_default().push((figure, cpu));
    }

    fn median(&self, row: &str, subject: &'static str) -> Option<(f64, f64)> {
        let rounds = self.figures.get(&(row.to_owned(), subject))?;
        let median = |of: fn(&(f64, f64)) -> f64| crate::median(rounds.iter().map(of).collect());
        Some((median(|figures| figures.0), median(|figures| figures.1)))
    }
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(|arg| arg == "--child") {
        return measure(args.drain(1..).map(|arg| arg.into_string().unwrap_or_default()).collect());
    }
    let Some(mut options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    println!(
        "# engines\n\n{} entries of 16 + 100 bytes; in brackets CPU-seconds per million operations.\n",
        options.keys
    );
    let mut subjects = Vec::new();
    for entry in entries() {
        let wanted =
            options.only.as_ref().is_none_or(|only| only.iter().any(|name| name.eq_ignore_ascii_case(entry.name)));
        match (entry.missing)() {
            _ if !wanted => {}
            Some(why) => println!("{} isn't there: not measured; {why}.\n", entry.name),
            None => subjects.push(entry),
        }
    }
    if !cfg!(feature = "peers") {
        println!("The peers aren't built in (`--features peers`): not measured.\n");
    }
    let root = tempfile::Builder::new().prefix("xs-engines").tempdir_in(match &options.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir(),
    })?;
    let mut table = Table::default();
    for round in 0..options.rounds {
        for phase in PHASES {
            let (phase, follows) = (phase.trim_start_matches('+'), phase.starts_with('+'));
            let group = if matches!(phase, "small cache") { "random" } else { phase.trim_start_matches("after ") };
            let chosen = options.phases.as_ref().is_none_or(|phases| phases.iter().any(|name| name == group));
            // The loads of YCSB need the store that the random phase leaves behind.
            let needed =
                phase == "random" && options.phases.as_ref().is_some_and(|p| p.iter().any(|name| name == "ycsb"));
            if !chosen && !needed {
                continue;
            }
            for step in 0..subjects.len() {
                let entry = subjects[(round + step) % subjects.len()];
                eprintln!("round {} of {}: {} {phase}", round + 1, options.rounds, entry.name);
                let dir = root.path().join(entry.name);
                if !follows {
                    let _ = std::fs::remove_dir_all(&dir);
                    std::fs::create_dir_all(&dir)?;
                }
                let lines = in_a_process(entry, phase, &dir, &options)?;
                for line in &lines {
                    eprintln!("  {line}");
                    table.add(entry.name, line);
                }
            }
        }
    }
    print(&table, &subjects, &mut options)
}

fn parse(args: Vec<OsString>) -> Result<Option<Options>, Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt};
    let mut options = Options { quick: false, json: None, only: None, phases: None, rounds: 0, keys: 0, dir: None };
    let mut parser = lexopt::Parser::from_args(args);
    let names = |text: String| text.split(',').map(str::to_owned).collect();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") => return Ok(None),
            Long("quick") => options.quick = true,
            Long("json") => options.json = Some(File::create(parser.value()?)?),
            Long("only") => options.only = Some(names(parser.value()?.string()?)),
            Long("phases") => options.phases = Some(names(parser.value()?.string()?)),
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("keys") => options.keys = parser.value()?.parse()?,
            Long("dir") => options.dir = Some(parser.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 1 } else { 3 };
    }
    if options.keys == 0 {
        options.keys = if options.quick { 100_000 } else { 1_000_000 };
    }
    Ok(Some(options))
}

/// Starts this program again for one phase of one subject, and returns what it printed.
fn in_a_process(entry: &Entry, phase: &str, dir: &Path, options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let cache: usize = if phase == "small cache" { 16 << 20 } else { 256 << 20 };
    let time = if options.quick { 300 } else { 2000 };
    let mut child = Command::new(std::env::current_exe()?)
        .args(["engines", "--child", entry.name, phase])
        .arg(dir)
        .args([options.keys.to_string(), time.to_string(), cache.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        lines.push(line?);
        // Written as much as the other phases write, less what a crash should find in flight.
        if phase == "crash" && lines.len() as u64 * 1000 >= options.keys {
            child.kill()?;
            child.wait()?;
            return Ok(Vec::new());
        }
    }
    let status = child.wait()?;
    if !status.success() {
        eprintln!("{} failed in phase {phase}: {status}", entry.name);
    }
    Ok(lines)
}

/// The other side of [`in_a_process`].
fn measure(args: Vec<String>) -> Result<(), Box<dyn Error>> {
    let [name, phase, dir, keys, time, cache] = &args[..] else { return Err("not called by the benchmark".into()) };
    let entry = entries().find(|entry| entry.name == name).ok_or("no such subject")?;
    let job = Job {
        phase: phase.clone(),
        dir: dir.into(),
        keys: keys.parse()?,
        time: Duration::from_millis(time.parse()?),
        cache: cache.parse()?,
    };
    child::run(entry, &job).map_err(|error| error as Box<dyn Error>)
}

fn print(table: &Table, subjects: &[&'static Entry], options: &mut Options) -> Result<(), Box<dyn Error>> {
    print!("| row | unit |");
    subjects.iter().for_each(|entry| print!(" {} |", entry.name));
    println!("\n|---|---|{}", "---|".repeat(subjects.len()));
    for (row, unit) in &table.rows {
        print!("| {row} | {unit} |");
        for entry in subjects {
            match table.median(row, entry.name) {
                Some((figure, cpu)) if cpu.is_finite() => print!(" {} [{cpu:.2}] |", short(figure)),
                Some((figure, _)) => print!(" {} |", short(figure)),
                None => print!(" failed |"),
            }
        }
        println!();
    }
    println!("\n| row | subject | best peer | ratio (above 1 is better for us) |\n|---|---|---|---|");
    let rounds = options.rounds;
    for (row, unit) in &table.rows {
        // A rate is better when it is more; time, memory and amplification when they are less.
        let better = |mine: f64, theirs: f64| if unit == "/s" { mine / theirs } else { theirs / mine };
        for mine in subjects.iter().filter(|entry| entry.ours) {
            let Some((ours, _)) = table.median(row, mine.name) else { continue };
            let mut ratios = Vec::new();
            for peer in subjects.iter().filter(|entry| !entry.ours) {
                let Some((theirs, _)) = table.median(row, peer.name) else { continue };
                let ratio = better(ours, theirs);
                ratios.push((ratio, peer.name));
                if let Some(file) = &mut options.json {
                    let line = serde_json::json!({
                        "bench": "engines", "row": row, "subject": mine.name, "peer": peer.name, "ratio": ratio,
                        "unit": unit, "ours": ours, "theirs": theirs, "rounds": rounds,
                    });
                    writeln!(file, "{line}")?;
                }
            }
            if let Some((ratio, peer)) = ratios.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) {
                println!("| {row} | {} | {peer} | {ratio:.2} |", mine.name);
            }
        }
    }
    println!();
    Ok(())
}

/// Three digits and a unit.
fn short(figure: f64) -> String {
    match figure {
        millions if millions >= 1e6 => format!("{:.2}M", millions / 1e6),
        thousands if thousands >= 1e4 => format!("{:.0}k", thousands / 1e3),
        thousands if thousands >= 1e3 => format!("{:.1}k", thousands / 1e3),
        tens if tens >= 10.0 => format!("{tens:.0}"),
        small => format!("{small:.2}"),
    }
}
