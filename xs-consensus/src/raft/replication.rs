//! Replication: what a leader sends, what a follower makes of it, and when an entry is committed.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::error::{Lookup, Refused, Rejected};
use super::message::{Append, AppendOutcome, AppendReply, Body};
use super::node::{Leader, Raft, Role};
use super::progress::{Mode, Progress};
use super::{Entry, Index, LogView, NodeId, Payload, Term};

impl<L: LogView> Raft<L> {
    /// Proposes a command. It is committed when the entry of this term *and* index is applied; when another one is
    /// applied at this index, it is lost, and may be proposed again.
    ///
    /// # Errors
    /// Why it was not appended.
    pub fn propose(&mut self, now: Instant, command: Bytes) -> Result<(Term, Index), Rejected> {
        self.propose_batch(now, [command])
    }

    /// Proposes several commands, all or none; the answer is the place of the first.
    ///
    /// # Errors
    /// Why none was appended.
    pub fn propose_batch<I>(&mut self, now: Instant, commands: I) -> Result<(Term, Index), Rejected>
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Clone,
    {
        self.alive()?;
        self.set_now(now);
        let commands = commands.into_iter();
        let Role::Leader(leader) = &mut self.role else { return Err(Rejected::NotLeader { hint: self.leader }) };
        if let Some(transfer) = &leader.transfer {
            return Err(Rejected::Transferring(transfer.to));
        }
        if self.memberships.latest().1.is_witness(self.id) {
            return Err(Rejected::NotLeader { hint: None });
        }
        let (mut bytes, mut largest) = (0, 0);
        for command in commands.clone() {
            largest = largest.max(command.len());
            bytes += command.len();
        }
        if largest > self.options.max_entry_bytes {
            return Err(Rejected::TooLarge);
        }
        // One that is larger than the limit passes when nothing else waits.
        let waiting = leader.uncommitted.bytes;
        if waiting > 0 && waiting.saturating_add(bytes) > self.options.max_uncommitted_bytes {
            return Err(Rejected::Overloaded);
        }
        let first = self.log.last().0.next();
        for command in commands {
            self.append(Payload::Command(command));
        }
        self.after_own_append();
        Ok((self.term, first))
    }

    /// Passes commands on to the leader. Nothing tells whether they arrive, nor whether they arrive twice: the caller
    /// finds them in what is applied, by a name of its own in each.
    ///
    /// # Errors
    /// [`Rejected::NotLeader`] if no leader is known; the leader's own reasons if this node is it.
    pub fn forward(&mut self, now: Instant, commands: Vec<Bytes>) -> Result<(), Rejected> {
        match self.leader {
            Some(leader) if leader != self.id => {
                self.alive()?;
                self.set_now(now);
                self.say(leader, Body::Forward { commands });
                Ok(())
            }
            _ => self.propose_batch(now, commands).map(|_| ()),
        }
    }

    pub(super) fn on_forward(&mut self, commands: Vec<Bytes>) {
        // Who passed them on learns of a refusal by their absence, as of a message that got lost.
        let _ = self.propose_batch(self.now, commands);
    }

    /// Writes what followers are to be sent: at most one append each, however much happened since the last time.
    pub(super) fn flush_appends(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let mut followers = std::mem::take(&mut leader.progress);
        let (round, sending) = (leader.reads.round(), count_sending(&followers));
        let mut snapshots = self.options.max_snapshots.saturating_sub(sending);
        for progress in &mut followers {
            if let Some(append) = self.append_for(progress, round, &mut snapshots) {
                progress.told_round = round;
                progress.told_commit = append.commit;
                self.say(progress.id, Body::Append(append));
            }
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.progress = followers;
        }
    }

    fn append_for(&mut self, progress: &mut Progress, round: u64, snapshots: &mut usize) -> Option<Append> {
        self.continue_snapshot(progress);
        let (commit, last) = (self.commit, self.log.last().0);
        let news_of_round = progress.told_round < round;
        let news_of_commit =
            self.options.eager_commit && progress.mode == Mode::Replicate && progress.told_commit < commit;
        let mut entries = Vec::new();
        let mut prev = self.log.term(progress.next.before());
        if progress.next <= last && progress.may_send(&self.options) && matches!(prev, Lookup::Found(_)) {
            let found = self.log.entries(progress.next, last, progress.room(&self.options), &mut entries);
            if found != Lookup::Found(()) {
                prev = found.map(|()| Term(0));
            }
        }
        // Also with a window that is full: what is on its way may be lost, and no heartbeat could find that out.
        let heard = progress.is_heard(self.now, self.options.election_timeout);
        if prev == Lookup::Compacted && heard && !matches!(progress.mode, Mode::Snapshot(_)) {
            self.begin_snapshot(progress, snapshots);
        }
        if entries.is_empty() && !news_of_round && !news_of_commit {
            return None;
        }
        let (prev_index, prev_term) = match (&progress.mode, prev) {
            (Mode::Probe { .. } | Mode::Replicate, Lookup::Found(term)) => (progress.next.before(), term),
            // A heartbeat that fits every log.
            _ if news_of_round => (Index(0), Term(0)),
            _ => return None,
        };
        if let Some(last) = entries.last() {
            progress.sent(last.index, entries.iter().map(Entry::size).sum());
        }
        Some(Append { prev_index, prev_term, commit, round, entries })
    }

