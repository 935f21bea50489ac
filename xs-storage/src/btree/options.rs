//! What a store can be told when it is opened.

use std::fmt;
use std::sync::Arc;

use xs_os::vfs::{SystemVfs, Vfs};
use xs_os::{Clock, Jobs, SystemClock, ThreadJobs};

use crate::{Error, Result};

/// How to open a [`BTree`](super::BTree), and on what machine.
#[derive(Clone)]
pub struct Options {
    /// The disk. The operating system's.
    pub vfs: Arc<dyn Vfs>,
    /// Where checkpoints run. A thread for this store.
    pub jobs: Arc<dyn Jobs>,
    /// What opening is measured with. The system's clock.
    pub clock: Arc<dyn Clock>,
    /// Bytes of memory for pages, both those that are kept to be read again and those that are not in the file yet.
    /// 256 MiB. What readers hold on to at this moment comes on top.
    pub memory: u64,
    /// Bytes of the log after which a checkpoint begins. More means fewer page writes and a longer opening; what has to
    /// be read then grows to at most twice this and a batch, then writers wait. 32 MiB.
    pub log_bytes: u64,
    /// The most bytes in a batch. As many as one entry of the longest key and the longest value takes, 1 GiB and 64 KiB,
    /// so that what is no longer than its own limit is never refused for this one. Whoever makes a batch holds it in
    /// memory; it comes on top of [`Options::memory`], and what a crash leaves of it in the log takes as much when the
    /// store is opened: set it to what you can spare.
    pub max_batch: u64,
    /// Bytes of a page of a store that is made: a power of two from 512 to 32 KiB. 4096. One that exists keeps its own.
    pub page_size: usize,
    /// Whether to refuse to make a store where there is none. False.
    pub must_exist: bool,
}

impl Options {
    /// The most bytes in a key.
    pub const MAX_KEY: usize = 64 << 10;
    /// The most bytes in a value.
    pub const MAX_VALUE: usize = 1 << 30;
    /// Bytes of a batch of one entry beside its key and its value, and to spare.
    const AROUND: usize = 64;

    pub(super) fn is_page_size(size: usize) -> bool {
        size.is_power_of_two() && (512..=32 << 10).contains(&size)
    }

    /// Bytes of a segment of the log: small enough that a checkpoint gives most of the log back.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.log_bytes / 8).clamp(4 << 10, 16 << 20)
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Invalid(what));
        if !Self::is_page_size(self.page_size) {
            return wrong(format!("pages of {} bytes: take a power of two from 512 to 32768", self.page_size));
        }
        if self.memory < 64 * self.page_size as u64 {
            return wrong(format!("{} bytes of memory are less than 64 pages", self.memory));
        }
        if self.log_bytes == 0 {
            return wrong("a checkpoint after every 0 bytes of log".to_owned());
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            vfs: Arc::new(SystemVfs),
            jobs: Arc::new(ThreadJobs::new()),
            clock: Arc::new(SystemClock),
            memory: 256 << 20,
            log_bytes: 32 << 20,
            max_batch: (Self::MAX_KEY + Self::MAX_VALUE + Self::AROUND) as u64,
            page_size: 4096,
            must_exist: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("memory", &self.memory)
            .field("log_bytes", &self.log_bytes)
            .field("max_batch", &self.max_batch)
            .field("page_size", &self.page_size)
            .field("must_exist", &self.must_exist)
            .finish_non_exhaustive()
    }
}
