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

/// A name as a string of SQL.
fn string(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// What all databases are called, in their order.
fn schemas(shell: &Shell) -> Result<Vec<String>, Failure> {
    Ok(rows(shell, "SELECT name FROM pragma_database_list", &[])?.into_iter().flatten().collect())
}

/// The names of some objects of all databases; those of others than `main` say which.
fn all_names(shell: &mut Shell, filter: &str, pattern: &str) -> Outcome {
    let of = |schema: &String| {
        let name = match schema.as_str() {
            "main" => "name".to_owned(),
            other => format!("{} || name", string(&format!("{other}."))),
        };
        format!("SELECT {name} FROM {}.sqlite_schema WHERE {filter}", in_quotes(schema))
    };
    match schemas(shell) {
        Ok(all) => {
            let all: Vec<_> = all.iter().map(of).collect();
            names(shell, &format!("{} ORDER BY 1", all.join(" UNION ALL ")), pattern)
        }
        Err(failure) => failed(shell, &failure),
    }
}

fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn tables(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => "%",
        [pattern] => pattern,
        _ => return Err(Usage),
    };
    let filter = "type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name LIKE ?1";
    all_names(shell, filter, pattern)
}

pub(super) fn indexes(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => "%",
        [pattern] => pattern,
        _ => return Err(Usage),
    };
    all_names(shell, "type = 'index' AND tbl_name LIKE ?1", pattern)
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

/// The name of a database in front of others. That of `temp` needs no quotes.
fn prefix(schema: &str) -> String {
    if schema == "temp" { schema.to_owned() } else { quoted_name(schema) }
}

/// A statement that says in which database its object is, if that is not `main`.
fn placed(schema: &str, sql: &str) -> String {
    let kinds = ["TABLE ", "INDEX ", "UNIQUE INDEX ", "VIEW ", "TRIGGER ", "VIRTUAL TABLE "];
    let rest = sql.strip_prefix("CREATE ").filter(|_| schema != "main");
    match rest.and_then(|rest| kinds.iter().find_map(|kind| Some((kind, rest.strip_prefix(kind)?)))) {
        Some((kind, rest)) => format!("CREATE {kind}{}.{rest}", prefix(schema)),
        None => sql.to_owned(),
    }
}

/// What SQLite's own tables of schemas would be made by.
fn own_table(name: &str) -> Option<String> {
    let own = ["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"];
    let columns = "  type text,\n  name text,\n  tbl_name text,\n  rootpage integer,\n  sql text\n";
    let is_own = own.iter().any(|own| own.eq_ignore_ascii_case(name));
    is_own.then(|| format!("CREATE TABLE {name} (\n{columns});\n"))
}

pub(super) fn schema(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = match args {
        [] => None,
        [pattern] if !pattern.starts_with('-') => Some(pattern.as_str()),
        [option] => return Ok(complain(shell, &format!("Unknown option: \"{option}\""))),
        _ => return Err(Usage),
    };
    let mut text = pattern.and_then(own_table).unwrap_or_default();
    match statements(shell, pattern) {
        Ok(found) => text.push_str(&found),
        Err(failure) => return failed(shell, &failure),
    }
    say(shell, &text)
}

/// The statements of objects whose table's name is like something, or of all.
fn statements(shell: &Shell, pattern: Option<&str>) -> Result<String, Failure> {
    let all = schemas(shell)?;
    let of = |(at, schema): (usize, &String)| {
        let table = format!("{}.sqlite_schema", in_quotes(schema));
        format!(
            "SELECT {} AS sname, {at} AS snum, type, name, tbl_name, sql, rowid AS place FROM {table}",
            string(schema)
        )
    };
    let all: Vec<_> = all.iter().enumerate().map(of).collect();
    let filter = pattern.map_or(String::new(), |pattern| {
        let name = if pattern.contains('.') { "lower(sname || '.' || tbl_name)" } else { "lower(tbl_name)" };
        match pattern.contains(['*', '?', '[']) {
            true => format!("AND {name} GLOB ?1 "),
            false => format!("AND {name} LIKE ?1 ESCAPE '\\' "),
        }
    });
    let sql = format!(
        "SELECT sname, type, name, sql FROM ({}) WHERE sql IS NOT NULL {filter}ORDER BY snum, place",
        all.join(" UNION ALL ")
    );
    let mut text = String::new();
    for row in rows(shell, &sql, &pattern.into_iter().collect::<Vec<_>>())? {
        let [schema, kind, name, sql] = &row[..] else { continue };
        text.push_str(&shown(&placed(schema, sql)));
        if kind == "view"
            && let Ok(view) = shell.db.prepare(&format!("SELECT * FROM {}.{}", in_quotes(schema), in_quotes(name)))
        {
            let columns: Vec<_> = (0..view.column_count()).filter_map(|at| view.column_name(at)).collect();
            let columns: Vec<_> = columns.into_iter().map(quoted_name).collect();
            let place = if schema == "main" { String::new() } else { format!("{}.", prefix(schema)) };
            text.push_str(&format!("\n/* {place}{}({}) */", quoted_name(name), columns.join(",")));
        }
        text.push_str(";\n");
    }
    Ok(text)
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
