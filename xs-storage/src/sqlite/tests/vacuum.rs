//! Packing in place: everything is there afterwards, and before, and nothing in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xs_os::vfs::explore::Explorer;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{MemoryVfs, Vfs};

use super::writing::{Model, Trees, change, create, order_of, read};
use super::*;
use crate::Error;

/// A database with gaps.
fn holey(vfs: Arc<dyn Vfs>, mode: JournalMode) -> (Database, Model) {
    let options = Options { page_size: 512, memory: 0, journal_mode: mode, ..Options::default() };
    let mut db = open(vfs, "db", options).unwrap();
    let (mut model, mut rng) = (Model::default(), Rng::from_seed(3));
    db.begin().unwrap();
    let trees = create(&mut db).unwrap();
    (0..250).for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 200).unwrap());
    db.set_user_version(7).unwrap();
    db.commit().unwrap();
    db.begin().unwrap();
    for rowid in model.t.keys().copied().filter(|rowid| rowid % 3 > 0).collect::<Vec<_>>() {
        let old = model.t.remove(&rowid).unwrap();
        assert!(db.delete(trees.t, rowid).unwrap());
        let key = [ValueRef::Blob(&old), ValueRef::Integer(rowid)];
        assert!(db.delete_record(trees.i, &super::writing::by_two(), &key).unwrap());
    }
    db.commit().unwrap();
    assert!(db.header().free_pages > 10, "{:?}", db.header());
    (db, model)
}

#[test]
fn what_is_interrupted_leaves_everything_as_it_was() {
    for mode in MODES {
        let disk = MemoryVfs::new();
        let (mut db, model) = holey(Arc::new(disk.clone()), mode);
        let files = || disk.files().into_iter().filter(|(path, _)| !path.ends_with("db-shm")).collect::<Vec<_>>();
        let before = files();
        let interrupt = Arc::new(AtomicBool::new(true));
        db.set_interrupt(Some(interrupt.clone()));
        assert!(matches!(db.vacuum(), Err(Error::Interrupted)));
        assert!(matches!(db.copy_to(Path::new("copy")), Err(Error::Interrupted)));
        assert!(matches!(db.check(&mut |_| None), Err(Error::Interrupted)));
        assert!(files() == before, "{mode:?}");
        interrupt.store(false, Ordering::Relaxed);
        db.vacuum().unwrap();
        assert!(read(&mut db).unwrap() == model);
    }
}

const MODES: [JournalMode; 3] = [JournalMode::Delete, JournalMode::Persist, JournalMode::Wal];

#[test]
fn nothing_is_free_and_everything_there() {
    for mode in MODES {
        for size in [512, 4096, 65536] {
            let disk = MemoryVfs::new();
            let (mut db, model) = holey(Arc::new(disk.clone()), mode);
            let mut other = open(Arc::new(disk.clone()), "db", Options::default()).unwrap();
            assert!(read(&mut other).unwrap() == model);
            other.end_read().unwrap();
            let (pages, cookie) = (db.pages(), db.header().schema_cookie);
            assert!(!db.set_page_size(size).unwrap());
            db.vacuum().unwrap();
            let size = if mode == JournalMode::Wal { 512 } else { size };
            let header = db.header().clone();
            assert_eq!((header.page_size, header.free_pages, header.user_version), (size, 0, 7));
            assert!(header.schema_cookie == cookie + 1 && db.pages() < pages);
            assert!(read(&mut db).unwrap() == model);
            db.end_read().unwrap();
            // The other one notices.
            other.check(&mut order_of).unwrap();
            assert!(read(&mut other).unwrap() == model && other.header().page_size == size);
            drop((db, other));
            let names: Vec<_> = disk.files().into_iter().map(|(path, bytes)| (path, bytes.len())).collect();
            let len = names.iter().find(|(path, _)| path == Path::new("db")).unwrap().1;
            assert_eq!(len as u64, u64::from(header.pages) * u64::from(size));
            assert!(!names.iter().any(|(path, _)| path.ends_with("db-vacuum")));
            let mut db = open(Arc::new(disk), "db", Options::default()).unwrap();
            let (mut model, mut rng) = (read(&mut db).unwrap(), Rng::from_seed(1));
            let root = |db: &mut Database, name: &str| {
                db.schema().unwrap().into_iter().find(|entry| entry.name == name).unwrap().root
            };
            let trees = Trees { t: root(&mut db, "t"), i: root(&mut db, "i"), w: root(&mut db, "w") };
            db.begin().unwrap();
            (0..50).for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 200).unwrap());
            db.commit().unwrap();
            db.check(&mut order_of).unwrap();
            assert!(read(&mut db).unwrap() == model);
        }
    }
}

