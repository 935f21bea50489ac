//! Everything behind the one lock of a [`FaultyVfs`](super::FaultyVfs).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Change, Disk, Inode, Name, Node, SECTOR, hash, mix};
use super::fault::{Faults, Operation, Pace};
use super::record::{Event, Recording};
use crate::vfs::{File, MemoryVfs, Open, Vfs};
use crate::{Rng, VirtualClock};

pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    pub(super) used: u64,
    pub(super) pace: Pace,
    pub(super) clock: Option<VirtualClock>,
    pub(super) spent: Duration,
    pub(super) digest: u64,
    /// Calls until the power goes, if it does. The one that finds none left fails in the middle, and all behind it do
    /// nothing.
    power: Option<u64>,
    /// Calls that found no power.
    dark: u64,
    /// Who calls is gone: nothing happens, and nothing is counted.
    pub(super) frozen: bool,
    pub(super) lies: bool,
    rng: Rng,
    /// The names as the running process sees them.
    names: BTreeMap<PathBuf, Node>,
    files: BTreeMap<Inode, Live>,
    next: Inode,
    recording: Option<Recording>,
}

/// A file that the running process can reach.
struct Live {
    cache: Arc<dyn File>,
    handles: usize,
    len: u64,
    /// Bytes written and not synced: what a sync will have to move.
    dirty: u64,
}

impl State {
    /// The state over files that are all durable.
    pub(super) fn new(cache: &MemoryVfs, seed: u64) -> Self {
        let mut state = State {
            disk: Disk::default(),
            faults: Faults::default(),
            capacity: None,
            used: 0,
            pace: Pace::default(),
            clock: None,
            spent: Duration::ZERO,
            digest: mix(seed),
            power: None,
            dark: 0,
            frozen: false,
            lies: false,
            rng: Rng::from_seed(seed).fork("disk"),
            names: BTreeMap::new(),
            files: BTreeMap::new(),
            next: 1,
            recording: None,
        };
        for dir in cache.dirs() {
            state.names.insert(dir.clone(), Node::Dir);
            state.disk.put_dir(dir);
        }
        for (path, bytes) in cache.files() {
            let len = bytes.len() as u64;
            let inode = state.add(&path, cache, len).expect("a file in memory that was just listed opens");
            state.disk.put(path, inode, bytes);
        }
        state
    }

    fn add(&mut self, path: &Path, cache: &MemoryVfs, len: u64) -> io::Result<Inode> {
        let inode = self.next;
        self.next += 1;
        let cache = cache.open(path, Open::Write)?;
        self.files.insert(inode, Live { cache, handles: 0, len, dirty: 0 });
        self.names.insert(path.to_owned(), Node::File(inode));
        self.used += len;
        Ok(inode)
    }

    /// The cost of a call, to be charged to the clock, and its failure.
    pub(super) fn enter(
        &mut self,
        operation: Operation,
        path: &Path,
        bytes: u64,
    ) -> (Option<(VirtualClock, Duration)>, Option<io::Error>) {
        if self.frozen {
            return (None, Some(io::Error::other("the process is gone")));
        }
        let cost = self.pace.of(operation, bytes, &mut self.rng);
        self.spent += cost;
        let struck = self.faults.strike(operation, path, &mut self.rng);
        let struck = match &mut self.power {
            Some(0) => {
                self.dark += 1;
                Some(io::Error::other("injected: the power is gone"))
            }
            Some(calls) => {
                *calls -= 1;
                struck
            }
            None => struck,
        };
        let words = [operation as u64, hash(path.as_os_str().as_encoded_bytes()), bytes, u64::from(struck.is_some())];
        words.into_iter().for_each(|word| self.digest_word(word));
        (self.clock.clone().filter(|_| !cost.is_zero()).map(|clock| (clock, cost)), struck)
    }

    pub(super) fn off(&self) -> bool {
        self.power == Some(0) && self.dark > 0
    }

