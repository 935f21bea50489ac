//! Locks on the database, by which programs that share it take turns: the bytes and the order that SQLite has.
//!
//! ```text
//!            0x40000000  +1          +2 … +511
//!           │ pending   │ reserved │ shared                │
//!   reading     (look)                a shared lock: nobody writes to the file
//!   changing                ×         shared: in memory and in the journal, beside readers
//!   waiting       ×         ×         shared: those who read go on, nobody begins
//!   writing       ×         ×         ×: alone
//! ```

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use xs_os::clock::{self, Clock};
use xs_os::vfs::{File, RangeLock};

use super::header::LOCK_BYTE;
use crate::{Error, Result};

const PENDING: Range<u64> = LOCK_BYTE..LOCK_BYTE + 1;
const RESERVED: Range<u64> = LOCK_BYTE + 1..LOCK_BYTE + 2;
const SHARED: Range<u64> = LOCK_BYTE + 2..LOCK_BYTE + 512;
const ALL: Range<u64> = LOCK_BYTE..LOCK_BYTE + 512;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    None,
    /// To read: others may read and change, and nobody writes to the file.
    Shared,
    /// To change: others may read.
    Reserved,
    /// To write soon: others that read may end.
    Pending,
    /// To write.
    Exclusive,
}

/// How long the locks of a database are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// For a transaction each. Between two of them other programs may write.
    #[default]
    Normal,
    /// From the opening to the end of the handle: nobody else reads or writes, and no transaction has to ask.
    Exclusive,
}

/// How long to wait where another program has a lock, and by which clock. The thread sleeps meanwhile; a clock that only this
/// thread moves would never let it go on.
#[derive(Clone, Debug)]
pub struct BusyTimeout {
    /// Says when the time is over.
    pub clock: Arc<dyn Clock>,
    /// How long a call waits at most.
    pub limit: Duration,
}

/// The locks of one handle.
#[derive(Debug)]
pub(super) struct Lock {
    file: Arc<dyn File>,
    path: PathBuf,
    level: Level,
    /// Whether the disk has locks of ranges. If not, the file's one lock is taken, and kept.
    ranges: bool,
    /// The least that is kept.
    least: Level,
}

impl Lock {
    pub(super) fn new(file: Arc<dyn File>, path: PathBuf) -> Self {
        Lock { file, path, level: Level::None, ranges: true, least: Level::None }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    fn take(&self, range: Range<u64>, lock: RangeLock) -> Result<bool> {
        self.file.try_lock_range(range, lock).map_err(Error::io("lock", &self.path))
    }

    fn give(&self, range: Range<u64>) -> Result<()> {
        self.file.unlock_range(range).map_err(Error::io("unlock", &self.path))
    }

    /// Where there are no ranges: everything at once.
    fn take_whole(&mut self) -> Result<bool> {
        let taken = self.file.try_lock().map_err(Error::io("lock", &self.path))?;
        if taken {
            (self.level, self.least, self.ranges) = (Level::Exclusive, Level::Exclusive, false);
        }
        Ok(taken)
    }

    /// To read. False if somebody writes, or is about to.
    pub(super) fn try_shared(&mut self) -> Result<bool> {
        if self.level >= Level::Shared {
            return Ok(true);
        }
        let pending = match self.file.try_lock_range(PENDING, RangeLock::Shared) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => return self.take_whole(),
            taken => taken.map_err(Error::io("lock", &self.path))?,
        };
        if !pending {
            return Ok(false);
        }
        let taken = self.take(SHARED, RangeLock::Shared);
        self.give(PENDING)?;
        if taken.as_ref().is_ok_and(|taken| *taken) {
            self.level = Level::Shared;
        }
        taken
    }

    /// To change, from reading. False if somebody else is at it.
    pub(super) fn try_reserved(&mut self) -> Result<bool> {
        if self.level >= Level::Reserved {
            return Ok(true);
        }
        let taken = self.take(RESERVED, RangeLock::Exclusive)?;
        if taken {
            self.level = Level::Reserved;
        }
        Ok(taken)
    }

    /// To write. False if somebody reads; if they do, nobody begins to until this has gone on, or down.
    pub(super) fn try_exclusive(&mut self) -> Result<bool> {
        if self.level < Level::Pending {
            if !self.take(PENDING, RangeLock::Exclusive)? {
                return Ok(false);
            }
            self.level = Level::Pending;
        }
        if self.level < Level::Exclusive && self.take(SHARED, RangeLock::Exclusive)? {
            self.level = Level::Exclusive;
        }
        Ok(self.level == Level::Exclusive)
    }

    /// Whether another handle changes something.
    pub(super) fn is_reserved_by_another(&self) -> Result<bool> {
        match self.ranges {
            true => self.file.is_range_locked(RESERVED).map_err(Error::io("lock", &self.path)),
            false => Ok(false),
        }
    }

    /// Down to reading, or to nothing.
    pub(super) fn down(&mut self, to: Level) -> Result<()> {
        let to = to.max(self.least);
        if self.level <= to {
            return Ok(());
        }
        // Whatever fails: what is not known to be locked must not be used as if it were.
        self.level = Level::None;
        if to == Level::None {
            return self.give(ALL);
        }
        if !self.take(SHARED, RangeLock::Shared)? {
            return self.give(ALL);
        }
        self.level = Level::Shared;
        self.give(PENDING.start..RESERVED.end)
    }

    /// What is locked now is locked to the end.
    pub(super) fn keep(&mut self) {
        self.least = self.level;
    }

    /// What is locked ends with its use again, if the disk has locks that can end.
    pub(super) fn keep_not(&mut self) {
        if self.ranges {
            self.least = Level::None;
        }
    }
}

impl Drop for Lock {
    /// The handle's end would do it, were it not for children that have it between their fork and their exec.
    fn drop(&mut self) {
        if self.ranges && self.level > Level::None {
            let _ = self.file.unlock_range(ALL);
        }
    }
}

/// Tries again until it is done or the time is over, more and more rarely.
pub(super) fn wait(busy: Option<&BusyTimeout>, path: &Path, mut attempt: impl FnMut() -> Result<bool>) -> Result<()> {
    const DELAYS: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];
    let mut delays = DELAYS.into_iter();
    let end = busy.map(|busy| busy.clock.now() + busy.limit);
    while !attempt()? {
        let delay = Duration::from_millis(delays.next().unwrap_or(100));
        let Some((busy, end)) = busy.zip(end).filter(|(busy, end)| busy.clock.now() < *end) else {
            return Err(Error::Locked { path: path.to_owned() });
        };
        sleep(&*busy.clock, delay.min(end - busy.clock.now()));
    }
    Ok(())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn sleep(clock: &dyn Clock, time: Duration) {
    let end = clock.now() + time;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while let Some(left) = end.checked_duration_since(clock.now()).filter(|left| !left.is_zero()) {
        match clock.wake_at(end, &waker) {
            clock::Wake::ByClock => thread::park(),
            clock::Wake::ByReactor => thread::park_timeout(left),
        }
    }
}
