//! Databases as programs ship them, read in full by ours and by SQLite.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use md5::{Digest, Md5};
use xs_os::Rng;
use xs_os::vfs::SystemVfs;
use xs_storage::sql::{Connection, Result, Value};
use xs_storage::sqlite::{Database, Options};

/// What `.ci/tools` fetches: files of packages of Debian and PyPI, of many ages, sizes and schemas.
const FILES: &[&str] = &[
    "ibus-cangjie5.db",
    "ibus-emoji.db",
    "ibus-latex.db",
    "kf5archive.qch",
    "mendeleev.db",
    "proj-data.db",
    "pyproj.db",
    "pyzipcode.db",
    "qgis-srs.db",
    "qgis.db",
    "qtsvg.qch",
    "xraydb.db",
];

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/databases").join(name)
}

fn open(file: &Path) -> Connection<Database> {
    let options = Options { read_only: true, create: false, ..Options::default() };
    let opened = Database::open(Arc::new(SystemVfs), file, options, Rng::from_seed(1));
    let opened = opened.unwrap_or_else(|error| panic!("{}: {error}; .ci/tools fetches it", file.display()));
    Connection::new(opened).unwrap()
}

/// A value as its row's checksum is made of it; `databases.py` says the same.
fn put(sum: &mut Md5, value: &Value) {
    match value {
        Value::Null => sum.update(b"n"),
        Value::Integer(integer) => sum.update(format!("i{integer}")),
        Value::Real(real) => {
            sum.update(b"r");
            sum.update(real.to_le_bytes());
        }
        Value::Text(text) => {
            sum.update(format!("t{}:", text.len()));
            sum.update(text);
        }
        Value::Blob(blob) => {
            sum.update(format!("b{}:", blob.len()));
            sum.update(blob);
        }
    }
}

/// How many rows a table or view has, and the sum of their checksums.
fn rows(db: &Connection<Database>, name: &str) -> Result<(u64, u64)> {
    let mut statement = db.prepare(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    let (mut count, mut total) = (0, 0_u64);
    while let Some(row) = rows.next()? {
        let mut sum = Md5::new();
        for at in 0..columns {
            put(&mut sum, &row.get::<Value>(at)?);
        }
        let digest = sum.finalize();
        count += 1;
        total = total.wrapping_add(u64::from_le_bytes(digest[..8].try_into().unwrap()));
    }
    Ok((count, total))
}

/// What SQLite has: every table's and view's name, rows and checksum.
fn expected(file: &Path) -> Vec<(String, u64, u64)> {
    let mut command = Command::new("python3");
    let output = command.args(["-c", include_str!("databases.py")]).arg(file).output().expect("python3 with sqlite3");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, count, total] = words[..] else { panic!("{line}") };
        let pairs = name.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let name = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        (String::from_utf8(name).unwrap(), count.parse().unwrap(), total.parse().unwrap())
    };
    text.lines().map(line).collect()
}

/// What differs in a file, and how many rows were compared.
fn compare(name: &str) -> (u64, Vec<String>) {
    let file = place(name);
    let db = open(&file);
    let (mut wrong, mut all) = (Vec::new(), 0);
    let tables = expected(&file);
    assert!(tables.len() > 1, "{name} has no tables");
    for (table, count, total) in &tables {
        match rows(&db, table) {
            Ok(found) if found == (*count, *total) => all += count,
            Ok((found, _)) if found != *count => wrong.push(format!("{name}: {table}: {found} rows of {count}")),
            Ok(_) => wrong.push(format!("{name}: {table}: its rows differ")),
            Err(error) => wrong.push(format!("{name}: {table}: {error}")),
        }
    }
    match db.query_row("PRAGMA integrity_check", (), |row| row.get::<String>(0)) {
        Ok(verdict) if verdict == "ok" => {}
        other => wrong.push(format!("{name}: integrity_check: {other:?}")),
    }
    println!("{name}: {} tables and views, {all} rows", tables.len());
    (all, wrong)
}

#[test]
#[ignore = "needs python3 with sqlite3, and the databases that .ci/tools fetches"]
fn databases_of_packages_are_read_in_full() {
    let (mut wrong, mut all) = (Vec::new(), 0);
    for name in FILES {
        let (rows, differ) = compare(name);
        all += rows;
        wrong.extend(differ);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 500_000, "{all} rows");
}
