//! The list of live connections.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Handle, Registration};
use crate::Addr;

/// The live connections of a server, or of several: numbered in the order in which they came. Clones share the list.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Default)]
struct Entries {
    last: u64,
    live: BTreeMap<u64, Handle>,
}

impl Registry {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a connection, which gets the next number, until the registration is dropped.
    pub fn register(&self, peer: impl Into<Addr>) -> Registration {
        let mut entries = self.entries.lock();
        entries.last += 1;
        let registration = Registration::new(entries.last, peer.into(), self.clone());
        entries.live.insert(registration.handle().id(), registration.handle().clone());
        registration
    }

    pub(super) fn forget(&self, id: u64) {
        self.entries.lock().live.remove(&id);
    }

    /// Every live connection, oldest first.
    pub fn handles(&self) -> Vec<Handle> {
        self.entries.lock().live.values().cloned().collect()
    }

    /// The live connection with this number.
    pub fn get(&self, id: u64) -> Option<Handle> {
        self.entries.lock().live.get(&id).cloned()
    }

    /// Cuts the connection with this number; false if there is none.
    pub fn kill(&self, id: u64) -> bool {
        self.get(id).map(|handle| handle.kill()).is_some()
    }

    /// How many are live.
    pub fn len(&self) -> usize {
        self.entries.lock().live.len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.lock();
        f.debug_struct("Registry").field("live", &entries.live.len()).field("last", &entries.last).finish()
    }
}
