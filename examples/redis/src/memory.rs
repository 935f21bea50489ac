//! The server's account of its memory: what `maxmemory` limits, and what INFO and MEMORY tell.
//!
//! The data is counted to the byte, by the keyspace. What stands around it cannot be, by a library that doesn't own the
//! allocator: the server itself is a measured constant; connections and the table of tracked keys are estimates, taken
//! anew in each round of the cron, for counting ten thousand connections before each command would cost more than the
//! command. A burst of output within a tenth of a second shows late, therefore; the limits on output hold at once.

use xs_storage::keyspace::Keyspace;

use crate::state::{Server, State};

/// What a server without keys and without clients has allocated, about: measured by an allocator that counts.
const STARTUP: usize = 70_000;

/// What a remembered key takes, and each client that is to be told of it, about.
const TRACKED_KEY: usize = 96;
const TRACKING_READER: usize = 16;

/// Where the memory goes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) startup: u64,
    pub(crate) clients: u64,
    /// All that isn't data, the two above included.
    pub(crate) overhead: u64,
    pub(crate) dataset: u64,
    pub(crate) peak: u64,
}

impl Account {
    /// All of it.
    pub(crate) fn used(&self) -> u64 {
        self.overhead + self.dataset
    }

    /// Percent of what came after the start that is data.
    pub(crate) fn dataset_percent(&self) -> f64 {
        self.dataset as f64 * 100.0 / (self.used() - self.startup).max(1) as f64
    }

    /// Percent of the peak that is used now.
    pub(crate) fn peak_percent(&self) -> f64 {
        self.used() as f64 * 100.0 / self.peak.max(1) as f64
    }
}

impl Server {
    /// All memory that counts for `maxmemory`.
    pub(crate) fn used_memory(&self, keyspace: &Keyspace) -> u64 {
        (STARTUP + self.clients_took + self.tracking_memory() + keyspace.used_bytes()) as u64
    }

    /// Where the memory goes.
    pub(crate) fn account(&self, keyspace: &Keyspace) -> Account {
        let used = self.used_memory(keyspace);
        let dataset = keyspace.used_bytes() as u64;
        Account {
            startup: STARTUP as u64,
            clients: self.clients_took as u64,
            overhead: used - dataset,
            dataset,
            peak: self.stats.peak_memory.max(used),
        }
    }

    fn tracking_memory(&self) -> usize {
        let [_, keys, readers, _] = self.tracking.counts();
        keys * TRACKED_KEY + readers * TRACKING_READER
    }
}

/// Counts the connections anew, and notes the highest that the memory has been.
pub(crate) fn survey(state: &mut State) {
    let server = &mut state.server;
    server.clients_took = server.clients.iter().map(|client| client.memory()).sum();
    server.stats.peak_memory = server.stats.peak_memory.max(server.used_memory(&state.keyspace));
}
