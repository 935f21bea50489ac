//! Versions in an engine, as they were written on the day that their layout was settled, kept as a dump.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{SystemVfs, Vfs, VfsExt};
use xs_storage::dump;
use xs_storage::engine::{Cursor, Durability, Engine, KeyRange, MemoryEngine, ReadView};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Timestamp};

use super::open;

/// All history is kept, so that old versions stay.
fn options() -> Options {
    Options { keep: 100, ..Options::default() }
}

/// Three commits: puts, one over another, a removal; keys with zeros, and one that another begins with.
fn fill(store: &Mvcc) {
    for round in 0..3_u8 {
        let mut tx = store.begin(Isolation::Snapshot);
        tx.put(b"", &[round]).unwrap();
        tx.put(b"a", &[round; 3]).unwrap();
        tx.put(b"a\0", &[round; 4]).unwrap();
        tx.put(b"a\0\0b", &[round; 5]).unwrap();
        if round == 1 {
            tx.delete(b"a").unwrap();
        }
        if round == 2 {
            tx.delete(b"a\0").unwrap();
        }
        drop(tx.commit(Durability::Buffered).unwrap());
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mvcc-1/dump")
}

fn content(view: &dyn ReadView) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    let entry = |cursor: &dyn Cursor| (cursor.key().to_vec(), cursor.value().unwrap().to_vec());
    std::iter::from_fn(|| cursor.next().unwrap().then(|| entry(&*cursor))).collect()
}

#[test]
fn versions_of_format_1_stay_readable() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bytes = SystemVfs.read(&fixture(), 1 << 20).expect("the fixture is part of the source");
    dump::restore(&*engine, &mut &bytes[..], &mut |_| {}).unwrap();
    let (kept, fresh) = (open(engine.clone(), options()), open(Arc::new(MemoryEngine::new()), options()));
    fill(&fresh);
    assert_eq!(kept.last(), fresh.last());
    for at in 1..=fresh.last().0 {
        let (kept, fresh) = (kept.at(Timestamp(at)).unwrap(), fresh.at(Timestamp(at)).unwrap());
        assert_eq!(content(&kept), content(&fresh), "at {at}");
        assert!(!content(&fresh).is_empty());
    }
    // It goes on where it was.
    fill(&kept);
    assert!(kept.last() > fresh.last());
}

#[test]
#[ignore = "writes the fixture, which stays as it is until there is a format 2"]
fn write_the_fixture_of_format_1() {
    let engine = Arc::new(MemoryEngine::new());
    fill(&open(engine.clone(), options()));
    let mut out = Vec::new();
    dump::save(&*engine, &mut out, &mut |_| {}).unwrap();
    SystemVfs.create_dir(fixture().parent().unwrap()).unwrap();
    SystemVfs.replace(&fixture(), &out).unwrap();
}
