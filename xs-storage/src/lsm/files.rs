//! Files that are open, within a bound: a descriptor for each table is more than a process may have, once there are many.
//!
//! ```text
//!   table ─▶ Handle ─▶ open? ─▶ yes: note that it was used, read
//!                        └────▶ no: make room in the queue, open, go to its end
//!   queue:  oldest ─▶ used since? to the end, once more : closed
//! ```
//! A name stays what it is for as long as somebody has the handle, so a file that was closed is opened again.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use xs_os::vfs::{File, Open, Vfs};

use crate::{Error, Result};

/// The handles whose files are open, by when they were opened.
#[derive(Debug)]
pub(super) struct Files {
    most: usize,
    open: Mutex<VecDeque<Weak<Handle>>>,
}

impl Files {
    pub(super) fn new(most: usize) -> Self {
        Files { most, open: Mutex::default() }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.lock().iter().filter(|handle| handle.strong_count() > 0).count()
    }

    /// Lets a handle into the queue, and closes what has to make room for it.
    fn admit(&self, handle: &Arc<Handle>) {
        let mut open = self.open.lock();
        // Everybody gets one more chance at most.
        let mut looks = 2 * open.len();
        while open.len() >= self.most && looks > 0 {
            looks -= 1;
            let Some(oldest) = open.pop_front() else { break };
            let Some(victim) = oldest.upgrade() else { continue };
            match victim.used.swap(false, Ordering::Relaxed) {
                true => open.push_back(oldest),
                false => *victim.file.lock() = None,
            }
        }
        open.push_back(Arc::downgrade(handle));
    }
}

/// A file by its name, open if it was needed lately.
#[derive(Debug)]
pub(super) struct Handle {
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    files: Arc<Files>,
    file: Mutex<Option<Arc<dyn File>>>,
    used: AtomicBool,
}

impl Handle {
    pub(super) fn new(vfs: Arc<dyn Vfs>, files: Arc<Files>, path: PathBuf) -> Arc<Self> {
        Arc::new(Handle { path, vfs, files, file: Mutex::default(), used: AtomicBool::new(false) })
    }

    /// The file, to read now. Who keeps it keeps a descriptor beyond the bound.
    pub(super) fn get(self: &Arc<Self>) -> Result<Arc<dyn File>> {
        if let Some(file) = &*self.file.lock() {
            self.used.store(true, Ordering::Relaxed);
            return Ok(file.clone());
        }
        // Not under this handle's lock: what makes room takes those of others, under the queue's.
        self.files.admit(self);
        let fresh = self.vfs.open(&self.path, Open::Read).map_err(Error::io("open", &self.path))?;
        // Another thread may have been faster; its file is as good.
        Ok(self.file.lock().get_or_insert(fresh).clone())
    }

    /// Fills `buf` with what stands at an offset.
    pub(super) fn read_exact_at(self: &Arc<Self>, buf: &mut [u8], offset: u64) -> Result<()> {
        self.get()?.read_exact_at(buf, offset).map_err(Error::io("read", &self.path))
    }
}
