//! What a disk holds for certain, and what it may hold: the part of the fault model that is pure state.
//!
//! A [`Disk`] is the durable names and bytes, and the changes since that no sync has covered. A crash leaves the
//! durable state with some of those changes done, each perhaps in part: [`Disk::image`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::memory::MemoryVfs;
use crate::Rng;

/// What a disk writes as a whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// A file apart from its names.
pub(crate) type Inode = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    File(Inode),
}

/// Something that was done and not yet synced.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Whole sectors as the page cache had them after a write, so they carry every earlier write to the same sectors.
    Sectors { inode: Inode, first: u64, bytes: Arc<[u8]>, end: u64 },
    /// The file was cut or filled up.
    Length { inode: Inode, len: u64 },
    /// A name was made, removed or changed. `open` holds its directories that were not synced since.
    Name { change: Name, open: Vec<PathBuf> },
}

#[derive(Clone, Debug)]
pub(crate) enum Name {
    Dir(PathBuf),
    Link(PathBuf, Inode),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Inode),
}

/// How much of a change a crash has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    Whole,
    /// The first so many sectors, and the length.
    First(usize),
    /// The last so many sectors, and the length.
    Last(usize),
    /// A random half of the sectors, and the length.
    Some(u64),
}

impl Kept {
    fn has(self, nth: usize, of: usize) -> bool {
        match self {
            Kept::Whole => true,
            Kept::First(n) => nth < n,
            Kept::Last(n) => nth + n >= of,
            Kept::Some(seed) => mix(seed.wrapping_add(nth as u64)) & 1 == 1,
        }
    }
}

impl Change {
    pub(crate) fn name(change: Name) -> Change {
        let dir = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
        let mut open = match &change {
            Name::Dir(path) | Name::Link(path, _) | Name::Remove(path) => vec![dir(path)],
            Name::Rename(from, to, _) => vec![dir(from), dir(to)],
        };
        open.dedup();
        Change::Name { change, open }
    }

    fn inode(&self) -> Option<Inode> {
        match self {
            Change::Sectors { inode, .. } | Change::Length { inode, .. } => Some(*inode),
            Change::Name { .. } => None,
        }
    }

    /// The sectors that it writes: what can be torn.
    pub(crate) fn sectors(&self) -> usize {
        if let Change::Sectors { bytes, .. } = self { bytes.len() / SECTOR } else { 0 }
    }
}

/// A file's bytes, with a sum over its sectors that changes as they do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    bytes: Arc<Vec<u8>>,
    sum: u64,
}

impl Stored {
    fn new(bytes: Arc<Vec<u8>>) -> Self {
        let mut stored = Stored { bytes, sum: 0 };
        stored.sum = stored.sum_of(0..stored.bytes.len());
        stored
    }

    /// The sum of the sectors that a range of bytes touches. Zeros count nothing, so a longer file of them costs nothing.
    fn sum_of(&self, range: Range<usize>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let (first, last) = (range.start / SECTOR, range.end.div_ceil(SECTOR));
        let sectors = self.bytes[first * SECTOR..self.bytes.len().min(last * SECTOR)].chunks(SECTOR);
        sectors.zip(first as u64..).fold(0, |sum, (sector, nth)| sum.wrapping_add(sector_hash(nth, sector)))
    }

