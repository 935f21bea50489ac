//! The write-ahead log: readers at what they began with, checkpoints, and what is left of a log that is not whole.

use std::sync::Arc;

use xs_os::vfs::{MemoryVfs, Vfs};

use super::writing::{Model, change, create, order_of, read};
use super::*;
use crate::Error;

fn options() -> Options {
    Options { page_size: 512, journal_mode: JournalMode::Wal, autocheckpoint: 0, ..Options::default() }
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    encode(&[ValueRef::Blob(bytes)])
}

fn table(db: &mut Database) -> PageId {
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    db.commit().unwrap();
    t
}

fn rows(db: &mut Database, t: PageId) -> usize {
    lines(db, &mut Cursor::table(t)).unwrap().len()
}

fn put(db: &mut Database, t: PageId, rowid: i64) {
    db.begin().unwrap();
    db.insert(t, rowid, &blob(&[rowid as u8; 300])).unwrap();
    db.commit().unwrap();
}

fn len(disk: &MemoryVfs, name: &str) -> Option<usize> {
    disk.files().into_iter().find(|(path, _)| path == Path::new(name)).map(|(_, bytes)| bytes.len())
}

#[test]
fn readers_stay_where_they_began() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut one = open(vfs.clone(), "db", options()).unwrap();
    assert_eq!(one.journal_mode(), JournalMode::Wal);
    let t = table(&mut one);
    put(&mut one, t, 1);
    // It stays in that mode, whatever else is asked for.
    let mut two = open(vfs.clone(), "db", Options::default()).unwrap();
    let mut three = open(vfs.clone(), "db", Options::default()).unwrap();
    assert_eq!(two.journal_mode(), JournalMode::Wal);
    two.begin_read().unwrap();
    assert_eq!(rows(&mut two, t), 1);
    put(&mut one, t, 2);
    three.begin_read().unwrap();
    assert_eq!((rows(&mut two, t), rows(&mut three, t)), (1, 2));
    put(&mut one, t, 3);
    // What two sees stays in the log; what is newer may not go over it.
    let done = one.checkpoint(Checkpoint::Passive).unwrap().unwrap();
    assert!(!done.busy && done.backfilled < done.frames, "{done:?}");
    assert!(one.checkpoint(Checkpoint::Full).unwrap().unwrap().busy);
    assert_eq!((rows(&mut two, t), rows(&mut three, t), rows(&mut one, t)), (1, 2, 3));
    one.end_read().unwrap();
    // Two can't build on what has changed since.
    assert!(matches!(two.begin(), Err(Error::Snapshot { .. })));
    two.end_read().unwrap();
    two.begin().unwrap();
    assert!(matches!(one.begin(), Err(Error::Locked { .. })), "one at a time writes");
    two.insert(t, 4, &blob(b"four")).unwrap();
    two.commit().unwrap();
    three.end_read().unwrap();
    // Nobody reads the log any more.
    let done = one.checkpoint(Checkpoint::Truncate).unwrap().unwrap();
    assert_eq!((done.busy, done.frames, done.backfilled), (false, Some(0), Some(0)));
    assert_eq!(len(&disk, "db-wal"), Some(0));
    assert_eq!((rows(&mut one, t), rows(&mut two, t), rows(&mut three, t)), (4, 4, 4));
    put(&mut three, t, 5);
    drop((one, two));
    assert!(len(&disk, "db-wal").is_some_and(|len| len > 0), "somebody has it open");
    drop(three);
    assert_eq!((len(&disk, "db-wal"), len(&disk, "db-shm")), (None, None), "the last takes it away");
    let mut db = open(vfs, "db", Options::default()).unwrap();
    assert_eq!(rows(&mut db, t), 5);
}

#[test]
fn a_log_that_everybody_has_copied_begins_anew() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut one = open(vfs.clone(), "db", Options { autocheckpoint: 8, ..options() }).unwrap();
    let mut two = open(vfs.clone(), "db", options()).unwrap();
    let t = table(&mut one);
    for rowid in 0..200 {
        put(if rowid % 3 == 0 { &mut two } else { &mut one }, t, rowid);
        assert_eq!(rows(&mut two, t), rowid as usize + 1);
        two.end_read().unwrap();
    }
    assert!(len(&disk, "db-wal").unwrap() < 20 * 536, "{:?}", len(&disk, "db-wal"));
    // Somebody who reads the log lets it grow.
    put(&mut two, t, 200);
    two.begin_read().unwrap();
    (201..260).for_each(|rowid| put(&mut one, t, rowid));
    assert!(len(&disk, "db-wal").unwrap() > 50 * 536);
    assert_eq!((rows(&mut two, t), rows(&mut one, t)), (201, 260));
}