    pub(super) fn on_append(&mut self, from: NodeId, append: Append) -> Result<(), Refused> {
        let Append { mut prev_index, mut prev_term, commit, round, mut entries } = append;
        let end = Index(prev_index.0 + entries.len() as u64);
        let had_entries = !entries.is_empty();
        self.follow(from);
        // What is committed equals the leader's; only what lies behind can be news.
        if prev_index < self.commit {
            let known = (self.commit.0 - prev_index.0).min(entries.len() as u64) as usize;
            entries.drain(..known);
            prev_index = self.commit.min(end);
            prev_term = match self.log.term(prev_index) {
                Lookup::Found(term) => term,
                // Nothing to compare is left if it is compacted.
                Lookup::Compacted => Term(0),
                Lookup::NotAtHand => return Ok(()),
            };
        } else if !(mutated!(self, SkipPrevCheck) && prev_index <= self.log.last().0) {
            match self.log_fits(prev_index, prev_term) {
                Lookup::Found(true) => {}
                Lookup::Found(false) => return self.reject(from, prev_index, prev_term, round),
                Lookup::Compacted | Lookup::NotAtHand => return Ok(()),
            }
        }
        if !self.accept(prev_term, entries)? {
            return Ok(());
        }
        let known = if mutated!(self, CommitPastMatch) { commit } else { commit.min(end) };
        self.commit_to(known.min(self.log.last().0));
        self.acknowledge(from, end, round, had_entries);
        Ok(())
    }

    pub(super) fn log_fits(&self, index: Index, term: Term) -> Lookup<bool> {
        if index > self.log.last().0 {
            return Lookup::Found(false);
        }
        match self.log.term(index) {
            Lookup::Found(found) => Lookup::Found(found == term),
            Lookup::Compacted => Lookup::Compacted,
            Lookup::NotAtHand => Lookup::NotAtHand,
        }
    }

    fn reject(&mut self, from: NodeId, prev_index: Index, prev_term: Term, round: u64) -> Result<(), Refused> {
        self.seen_round = self.seen_round.max(round);
        let Lookup::Found((hint_index, hint_term)) = self.log.agreement(prev_index.before(), prev_term) else {
            return Ok(());
        };
        let outcome = AppendOutcome::Rejected { prev_index, hint_index, hint_term };
        self.say(from, Body::AppendReply(AppendReply { round: self.seen_round, outcome }));
        Ok(())
    }

    /// Takes entries that follow on a place where the logs agree. False if the log couldn't be compared.
    fn accept(&mut self, mut prev_term: Term, entries: Vec<Entry>) -> Result<bool, Refused> {
        let mut entries = entries.into_iter().peekable();
        // What is there already stays, so that an old message cuts nothing off (5.3).
        while let Some(entry) = entries.peek() {
            if entry.index > self.log.last().0 {
                break;
            }
            match self.log.term(entry.index) {
                Lookup::Found(term) if term == entry.term || mutated!(self, KeepConflicts) => prev_term = entry.term,
                Lookup::Found(_) => {
                    if entry.index <= self.commit {
                        return Err(Refused::Impossible("an entry that contradicts a committed one"));
                    }
                    let index = entry.index;
                    self.log.truncate_from(index, prev_term);
                    self.persists.truncate_from(index);
                    self.memberships.truncate_from(index);
                    break;
                }
                Lookup::Compacted | Lookup::NotAtHand => return Ok(false),
            }
            entries.next();
        }
        for entry in entries {
            if let Payload::Membership(membership) = &entry.payload {
                self.memberships.push(entry.index, membership.clone());
            }
            self.log.push(entry);
        }
        Ok(true)
    }

