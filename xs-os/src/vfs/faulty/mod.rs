//! A disk that fails, driven by a seed: [`FaultyVfs`].
//!
//! # The problem
//!
//! A store is as good as its worst day: the power goes between two writes, the disk is full, a sync fails, a bit flips.
//! These days must be had on purpose, often, in every order, and again with the same seed when one of them went badly.
//! Killing the process is no substitute: the operating system keeps its page cache, and everything un-synced survives.
//!
//! # How it works
//!
//! **The fault model.** This is what a disk may do here, and all that it may do:
//!
//! - *Un-synced writes are lost, or not, in any order.* A write goes to the page cache. Until a sync of its file
//!   returns, a crash may find it done or not, whatever happened to writes before and behind it. The cache is written
//!   out in whole sectors as they are at that moment, so a sector that is there carries all earlier writes to it.
//! - *Writes are torn.* Of a write of several sectors (512 bytes) any of them may be there, and the others not. A sector
//!   is written as a whole. The file's new length may be there without any of the bytes, which then read as zeros.
//! - *Lengths* behave like writes: cutting and filling up a file is done or not, whatever else is.
//! - *Names are lost.* A file that was made, renamed, linked or removed, and a directory that was made, is so for certain
//!   when its directory was synced; until then the change may be undone by a crash, in any order. A rename is done or
//!   not, never half; one between two directories is certain when both were synced. A file whose directory is lost is
//!   lost. Syncing a file does nothing for its name.
//! - *A failed sync* loses writes: some of the un-synced sectors have reached the disk, the others never will, and the
//!   file's pages are clean. Reads go on to show what was written, from the cache ([`FaultyVfs::drop_caches`] ends
//!   that), and the next sync succeeds and means nothing for them. Linux does this. A failed sync of a directory does the
//!   same to names.
//! - *A failed write* has written some part of its bytes from the front.
//! - *The disk is full* at a capacity in bytes, counted over the lengths of all files, removed ones too while they are
//!   open. A write takes what fits and fails.
//! - *Bits rot* at rest, where told, or at random.
//! - *Any call fails* by script or by chance; a call about names that fails has done nothing.
//! - *The power goes* behind a number of calls: from then on every call fails, and nothing reaches the disk any more. Who
//!   drives the disk asks ([`FaultyVfs::is_off`]) and takes the image of the crash.
//! - *Syncs lie*, where told: they say yes, and what they should have made durable is still on its way.
//! - *Calls are slow*, in virtual time: by call, by byte, and now and then much slower. Or a call stands still until told
//!   to go on, in real time, for tests with threads.
//!
//! ```text
//!   write ──▶ page cache (a MemoryVfs) ──▶ read
//!     │
//!     └─▶ pending changes ── sync ──▶ durable bytes and names
//!                 │                         │
//!                 └──── crash: some of ─────┴──▶ a MemoryVfs as it may be found afterwards
//! ```
//!
//! # Invariants
//!
//! - While nothing fails it is a disk like others: it passes `vfs::conformance`.
//! - What a sync covered is in every image of a crash.
//! - The same seed and calls give the same answers, failures, costs and images. [`FaultyVfs::digest`] is a number over
//!   all of them, to compare two runs by.
//!
//! # Cost
//!
//! A lock a call, a copy of every sector that is written, and the durable bytes beside the cached ones: it is for tests.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use xs_os::Rng;
//! use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
//! use xs_os::vfs::{Open, Vfs, VfsExt};
//!
//! let disk = FaultyVfs::new(42);
//! let file = disk.open(Path::new("log"), Open::New)?;
//! file.write_all_at(b"acknowledged", 0)?;
//! file.sync()?;
//! disk.sync_dir(Path::new("."))?;
//! file.write_all_at(b"not yet", 12)?;
//!
//! let after = disk.crash(&mut Rng::from_seed(7));
//! let found = after.read(Path::new("log"), 100)?;
//! assert!(found.starts_with(b"acknowledged"));      // and then anything, or nothing
//!
//! disk.fail(Fault::of(Operation::Sync));
//! assert!(file.sync().is_err());
//! file.sync()?;                                      // the trap: it says yes, and the bytes are gone
//! assert!(disk.durable().read(Path::new("log"), 100)?.len() <= 19);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! SQLite's test VFS drops, reorders and garbles un-synced sectors at a simulated crash.
//! ALICE finds which orders a file system allows and tries them on the traces of real programs. TigerBeetle's storage
//! faults are placed so that a quorum can still repair them. dm-flakey and CharybdeFS fail
//! the requests of programs that know nothing of it.
//!
//! # What this leaves out
//!
//! Sectors that are torn themselves; stale bytes of other files in new space; writes that land in another place. A store
//! that should stand those, or a sync that lies, needs more than one disk.
//!
//! # Try next
//!
//! Let syncs lie ([`FaultyVfs::lie`]) under an engine. Which of its promises still hold?
//!
//! # Sources
//!
//! T. Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); A. Rebello et al., "Can Applications Recover
//! from fsync Failures?" (ATC 2020); L. Bairavasundaram et al., "An Analysis of Data Corruption in the Storage Stack"
//! (FAST 2008); SQLite, "How SQLite Is Tested", 3.3.

