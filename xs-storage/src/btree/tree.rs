//! The engine's handle.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::MutexGuard;
use xs_os::Progress;
use xs_os::jobs::JobHandle;
use xs_os::vfs::File;

use super::batch::{Edit, check_limits};
use super::checkpoint::Need;
use super::cursor::TreeCursor;
use super::options::Options;
use super::overlay::OverlayCursor;
use super::store::{Figures, Store, Version};
use super::transaction::Transaction;
use super::write::Writer;
use crate::engine::{Commit, Cursor, Durability, Engine, KeyRange, ReadView, Stats, WriteBatch};
use crate::{Error, Result};

/// A store of ordered keys in one file, with a log beside it. See the [module page](super).
pub struct BTree {
    store: Arc<Store>,
    job: JobHandle,
    lock: Arc<dyn File>,
}

impl BTree {
    /// Opens the store in a directory, and makes one if there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open elsewhere, [`Error::NotOurs`] and [`Error::NewerFormat`] if it is another's,
    /// [`Error::Corrupt`] if what is needed to open it is damaged, [`Error::Invalid`] for options that make no sense.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let (store, lock) = super::open::open(dir, options)?;
        let store = Arc::new(store);
        let weak = Arc::downgrade(&store);
        let step = move || {
            let Some(store) = weak.upgrade() else { return Progress::Done };
            let mut checkpoint = store.checkpoint.lock();
            if store.closed.load(Ordering::Acquire) {
                return Progress::Done;
            }
            // A failure stops the store, and whoever writes next is told.
            match store.checkpoint_step(&mut checkpoint) {
                Ok(true) => Progress::Busy,
                Ok(false) | Err(_) => Progress::Idle,
            }
        };
        let job = store.options.jobs.spawn("btree", Box::new(step));
        if store.version.load().recovered.is_some() {
            job.poke();
        }
        Ok(BTree { store, job, lock })
    }

    /// Makes several writes that depend on what is there, as one batch: nobody else writes meanwhile. Nothing is written
    /// if `decide` answers an error, which is handed on. `decide` must not write to the store other than by the
    /// transaction: it would wait for itself for ever.
    ///
    /// ```
    /// # use xs_storage::btree::{BTree, Options};
    /// # use xs_storage::engine::{Durability, ReadView};
    /// # use std::sync::Arc;
    /// # let vfs = Arc::new(xs_os::vfs::MemoryVfs::new());
    /// # let store = BTree::open("db".as_ref(), Options { vfs, ..Options::default() })?;
    /// let (seats, commit) = store.write(Durability::Synced, |txn| {
    ///     txn.put(b"seat/1", b"ada")?;
    ///     let before = txn.savepoint()?;
    ///     txn.put(b"seat/2", b"bob")?;
    ///     if txn.entries() > 1 {
    ///         txn.go_back(&before)?;
    ///     }
    ///     Ok(txn.entries())
    /// })?;
    /// commit.wait()?;
    /// assert_eq!((seats, store.get(b"seat/2")?), (1, None));
    /// # Ok::<(), xs_storage::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Engine::submit`], of `decide`, and of a write in it that failed half-way, whatever `decide` made of that.
    pub fn write<T>(
        &self,
        durability: Durability,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<(T, Commit)> {
        self.store.check_running()?;
        let mut writer = self.store.writer.lock();
        self.store.fold(&mut writer)?;
        let mut transaction = Transaction::new(Edit::new(&self.store, &mut writer));
        let answer = decide(&mut transaction)?;
        let (edit, batch) = transaction.into_parts()?;
        check_limits(&batch, self.store.options.max_batch)?;
        let commit = self.finish(edit, batch, durability)?;
        self.relieve(writer);
        Ok((answer, commit))
    }

    /// Logs a batch that has been applied, and shows it.
    fn finish(&self, edit: Edit<'_>, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        let bytes = batch.into_bytes();
        let len = bytes.len() as u64;
        let (index, commit) = self.store.log.append_batch(bytes).map_err(|error| match error {
            Error::TooLarge { .. } | Error::Invalid(_) => error,
            error => self.store.stop(error),
        })?;
        edit.writer.next = index.0 + 1;
        edit.writer.logged += len;
        edit.publish();
        Ok(match durability {
            Durability::Buffered => Commit::done(),
            Durability::Synced => commit,
        })
    }

    /// After a write: begins, helps, or waits for a checkpoint, as the need is.
    fn relieve(&self, writer: MutexGuard<'_, Writer>) {
        let logged = writer.logged;
        drop(writer);
        let store = &self.store;
        store.table.evict(store.end.load(Ordering::Acquire));
        let need = store.need(logged);
        if need == Need::None {
            return;
        }
        self.job.poke();
        if need == Need::Much {
            if let Some(mut checkpoint) = store.checkpoint.try_lock() {
                store.help(&mut checkpoint);
            }
        } else if need == Need::All {
            let mut checkpoint = store.checkpoint.lock();
            while store.need(store.writer.lock().logged) == Need::All {
                if !matches!(store.checkpoint_step(&mut checkpoint), Ok(true)) {
                    return;
                }
            }
        }
    }

    /// The number of entries. Soon after a crash this waits until the tree has all that the log had.
    ///
    /// # Errors
    /// Those of bringing it there: a page that cannot be read.
    pub fn entries(&self) -> Result<u64> {
        if self.store.version.load().recovered.is_some() {
            self.store.fold(&mut self.store.writer.lock())?;
        }
        Ok(self.store.version.load().entries)
    }

    /// Puts entries whose keys ascend, past the log: each page is written once, full. All of them are there and durable
    /// when this returns, or none. Readers go on meanwhile, other writers wait. Answers how many there were.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a key is not behind the one before it, [`Error::TooLarge`], and those of the disk.
    pub fn bulk_load<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<u64> {
        super::bulk::load(&self.store, &mut entries.into_iter())
    }

    /// Makes the file as short as what is in it allows, by moving pages from its end to free places. Reading and writing
    /// go on meanwhile. Answers by how many bytes it became shorter. Snapshots that are held stand in its way.
    ///
    /// A checkpoint cuts free pages off the end by itself; this is for space that is free in the middle.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn compact(&self) -> Result<u64> {
        self.compact_with(&mut |_, _| {})
    }

    /// [`compact`](BTree::compact), which says now and then how many pages were moved, and of how many.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn compact_with(&self, told: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        super::pack::compact(&self.store, told)
    }

    /// Looks at every page that can be reached and at the free list, in the file where they are there, and verifies
    /// every invariant. Writing waits meanwhile.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first that is broken.
    pub fn check(&self) -> Result<super::Report> {
        self.check_with(&mut |_, _| {})
    }

    /// [`check`](BTree::check), which says now and then how many pages were looked at, and of how many.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first that is broken.
    pub fn check_with(&self, told: &mut dyn FnMut(u64, u64)) -> Result<super::Report> {
        super::check::check(&self.store, told)
    }
}

