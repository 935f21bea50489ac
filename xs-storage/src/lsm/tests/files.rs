//! How many files are open, what they take on the disk, and which of them is locked.

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use xs_os::vfs::{File, MemoryVfs, Open, Vfs};

use super::*;
use crate::Error;
use crate::engine::EngineExt;

/// A disk that counts the handles of tables and files of values.
#[derive(Debug, Default)]
struct Counting {
    disk: MemoryVfs,
    open: Arc<AtomicUsize>,
    most: AtomicUsize,
}

#[derive(Debug)]
struct Counted(Arc<dyn File>, Option<Arc<AtomicUsize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(open) = &self.1 {
            open.fetch_sub(1, SeqCst);
        }
    }
}

impl Vfs for Counting {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, how)?;
        let counts = how == Open::Read && path.extension().is_some_and(|name| name == "table" || name == "blob");
        let counter = counts.then(|| self.open.clone());
        if counts {
            self.most.fetch_max(self.open.fetch_add(1, SeqCst) + 1, SeqCst);
        }
        Ok(Arc::new(Counted(file, counter)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }
}

impl File for Counted {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
}

#[test]
fn no_more_files_are_open_than_the_bound_says() {
    let vfs = Arc::new(Counting::default());
    // Hardly any memory for blocks, so that files are read all the time.
    let open = || {
        let machine = Machine::stepped(vfs.clone());
        let options = Options { max_open_files: 8, memory: 64 << 10, separate_bytes: 300, ..Options::tiny() };
        (Lsm::open(Path::new("db"), on(&machine, options)).unwrap(), machine)
    };
    let (store, machine) = open();
    let value = |n: u32| vec![n as u8; 100 + n as usize % 250];
    for n in 0..4000_u32 {
        store.put(&(n * 7919 % 4000).to_be_bytes(), &value(n * 7919 % 4000)).unwrap();
        machine.run_until_idle(n as usize % 3);
    }
    store.flush().unwrap();
    let look = |store: &Lsm| {
        for n in (0..4000_u32).map(|n| n * 1231 % 4000) {
            assert_eq!(store.get(&n.to_be_bytes()).unwrap().as_deref(), Some(&value(n)[..]));
        }
        let mut cursor = store.cursor(KeyRange::all()).unwrap();
        for n in 0..4000_u32 {
            assert!(cursor.next().unwrap() && cursor.key() == n.to_be_bytes() && cursor.value().unwrap() == value(n));
        }
        drop(cursor);
        store.check().unwrap();
        let files = store.shape().tables().count();
        assert!(files > 40, "{files} tables");
        assert_eq!(store.stats().details.iter().find(|(name, _)| *name == "open files").unwrap().1, 8);
    };
    look(&store);
    drop((store, machine));
    let (store, _machine) = open();
    look(&store);
    store.compact_fully().unwrap();
    look(&store);
    assert_eq!(vfs.most.load(SeqCst), 8);
    drop(store);
    assert_eq!(vfs.open.load(SeqCst), 0);
}

#[test]
fn what_the_store_takes_is_what_lies_on_the_disk() {
    let vfs = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(vfs.clone()));
    let store = Lsm::open(Path::new("db"), on(&machine, Options::tiny())).unwrap();
    let spares =
        |vfs: &MemoryVfs| vfs.files().iter().filter(|(path, _)| path.to_string_lossy().contains("spare")).count();
    let mut seen = 0;
    for n in 0..3000_u32 {
        store.put(&n.to_be_bytes(), &[7; 40]).unwrap();
        machine.run_until_idle(2);
        if n % 50 == 0 {
            let files = vfs.files();
            let there: usize = files.iter().filter(|(path, _)| !path.ends_with("manifest")).map(|(_, b)| b.len()).sum();
            // A table that is being written is none of the store's yet.
            let said = store.stats().disk_bytes;
            let under_way: usize = files
                .iter()
                .map(|(path, bytes)| match path.extension() {
                    Some(ext) if ext == "table" => bytes.len(),
                    _ => 0,
                })
                .sum::<usize>()
                - store.shape().tables().map(|table| table.bytes as usize).sum::<usize>();
            assert_eq!(said as usize, there - under_way, "{vfs:?}");
            seen += spares(&vfs);
        }
    }
    assert!(seen > 10, "no spares to be counted");
}

#[test]
fn a_store_keeps_the_name_of_its_lock() {
    for (old, kept) in [(false, "LOCK"), (true, "lock")] {
        let vfs = MemoryVfs::new();
        let open = || Lsm::open(Path::new("db"), on(&Machine::stepped(Arc::new(vfs.clone())), Options::tiny()));
        if old {
            vfs.put(Path::new("db/lock"), Arc::default()).unwrap();
        }
        for _ in 0..2 {
            let store = open().unwrap();
            assert!(matches!(open(), Err(Error::Locked { path }) if path.ends_with(kept)));
            store.put(b"k", b"v").unwrap();
            drop(store);
        }
        let names = vfs.list(Path::new("db")).unwrap();
        assert_eq!(names.iter().filter(|name| name.eq_ignore_ascii_case("lock")).collect::<Vec<_>>(), [kept]);
    }
}
