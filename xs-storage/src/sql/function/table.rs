//! Functions that give a table.

use super::Error;
use crate::row::ValueRef;
use crate::sql::value::Value;

/// A column of a table that a function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// What it is called.
    pub name: Box<str>,
    /// Whether it is an argument: `*` doesn't show it.
    pub hidden: bool,
}

impl TableColumn {
    /// Columns that are shown, and behind them those that are arguments.
    pub fn list(shown: &[&str], hidden: &[&str]) -> Vec<TableColumn> {
        let column = |hidden: bool| move |name: &&str| TableColumn { name: (*name).into(), hidden };
        shown.iter().map(column(false)).chain(hidden.iter().map(column(true))).collect()
    }
}

/// A function whose answer is rows: SQLite's eponymous virtual tables, which `FROM` calls with arguments, or names alone and says
/// in `WHERE` what the hidden columns are.
///
/// ```
/// use xs_storage::sql::function::{Error, TableColumn, TableFunction, TableRows};
/// use xs_storage::sql::{Connection, Value, ValueRef};
///
/// /// The bytes of a text.
/// struct Bytes;
///
/// struct Row(Vec<u8>, usize);
///
/// impl TableFunction for Bytes {
///     fn columns(&self) -> Vec<TableColumn> {
///         TableColumn::list(&["byte"], &["text"])
///     }
///
///     fn open(&self, args: &[Option<ValueRef<'_>>]) -> Result<Box<dyn TableRows>, Error> {
///         let text = args[0].and_then(|text| text.to_text()).unwrap_or_default();
///         Ok(Box::new(Row(text.to_vec(), 0)))
///     }
/// }
///
/// impl TableRows for Row {
///     fn next(&mut self) -> Result<bool, Error> {
///         self.1 += 1;
///         Ok(self.1 <= self.0.len())
///     }
///
///     fn value(&self, column: usize) -> Result<Value, Error> {
///         Ok(if column == 0 { self.0[self.1 - 1].into() } else { self.0.clone().into() })
///     }
///
///     fn rowid(&self) -> i64 {
///         self.1 as i64
///     }
/// }
///
/// let db = Connection::open_in_memory()?;
/// db.add_table_function("bytes", Bytes);
/// let sum: i64 = db.query_row("SELECT sum(byte) FROM bytes('ab')", (), |row| row.get(0))?;
/// assert_eq!(sum, 97 + 98);
/// # Ok::<(), xs_storage::sql::Failure>(())
/// ```
pub trait TableFunction: Send + Sync {
    /// The columns; those that are hidden come last.
    fn columns(&self) -> Vec<TableColumn>;

    /// Before the first row. There is an argument for each hidden column, or none where nobody said what it is.
    fn open(&self, args: &[Option<ValueRef<'_>>]) -> Result<Box<dyn TableRows>, Error>;

    /// What `EXPLAIN QUERY PLAN` shows for the arguments that are given, the first one's bit lowest. Fails, when the statement
    /// is prepared, if others are needed.
    fn index(&self, given: u64) -> Result<u64, Error> {
        Ok(given)
    }
}

/// Rows of a table that a function gives.
pub trait TableRows {
    /// To the next row, at first the first. False if there is none.
    fn next(&mut self) -> Result<bool, Error>;

    /// A column's value. A hidden column's is what was asked for.
    fn value(&self, column: usize) -> Result<Value, Error>;

    /// Whether a column's text is JSON.
    fn is_json(&self, _column: usize) -> bool {
        false
    }

    /// The number of the row.
    fn rowid(&self) -> i64;
}
