//! Readers of segments that go while they are read.

use std::ffi::OsString;
use std::io;

use parking_lot::Mutex;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{File, Open};

use super::*;

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A disk that does something else once, just before a segment is opened to be read.
struct Interrupted(MemoryVfs, Hook);

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Vfs for Interrupted {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        if matches!(how, Open::Read) {
            let hook = self.1.lock().take();
            hook.into_iter().for_each(|hook| hook());
        }
        self.0.open(path, how)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}

/// "Trimmed segments that it knew of stay readable as well."
#[test]
fn a_reader_gets_over_a_trim_while_it_opens_a_segment() {
    let hook: Hook = Arc::default();
    let vfs = Arc::new(Interrupted(MemoryVfs::new(), hook.clone()));
    let open = || Log::open(vfs.clone(), Path::new(DIR), small(&SteppedJobs::new())).unwrap();
    let log = open();
    (0..100).for_each(|_| drop(log.append(&[&[1; 200]]).unwrap()));
    log.sync().unwrap();
    drop(log);

    let log = open();
    let mut reader = log.reader(Index(0));
    let trimming = log.clone();
    *hook.lock() = Some(Box::new(move || trimming.trim_to(Index(60)).unwrap()));
    assert_eq!(reader.next().unwrap().unwrap().index, Index(0));
    drop(log.append(&[b"more"]));
}

/// A process may have only so many files open. What is trimmed then and still being read stays until the next trim, and
/// nobody is stopped by it.
#[test]
fn a_trim_that_can_open_no_file_stops_nobody() {
    let disk = FaultyVfs::new(1);
    let log = open(&disk);
    let entries: Vec<_> = (0..200).map(|n| (n, payload(n))).collect();
    entries.iter().for_each(|(_, payload)| drop(log.append(&[payload]).unwrap()));
    log.sync().unwrap();
    drop(log);
    let files = || disk.list(Path::new(DIR)).unwrap().len();

    let log = open(&disk);
    let mut reader = log.reader(Index(0));
    let before = files();
    disk.fail(Fault::of(Operation::Open).within(DIR).forever());
    log.trim_to(Index(150)).unwrap();
    assert_eq!(files(), before);
    disk.heal();
    log.append(&[b"more"]).unwrap().1.wait().unwrap();
    assert!(log.bounds().start > Index(100));

    // What a crash leaves at this moment has no gap.
    let left = open(&disk.durable());
    assert_eq!((left.bounds().start, left.check().unwrap()), (Index(0), 201));

    log.trim_to(Index(150)).unwrap();
    assert!(files() < before - 2, "{} of {before}", files());
    for (n, payload) in &entries {
        let entry = reader.next().unwrap().unwrap();
        assert_eq!((entry.index.0, &entry.payload[..]), (*n, &payload[..]));
    }
}
