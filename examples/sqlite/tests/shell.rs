//! The shell beside sqlite3: the same input, the same output, the same errors, the same end.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What is typed, and what it is called with. `FILE` is a file of rows.
const SESSIONS: &[(&[&str], &str)] = &[
    (&[":memory:"], include_str!("sessions/modes.sql")),
    (&[":memory:"], include_str!("sessions/commands.sql")),
    (&[":memory:"], include_str!("sessions/errors.sql")),
    (&[":memory:"], include_str!("sessions/pragmas.sql")),
    (&[":memory:"], include_str!("sessions/json.sql")),
    (&[":memory:"], include_str!("sessions/attached.sql")),
    (&["-bail", ":memory:"], "SELECT 1;\nSELECT * FROM missing;\nSELECT 2;\n"),
    (&["-echo", ":memory:"], "SELECT 1;\n.print hello\n"),
    (&["-header", "-csv", ":memory:", "SELECT 1 AS a; SELECT 2 AS b"], ""),
    (&["-column", "-header", ":memory:", "SELECT 1 AS a; SELECT 2 AS b"], ""),
    (&["-box", ":memory:", "SELECT 1 AS a", ".mode list", "SELECT 1, 2"], ""),
    (&["-json", "-nullvalue", "x", ":memory:", "SELECT NULL a, 'b' b"], ""),
    (&["-separator", "\\t", "-newline", ";", ":memory:", "SELECT 1, 2"], ""),
    (&["-cmd", "SELECT 9", ":memory:"], "SELECT 1"),
    (&[":memory:", "SELECT 1;;;SELECT 2 -- c"], ""),
    (&[":memory:", "SELEC 1"], ""),
    (&[":memory:", "SELECT 'abc"], ""),
    (&[":memory:", "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)"], ""),
    (&[":memory:"], ".exit 7\nSELECT 1;\n"),
    (&[":memory:"], ".read missing.sql\nSELECT 1;\n"),
];

fn run(program: &Path, args: &[&str], input: &str, dir: &Path) -> Output {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    // Who has ended already reads no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn ours(args: &[&str], input: &str, dir: &Path) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_xs-sqlite")), args, input, dir)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rows.csv"), "a,b\n1,\"x,y\"\n3\n4,5,6\n\"q\"\"q\",\n").unwrap();
    std::fs::write(dir.path().join("more.sql"), "SELECT 'read';\n.print from a file\n").unwrap();
    dir
}

#[test]
#[ignore = "needs sqlite3"]
fn sqlite3_prints_the_same() {
    for (nth, (args, input)) in SESSIONS.iter().enumerate() {
        let (theirs, mine) = (place(), place());
        let expected = run(Path::new("sqlite3"), args, input, theirs.path());
        let found = ours(args, input, mine.path());
        assert_eq!(text(&found.stdout), text(&expected.stdout), "session {nth}, {args:?}");
        assert_eq!(text(&found.stderr), text(&expected.stderr), "session {nth}, {args:?}");
        assert_eq!(found.status.code(), expected.status.code(), "session {nth}, {args:?}");
    }
}

#[test]
fn statements_and_commands_are_run_in_their_order() {
    let dir = place();
    let output = ours(
        &[":memory:"],
        "CREATE TABLE t(a, b);\n.import --csv rows.csv t\n.mode json\nSELECT * FROM t\nWHERE a = '3';",
        dir.path(),
    );
    assert_eq!(text(&output.stdout), "[{\"a\":\"3\",\"b\":null}]\n");
    assert!(output.status.success());
}

