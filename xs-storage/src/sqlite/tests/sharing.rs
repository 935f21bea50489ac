//! Several handles on one database, ours and SQLite's: they take turns, and nothing is lost.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use xs_os::vfs::MemoryVfs;
use xs_os::{Clock, SystemClock, VirtualClock};

use super::*;
use crate::Error;

fn integer(n: i64) -> Vec<u8> {
    encode(&[ValueRef::Integer(n)])
}

/// Twenty of them fill a page.
fn long() -> Vec<u8> {
    encode(&[ValueRef::Blob(&[3; 200])])
}

fn locked<T: std::fmt::Debug>(result: crate::Result<T>) -> bool {
    matches!(result, Err(Error::Locked { .. }))
}

/// A table with row 1, which is 0.
fn counter(vfs: Arc<dyn Vfs>, path: &str) -> PageId {
    let mut db = open(vfs, path, Options::default()).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    let (kind, name, sql) = (ValueRef::Text(b"table"), ValueRef::Text(b"t"), ValueRef::Text(b"CREATE TABLE t(n)"));
    db.insert(1, 1, &encode(&[kind, name, name, ValueRef::Integer(t.into()), sql])).unwrap();
    db.change_schema().unwrap();
    db.insert(t, 1, &integer(0)).unwrap();
    db.commit().unwrap();
    t
}

fn count(db: &mut Database, t: PageId) -> crate::Result<i64> {
    let mut cursor = Cursor::table(t);
    cursor.seek(db, 1)?;
    let record = cursor.payload(db)?.expect("a row");
    match decode(record).expect("a record")[..] {
        [ValueRef::Integer(n)] => Ok(n),
        _ => panic!("a row of another kind"),
    }
}

#[test]
fn one_writes_and_others_read_what_was_committed() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let t = counter(vfs.clone(), "db");
    let handle = || open(vfs.clone(), "db", Options::default()).unwrap();
    let [mut one, mut two, mut three] = [handle(), handle(), handle()];

    // Two read; one changes, and the readers see nothing of it.
    two.begin_read().unwrap();
    assert_eq!(count(&mut two, t).unwrap(), 0);
    one.begin().unwrap();
    one.insert(t, 1, &integer(1)).unwrap();
    assert_eq!(count(&mut two, t).unwrap(), 0);
    assert_eq!(count(&mut three, t).unwrap(), 0);
    assert!(locked(two.begin()) && locked(three.begin()), "one at a time writes");
    // While they read, nothing is written to the file; and while that is waited for, nobody begins to.
    assert!(locked(one.commit()));
    three.end_read().unwrap();
    assert!(locked(three.begin_read()));
    assert_eq!(count(&mut two, t).unwrap(), 0);
    assert!(one.is_writing());
    one.insert(t, 2, &integer(2)).unwrap();
    two.end_read().unwrap();
    one.commit().unwrap();

    // Each sees it now, and can go on from there.
    assert_eq!((count(&mut two, t).unwrap(), count(&mut three, t).unwrap()), (1, 1));
    three.end_read().unwrap();
    // Two has only looked; beginning to write ends that.
    two.begin().unwrap();
    two.insert(t, 1, &integer(5)).unwrap();
    two.commit().unwrap();
    assert_eq!(count(&mut one, t).unwrap(), 5);
    assert!(one.check(&mut |_| None).is_ok());
    // One that ends in the middle is as if it had crashed; the lock is free.
    one.begin().unwrap();
    one.insert(t, 1, &integer(9)).unwrap();
    drop(one);
    three.begin().unwrap();
    assert_eq!(count(&mut three, t).unwrap(), 5);
    three.roll_back().unwrap();
}

