//! Every state of a small synod: a search, breadth first, over all that three acceptors, two of which are proposers too,
//! can come to by any order of deliveries, losses, doublings and crashes.
//!
//! The network is the set of all that was ever said. Nothing leaves it: so a message may arrive at any time, again, or
//! never, and a step that delivers is all that is needed for late, lost and doubled ones. A delivery and the write that
//! follows from it are one step: a crash in between leaves the disk as if the message had never come, and its answer is
//! sealed; one behind it is a crash and a message that does not arrive. Promises come to a proposer a quorum at a time.
//!
//! What the paper derives is checked in every state, from what was said (P1a, P2c) and from the votes in it (P2, P2a, P2b).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use xs_consensus::paxos::single::{Acceptor, Kept, Message, Proposer};
use xs_consensus::paxos::{Ballot, Cluster, NodeId, Vote};

type Value = char;
type Said = Message<Value>;

/// What is searched.
#[derive(Clone, Debug)]
struct Config {
    cluster: Cluster,
    /// Its quorums, as they are and not as a mutated node counts them.
    quorums: (usize, usize),
    /// Who proposes what, and how many ballots it may begin.
    proposers: Vec<(NodeId, Value, u32)>,
    /// How many crashes there may be in all.
    crashes: u32,
    /// No further than so many steps.
    depth: u32,
}

/// A machine: its acceptor, perhaps a proposer, and its disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Machine {
    acceptor: Acceptor<Value>,
    kept: Kept<Value>,
    proposer: Option<Proposer<Value>>,
    used: Ballot,
    begun: u32,
    /// The highest ballot that it has ever promised: what the checks remember, and a crash does not take.
    told: Ballot,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    machines: Vec<Machine>,
    /// Who has said what to whom; nobody: to all. Sorted.
    net: Vec<(NodeId, Option<NodeId>, Said)>,
    crashes: u32,
    /// P1a, if an acceptor has broken it.
    broken: Option<String>,
}

#[derive(Clone, Debug)]
enum Step {
    /// A proposer begins a ballot, and may have heard of a higher one before.
    Begin(usize, Option<(NodeId, Said)>),
    /// A message comes to an acceptor, which answers.
    Deliver(usize, NodeId, Said),
    /// A quorum's promises come to a proposer. Fewer change nothing that anybody sees.
    Propose(usize, Vec<(NodeId, Said)>),
    Crash(usize),
}

impl Config {
    fn start(&self) -> State {
        let machine = |id: &NodeId| {
            let acceptor = Acceptor::new(self.cluster.clone(), *id, Kept::default());
            let proposer = self.proposer(*id, Ballot::NONE);
            Machine { acceptor, kept: Kept::default(), proposer, used: Ballot::NONE, begun: 0, told: Ballot::NONE }
        };
        let machines = self.cluster.nodes().iter().map(machine).collect();
        State { machines, net: Vec::new(), crashes: 0, broken: None }
    }

    fn proposer(&self, id: NodeId, used: Ballot) -> Option<Proposer<Value>> {
        let (_, value, _) = self.proposers.iter().find(|(node, ..)| *node == id)?;
        Some(Proposer::new(self.cluster.clone(), id, *value, used))
    }

