//! Databases that SQLite wrote. What they hold was asked of SQLite; some small ones are kept beside this.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{MemoryVfs, SystemVfs};

use super::*;
use crate::Error;

/// Rows of all types; long ones; an index by two collations, one falling; a table without rowids; free pages.
const MAKE: &str = "
    CREATE TABLE t(a TEXT, b, c);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS)
    INSERT INTO t(rowid, a, b, c) SELECT i * 3 - 40,
        printf('%s%d', CASE i % 5 WHEN 0 THEN 'Zoë ' WHEN 1 THEN 'zo' WHEN 2 THEN 'ŻÓŁW𝄞' WHEN 3 THEN 'a  ' ELSE 'B' END, i % 17),
        CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN i % 3 WHEN 2 THEN i * 123456789123 WHEN 3 THEN -i * 99 WHEN 4 THEN i + 0.5
            WHEN 5 THEN 'it''s' ELSE -i << 40 END,
        CASE WHEN i % 50 = 0 THEN zeroblob(i * 30) WHEN i % 11 = 0 THEN x'00ff10' ELSE i END FROM n;
    CREATE INDEX ti ON t(a COLLATE NOCASE DESC, b);
    CREATE INDEX tr ON t(a COLLATE RTRIM);
    CREATE TABLE w(k TEXT, n INT, v, PRIMARY KEY(k, n DESC)) WITHOUT ROWID;
    INSERT INTO w SELECT a || CASE WHEN rowid % 40 = 0 THEN hex(zeroblob(400)) ELSE '' END, rowid, b FROM t;
    CREATE VIEW v AS SELECT a FROM t;
    CREATE TABLE gone AS SELECT * FROM t;
    DROP TABLE gone;
    DELETE FROM t WHERE rowid % 4 = 1;
    PRAGMA user_version = 77;";

const TREES: [(&str, &[&str], &str); 4] = [
    ("t", &[], "SELECT rowid, quote(a), quote(b), quote(c) FROM t ORDER BY rowid"),
    ("ti", &["-nocase", "", ""], "SELECT quote(a), quote(b), rowid FROM t ORDER BY a COLLATE NOCASE DESC, b, rowid"),
    ("tr", &["rtrim", ""], "SELECT quote(a), rowid FROM t ORDER BY a COLLATE RTRIM, rowid"),
    ("w", &["", "-"], "SELECT quote(k), quote(n), quote(v) FROM w ORDER BY k, n DESC"),
];

fn order_of(entry: &SchemaEntry) -> Option<Vec<KeyColumn>> {
    let (_, columns, _) = TREES.iter().find(|(name, ..)| *name == entry.name)?;
    Some(order(columns))
}

fn cursor(entry: &SchemaEntry) -> Cursor {
    match order_of(entry) {
        Some(order) if !order.is_empty() => Cursor::index(entry.root, order),
        _ => Cursor::table(entry.root),
    }
}

/// Everything that is to be seen in a database.
fn seen(db: &mut Database) -> String {
    let header = db.header().clone();
    let mut out = format!(
        "page_size {} encoding {:?} auto_vacuum {} user_version {} free {}\n",
        header.page_size,
        header.encoding,
        header.is_auto_vacuum(),
        header.user_version,
        header.free_pages
    );
    for entry in db.schema().unwrap() {
        out += &format!("-- {} {} on {}\n", entry.kind, entry.name, entry.table);
        if TREES.iter().any(|(name, ..)| *name == entry.name) {
            let mut cursor = cursor(&entry);
            let lines = lines(db, &mut cursor).unwrap();
            assert_eq!(lines_backwards(db, &mut cursor).unwrap(), lines.len());
            out += &(lines.join("\n") + "\n");
        }
    }
    db.check(&mut order_of).unwrap();
    out
}