#[test]
fn a_cursor_notices_what_others_wrote() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let mut one = open(vfs.clone(), "db", Options::default()).unwrap();
    let mut two = open(vfs, "db", Options::default()).unwrap();
    let mut cursor = Cursor::table(t);
    assert!(cursor.first(&mut one).unwrap());
    one.end_read().unwrap();
    two.begin().unwrap();
    fill(&mut two, t, 1..3000, |n| integer(-n));
    two.commit().unwrap();
    assert_eq!(cursor.payload(&mut one).unwrap(), Some(&integer(-1)[..]));
    assert!(cursor.next(&mut one).unwrap());
    one.end_read().unwrap();
    two.begin().unwrap();
    two.delete(t, 2).unwrap();
    two.commit().unwrap();
    assert_eq!(cursor.payload(&mut one).unwrap(), None);
    assert!(cursor.next(&mut one).unwrap());
    assert_eq!(cursor.rowid(&one), Some(3));
}

#[test]
fn what_a_crash_left_is_undone_by_the_first_who_comes() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let mut other = open(vfs.clone(), "db", Options::default()).unwrap();
    assert_eq!(count(&mut other, t).unwrap(), 0);
    other.end_read().unwrap();
    let mut db = open(vfs.clone(), "db", Options { memory: 0, ..Options::default() }).unwrap();
    db.begin().unwrap();
    // More than memory is for, so that the file has it already.
    fill(&mut db, t, 1..1500, |_| long());
    assert!(locked(other.begin_read()), "the file is being written to");
    drop(db);
    assert_eq!(count(&mut other, t).unwrap(), 0);
    assert_eq!(other.check(&mut |_| None).unwrap().entries, 2);
}

#[test]
fn while_others_read_a_transaction_stays_in_memory() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let mut reader = open(vfs.clone(), "db", Options::default()).unwrap();
    reader.begin_read().unwrap();
    let mut db = open(vfs, "db", Options { memory: 0, ..Options::default() }).unwrap();
    db.begin().unwrap();
    fill(&mut db, t, 1..1500, |_| long());
    assert_eq!(reader.check(&mut |_| None).unwrap().entries, 2);
    reader.end_read().unwrap();
    db.insert(t, 1500, &integer(8)).unwrap();
    db.commit().unwrap();
    assert_eq!(reader.check(&mut |_| None).unwrap().entries, 1501);
}

#[test]
fn a_handle_of_its_own_keeps_everybody_out() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let mut db = open(vfs.clone(), "db", Options { locking: Locking::Exclusive, ..Options::default() }).unwrap();
    for n in 1..4 {
        db.begin().unwrap();
        db.insert(t, 1, &integer(n)).unwrap();
        db.commit().unwrap();
        assert!(locked(open(vfs.clone(), "db", Options::default())));
        db.end_read().unwrap();
        assert!(locked(open(vfs.clone(), "db", Options { read_only: true, ..Options::default() })));
    }
    drop(db);
    assert_eq!(count(&mut open(vfs, "db", Options::default()).unwrap(), t).unwrap(), 3);
}

#[test]
fn waiting_is_by_the_clock() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let clock = VirtualClock::new();
    let (mut one, mut two) =
        (open(vfs.clone(), "db", Options::default()).unwrap(), open(vfs, "db", Options::default()).unwrap());
    two.set_busy_timeout(Some(BusyTimeout { clock: Arc::new(clock.clone()), limit: Duration::from_secs(5) }));
    one.begin().unwrap();
    let begun = clock.now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| two.begin().map(|()| clock.now()));
        while !waiting.is_finished() {
            if clock.now() - begun >= Duration::from_secs(3) && one.is_writing() {
                one.insert(t, 1, &integer(4)).unwrap();
                one.commit().unwrap();
            }
            clock.advance(Duration::from_millis(50));
            std::thread::yield_now();
        }
        assert!(waiting.join().unwrap().unwrap() - begun >= Duration::from_secs(3));
    });
    assert_eq!(count(&mut two, t).unwrap(), 4);
    // And it ends.
    let limit = Duration::from_millis(30);
    one.set_busy_timeout(Some(BusyTimeout { clock: Arc::new(SystemClock), limit }));
    assert!(locked(one.begin()));
}

