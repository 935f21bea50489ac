//! What happened to a disk, in order: the input of [`explore`](super::super::explore).

use std::fmt;
use std::path::PathBuf;

use super::disk::{Change, Disk, Inode};

/// Everything that changed a disk between [`FaultyVfs::record`](super::FaultyVfs::record) and
/// [`FaultyVfs::recorded`](super::FaultyVfs::recorded), and the state that it began with.
#[derive(Clone, Default)]
pub struct Recording {
    pub(crate) start: Disk,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Change(Change),
    Sync(Inode),
    SyncDir(PathBuf),
    /// What no rule describes: a sync that failed, bits that rotted.
    Became(Box<Disk>),
    Mark(u64),
}

impl Recording {
    /// How many syncs of files and directories there were.
    pub fn syncs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Sync(_) | Event::SyncDir(_))).count()
    }

    /// How many writes, changes of lengths and changes of names there were.
    pub fn changes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Change(_))).count()
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("changes", &self.changes()).field("syncs", &self.syncs()).finish()
    }
}