    fn apply(&mut self, change: &Change, kept: Kept) {
        match change {
            Change::Sectors { first, bytes, end, .. } => {
                let end = self.bytes.len().max(*end as usize);
                let from = *first as usize * SECTOR;
                let touched = from.min(self.bytes.len())..(from + bytes.len()).min(self.bytes.len());
                self.sum = self.sum.wrapping_sub(self.sum_of(touched));
                let disk = Arc::make_mut(&mut self.bytes);
                disk.resize(end, 0);
                let sectors = bytes.len() / SECTOR;
                for (nth, sector) in bytes.chunks(SECTOR).enumerate().filter(|(nth, _)| kept.has(*nth, sectors)) {
                    let at = from + nth * SECTOR;
                    let len = SECTOR.min(end.saturating_sub(at));
                    disk[at..at + len].copy_from_slice(&sector[..len]);
                }
                self.sum = self.sum.wrapping_add(self.sum_of(from..(from + bytes.len()).min(end)));
            }
            Change::Length { len, .. } => {
                let (old, new) = (self.bytes.len(), *len as usize);
                if new < old {
                    self.sum = self.sum.wrapping_sub(self.sum_of(new..old));
                }
                Arc::make_mut(&mut self.bytes).resize(new, 0);
                if new < old {
                    let edge = new / SECTOR * SECTOR;
                    self.sum = self.sum.wrapping_add(self.sum_of(edge..new));
                }
            }
            Change::Name { .. } => {}
        }
    }

    fn hash(&self) -> u64 {
        mix(self.sum ^ mix(self.bytes.len() as u64))
    }

    /// Flips a bit at rest.
    fn flip(&mut self, offset: u64, bit: u8) {
        if let Some(byte) = Arc::make_mut(&mut self.bytes).get_mut(offset as usize) {
            *byte ^= 1 << (bit & 7);
        }
        self.sum = self.sum_of(0..self.bytes.len());
    }
}

/// The durable state, and the changes since, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    names: BTreeMap<PathBuf, Node>,
    files: BTreeMap<Inode, Stored>,
    pub(crate) pending: Vec<Change>,
}

impl Disk {
    /// A file that was there before anything was recorded.
    pub(crate) fn put(&mut self, path: PathBuf, inode: Inode, bytes: Arc<Vec<u8>>) {
        self.names.insert(path, Node::File(inode));
        self.files.insert(inode, Stored::new(bytes));
    }

    pub(crate) fn put_dir(&mut self, path: PathBuf) {
        self.names.insert(path, Node::Dir);
    }

    /// Makes a file's bytes durable.
    pub(crate) fn sync(&mut self, inode: Inode) {
        let all = |change: &Change| change.inode() == Some(inode);
        for change in take(&mut self.pending, all) {
            self.files.entry(inode).or_default().apply(&change, Kept::Whole);
        }
    }

    /// A sync of a file that failed: whatever happened to reach the disk is durable, the rest will never be.
    pub(crate) fn fail_sync(&mut self, inode: Inode, rng: &mut Rng) {
        let all = |change: &Change| change.inode() == Some(inode);
        for change in take(&mut self.pending, all) {
            if rng.chance(0.5) {
                let kept = if rng.chance(0.5) { Kept::Whole } else { Kept::Some(rng.next_u64()) };
                self.files.entry(inode).or_default().apply(&change, kept);
            }
        }
    }

    /// Makes a directory's names durable. A rename between two directories is when both were synced.
    pub(crate) fn sync_dir(&mut self, dir: &Path) {
        let closed = |change: &mut Change| match change {
            Change::Name { open, .. } => {
                open.retain(|open| open != dir);
                open.is_empty()
            }
            _ => false,
        };
        for change in self.pending.extract_if(.., closed) {
            if let Change::Name { change, .. } = change {
                rename(&mut self.names, &change);
            }
        }
    }

    /// A sync of a directory that failed.
    pub(crate) fn fail_sync_dir(&mut self, dir: &Path, rng: &mut Rng) {
        let inside =
            |change: &Change| matches!(change, Change::Name { open, .. } if open.iter().any(|open| open == dir));
        for change in take(&mut self.pending, inside) {
            if let Change::Name { change, .. } = change
                && rng.chance(0.5)
            {
                rename(&mut self.names, &change);
            }
        }
    }

