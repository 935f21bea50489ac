//! Clients that do all sorts of things at all sorts of times, and what must hold whatever they do.

use std::collections::BTreeMap;

use xs_os::Rng;

use super::*;

/// A client, as far as it knows.
#[derive(Debug, Default, Clone)]
struct Peer {
    instance: Option<ByteString>,
    member: ByteString,
    generation: i32,
    joining: Option<u64>,
    syncing: Option<u64>,
    place: Option<Joined>,
    settled: bool,
    silent: bool,
}

struct Simulation {
    world: World,
    rng: Rng,
    peers: Vec<Peer>,
    names: u64,
    /// Tokens that are to be answered, and the member that asks.
    open: BTreeMap<u64, ByteString>,
    seen: (usize, usize),
    /// By generation: who was given the list of members, and in which way is assigned.
    leaders: BTreeMap<i32, (ByteString, ByteString)>,
    generation: i32,
    /// When each member was last heard of, and how silent it may be.
    heard: BTreeMap<ByteString, (Instant, Duration)>,
    kept: Option<Kept>,
    steps: Vec<String>,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut rng = Rng::from_seed(seed);
        let peer = |n: usize| Peer { instance: (n % 3 == 2).then(|| format!("static-{n}").into()), ..Peer::default() };
        let peers = (0..2 + rng.index(5)).map(peer).collect();
        Simulation {
            world: World::new(Limits { members: 6, ..Limits::default() }),
            rng,
            peers,
            names: 0,
            open: BTreeMap::new(),
            seen: (0, 0),
            leaders: BTreeMap::new(),
            generation: 0,
            heard: BTreeMap::new(),
            kept: None,
            steps: Vec::new(),
        }
    }

    fn name(&mut self) -> ByteString {
        self.names += 1;
        format!("m{:04}", self.names).into()
    }

    fn join(&mut self, n: usize) {
        let protocols: &[&'static str] = if self.rng.chance(0.5) { &["range", "sticky"] } else { &["sticky", "range"] };
        let topics = if self.rng.chance(0.9) { "topics" } else { "other topics" };
        let join = Join {
            member: self.peers[n].member.clone(),
            instance: self.peers[n].instance.clone(),
            protocols: protocols.iter().map(|name| (ByteString::from_static(name), topics.into())).collect(),
            name_first: self.rng.chance(0.5),
            ..newcomer(&self.name())
        };
        let token = self.world.join(join);
        self.open.insert(token, self.peers[n].member.clone());
        (self.peers[n].joining, self.peers[n].settled) = (Some(token), false);
    }

    fn sync(&mut self, n: usize) {
        let Some(place) = self.peers[n].place.clone() else { return };
        let assign = |(id, instance, _): &(ByteString, Option<ByteString>, Bytes)| {
            let whose = instance.as_ref().unwrap_or(id);
            (id.clone(), Bytes::from(format!("{}/{whose}", place.generation)))
        };
        let assignments = place.members.iter().map(assign).collect();
        let instance = self.peers[n].instance.clone();
        let token = self.world.sync_as(&place.member, instance.as_deref(), place.generation, assignments);
        self.open.insert(token, place.member.clone());
        self.peers[n].syncing = Some(token);
    }

    fn heartbeat(&mut self, n: usize) {
        let peer = self.peers[n].clone();
        let who = Who { member: &peer.member, instance: peer.instance.as_deref() };
        let now = self.world.now();
        match self.world.group.handle_heartbeat(now, who, peer.generation) {
            ErrorCode::NONE => self.was_heard(&peer.member),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                self.was_heard(&peer.member);
                self.peers[n].settled = false;
                self.join(n);
            }
            _ => self.forget(n),
        }
    }

    fn was_heard(&mut self, member: &ByteString) {
        self.heard.insert(member.clone(), (self.world.now(), 10 * SECOND));
    }

    /// The client knows nothing any more, as after a restart.
    fn forget(&mut self, n: usize) {
        self.peers[n] = Peer { instance: self.peers[n].instance.clone(), ..Peer::default() };
    }

    /// Reads answers, and judges them.
    fn judge(&mut self) {
        for (token, answer) in self.world.joins.split_off(self.seen.0) {
            let asks = self.open.remove(&token).expect("an answer that nobody waits for");
            if let Err((ErrorCode::REBALANCE_IN_PROGRESS, _)) = &answer {
                self.was_heard(&asks);
            }
            if let Ok(place) = &answer {
                assert!(place.generation >= self.generation, "a generation fell");
                if !place.members.is_empty() {
                    let leader = (place.member.clone(), place.protocol.clone());
                    let first = self.leaders.entry(place.generation).or_insert_with(|| leader.clone());
                    assert_eq!(*first, leader, "two leaders in generation {}", place.generation);
                    assert_eq!(place.leader, place.member);
                }
                if let Some((_, protocol)) = self.leaders.get(&place.generation) {
                    assert_eq!(*protocol, place.protocol, "two ways of assigning");
                }
                self.was_heard(&place.member.clone());
            }
            let Some(n) = self.peers.iter().position(|peer| peer.joining == Some(token)) else { continue };
            self.peers[n].joining = None;
            match answer {
                Ok(place) => {
                    (self.peers[n].member, self.peers[n].generation) = (place.member.clone(), place.generation);
                    self.peers[n].place = Some(place);
                }
                Err((ErrorCode::MEMBER_ID_REQUIRED, name)) => self.peers[n].member = name,
                Err(_) => self.forget(n),
            }
        }
        for (token, answer) in self.world.syncs.split_off(self.seen.1) {
            let asks = self.open.remove(&token).expect("an answer that nobody waits for");
            if matches!(answer, Ok(_) | Err(ErrorCode::REBALANCE_IN_PROGRESS)) {
                self.was_heard(&asks);
            }
            let Some(n) = self.peers.iter().position(|peer| peer.syncing == Some(token)) else { continue };
            self.peers[n].syncing = None;
            let peer = &mut self.peers[n];
            match answer {
                Ok(synced) => {
                    let whose = peer.instance.as_ref().unwrap_or(&peer.member);
                    assert_eq!(synced.assignment, format!("{}/{whose}", peer.generation), "another's assignment");
                    peer.settled = true;
                }
                Err(ErrorCode::REBALANCE_IN_PROGRESS) => (peer.place, peer.settled) = (None, false),
                Err(_) => self.forget(n),
            }
        }
        self.seen = (self.world.joins.len(), self.world.syncs.len());
        let group = &self.world.group;
        assert!(group.generation() >= self.generation, "a generation fell");
        self.generation = group.generation();
        let now = self.world.now();
        for (id, member) in group.members() {
            let waits = member.joining.is_some() || member.syncing.is_some();
            if let (false, Some((heard, session))) = (waits, self.heard.get(id)) {
                assert!(*heard + *session >= now, "{id} is silent for too long");
            }
        }
        assert!(group.state() != State::Empty || group.members().is_empty(), "members in an empty group");
        if matches!(group.state(), State::Stable | State::CompletingRebalance) {
            let leader = group.leader.as_ref().expect("a leader");
            assert!(group.members().contains_key(leader), "the leader is no member");
        }
        if self.world.group.take_changed() {
            self.kept = Some(self.world.group.keep());
        }
    }

    fn act(&mut self, n: usize) {
        let peer = &self.peers[n];
        if peer.silent || peer.joining.is_some() || peer.syncing.is_some() {
            return;
        }
        match (&peer.place, peer.settled) {
            (None, _) => self.join(n),
            (Some(_), false) => self.sync(n),
            (Some(_), true) => self.heartbeat(n),
        }
    }

    fn step(&mut self) {
        let n = self.rng.index(self.peers.len());
        let dice = self.rng.below(100);
        self.steps.push(format!("{n} {dice}"));
        match dice {
            // It dies, and another one may come in its place.
            0..3 => {
                let silent = !self.peers[n].silent;
                self.forget(n);
                self.peers[n].silent = silent;
            }
            3..5 => {
                let peer = self.peers[n].clone();
                let instance = peer.instance.as_deref();
                self.world.leave(&peer.member, instance);
                self.forget(n);
            }
            // It loses its patience, and asks again on another connection.
            5..7 if self.peers[n].joining.is_some() => self.join(n),
            7..9 if self.peers[n].place.is_some() => self.sync(n),
            9 => self.restart(),
            _ => self.act(n),
        }
        self.judge();
        let by = Duration::from_millis(self.rng.below(1500));
        self.world.pass(by);
        self.judge();
    }

    /// The broker comes back with what it has stored, and nobody is answered any more.
    fn restart(&mut self) {
        let kept = self.kept.clone().unwrap_or_default();
        // What was in memory alone is gone: the generation that was being made, too.
        self.generation = kept.generation;
        self.leaders.retain(|generation, _| *generation <= kept.generation);
        self.world.group = Group::restore(self.world.group.limits.clone(), kept, self.world.now());
        self.open.clear();
        let known: Vec<ByteString> = self.world.group.members().keys().cloned().collect();
        self.heard.clear();
        known.iter().for_each(|member| self.was_heard(member));
        for peer in &mut self.peers {
            if peer.joining.take().is_some() || peer.syncing.take().is_some() {
                (peer.place, peer.settled) = (None, false);
            }
            if peer.generation > self.generation {
                *peer = Peer { instance: peer.instance.clone(), silent: peer.silent, ..Peer::default() };
            }
        }
    }

    /// When all behave, all are in one generation after some time, and nobody is left waiting.
    fn settle(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.silent = false);
        for _ in 0..600 {
            for n in 0..self.peers.len() {
                self.act(n);
                self.judge();
            }
            self.world.pass(SECOND);
            self.judge();
        }
        assert!(self.open.is_empty(), "not answered: {:?}", self.open);
        let group = &self.world.group;
        assert_eq!(group.state(), State::Stable);
        assert_eq!(group.members().len(), self.peers.len().min(6));
        for peer in self.peers.iter().filter(|peer| group.members().contains_key(&peer.member)) {
            assert_eq!(peer.generation, group.generation());
        }
    }
}

fn run(seed: u64) -> (i32, Vec<String>) {
    let mut simulation = Simulation::new(seed);
    for _ in 0..400 {
        simulation.step();
    }
    simulation.settle();
    (simulation.generation, simulation.steps)
}

#[test]
fn whatever_clients_do_each_is_answered_once_and_generations_are_whole() {
    let mut generations = 0;
    for seed in 0..100 {
        let ran = std::panic::catch_unwind(|| run(seed));
        let (generation, _) = ran.unwrap_or_else(|cause| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause)
        });
        generations += generation;
    }
    assert!(generations > 100 * 5, "too little happens: {generations} generations");
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(7), run(7));
}
