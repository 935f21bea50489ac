//! The replica's step: what is done gives something to do, until nothing is left.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::machine::{Batch, Command, StateMachine};
use super::node::{Replica, Written};
use super::outcome::{Event, Outcome, Stopped, Unknown};
use super::pending::Kind;
use super::worker::{Done, Task};
use crate::raft::{ChunkReceived, Entry, Payload, Persist, ReadAnswer, ReadLost, Ready, SnapshotMeta};
use crate::raft_store;

impl<S: StateMachine> Replica<S> {
    /// Does everything that can be done now: lets time pass, sends what is due, writes, applies, answers. What it waits for
    /// wakes the task. It never blocks, but for what the [page](super#cost) says.
    ///
    /// Drain [`Replica::next_message`] and [`Replica::next_event`] behind it.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.stopped.is_none()
            && let Err(why) = self.turn(cx, now)
        {
            self.stop(why);
        }
        self.tell_news();
    }

    /// Waits until all that was written is durable, and polls. For a driver without tasks: it may block for a sync.
    pub fn sync(&mut self, now: Instant) {
        if self.stopped.is_none()
            && let Err(error) = self.raft.view().sync()
        {
            self.stop(error.into());
        }
        self.poll(&mut Context::from_waker(std::task::Waker::noop()), now);
    }

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Stopped> {
        self.raft.tick(now);
        self.expire(now);
        loop {
            let mut moved = self.settle(cx)?;
            while let Some(done) = self.worker.take_done(cx.waker()) {
                self.worked(now, done)?;
                moved = true;
            }
            while let Some(ready) = self.raft.ready() {
                self.take(now, ready)?;
                moved = true;
            }
            if let Some(error) = self.raft.view().failed() {
                return Err(error.into());
            }
            self.raft.alive()?;
            if !moved {
                break;
            }
        }
        self.look_after_log(now)
    }

    /// What has become durable.
    fn settle(&mut self, cx: &mut Context<'_>) -> Result<bool, Stopped> {
        let mut moved = false;
        while let Some(first) = self.written.front_mut() {
            match Pin::new(&mut first.commit).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(settled) => settled.map_err(raft_store::Error::Storage)?,
            }
            let Some(Written { persist, .. }) = self.written.pop_front() else { break };
            if let Some(meta) = persist.install().cloned() {
                self.install(meta)?;
            }
            self.raft.persisted(persist.done())?;
            moved = true;
        }
        Ok(moved)
    }

    fn take(&mut self, now: Instant, ready: Ready) -> Result<(), Stopped> {
        let Ready { persist, send, apply, reads, chunks_wanted, chunks_received } = ready;
        self.messages.extend(send);
        for wanted in chunks_wanted {
            let file = self.raft.view().snapshot_file().filter(|file| *file.meta() == wanted.meta).cloned();
            if let Some(file) = file {
                self.worker.submit(Task::Read(wanted, file));
            }
        }
        for received in chunks_received {
            self.receiving = Some(received.meta.clone());
            self.worker.submit(Task::Receive(received));
        }
        if let Some(persist) = persist {
            self.write(persist)?;
        }
        if !apply.is_empty() {
            self.apply(&apply, now)?;
        }
        reads.into_iter().for_each(|answer| self.answer_read(answer));
        Ok(())
    }

    fn write(&mut self, persist: Persist) -> Result<(), Stopped> {
        let is_membership = |entry: &Entry| matches!(entry.payload, Payload::Membership(_));
        if persist.install().is_some() || persist.entries().iter().any(is_membership) {
            self.remember_members();
        }
        let commit = self.raft.view_mut().write(&persist)?;
        self.written.push_back(Written { persist, commit });
        Ok(())
    }

    fn apply(&mut self, entries: &[Entry], now: Instant) -> Result<(), Stopped> {
        let Some(last) = entries.last().map(|entry| entry.index) else { return Ok(()) };
        let command = |entry: &Entry| match &entry.payload {
            Payload::Command(bytes) => Some(Command { index: entry.index, term: entry.term, bytes: bytes.clone() }),
            Payload::Noop | Payload::Membership(_) => None,
        };
        let commands: Vec<Command> = entries.iter().filter_map(command).collect();
        let mut replies = Vec::with_capacity(commands.len());
        if !commands.is_empty() {
            let batch = Batch { commands: &commands, last };
            self.machine.apply(batch, &mut replies).map_err(Stopped::machine("apply"))?;
        }
        if replies.len() != commands.len() {
            let what = format!("it gave {} replies to {} commands", replies.len(), commands.len());
            return Err(Stopped::machine("apply")(std::io::Error::other(what)));
        }
        self.raft.applied(last);
        let mut replies = replies.into_iter();
        for entry in entries {
            let reply = matches!(entry.payload, Payload::Command(_)).then(|| replies.next()).flatten();
            let events = &mut self.events;
            let lost = |token, outcome| events.push_back(Event::Proposed { token, outcome });
            let ours = self.pending.decided(entry.index, entry.term, lost);
            let index = entry.index;
            match (ours, reply, &entry.payload) {
                (Some((token, Kind::Command)), Some(reply), _) => {
                    self.events.push_back(Event::Proposed { token, outcome: Outcome::Applied { index, reply } });
                }
                (Some((token, Kind::Change)), _, Payload::Membership(membership)) if membership.is_joint() => {
                    self.pending.leaves(token, now + self.options.patience);
                }
                (Some((token, _)), ..) => {
                    self.events.push_back(Event::Proposed { token, outcome: Outcome::Changed { index } });
                }
                (None, ..) => {}
            }
            if matches!(&entry.payload, Payload::Membership(membership) if !membership.is_joint()) {
                for token in self.pending.left() {
                    self.events.push_back(Event::Proposed { token, outcome: Outcome::Changed { index } });
                }
            }
        }
        Ok(())
    }

    /// The front that relies on a snapshot is durable: the state machine becomes it.
    fn install(&mut self, meta: SnapshotMeta) -> Result<(), Stopped> {
        let file = self.raft.view().snapshot_file().filter(|file| *file.meta() == meta).cloned();
        let Some(file) = file else {
            let gone = std::io::Error::other("the snapshot that was received is gone");
            return Err(Stopped::machine("restore")(gone));
        };
        self.machine.restore(meta.index, &mut file.reader()).map_err(Stopped::machine("restore"))?;
        for token in self.pending.overtaken(meta.index) {
            self.events.push_back(Event::Proposed { token, outcome: Outcome::Unknown(Unknown::Overtaken) });
        }
        self.events.push_back(Event::Installed(meta));
        self.compaction.installed();
        Ok(())
    }

    fn answer_read(&mut self, ReadAnswer { id, outcome }: ReadAnswer) {
        if let Some(token) = self.reads.take(id) {
            self.events.push_back(Event::Read { token, outcome });
        }
    }

    fn worked(&mut self, now: Instant, done: Done) -> Result<(), Stopped> {
        match done {
            Done::Received(received, written) => self.received(now, &received, written),
            Done::Read(wanted, Ok(bytes)) => self.raft.snapshot_chunk(now, wanted, bytes),
            Done::Read(wanted, Err(error)) => {
                let current = self.raft.view().snapshot_file().is_some_and(|file| *file.meta() == wanted.meta);
                if error.is_corrupt() && current {
                    self.raft.view_mut().refuse_snapshot(error.clone());
                    self.compaction.damaged();
                }
                self.events.push_back(Event::SnapshotFailed(error));
            }
            Done::Made(made) => self.made(now, made)?,
            Done::Collected(collected) => self.collected(collected)?,
        }
        Ok(())
    }

    fn received(
        &mut self,
        now: Instant,
        received: &ChunkReceived,
        written: Result<Option<raft_store::SnapshotFile>, xs_storage::Error>,
    ) {
        match written {
            Ok(whole) => {
                if let Some(file) = whole {
                    self.raft.view_mut().stage(file);
                }
                self.raft.snapshot_written(now, received);
            }
            Err(error) => {
                // A piece of an older one fails because a newer one has begun.
                if self.receiving.as_ref() == Some(&received.meta) {
                    self.raft.snapshot_failed(now);
                    self.events.push_back(Event::SnapshotFailed(error));
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        for token in self.pending.expired(now) {
            self.events.push_back(Event::Proposed { token, outcome: Outcome::Unknown(Unknown::TimedOut) });
        }
        for token in self.reads.expired(now) {
            self.events.push_back(Event::Read { token, outcome: Err(ReadLost::NoLeader) });
        }
    }

    /// Says what has changed since the last time.
    pub(super) fn tell_news(&mut self) {
        let status = self.raft.status();
        if status.applied != self.seen.applied {
            self.seen.applied = status.applied;
            self.events.push_back(Event::Applied(status.applied));
        }
        if (status.term, status.leader) != (self.seen.term, self.seen.leader) {
            (self.seen.term, self.seen.leader) = (status.term, status.leader);
            self.events.push_back(Event::Leader { term: status.term, leader: status.leader });
        }
        if self.seen.membership.as_ref() != Some(&status.membership.1) {
            self.seen.membership = Some(status.membership.1.clone());
            self.events.push_back(Event::Membership(status.membership.1));
        }
        if let Some(why) = &self.stopped
            && !std::mem::replace(&mut self.seen.stopped, true)
        {
            self.events.push_back(Event::Stopped(why.clone()));
        }
    }

    /// Nothing is said or promised any more.
    fn stop(&mut self, why: Stopped) {
        // Losing these stops the core.
        self.written.clear();
        self.messages.clear();
        for (token, outcome) in self.pending.stop() {
            self.events.push_back(Event::Proposed { token, outcome });
        }
        for token in self.reads.stop() {
            self.events.push_back(Event::Read { token, outcome: Err(ReadLost::NoLeader) });
        }
        self.stopped = Some(why);
    }
}
