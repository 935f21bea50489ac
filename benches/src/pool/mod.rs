//! The thread pool beside rayon, tokio's pool for blocking calls and a channel that threads share.
//!
//! Every subject gets the same work. Forks that join are only for pools that have them.

mod channel;
mod ours;
#[cfg(feature = "peers-pool")]
mod rayon;
mod subject;
mod tokio;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::time::Instant;

use lexopt::ValueExt;
use rustix::time::{ClockId, clock_gettime};

use crate::arguments::{self, Arguments};
use subject::{ROWS, Subject};

/// What `--help` prints.
const HELP: &str = "\
pool: the thread pool beside rayon (--features peers-pool), tokio's blocking pool and a shared channel

  --quick       a tenth of the work, three rounds
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds
  --rounds N    rounds (default 9); what is printed are medians
  --threads N   workers (default: as many as there are cores)

Figures are nanoseconds a job, and in brackets those of all processors together. Ratios are ours to theirs: below 1 is better.
";

/// Nanoseconds a job: passed, and spent by all processors.
type Figures = BTreeMap<(usize, usize), Vec<(f64, f64)>>;

fn cpu_nanos() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn subjects(threads: usize) -> Result<Vec<Box<dyn Subject>>, Box<dyn Error>> {
    Ok(Vec::from([
        ours::start(threads)?,
        #[cfg(feature = "peers-pool")]
        rayon::start(threads)?,
        tokio::start(threads)?,
        channel::start(threads),
    ]))
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut threads) = (0, std::thread::available_parallelism()?.get());
    let own = |name: &str, parser: &mut lexopt::Parser| {
        match name {
            "rounds" => rounds = parser.value()?.parse()?,
            "threads" => threads = parser.value()?.parse::<usize>()?.max(1),
            _ => return Ok(false),
        }
        Ok(true)
    };
    let Some(Arguments { quick, mut json }) = arguments::parse(args, HELP, own)? else { return Ok(()) };
    if rounds == 0 {
        rounds = if quick { 3 } else { 9 };
    }
    let share = if quick { 10 } else { 1 };
    let subjects = subjects(threads)?;
    let figures = measure(&subjects, rounds, share)?;
    println!("# pool\n\n{threads} workers, medians of {rounds} rounds, nanoseconds a job (of all processors).\n");
    if !cfg!(feature = "peers-pool") {
        println!("rayon isn't built in (`--features peers-pool`): not measured.\n");
    }
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    println!("| row | {} | ours beside each |", names.join(" | "));
    println!("|---|{}---|", "--:|".repeat(names.len()));
    for (number, row) in ROWS.iter().enumerate() {
        let median = |at: usize| {
            let all = figures.get(&(number, at))?;
            let of = |which: fn(&(f64, f64)) -> f64| crate::median(all.iter().map(which).collect());
            Some((of(|f| f.0), of(|f| f.1)))
        };
        let Some(ours) = median(0) else { continue };
        let told = |at| median(at).map_or("".into(), |(passed, spent)| format!("{passed:.1} ({spent:.1})"));
        let cells: Vec<String> = (0..subjects.len()).map(told).collect();
        let mut ratios = Vec::new();
        for (at, peer) in names.iter().enumerate().skip(1) {
            let Some(theirs) = median(at) else { continue };
            ratios.push(format!("{:.2} {peer}", ours.0 / theirs.0));
            if let Some(file) = &mut json {
                let line = serde_json::json!({
                    "bench": "pool", "row": row.name, "subject": "xs", "peer": peer, "ratio": ours.0 / theirs.0,
                    "unit": "ns a job", "ours": ours.0, "theirs": theirs.0, "rounds": rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
        println!("| {} | {} | {} |", row.name, cells.join(" | "), ratios.join(", "));
    }
    Ok(())
}

/// All subjects in each round, so that a busy moment of the machine hits none of them alone.
fn measure(subjects: &[Box<dyn Subject>], rounds: usize, share: u64) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::new();
    for round in 0..rounds {
        for (number, row) in ROWS.iter().enumerate() {
            for step in 0..subjects.len() {
                let at = (round + step) % subjects.len();
                let jobs = row.jobs / share;
                let (began, before) = (Instant::now(), cpu_nanos());
                let Some(answer) = (row.run)(&*subjects[at], jobs) else { continue };
                let (passed, spent) = (began.elapsed().as_nanos() as f64, cpu_nanos() - before);
                if answer != (row.answer)(jobs) {
                    return Err(format!("{}: {} answers {answer}", row.name, subjects[at].name()).into());
                }
                figures.entry((number, at)).or_default().push((passed / jobs as f64, spent / jobs as f64));
            }
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_answers_right() {
        let figures = measure(&subjects(2).unwrap(), 1, 1_000).unwrap();
        assert!(figures.len() >= ROWS.len() * 2);
    }
}
