//! How large tables and indexes are thought to be: what `ANALYZE` counted, or what SQLite takes for granted.

use super::logest::{self, LogEst};
use super::term::{Op, Probe};
use crate::row::KeyColumn;
use crate::sql::bind::stored;
use crate::sql::catalog::{Index, IndexPart, Table};
use crate::sql::value::Affinity;

/// What a table has, as long as nobody has counted.
const ROWS: LogEst = 200;

/// A table of `FROM`.
#[derive(Debug)]
pub(super) struct Statistics {
    pub(super) rows: LogEst,
    /// How wide a row is.
    pub(super) width: LogEst,
    /// How many columns it has; expressions of indexes come behind.
    pub(super) columns: usize,
    /// The rows are those of a query.
    pub(super) query: bool,
    pub(super) has_rowid: bool,
    /// They are those of a function.
    pub(super) function: bool,
    /// There is no way but through all of it.
    pub(super) scan_only: bool,
    /// An index may be made for it.
    pub(super) automatic: bool,
    /// `INDEXED BY`
    pub(super) forced: Option<usize>,
    /// `NOT INDEXED`
    pub(super) not_indexed: bool,
    pub(super) trees: Vec<TreeStatistics>,
}

/// An index, or the table itself by its rowid.
#[derive(Debug)]
pub(super) struct TreeStatistics {
    /// How many rows there are, and how many of them are the same in the first column, in the first two, and so on.
    pub(super) rows: Vec<LogEst>,
    pub(super) width: LogEst,
    /// None for the rowid, which also is what every index of a table with rowids ends with.
    pub(super) columns: Vec<Option<usize>>,
    pub(super) orders: Vec<(Affinity, KeyColumn)>,
    not_null: Vec<bool>,
    is_column: Vec<bool>,
    /// Columns without the rowid, or the table's key, at the end.
    pub(super) keys: usize,
    /// Its rows are all that the conditions leave.
    pub(super) usable: bool,
    pub(super) partial: bool,
    /// It has all columns that are read.
    pub(super) covers: bool,
    /// `ANALYZE` has been here.
    pub(super) counted: bool,
    pub(super) unique: bool,
    pub(super) unique_not_null: bool,
}

impl TreeStatistics {
    pub(super) fn rowid(rows: LogEst) -> TreeStatistics {
        TreeStatistics {
            rows: vec![rows, 0],
            width: 3,
            columns: vec![None],
            orders: vec![(Affinity::Integer, KeyColumn::default())],
            not_null: vec![true],
            is_column: vec![true],
            keys: 1,
            usable: true,
            partial: false,
            covers: true,
            counted: false,
            unique: true,
            unique_not_null: true,
        }
    }

    /// Whether a comparison finds what a column of a tree has.
    pub(super) fn fits(&self, probe: &Probe, depth: usize) -> bool {
        let Some((affinity, key)) = self.orders.get(depth) else { return false };
        if matches!(probe.op, Op::Null | Op::NotNull) {
            return true;
        }
        keeps(probe.affinity, *affinity) && (probe.column.is_none() || probe.collation == key.collation)
    }

    pub(super) fn not_null(&self, depth: usize) -> bool {
        self.not_null.get(depth).copied().unwrap_or(false)
    }

    /// Whether it is a column of the table, not an expression.
    pub(super) fn is_column(&self, depth: usize) -> bool {
        self.is_column.get(depth).copied().unwrap_or(false)
    }
}

/// Whether a comparison leaves a column's values as they are, so that they are in the order of the comparison.
pub(super) fn keeps(compared: Option<Affinity>, column: Affinity) -> bool {
    match compared {
        None | Some(Affinity::Blob) => true,
        Some(Affinity::Text) => column == Affinity::Text,
        Some(_) => column.is_numeric(),
    }
}

/// What SQLite takes a column to need, as a multiple of an integer.
fn size(declared: &str, affinity: Affinity) -> u64 {
    if declared.is_empty() || affinity.is_numeric() {
        return 1;
    }
    if ["ANY", "BLOB", "TEXT"].iter().any(|name| name.eq_ignore_ascii_case(declared)) {
        return 5;
    }
    let upper = declared.to_ascii_uppercase();
    let room = ["CHAR", "BLOB("].iter().find_map(|name| upper.find(name).map(|at| at + 4));
    match room {
        Some(from) => {
            let digits: String = upper[from..]
                .chars()
                .skip_while(|char| !char.is_ascii_digit())
                .take_while(char::is_ascii_digit)
                .take(9)
                .collect();
            (digits.parse::<u64>().unwrap_or(0) / 4 + 1).min(255)
        }
        None => 5,
    }
}

