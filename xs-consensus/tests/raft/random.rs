//! A random network, small and seeded: messages are lost, doubled and reordered, machines crash with half of what was
//! on its way to the disk, and after each step the four properties must hold. Then everything heals, and things must
//! move on.
//!
//! `XS_SEEDS=20000 cargo test -p xs-consensus --features raft --test raft random` looks at more; `XS_SEED=7` at one.

use std::time::Duration;

use xs_consensus::raft::{Change, Index, Options, ReadId};
use xs_os::Rng;

use crate::cluster::{Cluster, id, voters};

struct World {
    c: Cluster,
    rng: Rng,
    next: u64,
    /// For each read: what was applied anywhere when it was asked.
    asked: Vec<(u64, u64, Index)>,
    answered: u64,
}

impl World {
    fn new(seed: u64, change: impl FnOnce(&mut Options)) -> World {
        let mut rng = Rng::from_seed(seed);
        let size = [3, 3, 4, 5][rng.index(4)];
        let options = Options {
            pre_vote: rng.chance(0.7),
            check_quorum: rng.chance(0.7),
            eager_commit: rng.chance(0.5),
            max_append_bytes: [100, 1 << 20][rng.index(2)],
            max_inflight: [1, 4, 128][rng.index(3)],
            max_apply_bytes: [1, 1 << 20][rng.index(2)],
            cache_bytes: [0, 1 << 20][rng.index(2)],
            snapshot_chunk_bytes: [7, 64, 1 << 20][rng.index(3)],
            ..Options::default()
        };
        let mut options = options;
        if options.check_quorum && rng.chance(0.5) {
            // All nodes share one clock here.
            options.lease_skew = Some(Duration::from_millis(10));
        }
        change(&mut options);
        let mut c = Cluster { options, quick_disks: rng.chance(0.3), ..Cluster::empty(seed) };
        let members: Vec<u64> = (1..=size).collect();
        for node in &members {
            c.add(*node, voters(&members));
        }
        // One that may be added later.
        c.add(size + 1, Default::default());
        World { c, rng, next: 0, asked: Vec::new(), answered: 0 }
    }

    fn any(&mut self) -> u64 {
        1 + self.rng.below(self.c.machines.len() as u64)
    }

    fn is_up(&self, node: u64) -> bool {
        self.c.machines[&id(node)].raft.is_some()
    }

    fn step(&mut self) {
        let node = self.any();
        match self.rng.below(106) {
            0..45 if !self.c.net.is_empty() => {
                let place = if self.rng.chance(0.7) { 0 } else { self.rng.index(self.c.net.len()) };
                if self.rng.chance(0.05) {
                    let again = self.c.net[place].clone();
                    self.c.net.push_back(again);
                }
                if self.rng.chance(0.05) {
                    self.c.net.remove(place);
                } else {
                    self.c.deliver_at(place);
                }
            }
            45..60 => {
                self.c.persist_one(node);
            }
            // Some hang while time goes on.
            60..65 => {
                self.c.clock.advance(Duration::from_millis(self.rng.below(60)));
                if self.is_up(node) {
                    self.c.call(node, |raft, now| raft.tick(now));
                }
            }
            65..75 => self.c.tick(Duration::from_millis(self.rng.below(30))),
            75..88 if self.is_up(node) => {
                self.next += 1;
                let command = format!("{}", self.next);
                let _ = self.c.propose(node, &command);
            }
            88..92 if self.is_up(node) => {
                self.next += 1;
                let read = self.next;
                let seen = self.c.checks.applied.keys().next_back().copied().unwrap_or_default();
                if self.c.read(node, read).is_ok() {
                    self.asked.push((node, read, seen));
                }
            }
            92 if self.is_up(node) => {
                let written = self.rng.index(3);
                self.c.crash_after(node, written);
                self.asked.retain(|(asker, ..)| *asker != node);
            }
            93 | 94 if !self.is_up(node) => self.c.restart(node),
            95 if self.is_up(node) && self.c.options.pre_vote => {
                let other = self.any();
                let change = [Change::AddVoter(id(other)), Change::Remove(id(other)), Change::AddLearner(id(other))];
                let first = change[self.rng.index(3)];
                let second = if self.rng.chance(0.5) { Change::AddVoter } else { Change::Remove }(id(self.any()));
                let both = [first, second];
                let count = 1 + self.rng.index(2);
                let _ = self.c.change(node, &both[..count]);
            }
            96 if self.is_up(node) => {
                let other = self.any();
                let _ = self.c.call(node, |raft, now| raft.transfer(now, id(other)));
            }
            97 if self.is_up(node) => {
                let keep = self.rng.below(3);
                self.c.compact(node, keep);
            }
            99 => {
                self.c.cut.clear();
                self.c.isolate(node);
            }
            // A restart that takes no time.
            101 | 102 if self.is_up(node) => {
                let written = self.rng.index(3);
                self.c.crash_after(node, written);
                self.asked.retain(|(asker, ..)| *asker != node);
                self.c.restart(node);
            }
            100 | 103..106 => self.c.cut.clear(),
            98 => {
                let other = self.any();
                if self.rng.chance(0.5) {
                    self.c.cut.insert((id(node), id(other)));
                } else {
                    self.c.cut.clear();
                }
            }
            _ => {}
        }
        self.look_at_reads();
    }

