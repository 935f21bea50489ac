//! Random changes against maps; what was written is what SQLite takes for sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use xs_os::vfs::{MemoryVfs, SystemVfs};

use super::*;

/// A table `t(x)` with an index over `x`, and a table without rowids `w(k PRIMARY KEY, v)`.
pub(super) struct Trees {
    pub(super) t: PageId,
    pub(super) i: PageId,
    pub(super) w: PageId,
}

pub(super) fn by_two() -> Vec<KeyColumn> {
    order(&["", ""])
}

pub(super) fn create(db: &mut Database) -> crate::Result<Trees> {
    let (t, i, w) =
        (db.create_tree(TreeKind::Table)?, db.create_tree(TreeKind::Index)?, db.create_tree(TreeKind::Index)?);
    let sql = [
        ("table", "t", "t", t, "CREATE TABLE t(x)"),
        ("index", "i", "t", i, "CREATE INDEX i ON t(x)"),
        ("table", "w", "w", w, "CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID"),
    ];
    let encoding = db.header().encoding;
    for (rowid, (kind, name, table, root, sql)) in (1..).zip(sql) {
        let [kind, name, table, sql] = [kind, name, table, sql].map(|text| encoding.encode(text));
        let text = [ValueRef::Text(&kind), ValueRef::Text(&name), ValueRef::Text(&table)];
        let record = encode(&[text[0], text[1], text[2], ValueRef::Integer(root.into()), ValueRef::Text(&sql)]);
        db.insert(1, rowid, &record)?;
    }
    db.change_schema()?;
    Ok(Trees { t, i, w })
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) t: BTreeMap<i64, Vec<u8>>,
    pub(super) w: BTreeMap<Vec<u8>, i64>,
}