#[test]
fn a_log_that_begins_anew_is_cut_to_its_limit() {
    let disk = MemoryVfs::new();
    let mut db = open(Arc::new(disk.clone()), "db", options()).unwrap();
    let t = table(&mut db);
    (0..60).for_each(|rowid| put(&mut db, t, rowid));
    let long = len(&disk, "db-wal").unwrap();
    assert!(long > 60 * 536);
    db.checkpoint(Checkpoint::Passive).unwrap();
    put(&mut db, t, 60);
    assert_eq!(len(&disk, "db-wal"), Some(long), "what is there is written over");
    db.set_journal_limit(Some(5000));
    db.checkpoint(Checkpoint::Passive).unwrap();
    put(&mut db, t, 61);
    assert_eq!((len(&disk, "db-wal"), rows(&mut db, t)), (Some(5000), 62));
    db.set_journal_limit(Some(0));
    db.checkpoint(Checkpoint::Passive).unwrap();
    put(&mut db, t, 62);
    assert!(len(&disk, "db-wal").is_some_and(|len| len < 5000 && len > 500));
    db.end_read().unwrap();
    db.set_journal_mode(JournalMode::Persist).unwrap();
    put(&mut db, t, 63);
    assert_eq!((len(&disk, "db-journal"), rows(&mut db, t)), (Some(0), 64));
}

#[test]
fn modes_change_when_nobody_else_is_there() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut one = open(vfs.clone(), "db", Options { journal_mode: JournalMode::Truncate, ..options() }).unwrap();
    let t = table(&mut one);
    let mut two = open(vfs.clone(), "db", Options::default()).unwrap();
    one.set_journal_mode(JournalMode::Wal).unwrap();
    assert!(one.header().read_version == 2 && len(&disk, "db-wal") == Some(0));
    // The other notices when it reads next.
    assert_eq!(two.journal_mode(), JournalMode::Delete);
    put(&mut one, t, 1);
    assert_eq!(rows(&mut two, t), 1);
    assert_eq!(two.journal_mode(), JournalMode::Wal);
}

#[test]
fn leaving_the_log_needs_everybody_else_gone() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut one = open(vfs.clone(), "db", options()).unwrap();
    let t = table(&mut one);
    let two = open(vfs.clone(), "db", options()).unwrap();
    assert!(matches!(one.set_journal_mode(JournalMode::Delete), Err(Error::Locked { .. })));
    put(&mut one, t, 1);
    one.begin().unwrap();
    assert!(matches!(one.set_journal_mode(JournalMode::Delete), Err(Error::Invalid(_))));
    one.roll_back().unwrap();
    drop(two);
    one.set_journal_mode(JournalMode::Persist).unwrap();
    assert_eq!((one.journal_mode(), one.header().read_version), (JournalMode::Persist, 1));
    assert_eq!((len(&disk, "db-wal"), len(&disk, "db-shm")), (None, None));
    put(&mut one, t, 2);
    assert!(len(&disk, "db-journal").is_some() && rows(&mut one, t) == 2);
    let mut two = open(vfs, "db", Options::default()).unwrap();
    assert_eq!((rows(&mut two, t), two.journal_mode()), (2, JournalMode::Delete));
}

#[test]
fn one_that_is_alone_needs_no_shared_index() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let alone = Options { locking: Locking::Exclusive, autocheckpoint: 20, ..options() };
    let mut db = open(vfs.clone(), "db", alone.clone()).unwrap();
    let t = table(&mut db);
    (0..40).for_each(|rowid| put(&mut db, t, rowid));
    assert!(len(&disk, "db-wal").is_some() && len(&disk, "db-shm").is_none());
    assert!(matches!(open(vfs.clone(), "db", Options::default()), Err(Error::Locked { .. })));
    drop(db);
    let mut db = open(vfs.clone(), "db", alone).unwrap();
    put(&mut db, t, 40);
    db.set_journal_mode(JournalMode::Delete).unwrap();
    put(&mut db, t, 41);
    db.set_journal_mode(JournalMode::Wal).unwrap();
    put(&mut db, t, 42);
    assert_eq!(rows(&mut db, t), 43);
    drop(db);
    assert_eq!(rows(&mut open(vfs, "db", Options::default()).unwrap(), t), 43);
}

