//! From one job to all that it needs: checked as a whole before any of it begins.
//!
//! 1. Everything that the job pulls in, and what that pulls in.
//! 2. What can't be, goes, with whatever needs it; if that is the job itself, it is refused.
//! 3. One unit has one job: what contradicts one another is decided for whom the job needs.
//! 4. Where units wait for one another in a circle, one that the job does not need goes.
//! 5. What is as it should be needs no job.

use std::collections::{BTreeMap, BTreeSet};

use super::command::CommandError;
use super::jobs::{Job, JobId, JobKind, JobResult};
use super::{Level, Load, Machine, UnitId};
use crate::supervisor::graph::find_cycle;

type Node = (UnitId, JobKind);

/// Jobs, and which of them were pulled in by which; whether that one can't do without.
#[derive(Default)]
struct Transaction {
    edges: BTreeMap<Node, Vec<(Node, bool)>>,
}

impl Transaction {
    /// What the anchor pulls in; with `must`, what it can't do without.
    fn reach(&self, anchor: Node, must: bool) -> BTreeSet<Node> {
        let mut reached = BTreeSet::new();
        let mut open = vec![anchor];
        while let Some(node) = open.pop() {
            if let (true, Some(next)) = (reached.insert(node), self.edges.get(&node)) {
                let wanted = next.iter().filter(|(to, matters)| (*matters || !must) && self.edges.contains_key(to));
                open.extend(wanted.map(|(to, _)| *to));
            }
        }
        reached
    }

    /// Takes out a job, all that can't do without it, and what is then pulled in by nobody.
    fn remove(&mut self, node: Node, anchor: Node) {
        let mut open = vec![node];
        while let Some(gone) = open.pop() {
            if self.edges.remove(&gone).is_some() {
                let needing = self.edges.iter().filter(|(_, to)| to.contains(&(gone, true)));
                open.extend(needing.map(|(from, _)| *from));
            }
        }
        if self.edges.contains_key(&anchor) {
            let reached = self.reach(anchor, false);
            self.edges.retain(|node, _| reached.contains(node));
        }
    }
}

impl Machine {
    /// Queues a job with all that it needs.
    pub(super) fn enqueue(&mut self, kind: JobKind, id: UnitId) -> Result<JobId, CommandError> {
        if self.shutting_down && kind != JobKind::Stop {
            return Err(CommandError::ShuttingDown(self.name(id).to_owned()));
        }
        let anchor = (id, kind);
        let mut transaction = self.collect(anchor)?;
        self.settle_conflicts(&mut transaction, anchor)?;
        self.break_cycles(&mut transaction, anchor)?;
        let mut nodes: Vec<Node> = transaction.edges.into_keys().collect();
        // A restart is a start as well.
        let both: BTreeSet<UnitId> =
            nodes.iter().filter(|(_, kind)| *kind == JobKind::Restart).map(|(id, _)| *id).collect();
        nodes.retain(|(id, kind)| *kind == JobKind::Restart || !both.contains(id));
        let starts: BTreeSet<UnitId> =
            nodes.iter().filter(|(_, kind)| *kind == JobKind::Start).map(|(id, _)| *id).collect();
        nodes.retain(|(id, kind)| *kind != JobKind::VerifyActive || !starts.contains(id));
        // Redundant jobs change nothing, but for the one that somebody waits for.
        nodes.retain(|&(other, kind)| {
            let active = self.active(other);
            let redundant = match kind {
                JobKind::Start | JobKind::VerifyActive => active.is_up(),
                JobKind::Stop => active.is_down(),
                JobKind::Restart | JobKind::Reload => false,
            };
            other == id || self.jobs.contains_key(&other) || !redundant
        });
        let mut job = None;
        for (other, kind) in nodes {
            let installed = self.install(kind, other);
            if other == id {
                job = Some(installed);
            }
        }
        // The anchor is always among them: it goes only with an error.
        job.ok_or_else(|| CommandError::NotFound(self.name(id).to_owned()))
    }

    /// Gives a unit its job, in the place of one that it contradicts.
    pub(super) fn install(&mut self, kind: JobKind, id: UnitId) -> JobId {
        if let Some(old) = self.jobs.get_mut(&id) {
            let joins = match (old.kind, kind) {
                (old, new) if old == new => true,
                (JobKind::Restart, JobKind::Start | JobKind::VerifyActive | JobKind::Reload) => true,
                // Who starts reads its configuration; who reads it again is up.
                (JobKind::Start, JobKind::VerifyActive | JobKind::Reload) => true,
                (JobKind::Reload, JobKind::Start | JobKind::VerifyActive) => true,
                // The one that is asked for is more, and begins anew; whoever waited for the other one waits for it.
                (JobKind::VerifyActive, JobKind::Start | JobKind::Restart)
                | (JobKind::Start | JobKind::Reload, JobKind::Restart) => {
                    (old.kind, old.running) = (kind, false);
                    true
                }
                _ => false,
            };
            if joins {
                let id_of_job = old.id;
                self.queue.insert(id);
                return id_of_job;
            }
            // Not as a failure that others hear of: it is taken back.
            let old = *old;
            self.jobs.remove(&id);
            self.tell_job(id, old.kind, JobResult::Canceled);
            let done = super::Action::Done { job: old.id, unit: id, kind: old.kind, result: JobResult::Canceled };
            self.actions.push_back(done);
        }
        self.next_job += 1;
        let job = JobId(self.next_job);
        self.jobs.insert(id, Job { id: job, kind, running: false });
        self.queue.insert(id);
        // Others may have waited for the job that was here.
        let links = &self.slots[id.index()].links;
        self.queue.extend(links.before.iter().chain(&links.after).filter(|other| self.jobs.contains_key(other)));
        job
    }

