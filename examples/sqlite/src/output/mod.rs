//! Rows as text, in the forms that SQLite's shell has.
//!
//! A [`Printer`] takes one statement's rows. Most forms write each row as it comes; those with columns that are aligned must see all
//! rows first.

mod grid;
mod values;

use std::io::{self, Write};

use xs_storage::sql::ValueRef;

use grid::Grid;
pub(crate) use values::quoted_name;
use values::{c_string, csv, html, json_text, json_value, literal, literal_on_one_line, tcl, text};

/// A form of output: `.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Values with a separator between them.
    #[default]
    List,
    /// RFC 4180.
    Csv,
    /// Values with tabs between them.
    Tabs,
    /// Values with the control characters of ASCII that are made for it between them.
    Ascii,
    /// Columns of spaces, with a ruler below the header.
    Column,
    /// A table of ASCII characters.
    Table,
    /// A table of box drawing characters.
    Box,
    /// A table as Markdown has it.
    Markdown,
    /// One value on each line, with its column's name.
    Line,
    /// An array of objects.
    Json,
    /// Literals of SQL, with commas between them.
    Quote,
    /// `INSERT` statements.
    Insert,
    /// Rows of an HTML table.
    Html,
    /// Strings as C, and Tcl, read them.
    Tcl,
}

/// The modes by their names, in the order in which the shell tells them.
pub(crate) const MODES: [(&str, Mode); 14] = [
    ("ascii", Mode::Ascii),
    ("box", Mode::Box),
    ("column", Mode::Column),
    ("csv", Mode::Csv),
    ("html", Mode::Html),
    ("insert", Mode::Insert),
    ("json", Mode::Json),
    ("line", Mode::Line),
    ("list", Mode::List),
    ("markdown", Mode::Markdown),
    ("quote", Mode::Quote),
    ("table", Mode::Table),
    ("tabs", Mode::Tabs),
    ("tcl", Mode::Tcl),
];

/// How rows are to be written.
#[derive(Clone, Debug)]
pub struct Format {
    /// The form.
    pub mode: Mode,
    /// Whether the columns' names come first. Nothing until somebody says so: forms with aligned columns show them then.
    pub headers: Option<bool>,
    /// Between columns.
    pub column_separator: String,
    /// Behind rows.
    pub row_separator: String,
    /// In place of NULL.
    pub null: String,
    /// The least widths of columns; negative for those that are aligned to the right.
    pub widths: Vec<i32>,
    /// The table that `INSERT` statements are about.
    pub table: String,
}

impl Default for Format {
    fn default() -> Self {
        Format {
            mode: Mode::List,
            headers: None,
            column_separator: "|".into(),
            row_separator: "\n".into(),
            null: String::new(),
            widths: Vec::new(),
            table: "table".into(),
        }
    }
}

impl Format {
    /// Takes another form, with the separators that go with it.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        let (columns, rows) = match mode {
            Mode::List => (Some("|"), Some("\n")),
            Mode::Csv => (Some(","), Some("\r\n")),
            Mode::Tabs => (Some("\t"), None),
            Mode::Ascii => (Some("\x1F"), Some("\x1E")),
            Mode::Quote => (Some(","), Some("\n")),
            Mode::Tcl => (Some(" "), Some("\n")),
            Mode::Line | Mode::Column => (None, Some("\n")),
            _ => (None, None),
        };
        if let Some(columns) = columns {
            self.column_separator = columns.into();
        }
        if let Some(rows) = rows {
            self.row_separator = rows.into();
        }
    }

    fn shows_headers(&self) -> bool {
        self.headers.unwrap_or(false)
    }
}

/// The rows of one statement on their way out.
pub struct Printer<'a, W: Write> {
    format: &'a Format,
    names: Vec<String>,
    out: W,
    grid: Option<Grid>,
    rows: u64,
}

impl<W: Write> std::fmt::Debug for Printer<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<'a, W: Write> Printer<'a, W> {
    /// For rows with these columns.
    pub fn new(format: &'a Format, names: Vec<String>, out: W) -> Self {
        let grid = match format.mode {
            Mode::Column | Mode::Table | Mode::Box | Mode::Markdown => Some(Grid::new(names.len())),
            _ => None,
        };
        Printer { format, names, out, grid, rows: 0 }
    }

