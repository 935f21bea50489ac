//! Crashes: every disk that one may leave holds the old state or the new one, for us and for SQLite.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use xs_os::vfs::explore::Explorer;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation, Recording};
use xs_os::vfs::{MemoryVfs, SystemVfs};

use super::writing::{Model, change, create, order_of, read};
use super::*;

/// Transactions, one of which has more pages than memory; behind each, how many are acknowledged.
fn record(options: &Options, seed: u64) -> (Recording, Vec<Model>) {
    let disk = FaultyVfs::new(seed);
    let mut rng = Rng::from_seed(seed);
    disk.record();
    let mut db = open(Arc::new(disk.clone()), "db", options.clone()).unwrap();
    let mut states = vec![Model::default()];
    db.begin().unwrap();
    let trees = create(&mut db).unwrap();
    for nth in 0..7 {
        if nth > 0 {
            db.begin().unwrap();
        }
        let mut model = states[nth].clone();
        for _ in 0..[3, 150, 10, 0, 120, 5, 40][nth] {
            change(&mut db, &trees, &mut model, &mut rng, 400).unwrap();
        }
        if nth == 4 {
            // Undone to where it was, with pages at the file's end that were written early.
            let savepoint = db.savepoint().unwrap();
            let mut undone = model.clone();
            (0..60).for_each(|_| change(&mut db, &trees, &mut undone, &mut rng, 400).unwrap());
            db.roll_back_to(savepoint).unwrap();
        }
        if nth == 5 {
            // Undone in between, after it was written early.
            (0..200).for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 400).unwrap());
            db.roll_back().unwrap();
            model = states[nth].clone();
        } else {
            db.commit().unwrap();
        }
        states.push(model);
        disk.mark(nth as u64 + 1);
    }
    drop(db);
    (disk.recorded(), states)
}

fn options(journal_mode: JournalMode) -> Options {
    // Of a log that is long, some is copied in between. What is acknowledged is to be held in any case.
    let synchronous = Synchronous::Extra;
    Options { page_size: 512, memory: 0, journal_mode, synchronous, autocheckpoint: 60, ..Options::default() }
}

const MODES: [JournalMode; 4] = [JournalMode::Delete, JournalMode::Truncate, JournalMode::Persist, JournalMode::Wal];

#[test]
fn a_crash_leaves_the_old_state_or_the_new_one() {
    for (seed, mode) in (1..).zip(MODES) {
        let options = options(mode);
        let (recording, states) = record(&options, seed);
        // A log is synced once a commit: fewer points, with more on its way.
        let mut explorer = Explorer::new(seed).per_point(if mode == JournalMode::Wal { 120 } else { 16 });
        let explored = explorer.explore(&recording, &mut |crash| {
            let disk = FaultyVfs::over(&crash.disk, crash.hash);
            // Of some, the recovery is cut off first.
            if crash.hash % 4 == 0 {
                disk.power_off_after(Some(crash.hash / 4 % 60));
                let _ = open(Arc::new(disk.clone()), "db", options.clone());
                let again = disk.crash(&mut Rng::from_seed(crash.hash));
                return look(again, &options, &states, crash.mark as usize);
            }
            look(crash.disk.clone(), &options, &states, crash.mark as usize)
        });
        explored.unwrap_or_else(|failure| panic!("{mode:?}: {failure}"));
        let report = explorer.report();
        assert!(report.distinct > 400, "{mode:?}: {report}");
    }
}

#[test]
fn the_name_of_a_journal_may_come_back_and_undo_one_transaction() {
    let options = Options { synchronous: Synchronous::Full, ..options(JournalMode::Delete) };
    let (recording, states) = record(&options, 9);
    let mut undone = 0;
    let mut explorer = Explorer::new(9).per_point(16);
    let explored = explorer.explore(&recording, &mut |crash| {
        let mark = crash.mark as usize;
        if look(crash.disk.clone(), &options, &states, mark).is_ok() {
            return Ok(());
        }
        undone += 1;
        // Some change nothing.
        let before = states.iter().take(mark).rposition(|state| *state != states[mark]).unwrap_or(0);
        look(crash.disk.clone(), &options, &states, before)
    });
    explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(undone > 0, "there is nothing that only `Extra` would hold");
}

fn look(disk: MemoryVfs, options: &Options, states: &[Model], mark: usize) -> Result<(), String> {
    let mut db = open(Arc::new(disk), "db", options.clone()).map_err(|error| format!("opening: {error}"))?;
    db.check(&mut order_of).map_err(|error| format!("checking: {error}"))?;
    let model = read(&mut db).map_err(|error| format!("reading: {error}"))?;
    let held = states.iter().skip(mark).take(2).any(|state| *state == model);
    if held { Ok(()) } else { Err(format!("neither state {mark} nor the next")) }
}