    /// Forgets files that no durable name, no change and nobody else refers to.
    pub(crate) fn forget(&mut self, in_use: impl Fn(Inode) -> bool) {
        let named = |inode: Inode| self.names.values().any(|node| *node == Node::File(inode));
        let linked = |inode: Inode| {
            self.pending.iter().any(|change| match change {
                Change::Name { change: Name::Link(_, other) | Name::Rename(_, _, other), .. } => *other == inode,
                _ => false,
            })
        };
        let gone: Vec<Inode> =
            self.files.keys().copied().filter(|&inode| !in_use(inode) && !named(inode) && !linked(inode)).collect();
        for inode in gone {
            self.files.remove(&inode);
            self.pending.retain(|change| change.inode() != Some(inode));
        }
    }

    pub(crate) fn flip(&mut self, inode: Inode, offset: u64, bit: u8) {
        if let Some(stored) = self.files.get_mut(&inode) {
            stored.flip(offset, bit);
        }
    }

    /// What is left when some of the pending changes were done: their numbers, ascending, and how much of each.
    pub(crate) fn image(&self, kept: &[(usize, Kept)]) -> Image {
        let mut image = Image { names: self.names.clone(), files: self.files.clone() };
        for (nth, kept) in kept {
            match &self.pending[*nth] {
                Change::Name { change, .. } => rename(&mut image.names, change),
                change @ (Change::Sectors { inode, .. } | Change::Length { inode, .. }) => {
                    image.files.entry(*inode).or_default().apply(change, *kept);
                }
            }
        }
        image
    }
}

fn take(pending: &mut Vec<Change>, which: impl Fn(&Change) -> bool) -> Vec<Change> {
    pending.extract_if(.., |change| which(change)).collect()
}

fn rename(names: &mut BTreeMap<PathBuf, Node>, change: &Name) {
    match change {
        Name::Dir(path) => {
            names.insert(path.clone(), Node::Dir);
        }
        Name::Link(path, inode) => {
            names.insert(path.clone(), Node::File(*inode));
        }
        Name::Remove(path) => {
            names.remove(path);
        }
        Name::Rename(from, to, inode) => {
            // Another file may have taken the old name since.
            if names.get(from) == Some(&Node::File(*inode)) {
                names.remove(from);
            }
            names.insert(to.clone(), Node::File(*inode));
        }
    }
}

/// A disk after a crash.
#[derive(Debug)]
pub(crate) struct Image {
    names: BTreeMap<PathBuf, Node>,
    files: BTreeMap<Inode, Stored>,
}

impl Image {
    /// The names that can be reached: a name goes with its directory.
    fn entries(&self) -> impl Iterator<Item = (&Path, Option<&Stored>)> {
        static EMPTY: std::sync::LazyLock<Stored> = std::sync::LazyLock::new(Stored::default);
        let there = |dir: &Path| dir.as_os_str().is_empty() || self.names.get(dir) == Some(&Node::Dir);
        self.names.iter().filter(move |(path, _)| path.ancestors().skip(1).all(there)).map(|(path, node)| match node {
            Node::Dir => (&**path, None),
            Node::File(inode) => (&**path, Some(self.files.get(inode).unwrap_or(&EMPTY))),
        })
    }

    /// The same for the same names and bytes, however they came about.
    pub(crate) fn hash(&self) -> u64 {
        self.entries().fold(0, |sum, (path, stored)| {
            let path = hash(path.as_os_str().as_encoded_bytes());
            sum.wrapping_add(mix(path ^ stored.map_or(1, Stored::hash)))
        })
    }

    /// A file's bytes, whether it has a name or not.
    pub(crate) fn bytes(&self, inode: Inode) -> Arc<Vec<u8>> {
        self.files.get(&inode).map_or_else(Arc::default, |stored| stored.bytes.clone())
    }

    pub(crate) fn into_vfs(self) -> MemoryVfs {
        MemoryVfs::from_entries(self.entries().map(|(path, stored)| (path.to_owned(), stored.map(|s| s.bytes.clone()))))
    }
}

