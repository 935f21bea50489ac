//! SQLite's own logic tests through the engine, failures by reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use xs_storage::sql::{Connection, Result, ValueRef};

/// One statement or query, and what should come of it.
struct Case {
    sql: String,
    expected: Expected,
}

enum Expected {
    Success,
    Failure,
    Rows { types: String, sort: String, result: Vec<String> },
}

/// The cases of a file that are SQLite's, and how many values are more than are written out.
fn cases(text: &str) -> Vec<Case> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    let mut skip = false;
    while let Some(line) = lines.next() {
        let line = line.split('#').next().unwrap_or("").trim_end();
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["skipif", "sqlite"] => skip = true,
            ["onlyif", other] if other != "sqlite" => skip = true,
            ["halt"] if !std::mem::take(&mut skip) => break,
            ["statement", outcome] => {
                let sql: Vec<_> = lines.by_ref().take_while(|line| !line.trim().is_empty()).collect();
                let expected = if outcome == "ok" { Expected::Success } else { Expected::Failure };
                if !std::mem::take(&mut skip) {
                    found.push(Case { sql: sql.join("\n"), expected });
                }
            }
            ["query", types, ref rest @ ..] => {
                let mut sql = Vec::new();
                let mut result = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
                    if line == "----" {
                        result.extend(lines.by_ref().take_while(|line| !line.is_empty()).map(str::to_owned));
                        break;
                    }
                    sql.push(line);
                }
                if !std::mem::take(&mut skip) {
                    let sort = rest.first().copied().unwrap_or("nosort").to_owned();
                    found.push(Case {
                        sql: sql.join("\n"),
                        expected: Expected::Rows { types: types.to_owned(), sort, result },
                    });
                }
            }
            _ => {}
        }
    }
    found
}

fn shown(value: ValueRef<'_>, kind: char) -> String {
    if value.is_null() {
        return "NULL".into();
    }
    match kind {
        'I' => value.to_integer().to_string(),
        'R' => fixed(value.to_real()),
        _ => {
            let text = value.to_text().unwrap_or_default();
            match text.is_empty() {
                true => "(empty)".into(),
                false => {
                    text.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '@' }).collect()
                }
            }
        }
    }
}

/// With three decimals, of at most sixteen digits that count, as SQLite's own runner prints it.
fn fixed(real: f64) -> String {
    if real.abs() < 1e15 {
        return format!("{real:.3}");
    }
    let scientific = format!("{real:.15e}");
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let places = exponent.parse::<usize>().unwrap() + 1;
    let (sign, digits) = if let Some(rest) = digits.strip_prefix('-') { ("-", rest) } else { ("", digits) };
    let digits = digits.replace('.', "");
    format!("{sign}{digits:0<places$}.000")
}

fn answers(db: &Connection, sql: &str, types: &str, sort: &str) -> Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query(())?;
    let mut found: Vec<Vec<String>> = Vec::new();
    while let Some(row) = rows.next()? {
        let kinds = types.chars().chain(std::iter::repeat('T'));
        let values = (0..row.column_count()).zip(kinds).map(|(at, kind)| row.with(at, |value| Ok(shown(value, kind))));
        found.push(values.collect::<Result<_>>()?);
    }
    if sort == "rowsort" {
        found.sort();
    }
    let mut values: Vec<String> = found.into_iter().flatten().collect();
    if sort == "valuesort" {
        values.sort();
    }
    Ok(values)
}

/// What went wrong with a case, in short.
fn run(db: &Connection, case: &Case) -> Option<String> {
    let (types, sort, expected) = match &case.expected {
        Expected::Success => return db.execute_batch(&case.sql).err().map(|error| error.to_string()),
        Expected::Failure => return db.execute_batch(&case.sql).is_ok().then(|| "taken, and should be refused".into()),
        Expected::Rows { types, sort, result } => (types, sort, result),
    };
    let values = match answers(db, &case.sql, types, sort) {
        Ok(values) => values,
        // The sums that overflow are there with no result: SQLite's own runner takes an error at a row for the end.
        Err(error) if error.message() == "integer overflow" && expected.is_empty() => return None,
        Err(error) => return Some(error.to_string()),
    };
    let right = match &expected[..] {
        [hashed] if hashed.contains(" values hashing to ") => {
            let text: String = values.iter().flat_map(|value| [value, "\n"]).collect();
            let hash: String = Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            *hashed == format!("{} values hashing to {hash}", values.len())
        }
        expected => values == *expected,
    };
    if !right && std::env::var_os("XS_LOGIC_EVERY").is_some() {
        println!("{values:?}\n{expected:?}");
    }
    (!right).then(|| "another result".into())
}

fn test_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            test_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            found.push(path);
        }
    }
}

/// Point `XS_LOGIC_TESTS` at a file or folder to run others; `XS_LOGIC_EVERY` prints every failure.
#[test]
#[expect(clippy::disallowed_methods, reason = "test data lies on the real disk")]
#[ignore = "reads ../shared/data/sqllogictest beside the workspace"]
fn sqllogictest_passes() {
    let data = std::env::var_os("XS_SHARED_DATA").map(PathBuf::from);
    let folder =
        data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data")).join("sqllogictest");
    let folder = std::env::var_os("XS_LOGIC_TESTS").map_or(folder, PathBuf::from);
    let mut files = Vec::new();
    if folder.is_dir() {
        test_files(&folder, &mut files)
    } else {
        files.push(folder)
    }
    let (mut selects, mut evidence, mut reasons) = (0, Vec::new(), BTreeMap::<String, (usize, String)>::new());
    let (mut passed, mut all) = (0, 0);
    let every = std::env::var_os("XS_LOGIC_EVERY").is_some();
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let db = Connection::open_in_memory().unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let of_evidence = file.parent().is_some_and(|folder| folder.ends_with("evidence"));
        let (mut good, mut bad) = (0, 0);
        for case in cases(&text) {
            match run(&db, &case) {
                None => good += 1,
                Some(reason) => {
                    bad += 1;
                    if of_evidence {
                        evidence.push(format!("{name}: {}: {reason}", case.sql));
                    }
                    if every {
                        println!("{reason}: {}", case.sql);
                    }
                    let entry = reasons.entry(reason).or_insert_with(|| (0, format!("{name}: {}", case.sql)));
                    entry.0 += 1;
                }
            }
        }
        println!("{name}: {good} passed, {bad} failed");
        (passed, all) = (passed + good, all + good + bad);
        if name.starts_with("select") {
            selects += bad;
        }
    }
    for (reason, (count, example)) in &reasons {
        println!("{count} × {reason}, such as {example}");
    }
    println!("{passed} of {all} passed");
    assert_eq!(selects, 0, "select1 to select5 pass completely");
    assert!(evidence.is_empty(), "the evidence passes:\n{}", evidence.join("\n"));
}