#[test]
fn a_crash_leaves_everything() {
    for (mode, size) in [(JournalMode::Delete, 512), (JournalMode::Delete, 2048), (JournalMode::Wal, 512)] {
        let disk = FaultyVfs::new(1);
        let (mut db, model) = holey(Arc::new(disk.clone()), mode);
        disk.record();
        db.set_page_size(size).unwrap();
        db.vacuum().unwrap();
        drop(db);
        let explored = Explorer::new(1).per_point(40).explore(&disk.recorded(), &mut |crash| {
            let mut db =
                open(Arc::new(crash.disk.clone()), "db", Options::default()).map_err(|error| error.to_string())?;
            db.check(&mut order_of).map_err(|error| error.to_string())?;
            if read(&mut db).unwrap() == model { Ok(()) } else { Err("something is missing".to_owned()) }
        });
        explored.unwrap_or_else(|failure| panic!("{mode:?} {size}: {failure}"));
    }
}

#[test]
fn what_fails_is_undone() {
    for mode in MODES {
        for operation in [Operation::Open, Operation::Write, Operation::SetLen, Operation::Sync, Operation::Remove] {
            for nth in (0..6).chain((6..300).step_by(37)) {
                let disk = FaultyVfs::new(nth);
                let (mut db, model) = holey(Arc::new(disk.clone()), mode);
                db.set_page_size(1024).unwrap();
                disk.fail(Fault::of(operation).after(nth));
                let _ = db.vacuum();
                disk.heal();
                drop(db);
                let mut db = open(Arc::new(disk), "db", Options::default()).unwrap();
                db.check(&mut order_of).unwrap();
                assert!(read(&mut db).unwrap() == model, "{mode:?} {operation:?} {nth}");
            }
        }
    }
}

#[test]
fn it_needs_to_be_alone() {
    let disk = MemoryVfs::new();
    let (mut db, model) = holey(Arc::new(disk.clone()), JournalMode::Delete);
    let mut other = open(Arc::new(disk), "db", Options::default()).unwrap();
    other.begin_read().unwrap();
    assert!(matches!(db.vacuum(), Err(Error::Locked { .. })));
    assert!(read(&mut other).unwrap() == model);
    other.end_read().unwrap();
    assert!(read(&mut db).unwrap() == model);
    db.end_read().unwrap();
    db.begin_read().unwrap();
    assert!(matches!(db.vacuum(), Err(Error::Invalid(_))));
    db.end_read().unwrap();
    db.vacuum().unwrap();
    assert!(read(&mut db).unwrap() == model);
    assert!(db.header().free_pages == 0);
    assert!(open(Arc::new(MemoryVfs::new()), "db", Options::default()).unwrap().vacuum().is_ok(), "an empty one");
}

#[test]
fn auto_vacuum_goes_if_it_is_asked_to() {
    let disk = MemoryVfs::new();
    disk.put(Path::new("db"), Arc::new(super::reading::FIXTURES[1].1.to_vec())).unwrap();
    let mut db = open(Arc::new(disk), "db", Options::default()).unwrap();
    assert!(db.header().is_auto_vacuum());
    let said = |db: &mut Database| {
        let schema = db.schema().unwrap();
        let tables = schema
            .iter()
            .filter(|entry| entry.kind == "table" && !entry.sql.as_deref().unwrap_or("").contains("WITHOUT"));
        tables.map(|entry| lines(db, &mut Cursor::table(entry.root)).unwrap()).collect::<Vec<_>>()
    };
    let before = said(&mut db);
    db.end_read().unwrap();
    assert!(matches!(db.vacuum(), Err(Error::Invalid(_))));
    db.set_journal_mode(JournalMode::Wal).unwrap();
    db.set_journal_mode(JournalMode::Delete).unwrap();
    db.drop_auto_vacuum(true);
    db.vacuum().unwrap();
    assert!(!db.header().is_auto_vacuum() && db.header().free_pages == 0);
    db.check(&mut |_| None).unwrap();
    assert_eq!(said(&mut db), before);
    db.end_read().unwrap();
    db.begin().unwrap();
    db.roll_back().unwrap();
}
