//! Files in memory: for tests, for scratch space, and as what is left of a disk after a simulated crash.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::ranges::Ranges;
use super::{File, Open, RangeLock, SharedWords, Vfs};

/// A disk in memory, empty at first. Clones share it; [`MemoryVfs::fork`] copies it.
///
/// A file longer than [`MemoryVfs::MAX_FILE`] is refused as a full disk would.
#[derive(Clone, Default)]
pub struct MemoryVfs {
    names: Arc<Mutex<Names>>,
}

/// Normalised paths to what stands there. A directory is there if it was made; the root and `.` always are.
type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone)]
enum Node {
    Dir,
    File(Arc<Inode>),
}

#[derive(Default)]
struct Inode {
    /// Shared between forks until one of them writes.
    bytes: RwLock<Arc<Vec<u8>>>,
    locked: AtomicBool,
    ranges: Mutex<Ranges>,
    /// What handles share, by where it begins.
    shared: Mutex<BTreeMap<u64, Arc<SharedWords>>>,
    /// Handles that were opened: their names among the owners of ranges.
    opened: AtomicU64,
}

impl Inode {
    fn new(bytes: Arc<Vec<u8>>) -> Arc<Self> {
        Arc::new(Inode { bytes: RwLock::new(bytes), ..Inode::default() })
    }
}

impl MemoryVfs {
    /// The most bytes in a file: 4 GiB, so that a wild offset fails instead of taking all memory.
    pub const MAX_FILE: u64 = 4 << 30;

    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy of every file as it is now, with no lock held. Bytes are shared until one side writes.
    pub fn fork(&self) -> MemoryVfs {
        let mut names = self.names.lock().clone();
        for node in names.values_mut() {
            if let Node::File(inode) = node {
                let bytes = inode.bytes.read().clone();
                *node = Node::File(Inode::new(bytes));
            }
        }
        MemoryVfs { names: Arc::new(Mutex::new(names)) }
    }