/// The width of a table's rows.
pub(super) fn width(table: &Table) -> LogEst {
    let columns: u64 = table.columns.iter().map(|column| size(&column.declared, column.affinity)).sum();
    logest::of((columns + u64::from(table.rowid_column.is_none())) * 4)
}

/// What was counted, as `sqlite_stat1` has it.
#[derive(Clone, Debug, Default)]
pub(in crate::sql) struct Counted {
    pub(in crate::sql) rows: Vec<u64>,
    /// The bytes of an entry, if they were said.
    pub(in crate::sql) size: Option<u64>,
}

impl Counted {
    /// Reads `100 10 2 sz=5`.
    pub(in crate::sql) fn read(text: &str) -> Counted {
        let mut counted = Counted::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if let Ok(rows) = word.parse::<u64>() {
                counted.rows.push(rows);
            } else if let Some(size) = word.strip_prefix("sz=").and_then(|size| size.parse::<u64>().ok()) {
                counted.size = Some(size.max(2));
            }
        }
        counted
    }
}

/// The rows of a table.
pub(super) fn rows(counted: Option<&Counted>) -> Option<LogEst> {
    counted.and_then(|counted| counted.rows.first()).map(|rows| logest::bounded(logest::of(*rows)))
}

/// The default number of rows, if nobody has counted.
pub(super) fn unknown() -> LogEst {
    ROWS
}

/// An index, of which `affinities` are those of its expressions, by their numbers as columns.
pub(super) fn tree(
    table: &Table,
    index: &Index,
    table_rows: LogEst,
    counted: Option<&Counted>,
    affinities: &[(usize, Option<Affinity>)],
) -> TreeStatistics {
    let keys = index.parts.len();
    let column = |at: usize| table.columns.get(at);
    let is_key = table.primary().is_some_and(|primary| primary.root == index.root);
    let mut columns = Vec::with_capacity(keys + 1);
    let (mut orders, mut not_null, mut is_column) = (Vec::new(), Vec::new(), Vec::new());
    // Of the table itself no more than the key is in order; an index of a table without rowids goes on with that.
    let behind = if is_key { &[][..] } else { &index.behind };
    for part in index.parts.iter().chain(behind) {
        let rowid = table.rowid_column == Some(part.column);
        columns.push((!rowid).then_some(part.column));
        let affinity = match column(part.column) {
            Some(column) => column.affinity,
            None => stored(affinities.iter().find(|(at, _)| *at == part.column).and_then(|(_, affinity)| *affinity)),
        };
        orders.push((affinity, part.key));
        not_null.push(rowid || column(part.column).is_some_and(|column| column.not_null.is_some()));
        is_column.push(column(part.column).is_some());
    }
    let of_part = |part: &IndexPart| column(part.column).map_or(1, |column| size(&column.declared, column.affinity));
    let mut width: u64 = index.parts.iter().chain(&index.behind).map(of_part).sum();
    if table.key.is_none() {
        columns.push(None);
        orders.push((Affinity::Integer, KeyColumn::default()));
        not_null.push(true);
        is_column.push(true);
        width += 1;
    }
    let unique = index.unique.is_some();
    let mut rows: Vec<LogEst> = Vec::with_capacity(keys + 1);
    match counted {
        Some(counted) if !counted.rows.is_empty() => {
            rows.extend(counted.rows.iter().take(keys + 1).map(|rows| logest::bounded(logest::of(*rows))));
            while rows.len() <= keys {
                rows.push(rows.last().copied().unwrap_or(0).min(23));
            }
        }
        _ => {
            let all = table_rows.max(99) - if index.filter.is_some() { 10 } else { 0 };
            rows.push(all);
            rows.extend((0..keys).map(|at| [33, 32, 30, 28, 27].get(at).copied().unwrap_or(23)));
            if let (true, Some(last)) = (unique, rows.last_mut()) {
                *last = 0;
            }
        }
    }
    let width = match counted.and_then(|counted| counted.size) {
        Some(size) => logest::of(size),
        None => logest::of(width * 4),
    };
    TreeStatistics {
        rows,
        width,
        columns,
        unique_not_null: unique && not_null[..keys].iter().all(|not_null| *not_null) && index.filter.is_none(),
        not_null,
        is_column,
        orders,
        keys,
        usable: true,
        partial: index.filter.is_some(),
        covers: false,
        counted: counted.is_some(),
        unique,
    }
}
