//! A disk without locks of ranges: a handle has the whole file, from its opening to its end.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{File, MemoryVfs, Open, Vfs};

use super::*;

#[derive(Debug)]
struct Plain(MemoryVfs);

impl Vfs for Plain {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(PlainFile(self.0.open(path, how)?)))
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

#[derive(Debug)]
struct PlainFile(Arc<dyn File>);

impl File for PlainFile {
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
fn without_locks_of_ranges_a_handle_has_the_file() {
    let vfs: Arc<dyn Vfs> = Arc::new(Plain(MemoryVfs::new()));
    let locked = || matches!(open(vfs.clone(), "db", Options::default()), Err(crate::Error::Locked { .. }));
    let mut db = open(vfs.clone(), "db", Options { memory: 0, ..Options::default() }).unwrap();
    assert!(locked());
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    fill(&mut db, t, 0..1500, |_| encode(&[ValueRef::Blob(&[3; 200])]));
    db.commit().unwrap();
    assert!(locked());
    db.begin_read().unwrap();
    db.begin().unwrap();
    fill(&mut db, t, 0..1500, |_| encode(&[ValueRef::Blob(&[4; 300])]));
    db.roll_back().unwrap();
    db.end_read().unwrap();
    assert!(locked());
    // What is left behind is undone by the next one.
    db.begin().unwrap();
    fill(&mut db, t, 0..1500, |_| encode(&[ValueRef::Blob(&[4; 300])]));
    drop(db);
    let mut db = open(vfs.clone(), "db", Options::default()).unwrap();
    let mut cursor = Cursor::table(t);
    assert!(cursor.last(&mut db).unwrap());
    assert_eq!(cursor.payload(&mut db).unwrap(), Some(&encode(&[ValueRef::Blob(&[3; 200])])[..]));
}