    pub(super) fn set_power(&mut self, calls: Option<u64>) {
        (self.power, self.dark) = (calls, 0);
    }

    pub(super) fn digest_word(&mut self, word: u64) {
        self.digest = mix(self.digest ^ word);
    }

    pub(super) fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Some(recording) = &mut self.recording {
            recording.events.push(event());
        }
    }

    pub(super) fn record(&mut self) {
        self.recording = Some(Recording { start: self.disk.clone(), events: Vec::new() });
    }

    pub(super) fn recorded(&mut self) -> Recording {
        self.recording.take().unwrap_or_default()
    }

    fn change(&mut self, change: Change) {
        self.note(|| Event::Change(change.clone()));
        self.disk.pending.push(change);
    }

    fn note_disk(&mut self) {
        let disk = &self.disk;
        if let Some(recording) = &mut self.recording {
            recording.events.push(Event::Became(Box::new(disk.clone())));
        }
    }

    pub(super) fn inode(&self, path: &Path) -> Option<Inode> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Some(*inode),
            _ => None,
        }
    }

    /// A handle on a file that the cache has just opened, and perhaps made.
    pub(super) fn open(&mut self, cache: &MemoryVfs, path: &Path) -> io::Result<Inode> {
        let inode = match self.inode(path) {
            Some(inode) => inode,
            None => {
                let inode = self.add(path, cache, 0)?;
                self.change(Change::name(Name::Link(path.to_owned(), inode)));
                inode
            }
        };
        if let Some(live) = self.files.get_mut(&inode) {
            live.handles += 1;
        }
        Ok(inode)
    }

    /// A handle has ended.
    pub(super) fn close(&mut self, inode: Inode) {
        if let Some(live) = self.files.get_mut(&inode) {
            live.handles -= 1;
        }
        self.forget();
    }

    /// A change of names that the cache has made.
    pub(super) fn rename(&mut self, change: Name) {
        match &change {
            Name::Dir(path) => {
                self.names.insert(path.clone(), Node::Dir);
            }
            Name::Link(path, inode) => {
                self.names.insert(path.clone(), Node::File(*inode));
            }
            Name::Remove(path) => {
                self.names.remove(path);
            }
            Name::Rename(from, to, inode) => {
                self.names.remove(from);
                self.names.insert(to.clone(), Node::File(*inode));
            }
        }
        self.change(Change::name(change));
        self.forget();
    }

    /// Frees what no name and no handle reaches any more.
    fn forget(&mut self) {
        let names = &self.names;
        let used = &mut self.used;
        let before = self.files.len();
        self.files.retain(|inode, live| {
            let reached = live.handles > 0 || names.values().any(|node| *node == Node::File(*inode));
            *used -= if reached { 0 } else { live.len };
            reached
        });
        if self.files.len() < before {
            let files = &self.files;
            self.disk.forget(|inode| files.contains_key(&inode));
        }
    }

    /// Writes as much as the disk has room for, or as a failure leaves.
    pub(super) fn write(&mut self, inode: Inode, data: &[u8], offset: u64, entered: io::Result<()>) -> io::Result<()> {
        if self.frozen {
            return entered;
        }
        let Some(live) = self.files.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let room = self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used));
        let space = live.len.saturating_add(room).saturating_sub(offset).min(data.len() as u64) as usize;
        let (taken, answer) = match entered {
            // The call that the power went in may have written something; none behind it has.
            Err(error) if self.dark > 1 => (0, Err(error)),
            Err(error) => (self.rng.index(space + 1), Err(error)),
            Ok(()) if space < data.len() => (space, Err(io::ErrorKind::StorageFull.into())),
            Ok(()) => (space, Ok(())),
        };
        if taken > 0 {
            live.cache.write_all_at(&data[..taken], offset)?;
            let end = offset + taken as u64;
            self.used += end.saturating_sub(live.len);
            live.len = live.len.max(end);
            live.dirty += taken as u64;
            let (first, last) = (offset / SECTOR as u64, end.div_ceil(SECTOR as u64));
            let mut sectors = vec![0; (last - first) as usize * SECTOR];
            live.cache.read_at(&mut sectors, first * SECTOR as u64)?;
            self.digest_word(hash(&data[..taken]) ^ offset);
            self.change(Change::Sectors { inode, first, bytes: sectors.into(), end });
        }
        answer
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: u64) -> io::Result<()> {
        let Some(live) = self.files.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let more = len.saturating_sub(live.len);
        if self.capacity.is_some_and(|capacity| more > capacity.saturating_sub(self.used)) && more > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        live.cache.set_len(len)?;
        if len != live.len {
            self.used = self.used + len - live.len;
            live.len = len;
            self.digest_word(len);
            self.change(Change::Length { inode, len });
        }
        Ok(())
    }

    /// Bytes that a sync of a file would have to move.
    pub(super) fn dirty(&self, inode: Inode) -> u64 {
        self.files.get(&inode).map_or(0, |live| live.dirty)
    }

    pub(super) fn sync(&mut self, inode: Inode, entered: io::Result<()>) -> io::Result<()> {
        if self.frozen {
            return entered;
        }
        if let Some(live) = self.files.get_mut(&inode) {
            live.dirty = 0;
        }
        if self.dark > 0 || (self.lies && entered.is_ok()) {
            // What is on its way stays so: a crash decides.
        } else if entered.is_err() {
            self.disk.fail_sync(inode, &mut self.rng);
            self.note_disk();
        } else {
            self.note(|| Event::Sync(inode));
            self.disk.sync(inode);
        }
        entered
    }

    pub(super) fn sync_dir(&mut self, dir: &Path, entered: io::Result<()>) -> io::Result<()> {
        if self.frozen {
            return entered;
        }
        if self.dark > 0 || (self.lies && entered.is_ok()) {
            return entered;
        }
        if entered.is_err() {
            self.disk.fail_sync_dir(dir, &mut self.rng);
            self.note_disk();
        } else {
            self.note(|| Event::SyncDir(dir.to_owned()));
            self.disk.sync_dir(dir);
        }
        let files = &self.files;
        self.disk.forget(|inode| files.contains_key(&inode));
        entered
    }

    pub(super) fn rot(&mut self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let inode = self.inode(path).ok_or(io::ErrorKind::NotFound)?;
        let Some(live) = self.files.get(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        let mut byte = [0];
        live.cache.read_exact_at(&mut byte, offset)?;
        live.cache.write_all_at(&[byte[0] ^ 1 << (bit & 7)], offset)?;
        self.disk.flip(inode, offset, bit);
        self.digest_word(offset << 3 | u64::from(bit & 7));
        self.note_disk();
        Ok(())
    }

    pub(super) fn rot_at_random(&mut self, cache: &MemoryVfs, bits: usize) -> io::Result<Vec<(PathBuf, u64, u8)>> {
        let files = cache.files();
        let total: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut flipped = Vec::new();
        for _ in 0..bits {
            let mut at = self.rng.below(total);
            let bit = self.rng.below(8) as u8;
            for (path, bytes) in &files {
                let len = bytes.len() as u64;
                if at < len {
                    self.rot(path, at, bit)?;
                    flipped.push((path.clone(), at, bit));
                    break;
                }
                at -= len;
            }
        }
        Ok(flipped)
    }

    pub(super) fn drop_caches(&mut self) -> io::Result<()> {
        let all: Vec<_> = (0..self.disk.pending.len()).map(|nth| (nth, super::disk::Kept::Whole)).collect();
        let image = self.disk.image(&all);
        for (inode, live) in &mut self.files {
            let bytes = image.bytes(*inode);
            live.cache.set_len(0)?;
            live.cache.write_all_at(&bytes, 0)?;
            self.used = self.used + bytes.len() as u64 - live.len;
            live.len = bytes.len() as u64;
        }
        Ok(())
    }
}