fn expected(file: &Path) -> String {
    let ask = |pragma: &str| sqlite3(file, &format!("PRAGMA {pragma}")).trim().to_owned();
    let encoding = match ask("encoding").as_str() {
        "UTF-16le" => Encoding::Utf16Le,
        "UTF-16be" => Encoding::Utf16Be,
        _ => Encoding::Utf8,
    };
    let mut out = format!(
        "page_size {} encoding {encoding:?} auto_vacuum {} user_version 77 free {}\n",
        ask("page_size"),
        ask("auto_vacuum") != "0",
        ask("freelist_count"),
    );
    for entry in sqlite3(file, "SELECT type || ' ' || name || ' on ' || tbl_name FROM sqlite_schema").lines() {
        out += &format!("-- {entry}\n");
        if let Some((_, _, sql)) = TREES.iter().find(|(name, ..)| entry.split(' ').nth(1) == Some(name)) {
            out += &sqlite3(file, sql);
        }
    }
    out
}

fn make(file: &Path, page_size: u32, encoding: &str, auto_vacuum: u32, rows: u32) {
    let sql = MAKE.replace("ROWS", &rows.to_string());
    let pragmas =
        format!("PRAGMA page_size={page_size}; PRAGMA encoding='{encoding}'; PRAGMA auto_vacuum={auto_vacuum};");
    sqlite3(file, &(pragmas + &sql));
}

#[test]
#[ignore = "needs sqlite3"]
fn databases_of_every_shape_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut nth = 0;
    for page_size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
            let auto_vacuum = nth % 3;
            nth += 1;
            let file = dir.path().join(format!("{nth}.db"));
            make(&file, page_size, encoding, auto_vacuum, 1500);
            let mut db = open(Arc::new(SystemVfs), file.to_str().unwrap(), Options::default()).unwrap();
            assert_eq!(seen(&mut db), expected(&file), "{page_size} {encoding} {auto_vacuum}");
        }
    }
}

pub(super) const FIXTURES: [(&str, &[u8], &str); 3] = [
    ("utf8-512", include_bytes!("fixtures/utf8-512.db"), include_str!("fixtures/utf8-512.txt")),
    ("utf16le-512", include_bytes!("fixtures/utf16le-512.db"), include_str!("fixtures/utf16le-512.txt")),
    ("utf16be-1024", include_bytes!("fixtures/utf16be-1024.db"), include_str!("fixtures/utf16be-1024.txt")),
];

/// The fixtures as disks.
pub(super) fn fixtures() -> impl Iterator<Item = (&'static [u8], &'static str)> {
    FIXTURES.iter().map(|(_, bytes, text)| (*bytes, *text))
}

/// How the fixtures were made: the same rows in pages of 512 bytes and of 1024, with auto-vacuum in the second.
#[test]
#[ignore = "makes the fixtures anew; needs sqlite3"]
fn make_fixtures() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite/tests/fixtures");
    for (name, page_size, encoding, auto_vacuum) in
        [("utf8-512", 512, "UTF-8", 0), ("utf16le-512", 512, "UTF-16le", 1), ("utf16be-1024", 1024, "UTF-16be", 0)]
    {
        let file = dir.join(format!("{name}.db"));
        let _ = SystemVfs.remove(&file);
        make(&file, page_size, encoding, auto_vacuum, 60);
        put_file(&dir.join(format!("{name}.txt")), expected(&file).as_bytes());
    }
}

#[test]
fn kept_databases_are_read() {
    for (name, bytes, text) in FIXTURES {
        let disk = MemoryVfs::new();
        disk.put(Path::new("db"), Arc::new(bytes.to_vec())).unwrap();
        let mut db = open(Arc::new(disk), "db", Options { read_only: true, ..Options::default() }).unwrap();
        assert_eq!(seen(&mut db), text, "{name}");
    }
}

