//! Transactions over several files: whatever a crash leaves, all of them have it or none.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::explore::Explorer;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation, Recording};
use xs_os::vfs::{MemoryVfs, Open, SystemVfs, Vfs};
use xs_storage::sql::{Connection, Result, Value};
use xs_storage::sqlite::{Database, Options};

type Db = Connection<Database>;

/// The journal modes of `main`, and of the two that are attached.
const MODES: [[&str; 3]; 4] = [
    ["delete", "delete", "delete"],
    ["truncate", "persist", "delete"],
    ["persist", "truncate", "persist"],
    ["delete", "persist", "truncate"],
];

/// Opens all three.
fn open(disk: Arc<dyn Vfs>, modes: [&str; 3]) -> Result<Db> {
    let options = Options { page_size: 512, memory: 0, ..Options::default() };
    let db = Connection::new(Database::open(disk, Path::new("a"), options, Rng::from_seed(7))?)?;
    db.execute_batch("ATTACH 'b' AS b; ATTACH 'c' AS c")?;
    for (schema, mode) in ["main", "b", "c"].into_iter().zip(modes) {
        // What is acknowledged is to be held in any case.
        db.execute_batch(&format!("PRAGMA {schema}.journal_mode = {mode}; PRAGMA {schema}.synchronous = EXTRA"))?;
    }
    Ok(db)
}

/// What each of them has, or what is wrong with it.
fn state(db: &Db) -> [String; 3] {
    ["main", "b", "c"].map(|schema| {
        let sql = format!("SELECT count(*) || ' ' || total(n) || ' ' || total(length(x)) FROM {schema}.t");
        db.query_row(&sql, (), |row| row.get::<String>(0)).unwrap_or_else(|failure| failure.message().to_owned())
    })
}

fn record(modes: [&str; 3], seed: u64) -> (Recording, Vec<[String; 3]>) {
    let disk = FaultyVfs::new(seed);
    disk.record();
    let db = open(Arc::new(disk.clone()), modes).unwrap();
    let mut states = vec![state(&db)];
    let transactions = [
        "CREATE TABLE main.t (n, x); CREATE TABLE b.t (n, x); CREATE TABLE c.t (n PRIMARY KEY, x)",
        "INSERT INTO main.t VALUES (1, 'a'); INSERT INTO b.t VALUES (2, 'b'); INSERT INTO c.t VALUES (3, 'c')",
        // More than memory is for: pages are written early.
        "INSERT INTO b.t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 60) \
         SELECT n, zeroblob(400) FROM r; INSERT INTO main.t SELECT * FROM b.t; INSERT INTO c.t VALUES (4, 'd')",
        // Two of three.
        "UPDATE main.t SET n = n + 1 WHERE n % 7 = 0; DELETE FROM b.t WHERE n % 5 = 0",
        // One of three, and one that is only read.
        "INSERT INTO c.t SELECT 100 + rowid, x FROM b.t LIMIT 20",
        "DELETE FROM main.t WHERE n > 9; DELETE FROM b.t; UPDATE c.t SET x = x || '!'",
    ];
    for (nth, transaction) in transactions.into_iter().enumerate() {
        db.execute_batch(&format!("BEGIN; {transaction}; COMMIT")).unwrap();
        states.push(state(&db));
        disk.mark(nth as u64 + 1);
    }
    drop(db);
    (disk.recorded(), states)
}

fn look(disk: MemoryVfs, modes: [&str; 3], states: &[[String; 3]], mark: usize) -> std::result::Result<(), String> {
    let db = open(Arc::new(disk.clone()), modes).map_err(|failure| format!("opening: {failure}"))?;
    let found = state(&db);
    let check =
        db.query_row("PRAGMA integrity_check", (), |row| row.get::<String>(0)).map_err(|why| why.to_string())?;
    if check != "ok" {
        return Err(check);
    }
    if !states.iter().skip(mark).take(2).any(|state| *state == found) {
        return Err(format!("{found:?} is neither state {mark} nor the next"));
    }
    drop(db);
    // One that nobody had named yet may be left over, as in SQLite; no journal may.
    let hot = disk.files().into_iter().find(|(path, bytes)| {
        path.to_string_lossy().ends_with("-journal") && bytes.first().is_some_and(|first| *first != 0)
    });
    hot.map_or(Ok(()), |(path, _)| Err(format!("{} is hot", path.display())))
}

#[test]
fn a_crash_leaves_all_of_a_transaction_or_nothing() {
    for (seed, modes) in (1..).zip(MODES) {
        let (recording, states) = record(modes, seed);
        let mut explorer = Explorer::new(seed).per_point(4);
        let explored = explorer.explore(&recording, &mut |crash| {
            // Of some, the recovery is cut off first.
            if crash.hash % 4 == 0 {
                let disk = FaultyVfs::over(&crash.disk, crash.hash);
                disk.power_off_after(Some(crash.hash / 4 % 60));
                let _ = open(Arc::new(disk.clone()), modes).map(|db| state(&db));
                let again = disk.crash(&mut Rng::from_seed(crash.hash));
                return look(again, modes, &states, crash.mark as usize);
            }
            look(crash.disk.clone(), modes, &states, crash.mark as usize)
        });
        explored.unwrap_or_else(|failure| panic!("{modes:?}: {failure}"));
        let report = explorer.report();
        assert!(report.distinct > 80, "{modes:?}: {report}");
    }
}

