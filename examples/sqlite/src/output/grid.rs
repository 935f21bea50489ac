//! Rows in columns that are as wide as what stands in them.

use std::io::{self, Write};

use super::{Format, Mode};

/// All cells of one statement's rows.
pub(super) struct Grid {
    columns: usize,
    cells: Vec<Vec<u8>>,
}

/// The strokes of a table.
struct Strokes {
    /// Left, between two columns, right; each above, in the middle, below.
    joints: [[&'static str; 3]; 3],
    along: &'static str,
    down: &'static str,
}

const ASCII: Strokes = Strokes { joints: [["+", "+", "+"]; 3], along: "-", down: "|" };
const BOX: Strokes = Strokes {
    joints: [["┌", "┬", "┐"], ["├", "┼", "┤"], ["└", "┴", "┘"]], along: "─", down: "│"
};
const MARKDOWN: Strokes = Strokes { joints: [["|", "|", "|"]; 3], along: "-", down: "|" };

impl Grid {
    pub(super) fn new(columns: usize) -> Grid {
        Grid { columns, cells: Vec::new() }
    }

    pub(super) fn push(&mut self, row: impl Iterator<Item = Vec<u8>>) {
        self.cells.extend(row);
    }

    pub(super) fn write(self, format: &Format, names: &[String], out: &mut impl Write) -> io::Result<()> {
        let lines: Vec<Vec<String>> = self.cells.iter().map(|cell| lines(cell)).collect();
        let mut widths: Vec<usize> = (0..self.columns)
            .map(|at| format.widths.get(at).map_or(0, |width| width.unsigned_abs() as usize))
            .collect();
        for (at, name) in names.iter().enumerate() {
            widths[at] = widths[at].max(width(name));
        }
        for (at, cell) in lines.iter().enumerate() {
            let widest = cell.iter().map(|line| width(line)).max().unwrap_or(0);
            widths[at % self.columns] = widths[at % self.columns].max(widest);
        }
        let right = |at: usize| format.widths.get(at).is_some_and(|width| *width < 0);
        let rows: Vec<&[Vec<String>]> = lines.chunks(self.columns).collect();
        // Rows are told apart by a stroke, or a blank line, where one of them has several lines.
        let several = lines.iter().any(|cell| cell.len() > 1);
        if format.mode == Mode::Column {
            if format.headers.unwrap_or(false) {
                let name = |at: usize| pad(&names[at], widths[at], right(at));
                line(out, self.columns, "", "  ", "", name)?;
                line(out, self.columns, "", "  ", "", |at| "-".repeat(widths[at]))?;
            }
            for (nth, row) in rows.iter().enumerate() {
                if several && nth > 0 {
                    writeln!(out)?;
                }
                write_row(out, row, "", "  ", "", |at, text| pad(text, widths[at], right(at)))?;
            }
            return Ok(());
        }
        let strokes = match format.mode {
            Mode::Box => BOX,
            Mode::Markdown => MARKDOWN,
            _ => ASCII,
        };
        let rule = |out: &mut _, place: usize| {
            let [left, between, right] = strokes.joints[place];
            line(out, self.columns, left, between, right, |at| strokes.along.repeat(widths[at] + 2))
        };
        let (open, between, close) =
            (format!("{} ", strokes.down), format!(" {} ", strokes.down), format!(" {}", strokes.down));
        let outlined = format.mode != Mode::Markdown;
        if outlined {
            rule(out, 0)?;
        }
        line(out, self.columns, &open, &between, &close, |at| centre(&names[at], widths[at]))?;
        rule(out, 1)?;
        for (nth, row) in rows.iter().enumerate() {
            if several && nth > 0 && outlined {
                rule(out, 1)?;
            }
            write_row(out, row, &open, &between, &close, |at, text| pad(text, widths[at], right(at)))?;
        }
        if outlined {
            rule(out, 2)?;
        }
        Ok(())
    }
}

/// The lines of a cell, as they are shown.
fn lines(cell: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(cell);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.split('\n').map(|line| line.trim_end_matches('\r').replace('\t', "        ")).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, width: usize, right: bool) -> String {
    if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

fn centre(text: &str, width: usize) -> String {
    format!("{text:^width$}")
}

fn line(
    out: &mut impl Write,
    columns: usize,
    left: &str,
    between: &str,
    right: &str,
    cell: impl Fn(usize) -> String,
) -> io::Result<()> {
    let cells: Vec<_> = (0..columns).map(cell).collect();
    writeln!(out, "{left}{}{right}", cells.join(between))
}

fn write_row(
    out: &mut impl Write,
    row: &[Vec<String>],
    left: &str,
    between: &str,
    right: &str,
    cell: impl Fn(usize, &str) -> String,
) -> io::Result<()> {
    let height = row.iter().map(Vec::len).max().unwrap_or(1);
    for nth in 0..height {
        line(out, row.len(), left, between, right, |at| cell(at, row[at].get(nth).map_or("", String::as_str)))?;
    }
    Ok(())
}