    fn ballots(&self, id: NodeId) -> u32 {
        self.proposers.iter().find(|(node, ..)| *node == id).map_or(0, |(.., ballots)| *ballots)
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, machine) in state.machines.iter().enumerate() {
            let id = machine.acceptor.id();
            if machine.begun < self.ballots(id) {
                steps.push(Step::Begin(at, None));
            }
            if state.crashes < self.crashes {
                steps.push(Step::Crash(at));
            }
            let mine = machine.proposer.as_ref().map(Proposer::ballot);
            let mut quorums: Vec<Vec<(NodeId, Said)>> = vec![Vec::new()];
            for (from, to, message) in &state.net {
                match message {
                    Message::Prepare(_) | Message::Accept(_) => {
                        steps.push(Step::Deliver(at, *from, message.clone()));
                    }
                    Message::Rejected { .. } if *to == Some(id) && machine.begun < self.ballots(id) => {
                        steps.push(Step::Begin(at, Some((*from, message.clone()))));
                    }
                    // Each set of promises of different acceptors, with this one and without.
                    Message::Promise { ballot, .. } if *to == Some(id) && Some(*ballot) == mine => {
                        let fits = |set: &&Vec<(NodeId, Said)>| set.iter().all(|(other, _)| other != from);
                        let with: Vec<_> = quorums.iter().filter(fits).cloned().collect();
                        quorums.extend(with.into_iter().map(|mut set| {
                            set.push((*from, message.clone()));
                            set
                        }));
                    }
                    // Votes are counted by whoever looks at the network.
                    _ => {}
                }
            }
            let enough = quorums.into_iter().filter(|set| set.len() == self.cluster.prepare());
            steps.extend(enough.map(|set| Step::Propose(at, set)));
        }
        steps
    }

    /// The state behind a step; none if it is the same.
    fn take(&self, state: &State, step: &Step) -> Option<State> {
        let (Step::Begin(at, _) | Step::Deliver(at, ..) | Step::Propose(at, _) | Step::Crash(at)) = *step;
        let mut machine = state.machines[at].clone();
        let id = machine.acceptor.id();
        let (mut said, mut broken) = (None, None);
        match step {
            Step::Begin(_, hint) => {
                machine.begun += 1;
                if let Some((from, rejected)) = hint {
                    let said = machine.proposer.as_mut()?.step(*from, rejected).expect("said by a correct node");
                    assert_eq!(said, None);
                }
                // A crash in front of the write is as if it had not begun.
                let begun = machine.proposer.as_mut()?.prepare();
                machine.used = *begun.kept();
                said = Some((id, None, begun.done()));
            }
            Step::Deliver(_, from, message) => {
                let answer = machine.acceptor.step(*from, message).expect("said by a correct node");
                machine.kept = answer.kept().clone();
                let answer = answer.done();
                match &answer {
                    Message::Promise { ballot, .. } => machine.told = machine.told.max(*ballot),
                    Message::Accepted(vote) if vote.ballot < machine.told => {
                        broken = Some(format!("P1a: {id} promised {} and votes in {}", machine.told, vote.ballot));
                    }
                    _ => {}
                }
                said = Some((id, Some(*from), answer));
            }
            Step::Propose(_, promises) => {
                for (from, promise) in promises {
                    let accept = machine.proposer.as_mut()?.step(*from, promise).expect("said by a correct node");
                    said = accept.map(|accept| (id, None, accept));
                }
            }
            Step::Crash(_) => {
                machine.acceptor = Acceptor::new(self.cluster.clone(), id, machine.kept.clone());
                machine.proposer = self.proposer(id, machine.used);
            }
        }
        let place = said.as_ref().map(|said| state.net.binary_search(said));
        if machine == state.machines[at] && !matches!(place, Some(Err(_))) {
            return None;
        }
        let mut after = state.clone();
        after.machines[at] = machine;
        after.broken = broken;
        if let (Some(said), Some(Err(place))) = (said, place) {
            after.net.insert(place, said);
        }
        after.crashes += u32::from(matches!(step, Step::Crash(_)));
        self.forget(&mut after);
        Some(after)
    }

    /// Takes answers out of the network that nobody waits for any more, so that states that differ in these alone are one.
    fn forget(&self, state: &mut State) {
        let issued = |ballot: &Ballot| {
            let accept = |message: &Said| matches!(message, Message::Accept(vote) if vote.ballot == *ballot);
            state.net.iter().any(|(_, _, message)| accept(message))
        };
        let useful = |to: &Option<NodeId>, message: &Said| {
            let machine = state.machines.iter().find(|machine| Some(machine.acceptor.id()) == *to);
            let proposer = machine.and_then(|machine| Some((machine, machine.proposer.as_ref()?)));
            match (message, proposer) {
                (Message::Promise { ballot, .. }, Some((_, proposer))) => {
                    *ballot == proposer.ballot() && !issued(ballot)
                }
                (Message::Rejected { promised, .. }, Some((machine, proposer))) => {
                    *promised > proposer.ballot() && machine.begun < self.ballots(proposer.id())
                }
                _ => true,
            }
        };
        let kept = state.net.iter().map(|(_, to, message)| useful(to, message)).collect::<Vec<_>>();
        let mut kept = kept.into_iter();
        state.net.retain(|_| kept.next().unwrap_or(true));
    }

    /// The paper's claims.
    fn check(&self, state: &State) -> Result<(), String> {
        let (nodes, (prepare, accept)) = (self.cluster.nodes(), self.quorums);
        let mut votes: BTreeMap<Ballot, BTreeMap<NodeId, Value>> = BTreeMap::new();
        let mut issued: BTreeMap<Ballot, Value> = BTreeMap::new();
        for (from, _, message) in &state.net {
            match message {
                Message::Accepted(vote) => {
                    votes.entry(vote.ballot).or_default().insert(*from, vote.value);
                }
                Message::Accept(Vote { ballot, value }) => {
                    let before = issued.insert(*ballot, *value);
                    if before.is_some_and(|other| other != *value) {
                        return Err(format!("ballot {ballot} has two values"));
                    }
                }
                _ => {}
            }
        }
        // P2, P2a, P2b: above a chosen proposal, all that are chosen, accepted or issued have its value.
        for (ballot, voters) in &votes {
            let (Some(value), true) = (voters.values().next(), voters.len() >= accept) else { continue };
            if let Some((above, other)) = issued.range(ballot..).find(|(_, other)| *other != value) {
                return Err(format!("P2b: {value} is chosen in {ballot}, and {other} is issued in {above}"));
            }
        }
        if let Some(broken) = &state.broken {
            return Err(broken.clone());
        }
        // P2c, for every issued proposal: there is a quorum which either never votes below it, or whose highest vote is its.
        for (ballot, value) in &issued {
            let quorum = (0_u32..1 << nodes.len()).filter(|set| set.count_ones() as usize == prepare).any(|set| {
                let inside = |node: &NodeId| nodes.iter().position(|n| n == node).is_some_and(|at| set >> at & 1 == 1);
                let mut below = votes.range(..*ballot).rev();
                let highest = below.find_map(|(_, voters)| voters.iter().find(|(node, _)| inside(node)));
                highest.is_none_or(|(_, voted)| voted == value)
            });
            if !quorum {
                return Err(format!("P2c: no quorum stands for {value} in {ballot}"));
            }
        }
        Ok(())
    }

    /// Whether two votes stand for different values, each of a quorum: the thing itself.
    fn chosen(&self, state: &State) -> BTreeSet<Value> {
        let mut votes: BTreeMap<&Vote<Value>, BTreeSet<NodeId>> = BTreeMap::new();
        for (from, _, message) in &state.net {
            if let Message::Accepted(vote) = message {
                votes.entry(vote).or_default().insert(*from);
            }
        }
        votes.into_iter().filter(|(_, voters)| voters.len() >= self.quorums.1).map(|(vote, _)| vote.value).collect()
    }
}