    /// What a job pulls in directly: with whether it can't do without.
    fn pulled(&self, (id, kind): Node) -> Vec<(Node, bool)> {
        let links = &self.slots[id.index()].links;
        let mut pulled: Vec<(Node, bool)> = Vec::new();
        let mut add = |ids: &[UnitId], kind: JobKind, matters: bool| {
            pulled.extend(ids.iter().map(|id| ((*id, kind), matters)));
        };
        if matches!(kind, JobKind::Start | JobKind::Restart) {
            add(&links.requires, JobKind::Start, true);
            add(&links.requisite, JobKind::VerifyActive, true);
            add(&links.wants, JobKind::Start, false);
            add(&links.conflicts, JobKind::Stop, true);
            add(&links.conflicted_by, JobKind::Stop, false);
        }
        match kind {
            JobKind::Stop => add(&links.takes_along, JobKind::Stop, true),
            // Whoever is up is restarted with it; the others stay down.
            JobKind::Restart => {
                let up: Vec<UnitId> =
                    links.takes_along.iter().copied().filter(|id| !self.active(*id).is_down()).collect();
                add(&up, JobKind::Restart, true);
            }
            _ => {}
        }
        pulled
    }

    fn collect(&mut self, anchor: Node) -> Result<Transaction, CommandError> {
        let mut transaction = Transaction::default();
        let mut wrong: BTreeMap<Node, CommandError> = BTreeMap::new();
        let mut open = vec![anchor];
        while let Some(node) = open.pop() {
            if transaction.edges.contains_key(&node) {
                continue;
            }
            let (id, kind) = node;
            let name = self.name(id).to_owned();
            if matches!(kind, JobKind::Start | JobKind::Restart | JobKind::VerifyActive) {
                match self.load(id) {
                    Load::Loaded => {}
                    Load::Masked => drop(wrong.insert(node, CommandError::Masked(name))),
                    Load::NotFound => drop(wrong.insert(node, CommandError::NotFound(name))),
                    Load::BadSetting(why) => drop(wrong.insert(node, CommandError::BadSetting(name, why.clone()))),
                }
            }
            let pulled = self.pulled(node);
            open.extend(pulled.iter().map(|(to, _)| *to));
            transaction.edges.insert(node, pulled);
        }
        for (node, error) in wrong {
            if transaction.reach(anchor, true).contains(&node) {
                return Err(error);
            }
            let line = format!("{}: Cannot add dependency job, ignoring: {error}", self.name(anchor.0));
            self.log(anchor.0, Level::Warning, line);
            transaction.remove(node, anchor);
        }
        Ok(transaction)
    }

    fn settle_conflicts(&mut self, transaction: &mut Transaction, anchor: Node) -> Result<(), CommandError> {
        loop {
            let contradicts = |(id, kind): &Node| {
                *kind == JobKind::Stop
                    && transaction
                        .edges
                        .range((*id, JobKind::Start)..=(*id, JobKind::Reload))
                        .any(|(n, _)| n.1 != JobKind::Stop)
            };
            let Some(stop) = transaction.edges.keys().find(|node| contradicts(node)).copied() else { return Ok(()) };
            let all = transaction.edges.range((stop.0, JobKind::Start)..=(stop.0, JobKind::Reload));
            let others: Vec<Node> = all.map(|(node, _)| *node).filter(|node| *node != stop).collect();
            let needed = transaction.reach(anchor, true);
            if others.iter().any(|node| needed.contains(node)) {
                if needed.contains(&stop) {
                    return Err(CommandError::Conflict(self.name(stop.0).to_owned()));
                }
                transaction.remove(stop, anchor);
            } else {
                for node in others {
                    transaction.remove(node, anchor);
                }
            }
        }
    }

    fn break_cycles(&mut self, transaction: &mut Transaction, anchor: Node) -> Result<(), CommandError> {
        loop {
            let mut kinds: BTreeMap<UnitId, JobKind> = BTreeMap::new();
            for (id, kind) in transaction.edges.keys() {
                // Of several for one unit, the one that stops first.
                let kept = kinds.entry(*id).or_insert(*kind);
                if kind.stops() {
                    *kept = *kind;
                }
            }
            // For whom each waits, as `Machine::is_runnable` has it once all of them are there.
            let waits = |id: UnitId| -> Vec<UnitId> {
                let links = &self.slots[id.index()].links;
                let stops = |id: &UnitId| kinds.get(id).is_some_and(|kind| kind.stops());
                let earlier = links.after.iter().filter(|other| !stops(&id) && kinds.contains_key(other));
                earlier.chain(links.before.iter().filter(|other| stops(other))).copied().collect()
            };
            let Some(cycle) = find_cycle(kinds.keys().copied(), waits) else { return Ok(()) };
            let needed = transaction.reach(anchor, true);
            let free = cycle.iter().find(|id| !needed.iter().any(|(needed, _)| needed == *id)).copied();
            let names: Vec<String> = cycle.iter().map(|id| self.name(*id).to_owned()).collect();
            let Some(victim) = free else { return Err(CommandError::Cycle(names)) };
            let name = self.name(victim).to_owned();
            let error = CommandError::Cycle(names);
            let line = format!("{name}: Job {name}/start deleted to break ordering cycle. {error}");
            self.log(victim, Level::Warning, line);
            let all: Vec<Node> = transaction.edges.keys().copied().filter(|(id, _)| *id == victim).collect();
            for node in all {
                transaction.remove(node, anchor);
            }
        }
    }
}
