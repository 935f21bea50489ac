//! Writes, from being asked to being answered.
//!
//! ```text
//!              no leader                      leader here                 another leads
//!   asked ───▶ Held ─────────────────────────▶ Here ──────────▶ answered ◀── There
//!               ▲  ▲                            │  not applied / unknown       │ not done / unknown / silence /
//!               │  └────────────────────────────┘                              │ another leader
//!               └──────────────────────────────────────────────────────────────┘  sent again under the same name
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use xs_consensus::raft::{NodeId, Rejected, RoleName};
use xs_consensus::replica::{self, Token};
use xs_net::Timer;

use super::{AtFollower, Failed, Node, RETRY, Waiter};
use crate::command::{MAX_ENTRY, MAX_REWRITES, Op, STAMP_AT, decode};
use crate::front::unix_millis;
use crate::peer::{Frame, Network, Told};
use crate::store::Outcome;

/// A write that was asked for here.
pub(super) struct Write {
    entry: Bytes,
    answer: oneshot::Sender<Result<Outcome, Failed>>,
    deadline: Instant,
    /// Whether it may have been done already.
    uncertain: bool,
}

/// A write at another node.
struct There {
    to: u64,
    /// When it is sent again.
    look: Instant,
    write: Write,
}

/// Writes that are not in the replica.
#[derive(Default)]
pub(super) struct Writes {
    /// For want of a leader.
    held: BTreeMap<u64, Write>,
    /// At another node.
    there: BTreeMap<u64, There>,
    /// When to look again after each of them.
    looks: BTreeSet<(Instant, u64)>,
}

impl Writes {
    pub(super) fn are_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.looks.first().map(|(at, _)| *at)
    }

    /// Takes one whose time has come.
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.looks.first().filter(|(at, _)| *at <= now)?;
        self.looks.pop_first().map(|(_, number)| number)
    }
}

/// So many writes may be held or forwarded.
const MAX_WRITES: usize = 1 << 14;

/// Writes the time into an entry.
fn stamp(entry: Bytes, timer: &Timer) -> Bytes {
    let mut bytes = entry.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let at = unix_millis(timer).to_le_bytes();
    if let Some(place) = bytes.get_mut(STAMP_AT) {
        place.copy_from_slice(&at);
    }
    bytes.freeze()
}

impl<N: Network> Node<N> {
    pub(super) fn write(&mut self, now: Instant, entry: Bytes, answer: oneshot::Sender<Result<Outcome, Failed>>) {
        let deadline = now + self.options.patience;
        let number = self.number();
        self.send(now, number, Write { entry, answer, deadline, uncertain: false });
    }

    /// Brings a write to where it can be done.
    fn send(&mut self, now: Instant, number: u64, mut write: Write) {
        if now >= write.deadline {
            return give_up(write, "no leader was found in time");
        }
        if self.replica.role() == RoleName::Leader {
            write.entry = stamp(write.entry, &self.timer);
            match self.replica.propose(now, Token(number), write.entry.clone()) {
                Ok(()) => {
                    self.counts.proposed += 1;
                    self.waiting.insert(number, Waiter::Write(write));
                }
                Err(Rejected::TooLarge) => drop(write.answer.send(Err(Failed::Never("the entry is too large".into())))),
                Err(Rejected::Overloaded) if !write.uncertain => {
                    let _ = write.answer.send(Err(Failed::NotDone("too many writes wait".into())));
                }
                Err(_) => self.hold(number, write),
            }
            return;
        }
        match self.replica.leader().map(|node| node.0).filter(|leader| *leader != self.hello.from) {
            None => self.hold(number, write),
            Some(leader) => {
                if self.options.at_follower == AtFollower::Redirect && !write.uncertain {
                    let moved = self.moved(leader);
                    return drop(write.answer.send(Err(moved)));
                }
                match self.links.get(&leader) {
                    Some(outbox) if self.writes.there.len() < MAX_WRITES => {
                        outbox.push(&Frame::Forward(number, write.entry.clone()));
                        self.counts.forwarded += 1;
                        // From now on it may arrive whenever it likes.
                        write.uncertain = true;
                        let look = write.deadline.min(now + self.options.forward);
                        self.writes.looks.insert((look, number));
                        self.writes.there.insert(number, There { to: leader, look, write });
                    }
                    _ => self.hold(number, write),
                }
            }
        }
    }