#[derive(Debug)]
struct Outcome {
    states: usize,
    /// Whether all there is was seen, and not only what is near.
    whole: bool,
    chosen: BTreeSet<Value>,
    wrong: Option<(String, Vec<Step>)>,
}

/// Visits every state, nearest first. States are known by 64 bits of hash: two that share them are one chance in millions.
fn search(config: &Config) -> Outcome {
    let mut seen: HashSet<u64, BuildHasherDefault<DefaultHasher>> = HashSet::default();
    let mut fingerprint = |state: &State| {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        seen.insert(hasher.finish())
    };
    let start = config.start();
    fingerprint(&start);
    // How each state was reached: the one before, and by which step.
    let mut ways: Vec<(usize, Step)> = vec![(0, Step::Crash(0))];
    let mut queue = VecDeque::from([(start, 0_usize, 0_u32)]);
    let mut outcome = Outcome { states: 0, whole: true, chosen: BTreeSet::new(), wrong: None };
    while let Some((state, way, depth)) = queue.pop_front() {
        outcome.states += 1;
        let chosen = config.chosen(&state);
        let wrong = if chosen.len() > 1 { Err("two values are chosen".to_owned()) } else { config.check(&state) };
        outcome.chosen.extend(chosen);
        if let Err(wrong) = wrong {
            let mut steps = Vec::new();
            let mut at = way;
            while at != 0 {
                steps.push(ways[at].1.clone());
                at = ways[at].0;
            }
            steps.reverse();
            outcome.wrong = Some((wrong, steps));
            return outcome;
        }
        if depth == config.depth {
            outcome.whole = false;
            continue;
        }
        for step in config.steps(&state) {
            if let Some(after) = config.take(&state, &step)
                && fingerprint(&after)
            {
                ways.push((way, step));
                queue.push_back((after, ways.len() - 1, depth + 1));
            }
        }
    }
    outcome
}

