//! `.import`: a file of separated values into a table.

use std::fs::File;
use std::io::{BufReader, Read, Write};

use xs_storage::sql::{Failure, Value};

use super::{Outcome, Usage, complain};
use crate::output::{Mode, quoted_name};
use crate::shell::Shell;

/// A longer field is no field.
const LONGEST: usize = 1_000_000_000;

/// Reads fields one by one.
struct Fields<R: Read> {
    input: std::iter::Peekable<std::io::Bytes<R>>,
    column: u8,
    row: u8,
    /// Whether double quotes hold fields together.
    quotes: bool,
    line: usize,
}

/// What a field ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Column,
    Row,
    Input,
}

impl<R: Read> Fields<R> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.input.next()?.ok()?;
        if byte == b'\n' {
            self.line += 1;
        }
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        self.input.peek()?.as_ref().ok().copied()
    }

    /// The next field, and what it ends with; none behind the last row.
    fn next(&mut self, first: bool) -> Option<(Vec<u8>, End)> {
        let mut field = Vec::new();
        let Some(mut byte) = self.byte() else { return (!first).then_some((field, End::Input)) };
        if self.quotes && byte == b'"' {
            return Some(self.quoted(field));
        }
        loop {
            if byte == self.column {
                return Some((field, End::Column));
            }
            if byte == self.row {
                if self.quotes && field.last() == Some(&b'\r') {
                    field.pop();
                }
                return Some((field, End::Row));
            }
            if field.len() < LONGEST {
                field.push(byte);
            }
            match self.byte() {
                Some(next) => byte = next,
                None => return Some((field, End::Input)),
            }
        }
    }

    fn quoted(&mut self, mut field: Vec<u8>) -> (Vec<u8>, End) {
        loop {
            let Some(byte) = self.byte() else { return (field, End::Input) };
            if byte != b'"' {
                field.push(byte);
                continue;
            }
            match self.peek() {
                Some(b'"') => {
                    self.byte();
                    field.push(b'"');
                }
                Some(b'\r') | None => {
                    self.byte();
                }
                Some(_) => {}
            }
            match self.peek() {
                Some(next) if next == self.column => {
                    self.byte();
                    return (field, End::Column);
                }
                Some(next) if next == self.row => {
                    self.byte();
                    return (field, End::Row);
                }
                None => return (field, End::Input),
                Some(_) => {}
            }
        }
    }

    /// A row's fields.
    fn row(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut row = Vec::new();
        loop {
            let (field, end) = self.next(row.is_empty())?;
            row.push(field);
            if end != End::Column {
                return Some(row);
            }
        }
    }
}

pub(super) fn import(shell: &mut Shell, args: &[String]) -> Outcome {
    let (mut places, mut skip) = (Vec::new(), 0);
    let (mut column, mut row) = (shell.format.column_separator.clone(), shell.format.row_separator.clone());
    let mut quotes = shell.format.mode != Mode::Ascii;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-').map(|name| name.trim_start_matches('-')) {
            None => places.push(arg.as_str()),
            Some("csv") => (column, row, quotes) = (",".into(), "\n".into(), true),
            Some("ascii") => (column, row, quotes) = ("\x1F".into(), "\x1E".into(), false),
            Some("skip") => skip = args.next().and_then(|count| count.parse().ok()).ok_or(Usage)?,
            Some(_) => {
                return Ok(complain(shell, &format!("ERROR: unknown option: \"{arg}\".  Usage:\n.import FILE TABLE")));
            }
        }
    }
    let [file, table] = places[..] else { return Err(Usage) };
    if row == "\r\n" {
        // What CSV is written with is not what it is read with. From here on it is, as in sqlite3.
        row = "\n".into();
        shell.format.row_separator.clone_from(&row);
    }
    let (&[column], &[row]) = (column.as_bytes(), row.as_bytes()) else {
        return Ok(complain(shell, "Error: separators of one byte are needed for import"));
    };
    let Ok(input) = File::open(file) else {
        return Ok(complain(shell, &format!("Error: cannot open \"{file}\"")));
    };
    let input = BufReader::new(input).bytes().peekable();
    let mut fields = Fields { input, column, row, quotes, line: 1 };
    for _ in 0..skip {
        fields.row();
    }
    match fill(shell, file, table, &mut fields) {
        Ok(()) => Ok(true),
        Err(failure) => Ok(complain(shell, &format!("Error: {}", failure.message()))),
    }
}

fn fill<R: Read>(shell: &mut Shell, file: &str, table: &str, fields: &mut Fields<R>) -> Result<(), Failure> {
    let name = quoted_name(table);
    if shell.db.prepare(&format!("SELECT * FROM {name}")).is_err() {
        let Some(columns) = fields.row() else {
            return Err(Failure::error(format!("{file}: empty file")));
        };
        let columns: Vec<_> = columns
            .iter()
            .map(|column| format!("\"{}\" TEXT", String::from_utf8_lossy(column).replace('"', "\"\"")))
            .collect();
        let table = table.replace('"', "\"\"");
        shell.db.execute(&format!("CREATE TABLE \"{table}\"(\n{})", columns.join(", ")), ())?;
    }
    let Shell { db, err, .. } = shell;
    let wanted = db.prepare(&format!("SELECT * FROM {name}"))?.column_count();
    let own = db.is_autocommit();
    if own {
        db.execute("BEGIN", ())?;
    }
    let places = vec!["?"; wanted].join(",");
    let mut insert = db.prepare(&format!("INSERT INTO {name} VALUES({places})"))?;
    loop {
        let line = fields.line;
        let Some(row) = fields.row() else { break };
        if row.len() < wanted {
            let _ = writeln!(
                err,
                "{file}:{line}: expected {wanted} columns but found {} - filling the rest with NULL",
                row.len()
            );
        }
        if row.len() > wanted {
            let found = row.len();
            let _ = writeln!(err, "{file}:{line}: expected {wanted} columns but found {found} - extras ignored");
        }
        let mut values: Vec<Value> = row.into_iter().take(wanted).map(|field| Value::Text(field.into())).collect();
        values.resize(wanted, Value::Null);
        if let Err(failure) = insert.execute(values) {
            let _ = writeln!(err, "{file}:{line}: INSERT failed: {}", failure.message());
        }
    }
    drop(insert);
    if own {
        db.execute("COMMIT", ())?;
    }
    Ok(())
}