impl Drop for BTree {
    fn drop(&mut self) {
        // Waits for a step that is under way; none begins after this.
        let checkpoint = self.store.checkpoint.lock();
        self.store.closed.store(true, Ordering::Release);
        drop(checkpoint);
        // The step may hold the store, and with it the log's directory, a moment longer.
        self.job.finish();
    }
}

impl ReadView for BTree {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.store.lookup(&self.store.version.load(), key, Bytes::copy_from_slice)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        Ok(cursor(&self.store, self.store.version.load_full(), range))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.store.lookup(&self.store.version.load(), key, see)?.is_some())
    }
}

impl Engine for BTree {
    fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        check_limits(&batch, self.store.options.max_batch)?;
        self.store.check_running()?;
        let mut writer = self.store.writer.lock();
        self.store.fold(&mut writer)?;
        let mut edit = Edit::new(&self.store, &mut writer);
        edit.apply(&batch)?;
        let commit = self.finish(edit, batch, durability)?;
        self.relieve(writer);
        Ok(commit)
    }

    fn snapshot(&self) -> Result<Arc<dyn ReadView>> {
        Ok(Arc::new(Snapshot {
            store: self.store.clone(),
            version: self.store.version.load_full(),
            _lock: self.lock.clone(),
        }))
    }

    fn flush(&self) -> Result<()> {
        self.store.run_checkpoint()?;
        // What the checkpoint before needed is free now, and may be room to be given back.
        self.job.poke();
        Ok(())
    }

    fn stats(&self) -> Stats {
        let store = &self.store;
        let log = store.log.stats();
        let counters = &store.counters;
        let version = store.version.load();
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let Figures { memory: writer_memory, pages, free, held } = store.figures();
        let (resident, dirty) = (store.table.resident(), store.table.dirty());
        let log_bytes = log.disk_bytes;
        Stats {
            entries: version.recovered.is_none().then_some(version.entries),
            disk_bytes: store.file.len().unwrap_or(0) + log_bytes,
            memory: vec![
                ("pages", resident.saturating_sub(dirty)),
                ("unwritten pages", dirty.min(resident)),
                ("page table", store.table.memory()),
                ("writer", writer_memory),
                ("recovered", version.recovered.as_ref().map_or(0, |recovered| recovered.memory())),
                ("log", log.buffered_bytes),
            ],
            user_bytes_written: get(&counters.user_bytes),
            disk_bytes_written: get(&counters.page_bytes) + log.written_bytes,
            syncs: get(&counters.syncs) + log.syncs,
            details: vec![
                ("pages", pages.into()),
                ("free pages", free),
                ("page bytes", store.page_size as u64),
                ("page reads", get(&counters.page_reads)),
                ("checkpoints", get(&counters.checkpoints)),
                ("versions held", held),
                ("log bytes", log_bytes),
                ("opened in microseconds", store.opening.0.as_micros() as u64),
                ("log bytes read when opened", store.opening.1),
            ],
        }
    }
}

impl fmt::Debug for BTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BTree")
            .field("path", &self.store.path)
            .field("entries", &self.store.version.load().entries)
            .finish_non_exhaustive()
    }
}

fn cursor<'a>(store: &'a Store, version: Arc<Version>, range: KeyRange<'_>) -> Box<dyn Cursor + 'a> {
    match version.recovered.clone() {
        None => Box::new(TreeCursor::new(store, version, range)),
        Some(recovered) => {
            let tree = TreeCursor::new(store, version, range.clone());
            Box::new(OverlayCursor::new(tree, recovered, &range))
        }
    }
}

/// A version, held.
struct Snapshot {
    store: Arc<Store>,
    version: Arc<Version>,
    /// Nobody else may open the store, and write over what this sees.
    _lock: Arc<dyn File>,
}

impl ReadView for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.store.lookup(&self.version, key, Bytes::copy_from_slice)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        Ok(cursor(&self.store, self.version.clone(), range))
    }

    fn get_with(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.store.lookup(&self.version, key, see)?.is_some())
    }
}