    fn look_at_reads(&mut self) {
        for (node, machine) in &mut self.c.machines {
            for answer in machine.reads.drain(..) {
                let Ok(index) = answer.outcome else { continue };
                let Some(place) = self.asked.iter().position(|(_, read, _)| ReadId(*read) == answer.id) else {
                    continue;
                };
                let (_, _, seen) = self.asked.swap_remove(place);
                self.answered += 1;
                if index < seen {
                    self.c.wrong.get_or_insert(format!("stale read on {node}: {index}, though {seen} was applied"));
                }
            }
        }
    }

    /// Everything is well again: there must be a leader, and it must serve.
    fn heal(&mut self) -> Result<(), String> {
        self.c.heal();
        self.c.quick_disks = true;
        let all: Vec<u64> = self.c.machines.keys().map(|id| id.0).collect();
        for node in &all {
            if !self.is_up(*node) {
                self.c.restart(*node);
            }
            self.c.persist(*node);
            self.c.call(*node, |_, _| ());
        }
        let mut waited = 0;
        let index = loop {
            self.run(100)?;
            waited += 100;
            if waited >= 20_000 {
                let up = self.c.machines.values().filter_map(|machine| machine.raft.as_ref());
                let all: Vec<_> = up.map(|raft| format!("{:?}", raft.status())).collect();
                return Err(format!("no progress in 20 s\n{}\n{:?}", all.join("\n"), self.c.options));
            }
            let Some(leader) = self.c.leader() else { continue };
            if let Ok((_, index)) = self.c.propose(leader, "healed") {
                self.run(300)?;
                if self.c.raft(leader).status().commit >= index && self.c.leader() == Some(leader) {
                    break index;
                }
            }
        };
        self.run(1000)?;
        let Some(leader) = self.c.leader() else { return Err("the leader didn't stay".into()) };
        let status = self.c.raft(leader).status();
        for node in status.membership.1.nodes() {
            let of = self.c.raft(node.0).status();
            if of.applied < index {
                return Err(format!("{node} stays behind: {of:?}\n{status:?}\n{:?}", self.c.options));
            }
        }
        Ok(())
    }

    fn run(&mut self, ms: u64) -> Result<(), String> {
        for _ in 0..ms / 10 {
            self.c.tick(Duration::from_millis(10));
            while !self.c.net.is_empty() {
                self.c.deliver_at(0);
                self.c.wrong.clone().map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }
}

/// Things that happen in a run.
pub(crate) const STEPS: usize = 2000;

/// How many reads were answered, and entries applied, in the run of a seed; or what went wrong.
pub(crate) fn run_with(seed: u64, steps: usize, change: impl FnOnce(&mut Options)) -> Result<(u64, usize), String> {
    let mut world = World::new(seed, change);
    for step in 0..steps {
        world.step();
        if let Some(wrong) = &world.c.wrong {
            let story = &world.c.story[world.c.story.len().saturating_sub(60)..];
            return Err(format!("step {step}: {wrong}\n{}", story.join("\n")));
        }
        if step % 64 == 0 && step + 200 < steps {
            world.c.story.clear();
        }
    }
    world.heal()?;
    world.look_at_reads();
    world.c.wrong.map_or(Ok((world.answered, world.c.checks.applied.len())), Err)
}

fn run(seed: u64) -> (u64, usize) {
    run_with(seed, STEPS, |_| ()).unwrap_or_else(|wrong| panic!("XS_SEED={seed}: {wrong}"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn the_four_properties_hold_and_things_move_on() {
    if let Some(seed) = number("XS_SEED") {
        run(seed);
        return;
    }
    let (mut reads, mut applied) = (0, 0);
    for seed in 0..number("XS_SEEDS").unwrap_or(400) {
        let (answered, entries) = run(seed);
        reads += answered;
        applied += entries;
    }
    // A network in which nothing happens proves nothing.
    assert!(reads > 500 && applied > 2000, "{reads} reads, {applied} entries");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let story = |seed| {
        let mut world = World::new(seed, |_| ());
        (0..1000).for_each(|_| world.step());
        world.c.story
    };
    assert_eq!(story(11), story(11));
    assert_ne!(story(11), story(12));
}
