//! Both engines, and what is compared of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::MemoryVfs;
use xs_storage::sql::store::Store;
use xs_storage::sql::{Connection, Failure, Result, ResultCode, Value};
use xs_storage::sqlite::{Database, Options};

use super::sqlite::{self, Sqlite};
use super::{Step, known};

/// The first thing that differs.
pub(super) struct Difference {
    /// The statement, or one behind the last if it is the file.
    pub(super) at: usize,
    pub(super) what: String,
    /// The same for what has the same cause, as far as that can be told.
    pub(super) class: String,
}

/// What came of a seed's statements.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) ran: usize,
    /// How many statements were errors in both.
    pub(super) refused: usize,
    /// Why ours was not asked for more.
    pub(super) skipped: Vec<String>,
    pub(super) difference: Option<Difference>,
}

type Rows = Vec<Vec<Value>>;

/// SQLite, and a place for files.
pub(super) struct Bench {
    real: Sqlite,
    place: tempfile::TempDir,
    runs: usize,
}

impl Bench {
    pub(super) fn start() -> Bench {
        Bench { real: Sqlite::start(), place: tempfile::tempdir().unwrap(), runs: 0 }
    }

    fn ask_real(&mut self, sql: &str) -> std::result::Result<Rows, String> {
        let answer = self.real.ask(&format!("A {}\n", sqlite::hex(sql.as_bytes())));
        let mut words = answer.split(' ');
        if words.next() != Some("rows") {
            return Err(sqlite::refusal(&answer).message);
        }
        let columns: usize = words.next().unwrap().parse().unwrap();
        let values: Vec<_> = words.map(sqlite::value).collect();
        Ok(values.chunks(columns.max(1)).map(<[Value]>::to_vec).collect())
    }

    /// Runs statements on both, each with a new file, to the first that differs.
    #[expect(clippy::disallowed_methods, reason = "SQLite's program reads files of the real disk")]
    pub(super) fn run(&mut self, steps: &[Step]) -> Outcome {
        self.runs += 1;
        let theirs = self.place.path().join(format!("{}.theirs", self.runs));
        let theirs_path = theirs.to_str().unwrap().to_owned();
        self.real.ask(&format!("O {}\n", sqlite::hex(theirs_path.as_bytes())));
        for sql in ["PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY"] {
            self.ask_real(sql).unwrap();
        }
        let disk = MemoryVfs::new();
        let file = Database::open(Arc::new(disk.clone()), Path::new("db"), Options::default(), Rng::from_seed(1));
        let db = Connection::new(file.unwrap()).unwrap();
        let mut outcome = self.compare(&db, steps);
        if outcome.difference.is_none() {
            let _ = (db.execute("ROLLBACK", ()), self.ask_real("ROLLBACK"));
            let check = ask(&db, "PRAGMA integrity_check").map(|rows| format!("{rows:?}"));
            let fine = format!("{:?}", [[Value::from("ok")]]);
            drop(db);
            let ours = self.place.path().join(format!("{}.ours", self.runs));
            let bytes = disk.files().into_iter().find(|(path, _)| path == Path::new("db"));
            std::fs::write(&ours, bytes.map(|(_, bytes)| bytes.to_vec()).unwrap_or_default()).unwrap();
            let what = match check {
                Ok(check) if check == fine => files(&ours, &theirs),
                other => Some(format!("our integrity_check: {other:?}")),
            };
            outcome.difference = what.map(|what| Difference { at: steps.len(), what, class: "file".into() });
            let _ = std::fs::remove_file(&ours);
        }
        self.real.ask(&format!("O {}\n", sqlite::hex(b":memory:")));
        let _ = std::fs::remove_file(&theirs);
        outcome
    }

    fn compare<S: Store>(&mut self, db: &Connection<S>, steps: &[Step]) -> Outcome {
        let mut outcome = Outcome::default();
        for (at, step) in steps.iter().enumerate() {
            // A panic is shrunk like any other difference.
            let ours = catch_unwind(AssertUnwindSafe(|| ask(db, &step.sql)));
            let ours = ours.unwrap_or_else(|_| Err(Failure::new(ResultCode::INTERNAL, "a panic")));
            let ours = ours.map_err(|error| error.message().to_owned());
            match &ours {
                Err(message) if known::is_unsupported(message) => {
                    outcome.skipped.push(message.clone());
                    continue;
                }
                _ => outcome.ran += 1,
            }
            let theirs = self.ask_real(&step.sql);
            let message = |answer: &std::result::Result<Rows, String>| answer.clone().err();
            let class = format!("{:?} {:?}", message(&ours), message(&theirs));
            let what = match (ours, theirs) {
                (Err(ours), Err(theirs)) if known::same_error(&ours, &theirs) => {
                    outcome.refused += 1;
                    continue;
                }
                (Ok(ours), Ok(theirs)) => {
                    let (ours, theirs) = (shown(ours, step), shown(theirs, step));
                    if ours == theirs {
                        continue;
                    }
                    format!("{}\nours   {ours:?}\nSQLite {theirs:?}", step.sql)
                }
                (ours, theirs) => {
                    let short = |answer: std::result::Result<Rows, String>| answer.map(|rows| shown(rows, step));
                    format!("{}\nours   {:?}\nSQLite {:?}", step.sql, short(ours), short(theirs))
                }
            };
            outcome.difference = Some(Difference { at, what, class });
            break;
        }
        outcome
    }
}

fn ask<S: Store>(db: &Connection<S>, sql: &str) -> Result<Rows> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((0..columns).map(|at| row.get::<Value>(at)).collect::<Result<_>>()?);
    }
    Ok(found)
}

/// Rows as they are compared: in the order of their text where SQL gives none.
fn shown(rows: Rows, step: &Step) -> Vec<String> {
    let one = |value: Value| format!("{:?}", if step.loose { known::loosened(value) } else { value });
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.into_iter().map(one).collect::<Vec<_>>().join("|")).collect();
    if !step.ordered {
        rows.sort();
    }
    rows
}

/// What SQLite's program says of a file.
fn sqlite3(file: &Path, command: &str) -> String {
    let output = Command::new("sqlite3").arg(file).arg(command).output().expect("the program sqlite3");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What differs between two files as SQLite reads them.
fn files(ours: &Path, theirs: &Path) -> Option<String> {
    let check = sqlite3(ours, "PRAGMA integrity_check");
    if check != "ok\n" {
        return Some(format!("SQLite's integrity_check of our file: {check}"));
    }
    let (ours, theirs) = (dump(ours), dump(theirs));
    let different = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
    match different {
        Some((ours, theirs)) => Some(format!("the files\nours   {ours}\nSQLite {theirs}")),
        None if ours.len() != theirs.len() => Some(format!("{} lines of a dump, and {}", ours.len(), theirs.len())),
        None => None,
    }
}

/// A dump's lines. In which order triggers of several rows have written to the log is free.
fn dump(file: &Path) -> Vec<String> {
    let text = sqlite3(file, ".dump");
    let (mut logged, mut lines): (Vec<_>, Vec<_>) =
        text.lines().map(str::to_owned).partition(|line| line.starts_with("INSERT INTO log "));
    logged.sort();
    lines.append(&mut logged);
    lines
}