    /// Writes a row, or takes note of it.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn row(&mut self, row: &[ValueRef<'_>]) -> io::Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        if let Some(grid) = &mut self.grid {
            grid.push(row.iter().map(|value| c_string(&text(*value, &self.format.null))));
            return Ok(());
        }
        if first && self.format.shows_headers() {
            self.header()?;
        }
        let Printer { format, names, out, .. } = self;
        match format.mode {
            Mode::Line => {
                if !first {
                    writeln!(out)?;
                }
                let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
                for (name, value) in names.iter().zip(row) {
                    write!(out, "{name:>width$} = ")?;
                    out.write_all(&c_string(&text(*value, &format.null)))?;
                    out.write_all(format.row_separator.as_bytes())?;
                }
                Ok(())
            }
            Mode::Json => {
                out.write_all(if first { b"[{" } else { b",\n{" })?;
                for (at, (name, value)) in names.iter().zip(row).enumerate() {
                    if at > 0 {
                        out.write_all(b",")?;
                    }
                    out.write_all(&json_text(name.as_bytes()))?;
                    out.write_all(b":")?;
                    out.write_all(&json_value(*value))?;
                }
                out.write_all(b"}")
            }
            Mode::Insert => {
                write!(out, "INSERT INTO {}", quoted_name(&format.table))?;
                if format.shows_headers() {
                    let names: Vec<_> = names.iter().map(|name| quoted_name(name)).collect();
                    write!(out, "({})", names.join(","))?;
                }
                out.write_all(b" VALUES(")?;
                for (at, value) in row.iter().enumerate() {
                    if at > 0 {
                        out.write_all(b",")?;
                    }
                    out.write_all(&literal_on_one_line(*value))?;
                }
                out.write_all(b");\n")
            }
            Mode::Html => {
                out.write_all(b"<TR>")?;
                for value in row {
                    out.write_all(b"<TD>")?;
                    out.write_all(&html(&c_string(&text(*value, &format.null))))?;
                    out.write_all(b"</TD>\n")?;
                }
                out.write_all(b"</TR>\n")
            }
            _ => {
                let cell = |value: &ValueRef<'_>| match (format.mode, value) {
                    (Mode::Quote, value) => match value {
                        ValueRef::Real(real) if real.is_infinite() => text(*value, ""),
                        value => literal(*value),
                    },
                    (Mode::Csv, ValueRef::Null) => format.null.clone().into_bytes(),
                    (Mode::Csv, value) => csv(&c_string(&text(*value, "")), &format.column_separator),
                    (Mode::Tcl, value) => tcl(&c_string(&text(*value, &format.null))),
                    (_, value) => c_string(&text(*value, &format.null)),
                };
                let cells: Vec<_> = row.iter().map(cell).collect();
                self.write_line(&cells)
            }
        }
    }

    /// Ends the rows.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn end(mut self) -> io::Result<()> {
        if self.rows > 0 {
            match self.grid.take() {
                Some(grid) => grid.write(self.format, &self.names, &mut self.out)?,
                None if self.format.mode == Mode::Json => self.out.write_all(b"]\n")?,
                None => {}
            }
        }
        self.out.flush()
    }

    fn header(&mut self) -> io::Result<()> {
        let Printer { format, names, .. } = self;
        let names = names.iter().map(String::as_bytes);
        let cells: Vec<_> = match format.mode {
            Mode::Line | Mode::Json | Mode::Insert => return Ok(()),
            Mode::Html => {
                let names: Vec<_> = names.map(html).collect();
                self.out.write_all(b"<TR>")?;
                for name in names {
                    self.out.write_all(b"<TH>")?;
                    self.out.write_all(&name)?;
                    self.out.write_all(b"</TH>\n")?;
                }
                return self.out.write_all(b"</TR>\n");
            }
            Mode::Csv => names.map(|name| csv(name, &format.column_separator)).collect(),
            Mode::Tcl => names.map(tcl).collect(),
            Mode::Quote => names.map(|name| literal(ValueRef::Text(name))).collect(),
            _ => names.map(<[u8]>::to_vec).collect(),
        };
        self.write_line(&cells)
    }

    fn write_line(&mut self, cells: &[Vec<u8>]) -> io::Result<()> {
        let Printer { format, out, .. } = self;
        out.write_all(&cells.join(format.column_separator.as_bytes()))?;
        out.write_all(format.row_separator.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(format: &Format, rows: &[&[ValueRef<'_>]]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(format, vec!["a".into(), "b b".into()], &mut out);
        rows.iter().for_each(|row| printer.row(row).unwrap());
        printer.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn mode(mode: Mode, headers: Option<bool>) -> String {
        let mut format = Format { headers, ..Format::default() };
        format.set_mode(mode);
        let rows: [&[ValueRef<'_>]; 2] =
            [&[ValueRef::Integer(1), ValueRef::Text(b"x'\"|,<\n")], &[ValueRef::Real(2.5), ValueRef::Null]];
        print(&format, &rows)
    }

    // What sqlite3 3.40 prints.
    #[test]
    fn rows_are_written_as_the_shell_writes_them() {
        assert_eq!(mode(Mode::List, Some(true)), "a|b b\n1|x'\"|,<\n\n2.5|\n");
        assert_eq!(mode(Mode::Csv, Some(true)), "a,\"b b\"\r\n1,\"x'\"\"|,<\n\"\r\n2.5,\r\n");
        assert_eq!(mode(Mode::Tabs, None), "1\tx'\"|,<\n\n2.5\t\n");
        assert_eq!(mode(Mode::Ascii, None), "1\x1Fx'\"|,<\n\x1E2.5\x1F\x1E");
        assert_eq!(mode(Mode::Line, None), "    a = 1\n  b b = x'\"|,<\n\n\n    a = 2.5\n  b b = \n");
        assert_eq!(mode(Mode::Json, None), "[{\"a\":1,\"b b\":\"x'\\\"|,<\\n\"},\n{\"a\":2.5,\"b b\":null}]\n");
        assert_eq!(mode(Mode::Quote, Some(true)), "'a','b b'\n1,'x''\"|,<\n'\n2.5,NULL\n");
        let insert = "INSERT INTO \"table\"(a,\"b b\") VALUES(1,replace('x''\"|,<\\n','\\n',char(10)));\n";
        assert!(mode(Mode::Insert, Some(true)).starts_with(insert));
        let html = "<TR><TH>a</TH>\n<TH>b b</TH>\n</TR>\n<TR><TD>1</TD>\n<TD>x&#39;&quot;|,&lt;\n</TD>\n</TR>\n";
        assert!(mode(Mode::Html, Some(true)).starts_with(html));
        assert_eq!(mode(Mode::Tcl, None), "\"1\" \"x'\\\"|,<\\n\"\n\"2.5\" \"\"\n");
    }

    #[test]
    fn nothing_is_written_where_there_are_no_rows() {
        for (_, mode) in MODES {
            let format = Format { mode, headers: Some(true), ..Format::default() };
            assert_eq!(print(&format, &[]), "");
        }
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows: [&[ValueRef<'_>]; 2] = [
            &[ValueRef::Integer(1), ValueRef::Text("äöü".as_bytes())],
            &[ValueRef::Null, ValueRef::Text(b"two\nlines")],
        ];
        let of = |mode, headers, widths| {
            print(&Format { mode, headers, widths, null: "NIL".into(), ..Format::default() }, &rows)
        };
        assert_eq!(
            of(Mode::Column, Some(true), vec![]),
            "a    b b  \n---  -----\n1    äöü  \n\nNIL  two  \n     lines\n"
        );
        assert_eq!(of(Mode::Column, None, vec![-4]), "   1  äöü  \n\n NIL  two  \n      lines\n");
        assert_eq!(
            of(Mode::Table, None, vec![]),
            "+-----+-------+\n|  a  |  b b  |\n+-----+-------+\n| 1   | äöü   |\n+-----+-------+\n| NIL | two   |\n|     | lines |\n+-----+-------+\n"
        );
    }
}