fn blob(rng: &mut Rng, longest: usize) -> Vec<u8> {
    let len = match rng.below(20) {
        0 => rng.index(longest),
        1..=4 => rng.index(300),
        _ => rng.index(40),
    };
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

/// One change, of both.
pub(super) fn change(
    db: &mut Database,
    trees: &Trees,
    model: &mut Model,
    rng: &mut Rng,
    keys: u64,
) -> crate::Result<()> {
    let take_out = |db: &mut Database, model: &mut Model, rowid: i64| {
        if let Some(old) = model.t.remove(&rowid) {
            let key = [ValueRef::Blob(&old), ValueRef::Integer(rowid)];
            assert!(db.delete_record(trees.i, &by_two(), &key)?);
        }
        Ok::<_, crate::Error>(())
    };
    let rowid = match rng.below(4) {
        0 => model.t.last_key_value().map_or(1, |(last, _)| last + 1),
        _ => rng.below(keys) as i64 - 20,
    };
    match rng.below(10) {
        0..=4 => {
            let x = blob(rng, 3000);
            let known = model.t.contains_key(&rowid);
            take_out(db, model, rowid)?;
            assert_eq!(db.insert(trees.t, rowid, &encode(&[ValueRef::Blob(&x)]))?, known);
            assert!(!db.insert_record(trees.i, &by_two(), &encode(&[ValueRef::Blob(&x), ValueRef::Integer(rowid)]))?);
            model.t.insert(rowid, x);
        }
        5 | 6 => {
            let known = model.t.contains_key(&rowid);
            take_out(db, model, rowid)?;
            assert_eq!(db.delete(trees.t, rowid)?, known);
        }
        7 | 8 => {
            let key = match rng.chance(0.5) && !model.w.is_empty() {
                true => model.w.keys().nth(rng.index(model.w.len())).cloned().unwrap_or_default(),
                false => blob(rng, 900),
            };
            let v = rng.next_u64() as i64 >> rng.below(64);
            let record = encode(&[ValueRef::Blob(&key), ValueRef::Integer(v)]);
            let known = model.w.insert(key, v).is_some();
            assert_eq!(db.insert_record(trees.w, &order(&[""]), &record)?, known);
        }
        _ if !model.w.is_empty() => {
            let key = model.w.keys().nth(rng.index(model.w.len())).cloned().unwrap_or_default();
            model.w.remove(&key);
            assert!(db.delete_record(trees.w, &order(&[""]), &[ValueRef::Blob(&key)])?);
            assert!(!db.delete_record(trees.w, &order(&[""]), &[ValueRef::Blob(&key)])?);
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn order_of(entry: &SchemaEntry) -> Option<Vec<KeyColumn>> {
    match entry.name.as_str() {
        "i" => Some(by_two()),
        "w" => Some(order(&[""])),
        _ => None,
    }
}

/// Reads everything back.
pub(super) fn read(db: &mut Database) -> crate::Result<Model> {
    let mut model = Model::default();
    let schema = db.schema()?;
    let Some(t) = schema.iter().find(|entry| entry.name == "t") else { return Ok(model) };
    let mut cursor = Cursor::table(t.root);
    let mut more = cursor.first(db)?;
    while more {
        let rowid = cursor.rowid(db).unwrap();
        match decode(cursor.payload(db)?.unwrap()).unwrap()[..] {
            [ValueRef::Blob(x)] => model.t.insert(rowid, x.to_vec()),
            _ => panic!("a row of another kind"),
        };
        more = cursor.next(db)?;
    }
    let w = schema.iter().find(|entry| entry.name == "w").unwrap();
    let mut cursor = Cursor::index(w.root, order(&[""]));
    let mut more = cursor.first(db)?;
    while more {
        match decode(cursor.payload(db)?.unwrap()).unwrap()[..] {
            [ValueRef::Blob(k), ValueRef::Integer(v)] => model.w.insert(k.to_vec(), v),
            _ => panic!("a row of another kind"),
        };
        more = cursor.next(db)?;
    }
    let i = schema.iter().find(|entry| entry.name == "i").unwrap();
    let mut cursor = Cursor::index(i.root, by_two());
    let mut expected: Vec<_> = model.t.iter().map(|(rowid, x)| (x.clone(), *rowid)).collect();
    expected.sort();
    let mut more = cursor.first(db)?;
    for (x, rowid) in expected {
        assert!(more);
        let found = decode(cursor.payload(db)?.unwrap()).unwrap();
        assert_eq!(found, [ValueRef::Blob(&x), ValueRef::Integer(rowid)]);
        more = cursor.next(db)?;
    }
    assert!(!more);
    Ok(model)
}

/// Makes the index of the model's rows at once.
fn refill(db: &mut Database, index: PageId, model: &Model) {
    let mut rows: Vec<_> = model.t.iter().map(|(rowid, x)| (x, *rowid)).collect();
    rows.sort();
    let records: Vec<_> =
        rows.iter().map(|(x, rowid)| encode(&[ValueRef::Blob(x), ValueRef::Integer(*rowid)])).collect();
    db.clear_tree(index).unwrap();
    db.fill_index(index, &mut records.iter().map(|record| &record[..])).unwrap();
}

/// Transactions of some changes each, some rolled back; compared after each, and opened again now and then.
fn run(vfs: Arc<dyn Vfs>, path: &str, options: Options, seed: u64, transactions: u32) -> Model {
    let mut rng = Rng::from_seed(seed);
    let mut db = open(vfs.clone(), path, options.clone()).unwrap();
    db.begin().unwrap();
    let trees = create(&mut db).unwrap();
    db.commit().unwrap();
    let mut model = Model::default();
    for nth in 0..transactions {
        let mut next = model.clone();
        db.begin().unwrap();
        // Grows, then shrinks to nothing, then grows again.
        let keys = [50, 2000, 300][nth as usize % 3];
        if nth % 11 == 10 {
            for root in [trees.t, trees.i, trees.w] {
                db.clear_tree(root).unwrap();
            }
            next = Model::default();
        }
        if nth % 3 == 2 {
            refill(&mut db, trees.i, &next);
        }
        for _ in 0..rng.below(300) {
            change(&mut db, &trees, &mut next, &mut rng, keys).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        match rng.chance(0.25) {
            true => db.roll_back().unwrap(),
            false => {
                db.commit().unwrap();
                model = next;
            }
        }
        if rng.chance(0.3) {
            drop(db);
            db = open(vfs.clone(), path, options.clone()).unwrap();
        }
        db.check(&mut order_of).unwrap_or_else(|error| panic!("seed {seed}, transaction {nth}: {error}"));
        assert!(read(&mut db).unwrap() == model, "seed {seed}, transaction {nth}");
    }
    model
}

fn shapes() -> impl Iterator<Item = Options> + Clone {
    let sizes = [(512, 0), (1024, 1 << 20), (4096, 1 << 20), (65536, 8 << 20)];
    let modes = [JournalMode::Delete, JournalMode::Truncate, JournalMode::Persist, JournalMode::Delete];
    let encodings = [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Utf8];
    sizes.into_iter().zip(modes).zip(encodings).map(|(((page_size, memory), journal_mode), encoding)| Options {
        page_size,
        memory,
        journal_mode,
        encoding,
        ..Options::default()
    })
}

#[test]
fn random_transactions_are_what_maps_hold() {
    for (seed, options) in (1..).zip(shapes()) {
        run(Arc::new(MemoryVfs::new()), "db", options, seed, 25);
    }
}

#[test]
#[ignore = "needs sqlite3"]
fn what_is_written_is_sound_to_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    for (seed, options) in (1..=16).zip(shapes().cycle()) {
        let file = dir.path().join(format!("{seed}.db"));
        let model = run(Arc::new(SystemVfs), file.to_str().unwrap(), options, seed, 12);
        assert_eq!(sqlite3(&file, "PRAGMA integrity_check"), "ok\n", "seed {seed}");
        let rows: String = model
            .t
            .iter()
            .map(|(rowid, x)| format!("{rowid}|{}\n", quoted(&ValueRef::Blob(x), Encoding::Utf8)))
            .collect();
        assert!(sqlite3(&file, "SELECT rowid, quote(x) FROM t ORDER BY rowid") == rows, "seed {seed}");
        let rows: String =
            model.w.iter().map(|(k, v)| format!("{}|{v}\n", quoted(&ValueRef::Blob(k), Encoding::Utf8))).collect();
        assert!(sqlite3(&file, "SELECT quote(k), v FROM w ORDER BY k") == rows, "seed {seed}");
        // SQLite writes on, and this reads it again.
        sqlite3(&file, "INSERT INTO t SELECT zeroblob(rowid * 7) FROM t LIMIT 50; DELETE FROM w WHERE v % 2; REINDEX;");
        let mut db = open(Arc::new(SystemVfs), file.to_str().unwrap(), Options::default()).unwrap();
        db.check(&mut order_of).unwrap();
        read(&mut db).unwrap();
    }
}

#[test]
fn rowids_in_order_fill_their_pages() {
    let mut db = open(Arc::new(MemoryVfs::new()), "db", Options::default()).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    for rowid in 0..20_000 {
        db.insert(t, rowid, &encode(&[ValueRef::Integer(rowid), ValueRef::Text(b"twenty bytes of text")])).unwrap();
    }
    db.commit().unwrap();
    // Some 27 bytes each: 4096 / 30 to a page, and hardly a page more.
    assert!(db.pages() < 20_000 * 30 / 4096 + 8, "{}", db.pages());
    db.begin().unwrap();
    db.drop_tree(t).unwrap();
    db.commit().unwrap();
    assert_eq!(db.header().free_pages + 1, db.pages());
}

#[test]
fn an_index_that_is_filled_at_once_is_sound_and_dense() {
    for len in [0, 1, 3, 40, 700] {
        let options = Options { page_size: 512, memory: 64 << 10, ..Options::default() };
        let mut db = open(Arc::new(MemoryVfs::new()), "db", options).unwrap();
        db.begin().unwrap();
        let trees = create(&mut db).unwrap();
        let mut model = Model::default();
        for count in [0, 1, 4, 5, 60, 1500] {
            while model.t.len() < count {
                let rowid = model.t.len() as i64;
                let x = [&(rowid as u32).to_be_bytes()[..], &vec![7; len]].concat();
                db.insert(trees.t, rowid, &encode(&[ValueRef::Blob(&x)])).unwrap();
                model.t.insert(rowid, x);
            }
            refill(&mut db, trees.i, &model);
            db.check(&mut order_of).unwrap();
            assert!(read(&mut db).unwrap() == model);
        }
        let again = db.fill_index(trees.i, &mut std::iter::empty());
        assert!(matches!(again, Err(crate::Error::Invalid(_))));
        db.roll_back().unwrap();
    }
    let mut db = open(Arc::new(MemoryVfs::new()), "db", Options::default()).unwrap();
    db.begin().unwrap();
    let tree = db.create_tree(TreeKind::Index).unwrap();
    let records: Vec<_> =
        (0..20_000).map(|n| encode(&[ValueRef::Integer(n + 40_000), ValueRef::Integer(n + 40_000)])).collect();
    db.fill_index(tree, &mut records.iter().map(|record| &record[..])).unwrap();
    db.commit().unwrap();
    // Ten bytes each and their place, and hardly a page more.
    assert!(db.pages() < 20_000 * 12 / 4096 + 5, "{}", db.pages());
}

#[test]
fn cursors_find_their_place_after_changes() {
    for page_size in [512, 4096] {
        let mut db = open(Arc::new(MemoryVfs::new()), "db", Options { page_size, ..Options::default() }).unwrap();
        db.begin().unwrap();
        let trees = create(&mut db).unwrap();
        let key = |n: i64| format!("{n:05}{}", "-".repeat(n as usize % 400)).into_bytes();
        for n in 0..300 {
            db.insert(trees.t, n, &encode(&[ValueRef::Integer(n)])).unwrap();
            db.insert_record(trees.w, &order(&[""]), &encode(&[ValueRef::Text(&key(n)), ValueRef::Integer(n)]))
                .unwrap();
        }
        let (mut table, mut index) = (Cursor::table(trees.t), Cursor::index(trees.w, order(&[""])));
        assert!(table.first(&mut db).unwrap() && index.first(&mut db).unwrap());
        // Each is deleted under its cursor: one by one, forwards, until none is left but every third.
        let mut seen = Vec::new();
        loop {
            let n = table.rowid(&db).unwrap();
            let here = decode(index.payload(&mut db).unwrap().unwrap()).unwrap()[1];
            assert_eq!(here, ValueRef::Integer(n));
            seen.push(n);
            if n % 3 != 0 {
                assert!(db.delete(trees.t, n).unwrap());
                assert!(db.delete_record(trees.w, &order(&[""]), &[ValueRef::Text(&key(n))]).unwrap());
                assert_eq!(table.payload(&mut db).unwrap(), None, "deleted");
            }
            let more = table.next(&mut db).unwrap();
            assert_eq!(index.next(&mut db).unwrap(), more);
            if !more {
                break;
            }
        }
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        let mut back = Vec::new();
        while table.previous(&mut db).unwrap() {
            assert!(index.previous(&mut db).unwrap());
            let n = table.rowid(&db).unwrap();
            let here = decode(index.payload(&mut db).unwrap().unwrap()).unwrap()[1];
            assert_eq!(here, ValueRef::Integer(n));
            back.push(n);
            db.delete(trees.t, n).unwrap();
            db.delete_record(trees.w, &order(&[""]), &[ValueRef::Text(&key(n))]).unwrap();
        }
        assert_eq!(back, (0..300).rev().filter(|n| n % 3 == 0).collect::<Vec<_>>());
        db.check(&mut order_of).unwrap();
        db.roll_back().unwrap();
        assert_eq!(db.pages(), 0);
    }
}
