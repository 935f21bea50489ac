//! What goes wrong and when, and what a slow disk costs.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::Rng;

/// A call of a [`Vfs`](super::super::Vfs) or a [`File`](super::super::File).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// [`Vfs::open`](super::super::Vfs::open).
    Open,
    /// [`File::read_at`](super::super::File::read_at).
    Read,
    /// [`File::write_all_at`](super::super::File::write_all_at), vectored or not.
    Write,
    /// [`File::set_len`](super::super::File::set_len) and [`File::allocate`](super::super::File::allocate).
    SetLen,
    /// [`File::sync`](super::super::File::sync).
    Sync,
    /// [`Vfs::rename`](super::super::Vfs::rename); of the new name.
    Rename,
    /// [`Vfs::remove`](super::super::Vfs::remove).
    Remove,
    /// [`Vfs::list`](super::super::Vfs::list).
    List,
    /// [`Vfs::create_dir`](super::super::Vfs::create_dir).
    CreateDir,
    /// [`Vfs::sync_dir`](super::super::Vfs::sync_dir).
    SyncDir,
    /// [`Vfs::hard_link`](super::super::Vfs::hard_link); of the new name.
    HardLink,
}

/// One failure, or a series of them: which call, from when on, how often.
///
/// ```
/// use std::io::ErrorKind;
/// use xs_os::vfs::faulty::{Fault, Operation};
///
/// // The third sync of a file under `wal/` from now, once.
/// let once = Fault::of(Operation::Sync).within("wal/").after(2);
/// // One read in a hundred, for ever.
/// let often = Fault::of(Operation::Read).chance(0.01).forever().error(ErrorKind::TimedOut);
/// # let _ = (once, often);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Operation,
    within: String,
    error: io::ErrorKind,
    skip: u64,
    times: u64,
    chance: f64,
}

impl Fault {
    /// The next call of this kind fails, once, with an error as `EIO` would give.
    pub fn of(operation: Operation) -> Self {
        Fault { operation, within: String::new(), error: io::ErrorKind::Other, skip: 0, times: 1, chance: 1.0 }
    }

    /// Only calls whose path has this text in it.
    pub fn within(mut self, part: &str) -> Self {
        self.within = part.to_owned();
        self
    }

    /// Lets so many calls pass first.
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Fails so many calls.
    pub fn times(mut self, calls: u64) -> Self {
        self.times = calls;
        self
    }

    /// Fails every call, until [healed](super::FaultyVfs::heal).
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    /// Fails a call only with this probability.
    pub fn chance(mut self, probability: f64) -> Self {
        self.chance = probability;
        self
    }

    /// The kind of the error.
    pub fn error(mut self, kind: io::ErrorKind) -> Self {
        self.error = kind;
        self
    }
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn arm(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether this call fails. Every fault that matches counts it.
    pub(super) fn strike(&mut self, operation: Operation, path: &Path, rng: &mut Rng) -> Option<io::Error> {
        let mut error = None;
        self.0.retain_mut(|fault| {
            let text = path.to_string_lossy();
            if fault.operation != operation || !text.contains(&fault.within) {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 && (fault.chance >= 1.0 || rng.chance(fault.chance)) {
                fault.times -= if fault.times == u64::MAX { 0 } else { 1 };
                error = Some(io::Error::new(fault.error, format!("injected: {operation:?} of {text}")));
            }
            fault.times > 0
        });
        error
    }
}

/// What calls cost in virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Reading.
    pub read: Cost,
    /// Writing into the page cache.
    pub write: Cost,
    /// Syncing a file: the bytes are those that were not synced.
    pub sync: Cost,
    /// Everything with names, syncs of directories too.
    pub names: Cost,
    /// Now and then a call takes so much longer: probability and time.
    pub hiccup: (f64, Duration),
}

/// What one kind of call costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Each call.
    pub call: Duration,
    /// Each mebibyte.
    pub mebibyte: Duration,
}

impl Pace {
    /// A hard disk, roughly: 8 ms to find a place, 150 MiB a second.
    pub fn spinning() -> Self {
        let moved = Cost { call: Duration::from_millis(8), mebibyte: Duration::from_micros(6_600) };
        let cached = Cost { call: Duration::from_micros(2), mebibyte: Duration::from_micros(100) };
        Pace { read: moved, write: cached, sync: moved, names: moved, hiccup: (0.0, Duration::ZERO) }
    }

    /// A solid-state disk without a protected cache, roughly: 80 µs to read, a millisecond to sync, a gibibyte a second.
    pub fn flash() -> Self {
        let mebibyte = Duration::from_micros(1_000);
        let cached = Cost { call: Duration::from_micros(2), mebibyte: Duration::from_micros(100) };
        let sync = Cost { call: Duration::from_millis(1), mebibyte };
        let read = Cost { call: Duration::from_micros(80), mebibyte };
        Pace { read, write: cached, sync, names: sync, hiccup: (0.0, Duration::ZERO) }
    }

    pub(super) fn of(&self, operation: Operation, bytes: u64, rng: &mut Rng) -> Duration {
        let cost = match operation {
            Operation::Read => self.read,
            Operation::Write | Operation::SetLen => self.write,
            Operation::Sync => self.sync,
            _ => self.names,
        };
        let moving = (cost.mebibyte.as_nanos() * u128::from(bytes)) >> 20;
        let (chance, hiccup) = self.hiccup;
        let hiccup = if chance > 0.0 && rng.chance(chance) { hiccup } else { Duration::ZERO };
        cost.call + Duration::from_nanos(u64::try_from(moving).unwrap_or(u64::MAX)) + hiccup
    }
}
