//! The statements of SQLite's own logic tests.

use std::path::{Path, PathBuf};

use xs_storage::sql::Parser;

fn test_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            test_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            found.push(path);
        }
    }
}

/// The statements of a file, with whether they should be taken: what should fail may fail for its names.
fn statements(text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut skip = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words: Vec<_> = line.split_whitespace().collect();
        let good = match words[..] {
            ["skipif", "sqlite", ..] => {
                skip = true;
                continue;
            }
            ["onlyif", other, ..] => {
                skip = skip || other != "sqlite";
                continue;
            }
            ["statement", "ok", ..] | ["query", ..] => true,
            ["statement", "error", ..] => false,
            _ => {
                skip = skip && !line.is_empty();
                continue;
            }
        };
        let sql = lines.by_ref().take_while(|line| !line.is_empty() && *line != "----").collect::<Vec<_>>().join("\n");
        if !std::mem::take(&mut skip) {
            found.push((good, sql));
        }
    }
    found
}

#[test]
#[expect(clippy::disallowed_methods, reason = "test data lies on the real disk")]
#[ignore = "reads ../shared/data/sqllogictest beside the workspace"]
fn the_statements_of_sqllogictest_are_parsed() {
    let data = std::env::var_os("XS_SHARED_DATA").map(PathBuf::from);
    let folder = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let mut files = Vec::new();
    test_files(&folder.join("sqllogictest"), &mut files);
    let (mut all, mut wrong) = (0, Vec::new());
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        for (good, sql) in statements(&text) {
            all += 1;
            match Parser::new(&sql).next_statement() {
                Ok(Some(statement)) => {
                    let printed = statement.to_string();
                    assert_eq!(Parser::new(&printed).next_statement(), Ok(Some(statement)), "{printed}");
                }
                Ok(None) => wrong.push(format!("{}: nothing in {sql}", file.display())),
                Err(error) if good => wrong.push(format!("{}: {error}: {sql}", file.display())),
                Err(_) => {}
            }
        }
    }
    println!("{all} statements, {} refused", wrong.len());
    assert!(all > 10_000, "{all}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
