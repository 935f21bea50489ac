//! What comes in, what comes out.

use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use xs_consensus::raft::{Body, ClusterId, Message, NodeId, RoleName};
use xs_consensus::raft_store::Identity;
use xs_consensus::replica::{Event, Token};

use super::{Ask, Failed, Node, RETRY, Reading, TELL, Waiter};
use crate::command::{Entry, Member, Op, encode};
use crate::front::unix_millis;
use crate::peer::{Frame, Hello, Inbound, Network};

/// A node that steps down waits so long for its successor.
const STEP_DOWN: Duration = Duration::from_secs(2);

impl<N: Network> Node<N> {
    pub(super) fn inbound(&mut self, now: Instant, inbound: Inbound) {
        match inbound {
            Inbound::Met { hello, answer } => {
                let met = self.meet(hello);
                let _ = answer.send(met);
            }
            // It does not know yet that it was removed.
            Inbound::Said { from, .. } if self.neighbours.is_gone(from) => {}
            Inbound::Said { from, frame } => match frame {
                // Entries come as `Frame::Forward`, which looks at them: one that nobody can read would stop every replica.
                Frame::Raft(Message { body: Body::Forward { .. }, .. }) => {
                    tracing::warn!("n{from} forwards an entry past those who look at it: refused");
                }
                Frame::Raft(message) => {
                    if let Err(why) = self.replica.handle_message(now, message) {
                        tracing::debug!("n{from} said something that is refused: {why}");
                    }
                }
                Frame::Forward(number, entry) => self.forwarded(now, from, number, entry),
                Frame::Told(number, told) => self.told(now, from, number, told),
                _ => {}
            },
        }
    }

    /// Another node says who it is.
    fn meet(&mut self, hello: Hello) -> Result<(), String> {
        let identity =
            Identity { cluster: ClusterId(hello.cluster), node: NodeId(hello.from), incarnation: hello.incarnation };
        self.replica.meet(identity).map_err(|impostor| impostor.to_string())?;
        if let Some(first) = self.neighbours.come(hello.from)? {
            tracing::warn!("n{first} is no member and has to make room for n{}, which is none either", hello.from);
            self.forget(first);
        }
        let member = Member { peer: hello.peer, client: hello.client };
        self.met.insert(hello.from, member.clone());
        self.directory.set(hello.from, member);
        self.link(hello.from);
        self.remember_members();
        Ok(())
    }

    pub(super) fn ask(&mut self, now: Instant, ask: Ask) {
        match ask {
            Ask::Write { entry, answer } => self.write(now, entry.into(), answer),
            Ask::Read { answer } => self.reads.push(Reading { deadline: now + self.options.patience, answer }),
            Ask::Admin { admin, answer } => self.admin(now, admin, answer),
            Ask::StepDown { answer } => self.step_down(now, answer),
            Ask::Stop => self.ending = true,
        }
    }

    fn step_down(&mut self, now: Instant, answer: oneshot::Sender<()>) {
        let heir = self.heir();
        if let Some(heir) = heir
            && self.replica.transfer(now, NodeId(heir)).is_ok()
        {
            tracing::info!("hands leadership to n{heir}");
            self.stepping_down = Some((now + STEP_DOWN, answer));
        } else {
            let _ = answer.send(());
        }
    }

