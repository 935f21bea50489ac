//! Raft in memory: three nodes on one thread, no disk and no network, so that what is measured is the protocol's own work.

mod counting;
#[cfg(feature = "peers-raft")]
mod openraft;
mod ours;
#[cfg(feature = "peers-raft")]
mod raft_rs;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;

use rustix::time::{ClockId, clock_gettime};

use crate::arguments::{self, Arguments};
use crate::median;

/// What `--help` prints.
const HELP: &str = "\
raft: proposals per second of processor time, messages and allocations per proposal, of three nodes in memory

  --quick       a tenth of the proposals, and three rounds
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds

Every proposal is 256 bytes, committed, and applied by all three nodes before the next batch begins (`lazy commit`: by the
leader; the others hear of the commit with the next batch).
Build with `--features peers-raft` to measure the peers. raft-rs is measured as it comes, and with `batch_append`. openraft
is asynchronous: a node is some tasks on a runtime of this one thread, a message is a call of another node's task, and
nobody waits for the answer to a proposal; commands and entries are shared and not copied, and nothing ticks.
";

/// Bytes of a command.
const COMMAND: usize = 256;

/// Three nodes, of which the first leads.
trait Cluster {
    /// Proposes so many commands one after the other, and delivers until all three nodes have applied them.
    fn propose(&mut self, batch: usize) -> Result<(), Box<dyn Error>>;

    /// Messages that were delivered so far.
    fn messages(&self) -> u64;

    /// Commands that all three have applied.
    fn applied(&self) -> u64;
}

/// What makes a new cluster.
type Start = fn() -> Result<Box<dyn Cluster>, Box<dyn Error>>;

struct Subject {
    name: &'static str,
    ours: bool,
    start: Start,
}

fn subjects() -> Vec<Subject> {
    let subject = |name, ours, start: Start| Subject { name, ours, start };
    Vec::from([
        subject("xs", true, || ours::start(true)),
        subject("xs, lazy commit", true, || ours::start(false)),
        #[cfg(feature = "peers-raft")]
        subject("raft-rs", false, || raft_rs::start(false)),
        #[cfg(feature = "peers-raft")]
        subject("raft-rs, batch_append", false, || raft_rs::start(true)),
        #[cfg(feature = "peers-raft")]
        subject("openraft", false, openraft::start),
    ])
}

/// One measurement.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    messages: f64,
    allocations: f64,
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn measure(subject: &Subject, batch: usize, proposals: usize) -> Result<Figures, Box<dyn Error>> {
    let mut cluster = (subject.start)()?;
    // The first ones bring buffers to their sizes.
    for _ in 0..10 {
        cluster.propose(batch)?;
    }
    let batches = proposals.div_ceil(batch);
    let (applied, messages, allocations) = (cluster.applied(), cluster.messages(), counting::allocations());
    let before = processor_seconds();
    for _ in 0..batches {
        cluster.propose(batch)?;
    }
    let seconds = processor_seconds() - before;
    let count = (batches * batch) as f64;
    if cluster.applied() - applied != count as u64 {
        return Err(format!("{} has not applied all that was proposed", subject.name).into());
    }
    Ok(Figures {
        per_second: count / seconds,
        messages: (cluster.messages() - messages) as f64 / count,
        allocations: (counting::allocations() - allocations) / count,
    })
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(Arguments { quick, mut json }) = arguments::parse(args, HELP, arguments::none)? else { return Ok(()) };
    let (proposals, rounds) = if quick { (10_000, 3) } else { (100_000, 9) };
    let subjects = subjects();
    let mut measured: BTreeMap<(usize, usize), Vec<Figures>> = BTreeMap::new();
    // All subjects in each round, so that a busy moment of the machine hits none of them alone.
    for _ in 0..rounds {
        for batch in [1, 64, 1024] {
            for (at, subject) in subjects.iter().enumerate() {
                measured.entry((batch, at)).or_default().push(measure(subject, batch, proposals)?);
            }
        }
    }
    let medians: BTreeMap<_, _> = measured.iter().map(|(key, all)| (*key, middle(all))).collect();
    println!("# raft\n\n{proposals} proposals of {COMMAND} bytes a round, three nodes, medians of {rounds} rounds.\n");
    if !cfg!(feature = "peers-raft") {
        println!("raft-rs and openraft aren't built in (`--features peers-raft`): not measured.\n");
    }
    println!("| batch | subject | proposals per CPU-second | messages a proposal | allocations a proposal |");
    println!("|--:|---|--:|--:|--:|");
    for ((batch, at), f) in &medians {
        let name = subjects[*at].name;
        println!("| {batch} | {name} | {:.0} | {:.3} | {:.1} |", f.per_second, f.messages, f.allocations);
    }
    println!(
        "\nOurs beside each peer, above 1 is better for us\n\n| batch | subject | peer | ratio |\n|--:|---|---|--:|"
    );
    for ((batch, at), f) in medians.iter().filter(|((_, at), _)| subjects[*at].ours) {
        for (peer, theirs) in subjects.iter().enumerate().filter(|(_, peer)| !peer.ours) {
            let theirs_f = medians[&(*batch, peer)];
            let ratio = f.per_second / theirs_f.per_second;
            println!("| {batch} | {} | {} | {ratio:.2} |", subjects[*at].name, theirs.name);
            if let Some(file) = &mut json {
                let line = serde_json::json!({
                    "bench": "raft", "row": format!("batch {batch}"), "subject": subjects[*at].name, "peer": theirs.name,
                    "ratio": ratio, "unit": "proposals per CPU-second", "ours": f.per_second,
                    "theirs": theirs_f.per_second, "rounds": rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(())
}

fn middle(all: &[Figures]) -> Figures {
    let of = |field: fn(&Figures) -> f64| median(all.iter().map(field).collect());
    Figures { per_second: of(|f| f.per_second), messages: of(|f| f.messages), allocations: of(|f| f.allocations) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_applies_what_it_is_asked_to() {
        for subject in subjects() {
            let figures = measure(&subject, 8, 80).unwrap();
            assert!(figures.messages > 0.0 && figures.per_second > 0.0, "{}", subject.name);
        }
    }
}
