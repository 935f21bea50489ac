//! A tree on a disk that has no space left.

use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{Open, Vfs};

use super::*;
use crate::Error;
use crate::engine::EngineExt;

fn store(disk: &FaultyVfs) -> Result<Lsm> {
    Lsm::open(Path::new("db"), on(&Machine::stepped(Arc::new(disk.clone())), Options::tiny()))
}

/// Leaves so much space beyond what the tree's files take now.
fn fill(disk: &FaultyVfs, room: u64) {
    let mut bytes = 0;
    for dir in ["db", "db/wal"].map(Path::new) {
        let files = disk.list(dir).unwrap().into_iter().map(|name| dir.join(name));
        bytes += files.filter_map(|file| disk.open(&file, Open::Read).ok()?.len().ok()).sum::<u64>();
    }
    disk.set_capacity(Some(bytes + room));
}

/// What is on it can be read, by whoever opens the store then, too.
#[test]
fn a_full_disk_can_be_opened_and_read() {
    let disk = FaultyVfs::new(1);
    let first = store(&disk).unwrap();
    first.put(b"k", b"v").unwrap();
    first.flush().unwrap();
    first.put(b"in the log", b"v").unwrap();
    drop(first);
    disk.set_capacity(Some(0));
    for _ in 0..2 {
        let full = store(&disk).unwrap();
        assert_eq!(full.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(full.get(b"in the log").unwrap().as_deref(), Some(&b"v"[..]));
        let refused = full.put(b"k", b"w").unwrap_err();
        assert!(matches!(refused, Error::Stopped { .. }) && refused.is_full(), "{refused}");
        assert!(full.flush().is_err() && full.compact().is_err());
        full.check().unwrap();
    }
    disk.set_capacity(None);
    let again = store(&disk).unwrap();
    again.put(b"k", b"w").unwrap();
    assert_eq!(again.get(b"k").unwrap().as_deref(), Some(&b"w"[..]));
    again.check().unwrap();
}

/// More than memtables may take, if they could be flushed.
#[test]
fn a_full_disk_can_be_opened_whatever_the_log_has() {
    let disk = FaultyVfs::new(1);
    let first = Options { memtable_bytes: 100 << 10, ..Options::tiny() };
    let first = Lsm::open(Path::new("db"), on(&Machine::stepped(Arc::new(disk.clone())), first)).unwrap();
    for n in 0..200_u32 {
        first.put(&n.to_be_bytes(), &[7; 200]).unwrap();
    }
    assert_eq!(first.shape().tables().count(), 0);
    drop(first);
    // With as little, the manifest can be written, and no table.
    for room in [0, 600] {
        fill(&disk, room);
        let full = store(&disk).unwrap();
        for n in 0..200_u32 {
            assert_eq!(full.get(&n.to_be_bytes()).unwrap().as_deref(), Some(&[7; 200][..]));
        }
        assert!(full.put(b"k", b"w").unwrap_err().is_full());
    }
    disk.set_capacity(None);
    store(&disk).unwrap().check().unwrap();
}

/// Files of no use are room for what makes more: deletes, and their flush.
#[test]
fn a_full_disk_gives_up_spares_and_unfinished_tables_first() {
    let disk = FaultyVfs::new(1);
    let first = store(&disk).unwrap();
    (0..50_u32).for_each(|n| first.put(&n.to_be_bytes(), &[7; 200]).unwrap());
    drop(first);
    for useless in ["db/wal/spare-7", "db/00009999.table"] {
        disk.open(Path::new(useless), Open::New).unwrap().write_all_at(&[0; 16 << 10], 0).unwrap();
        fill(&disk, 0);
        let full = store(&disk).unwrap();
        full.put(b"k", useless.as_bytes()).unwrap();
        assert_eq!(full.get(b"k").unwrap().as_deref(), Some(useless.as_bytes()));
        drop(full);
        disk.set_capacity(None);
    }
    store(&disk).unwrap().check().unwrap();
}
