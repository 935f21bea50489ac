//! What is in the database: names, statements that make it, all of it as SQL.

use std::io::Write;

use xs_storage::sql::{Failure, Value};

use super::{Outcome, Usage, complain, say};
use crate::output::{Format, Mode, Printer, quoted_name};
use crate::shell::Shell;

/// Rows of text.
fn rows(shell: &Shell, sql: &str, params: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
    let mut statement = shell.db.prepare(sql)?;
    let params: Vec<Value> = params.iter().map(|text| Value::from(*text)).collect();
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cell = |at| row.get::<Option<String>>(at).map(Option::unwrap_or_default);
        found.push((0..row.column_count()).map(cell).collect::<Result<_, _>>()?);
    }
    Ok(found)
}

fn failed(shell: &mut Shell, failure: &Failure) -> Outcome {
    Ok(complain(shell, &format!("Error: {}", failure.message())))
}

/// Names, in as many columns as fit into eighty characters, filled from above.
fn in_columns(names: &[String]) -> String {
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = (80 / (widest + 2)).max(1);
    let height = names.len().div_ceil(columns);
    let line = |nth: usize| {
        let cells: Vec<_> = names.iter().skip(nth).step_by(height).map(|name| format!("{name:<widest$}")).collect();
        cells.join("  ") + "\n"
    };
    (0..height).map(line).collect()
}

fn names(shell: &mut Shell, sql: &str, pattern: &str) -> Outcome {
    match rows(shell, sql, &[pattern]) {
        Ok(rows) => {
            let names: Vec<_> = rows.into_iter().flatten().collect();
            say(shell, &in_columns(&names))
        }
        Err(failure) => failed(shell, &failure),
    }
}

pub(super) fn tables(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => "%",
        [pattern] => pattern,
        _ => return Err(Usage),
    };
    let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name LIKE ?1 ORDER BY 1";
    names(shell, sql, pattern)
}

pub(super) fn indexes(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => "%",
        [pattern] => pattern,
        _ => return Err(Usage),
    };
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE ?1 ORDER BY 1";
    names(shell, sql, pattern)
}

pub(super) fn databases(shell: &mut Shell, args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(Usage);
    }
    let mode = if shell.read_only { "r/o" } else { "r/w" };
    let mut text = String::new();
    let mut list = || -> Result<(), Failure> {
        let mut statement = shell.db.prepare("PRAGMA database_list")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (name, file) = (row.get::<String>(1)?, row.get::<String>(2)?);
            let file = if file.is_empty() { "\"\"" } else { &file };
            text.push_str(&format!("{name}: {file} {mode}\n"));
        }
        Ok(())
    };
    match list() {
        Ok(()) => say(shell, &text),
        Err(failure) => failed(shell, &failure),
    }
}

/// A statement as it is shown: a table whose name stands in quotes may be there already.
fn shown(sql: &str) -> String {
    match sql.strip_prefix("CREATE TABLE ") {
        Some(rest) if rest.starts_with(['"', '\'']) => format!("CREATE TABLE IF NOT EXISTS {rest}"),
        _ => sql.to_owned(),
    }
}

pub(super) fn schema(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => "%",
        [pattern] if !pattern.starts_with('-') => pattern,
        [option] => return Ok(complain(shell, &format!("Unknown option: \"{option}\""))),
        _ => return Err(Usage),
    };
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND (?1 <> '%' OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\') \
               AND (name LIKE ?1 OR tbl_name LIKE ?1) ORDER BY rowid";
    let found = match rows(shell, sql, &[pattern]) {
        Ok(found) => found,
        Err(failure) => return failed(shell, &failure),
    };
    let mut text = String::new();
    for row in found {
        let [kind, name, sql] = &row[..] else { continue };
        text.push_str(&shown(sql));
        if kind == "view"
            && let Ok(view) = shell.db.prepare(&format!("SELECT * FROM {}", quoted_name(name)))
        {
            let columns: Vec<_> = (0..view.column_count()).filter_map(|at| view.column_name(at)).collect();
            let columns: Vec<_> = columns.into_iter().map(quoted_name).collect();
            text.push_str(&format!("\n/* {}({}) */", quoted_name(name), columns.join(",")));
        }
        text.push_str(";\n");
    }
    say(shell, &text)
}

pub(super) fn dump(shell: &mut Shell, args: &[String]) -> Outcome {
    let matching = match args.is_empty() {
        true => "1".to_owned(),
        false => {
            let one = |at: usize| format!("name LIKE ?{} ESCAPE '\\' OR tbl_name LIKE ?{0} ESCAPE '\\'", at + 1);
            let all: Vec<_> = (0..args.len()).map(one).collect();
            format!("({})", all.join(" OR "))
        }
    };
    say(shell, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")?;
    let params: Vec<&str> = args.iter().map(String::as_str).collect();
    let well = write_tables(shell, &matching, &params);
    let ended = match &well {
        Ok(()) => "COMMIT;\n".to_owned(),
        Err(failure) => format!("/****** ERROR: {} ******/\nROLLBACK; -- due to errors\n", failure.message()),
    };
    say(shell, &ended)?;
    Ok(well.is_ok())
}

fn write_tables(shell: &mut Shell, matching: &str, params: &[&str]) -> Result<(), Failure> {
    let tables = format!(
        "SELECT name, sql FROM sqlite_schema WHERE {matching} AND type = 'table' AND sql IS NOT NULL \
         ORDER BY tbl_name = 'sqlite_sequence', rowid"
    );
    for row in rows(shell, &tables, params)? {
        let [name, sql] = &row[..] else { continue };
        let made = match name.as_str() {
            "sqlite_sequence" => "DELETE FROM sqlite_sequence;\n".to_owned(),
            "sqlite_stat1" => "ANALYZE sqlite_schema;\n".to_owned(),
            name if name.starts_with("sqlite_") => continue,
            _ => format!("{};\n", shown(sql)),
        };
        let _ = shell.sink().write_all(made.as_bytes());
        write_rows(shell, name)?;
    }
    let others = format!(
        "SELECT sql FROM sqlite_schema WHERE {matching} AND sql IS NOT NULL AND type IN ('index', 'trigger', 'view') \
         ORDER BY rowid"
    );
    for row in rows(shell, &others, params)? {
        let _ = shell.sink().write_all(format!("{};\n", shown(&row[0])).as_bytes());
    }
    Ok(())
}

fn write_rows(shell: &mut Shell, table: &str) -> Result<(), Failure> {
    let format = Format { mode: Mode::Insert, table: table.to_owned(), ..Format::default() };
    // What is computed is computed again when it is read in: those columns are no part of this list.
    let columns = rows(shell, "SELECT name FROM pragma_table_info(?1)", &[table])?;
    let columns: Vec<String> = columns.iter().map(|column| quoted_name(&column[0])).collect();
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(",") };
    let mut statement = shell.db.prepare(&format!("SELECT {columns} FROM {}", quoted_name(table)))?;
    let names = (0..statement.column_count()).filter_map(|at| statement.column_name(at).map(str::to_owned)).collect();
    let out: &mut dyn Write = match &mut shell.redirected {
        Some((file, _)) => file,
        None => &mut shell.out,
    };
    let mut printer = Printer::new(&format, names, out);
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let row = (0..row.column_count()).map(|at| row.get::<Value>(at)).collect::<Result<Vec<_>, _>>()?;
        let row: Vec<_> = row.iter().map(Value::as_ref).collect();
        if printer.row(&row).is_err() {
            break;
        }
    }
    let _ = printer.end();
    Ok(())
}