pub(crate) mod disk;
mod fault;
mod file;
pub(super) mod record;
mod state;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::memory::normal;
use super::{File, MemoryVfs, Open, Vfs};
use crate::{Rng, VirtualClock};
use disk::Name;
use state::State;

pub use disk::SECTOR;
pub use fault::{Cost, Fault, Operation, Pace};
pub use record::Recording;

/// A disk in memory that does what disks do on their bad days. Clones share it. See the [module page](self).
#[derive(Clone)]
pub struct FaultyVfs {
    shared: Arc<Shared>,
}

struct Shared {
    /// What the running process sees.
    cache: MemoryVfs,
    state: Mutex<State>,
    held: Mutex<Vec<Operation>>,
    released: Condvar,
}

impl FaultyVfs {
    /// An empty disk. The seed decides what nothing else does.
    pub fn new(seed: u64) -> Self {
        Self::over(&MemoryVfs::new(), seed)
    }

    /// A disk that holds a copy of these files and directories, all of them durable.
    pub fn over(files: &MemoryVfs, seed: u64) -> Self {
        let cache = files.fork();
        let state = Mutex::new(State::new(&cache, seed));
        FaultyVfs { shared: Arc::new(Shared { cache, state, held: Mutex::default(), released: Condvar::new() }) }
    }

