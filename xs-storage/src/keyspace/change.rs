//! The one stream of writes: every mutation takes the next number, and is told to whoever asked.

use std::collections::VecDeque;

use bytes::Bytes;

/// One mutation of a keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number. Numbers rise by one for every mutation, recorded or not.
    pub seq: u64,
    /// The database that it happened in.
    pub db: usize,
    /// The key; empty when the change is about the database as a whole.
    pub key: Bytes,
    /// What happened.
    pub kind: ChangeKind,
}

/// What a mutation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key is new. A collection that is filled in place is told to be new before it is told to be changed.
    Created,
    /// The key has a new value in place of another.
    Set,
    /// The value was changed in place, in the way that the name tells (`"lpush"`): see `EntryMut::touched`.
    Modified(&'static str),
    /// The deadline was set or taken off.
    Deadline(Option<u64>),
    /// The key was removed by request, or because its collection ran empty.
    Removed,
    /// The key was removed because its deadline had passed.
    Expired,
    /// The key was removed to make room.
    Evicted,
    /// The database was emptied.
    Flushed,
    /// The database changed places with another one.
    Swapped(usize),
}

/// The stream's head, and the part that nobody has drained yet.
#[derive(Debug, Default)]
pub(super) struct Changes {
    seq: u64,
    recording: bool,
    recorded: VecDeque<Change>,
    expired: u64,
    evicted: u64,
}

impl Changes {
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// How many keys expired and how many were evicted, recorded or not.
    pub(super) fn losses(&self) -> (u64, u64) {
        (self.expired, self.evicted)
    }

    pub(super) fn record(&mut self, on: bool) {
        self.recording = on;
        if !on {
            self.recorded = VecDeque::new();
        }
    }

    #[inline]
    pub(super) fn push(&mut self, db: usize, key: &[u8], kind: ChangeKind) {
        self.seq += 1;
        match kind {
            ChangeKind::Expired => self.expired += 1,
            ChangeKind::Evicted => self.evicted += 1,
            _ => {}
        }
        if self.recording {
            self.keep(db, key, kind);
        }
    }

    #[cold]
    fn keep(&mut self, db: usize, key: &[u8], kind: ChangeKind) {
        self.recorded.push_back(Change { seq: self.seq, db, key: Bytes::copy_from_slice(key), kind });
    }

    #[inline]
    pub(super) fn has_any(&self) -> bool {
        !self.recorded.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.recorded.iter()
    }

    pub(super) fn pop(&mut self) -> Option<Change> {
        self.recorded.pop_front()
    }
}
