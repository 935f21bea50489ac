//! What all transactions share, behind one short lock: the newest commit, who reads where, the latest footprints.

use std::collections::BTreeMap;

use super::Timestamp;
use super::collect::worthwhile;
use super::error::ConflictKind;
use super::history::History;

/// Nothing in here is held while the engine is called.
pub(super) struct State {
    /// The newest commit that can be read.
    pub(super) last: u64,
    /// History is whole from here on.
    horizon: u64,
    /// The timestamps at which somebody reads, and how many do.
    pins: BTreeMap<u64, usize>,
    pub(super) history: History,
    pub(super) begun: u64,
    pub(super) commits: u64,
    pub(super) write_conflicts: u64,
    pub(super) read_conflicts: u64,
    pub(super) forgotten_checks: u64,
    pub(super) collected: u64,
    pub(super) untrailed: u64,
    pub(super) failed_collections: u64,
}

impl State {
    pub(super) fn new(last: u64, horizon: u64, history_limit: usize) -> Self {
        State {
            last,
            horizon,
            pins: BTreeMap::new(),
            history: History::new(history_limit, last),
            begun: 0,
            commits: 0,
            write_conflicts: 0,
            read_conflicts: 0,
            forgotten_checks: 0,
            collected: 0,
            untrailed: 0,
            failed_collections: 0,
        }
    }

    pub(super) fn pin(&mut self, at: u64) {
        *self.pins.entry(at).or_default() += 1;
    }

    pub(super) fn unpin(&mut self, at: u64) {
        if let Some(holders) = self.pins.get_mut(&at) {
            *holders -= 1;
            if *holders == 0 {
                self.pins.remove(&at);
            }
        }
    }

    /// Where the horizon could be: behind no reader, and `keep` commits back.
    fn reach(&self, keep: u64) -> u64 {
        let oldest = self.pins.keys().next().copied().unwrap_or(self.last);
        oldest.min(self.last.saturating_sub(keep)).max(self.horizon)
    }

    /// Moves the horizon to where it can be: from now on nobody begins to read before it.
    pub(super) fn raise_horizon(&mut self, keep: u64) -> u64 {
        self.horizon = self.reach(keep);
        self.horizon
    }

    pub(super) fn is_worth_collecting(&self, keep: u64) -> bool {
        worthwhile(&self.history, self.reach(keep))
    }

    pub(super) fn count_conflict(&mut self, kind: ConflictKind) {
        match kind {
            ConflictKind::WriteWrite => self.write_conflicts += 1,
            ConflictKind::ReadWrite => self.read_conflicts += 1,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let oldest_reader = self.pins.keys().next().copied();
        Stats {
            last: Timestamp(self.last),
            horizon: Timestamp(self.horizon),
            readers: self.pins.values().sum::<usize>() as u64,
            oldest_reader: oldest_reader.map(Timestamp),
            held_back: oldest_reader.map_or(0, |oldest| self.last - oldest),
            commits: self.commits,
            write_conflicts: self.write_conflicts,
            read_conflicts: self.read_conflicts,
            forgotten_checks: self.forgotten_checks,
            history_keys: self.history.keys() as u64,
            history_bytes: self.history.bytes() as u64,
            collected: self.collected,
            untrailed: self.untrailed,
            failed_collections: self.failed_collections,
        }
    }
}

/// Figures about the layer; counts are since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest commit.
    pub last: Timestamp,
    /// The oldest state that can still be read.
    pub horizon: Timestamp,
    /// Transactions and snapshots that are open.
    pub readers: u64,
    /// The oldest state that one of them reads.
    pub oldest_reader: Option<Timestamp>,
    /// Commits whose garbage waits for that one to end.
    pub held_back: u64,
    /// Commits that wrote something.
    pub commits: u64,
    /// Commits refused because another one had written the same key.
    pub write_conflicts: u64,
    /// Commits refused because something that was read had changed.
    pub read_conflicts: u64,
    /// Checks that had to ask the engine, since the history of commits did not reach back far enough.
    pub forgotten_checks: u64,
    /// Keys of commits in the history: what is still to be collected, or checked against.
    pub history_keys: u64,
    /// Bytes of memory that they take.
    pub history_bytes: u64,
    /// Versions that were collected.
    pub collected: u64,
    /// Keys whose garbage the trail has lost, and a sweep would find. What an earlier process left is not counted.
    pub untrailed: u64,
    /// Collections that the engine refused.
    pub failed_collections: u64,
}