#[test]
fn every_entry_is_found_by_its_key() {
    for (bytes, _) in fixtures() {
        let disk = MemoryVfs::new();
        disk.put(Path::new("db"), Arc::new(bytes.to_vec())).unwrap();
        let mut db = open(Arc::new(disk), "db", Options::default()).unwrap();
        for entry in db.schema().unwrap().iter().filter(|entry| entry.root != 0) {
            let (mut walk, mut seek) = (cursor(entry), cursor(entry));
            let columns = order_of(entry).map_or(0, |order| order.len());
            let mut more = walk.first(&mut db).unwrap();
            let mut last = None;
            while more {
                let payload = walk.payload(&mut db).unwrap().unwrap().to_vec();
                let key = decode(&payload).unwrap();
                match walk.rowid(&db) {
                    Some(rowid) => {
                        assert_eq!(seek.seek(&mut db, rowid).unwrap(), Some(std::cmp::Ordering::Equal));
                        assert_eq!(seek.rowid(&db), Some(rowid));
                        // In between, and behind the last, as well.
                        let next = seek.seek(&mut db, last.map_or(i64::MIN, |last: i64| last + 1)).unwrap();
                        assert!(next.is_some() && seek.rowid(&db) == Some(rowid));
                        last = Some(rowid);
                    }
                    None => {
                        let found = seek.seek_columns(&mut db, &key[..columns]).unwrap();
                        assert_eq!(found, Some(std::cmp::Ordering::Equal));
                        assert_eq!(seek.payload(&mut db).unwrap().unwrap(), payload);
                        // By its first column alone: it, or one before it that is equal there.
                        let found = seek.seek_columns(&mut db, &key[..1]).unwrap();
                        assert_eq!(found, Some(std::cmp::Ordering::Equal));
                        let first = seek.payload(&mut db).unwrap().unwrap();
                        let order = order_of(entry).unwrap();
                        assert!(compare(first, &key, &order, db.header().encoding).unwrap().is_le());
                    }
                }
                more = walk.next(&mut db).unwrap();
            }
            if let Some(last) = last {
                assert_eq!(seek.seek(&mut db, last + 1).unwrap(), None);
                assert!(seek.previous(&mut db).unwrap() && seek.rowid(&db) == Some(last));
            }
        }
    }
}

#[test]
fn what_is_not_done_here_is_refused() {
    let disk = Arc::new(MemoryVfs::new());
    let put = |name: &str, bytes: &[u8]| disk.put(Path::new(name), Arc::new(bytes.to_vec())).unwrap();
    let open = |name: &str, options| open(disk.clone(), name, options);
    let utf8 = FIXTURES[0].1;
    put(
        "text",
        b"a text that is longer than the header of a database, and says nothing of use to anybody, least of all here",
    );
    assert!(matches!(open("text", Options::default()), Err(Error::NotOurs { .. })));
    put("short", b"SQLite format 3\0");
    assert!(matches!(open("short", Options::default()), Err(Error::NotOurs { .. })));
    put("auto", FIXTURES[1].1);
    assert!(matches!(open("auto", Options::default()).unwrap().begin(), Err(Error::Invalid(_))));
    put("read", utf8);
    let read = Options { read_only: true, ..Options::default() };
    assert!(matches!(open("read", read.clone()).unwrap().begin(), Err(Error::Invalid(_))));
    put("read-journal", b"not ended");
    assert!(matches!(open("read", read.clone()), Err(Error::ReadOnly { .. })));
    assert!(matches!(open("none", read), Err(Error::Io { .. })));
    put("cut", &utf8[..utf8.len() - 512]);
    assert!(matches!(open("cut", Options::default()), Err(Error::Corrupt { offset: 28, .. })));
    let mut db = open("new", Options::default()).unwrap();
    assert!(db.schema().unwrap().is_empty() && db.check(&mut |_| None).unwrap() == Report::default());
    assert!(matches!(db.insert(1, 1, &encode(&[])), Err(Error::Invalid(_))), "outside of a transaction");
    assert!(matches!(Cursor::table(1).first(&mut db), Err(Error::Invalid(_))));
}