    /// Arms a failure. Several may be armed; one that has struck as often as it should is gone.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.lock().faults.arm(fault);
    }

    /// How many failures are armed: those that have struck as often as they should are not.
    pub fn armed(&self) -> usize {
        self.shared.state.lock().faults.len()
    }

    /// Disarms every failure.
    pub fn heal(&self) {
        self.shared.state.lock().faults.clear();
    }

    /// Takes the power away behind so many more calls, in the middle of whatever is under way; none gives it back.
    pub fn power_off_after(&self, calls: Option<u64>) {
        self.shared.state.lock().set_power(calls);
    }

    /// Whether the power has gone.
    pub fn is_off(&self) -> bool {
        self.shared.state.lock().off()
    }

    /// Lets every call fail and leave no trace, or ends that: for the time in which the destructors run of a process that is
    /// gone. They come in whatever order its runtime chooses, and a process that was killed runs none.
    pub fn freeze(&self, frozen: bool) {
        self.shared.state.lock().frozen = frozen;
    }

    /// Makes syncs say yes and do nothing, or ends that.
    pub fn lie(&self, lies: bool) {
        self.shared.state.lock().lies = lies;
    }

    /// Bounds the sum of all files' lengths, in bytes; none for no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().capacity = bytes;
    }

    /// The sum of all files' lengths, in bytes.
    pub fn used(&self) -> u64 {
        self.shared.state.lock().used
    }

    /// Makes calls cost virtual time: it is added up in [`FaultyVfs::spent`], and a clock that is given moves by it.
    pub fn set_pace(&self, pace: Pace, clock: Option<VirtualClock>) {
        let mut state = self.shared.state.lock();
        (state.pace, state.clock) = (pace, clock);
    }

    /// What all calls so far have cost. A simulation that runs calls in no time delivers their results so much later.
    pub fn spent(&self) -> Duration {
        self.shared.state.lock().spent
    }

    /// Makes calls of a kind stand still, on their threads, until [`FaultyVfs::release`].
    pub fn hold(&self, operation: Operation) {
        self.shared.held.lock().push(operation);
    }

    /// Lets everything that was held go on.
    pub fn release(&self) {
        self.shared.held.lock().clear();
        self.shared.released.notify_all();
    }

    /// Flips a bit (0 to 7) of a byte of a file, on the disk and in the cache.
    pub fn rot(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        self.shared.state.lock().rot(&normal(path), offset, bit)
    }

    /// Flips bits of files at random; says which.
    pub fn rot_at_random(&self, bits: usize) -> io::Result<Vec<(PathBuf, u64, u8)>> {
        self.shared.state.lock().rot_at_random(&self.shared.cache, bits)
    }

    /// Forgets the page cache: reads show the disk and what is still on its way there, no longer what a failed sync
    /// lost.
    pub fn drop_caches(&self) -> io::Result<()> {
        self.shared.state.lock().drop_caches()
    }

    /// The number of changes that a crash may undo.
    pub fn pending(&self) -> usize {
        self.shared.state.lock().disk.pending.len()
    }

    /// A disk as it may be found after a crash at this moment: some of the changes that were not synced are there, some
    /// torn. The disk itself goes on.
    pub fn crash(&self, rng: &mut Rng) -> MemoryVfs {
        let state = self.shared.state.lock();
        let kept = super::explore::some(&state.disk.pending, rng);
        state.disk.image(&kept).into_vfs()
    }

    /// The least that is there after a crash at this moment: what was synced, and nothing else.
    pub fn durable(&self) -> MemoryVfs {
        self.shared.state.lock().disk.image(&[]).into_vfs()
    }

    /// A number over every call so far and its outcome. Two runs with the same number did the same.
    pub fn digest(&self) -> u64 {
        self.shared.state.lock().digest
    }

    /// Begins to record changes and syncs, for [`explore`](super::explore). What is pending is part of the recording.
    pub fn record(&self) {
        self.shared.state.lock().record();
    }

    /// Notes in the recording how far the caller has come: a number of its own, which crashes behind this point are told.
    pub fn mark(&self, mark: u64) {
        self.shared.state.lock().note(|| record::Event::Mark(mark));
    }

    /// Ends the recording. Empty if there was none.
    pub fn recorded(&self) -> Recording {
        self.shared.state.lock().recorded()
    }

    /// Waits while held, pays, and draws whether the call fails.
    fn enter(&self, operation: Operation, path: &Path, bytes: u64) -> io::Result<()> {
        {
            let mut held = self.shared.held.lock();
            self.shared.released.wait_while(&mut held, |held| held.contains(&operation));
        }
        let (paid, struck) = self.shared.state.lock().enter(operation, path, bytes);
        if let Some((clock, cost)) = paid {
            clock.advance(cost); // wakes others, so not under the lock
        }
        struck.map_or(Ok(()), Err)
    }

    /// The path without the detours, when the call may go on.
    fn enter_name(&self, operation: Operation, path: &Path) -> io::Result<PathBuf> {
        let path = normal(path);
        self.enter(operation, &path, 0)?;
        Ok(path)
    }
}

impl Vfs for FaultyVfs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let path = self.enter_name(Operation::Open, path)?;
        let mut state = self.shared.state.lock();
        let opened = self.shared.cache.open(&path, how)?;
        let inode = state.open(&self.shared.cache, &path)?;
        Ok(Arc::new(file::FaultyFile::new(self.clone(), path, inode, opened, how != Open::Read)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), self.enter_name(Operation::Rename, to)?);
        let mut state = self.shared.state.lock();
        self.shared.cache.rename(&from, &to)?;
        if let Some(inode) = state.inode(&from) {
            state.rename(Name::Rename(from, to, inode));
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = self.enter_name(Operation::Remove, path)?;
        let mut state = self.shared.state.lock();
        self.shared.cache.remove(&path)?;
        state.rename(Name::Remove(path));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.enter(Operation::List, &normal(dir), 0)?;
        self.shared.cache.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = self.enter_name(Operation::CreateDir, dir)?;
        let mut state = self.shared.state.lock();
        let before = self.shared.cache.dirs();
        self.shared.cache.create_dir(&dir)?;
        for made in self.shared.cache.dirs().into_iter().filter(|dir| before.binary_search(dir).is_err()) {
            state.rename(Name::Dir(made));
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = normal(dir);
        let entered = self.enter(Operation::SyncDir, &dir, 0);
        let mut state = self.shared.state.lock();
        self.shared.cache.sync_dir(&dir)?;
        state.sync_dir(&dir, entered)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), self.enter_name(Operation::HardLink, to)?);
        let mut state = self.shared.state.lock();
        self.shared.cache.hard_link(&from, &to)?;
        if let Some(inode) = state.inode(&from) {
            state.rename(Name::Link(to, inode));
        }
        Ok(())
    }
}

impl fmt::Debug for FaultyVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyVfs").field("cache", &self.shared.cache).field("pending", &self.pending()).finish()
    }
}

#[cfg(test)]
mod tests;