/// Adds one to the counter, `times` times.
fn increment(vfs: Arc<dyn Vfs>, path: &str, t: PageId, times: u32, seed: u64, mode: JournalMode) {
    let busy_timeout = Some(BusyTimeout { clock: Arc::new(SystemClock), limit: Duration::from_secs(60) });
    // Small, so that some transactions are written early.
    let options = Options { busy_timeout, memory: 0, journal_mode: mode, autocheckpoint: 50, ..Options::default() };
    let mut db = open(vfs, path, options).unwrap();
    let mut rng = Rng::from_seed(seed);
    for nth in 0..times {
        if rng.chance(0.3) {
            // One who reads first must be ready to begin again.
            db.begin_read().unwrap();
            let before = count(&mut db, t).unwrap();
            assert_eq!(count(&mut db, t).unwrap(), before);
            db.end_read().unwrap();
        }
        db.begin().unwrap();
        let n = count(&mut db, t).unwrap();
        db.insert(t, 1, &integer(n + 1)).unwrap();
        if rng.chance(0.1) {
            for _ in 0..400 {
                db.insert(t, rng.below(3000) as i64 + 2, &long()).unwrap();
            }
        }
        if rng.chance(0.1) {
            db.roll_back().unwrap();
            db.begin().unwrap();
            let n = count(&mut db, t).unwrap();
            db.insert(t, 1, &integer(n + 1)).unwrap();
        }
        db.commit().unwrap_or_else(|error| panic!("{seed}, {nth}: {error}"));
    }
}

#[test]
fn no_increment_is_lost_between_threads() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let t = counter(vfs.clone(), "db");
    let many = |modes: [JournalMode; 3]| {
        std::thread::scope(|scope| {
            for (seed, mode) in (0..).zip(modes) {
                let vfs = vfs.clone();
                scope.spawn(move || increment(vfs, "db", t, 40, seed, mode));
            }
        });
    };
    many([JournalMode::Delete, JournalMode::Memory, JournalMode::Persist]);
    let mut db = open(vfs.clone(), "db", Options::default()).unwrap();
    assert_eq!(count(&mut db, t).unwrap(), 120);
    db.end_read().unwrap();
    db.set_journal_mode(JournalMode::Wal).unwrap();
    many([JournalMode::Wal; 3]);
    assert_eq!(count(&mut db, t).unwrap(), 240);
    db.check(&mut |_| None).unwrap();
}

/// Adds one to the counter, as a program does that knows nothing of us; looks at the whole file now and then.
const INCREMENT: &str = r#"
import random, sqlite3, sys
path, times, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
db = sqlite3.connect(path, timeout=60, isolation_level=None)
if sys.argv[4] == "wal":
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.execute("PRAGMA wal_autocheckpoint=" + ["20", "1000", "3"][seed % 3])
else:
    db.execute("PRAGMA journal_mode=" + ["delete", "truncate", "persist"][seed % 3])
db.execute("PRAGMA synchronous=" + ["off", "normal", "full"][seed % 3])
db.execute("PRAGMA cache_size=10")
for nth in range(times):
    db.execute("BEGIN IMMEDIATE")
    n, = db.execute("SELECT n FROM t WHERE rowid = 1").fetchone()
    db.execute("UPDATE t SET n = ? WHERE rowid = 1", (n + 1,))
    if random.random() < 0.1:
        db.executemany("INSERT OR REPLACE INTO t(rowid, n) VALUES (?, zeroblob(300))", [(random.randrange(2, 3000),) for _ in range(200)])
    if random.random() < 0.1:
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE t SET n = n + 1 WHERE rowid = 1")
    db.execute("COMMIT")
    if nth % 20 == 7:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.execute("SELECT count(*), sum(length(n)) FROM t").fetchall()
print("done")
"#;

#[test]
#[ignore = "needs python3 with sqlite3"]
fn no_increment_is_lost_between_us_and_sqlite() {
    beside_sqlite("journal", [JournalMode::Delete, JournalMode::Persist]);
}

#[test]
#[ignore = "needs python3 with sqlite3"]
fn no_increment_is_lost_between_us_and_sqlite_in_a_log() {
    beside_sqlite("wal", [JournalMode::Wal; 2]);
}

