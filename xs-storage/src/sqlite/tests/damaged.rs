//! Files whose pages contradict each other: what was found so late that something was changed already is not committed.

use std::sync::Arc;

use xs_os::vfs::{MemoryVfs, Vfs};

use super::super::node::{self, Kind, put_u32};
use super::*;
use crate::row::varint;

fn options() -> Options {
    Options { page_size: 512, ..Options::default() }
}

fn blob(len: usize) -> Vec<u8> {
    encode(&[ValueRef::Blob(&vec![7; len])])
}

/// A table of many pages, the last row of which is on a chain; and a free list whose trunk names what is asked for.
fn names(victims: &dyn Fn(PageId, PageId, PageId) -> Vec<PageId>) -> (MemoryVfs, PageId) {
    let disk = MemoryVfs::new();
    let mut db = open(Arc::new(disk.clone()), "db", options()).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    fill(&mut db, t, 0..100, |_| blob(60));
    let chain = db.pages() + 1;
    db.insert(t, 100, &blob(700)).unwrap();
    let gone = db.create_tree(TreeKind::Table).unwrap();
    let spare = db.create_tree(TreeKind::Table).unwrap();
    db.drop_tree(gone).unwrap();
    db.drop_tree(spare).unwrap();
    let victims = victims(t, chain, spare);
    let trunk = db.pager.edit(gone).unwrap();
    put_u32(trunk, 4, victims.len() as u32);
    victims.iter().enumerate().for_each(|(at, victim)| put_u32(trunk, 8 + 4 * at, *victim));
    db.pager.header.free_pages = 1 + victims.len() as u32;
    db.commit().unwrap();
    (disk, t)
}

/// Inserts rows with chains until nothing is free; each failure is found, and nothing of it stays.
fn is_found((disk, t): (MemoryVfs, PageId), memory: u64) {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let before = disk.files();
    let mut db = open(vfs, "db", Options { memory, ..options() }).unwrap();
    lines(&mut db, &mut Cursor::table(t)).unwrap();
    db.begin().unwrap();
    let error = (101..110).try_for_each(|rowid| db.insert(t, rowid, &blob(3000)).map(drop)).unwrap_err();
    assert!(error.is_corrupt(), "{error}");
    assert!(db.commit().is_err());
    db.roll_back().unwrap();
    assert!(disk.files() == before, "the file was written to");
    assert_eq!(lines(&mut db, &mut Cursor::table(t)).unwrap().len(), 101);
}

#[test]
fn a_free_list_that_names_a_page_in_use_is_found() {
    is_found(names(&|t, _, _| vec![t]), 1 << 20);
    is_found(names(&|_, chain, _| vec![chain]), 1 << 20);
    for back in 1..15 {
        is_found(names(&|_, chain, _| vec![chain - back]), 1 << 20);
    }
}

#[test]
fn a_free_list_that_names_a_page_twice_is_found() {
    is_found(names(&|_, _, spare| vec![spare, spare]), 1 << 20);
}

#[test]
fn a_page_on_the_way_is_found_whatever_memory_forgot() {
    is_found(names(&|t, _, _| vec![t]), 0);
    is_found(names(&|_, chain, _| vec![chain - 1]), 0);
}

#[test]
fn a_chain_that_leads_back_to_itself_ends() {
    let disk = MemoryVfs::new();
    let logged = Options { journal_mode: JournalMode::Wal, ..options() };
    let mut db = open(Arc::new(disk), "db", logged).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    let long = db.create_tree(TreeKind::Table).unwrap();
    // The log says that there are enough pages for it.
    let payload = 200_000_000;
    let mut cell = Vec::new();
    varint::put(&mut cell, payload);
    varint::put(&mut cell, 1);
    let shape = db.pager.shape;
    cell.resize(cell.len() + shape.local(Kind::TableLeaf, payload), 0);
    cell.extend_from_slice(&long.to_be_bytes());
    node::write(db.pager.edit(t).unwrap(), t, Kind::TableLeaf, shape, &[&cell], 0);
    put_u32(db.pager.edit(long).unwrap(), 0, long);
    db.pager.pages = 1_000_000;
    db.commit().unwrap();
    let mut cursor = Cursor::table(t);
    assert!(cursor.first(&mut db).unwrap());
    let error = cursor.payload(&mut db).unwrap_err();
    assert!(error.to_string().contains("leads back"), "{error}");
}
