//! A database of SQLite's format, changed anywhere, and with any journal: an answer or an error, in bounded time and memory.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use xs_os::Rng;
use xs_os::vfs::MemoryVfs;
use xs_storage::sqlite::{Cursor, Database, KeyColumn, Options, TreeKind, ValueRef, encode};

const PAGE: u32 = 512;

fn open(disk: &MemoryVfs) -> xs_storage::Result<Database> {
    let options = Options { page_size: PAGE, memory: 64 << 10, ..Options::default() };
    Database::open(Arc::new(disk.clone()), Path::new("db"), options, Rng::from_seed(1))
}

/// A table and an index of some levels, long records, free pages.
fn made() -> xs_storage::Result<Vec<u8>> {
    let disk = MemoryVfs::new();
    let mut db = open(&disk)?;
    db.begin()?;
    let (table, index) = (db.create_tree(TreeKind::Table)?, db.create_tree(TreeKind::Index)?);
    for (rowid, (kind, root)) in (1..).zip([("table", table), ("index", index)]) {
        let text = ValueRef::Text(kind.as_bytes());
        db.insert(1, rowid, &encode(&[text, text, text, ValueRef::Integer(root.into()), ValueRef::Null]))?;
    }
    for n in 0..150 {
        let long = vec![n as u8; if n % 20 == 0 { 900 } else { 20 }];
        db.insert(table, n, &encode(&[ValueRef::Integer(n * 31), ValueRef::Blob(&long)]))?;
        db.insert_record(index, &[KeyColumn::default(); 2], &encode(&[ValueRef::Blob(&long), ValueRef::Integer(n)]))?;
    }
    for n in 30..60 {
        db.delete(table, n)?;
    }
    db.commit()?;
    drop(db);
    Ok(disk.files().into_iter().find(|(path, _)| path == Path::new("db")).map_or(Vec::new(), |(_, bytes)| bytes.to_vec()))
}

static BASE: LazyLock<Vec<u8>> = LazyLock::new(|| made().unwrap());

fn walk(db: &mut Database, cursor: &mut Cursor) -> xs_storage::Result<()> {
    let mut more = cursor.first(db)?;
    while more {
        cursor.payload(db)?;
        more = cursor.next(db)?;
    }
    let mut more = cursor.last(db)?;
    while more {
        more = cursor.previous(db)?;
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, data)) = data.split_first() else { return };
    // A file of the fuzzer's own, or four bytes for each change of a good one: two for the place, the byte, one for a journal.
    let (mut file, mut journal) = (data.to_vec(), Vec::new());
    if control & 1 == 0 {
        file.clone_from(&BASE);
        for edit in data.as_chunks::<4>().0 {
            let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % file.len();
            file[at] = edit[2];
            journal.push(edit[3]);
        }
    }
    let disk = MemoryVfs::new();
    let put = |name: &str, bytes: Vec<u8>| disk.put(Path::new(name), Arc::new(bytes)).unwrap();
    put("db", file);
    if control & 2 != 0 {
        put("db-journal", journal);
    }
    let Ok(mut db) = open(&disk) else { return };
    let order = [KeyColumn::default(); 2];
    let _ = db.check(&mut |_| Some(order.to_vec()));
    let Ok(schema) = db.schema() else { return };
    for entry in schema.iter().take(8) {
        let _ = walk(&mut db, &mut Cursor::table(entry.root));
        let _ = walk(&mut db, &mut Cursor::index(entry.root, order));
    }
    if control & 4 == 0 || db.begin().is_err() {
        return;
    }
    let record = encode(&[ValueRef::Blob(&[7; 700]), ValueRef::Integer(3)]);
    // What fails is undone to where it began.
    let savepoint = (control & 8 != 0).then(|| db.savepoint().unwrap());
    for entry in schema.iter().take(8) {
        let _ = db.insert(entry.root, 45, &record);
        let _ = db.delete(entry.root, 3);
        let _ = db.insert_record(entry.root, &order, &record);
        let _ = db.delete_record(entry.root, &order, &[ValueRef::Blob(&[7; 700]), ValueRef::Integer(3)]);
        if let Some(savepoint) = savepoint {
            db.roll_back_to(savepoint).unwrap();
        }
    }
    if db.commit().is_err() {
        let _ = db.roll_back();
    }
    let _ = db.check(&mut |_| None);
});