    /// Where a client finds the leader.
    pub(super) fn moved(&self, leader: u64) -> Failed {
        match self.directory.places().get(&leader).filter(|member| !member.client.is_empty()) {
            Some(member) => Failed::Moved(member.client.clone()),
            None => Failed::NotDone(format!("n{leader} leads, and nobody knows where clients reach it").into()),
        }
    }

    fn hold(&mut self, number: u64, write: Write) {
        if self.writes.held.len() >= MAX_WRITES {
            return give_up(write, "too many writes wait for a leader");
        }
        self.writes.looks.insert((write.deadline, number));
        self.retry_at.get_or_insert(self.timer.now() + RETRY);
        self.writes.held.insert(number, write);
    }

    /// Somebody else leads, or nobody: what was sent elsewhere is sent again.
    pub(super) fn leader_changed(&mut self, now: Instant) {
        self.retry_at = None;
        let leader = self.replica.leader().map(|node| node.0);
        let stale: Vec<u64> =
            self.writes.there.iter().filter(|(_, there)| Some(there.to) != leader).map(|(number, _)| *number).collect();
        for number in stale {
            self.send_again(now, number);
        }
        self.send_held(now);
    }

    fn send_held(&mut self, now: Instant) {
        for (number, write) in std::mem::take(&mut self.writes.held) {
            self.writes.looks.remove(&(write.deadline, number));
            self.send(now, number, write);
        }
    }

    fn send_again(&mut self, now: Instant, number: u64) {
        if let Some(There { look, write, .. }) = self.writes.there.remove(&number) {
            self.writes.looks.remove(&(look, number));
            // Under a new number, so that an answer to the first forward is not taken for one to the second.
            let number = self.number();
            self.send(now, number, write);
        }
    }

    /// Looks after those whose time has come.
    pub(super) fn look_after_writes(&mut self, now: Instant) {
        while let Some(number) = self.writes.due(now) {
            if let Some(write) = self.writes.held.remove(&number) {
                self.send(now, number, write);
            } else {
                self.send_again(now, number);
            }
        }
        let leader_is_known = self.replica.leader().is_some();
        if !self.writes.held.is_empty() && self.retry_at.is_none_or(|at| now >= at) {
            self.retry_at = Some(now + RETRY);
            if leader_is_known {
                self.send_held(now);
            }
        }
    }

    /// What became of something that this node proposed.
    pub(super) fn proposed(&mut self, now: Instant, number: u64, outcome: replica::Outcome<Outcome>) {
        if self.ticking == Some(number) {
            self.ticking = None;
        }
        let Some(waiter) = self.waiting.remove(&number) else { return };
        match (waiter, outcome) {
            (Waiter::Write(write), replica::Outcome::Applied { reply, .. }) => drop(write.answer.send(Ok(reply))),
            (Waiter::Write(write), replica::Outcome::NotApplied) => self.send(now, number, write),
            (Waiter::Write(mut write), _) => {
                write.uncertain = true;
                self.send(now, number, write);
            }
            (Waiter::Forwarded { from, number }, outcome) => {
                let told = match outcome {
                    replica::Outcome::Applied { reply, .. } => Told::Outcome(reply),
                    replica::Outcome::NotApplied => Told::NotDone(self.replica.leader().map(|node| node.0)),
                    _ => Told::Unknown,
                };
                self.tell_node(from, number, told);
            }
            (Waiter::Change(answer), outcome) => drop(answer.send(match outcome {
                replica::Outcome::Changed { .. } | replica::Outcome::Applied { .. } => Ok(()),
                replica::Outcome::NotApplied => Err(Failed::NotDone("another leader came".into())),
                _ => Err(Failed::Uncertain("no majority has decided in time".into())),
            })),
            (Waiter::Own, _) => self.learn_members(),
            (Waiter::Reads(_), _) => {}
        }
    }