#[test]
fn a_failure_can_be_rolled_back_or_stops_everything() {
    for operation in [
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::SetLen,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Remove,
    ] {
        for mode in MODES.into_iter().chain([JournalMode::Memory]) {
            for nth in (0..20).chain((20..400).step_by(51)) {
                let disk = FaultyVfs::new(nth);
                let options = options(mode);
                let mut db = open(Arc::new(disk.clone()), "db", options.clone()).unwrap();
                db.begin().unwrap();
                let trees = create(&mut db).unwrap();
                db.commit().unwrap();
                disk.fail(Fault::of(operation).after(nth));
                let (mut rng, mut held) = (Rng::from_seed(nth), Model::default());
                let mut doubtful = None;
                for _ in 0..3 {
                    let mut model = held.clone();
                    let done = db.begin().and_then(|()| {
                        (0..50).try_for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 300))?;
                        db.commit()
                    });
                    match done {
                        Ok(()) => held = model,
                        Err(_) => {
                            if db.roll_back().is_err() || db.schema().is_err() {
                                doubtful = Some(model);
                                break;
                            }
                        }
                    }
                    match read(&mut db) {
                        Ok(model) => assert!(model == held, "{operation:?} {nth} {mode:?}"),
                        Err(error) => assert!(disk.armed() == 0, "{operation:?} {nth} {mode:?}: {error}"),
                    }
                }
                // A handle that has stopped, and one that went on: what is there is right when it is opened again.
                drop(db);
                disk.heal();
                // A crash while the disk has failed is one in the middle of a transaction for who has a journal in memory.
                if mode == JournalMode::Memory && doubtful.is_some() {
                    continue;
                }
                for image in [disk.crash(&mut rng), disk.durable()] {
                    let mut db = open(Arc::new(image), "db", options.clone()).unwrap();
                    db.check(&mut order_of).unwrap();
                    let found = read(&mut db).unwrap();
                    assert!(found == held || Some(&found) == doubtful.as_ref(), "{operation:?} {nth} {mode:?}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs sqlite3"]
fn sqlite_recovers_what_crashes_leave() {
    let dir = tempfile::tempdir().unwrap();
    for (seed, mode) in (1..).zip(MODES) {
        let options = options(mode);
        let (recording, states) = record(&options, seed);
        let mut hot = 0;
        let explored = Explorer::new(seed).per_point(6).explore(&recording, &mut |crash| {
            let [db, journal, log, index] = ["db", "db-journal", "db-wal", "db-shm"].map(|name| dir.path().join(name));
            for file in [&db, &journal, &log, &index] {
                let _ = SystemVfs.remove(file);
            }
            for (path, bytes) in crash.disk.files() {
                put_file(&dir.path().join(&path), &bytes);
            }
            hot += u64::from(get_file(&journal).first().is_some_and(|first| *first != 0) || get_file(&log).len() > 32);
            let said = sqlite3(&db, "PRAGMA integrity_check");
            if said != "ok\n" {
                return Err(said);
            }
            let mut ours = open(Arc::new(SystemVfs), db.to_str().unwrap(), options.clone()).unwrap();
            let model = read(&mut ours).unwrap();
            let held = states.iter().skip(crash.mark as usize).take(2).any(|state| *state == model);
            if held { Ok(()) } else { Err("neither of the two states".to_owned()) }
        });
        explored.unwrap_or_else(|failure| panic!("{mode:?}: {failure}"));
        assert!(hot > 10, "{mode:?}: {hot} hot journals");
    }
}

/// Copies a database and its journal in the middle of a transaction that has been written early, in each journal mode.
const CUT_OFF: &str = r#"
import shutil, sqlite3, sys
where, mode, size = sys.argv[1:]
db = sqlite3.connect(where + "/theirs", isolation_level=None)
db.executescript(f"""PRAGMA page_size={size}; PRAGMA journal_mode={mode}; PRAGMA cache_size=5; CREATE TABLE t(x);
    CREATE INDEX i ON t(x); CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID;""")
db.execute("BEGIN")
for n in range(500):
    db.execute("INSERT INTO t VALUES (?)", (bytes([n % 251]) * (n % 90 * 7),))
    db.execute("INSERT INTO w VALUES (?, ?)", (bytes([n % 251, n // 251]) * (n % 60 + 1), n))
db.execute("COMMIT")
print("\n".join(f"{r[0]}|{r[1]}" for r in db.execute("SELECT rowid, quote(x) FROM t")))
db.execute("BEGIN")
db.execute("UPDATE t SET x = zeroblob(rowid * 3) WHERE rowid % 2")
db.execute("DELETE FROM w WHERE v % 3 = 0")
db.execute("INSERT INTO t SELECT zeroblob(1000) FROM t")
for name in ["", "-journal"]:
    shutil.copy(where + "/theirs" + name, where + "/copy" + name)
"#;

#[test]
#[ignore = "needs python3"]
fn what_sqlite_left_half_done_is_undone() {
    for (mode, size) in [("delete", "1024"), ("truncate", "4096"), ("persist", "512")] {
        let dir = tempfile::tempdir().unwrap();
        let ran = Command::new("python3").args(["-c", CUT_OFF]).arg(dir.path()).args([mode, size]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let path = dir.path().join("copy");
        let hot = get_file(&dir.path().join("copy-journal"));
        assert!(hot.len() > 10_000 && hot.starts_with(&[0xD9]), "{} bytes of journal", hot.len());
        let mut db = open(Arc::new(SystemVfs), path.to_str().unwrap(), Options::default()).unwrap();
        db.check(&mut order_of).unwrap();
        let t = db.schema().unwrap().into_iter().find(|entry| entry.name == "t").unwrap();
        let rows = lines(&mut db, &mut Cursor::table(t.root)).unwrap();
        assert_eq!(rows.join("\n") + "\n", String::from_utf8(ran.stdout).unwrap());
        assert!(!dir.path().join("copy-journal").exists());
        assert_eq!(sqlite3(Path::new(&path), "PRAGMA integrity_check"), "ok\n");
    }
}

/// A journal with a super-journal's name at its end, as sqlite.org describes it.
#[test]
fn a_journal_whose_super_journal_is_gone_was_committed() {
    for gone in [false, true] {
        let disk = MemoryVfs::new();
        let mut db = open(Arc::new(disk.clone()), "db", options(JournalMode::Persist)).unwrap();
        db.begin().unwrap();
        let trees = create(&mut db).unwrap();
        db.commit().unwrap();
        let old = disk.files();
        db.begin().unwrap();
        db.insert(trees.t, 1, &encode(&[ValueRef::Blob(b"new")])).unwrap();
        let record = encode(&[ValueRef::Blob(b"new"), ValueRef::Integer(1)]);
        db.insert_record(trees.i, &super::writing::by_two(), &record).unwrap();
        db.commit().unwrap();
        drop(db);
        // The journal that was ended, with its header back, names the super-journal.
        let of = |name: &str| disk.files().into_iter().find(|(path, _)| path == Path::new(name)).unwrap().1.to_vec();
        assert!(of("db-journal").starts_with(&[0; 28]) && old.len() == 2);
        let mut journal = of("db-journal");
        let record = 512 + 8;
        let records = (journal.len() - 512) / record;
        journal[..8].copy_from_slice(&[0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]);
        journal[8..12].copy_from_slice(&(records as u32).to_be_bytes());
        let name = b"super";
        journal.extend_from_slice(&((0x4000_0000_u32 / 512) + 1).to_be_bytes());
        journal.extend_from_slice(name);
        journal.extend_from_slice(&(name.len() as u32).to_be_bytes());
        journal.extend_from_slice(&name.iter().map(|byte| u32::from(*byte)).sum::<u32>().to_be_bytes());
        journal.extend_from_slice(&[0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]);
        // The nonce and what else the header said, from the first record's checksum and the old file.
        let first = journal[512 + 4..512 + 516].to_vec();
        let nonce = u32::from_be_bytes(journal[512 + 516..512 + 520].try_into().unwrap());
        let sum = [312, 112].iter().fold(0_u32, |sum, at| sum.wrapping_add(first[*at].into()));
        journal[12..16].copy_from_slice(&nonce.wrapping_sub(sum).to_be_bytes());
        let pages = old.iter().find(|(path, _)| path == Path::new("db")).unwrap().1.len() / 512;
        journal[16..20].copy_from_slice(&(pages as u32).to_be_bytes());
        journal[20..24].copy_from_slice(&512_u32.to_be_bytes());
        journal[24..28].copy_from_slice(&512_u32.to_be_bytes());
        disk.put(Path::new("db-journal"), Arc::new(journal)).unwrap();
        if !gone {
            disk.put(Path::new("super"), Arc::new(b"db-journal\0".to_vec())).unwrap();
        }
        let mut db = open(Arc::new(disk.clone()), "db", options(JournalMode::Delete)).unwrap();
        assert_eq!(read(&mut db).unwrap().t.len(), usize::from(gone), "gone: {gone}");
        assert!(!disk.files().iter().any(|(path, _)| path == Path::new("db-journal")));
    }
}
