//! Stories for newcomers, which are also tests: a script of commands, and below each what must happen.
//!
//! | command | |
//! |---|---|
//! | `synod 3` | acceptors and proposers n1 to n3, for one value |
//! | `begin 1 tea` | n1 begins a ballot, for its value |
//! | `start 3` | replicas n1 to n3, for a log |
//! | `campaign 1` / `propose 1 tea` | n1 begins a ballot in all slots; proposes in the next one |
//! | `deliver [N]` | messages arrive, all and what follows from them, or N |
//! | `lose` | everything that is under way is lost |
//! | `isolate 1` / `heal` / `crash 1` / `restart 1` / `tick 50` | the same |
//! | `log` | what everybody voted for; `*` is known to be chosen |
//!
//! `XS_BLESS=1 cargo test -p xs-consensus --test paxos transcripts` writes what happens into the files.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use xs_consensus::paxos::single::{Acceptor, Kept, Learner, Message, Proposer};
use xs_consensus::paxos::{Ballot, Cluster, NodeId};

use super::cluster::Replicas;

/// One value, three roles a node.
struct Synod {
    cluster: Cluster,
    acceptors: BTreeMap<NodeId, Acceptor<String>>,
    proposers: BTreeMap<NodeId, Proposer<String>>,
    learner: Learner<String>,
    net: VecDeque<(NodeId, NodeId, Message<String>)>,
    story: Vec<String>,
}

impl Synod {
    fn new(cluster: Cluster) -> Self {
        let acceptor = |id: &NodeId| (*id, Acceptor::new(cluster.clone(), *id, Kept::default()));
        Synod {
            acceptors: cluster.nodes().iter().map(acceptor).collect(),
            proposers: BTreeMap::new(),
            learner: Learner::new(cluster.clone()),
            net: VecDeque::new(),
            story: Vec::new(),
            cluster,
        }
    }

    fn tell_all(&mut self, from: NodeId, message: &Message<String>) {
        self.net.extend(self.cluster.nodes().iter().map(|to| (from, *to, message.clone())));
    }

    fn begin(&mut self, id: NodeId, value: &str) {
        let (cluster, value) = (self.cluster.clone(), value.to_owned());
        let proposer = self.proposers.entry(id).or_insert_with(|| Proposer::new(cluster, id, value, Ballot::NONE));
        let prepare = proposer.prepare().done();
        self.tell_all(id, &prepare);
    }

    fn deliver_one(&mut self) -> bool {
        let Some((from, to, message)) = self.net.pop_front() else { return false };
        let said = match &message {
            Message::Prepare(ballot) => format!("{ballot} begins; what did you vote for?"),
            Message::Promise { ballot, voted: None } => format!("promised {ballot}; I voted for nothing"),
            Message::Promise { ballot, voted: Some(vote) } => {
                format!("promised {ballot}; I voted for \"{}\" in {}", vote.value, vote.ballot)
            }
            Message::Accept(vote) => format!("vote for \"{}\" in {}", vote.value, vote.ballot),
            Message::Accepted(vote) => format!("voted for \"{}\" in {}", vote.value, vote.ballot),
            Message::Rejected { ballot, promised } => format!("not in {ballot}: I have promised {promised}"),
        };
        self.story.push(format!("{from} → {to}: {said}"));
        if let Message::Prepare(_) | Message::Accept(_) = message {
            let answer = self.acceptors.get_mut(&to).unwrap().step(from, &message).unwrap().done();
            let known = self.learner.chosen().is_some();
            if let (Some(chosen), false) = (self.learner.step(to, &answer).unwrap(), known) {
                self.story.push(format!("\"{chosen}\" is chosen"));
            }
            self.net.push_back((to, from, answer));
        } else if let Some(proposer) = self.proposers.get_mut(&to)
            && let Some(accept) = proposer.step(from, &message).unwrap()
        {
            self.tell_all(to, &accept);
        }
        true
    }
}

enum Stage {
    Empty,
    One(Box<Synod>),
    Log(Box<Replicas>),
}

impl Stage {
    fn command(&mut self, line: &str) -> Vec<String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let number =
            |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or_else(|| panic!("{line}"));
        let cluster = || Cluster::majorities((1..=number(1)).map(NodeId).collect::<Vec<_>>()).unwrap();
        match (words[0], &mut *self) {
            ("synod", stage) => *stage = Stage::One(Box::new(Synod::new(cluster()))),
            ("start", stage) => *stage = Stage::Log(Box::new(Replicas::new(cluster()))),
            ("begin", Stage::One(s)) => s.begin(NodeId(number(1)), words[2]),
            ("deliver", Stage::One(s)) if words.len() > 1 => (0..number(1)).for_each(|_| assert!(s.deliver_one())),
            ("deliver", Stage::One(s)) => while s.deliver_one() {},
            ("lose", Stage::One(s)) => s.net.clear(),
            ("campaign", Stage::Log(r)) => r.campaign(NodeId(number(1))),
            ("propose", Stage::Log(r)) => {
                let answer = match r.propose(NodeId(number(1)), words[2]) {
                    Ok(slot) => slot.to_string(),
                    Err(rejected) => format!("refused: {rejected}"),
                };
                r.story.push(answer);
            }
            ("deliver", Stage::Log(r)) if words.len() > 1 => (0..number(1)).for_each(|_| assert!(r.deliver_one())),
            ("deliver", Stage::Log(r)) => r.deliver(),
            ("lose", Stage::Log(r)) => r.net.clear(),
            ("isolate", Stage::Log(r)) => r.isolate(NodeId(number(1))),
            ("heal", Stage::Log(r)) => r.heal(),
            ("crash", Stage::Log(r)) => r.crash(NodeId(number(1))),
            ("restart", Stage::Log(r)) => r.start(NodeId(number(1))),
            ("tick", Stage::Log(r)) => r.tick(Duration::from_millis(number(1))),
            ("log", Stage::Log(r)) => {
                let told: Vec<_> = r.applied.keys().map(|id| format!("{id} {}", r.log(*id))).collect();
                r.story.extend(told);
            }
            _ => panic!("no command {line}"),
        }
        match self {
            Stage::Empty => Vec::new(),
            Stage::One(s) => std::mem::take(&mut s.story),
            Stage::Log(r) => std::mem::take(&mut r.story),
        }
    }
}

fn perform(script: &str) -> String {
    let mut stage = Stage::Empty;
    let mut told = String::new();
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            told += &format!("{line}\n");
            stage.command(command).iter().for_each(|line| told += &format!("  {}\n", line.trim_end()));
        } else if !line.starts_with(' ') {
            told += &format!("{line}\n");
        }
    }
    told
}

// Reads and writes its own golden files; the crates' disks are something else.
#[allow(clippy::disallowed_methods)]
#[test]
fn transcripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/paxos/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3);
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
