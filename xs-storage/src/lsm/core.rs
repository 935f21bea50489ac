//! What a tree is made of, and how its state goes from one to the next.
//!
//! ```text
//!   write lock ──▶ Writer: log, active memtable          one batch at a time: append, insert, publish its number
//!   state ───────▶ Super: active, waiting memtables, version       readers load it without a lock
//!   install lock ▶ manifest                               one edit at a time
//!   flush lock, compaction lock ▶ a Run each              one step at a time, by a job or by a writer who helps
//! ```
//! Locks are taken in this order: write, flush or compaction, install, publish, snapshots, log. A step of a flush or a
//! compaction takes no writers' lock, so that who holds that can wait for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex, MutexGuard};
use xs_os::jobs::JobHandle;
use xs_os::vfs::File;

use super::Seq;
use super::compaction::{Context, Run};
use super::disk::Disk;
use super::events::Event;
use super::levels::Traffic;
use super::manifest::Manifest;
use super::memtable::{MemWriter, Memtable};
use super::version::{Edit, Version};
use crate::log::{Index, Log};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) disk: Arc<Disk>,
    pub(super) state: ArcSwap<Super>,
    /// The number of the last write that readers may see.
    pub(super) visible: AtomicU64,
    pub(super) write: Mutex<Writer>,
    /// Held from a look at the version to the edit that follows from it. The level to which a merge under way writes.
    pub(super) install: Mutex<Option<usize>>,
    publish: Mutex<()>,
    pub(super) flush: Mutex<Option<(Waiting, Run)>>,
    pub(super) compaction: Mutex<Option<Run>>,
    pub(super) snapshots: Mutex<BTreeMap<Seq, usize>>,
    pub(super) stopped: OnceLock<Error>,
    pub(super) closed: AtomicBool,
    /// How far compactions are behind, in thousandths.
    pub(super) pressure: AtomicU32,
    /// Time that writers owe, in nanoseconds.
    pub(super) debt: AtomicU64,
    progress: Mutex<u64>,
    progressed: Condvar,
    /// Of the flush and of the compaction.
    pub(super) jobs: OnceLock<[JobHandle; 2]>,
    lock: Mutex<Option<Arc<dyn File>>>,
    /// The log once more, for who trims it or looks at it: writers may be held up for as long as a flush takes. None once
    /// the tree is closed.
    pub(super) log: Mutex<Option<Log>>,
    pub(super) user_bytes: AtomicU64,
    pub(super) traffic: Traffic,
    pub(super) stalls: AtomicU64,
}

/// What only the one who writes needs.
#[derive(Debug)]
pub(super) struct Writer {
    /// None once the tree is closed.
    pub(super) log: Option<Log>,
    pub(super) mem: Arc<Memtable>,
    pub(super) mem_writer: MemWriter,
    /// The number of the last write.
    pub(super) last: Seq,
    /// Where the log goes on behind the last batch.
    pub(super) log_end: Index,
}

/// A memtable that waits to be flushed.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) mem: Arc<Memtable>,
    pub(super) last: Seq,
    /// The log up to here is not needed once it is flushed.
    pub(super) log_end: Index,
}

/// All that there is to read.
#[derive(Debug)]
pub(super) struct Super {
    pub(super) mem: Arc<Memtable>,
    /// Newest first.
    pub(super) waiting: Vec<Waiting>,
    pub(super) version: Arc<Version>,
}

impl Super {
    /// Memtables, newest first.
    pub(super) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.mem).chain(self.waiting.iter().map(|waiting| &waiting.mem))
    }

    fn waiting_bytes(&self) -> u64 {
        self.waiting.iter().map(|waiting| waiting.mem.bytes()).sum()
    }
}

impl Core {
    pub(super) fn new(disk: Arc<Disk>, version: Version, log: Log, lock: Arc<dyn File>) -> Core {
        let (mem, mem_writer) = Memtable::new(disk.options.memtable_limit());
        let last = version.flushed;
        let log_end = log.bounds().start;
        let state = Super { mem: mem.clone(), waiting: Vec::new(), version: Arc::new(version) };
        let trimmed = Mutex::new(Some(log.clone()));
        Core {
            disk,
            state: ArcSwap::from_pointee(state),
            visible: AtomicU64::new(last),
            write: Mutex::new(Writer { log: Some(log), mem, mem_writer, last, log_end }),
            install: Mutex::default(),
            publish: Mutex::default(),
            flush: Mutex::default(),
            compaction: Mutex::default(),
            snapshots: Mutex::default(),
            stopped: OnceLock::new(),
            closed: AtomicBool::new(false),
            pressure: AtomicU32::new(0),
            debt: AtomicU64::new(0),
            progress: Mutex::new(0),
            progressed: Condvar::new(),
            jobs: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
            log: trimmed,
            user_bytes: AtomicU64::new(0),
            traffic: Traffic::default(),
            stalls: AtomicU64::new(0),
        }
    }

    /// Memory that all memtables together may take.
    pub(super) fn memtables_limit(&self) -> u64 {
        self.disk.options.memory / 2
    }

    /// Whether the active memtable can be put aside: whether there is memory for another.
    pub(super) fn has_room(&self, writer: &Writer) -> bool {
        let waiting = self.state.load().waiting_bytes();
        waiting == 0 || waiting + writer.mem.bytes() + self.disk.options.memtable_limit() <= self.memtables_limit()
    }

