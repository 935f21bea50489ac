//! What a leader knows about one follower, and how much it may send.
//!
//! ```text
//!             rejected                    matched
//!        ┌──────────────── Replicate ◀──────────────┐
//!        ▼                                          │
//!      Probe ── entries compacted ─▶ Snapshot ── installed
//! ```
//!
//! *Probe* looks for the place where the logs agree, one append at a time. *Replicate* sends on without waiting, as far
//! as the window allows, and takes for granted that what it sent arrives. *Snapshot* sends what the log no longer has.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Index, NodeId, Options, SnapshotMeta};

/// How a leader sends to a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Probe {
        /// An append is on its way.
        waiting: bool,
    },
    Replicate,
    Snapshot(Sending),
}

/// A snapshot on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) meta: SnapshotMeta,
    /// The follower has this much; unknown until it has answered the offer.
    pub(super) next: Option<u64>,
    /// The piece at `next` was asked for or sent.
    pub(super) waiting: bool,
    /// When it is offered anew if no answer comes, and the number of election timeouts that this is.
    pub(super) again_at: Instant,
    pub(super) patience: u32,
}

impl Sending {
    pub(super) fn new(meta: SnapshotMeta, now: Instant) -> Self {
        Sending { meta, next: None, waiting: false, again_at: now, patience: 1 }
    }

    /// A heartbeat is due.
    fn nudge(&mut self, now: Instant) {
        if self.waiting && now >= self.again_at {
            (self.next, self.waiting) = (None, false);
            self.patience = (self.patience * 2).min(64);
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) id: NodeId,
    /// Up to here the follower's log is known to equal ours, durably: Figure 2's `matchIndex`.
    pub(super) matched: Index,
    /// What is sent next: `nextIndex`.
    pub(super) next: Index,
    pub(super) mode: Mode,
    /// Appends on their way: their last index, and their bytes.
    inflight: VecDeque<(Index, usize)>,
    inflight_bytes: usize,
    /// The latest round that was sent, and the latest that came back.
    pub(super) told_round: u64,
    pub(super) acked_round: u64,
    pub(super) told_commit: Index,
    pub(super) heard: Instant,
}

impl Progress {
    pub(super) fn new(id: NodeId, next: Index, now: Instant) -> Self {
        Progress {
            id,
            matched: Index(0),
            next,
            mode: Mode::Probe { waiting: false },
            inflight: VecDeque::new(),
            inflight_bytes: 0,
            told_round: 0,
            acked_round: 0,
            told_commit: Index(0),
            heard: now,
        }
    }

    /// Whether entries may be sent now.
    pub(super) fn may_send(&self, options: &Options) -> bool {
        match &self.mode {
            Mode::Probe { waiting } => !waiting,
            Mode::Replicate => {
                self.inflight.len() < options.max_inflight && self.inflight_bytes < options.max_inflight_bytes
            }
            Mode::Snapshot(_) => false,
        }
    }

    /// A heartbeat is due: what got lost is sent again. A snapshot is not kept ready for who was not heard for `silence`.
    pub(super) fn nudge(&mut self, now: Instant, silence: std::time::Duration) {
        let silent = !self.is_heard(now, silence);
        match &mut self.mode {
            Mode::Probe { waiting } => *waiting = false,
            Mode::Snapshot(_) if silent => self.enter(Mode::Probe { waiting: false }),
            Mode::Snapshot(sending) => sending.nudge(now),
            Mode::Replicate => {}
        }
    }

    /// Whether the follower was heard within `silence`.
    pub(super) fn is_heard(&self, now: Instant, silence: std::time::Duration) -> bool {
        self.heard + silence > now
    }

    /// How many bytes the window has room for.
    pub(super) fn room(&self, options: &Options) -> usize {
        options.max_append_bytes.min(options.max_inflight_bytes - self.inflight_bytes.min(options.max_inflight_bytes))
    }

    /// Entries up to `last` were sent.
    pub(super) fn sent(&mut self, last: Index, bytes: usize) {
        match &mut self.mode {
            Mode::Probe { waiting } => *waiting = true,
            Mode::Replicate => {
                self.next = last.next();
                self.inflight.push_back((last, bytes));
                self.inflight_bytes += bytes;
            }
            Mode::Snapshot(_) => {}
        }
    }

    /// The follower has everything up to `index`. Whether that is news.
    pub(super) fn matched(&mut self, index: Index) -> bool {
        while let Some((last, bytes)) = self.inflight.front().copied() {
            if last > index {
                break;
            }
            self.inflight.pop_front();
            self.inflight_bytes -= bytes;
        }
        match &self.mode {
            // With a probe on its way its own answer is awaited: another one says less.
            Mode::Probe { waiting } if index >= self.next || !waiting && index.next() == self.next => {
                self.enter(Mode::Replicate);
            }
            Mode::Snapshot(sending) if index >= sending.meta.index => self.enter(Mode::Replicate),
            _ => {}
        }
        let news = index > self.matched;
        self.matched = self.matched.max(index);
        self.next = self.next.max(index.next());
        news
    }

    /// The follower's log doesn't reach or equal ours at `prev`, and may at `agreed`. Whether that is news.
    pub(super) fn rejected(&mut self, prev: Index, agreed: Index) -> bool {
        let stale = match &self.mode {
            Mode::Probe { .. } => prev != self.next.before(),
            Mode::Replicate => prev <= self.matched,
            Mode::Snapshot(_) => true,
        };
        if stale {
            return false;
        }
        self.next = agreed.next().max(self.matched.next()).min(prev.max(Index(1)));
        self.enter(Mode::Probe { waiting: false });
        true
    }

    pub(super) fn enter(&mut self, mode: Mode) {
        self.mode = mode;
        self.inflight.clear();
        self.inflight_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn progress(next: u64) -> Progress {
        Progress::new(NodeId(2), Index(next), Instant::now())
    }

    #[test]
    fn a_probe_sends_one_append_and_waits() {
        let options = Options::default();
        let mut p = progress(5);
        assert!(p.may_send(&options));
        p.sent(Index(7), 10);
        assert!(!p.may_send(&options));
        assert!(p.rejected(Index(4), Index(2)));
        assert_eq!((p.next, p.may_send(&options)), (Index(3), true));
        p.sent(Index(7), 10);
        assert!(p.matched(Index(7)));
        assert_eq!((p.next, &p.mode), (Index(8), &Mode::Replicate));
    }

    #[test]
    fn the_window_closes_by_messages_and_by_bytes_and_opens_with_acknowledgements() {
        let options = Options { max_inflight: 2, max_inflight_bytes: 100, ..Options::default() };
        let mut p = progress(1);
        p.enter(Mode::Replicate);
        p.sent(Index(1), 10);
        p.sent(Index(2), 10);
        assert!(!p.may_send(&options));
        assert!(p.matched(Index(1)));
        assert!(p.may_send(&options));
        p.sent(Index(3), 95);
        assert!(!p.may_send(&options));
        assert!(p.matched(Index(3)));
        assert_eq!(p.room(&options), 100);
    }

    #[test]
    fn old_rejections_change_nothing() {
        let mut p = progress(9);
        assert!(!p.rejected(Index(5), Index(3)), "an answer to an earlier probe");
        p.enter(Mode::Replicate);
        p.matched(Index(8));
        assert!(!p.rejected(Index(8), Index(3)), "the follower has that by now");
        assert!(p.rejected(Index(12), Index(9)));
        assert_eq!(p.next, Index(10));
    }
}