    /// Answers an append whose end is `end`: the round at once, if it is a new one, and the entries when they are
    /// durable.
    fn acknowledge(&mut self, from: NodeId, end: Index, round: u64, had_entries: bool) {
        let durable = if self.hard_state_durable() { end.min(self.log.stable()) } else { Index(0) };
        let new_round = round > self.seen_round;
        self.seen_round = self.seen_round.max(round);
        let reply = |matched| {
            let outcome = AppendOutcome::Matched(matched);
            Body::AppendReply(AppendReply { round, outcome })
        };
        if new_round || had_entries && durable == end {
            self.say(from, reply(durable));
        }
        if had_entries && durable < end {
            self.promise(from, reply(end));
        }
    }

    pub(super) fn on_append_reply(&mut self, from: NodeId, reply: AppendReply) -> Result<(), Refused> {
        let last = self.log.last().0;
        let now = self.now;
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        if reply.round > leader.reads.round() {
            return Err(Refused::Impossible("an answer to a round that has not begun"));
        }
        let Some(progress) = leader.progress_of(from) else { return Err(Refused::Stranger(from)) };
        match reply.outcome {
            AppendOutcome::Matched(index) if index > last => {
                return Err(Refused::Impossible("an acknowledgement of what was never sent"));
            }
            AppendOutcome::Matched(index) => {
                progress.heard = now;
                progress.acked_round = progress.acked_round.max(reply.round);
                if progress.matched(index) {
                    self.advance_commit();
                    self.continue_transfer(from);
                }
            }
            AppendOutcome::Rejected { prev_index, .. } if prev_index > last => {
                return Err(Refused::Impossible("a refusal of what was never sent"));
            }
            AppendOutcome::Rejected { prev_index, hint_index, hint_term } => {
                progress.heard = now;
                progress.acked_round = progress.acked_round.max(reply.round);
                // Ours may have entries of terms that the follower's hint rules out, too.
                let agreed = match self.log.agreement(hint_index, hint_term) {
                    Lookup::Found((agreed, _)) => agreed,
                    // It needs a snapshot: what stands in front of the log.
                    Lookup::Compacted => self.log.before().0.before(),
                    Lookup::NotAtHand => hint_index,
                };
                let Role::Leader(leader) = &mut self.role else { return Ok(()) };
                if let Some(progress) = leader.progress_of(from) {
                    progress.rejected(prev_index, agreed);
                }
            }
        }
        self.confirm_reads();
        Ok(())
    }

    /// Commits what a quorum has, if it is of this term: an entry of an earlier term that a majority has can still be
    /// overwritten (5.4.2, Figure 8).
    pub(super) fn advance_commit(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let id = self.id;
        let stable = if mutated!(self, CountUnsynced) { self.log.last().0 } else { self.log.stable() };
        let membership = &self.memberships.latest().1;
        let matched = |node: NodeId| {
            if node == id {
                return stable;
            }
            leader.progress.iter().find(|progress| progress.id == node).map_or(Index(0), |progress| progress.matched)
        };
        let mut reached = membership.reached(matched);
        if mutated!(self, CountLearners) {
            let all: Vec<NodeId> = membership.nodes().collect();
            let mut values: Vec<Index> = all.iter().map(|node| matched(*node)).collect();
            values.sort_unstable_by(|a, b| b.cmp(a));
            // A majority of the voters, by number, whoever they are.
            reached = values[membership.voters().len() / 2].min(self.log.last().0);
        }
        if reached <= self.commit {
            return;
        }
        let of_this_term = self.log.term(reached) == Lookup::Found(self.term);
        if of_this_term || mutated!(self, CommitOldTerms) {
            self.commit_to(reached);
        }
    }

    pub(super) fn commit_to(&mut self, index: Index) {
        if index <= self.commit {
            return;
        }
        self.commit = index;
        if let Role::Leader(leader) = &mut self.role {
            leader.uncommitted.committed(index);
            self.membership_committed();
        }
    }
}

fn count_sending(followers: &[Progress]) -> usize {
    followers.iter().filter(|progress| matches!(progress.mode, Mode::Snapshot(_))).count()
}

/// What a leader has appended and not committed.
#[derive(Debug, Default)]
pub(super) struct Uncommitted {
    entries: VecDeque<(Index, usize)>,
    bytes: usize,
}

impl Uncommitted {
    pub(super) fn push(&mut self, entry: &Entry) {
        self.bytes += entry.size();
        self.entries.push_back((entry.index, entry.size()));
    }

    fn committed(&mut self, to: Index) {
        while let Some((index, bytes)) = self.entries.front().copied() {
            if index > to {
                break;
            }
            self.entries.pop_front();
            self.bytes -= bytes;
        }
    }
}

impl Leader {
    /// A heartbeat is due.
    pub(super) fn nudge(&mut self, now: Instant, silence: std::time::Duration) {
        self.progress.iter_mut().for_each(|progress| progress.nudge(now, silence));
    }
}
