//! A run as text: a row a CPU, a column a stretch of time.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::trace::Run;
use super::{MICRO, MILLI, SECOND, Time};

/// Kinds of tasks that have a letter of their own.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a CPU did most of in a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// The kind of task, and whether it only held the CPU; `None`: nothing.
    pub(super) most: Option<(usize, bool)>,
    time: Time,
}

/// All CPUs' columns, each with the kind that has the most of it.
pub(super) fn cells(run: &Run, columns: usize) -> Vec<Vec<Cell>> {
    let columns = columns.max(1);
    let mut rows = vec![vec![Cell::default(); columns]; usize::from(run.cpus)];
    let end = u128::from(run.end.max(1));
    let column = |at: Time| ((u128::from(at) * columns as u128 / end) as usize).min(columns - 1);
    // What a kind has in the column that is being filled, for each CPU.
    let mut filling = vec![(0, HashMap::<(usize, bool), Time>::new()); usize::from(run.cpus)];
    for i in &run.intervals {
        let Some(row) = rows.get_mut(i.cpu.index()) else { continue };
        let kind = run.tasks.get(i.task.index()).map_or(0, |task| task.kind);
        let first = column(i.from);
        for (at, cell) in row.iter_mut().enumerate().take(column(i.to - 1) + 1).skip(first) {
            let (here, parts) = &mut filling[i.cpu.index()];
            if *here != at {
                *here = at;
                parts.clear();
            }
            let starts = (end * at as u128).div_ceil(columns as u128) as Time;
            let stops = (end * (at as u128 + 1)).div_ceil(columns as u128) as Time;
            let time = i.to.min(stops).saturating_sub(i.from.max(starts));
            let whole = parts.entry((kind, i.held)).or_default();
            *whole += time;
            if *whole > cell.time {
                *cell = Cell { most: Some((kind, i.held)), time: *whole };
            }
        }
    }
    rows
}

/// A time as people say it: `1.5ms`.
pub(super) fn human(time: Time) -> String {
    let (unit, name) = match time {
        SECOND.. => (SECOND, "s"),
        MILLI.. => (MILLI, "ms"),
        MICRO.. => (MICRO, "us"),
        _ => (1, "ns"),
    };
    let text = format!("{:.3}", time as f64 / unit as f64);
    format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Draws a run: `width` columns, each with the letter of the kind of task that had the most of it; `.` is idle, and `~` a
/// system call that keeps its P. More kinds than letters share `*`.
pub fn timeline(run: &Run, width: usize) -> String {
    let width = width.clamp(10, 1000);
    let mut out = String::new();
    let letter = |kind: usize| LETTERS.get(kind).map_or('*', |&letter| char::from(letter));
    let mut seen = vec![false; run.kinds.len()];
    for (cpu, row) in cells(run, width).iter().enumerate() {
        let _ = write!(out, "{:>5} ", format!("cpu{cpu}"));
        for cell in row {
            out.push(match cell.most {
                None => '.',
                Some((kind, held)) => {
                    if let Some(seen) = seen.get_mut(kind) {
                        *seen = true;
                    }
                    if held { '~' } else { letter(kind) }
                }
            });
        }
        out.push('\n');
    }
    let end = human(run.end);
    let _ = writeln!(out, "      0{end:>width$}", width = width - 1);
    let named = run.kinds.iter().enumerate().filter(|(kind, _)| seen[*kind]);
    let named: Vec<String> = named.take(LETTERS.len()).map(|(kind, name)| format!("{} {name}", letter(kind))).collect();
    let _ = writeln!(out, "      {}, a column is {}", named.join(", "), human(run.end / width as u64));
    out
}
