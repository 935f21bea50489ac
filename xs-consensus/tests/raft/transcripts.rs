//! Stories for newcomers, which are also tests: a script of commands, and below each what must happen.
//!
//! ```text
//! # A comment, kept as it is.
//! > elect 1
//!   n1 → n2 t0: would you vote for me? (log ends i0 t0)
//! ```
//!
//! | command | |
//! |---|---|
//! | `start 3 [learner 4]` | nodes 1 to 3, up and empty; 4 as well, in nobody's membership |
//! | `option NAME` | before `start`: `no-pre-vote`, `no-check-quorum`, `lazy-commit`, `lease`, `small-chunks`, `no-cache` |
//! | `disks slow` / `persist 1` | writes take until `persist`; one node's disk finishes what is under way |
//! | `elect 1` / `lead 1` | the node stands for election now; and wins, which is not told |
//! | `deliver [N]` | messages arrive, all and what follows from them, or N |
//! | `lose` | everything that is under way is lost |
//! | `cut 1 2` / `isolate 1` / `heal` | a link loses everything, in both directions; all of one node's; none does |
//! | `tick 50` | 50 ms pass, for all |
//! | `run 500` | 500 ms pass in steps, with deliveries |
//! | `propose 1 tea` / `read 2` / `transfer 1 3` / `change 1 +learner4 +4 -2` | as the names say |
//! | `crash 1` / `restart 1` / `compact 1` | the same |
//! | `status` / `log` | what everybody is, and has |
//!
//! `XS_BLESS=1 cargo test -p xs-consensus --features raft --test raft transcripts` writes what happens into the files.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use xs_consensus::raft::{Change, Index, Options, RoleName};

use crate::cluster::{Cluster, id, tell_membership, voters};

struct Stage {
    c: Cluster,
    reads: u64,
}

impl Stage {
    fn command(&mut self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let number =
            |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or_else(|| panic!("{line}"));
        let c = &mut self.c;
        c.story.clear();
        let mut said = String::new();
        match words[0] {
            "option" => match words[1] {
                "no-pre-vote" => c.options.pre_vote = false,
                "no-check-quorum" => c.options.check_quorum = false,
                "lazy-commit" => c.options.eager_commit = false,
                "lease" => c.options.lease_skew = Some(Duration::from_millis(10)),
                "small-chunks" => c.options.snapshot_chunk_bytes = 20,
                "no-cache" => c.options.cache_bytes = 0,
                other => panic!("no option {other}"),
            },
            "start" => {
                let members: Vec<_> = (1..=number(1)).collect();
                members.iter().for_each(|node| c.add(*node, voters(&members)));
                if words.get(2) == Some(&"learner") {
                    c.add(number(3), Default::default());
                }
            }
            "disks" => c.quick_disks = words[1] != "slow",
            "persist" => c.persist(number(1)),
            "elect" => c.call(number(1), |raft, now| raft.campaign(now)),
            "lead" => {
                c.elect(number(1));
                c.story.clear();
            }
            "deliver" if words.len() > 1 => (0..number(1)).for_each(|_| c.deliver_at(0)),
            "deliver" => c.deliver(),
            "lose" => c.net.clear(),
            "cut" => {
                let (a, b) = (id(number(1)), id(number(2)));
                c.cut.extend([(a, b), (b, a)]);
            }
            "isolate" => c.isolate(number(1)),
            "heal" => c.heal(),
            "tick" => c.tick(Duration::from_millis(number(1))),
            "run" => {
                c.run(number(1));
                // A long time is told by who became what.
                c.story.retain(|line| line.contains(" is "));
            }
            "propose" => match c.propose(number(1), words[2]) {
                Ok((term, index)) => writeln!(said, "  {index} {term}").unwrap(),
                Err(rejected) => writeln!(said, "  refused: {rejected}").unwrap(),
            },
            "read" => {
                self.reads += 1;
                if let Err(rejected) = c.read(number(1), self.reads) {
                    writeln!(said, "  refused: {rejected}").unwrap();
                }
            }
            "transfer" => {
                let (from, to) = (number(1), id(number(2)));
                if let Err(rejected) = c.call(from, |raft, now| raft.transfer(now, to)) {
                    writeln!(said, "  refused: {rejected}").unwrap();
                }
            }
            "change" => {
                let changes: Vec<_> = words[2..].iter().map(|word| change(word)).collect();
                match c.change(number(1), &changes) {
                    Ok((term, index)) => writeln!(said, "  {index} {term}").unwrap(),
                    Err(rejected) => writeln!(said, "  refused: {rejected}").unwrap(),
                }
            }
            "crash" => c.crash(number(1)),
            "restart" => c.restart(number(1)),
            "compact" => assert!(c.compact(number(1), 0)),
            "status" => said = self.status(),
            "log" => said = self.log(),
            other => panic!("no command {other}"),
        }
        let c = &mut self.c;
        let mut told = String::new();
        for line in c.story.drain(..) {
            writeln!(told, "  {line}").unwrap();
        }
        for (node, machine) in &mut c.machines {
            for answer in machine.reads.drain(..) {
                match answer.outcome {
                    Ok(index) => {
                        writeln!(said, "  {node} may answer read {} (all up to {index} is applied)", answer.id.0)
                    }
                    Err(lost) => writeln!(said, "  {node} can't answer read {}: {lost}", answer.id.0),
                }
                .unwrap();
            }
        }
        assert_eq!(c.wrong, None, "{line}");
        told + &said
    }

