//! What SQLite 3.40 answers, statement by statement; `transcripts/record.py` says how the files are read and written.

use xs_storage::sql::{Connection, Value};

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(n) => n.to_string(),
        Value::Real(real) => python(*real),
        Value::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\n', "\\n")),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
    }
}

/// The shortest digits that read as the same number, as Python writes them.
fn python(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let text = format!("{real:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return match real.abs() >= 1e16 {
            true => python_exponent(&format!("{real:e}")),
            false => text,
        };
    };
    python_exponent(&format!("{digits}e{exponent}"))
}

fn python_exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..16).contains(&exponent) {
        return format!("{:?}", text.parse::<f64>().unwrap());
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn answers(db: &Connection, sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut ask = || {
        let mut statement = db.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let row =
                (0..columns).map(|at| Ok(shown(&row.get::<Value>(at)?))).collect::<xs_storage::sql::Result<Vec<_>>>();
            found.push(row?.join("|"));
        }
        Ok::<_, xs_storage::sql::Failure>(())
    };
    if let Err(error) = ask() {
        found.push(format!("! {}", error.message()));
    }
    found
}

/// Runs a transcript, and tells every statement that is answered otherwise.
fn follows(name: &str, transcript: &str) {
    let db = Connection::open_in_memory().unwrap();
    let mut wrong = Vec::new();
    let mut lines = transcript.lines().enumerate().peekable();
    let mut statements = 0;
    while let Some((at, line)) = lines.next() {
        let Some(sql) = line.strip_prefix("> ") else { continue };
        let mut sql = sql.to_owned();
        while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with("+ ")) {
            sql = sql + "\n" + &more[2..];
        }
        let ends = |line: &str| line.starts_with("> ") || line.starts_with('#') || line.is_empty();
        let mut expected = Vec::new();
        while let Some((_, answer)) = lines.next_if(|(_, line)| !ends(line)) {
            expected.push(answer.to_owned());
        }
        statements += 1;
        let found = answers(&db, &sql);
        if found != expected {
            wrong.push(format!("{name}:{}: {sql}\n  SQLite: {expected:?}\n  ours:   {found:?}", at + 1));
        }
    }
    assert!(statements > 0, "{name} has no statements");
    assert!(wrong.is_empty(), "{} of {statements} statements differ:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! transcripts {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            follows(stringify!($name), include_str!(concat!("transcripts/", stringify!($name), ".txt")));
        }
    )*};
}

transcripts![
    alter_add,
    alter_drop,
    alter_kinds,
    alter_rename,
    analyze,
    attached,
    basics,
    change_corners,
    changing_views,
    common_tables,
    durability,
    foreign_key_actions,
    foreign_key_tables,
    foreign_keys,
    functions,
    generated,
    indexes,
    joined_kinds,
    json_functions,
    returning,
    row_values,
    rows_changed_directly,
    selects,
    strict,
    table_functions,
    temporary,
    trigger_conflicts,
    trigger_errors,
    triggers,
    update_from,
    upserts,
    ways,
    window_errors,
    windows,
    without_rowid,
];