    /// Every file with its bytes, in the order of the paths.
    pub fn files(&self) -> Vec<(PathBuf, Arc<Vec<u8>>)> {
        let names = self.names.lock();
        let files = names.iter().filter_map(|(path, node)| match node {
            Node::File(inode) => Some((path.clone(), inode.bytes.read().clone())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// Puts a file there with these bytes, whatever was there; makes the directories above it.
    pub fn put(&self, path: &Path, bytes: Arc<Vec<u8>>) -> io::Result<()> {
        let path = normal(path);
        self.create_dir(super::parent(&path))?;
        self.names.lock().insert(path, Node::File(Inode::new(bytes)));
        Ok(())
    }
}

impl MemoryVfs {
    /// Paths that are normal, and bytes; none for a directory. Directories come in front of what is in them.
    pub(crate) fn from_entries(entries: impl Iterator<Item = (PathBuf, Option<Arc<Vec<u8>>>)>) -> Self {
        let node = |bytes| Node::File(Inode::new(bytes));
        let names = entries.map(|(path, bytes)| (path, bytes.map_or(Node::Dir, node))).collect();
        MemoryVfs { names: Arc::new(Mutex::new(names)) }
    }

    /// Every directory that was made.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let names = self.names.lock();
        names.iter().filter(|(_, node)| matches!(node, Node::Dir)).map(|(path, _)| path.clone()).collect()
    }
}

/// A path without `.` and root, its `..` resolved: `a/./b`, `/a/b` and `a/c/../b` are one name.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    normal
}

fn fail<T>(kind: io::ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

fn is_dir(names: &Names, dir: &Path) -> bool {
    dir.as_os_str().is_empty() || matches!(names.get(dir), Some(Node::Dir))
}

/// A name can only be made in a directory that is there.
fn need_parent(names: &Names, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new(""));
    if is_dir(names, dir) {
        Ok(())
    } else if names.contains_key(dir) {
        fail(io::ErrorKind::NotADirectory)
    } else {
        fail(io::ErrorKind::NotFound)
    }
}

impl Vfs for MemoryVfs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let path = normal(path);
        let mut names = self.names.lock();
        let inode = match (names.get(&path), how) {
            (Some(Node::Dir), _) => return fail(io::ErrorKind::IsADirectory),
            (Some(Node::File(_)), Open::New) => return fail(io::ErrorKind::AlreadyExists),
            (Some(Node::File(inode)), _) => inode.clone(),
            (None, Open::Read | Open::Write) => {
                need_parent(&names, &path)?;
                return fail(io::ErrorKind::NotFound);
            }
            (None, Open::Create | Open::New) => {
                if path.as_os_str().is_empty() {
                    return fail(io::ErrorKind::IsADirectory);
                }
                need_parent(&names, &path)?;
                let inode = Arc::new(Inode::default());
                names.insert(path, Node::File(inode.clone()));
                inode
            }
        };
        let owner = inode.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(MemoryFile { inode, owner, writable: how != Open::Read, holds_lock: AtomicBool::new(false) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), normal(to));
        let mut names = self.names.lock();
        need_parent(&names, &to)?;
        match (names.get(&from), names.get(&to)) {
            (None, _) => fail(io::ErrorKind::NotFound),
            // Engines rename files only; a directory would take its contents along.
            (Some(Node::Dir), _) => fail(io::ErrorKind::Unsupported),
            (Some(Node::File(_)), Some(Node::Dir)) => fail(io::ErrorKind::IsADirectory),
            (Some(Node::File(_)), _) => {
                let node = names.remove(&from).expect("it was just seen");
                names.insert(to, node);
                Ok(())
            }
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut names = self.names.lock();
        match names.get(&path) {
            None => fail(io::ErrorKind::NotFound),
            Some(Node::Dir) if names.keys().any(|name| name.parent() == Some(&path)) => {
                fail(io::ErrorKind::DirectoryNotEmpty)
            }
            Some(_) => {
                names.remove(&path);
                Ok(())
            }
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let dir = normal(dir);
        let names = self.names.lock();
        if !is_dir(&names, &dir) {
            return fail(if names.contains_key(&dir) { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound });
        }
        let inside = names.keys().filter(|name| name.parent() == Some(&dir));
        let mut found: Vec<_> = inside.filter_map(|name| name.file_name()).map(OsString::from).collect();
        found.sort_unstable();
        Ok(found)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = normal(dir);
        let mut names = self.names.lock();
        for dir in dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            match names.get(dir) {
                Some(Node::File(_)) => return fail(io::ErrorKind::NotADirectory),
                Some(Node::Dir) => {}
                None => {
                    names.insert(dir.to_owned(), Node::Dir);
                }
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if is_dir(&self.names.lock(), &normal(dir)) { Ok(()) } else { fail(io::ErrorKind::NotFound) }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from), normal(to));
        let mut names = self.names.lock();
        need_parent(&names, &to)?;
        match (names.get(&from), names.contains_key(&to)) {
            (None, _) => fail(io::ErrorKind::NotFound),
            (_, true) => fail(io::ErrorKind::AlreadyExists),
            (Some(Node::Dir), _) => fail(io::ErrorKind::IsADirectory),
            (Some(node @ Node::File(_)), false) => {
                let node = node.clone();
                names.insert(to, node);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for MemoryVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.files().into_iter().map(|(path, bytes)| (path, bytes.len()))).finish()
    }
}

struct MemoryFile {
    inode: Arc<Inode>,
    owner: u64,
    writable: bool,
    holds_lock: AtomicBool,
}

impl MemoryFile {
    fn edit(&self, edit: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        if !self.writable {
            return fail(io::ErrorKind::PermissionDenied);
        }
        edit(Arc::make_mut(&mut self.inode.bytes.write()))
    }
}

/// Zeros up to `len` bytes. A machine without that much memory is a full disk, not the end of the program.
fn grow(bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    if let Some(more) = len.checked_sub(bytes.len()) {
        bytes.try_reserve(more).map_err(|_| io::ErrorKind::StorageFull)?;
        bytes.resize(len, 0);
    }
    Ok(())
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.inode.bytes.read();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let n = buf.len().min(bytes.len() - from);
        buf[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let end = match offset.checked_add(data.len() as u64) {
            Some(end) if end <= MemoryVfs::MAX_FILE => end as usize,
            _ => return fail(io::ErrorKind::FileTooLarge),
        };
        self.edit(|bytes| {
            if !data.is_empty() {
                grow(bytes, end)?;
                bytes[offset as usize..end].copy_from_slice(data);
            }
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.bytes.read().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > MemoryVfs::MAX_FILE {
            return fail(io::ErrorKind::FileTooLarge);
        }
        self.edit(|bytes| {
            if len < bytes.len() as u64 {
                self.inode.shared.lock().clear();
            }
            bytes.truncate(len as usize);
            grow(bytes, len as usize)
        })
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        if self.holds_lock.load(Ordering::Acquire) {
            return Ok(true);
        }
        let taken = !self.inode.locked.swap(true, Ordering::AcqRel);
        self.holds_lock.store(taken, Ordering::Release);
        Ok(taken)
    }

    fn try_lock_range(&self, range: Range<u64>, lock: RangeLock) -> io::Result<bool> {
        match range.is_empty() {
            true => fail(io::ErrorKind::InvalidInput),
            false if lock == RangeLock::Exclusive && !self.writable => fail(io::ErrorKind::PermissionDenied),
            false => Ok(self.inode.ranges.lock().set(self.owner, &range, Some(lock))),
        }
    }

    fn unlock_range(&self, range: Range<u64>) -> io::Result<()> {
        if range.is_empty() {
            return fail(io::ErrorKind::InvalidInput);
        }
        self.inode.ranges.lock().set(self.owner, &range, None);
        Ok(())
    }

    fn share_words(&self, offset: u64, words: usize) -> io::Result<Arc<SharedWords>> {
        let end = offset.saturating_add(words as u64 * 4);
        if !offset.is_multiple_of(4) || words == 0 || end > MemoryVfs::MAX_FILE {
            return fail(io::ErrorKind::InvalidInput);
        }
        self.allocate(end)?;
        let mut shared = self.inode.shared.lock();
        let found = shared.entry(offset).or_insert_with(|| Arc::new(SharedWords::private(words))).clone();
        if found.words().len() < words { fail(io::ErrorKind::InvalidInput) } else { Ok(found) }
    }

    fn is_range_locked(&self, range: Range<u64>) -> io::Result<bool> {
        match range.is_empty() {
            true => fail(io::ErrorKind::InvalidInput),
            false => Ok(self.inode.ranges.lock().is_shut(self.owner, &range, RangeLock::Exclusive)),
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if *self.holds_lock.get_mut() {
            self.inode.locked.store(false, Ordering::Release);
        }
        self.inode.ranges.lock().end(self.owner);
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile").field("len", &self.inode.bytes.read().len()).finish_non_exhaustive()
    }
}