fn beside_sqlite(kind: &str, modes: [JournalMode; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let path = path.to_str().unwrap();
    let t = counter(Arc::new(SystemVfs), path);
    if kind == "wal" {
        open(Arc::new(SystemVfs), path, Options { journal_mode: JournalMode::Wal, ..Options::default() }).unwrap();
    }
    let theirs: Vec<_> = (0..3)
        .map(|seed: u32| {
            let python = Command::new("python3")
                .args(["-c", INCREMENT, path, "60", &seed.to_string(), kind])
                .stdout(Stdio::piped())
                .spawn();
            python.expect("python3")
        })
        .collect();
    std::thread::scope(|scope| {
        for (seed, mode) in (0..).zip(modes) {
            scope.spawn(move || increment(Arc::new(SystemVfs), path, t, 60, seed, mode));
        }
    });
    for child in theirs {
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success() && ran.stdout == b"done\n");
    }
    assert_eq!(sqlite3(Path::new(path), "PRAGMA integrity_check; SELECT n FROM t WHERE rowid = 1"), "ok\n300\n");
    let mut db = open(Arc::new(SystemVfs), path, Options::default()).unwrap();
    assert_eq!(count(&mut db, t).unwrap(), 300);
    db.check(&mut |_| None).unwrap();
}

/// Each lock as the other side sees it, one after the other.
#[test]
#[ignore = "needs python3 with sqlite3"]
fn sqlite_and_we_keep_each_other_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let t = counter(Arc::new(SystemVfs), path.to_str().unwrap());
    let mut db = open(Arc::new(SystemVfs), path.to_str().unwrap(), Options::default()).unwrap();
    let asks = |sql: &str| {
        let ran = Command::new("sqlite3").arg("-batch").arg(&path).arg(sql).output().expect("sqlite3");
        (
            String::from_utf8_lossy(&ran.stdout).into_owned(),
            String::from_utf8_lossy(&ran.stderr).contains("database is locked"),
        )
    };
    let row = |n: i64| (format!("{n}\n"), false);
    let busy = (String::new(), true);
    // We read: they read, and change, and can't commit.
    db.begin_read().unwrap();
    assert_eq!(count(&mut db, t).unwrap(), 0);
    assert_eq!(asks("SELECT n FROM t"), row(0));
    assert_eq!(asks("UPDATE t SET n = 1"), busy);
    db.end_read().unwrap();
    assert_eq!(asks("UPDATE t SET n = 1; SELECT n FROM t"), row(1));
    assert_eq!(count(&mut db, t).unwrap(), 1);
    // We change: they read.
    db.begin().unwrap();
    db.insert(t, 1, &integer(2)).unwrap();
    assert_eq!(asks("SELECT n FROM t"), row(1));
    assert_eq!(asks("BEGIN IMMEDIATE"), busy);
    db.commit().unwrap();
    assert_eq!(asks("SELECT n FROM t"), row(2));
    // They hold each lock in turn.
    let theirs = r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
for step in ["BEGIN; SELECT n FROM t", "COMMIT; BEGIN IMMEDIATE; UPDATE t SET n = 3", "COMMIT; BEGIN EXCLUSIVE", "COMMIT"]:
    for sql in step.split("; "):
        list(db.execute(sql))
    print("done", flush=True)
    sys.stdin.readline()
"#;
    let mut python = Command::new("python3")
        .args(["-c", theirs])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(python.stdout.take().unwrap());
    let mut stdin = python.stdin.take().unwrap();
    let mut step = |go: bool| {
        use std::io::{BufRead, Write};
        if go {
            stdin.write_all(b"\n").unwrap();
        }
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    };
    step(false);
    db.begin().unwrap();
    db.insert(t, 1, &integer(9)).unwrap();
    assert!(locked(db.commit()), "they read");
    db.roll_back().unwrap();
    step(true);
    assert_eq!(count(&mut db, t).unwrap(), 2);
    assert!(locked(db.begin()), "they change");
    db.end_read().unwrap();
    step(true);
    assert!(locked(db.begin_read()) && locked(db.begin()), "they are alone");
    step(true);
    assert_eq!(count(&mut db, t).unwrap(), 3);
    drop(stdin);
    python.wait().unwrap();
}