#[test]
fn what_is_not_there_is_refused() {
    let dir = place();
    for (args, input, code, says) in [
        (&["-nope"][..], "", 1, "unknown option: -nope"),
        (&[":memory:"], ".recover\n", 1, "unknown command"),
        (&[":memory:"], ".mode qbox\n", 1, "mode should be one of"),
        (&[":memory:", "SELECT"], "", 1, "incomplete input"),
    ] {
        let output = ours(args, input, dir.path());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn files_that_read_themselves_come_to_an_end() {
    let dir = place();
    std::fs::write(dir.path().join("self.sql"), "SELECT 1;\n.read self.sql\n").unwrap();
    let output = ours(&[":memory:"], ".read self.sql\n", dir.path());
    assert_eq!(text(&output.stdout).lines().count(), 25);
    assert!(text(&output.stderr).contains("nesting limit"));
}

#[test]
fn a_file_keeps_what_was_written() {
    let dir = place();
    let write = "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE); INSERT INTO t(b) VALUES ('x'), ('y');";
    assert!(ours(&["file.db", write], "", dir.path()).status.success());
    let refused = ours(&["file.db", "INSERT INTO t(b) VALUES ('z'), ('x')"], "", dir.path());
    assert_eq!(refused.status.code(), Some(19));
    assert_eq!(text(&ours(&["file.db", "SELECT * FROM t"], "", dir.path()).stdout), "1|x\n2|y\n");
    assert_eq!(text(&ours(&["-readonly", "file.db", "SELECT count(*) FROM t"], "", dir.path()).stdout), "2\n");
    assert!(!ours(&["-readonly", "file.db", "DELETE FROM t"], "", dir.path()).status.success());
    std::fs::write(dir.path().join("other.db"), "this is no database, and it is longer than a header").unwrap();
    let other = ours(&["other.db", "SELECT * FROM t"], "", dir.path());
    assert!(text(&other.stderr).contains("not a database"), "{}", text(&other.stderr));
}

#[test]
#[ignore = "needs sqlite3"]
fn both_work_on_one_file_in_turn() {
    let dir = place();
    let sqlite3 = Path::new("sqlite3");
    let make =
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c); CREATE INDEX i ON t(c, b); CREATE TABLE u(x PRIMARY KEY);";
    assert!(ours(&["file.db", make], "", dir.path()).status.success());
    for turn in 0..20 {
        let text_of = "x".repeat(turn * turn * 20);
        let change = format!(
            "INSERT INTO t(b, c) VALUES ('{text_of}', {turn}), ('b', {turn} * 1.5); INSERT INTO u VALUES ('{turn}'); \
             UPDATE t SET c = c + 1 WHERE a % 3 = 0; DELETE FROM t WHERE a % 7 = {turn} % 7;"
        );
        let changed = match turn % 2 {
            0 => ours(&["file.db", &change], "", dir.path()),
            _ => run(sqlite3, &["file.db", &change], "", dir.path()),
        };
        assert!(changed.status.success(), "turn {turn}: {}", text(&changed.stderr));
        let theirs = run(sqlite3, &["file.db", "PRAGMA integrity_check", ".dump"], "", dir.path());
        assert!(text(&theirs.stdout).starts_with("ok\n"), "turn {turn}: {}", text(&theirs.stdout));
        let mine = ours(&["file.db", ".dump"], "", dir.path());
        assert_eq!(text(&mine.stdout), text(&theirs.stdout)[3..], "turn {turn}");
        let sorted = "SELECT c, length(b) FROM t WHERE c > 3 ORDER BY c, b; SELECT count(*), sum(c), min(b) FROM t; SELECT x FROM u;";
        assert_eq!(
            text(&ours(&["file.db", sorted], "", dir.path()).stdout),
            text(&run(sqlite3, &["file.db", sorted], "", dir.path()).stdout),
            "turn {turn}"
        );
    }
}

#[test]
#[ignore = "needs sqlite3, and the databases that .ci/tools fetches"]
fn databases_of_packages_are_dumped_as_sqlite3_does() {
    let databases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/databases");
    // Not those with many reals: SQLite 3.40 loses the last of the twenty digits that it prints of one, ours doesn't.
    for name in ["ibus-latex.db", "qgis.db", "qtsvg.qch"] {
        let file = databases.join(name);
        assert!(file.exists(), "{name} is missing: .ci/tools fetches it");
        let args = ["-readonly", file.to_str().unwrap(), ".dump"];
        let (ours, theirs) = (ours(&args, "", &databases), run(Path::new("sqlite3"), &args, "", &databases));
        assert!(theirs.status.success() && theirs.stdout.len() > 10_000, "{name}: {}", text(&theirs.stderr));
        assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{name}");
        assert!(ours.stdout == theirs.stdout, "{name} is dumped differently");
    }
}
