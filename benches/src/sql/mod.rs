//! SQL beside SQLite and turso: loads, look-ups, scans, sorts, durable commits, and three questions of TPC-H.
//!
//! Every subject prepares the same statements, binds the same values and reads every column of every row. What it read is
//! added up and compared: a subject that answers otherwise is an error, not a figure.

mod ours;
#[cfg(feature = "peers-sql")]
mod sqlite;
mod subject;
#[cfg(feature = "peers-turso")]
mod turso;
mod work;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lexopt::{Parser, ValueExt};
use rustix::time::{ClockId, clock_gettime};

use crate::arguments::{self, Arguments};
use subject::{Db, Subject};
use work::{ROWS, Row, Stage};

/// What `--help` prints.
const HELP: &str = "\
sql: statements beside SQLite (--features peers-sql) and turso (--features peers-turso)

  --quick       50,000 rows instead of 1,000,000, one round
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rows N      rows of the large table
  --rounds N    rounds (default 3); what is printed are medians
  --only A,B    only rows whose names contain one of these; what fills the tables always runs
  --dir DIR     where the databases are put (default: the system's place for temporary files)

Figures are CPU-seconds of the whole process for the whole row, and their ratio: below 1 is better for us.
";

/// CPU-seconds by row and subject, of each round.
type Figures = BTreeMap<(usize, usize), Vec<f64>>;

#[allow(clippy::vec_init_then_push)]
fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    all.push(Subject { name: "xs", open: ours::open });
    #[cfg(feature = "peers-sql")]
    all.push(Subject { name: "SQLite", open: sqlite::open });
    #[cfg(feature = "peers-turso")]
    all.push(Subject { name: "turso", open: turso::open });
    all
}

/// Processor time of all threads so far.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

struct Options {
    rows: u64,
    rounds: usize,
    only: Option<Vec<String>>,
    dir: Option<PathBuf>,
}

impl Options {
    fn wants(&self, row: &Row) -> bool {
        let named = |only: &Vec<String>| only.iter().any(|part| row.name.contains(&**part));
        row.fills || self.only.as_ref().is_none_or(named)
    }
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let mut options = Options { rows: 0, rounds: 0, only: None, dir: None };
    let own = |name: &str, parser: &mut Parser| {
        match name {
            "rows" => options.rows = parser.value()?.parse()?,
            "rounds" => options.rounds = parser.value()?.parse()?,
            "only" => options.only = Some(parser.value()?.string()?.split(',').map(str::to_owned).collect()),
            "dir" => options.dir = Some(parser.value()?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    };
    let Some(Arguments { quick, json }) = arguments::parse(args, HELP, own)? else { return Ok(()) };
    if options.rows == 0 {
        options.rows = if quick { 50_000 } else { 1_000_000 };
    }
    if options.rounds == 0 {
        options.rounds = if quick { 1 } else { 3 };
    }
    let subjects = subjects();
    let mut figures = Figures::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        one_round(&subjects, &options, round, &mut figures)?;
    }
    print(&subjects, &options, &figures, json)
}

/// Every row of every subject once. They take turns row by row, so that a busy moment of the machine hits none of them alone.
fn one_round(
    subjects: &[Subject],
    options: &Options,
    round: usize,
    figures: &mut Figures,
) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::Builder::new().prefix("xs-sql").tempdir_in(match &options.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir(),
    })?;
    let path = |at: usize, name: &str| dir.path().join(format!("{at}-{name}.db"));
    let mut open: Vec<Option<Box<dyn Db>>> = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        open.push(Some((subject.open)(&path(at, "main"), false)?));
    }
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| options.wants(row)) {
        let mut answers = Vec::new();
        for step in 0..subjects.len() {
            let at = (round + step) % subjects.len();
            let spent = match row.stage {
                Stage::Shared => match &mut open[at] {
                    Some(db) => measure(row, &mut **db, options.rows),
                    None => continue,
                },
                Stage::Own { wal } => own_file(row, &subjects[at], &path(at, row.name), wal, options.rows),
            };
            match spent {
                Ok((spent, sum)) => {
                    eprintln!("  {:<28} {:<8} {spent:.3}", row.name, subjects[at].name);
                    answers.push((at, sum));
                    figures.entry((number, at)).or_default().push(spent);
                }
                Err(error) if at > 0 || !row.fills => {
                    eprintln!("  {:<28} {:<8} {error}", row.name, subjects[at].name);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((first, sum)) = answers.first()
            && let Some((other, found)) = answers.iter().find(|(_, found)| (found - sum).abs() > sum.abs() * 1e-9)
        {
            let (a, b) = (subjects[*first].name, subjects[*other].name);
            return Err(format!("{}: {a} answers {sum}, {b} {found}", row.name).into());
        }
    }
    Ok(())
}

fn own_file(row: &Row, subject: &Subject, path: &Path, wal: bool, rows: u64) -> Result<(f64, f64), Box<dyn Error>> {
    let mut db = (subject.open)(path, wal)?;
    measure(row, &mut *db, rows)
}

/// The processor time of a row, and the sum of what it read.
fn measure(row: &Row, db: &mut dyn Db, rows: u64) -> Result<(f64, f64), Box<dyn Error>> {
    (row.before)(db, rows)?;
    let before = cpu_seconds();
    let sum = (row.run)(db, rows)?;
    Ok((cpu_seconds() - before, sum))
}

fn print(
    subjects: &[Subject],
    options: &Options,
    figures: &Figures,
    mut json: Option<File>,
) -> Result<(), Box<dyn Error>> {
    println!("# sql\n\n{} rows, medians of {} rounds, CPU-seconds.\n", options.rows, options.rounds);
    if subjects.len() == 1 {
        println!("The peers aren't built in (`--features peers-sql,peers-turso`): not measured.\n");
    }
    let names = |of: fn(&Subject) -> String| subjects.iter().map(of).collect::<Vec<_>>().join(" | ");
    println!("| row | {} | xs beside each |", names(|subject| subject.name.to_owned()));
    println!("|---|{}---|", "--:|".repeat(subjects.len()));
    for (number, row) in ROWS.iter().enumerate() {
        let median = |at: usize| figures.get(&(number, at)).map(|all| crate::median(all.clone()));
        let Some(ours) = median(0) else { continue };
        let told = (0..subjects.len()).map(|at| median(at).map_or("".into(), |figure| format!("{figure:.3}")));
        let told = told.collect::<Vec<_>>().join(" | ");
        let mut ratios = Vec::new();
        for (at, peer) in subjects.iter().enumerate().skip(1) {
            let Some(theirs) = median(at) else { continue };
            ratios.push(format!("{:.2} {}", ours / theirs, peer.name));
            if let Some(file) = &mut json {
                let line = serde_json::json!({
                    "bench": "sql", "row": row.name, "subject": "xs", "peer": peer.name, "ratio": ours / theirs,
                    "unit": "CPU-seconds", "ours": ours, "theirs": theirs, "rounds": options.rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
        println!("| {} | {told} | {} |", row.name, ratios.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_runs_on_ours_with_few_rows() {
        let subjects = subjects();
        let options = Options { rows: 2_000, rounds: 1, only: None, dir: None };
        let mut figures = Figures::new();
        one_round(&subjects[..1], &options, 0, &mut figures).unwrap();
        assert!(figures.len() + 1 >= ROWS.len(), "{figures:?}");
    }
}
