//! `ACL LOG`: what was refused lately.

use std::collections::VecDeque;

use super::selector::Reason;

/// Refusals that are alike and no further apart than this are one entry.
const SAME_WITHIN_MS: u64 = 60_000;
/// Among this many entries a refusal's like is looked for.
const LOOK_BACK: usize = 10;

/// The latest refusals, newest first.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<LogEntry>,
}

/// One kind of refusal.
#[derive(Debug)]
pub(crate) struct LogEntry {
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    pub(crate) in_multi: bool,
    /// The command, key or channel that was refused; for a wrong password the command that carried it.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// When it happened last, in Unix milliseconds.
    pub(crate) at: u64,
    /// The client that it happened to last, as a line of `CLIENT LIST`.
    pub(crate) client: Vec<u8>,
}

impl LogEntry {
    fn is_like(&self, other: &LogEntry) -> bool {
        self.reason == other.reason
            && self.in_multi == other.in_multi
            && self.at.abs_diff(other.at) <= SAME_WITHIN_MS
            && self.object == other.object
            && self.user == other.user
    }
}

impl Log {
    /// Adds a refusal, to an entry that is like it or as a new one; at most `most` entries are kept.
    pub(crate) fn add(&mut self, entry: LogEntry, most: usize) {
        match self.entries.iter().take(LOOK_BACK).position(|known| known.is_like(&entry)) {
            Some(at) => {
                let known = self.entries.remove(at);
                self.entries.push_front(LogEntry { count: known.map_or(0, |known| known.count) + 1, ..entry });
            }
            None => {
                self.entries.push_front(entry);
                self.entries.truncate(most);
            }
        }
    }

    /// The entries, newest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