#[test]
fn what_fails_in_the_middle_of_a_commit_is_undone_in_all() {
    for operation in [Operation::Open, Operation::Write, Operation::Sync, Operation::SyncDir, Operation::Remove] {
        for nth in (0..24).chain((24..90).step_by(11)) {
            let disk = FaultyVfs::new(nth);
            let db = open(Arc::new(disk.clone()), MODES[nth as usize % MODES.len()]).unwrap();
            let make = "CREATE TABLE main.t (n, x); CREATE TABLE b.t (n, x); CREATE TABLE c.t (n, x)";
            db.execute_batch(make).unwrap();
            let before = state(&db);
            disk.fail(Fault::of(operation).after(nth));
            let change = "BEGIN; INSERT INTO main.t VALUES (1, 'x'); INSERT INTO b.t VALUES (1, 'y'); \
                          INSERT INTO c.t VALUES (1, 'z'); COMMIT";
            let done = db.execute_batch(change);
            drop(db);
            disk.heal();
            for image in [disk.crash(&mut Rng::from_seed(nth)), disk.durable()] {
                let db = open(Arc::new(image), MODES[0]).unwrap();
                let found = state(&db);
                let all = found.iter().all(|one| one.starts_with("1 "));
                // A failure may come when everything has been done.
                let held = if done.is_ok() { all } else { all || found == before };
                assert!(held, "{operation:?} {nth}: {done:?} {found:?}");
            }
        }
    }
}

#[test]
fn a_reader_of_one_is_waited_for_before_any_is_written() {
    let disk = MemoryVfs::new();
    let db = open(Arc::new(disk.clone()), MODES[0]).unwrap();
    db.execute_batch("CREATE TABLE main.t (n, x); CREATE TABLE b.t (n, x); CREATE TABLE c.t (n, x)").unwrap();
    let file = Database::open(Arc::new(disk.clone()), Path::new("c"), Options::default(), Rng::from_seed(1)).unwrap();
    let other = Connection::new(file).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    db.execute_batch("BEGIN; INSERT INTO main.t VALUES (1, 1); INSERT INTO c.t VALUES (2, 2)").unwrap();
    assert_eq!(db.execute("COMMIT", ()).unwrap_err().message(), "database is locked");
    // The transaction goes on, and can be ended later.
    db.execute("INSERT INTO b.t VALUES (3, 3)", ()).unwrap();
    other.execute("COMMIT", ()).unwrap();
    db.execute("COMMIT", ()).unwrap();
    assert_eq!(other.query_row("SELECT n FROM t", (), |row| row.get::<i64>(0)).unwrap(), 2);
    assert_eq!(state(&db), ["1 1.0 1.0", "1 3.0 1.0", "1 2.0 1.0"].map(str::to_owned));
}

/// What the sqlite3 shell says.
fn sqlite3(directory: &Path, sql: &str) -> String {
    let ran = Command::new("sqlite3").current_dir(directory).args(["-batch", "a", sql]).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

#[test]
#[ignore = "needs sqlite3"]
fn sqlite_recovers_what_crashes_leave_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &Path| dir.path().join(name);
    // Journals have the names that files were opened by, and SQLite looks for them there.
    let modes = MODES[0];
    let (recording, states) = record(modes, 5);
    let mut super_journals = 0;
    let explored = Explorer::new(5).per_point(1).explore(&recording, &mut |crash| {
        for name in SystemVfs.list(dir.path()).unwrap() {
            SystemVfs.remove(&at(Path::new(&name))).unwrap();
        }
        for (path, bytes) in crash.disk.files() {
            super_journals += u64::from(path.to_string_lossy().contains("-mj"));
            let file = SystemVfs.open(&at(&path), Open::Create).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
        let one = |schema: &str| {
            let sql = format!("SELECT count(*) || ' ' || total(n) || ' ' || total(length(x)) FROM {schema}.t;");
            sqlite3(dir.path(), &format!("ATTACH 'b' AS b; ATTACH 'c' AS c; {sql}")).trim_end().to_owned()
        };
        let found = ["main", "b", "c"].map(one);
        // An error is told in other words.
        let found = found.map(|one| if one.contains("no such table") { states[0][0].clone() } else { one });
        let expected = states.iter().skip(crash.mark as usize).take(2);
        let mut expected = expected.map(|state| {
            state.clone().map(|one| if one.contains("no such table") { states[0][0].clone() } else { one })
        });
        if expected.any(|state| state == found) { Ok(()) } else { Err(format!("{found:?}, behind {}", crash.mark)) }
    });
    explored.unwrap();
    assert!(super_journals > 20, "{super_journals} disks with a super-journal");
}

/// Reads a value, so that the test has something of each type.
#[test]
fn values_go_from_one_file_to_another() {
    let db = open(Arc::new(MemoryVfs::new()), MODES[0]).unwrap();
    db.execute_batch("CREATE TABLE b.t (n, x); INSERT INTO b.t VALUES (1, 'a'), (2.5, x'00'), (NULL, NULL)").unwrap();
    db.execute_batch("CREATE TABLE c.t AS SELECT * FROM b.t").unwrap();
    let read =
        |at: usize| db.query_row("SELECT n, x FROM c.t LIMIT 1 OFFSET 1", (), |row| row.get::<Value>(at)).unwrap();
    assert_eq!((read(0), read(1)), (Value::Real(2.5), Value::Blob(vec![0].into())));
}
