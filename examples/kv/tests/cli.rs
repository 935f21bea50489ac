//! The program as people and scripts meet it.
#![allow(clippy::disallowed_methods, reason = "a test handles files as a user of the program would")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program, in a directory of its own.
struct Kv {
    home: TempDir,
    engine: &'static str,
}

/// What a run said: its exit code, standard output and standard error.
type Said = (i32, String, String);

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

impl Kv {
    fn new(engine: &'static str) -> Self {
        Kv { home: tempfile::tempdir().unwrap(), engine }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, dir: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xs-kv"));
        command.args(["--engine", self.engine, "--data-dir", &self.path(dir)]).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Said {
        said(self.command("store", words).output().unwrap())
    }

    fn with_input(&self, words: &[&str], input: &[u8]) -> Said {
        let mut command = self.command("store", words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that refuses before it has read everything closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input);
        said(child.wait_with_output().unwrap())
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        out
    }

    #[track_caller]
    fn refused(&self, words: &[&str], code: i32, because: &str) {
        let (given, out, err) = self.run(words);
        assert_eq!((given, out.as_str()), (code, ""), "{words:?}: {err}");
        assert!(err.contains(because), "{words:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

/// Every test, for each engine.
macro_rules! stamp {
    ($($engine:ident),+) => {
        $(mod $engine {
            stamp!(@ $engine: a_value_is_there_until_it_is_deleted every_byte_is_fine_in_keys_and_values
                scans_have_ends_directions_and_limits a_batch_is_all_or_nothing a_scan_is_a_batch_of_puts
                a_large_batch_goes_in_pieces a_backup_is_restored a_damaged_backup_writes_nothing
                directories_that_are_none_of_ours two_at_once_are_one_too_many a_reader_that_leaves_is_no_error
                check_compact_and_stats_answer a_benchmark_leaves_nothing);
        })+
    };
    (@ $engine:ident: $($test:ident)+) => {
        $(#[test]
        fn $test() {
            super::$test(&super::Kv::new(stringify!($engine)));
        })+
    };
}

stamp!(btree, lsm, memory);

fn a_value_is_there_until_it_is_deleted(kv: &Kv) {
    assert_eq!(kv.ok(&["put", "apple", "red"]), "");
    assert_eq!(kv.ok(&["get", "apple"]), "red\n");
    kv.ok(&["put", "apple", "green"]);
    kv.ok(&["--buffered", "put", "empty", ""]);
    assert_eq!((kv.ok(&["get", "apple"]), kv.ok(&["get", "empty"])), ("green\n".into(), "\n".into()));
    assert_eq!(kv.run(&["get", "pear"]), (1, String::new(), "xs-kv: no such key\n".into()));
    kv.ok(&["delete", "apple", "never there"]);
    kv.refused(&["get", "apple"], 1, "no such key");
    let (code, _, err) = kv.with_input(&["put", "piped"], b"line\nline\n");
    assert_eq!((code, err), (0, String::new()));
    assert_eq!(kv.ok(&["--format", "raw", "get", "piped"]), "line\nline\n");
}

fn every_byte_is_fine_in_keys_and_values(kv: &Kv) {
    kv.ok(&["put", r"a\0b\xff\n", r"tab\there \\ \x80"]);
    assert_eq!(kv.ok(&["get", r"a\x00b\xFF\x0a"]), "tab\\there \\\\ \\x80\n");
    assert_eq!(kv.ok(&["-f", "hex", "get", "610062ff0a"]), "7461620968657265205c2080\n");
    assert_eq!(kv.ok(&["scan"]), "a\\0b\\xff\\n\ttab\\there \\\\ \\x80\n");
    kv.ok(&["-f", "hex", "put", "", "00"]);
    assert_eq!(kv.ok(&["get", ""]), "\\0\n", "the empty key is a key");
    kv.ok(&["put", "größe", "groß"]);
    assert_eq!(kv.ok(&["scan", "--prefix", "gr"]), "größe\tgroß\n");
    let raw = kv.command("store", &["-f", "raw", "get", r"a\0b"]).output().unwrap();
    assert_eq!(raw.status.code(), Some(1), "raw takes backslashes as they are");
    kv.refused(&["get", r"\q"], 2, "a backslash is followed by");
    kv.refused(&["-f", "hex", "get", "abc"], 2, "two digits make a byte");
    kv.refused(&["put", r"\x1", "x"], 2, "a backslash is followed by");
}

fn scans_have_ends_directions_and_limits(kv: &Kv) {
    for key in ["a", "aa", "ab", "b", "c"] {
        kv.ok(&["put", key, &key.to_uppercase()]);
    }
    let keys = |words: &[&str]| kv.ok(&[&["scan", "--keys-only"], words].concat()).replace('\n', " ");
    assert_eq!(kv.ok(&["scan", "--limit", "2"]), "a\tA\naa\tAA\n");
    assert_eq!(keys(&[]), "a aa ab b c ");
    assert_eq!(keys(&["--from", "aa", "--to", "b"]), "aa ab ");
    assert_eq!(keys(&["--prefix", "a"]), "a aa ab ");
    assert_eq!(keys(&["--reverse", "--limit", "2"]), "c b ");
    assert_eq!(keys(&["--reverse", "--to", "b", "-l1"]), "ab ");
    assert_eq!(keys(&["--from", "x"]), "");
    assert_eq!(keys(&["--from", "c", "--to", "a"]), "");
    assert_eq!(keys(&["--limit", "0"]), "");
    assert_eq!(
        (kv.ok(&["scan", "-c"]), kv.ok(&["scan", "-c", "--prefix", "a", "-l", "2"])),
        ("5\n".into(), "2\n".into())
    );
    kv.ok(&["delete", "--prefix", "a"]);
    assert_eq!(keys(&[]), "b c ");
    kv.ok(&["-f", "hex", "put", "ff01", ""]);
    kv.ok(&["-f", "hex", "delete", "--prefix", "ff"]);
    assert_eq!(keys(&[]), "b c ", "a prefix that has no end");
    kv.refused(&["scan", "--prefix", "a", "--from", "b"], 2, "cannot be used with");
    kv.refused(&["scan", "--limit", "-1"], 2, "");
    kv.refused(&["delete"], 2, "Usage");
}

fn a_batch_is_all_or_nothing(kv: &Kv) {
    let lines =
        b"# fruit\nput apple red and green\n\nput\tpear\t\nput \\x20 blank\nput gone x\ndelete gone\ndelete-range x z";
    assert_eq!(kv.with_input(&["batch"], lines), (0, "6 writes\n".into(), String::new()));
    assert_eq!(kv.ok(&["scan"]), "\\x20\tblank\napple\tred and green\npear\t\n");
    for (bad, why) in [
        ("put a 1\nput b", "line 2 of the batch: put without a value"),
        ("put a 1\n\nfrobnicate b", "line 3 of the batch: frobnicate is none of"),
        ("put a 1\ndelete b c", "line 2 of the batch: something follows the key"),
        ("delete-range a", "line 1 of the batch: delete-range without an end"),
        ("put a \\x", "line 1 of the batch: a backslash"),
        ("put a 1\n\\xff\0", "line 2 of the batch"),
    ] {
        let (code, out, err) = kv.with_input(&["batch"], bad.as_bytes());
        assert_eq!((code, out.as_str()), (2, ""), "{bad}");
        assert!(err.contains(why), "{err}");
        kv.refused(&["get", "a"], 1, "no such key");
    }
    // The engine in memory takes keys of any length.
    if kv.engine != "memory" {
        let (long, fine) = ("k".repeat(70_000), "v".repeat(70_000));
        let lines = format!("put a {fine}\n# a comment\nput {long} 1\n");
        let (code, out, err) = kv.with_input(&["batch"], lines.as_bytes());
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("line 3 of the batch: key of 70000 bytes, and the limit is 65536"), "{err}");
        kv.refused(&["get", "a"], 1, "no such key");
        let (_, _, err) = kv.with_input(&["batch", "--every", "1"], lines.as_bytes());
        assert!(err.contains("line 3 of the batch: key"), "{err}");
        kv.ok(&["delete", "a"]);
    }
    fs::write(kv.path("lines"), "put 61 62\n").unwrap();
    assert_eq!(kv.ok(&["-f", "hex", "batch", &kv.path("lines")]), "1 writes\n");
    assert_eq!(kv.ok(&["get", "a"]), "b\n");
    kv.refused(&["batch", &kv.path("missing")], 3, "missing: cannot open");
}

fn a_scan_is_a_batch_of_puts(kv: &Kv) {
    kv.ok(&["put", r"a b\n\t\\", r" \n trailing\x20 "]);
    kv.ok(&["put", "", ""]);
    kv.ok(&["-f", "hex", "put", "00ff", "ff00"]);
    let before = kv.ok(&["scan"]);
    let lines: String = before.lines().map(|line| format!("put {line}\n")).collect();
    kv.ok(&["delete", "--prefix", ""]);
    assert_eq!(kv.ok(&["scan", "-c"]), "0\n");
    assert_eq!(kv.with_input(&["batch"], lines.as_bytes()).0, 0);
    assert_eq!(kv.ok(&["scan"]), before);
}

fn a_large_batch_goes_in_pieces(kv: &Kv) {
    let lines: String = (0..5000).map(|n| format!("put key{n:06} value{n}\n")).collect();
    assert_eq!(kv.with_input(&["batch", "--every", "700"], lines.as_bytes()).1, "5000 writes\n");
    assert_eq!(kv.ok(&["scan", "-c"]), "5000\n");
    // What came before the bad line stays, which is what --every says.
    let (code, ..) = kv.with_input(&["batch", "--every", "1"], b"put a 1\nput");
    assert_eq!((code, kv.ok(&["get", "a"])), (2, "1\n".into()));
    kv.refused(&["batch", "--every", "0"], 2, "");
}

fn a_backup_is_restored(kv: &Kv) {
    let lines: String = (0..3000).map(|n| format!("put {n} {}\n", "x".repeat(n % 100))).collect();
    kv.with_input(&["batch"], lines.as_bytes());
    let file = kv.path("backup");
    let told = kv.ok(&["backup", &file]);
    assert!(told.starts_with("3000 entries, "), "{told}");
    assert!(!Path::new(&format!("{file}.unfinished")).exists());
    kv.refused(&["backup", &file], 2, "there is one already");
    let to = |words: &[&str]| said(kv.command("other", words).output().unwrap());
    assert_eq!(to(&["restore", &file]), (0, "3000 entries\n".into(), String::new()));
    assert_eq!(to(&["scan"]).1, kv.ok(&["scan"]));
    let (code, _, err) = to(&["restore", &file]);
    assert_eq!(code, 2);
    assert!(err.contains("--merge"), "{err}");
    to(&["put", "0", "changed"]);
    to(&["put", "more", ""]);
    assert_eq!(to(&["restore", "--merge", &file]).0, 0);
    assert_eq!((to(&["scan", "-c"]).1, to(&["get", "0"]).1), ("3001\n".into(), "\n".into()));

    // Through a pipe.
    let dump = kv.command("store", &["backup", "-"]).output().unwrap().stdout;
    assert_eq!(dump, fs::read(&file).unwrap());
    let mut child =
        kv.command("third", &["restore", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&dump).unwrap();
    assert_eq!(said(child.wait_with_output().unwrap()).1, "3000 entries\n");
    let verified = said(Command::new(env!("CARGO_BIN_EXE_xs-kv")).args(["verify", &file]).output().unwrap());
    assert!(verified.0 == 0 && verified.1.ends_with("nothing wrong\n"), "{verified:?}");
}

fn a_damaged_backup_writes_nothing(kv: &Kv) {
    let lines: String = (0..3000).map(|n| format!("put {n} {}\n", "x".repeat(100))).collect();
    kv.with_input(&["batch"], lines.as_bytes());
    let file = kv.path("backup");
    kv.ok(&["backup", &file]);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let late = whole.len() - 1000;
    flipped[late] ^= 0x10;
    let text: &[u8] = b"key,value\n";
    let newer = [&whole[..8], &9_u32.to_le_bytes()].concat();
    for (bytes, why) in [
        (&flipped[..], "is damaged"),
        (&whole[..late], "cut off after"),
        (text, "not a dump"),
        (&newer[..], "format version 9"),
        (b"", "not a dump"),
    ] {
        fs::write(&file, bytes).unwrap();
        for words in [["restore", &file], ["verify", &file]] {
            let (code, out, err) = said(kv.command("other", &words).output().unwrap());
            assert_eq!((code, out.as_str()), (3, ""), "{words:?}: {err}");
            assert!(err.contains(why), "{err}");
        }
        assert_eq!(said(kv.command("other", &["scan", "-c"]).output().unwrap()).1, "0\n");
    }
}

fn directories_that_are_none_of_ours(kv: &Kv) {
    kv.refused(&["get", "a"], 3, "store");
    assert!(!Path::new(&kv.path("store")).exists(), "reading makes no store");
    kv.refused(&["restore", &kv.path("missing")], 3, "missing: cannot open");
    let at = |dir: &str, words: &[&str]| said(kv.command(dir, words).output().unwrap());
    fs::write(kv.path("file"), "x").unwrap();
    for words in [&["put", "a", "1"][..], &["get", "a"]] {
        let (code, _, err) = at("file", words);
        assert!(code == 3 && err.contains("/file") && err.contains("stands where a directory should be"), "{err}");
    }
    fs::create_dir(kv.path("photos")).unwrap();
    fs::write(kv.path("photos/cat.jpg"), "x").unwrap();
    let (code, _, err) = at("photos", &["put", "a", "1"]);
    assert!(code == 3 && err.contains("photos"), "{err}");
    assert_eq!(fs::read_dir(kv.path("photos")).unwrap().count(), 1, "nothing is left in it");
    let (code, out, err) =
        said(Command::new(env!("CARGO_BIN_EXE_xs-kv")).args(["--engine", "nosuch", "stats"]).output().unwrap());
    assert!(code == 2 && out.is_empty() && err.contains("possible values"), "{err}");
}

fn two_at_once_are_one_too_many(kv: &Kv) {
    kv.ok(&["put", "a", "1"]);
    // It waits for its value on standard input, with the store open.
    let mut waiting = kv.command("store", &["put", "b"]).stdin(Stdio::piped()).spawn().unwrap();
    let refused = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let (code, _, err) = kv.run(&["get", "a"]);
        (code != 0).then_some((code, err))
    });
    waiting.stdin.take().unwrap().write_all(b"2").unwrap();
    assert!(waiting.wait().unwrap().success());
    let (code, err) = refused.expect("a second process is refused");
    assert!(code == 3 && err.contains("in use by another process"), "{err}");
    assert_eq!(kv.ok(&["get", "b"]), "2\n");
}

fn a_reader_that_leaves_is_no_error(kv: &Kv) {
    let lines: String = (0..20_000).map(|n| format!("put {n} {}\n", "x".repeat(50))).collect();
    kv.with_input(&["batch"], lines.as_bytes());
    for words in [&["scan"][..], &["scan", "--reverse", "--keys-only"], &["backup", "-"]] {
        let mut child = kv.command("store", words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let (code, _, err) = said(child.wait_with_output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
    }
}

fn check_compact_and_stats_answer(kv: &Kv) {
    let lines: String = (0..2000).map(|n| format!("put {n} value\n")).collect();
    kv.with_input(&["batch"], lines.as_bytes());
    assert_eq!(kv.ok(&["check"]), "2000 entries, nothing wrong\n");
    assert_eq!(kv.ok(&["compact"]), "");
    let stats = kv.ok(&["stats"]);
    assert!(stats.lines().any(|line| line.starts_with("memory, ")), "{stats}");
    assert_eq!(kv.ok(&["check"]), "2000 entries, nothing wrong\n");
}

fn a_benchmark_leaves_nothing(kv: &Kv) {
    let words = ["bench", "-n", "2000", "--value-bytes", "10", "--threads", "2"];
    let out = kv.ok(&words);
    for row in [
        "fill in order",
        "overwrite at random",
        "durable puts, 2 threads",
        "random reads, hit",
        "seek and 100 next",
        "full scan",
    ] {
        assert!(out.contains(row), "{out}");
    }
    assert_eq!(kv.ok(&["scan", "-c"]), "0\n");
    kv.ok(&["put", "mine", "1"]);
    kv.refused(&words, 2, "has entries");
}

#[test]
fn a_store_in_memory_needs_no_directory() {
    let run = |words: &[&str]| said(Command::new(env!("CARGO_BIN_EXE_xs-kv")).args(words).output().unwrap());
    assert_eq!(run(&["--engine", "memory", "put", "a", "1"]), (0, String::new(), String::new()));
    assert_eq!(run(&["--engine", "memory", "get", "a"]).0, 1, "gone with the process");
    for engine in ["btree", "lsm"] {
        let (code, _, err) = run(&["--engine", engine, "put", "a", "1"]);
        assert!(code == 3 && err.contains("name one"), "{engine}: {code} {err}");
    }
}

#[test]
fn a_damaged_file_of_the_store_is_named() {
    let kv = Kv::new("memory");
    kv.ok(&["put", "a", "1"]);
    let file = kv.path("store/memory.dump");
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, &bytes).unwrap();
    kv.refused(&["get", "a"], 3, "memory.dump: corrupt at byte 12");
    kv.refused(&["put", "a", "2"], 3, "memory.dump: corrupt at byte 12");
    assert_eq!(fs::read(&file).unwrap(), bytes, "what may still be saved is not written over");
}

#[test]
fn help_teaches() {
    let run = |words: &[&str]| said(Command::new(env!("CARGO_BIN_EXE_xs-kv")).args(words).output().unwrap());
    let (code, help, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for word in ["Exit codes", "Examples", "--data-dir", "batch", "backup", "hexadecimal"] {
        assert!(help.contains(word), "no {word} in\n{help}");
    }
    let (code, help, _) = run(&["batch", "--help"]);
    assert!(code == 0 && help.contains("delete-range FROM TO") && help.contains("sed 's/^/put /'"), "{help}");
    let (code, out, err) = run(&["gett", "a"]);
    assert!(code == 2 && out.is_empty() && err.contains("get"), "{err}");
    assert_eq!(run(&["--version"]).1, format!("xs-kv {}\n", env!("CARGO_PKG_VERSION")));
}