/// SplitMix64's finaliser: every bit of the input moves every bit of the output.
pub(crate) fn mix(mut n: u64) -> u64 {
    n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Eight bytes at a time; not against an adversary.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9FB2_1C65_1E98_DF25).rotate_left(29);
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| step(hash, u64::from_le_bytes(*word)));
    mix(rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte) + 1)))
}

/// Zero for zeros; the last sector counts as if it were filled up with them.
fn sector_hash(nth: u64, sector: &[u8]) -> u64 {
    if sector.iter().all(|byte| *byte == 0) {
        return 0;
    }
    let mut whole = [0; SECTOR];
    whole[..sector.len()].copy_from_slice(sector);
    mix(hash(&whole) ^ mix(nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sectors(first: u64, byte: u8, count: usize) -> Change {
        let end = first * SECTOR as u64 + (count * SECTOR) as u64;
        Change::Sectors { inode: 1, first, bytes: vec![byte; count * SECTOR].into(), end }
    }

    #[test]
    fn the_sum_follows_every_change_of_the_bytes() {
        let mut rng = Rng::from_seed(1);
        let mut stored = Stored::default();
        for _ in 0..500 {
            let change = match rng.below(3) {
                0 => Change::Length { inode: 1, len: rng.below(9000) },
                _ => sectors(rng.below(16), rng.below(3) as u8, 1 + rng.index(4)),
            };
            let kept = [Kept::Whole, Kept::First(1), Kept::Last(1), Kept::Some(rng.next_u64())][rng.index(4)];
            stored.apply(&change, kept);
            assert_eq!(stored.sum, Stored::new(stored.bytes.clone()).sum, "after {change:?}");
        }
    }

    #[test]
    fn a_torn_write_leaves_some_of_its_sectors() {
        let disk =
            Disk { pending: vec![sectors(0, 7, 4)], names: [("f".into(), Node::File(1))].into(), ..Disk::default() };
        let left = |kept: &[(usize, Kept)]| {
            let files = disk.image(kept).into_vfs().files();
            files[0].1.chunks(SECTOR).map(|sector| sector[0]).collect::<Vec<u8>>()
        };
        assert!(left(&[]).is_empty());
        assert_eq!(left(&[(0, Kept::Whole)]), [7, 7, 7, 7]);
        assert_eq!(left(&[(0, Kept::First(1))]), [7, 0, 0, 0]);
        assert_eq!(left(&[(0, Kept::Last(2))]), [0, 0, 7, 7]);
        assert_eq!(left(&[(0, Kept::First(0))]), [0, 0, 0, 0], "the length alone");
    }

    #[test]
    fn a_name_goes_with_its_directory() {
        let mut disk = Disk::default();
        disk.pending.push(Change::name(Name::Dir("d".into())));
        disk.pending.push(Change::name(Name::Link("d/f".into(), 1)));
        disk.sync_dir(Path::new("d"));
        assert!(disk.image(&[]).into_vfs().files().is_empty(), "the directory's own name was not synced");
        assert_eq!(disk.image(&[(0, Kept::Whole)]).into_vfs().files().len(), 1);
        assert_ne!(disk.image(&[]).hash(), disk.image(&[(0, Kept::Whole)]).hash());
    }

    #[test]
    fn a_rename_between_directories_waits_for_both() {
        let mut disk = Disk::default();
        for dir in ["a", "b"] {
            disk.put_dir(dir.into());
        }
        disk.put("a/f".into(), 1, Arc::new(vec![1]));
        disk.pending.push(Change::name(Name::Rename("a/f".into(), "b/f".into(), 1)));
        disk.sync_dir(Path::new("b"));
        assert_eq!(disk.image(&[]).into_vfs().files()[0].0, Path::new("a/f"));
        disk.sync_dir(Path::new("a"));
        assert_eq!(disk.image(&[]).into_vfs().files()[0].0, Path::new("b/f"));
    }
}