/// Whatever is changed or missing in a log, what is left is a state that was committed, and none that was not.
#[test]
fn a_damaged_log_counts_up_to_the_damage() {
    let disk = MemoryVfs::new();
    let mut db = open(Arc::new(disk.clone()), "db", options()).unwrap();
    let mut rng = Rng::from_seed(5);
    db.begin().unwrap();
    let trees = create(&mut db).unwrap();
    db.commit().unwrap();
    let mut states = vec![Model::default()];
    for nth in 0..12 {
        let mut model = states[nth].clone();
        db.begin().unwrap();
        (0..8).for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 60).unwrap());
        db.commit().unwrap();
        states.push(model);
    }
    let files = disk.fork();
    let log = files.files().into_iter().find(|(path, _)| path == Path::new("db-wal")).unwrap().1;
    let mut found = vec![0; states.len()];
    for nth in 0..400 {
        let disk = files.fork();
        let mut bytes = log.to_vec();
        let at = rng.index(bytes.len());
        match nth % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << rng.below(8),
            _ => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = rng.next_u64() as u8),
        }
        disk.put(Path::new("db-wal"), Arc::new(bytes)).unwrap();
        let mut db = match open(Arc::new(disk), "db", options()) {
            // Behind a version that is not known, nothing is.
            Err(Error::NewerFormat { .. }) => continue,
            opened => opened.unwrap(),
        };
        match db.schema().unwrap().is_empty() {
            true => assert!(at < 20 * 536, "{at}: nothing is left"),
            false => {
                db.check(&mut order_of).unwrap();
                let model = read(&mut db).unwrap();
                let state = states.iter().position(|state| *state == model).expect("a state");
                found[state] += 1;
            }
        }
    }
    assert!(found.iter().filter(|count| **count > 0).count() > 8, "{found:?}");
}

/// Two copies of what SQLite has in a log, with its index and without, one of them cut off in the middle of a transaction.
const LOG: &str = r#"
import shutil, sqlite3, sys
where, size = sys.argv[1:]
db = sqlite3.connect(where + "/theirs", isolation_level=None)
db.executescript(f"""PRAGMA page_size={size}; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5;
    CREATE TABLE t(x); CREATE INDEX i ON t(x); CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID;""")
for turn in range(3):
    db.execute("BEGIN")
    for n in range(300):
        db.execute("INSERT INTO t VALUES (?)", (bytes([n % 251]) * (n % 90 * 7),))
        db.execute("INSERT INTO w VALUES (?, ?)", (bytes([n % 251, n // 251, turn]) * (n % 60 + 1), n))
    db.execute("COMMIT")
    if turn == 1:
        db.execute("PRAGMA wal_checkpoint(RESTART)")
print("\n".join(f"{r[0]}|{r[1]}" for r in db.execute("SELECT rowid, quote(x) FROM t")))
db.execute("BEGIN")
db.execute("UPDATE t SET x = zeroblob(rowid * 3) WHERE rowid % 2")
db.execute("INSERT INTO t SELECT zeroblob(1000) FROM t")
for name in ["", "-wal", "-shm"]:
    shutil.copy(where + "/theirs" + name, where + "/copy" + name)
"#;

#[test]
#[ignore = "needs python3 with sqlite3"]
fn a_log_of_sqlite_is_read() {
    for size in ["512", "4096", "65536"] {
        let dir = tempfile::tempdir().unwrap();
        let ran = Command::new("python3").args(["-c", LOG]).arg(dir.path()).arg(size).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let path = dir.path().join("copy");
        assert!(get_file(&dir.path().join("copy-wal")).len() > 100_000);
        let mut db = open(Arc::new(SystemVfs), path.to_str().unwrap(), Options::default()).unwrap();
        db.check(&mut order_of).unwrap();
        let t = db.schema().unwrap().into_iter().find(|entry| entry.name == "t").unwrap();
        let rows = lines(&mut db, &mut Cursor::table(t.root)).unwrap();
        assert_eq!(rows.join("\n") + "\n", String::from_utf8(ran.stdout).unwrap());
        drop(db);
        assert!(!dir.path().join("copy-wal").exists() && !dir.path().join("copy-shm").exists());
        assert_eq!(sqlite3(&path, "PRAGMA integrity_check"), "ok\n");
    }
}

/// An index is memory of whoever writes to it: what makes no sense there must not bring anybody down.
#[test]
fn an_index_of_noise_is_no_end() {
    use std::sync::atomic::Ordering;
    use xs_os::vfs::Open;

    let mut rng = Rng::from_seed(11);
    for turn in 0..60 {
        let disk = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut db = open(vfs.clone(), "db", options()).unwrap();
        let t = table(&mut db);
        (0..20).for_each(|rowid| put(&mut db, t, rowid));
        let index = vfs.open(Path::new("db-shm"), Open::Write).unwrap().share_words(0, 8192).unwrap();
        let words = index.words();
        for _ in 0..[1, 30, 3000][turn % 3] {
            // Behind the headers, which have sums: the marks, the pages and their places.
            let at = if turn < 30 { 24 + rng.index(8192 - 24) } else { rng.index(8192) };
            words[at]
                .store(if rng.chance(0.5) { rng.next_u64() as u32 } else { rng.below(40) as u32 }, Ordering::SeqCst);
        }
        let mut other = open(vfs.clone(), "db", options());
        for db in [Ok(&mut db), other.as_mut()].into_iter().flatten() {
            let _ = db.schema();
            let _ = lines(db, &mut Cursor::table(t));
            let _ = db.end_read();
            let _ = db.begin().and_then(|()| db.insert(t, 5, &blob(b"x")).map(drop)).and_then(|()| db.commit());
            let _ = db.roll_back();
            let _ = db.checkpoint(Checkpoint::Passive);
        }
    }
}