    /// Puts the active memtable aside, to be flushed, and begins another.
    pub(super) fn rotate(&self, writer: &mut Writer) {
        if writer.mem.is_empty() {
            return;
        }
        let (mem, mem_writer) = Memtable::new(self.disk.options.memtable_limit());
        let full = Waiting {
            mem: std::mem::replace(&mut writer.mem, mem.clone()),
            last: writer.last,
            log_end: writer.log_end,
        };
        writer.mem_writer = mem_writer;
        self.publish(|state| {
            let waiting = std::iter::once(full.clone()).chain(state.waiting.iter().cloned()).collect();
            Super { mem: mem.clone(), waiting, version: state.version.clone() }
        });
        self.poke(0);
    }

    fn publish(&self, next: impl FnOnce(&Super) -> Super) {
        let _lock = self.publish.lock();
        let state = next(&self.state.load());
        let memtables: u64 = state.memtables().map(|mem| mem.bytes()).sum();
        self.state.store(Arc::new(state));
        // What memtables leave is for blocks; the active one will grow.
        let memtables = memtables.max(self.disk.options.memtable_limit());
        self.disk.cache.set_capacity(self.disk.options.memory.saturating_sub(memtables));
    }

    /// Makes an edit durable and visible. `flushed` is the memtable whose tables come with it.
    pub(super) fn install(&self, edit: &Edit, flushed: Option<&Arc<Memtable>>) -> Result<()> {
        let lock = self.install.lock();
        self.install_under(lock, edit, flushed)
    }

    /// [`install`](Core::install), by who has its lock already.
    pub(super) fn install_under(
        &self,
        lock: MutexGuard<'_, Option<usize>>,
        edit: &Edit,
        flushed: Option<&Arc<Memtable>>,
    ) -> Result<()> {
        let before = self.state.load().version.clone();
        let version = Arc::new(before.apply(edit));
        let manifest = Manifest::of(&version, self.disk.next_number());
        let bytes = manifest.write(self.disk.vfs(), &self.disk.dir)?;
        self.disk.count_written(bytes);
        self.disk.count_sync();
        self.disk.count_sync();
        self.publish(|state| Super {
            mem: state.mem.clone(),
            waiting: state
                .waiting
                .iter()
                .filter(|waiting| !flushed.is_some_and(|flushed| Arc::ptr_eq(&waiting.mem, flushed)))
                .cloned()
                .collect(),
            version: version.clone(),
        });
        version.doom_what_left(&before);
        drop(lock);
        self.look_at_pressure(&version);
        Ok(())
    }

    pub(super) fn look_at_pressure(&self, version: &Version) {
        let pressure = self.disk.options.policy.pressure(&version.shape());
        let before = self.pressure.swap(pressure, Ordering::Relaxed);
        if pressure > 0 && pressure != before {
            self.disk.options.tell(Event::Slowed { pressure });
        }
    }

    /// What a policy is told beside the shape.
    pub(super) fn context(&self) -> Context {
        Context {
            now_ms: self.disk.options.now_ms(),
            oldest: self.readers().first().copied().unwrap_or(0),
            blob_live_percent: self.disk.options.blob_live_percent,
        }
    }

    /// The numbers that somebody reads at or may begin to read at, in order. Asked for when the inputs of a merge are fixed:
    /// whoever comes later reads at the last of these or at a greater one. What waits for a flush is visible; tables that
    /// an ingest puts into the version become visible a moment later, and until then what they hide must stay.
    pub(super) fn readers(&self) -> Vec<Seq> {
        let snapshots = self.snapshots.lock();
        let visible = self.visible.load(Ordering::Acquire);
        let newest = (!snapshots.contains_key(&visible)).then_some(visible);
        snapshots.keys().copied().chain(newest).collect()
    }

    /// Tells the flush (0) or the compaction (1) that there may be something to do.
    pub(super) fn poke(&self, job: usize) {
        if let Some(jobs) = self.jobs.get() {
            jobs[job].poke();
        }
    }

    /// Nothing more is written from now on.
    pub(super) fn stop(&self, error: Error) -> Error {
        if error.is_full()
            && let Some(log) = &*self.log.lock()
        {
            // The log takes nothing more until the tree is opened again, and that needs space.
            log.drop_spares();
        }
        let error = error.stopped();
        if self.stopped.set(error.clone()).is_ok() {
            self.disk.options.tell(Event::Stopped { why: error.to_string() });
        }
        self.note_progress();
        error
    }

    pub(super) fn check_stopped(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// A step of background work has ended.
    pub(super) fn note_progress(&self) {
        *self.progress.lock() += 1;
        self.progressed.notify_all();
    }

    /// Waits for a step of background work to end, or for some time.
    pub(super) fn await_progress(&self, limit: Duration) {
        let mut progress = self.progress.lock();
        let before = *progress;
        self.progressed.wait_while_for(&mut progress, |now| *now == before, limit);
    }

    /// Ends all background work and lets go of the files that keep others out.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Steps that are under way end first; later ones see the flag.
        *self.flush.lock() = None;
        *self.compaction.lock() = None;
        self.write.lock().log = None;
        *self.log.lock() = None;
        *self.lock.lock() = None;
        for job in 0..2 {
            self.poke(job);
        }
    }
}