fn config(quorums: (usize, usize), proposers: &[(u64, Value, u32)], crashes: u32, depth: u32) -> Config {
    let cluster = Cluster::flexible([1, 2, 3].map(NodeId), quorums.0, quorums.1).unwrap();
    let proposers = proposers.iter().map(|(node, value, ballots)| (NodeId(*node), *value, *ballots)).collect();
    Config { cluster, quorums, proposers, crashes, depth }
}

#[test]
fn no_state_of_a_small_synod_breaks_a_claim_of_the_paper() {
    for (name, config) in table() {
        let outcome = search(&config);
        println!("{name}: {} states, whole: {}, chosen {:?}", outcome.states, outcome.whole, outcome.chosen);
        assert!(outcome.wrong.is_none(), "{name}: {:#?}", outcome.wrong);
        // Everybody may win.
        let values: BTreeSet<Value> = config.proposers.iter().map(|(_, value, _)| *value).collect();
        assert!(!outcome.whole || outcome.chosen == values, "{name}");
    }
}

const WHOLE: u32 = 100;

fn table() -> [(&'static str, Config); 9] {
    let most = (2, 2);
    [
        ("one proposer, two ballots, a crash", config(most, &[(1, 'x', 2)], 1, WHOLE)),
        ("two proposers, a ballot each, a crash", config(most, &[(1, 'x', 1), (2, 'y', 1)], 1, WHOLE)),
        ("promises of all, one vote chooses", config((3, 1), &[(1, 'x', 1), (2, 'y', 1)], 1, WHOLE)),
        ("one promise, votes of all choose", config((1, 3), &[(1, 'x', 1), (2, 'y', 1)], 1, WHOLE)),
        ("one of them twice", config(most, &[(1, 'x', 2), (2, 'y', 1)], 0, WHOLE)),
        ("the other one twice", config(most, &[(1, 'x', 1), (2, 'y', 2)], 0, WHOLE)),
        ("three proposers, a ballot each", config(most, &[(1, 'x', 1), (2, 'y', 1), (3, 'z', 1)], 0, WHOLE)),
        ("one of them twice, a crash", config(most, &[(1, 'x', 2), (2, 'y', 1)], 1, 12)),
        ("both twice, two crashes", config(most, &[(1, 'x', 2), (2, 'y', 2)], 2, 9)),
    ]
}

/// Every deliberate bug breaks a claim, and the search tells the shortest way there.
#[cfg(feature = "mutations")]
#[test]
fn every_mutation_of_the_synod_is_found_by_the_search() {
    for mutation in xs_consensus::paxos::Mutation::SINGLE {
        let found = table().into_iter().find_map(|(name, mut config)| {
            config.cluster.mutation = Some(mutation);
            let outcome = search(&config);
            outcome.wrong.map(|(wrong, steps)| (name, outcome.states, wrong, steps))
        });
        let (name, states, wrong, steps) = found.unwrap_or_else(|| panic!("nobody noticed {mutation:?}"));
        println!("{mutation:?}: {name}, {states} states, {} steps: {wrong}", steps.len());
        steps.iter().for_each(|step| println!("    {step:?}"));
    }
}
