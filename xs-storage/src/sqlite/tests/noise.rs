//! Files that were changed anywhere: an error, or an answer, but no panic and no endless way.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::MemoryVfs;

use super::reading::fixtures;
use super::*;

/// Opens, walks, checks and changes whatever is there.
fn use_it(bytes: Vec<u8>, journal: Option<Vec<u8>>) {
    let disk = MemoryVfs::new();
    disk.put(Path::new("db"), Arc::new(bytes)).unwrap();
    if let Some(journal) = journal {
        disk.put(Path::new("db-journal"), Arc::new(journal)).unwrap();
    }
    let Ok(mut db) = open(Arc::new(disk), "db", Options { memory: 64 << 10, ..Options::default() }) else { return };
    let _ = db.check(&mut |_| Some(order(&["", ""])));
    let Ok(schema) = db.schema() else { return };
    let mut cursors: Vec<_> = schema
        .iter()
        .flat_map(|entry| [Cursor::table(entry.root), Cursor::index(entry.root, order(&["", ""]))])
        .collect();
    for cursor in &mut cursors {
        let _ = walk(&mut db, cursor);
    }
    if db.begin().is_err() {
        return;
    }
    for (nth, entry) in (0..).zip(&schema) {
        let record = encode(&[ValueRef::Integer(nth), ValueRef::Blob(&[7; 700])]);
        let _ = db.insert(entry.root, nth * 30, &record);
        let _ = db.insert_record(entry.root, &order(&["", ""]), &record);
        let _ = (0..20).try_for_each(|rowid| db.delete(entry.root, rowid * 3 - 37).map(drop));
        let _ = db.delete_record(entry.root, &order(&["", ""]), &[ValueRef::Integer(nth), ValueRef::Blob(&[7; 700])]);
        if db.commit().is_err() || db.begin().is_err() {
            let _ = db.roll_back();
            let _ = db.begin();
        }
        let _ = cursors.get_mut(nth as usize).map(|cursor| cursor.previous(&mut db));
    }
    for entry in &schema {
        let _ = db.drop_tree(entry.root);
    }
    let _ = db.roll_back();
}

fn walk(db: &mut Database, cursor: &mut Cursor) -> crate::Result<()> {
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

#[test]
fn changed_bytes_are_errors_at_worst() {
    let mut rng = Rng::from_seed(3);
    for (bytes, _) in fixtures() {
        for _ in 0..300 {
            let mut bytes = bytes.to_vec();
            for _ in 0..rng.below(4) + 1 {
                // Mostly what pages begin with: headers and places.
                let page = rng.index(bytes.len() / 512) * 512;
                let at = page + if rng.chance(0.7) { rng.index(24) } else { rng.index(512) };
                bytes[at] = match rng.below(4) {
                    0 => rng.next_u64() as u8,
                    1 => bytes[at] ^ 1 << rng.below(8),
                    2 => rng.index(40) as u8,
                    _ => 0,
                };
            }
            use_it(bytes, None);
        }
    }
}

#[test]
fn journals_of_noise_are_errors_at_worst() {
    let mut rng = Rng::from_seed(4);
    let (bytes, _) = fixtures().next().unwrap();
    for _ in 0..300 {
        let mut journal = vec![0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7];
        for number in [[rng.next_u64() as u32, 3][rng.index(2)], 0, 9, 512, 512] {
            journal.extend_from_slice(&(if rng.chance(0.1) { rng.next_u64() as u32 } else { number }).to_be_bytes());
        }
        journal.extend((0..rng.index(3000)).map(|_| if rng.chance(0.9) { 0 } else { rng.next_u64() as u8 }));
        use_it(bytes.to_vec(), Some(journal));
    }
}

#[test]
fn a_tree_that_leads_back_to_itself_ends() {
    // A root whose only children are one leaf, many times.
    let disk = MemoryVfs::new();
    let options = Options { page_size: 512, ..Options::default() };
    let mut db = open(Arc::new(disk.clone()), "db", options.clone()).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    for n in 0..300 {
        db.insert(t, n, &encode(&[ValueRef::Blob(&[1; 60])])).unwrap();
    }
    db.commit().unwrap();
    drop(db);
    let (_, bytes) = disk.files().into_iter().find(|(path, _)| path == Path::new("db")).unwrap();
    let mut bytes = bytes.to_vec();
    let root = (t as usize - 1) * 512;
    assert_eq!(bytes[root], 5, "an inner page");
    let child = bytes[root + 8..root + 12].to_vec();
    let count = usize::from(u16::from_be_bytes([bytes[root + 3], bytes[root + 4]]));
    assert!(count > 0);
    for at in 0..count {
        let place = usize::from(u16::from_be_bytes([bytes[root + 12 + 2 * at], bytes[root + 13 + 2 * at]]));
        bytes[root + place..root + place + 4].copy_from_slice(&child);
    }
    disk.put(Path::new("db"), Arc::new(bytes)).unwrap();
    let mut db = open(Arc::new(disk), "db", options).unwrap();
    let ends = walk(&mut db, &mut Cursor::table(t));
    assert!(ends.is_ok() || ends.is_err_and(|error| error.is_corrupt()));
    assert!(db.check(&mut |_| None).is_err_and(|error| error.is_corrupt()));
}
