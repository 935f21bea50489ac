//! **A key-value store, assembled**: an engine × a machine. The program `xs-kv` is its command line.
//!
//! ```text
//! cargo run -p xs-kv -- --data-dir fruit put apple red
//! cargo run -p xs-kv -- --data-dir fruit scan
//! ```
//!
//! An engine is opened on a disk and worked with through contracts alone, so that which engine it is stands in one place,
//! [`open`], and on which disk in another, [`Machine`]:
//!
//! ```
//! use std::{path::Path, sync::Arc};
//! use xs_kv::{EngineKind, Machine, Opening, open};
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::engine::{EngineExt, ReadView};
//!
//! let machine = Machine { vfs: Arc::new(MemoryVfs::new()), ..Machine::system() };
//! let dir = Some(Path::new("fruit"));
//! let store = open(EngineKind::Memory, dir, Opening::OrMake, &machine)?;
//! store.engine.put(b"apple", b"red")?;
//! store.admin.close()?;
//! drop(store);
//!
//! let again = open(EngineKind::Memory, dir, Opening::Existing, &machine)?;
//! assert_eq!(again.engine.get(b"apple")?.unwrap(), "red");
//! # Ok::<(), xs_storage::Error>(())
//! ```

mod admin;
mod btree;
mod lsm;
mod memory;
mod stream;

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{SystemVfs, Vfs};
use xs_os::{Clock, Jobs, SystemClock, ThreadJobs};
use xs_storage::engine::Engine;
use xs_storage::{Error, Result};

pub use admin::{Admin, Progress, check_by_reading};
pub use stream::{FileReader, FileWriter};

/// What keeps the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineKind {
    /// A B+tree in a directory: reads fast.
    BTree,
    /// A log-structured merge tree in a directory: writes fast.
    Lsm,
    /// All in memory, loaded from one file when it is opened, and written back to it when it is closed.
    Memory,
}

/// Whether a directory without a store is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is: there must be one.
    Existing,
    /// It becomes one.
    OrMake,
}

/// What a store runs on. A test brings its own disk, its own steps in the background, its own time.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// Where engines work in the background; the one in memory does not.
    pub jobs: Arc<dyn Jobs>,
    /// The time that benchmarks measure by.
    pub clock: Arc<dyn Clock>,
}

impl Machine {
    /// The real one.
    pub fn system() -> Self {
        Machine { vfs: Arc::new(SystemVfs), jobs: Arc::new(ThreadJobs::new()), clock: Arc::new(SystemClock) }
    }
}

/// A store that is open: the contract that all engines share, and what each does in its own way.
#[derive(Clone)]
pub struct Store {
    /// Reads and writes.
    pub engine: Arc<dyn Engine>,
    /// Checks, compacts, closes.
    pub admin: Arc<dyn Admin>,
}

/// Opens the store in a directory; one in memory may do without, and is then gone with the process.
///
/// # Errors
///
/// The engine's; [`Error::Invalid`] where there is no store and should be one, or no directory for it.
pub fn open(engine: EngineKind, dir: Option<&Path>, opening: Opening, machine: &Machine) -> Result<Store> {
    let needed = || dir.ok_or_else(|| Error::Invalid("this engine keeps its entries in a directory: name one".into()));
    match engine {
        EngineKind::BTree => btree::open(needed()?, opening, machine),
        EngineKind::Lsm => lsm::open(needed()?, opening, machine),
        EngineKind::Memory => memory::open(dir, opening, &machine.vfs),
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("stats", &self.engine.stats()).finish()
    }
}
