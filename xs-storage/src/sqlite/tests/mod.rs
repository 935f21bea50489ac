//! The format against models, SQLite, crashes and noise.

mod crashes;
mod damaged;
mod logged;
mod noise;
mod plain;
mod reading;
mod savepoints;
mod sharing;
mod vacuum;
mod writing;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::{Open, SystemVfs, Vfs, VfsExt};

use super::*;

fn open(vfs: Arc<dyn Vfs>, path: &str, options: Options) -> crate::Result<Database> {
    Database::open(vfs, Path::new(path), options, Rng::from_seed(7))
}

/// The columns of an index: each with its collation, `-` in front of it where the highest comes first, and the rowid.
fn order(columns: &[&str]) -> Vec<KeyColumn> {
    let column = |text: &&str| KeyColumn {
        collation: match text.trim_start_matches('-') {
            "nocase" => Collation::NoCase,
            "rtrim" => Collation::Rtrim,
            _ => Collation::Binary,
        },
        descending: text.starts_with('-'),
    };
    columns.iter().map(column).collect()
}

fn quoted(value: &ValueRef<'_>, encoding: Encoding) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(real) => format!("{real:?}"),
        ValueRef::Text(text) => format!("'{}'", encoding.decode(text).replace('\'', "''")),
        ValueRef::Blob(blob) => format!("X'{}'", blob.iter().map(|byte| format!("{byte:02X}")).collect::<String>()),
    }
}

/// Every entry of a tree, a line each, as SQLite's `quote` would print them.
fn lines(db: &mut Database, cursor: &mut Cursor) -> crate::Result<Vec<String>> {
    let encoding = db.header().encoding;
    let mut lines = Vec::new();
    let mut more = cursor.first(db)?;
    while more {
        let rowid = cursor.rowid(db);
        let payload = cursor.payload(db)?.expect("an entry");
        let columns = decode(payload).expect("a record");
        let columns = columns.iter().map(|column| quoted(column, encoding));
        lines.push(rowid.map(|rowid| rowid.to_string()).into_iter().chain(columns).collect::<Vec<_>>().join("|"));
        more = cursor.next(db)?;
    }
    Ok(lines)
}

/// The same from behind.
fn lines_backwards(db: &mut Database, cursor: &mut Cursor) -> crate::Result<usize> {
    let mut count = 0;
    let mut more = cursor.last(db)?;
    while more {
        count += 1;
        more = cursor.previous(db)?;
    }
    Ok(count)
}

/// Puts rows into a table.
fn fill(db: &mut Database, t: PageId, rowids: std::ops::Range<i64>, record: impl Fn(i64) -> Vec<u8>) {
    for rowid in rowids {
        db.insert(t, rowid, &record(rowid)).unwrap();
    }
}

/// Puts a file onto the real disk, where SQLite finds it.
fn put_file(path: &Path, bytes: &[u8]) {
    let file = SystemVfs.open(path, Open::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// A file of the real disk; empty if there is none.
fn get_file(path: &Path) -> Vec<u8> {
    SystemVfs.read(path, 1 << 30).unwrap_or_default()
}

/// What the sqlite3 shell says to some statements.
fn sqlite3(file: &Path, sql: &str) -> String {
    let ran = Command::new("sqlite3").arg("-batch").arg(file).arg(sql).output().expect("sqlite3");
    assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}