    /// Another node asks this one, which it takes for the leader, to do a write.
    pub(super) fn forwarded(&mut self, now: Instant, from: u64, number: u64, entry: Bytes) {
        // What is proposed here is applied everywhere: only what a client's front can have made.
        let fits = entry.len() <= 2 * MAX_ENTRY
            && decode(entry.clone()).is_ok_and(|entry| {
                entry.id.is_some()
                    && entry.ops.iter().all(Op::fits)
                    && entry.ops.iter().filter(|op| op.rewrites()).count() <= MAX_REWRITES
                    && !entry.ops.iter().any(|op| matches!(op, Op::Remember(..) | Op::Forget(_) | Op::Tick))
            });
        if !fits {
            return self.tell_node(from, number, Told::Refused("that is no entry of a client".into()));
        }
        let token = self.number();
        match self.replica.propose(now, Token(token), stamp(entry, &self.timer)) {
            Ok(()) => {
                self.counts.proposed += 1;
                self.waiting.insert(token, Waiter::Forwarded { from, number });
            }
            Err(Rejected::TooLarge) => self.tell_node(from, number, Told::Refused("the entry is too large".into())),
            Err(Rejected::NotLeader { hint }) => {
                self.tell_node(from, number, Told::NotDone(hint.map(|NodeId(node)| node)));
            }
            Err(_) => self.tell_node(from, number, Told::NotDone(None)),
        }
    }

    fn tell_node(&self, node: u64, number: u64, told: Told) {
        if let Some(outbox) = self.links.get(&node) {
            outbox.push(&Frame::Told(number, told));
        }
    }

    /// The answer to a forward.
    pub(super) fn told(&mut self, now: Instant, from: u64, number: u64, told: Told) {
        if self.writes.there.get(&number).is_none_or(|there| there.to != from) {
            return;
        }
        let Some(There { look, write, .. }) = self.writes.there.remove(&number) else { return };
        self.writes.looks.remove(&(look, number));
        match told {
            Told::Outcome(outcome) => drop(write.answer.send(Ok(outcome))),
            Told::Refused(why) => drop(write.answer.send(Err(Failed::Never(why)))),
            // This node will hear of a leader; until then it waits. An earlier copy may be under way all the same.
            Told::NotDone(_) | Told::Unknown => {
                let number = self.number();
                if self.replica.leader().map(|node| node.0) == Some(from) {
                    self.hold(number, write);
                } else {
                    self.send(now, number, write);
                }
            }
        }
    }

    /// The node stops.
    pub(super) fn fail_all(&mut self, why: &str) {
        let held = std::mem::take(&mut self.writes.held).into_values();
        let there = std::mem::take(&mut self.writes.there).into_values().map(|there| there.write);
        let mut reads = std::mem::take(&mut self.reads);
        for write in held.chain(there) {
            give_up(write, "this node stops");
        }
        for waiter in std::mem::take(&mut self.waiting).into_values() {
            match waiter {
                Waiter::Write(mut write) => {
                    write.uncertain = true;
                    give_up(write, "this node stops");
                }
                Waiter::Reads(more) => reads.extend(more),
                Waiter::Change(answer) => drop(answer.send(Err(Failed::Uncertain("this node stops".into())))),
                Waiter::Forwarded { .. } | Waiter::Own => {}
            }
        }
        for reading in reads {
            let _ = reading.answer.send(Err(Failed::Stopped(why.to_owned())));
        }
    }
}

fn give_up(write: Write, why: &'static str) {
    let failed = if write.uncertain { Failed::Uncertain(why.into()) } else { Failed::NotDone(why.into()) };
    let _ = write.answer.send(Err(failed));
}