    /// Does all that can be done now.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.ask_for_reads(now);
        self.tick(now);
        self.look_after_writes(now);
        loop {
            self.replica.poll(cx, now);
            while let Some(message) = self.replica.next_message() {
                if let Some(outbox) = self.links.get(&message.to.0) {
                    outbox.push(&Frame::Raft(message));
                }
            }
            let mut any = false;
            while let Some(event) = self.replica.next_event() {
                any = true;
                self.event(now, event);
            }
            if !any {
                break;
            }
            self.ask_for_reads(now);
        }
        let leads = self.replica.role() == RoleName::Leader;
        if let Some((deadline, _)) = &self.stepping_down
            && (!leads && self.replica.leader().is_some() || now >= *deadline)
            && let Some((_, answer)) = self.stepping_down.take()
        {
            let _ = answer.send(());
        }
        if now.saturating_duration_since(self.told_at) >= TELL {
            self.tell();
        }
    }

    fn event(&mut self, now: Instant, event: Event<crate::store::Outcome>) {
        match event {
            Event::Proposed { token, outcome } => self.proposed(now, token.0, outcome),
            Event::Read { token, outcome } => {
                let Some(Waiter::Reads(reads)) = self.waiting.remove(&token.0) else { return };
                for reading in reads {
                    match outcome {
                        Ok(_) => drop(reading.answer.send(Ok(()))),
                        Err(_) if now < reading.deadline => self.reads.push(reading),
                        Err(lost) => drop(reading.answer.send(Err(Failed::NotDone(lost.to_string().into())))),
                    }
                }
                if outcome.is_err() {
                    self.retry_at = Some(now + RETRY);
                }
            }
            Event::Leader { term, leader } => {
                match leader {
                    Some(node) => tracing::info!("{node} leads in term {}", term.0),
                    None => tracing::info!("nobody leads in term {}", term.0),
                }
                self.counts.elections += u64::from(leader == Some(NodeId(self.hello.from)));
                self.remembering.clear();
                self.ticking = None;
                self.remember_members();
                self.leader_changed(now);
                self.tell();
            }
            Event::Membership(membership) => {
                tracing::info!("voters {:?}, learners {:?}", membership.voters(), membership.learners());
                self.follow();
                self.part(self.replica.status().applied);
                self.tell();
            }
            Event::Applied(index) => {
                let store = self.replica.machine().store();
                self.applied.store(store.applied(), Ordering::Release);
                self.part(index);
            }
            Event::Installed(meta) => {
                tracing::info!("a snapshot up to {} has taken the place of the state", meta.index);
                self.counts.snapshots += 1;
                self.learn_members();
            }
            Event::SnapshotMade(meta) => tracing::info!("made a snapshot up to {}", meta.index),
            Event::SnapshotFailed(error) => tracing::warn!("a snapshot failed: {error}"),
            Event::Stopped(why) => tracing::error!("stops: {why}"),
            // Kinds that later versions may add tell, and ask for nothing.
            _ => {}
        }
    }

    /// Asks once for all reads that wait.
    fn ask_for_reads(&mut self, now: Instant) {
        if self.reads.is_empty() || self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        let number = self.number();
        match self.replica.read(now, Token(number)) {
            Ok(()) => {
                let reads = std::mem::take(&mut self.reads);
                self.waiting.insert(number, Waiter::Reads(reads));
            }
            Err(why) => {
                let reads = std::mem::take(&mut self.reads);
                let (late, held): (Vec<_>, Vec<_>) = reads.into_iter().partition(|read| now >= read.deadline);
                self.reads = held;
                for reading in late {
                    let _ = reading.answer.send(Err(Failed::NotDone(why.to_string().into())));
                }
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// When an entry must be proposed for the sake of its time alone.
    pub(super) fn next_tick(&self, now: Instant) -> Option<Instant> {
        if self.replica.role() != RoleName::Leader || self.ticking.is_some() {
            return None;
        }
        let end = self.replica.machine().store().next_end()?;
        let left = end.saturating_add(1).saturating_sub(unix_millis(&self.timer));
        // Not for ever, since the calendar may be set.
        Some((now + Duration::from_millis(left.min(60_000))).max(self.tick_after))
    }

    fn tick(&mut self, now: Instant) {
        if self.next_tick(now).is_some_and(|at| at <= now) {
            self.ticking = self.propose_own(now, vec![Op::Tick]);
            self.tick_after = now + RETRY;
        }
    }

    /// Proposes an entry of the node's own, which may as well be lost.
    pub(super) fn propose_own(&mut self, now: Instant, ops: Vec<Op>) -> Option<u64> {
        let number = self.number();
        let entry = encode(&Entry { at: unix_millis(&self.timer), id: None, ops });
        self.replica.propose(now, Token(number), entry.into()).ok()?;
        self.waiting.insert(number, Waiter::Own);
        Some(number)
    }

    /// The leader writes down where the members are.
    fn remember_members(&mut self) {
        if self.replica.role() != RoleName::Leader {
            return;
        }
        let membership = self.replica.membership();
        let mut places = self.met.clone();
        places.insert(self.hello.from, self.myself());
        let known = self.replica.machine().store().members();
        let news: Vec<_> = places
            .into_iter()
            .filter(|(node, member)| {
                membership.contains(NodeId(*node))
                    && known.get(node) != Some(member)
                    && self.remembering.get(node) != Some(member)
            })
            .collect();
        let now = self.timer.now();
        for (node, member) in news {
            if self.propose_own(now, vec![Op::Remember(node, member.clone())]).is_some() {
                self.remembering.insert(node, member);
            }
        }
    }

    /// What the state says of where nodes are.
    pub(super) fn learn_members(&mut self) {
        for (node, member) in self.replica.machine().store().members() {
            // Who was met has said so himself.
            if !self.met.contains_key(node) {
                self.directory.set(*node, member.clone());
            }
        }
    }
}
