//! Comparing whole tables: how a newcomer learns them, and how two halves of a cluster find each other again.
//!
//! A table is compared stretch by stretch, one packet there and one back: nobody answers a packet with more than one, and
//! whoever answers remembers nothing.
//!
//! ```text
//!    who asks                                                  who answers
//!    n1 n4 n5 n7 …
//!      ── ask: behind the first, up to n5: n1 n4 n5 ──────────▶  takes what it lacks
//!      ◀────────────── tell: up to n3: n2 n3, more don't fit ──  what is missing there, or newer here
//!      ── ask: behind n3, up to n7: n4 n5 n7 ─────────────────▶
//!      …
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Body, Entry};
use super::node::Swim;
use super::{Event, Member, NodeId, codec};

/// How often a question is asked before the other one counts as gone.
const TRIES: u32 = 4;

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Session {
    with: SocketAddr,
    /// Done up to here.
    after: Option<NodeId>,
    seq: u32,
    tries: u32,
    again_at: Instant,
}

impl Swim {
    /// It is time to compare tables again, and to forget the dead.
    pub(super) fn next_sync(&mut self, now: Instant) {
        let every = sync_every(self.options.sync_every, self.table.up());
        self.sync_at = now + every;
        let keep = self.options.forget_after;
        let myself = self.id;
        self.table.retain(|member| {
            member.is_up() || member.id == myself || now.saturating_duration_since(member.since) < keep
        });
        let alive = self.table.some(1, &mut self.rng, |member| member.is_up() && member.id != myself);
        let mut with: Vec<SocketAddr> = alive.first().map(|member| member.addr).into_iter().collect();
        if !mutated!(self, NoReunion) {
            let dead = self.table.some(1, &mut self.rng, |member| member.state == super::State::Dead);
            with.extend(dead.first().map(|member| member.addr));
            // A seed that nobody has heard of is asked too: it may be all that is left of the other half.
            let known = |seed: &SocketAddr| self.table.iter().any(|member| member.is_up() && member.addr == *seed);
            let lost: Vec<SocketAddr> = self.seeds.iter().copied().filter(|seed| !known(seed)).collect();
            with.extend(lost.get(self.rng.index(lost.len())));
        }
        for addr in with {
            self.compare_with(addr);
        }
        self.next_session(now);
    }

    /// Queues a comparison.
    pub(super) fn compare_with(&mut self, addr: SocketAddr) {
        if !self.to_compare.contains(&addr) {
            self.to_compare.push_back(addr);
        }
    }

    pub(super) fn next_session(&mut self, now: Instant) {
        if self.session.is_some() {
            return;
        }
        match self.to_compare.pop_front() {
            Some(with) => {
                self.session = Some(Session { with, after: None, seq: 0, tries: 0, again_at: now });
                self.ask(now);
            }
            None if self.joining => {
                self.joining = false;
                self.events.push_back(Event::JoinFailed);
            }
            None => {}
        }
    }

    pub(super) fn tick_session(&mut self, now: Instant) {
        let Some(session) = &self.session else { return };
        if session.again_at > now {
            return;
        }
        if session.tries < TRIES {
            return self.ask(now);
        }
        self.session = None;
        self.next_session(now);
    }

    pub(super) fn session_due(&self) -> Option<Instant> {
        self.session.as_ref().map(|session| session.again_at)
    }

    fn ask(&mut self, now: Instant) {
        let seq = self.next_seq();
        let Some(session) = &mut self.session else { return };
        (session.seq, session.tries) = (seq, session.tries + 1);
        // Twice as long each time.
        session.again_at = now + self.options.probe_timeout.saturating_mul(1 << (session.tries - 1));
        let (with, after) = (session.with, session.after);
        let (entries, upto) = self.page(after, None, |_| true);
        self.send(with, None, &Body::SyncAsk { seq, after, upto, entries });
    }

    /// As many lines of a stretch as a packet holds, and how far they go.
    fn page(
        &self,
        after: Option<NodeId>,
        upto: Option<NodeId>,
        wanted: impl Fn(&Member) -> bool,
    ) -> (Vec<Entry>, Option<NodeId>) {
        let mut entries: Vec<Entry> = Vec::new();
        let mut room = self.options.packet_bytes - codec::SYNC_BYTES;
        for member in self.table.stretch(after, upto).filter(|member| wanted(member)) {
            let bytes = codec::entry_bytes(&member.addr, &member.meta);
            if bytes > room {
                return (entries.clone(), entries.last().map(|entry| entry.id));
            }
            room -= bytes;
            entries.push(Entry {
                id: member.id,
                state: member.state,
                incarnation: member.incarnation,
                profile: member.profile,
                addr: member.addr,
                meta: member.meta.clone(),
            });
        }
        (entries, upto)
    }

    pub(super) fn on_sync_ask(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        seq: u32,
        after: Option<NodeId>,
        upto: Option<NodeId>,
        entries: Vec<Entry>,
    ) {
        let theirs: Vec<_> =
            entries.iter().map(|entry| (entry.id, (entry.incarnation, entry.state), entry.profile)).collect();
        entries.into_iter().for_each(|entry| self.on_entry(now, entry));
        let (entries, upto) = self.page(after, upto, |member| {
            let at = theirs.binary_search_by_key(&member.id, |(id, ..)| *id);
            at.map_or(true, |at| member.claim() > theirs[at].1 || member.profile > theirs[at].2)
        });
        self.send(addr, None, &Body::SyncTell { seq, upto, entries });
    }

    pub(super) fn on_sync_tell(&mut self, now: Instant, seq: u32, upto: Option<NodeId>, entries: Vec<Entry>) {
        let Some(session) = self.session.as_mut().filter(|session| session.seq == seq) else { return };
        // An answer that leads backwards is no answer.
        if upto.is_some_and(|upto| session.after.is_some_and(|after| upto <= after)) {
            return;
        }
        (session.after, session.tries) = (upto, 0);
        entries.into_iter().for_each(|entry| self.on_entry(now, entry));
        if upto.is_some() {
            return self.ask(now);
        }
        self.session = None;
        if self.joining {
            self.joining = false;
            self.to_compare.clear();
            self.events.push_back(Event::Joined);
        }
        self.next_session(now);
    }
}

/// Larger clusters compare more rarely: each doubling above 32 adds one interval, or one member would be asked all the time.
fn sync_every(every: Duration, members: usize) -> Duration {
    every.saturating_mul(1 + (members.max(1).saturating_sub(1) / 32).checked_ilog2().map_or(0, |log| log + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_clusters_compare_more_rarely() {
        let times = [1, 32, 33, 64, 65, 128, 129, 512].map(|n| sync_every(Duration::from_secs(1), n).as_secs());
        assert_eq!(times, [1, 1, 2, 2, 3, 3, 4, 5]);
    }
}