    fn status(&self) -> String {
        let mut said = String::new();
        for (node, machine) in &self.c.machines {
            let Some(raft) = &machine.raft else {
                writeln!(said, "  {node} is down").unwrap();
                continue;
            };
            let s = raft.status();
            write!(
                said,
                "  {node} {} of {}, committed {}, log ends {} {}",
                s.role, s.term, s.commit, s.last.0, s.last.1
            )
            .unwrap();
            if s.role != RoleName::Leader {
                match s.leader {
                    Some(leader) => write!(said, ", follows {leader}").unwrap(),
                    None => write!(said, ", knows no leader").unwrap(),
                }
            }
            if s.membership.0 > Index(0) {
                write!(said, ", cluster {}", tell_membership(&s.membership.1)).unwrap();
            }
            writeln!(said).unwrap();
        }
        said
    }

    fn log(&self) -> String {
        let mut said = String::new();
        for (node, machine) in &self.c.machines {
            let Some(raft) = &machine.raft else { continue };
            let s = raft.status();
            write!(said, "  {node}").unwrap();
            if s.before.0 > Index(0) {
                write!(said, " (snapshot up to {})", s.before.0).unwrap();
            }
            for index in s.before.0.0 + 1..=s.last.0.0 {
                let index = Index(index);
                let edge = if index == s.commit { " |" } else { "" };
                write!(said, " {}:{}{edge}", index.0, raft.term_at(index).unwrap().0).unwrap();
            }
            writeln!(said, "   applied: {}", self.c.state(node.0).join(" ")).unwrap();
        }
        said
    }
}

fn change(word: &str) -> Change {
    let node = |name: &str| id(name.parse().unwrap_or_else(|_| panic!("{word}")));
    if let Some(name) = word.strip_prefix("+learner") {
        Change::AddLearner(node(name))
    } else if let Some(name) = word.strip_prefix("+witness") {
        Change::AddWitness(node(name))
    } else if let Some(name) = word.strip_prefix('+') {
        Change::AddVoter(node(name))
    } else {
        Change::Remove(node(word.strip_prefix('-').unwrap()))
    }
}

fn perform(script: &str) -> String {
    let mut stage = Stage { c: Cluster { options: Options::default(), ..Cluster::empty(1) }, reads: 0 };
    let mut told = String::new();
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(told, "{line}").unwrap();
            told += &stage.command(command);
        } else if !line.starts_with(' ') {
            writeln!(told, "{line}").unwrap();
        }
    }
    told
}

// Reads and writes its own golden files; the crates' disks are something else.
#[allow(clippy::disallowed_methods)]
#[test]
fn transcripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raft/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8);
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let told = perform(&written);
        if std::env::var_os("XS_BLESS").is_some() {
            std::fs::write(&file, told).unwrap();
        } else {
            assert_eq!(written, told, "{}: XS_BLESS=1 writes what happens now", file.display());
        }
    }
}
