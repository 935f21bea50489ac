//! What is known to differ, and so is not asked for or not compared. Everything else that differs is a failure.

use xs_storage::sql::{Value, ValueRef};

/// Partial indexes, and indexes of expressions: a table that has one isn't changed.
pub(super) const PARTIAL_INDEXES: bool = false;

/// Databases in UTF-16.
pub(super) const UTF_16: bool = false;

/// RETURNING of a view without triggers: SQLite 3.40 takes it for one, and then says nothing of the view that can't be changed.
pub(super) const RETURNING_OF_VIEWS: bool = false;

/// Expressions in RETURNING: SQLite 3.40 compares without the columns' affinities there.
pub(super) const RETURNED_EXPRESSIONS: bool = false;

/// Virtual columns of type REAL: SQLite 3.40 gives an integer where one was computed and the column isn't read from the table.
pub(super) const VIRTUAL_REALS: bool = false;

/// Comparisons of two columns that an index answers: ours looks a value up as the index's column would have it, also where the
/// comparison leaves it as it is. Where this is false, one side is written `+column`.
pub(super) const COMPARED_COLUMNS: bool = false;

/// Types of virtual columns of STRICT tables: SQLite 3.40 takes what its own integrity_check then finds.
pub(super) const TYPES_OF_VIRTUAL: bool = false;

/// Defaults that are NULL: where one would replace a value that is NOT NULL, SQLite tells the other columns' errors first.
pub(super) const REPLACED_BY_NULL: bool = false;

/// `x IN ()`: SQLite makes the word FALSE of it, so that `y IS (x IN ())` asks whether `y` is false, not whether it is 0.
pub(super) const EMPTY_LISTS: bool = false;

/// Triggers and conflicts whose outcome depends on which row is changed first. That is the planner's choice, and ours chooses
/// otherwise now and then.
pub(super) const ORDER_OF_ROWS: bool = false;

/// Triggers before rows of STRICT tables: SQLite asks the types before them, so before NOT NULL; ours behind.
pub(super) const TYPES_BEFORE_TRIGGERS: bool = false;

/// An UPDATE that assigns to a column twice, where that is the rowid: ours refuses the first value, which SQLite never looks at.
pub(super) const ASSIGNED_TWICE: bool = false;

/// RIGHT and FULL JOIN among three tables: SQLite 3.40 loses rows there when the others have none.
pub(super) const RIGHT_OF_THREE: bool = false;

/// Tables asked by the conditions of what changes them: SQLite changes rows while it still looks for others now and then.
pub(super) const ASKED_WHILE_CHANGED: bool = false;

/// Triggers before a row's change that change its table, or write to a table that counts its rowids.
pub(super) const TRIGGERS_OF_THEMSELVES: bool = false;

/// Computed columns of `new` in BEFORE triggers: SQLite computes them without the columns that no trigger names.
pub(super) const COMPUTED_BEFORE: bool = false;

/// `AS MATERIALIZED` of compounds: SQLite gives its rows the affinity of the first SELECT's columns, ours doesn't.
pub(super) const MATERIALIZED_COMPOUNDS: bool = false;

/// Changes of several rows that end in a datatype mismatch: SQLite keeps the earlier rows,
/// as it has no journal of the statement; ours keeps none.
pub(super) const MISMATCHES_HALF_WAY: bool = false;

/// What ours refuses with "not supported yet"; SQLite then isn't asked.
const UNSUPPORTED: &[&str] = &[];

pub(super) fn is_unsupported(message: &str) -> bool {
    UNSUPPORTED.iter().any(|why| message == format!("not supported yet: {why}"))
}

/// Whether two errors mean the same.
pub(super) fn same_error(ours: &str, theirs: &str) -> bool {
    // Which of several tables that are missing is told, and whether that a view that can't be changed has one.
    let missing = |message: &str| message.starts_with("no such table: ");
    let of_view = ours.starts_with("cannot modify ") && missing(theirs);
    ours == theirs || missing(ours) && missing(theirs) || of_view
}

/// A value without what tells it from those that it is equal to.
pub(super) fn loosened(value: Value) -> Value {
    match value {
        Value::Real(real) if real.trunc() == real && real.abs() < 9e15 => Value::Integer(real as i64),
        // SQLite 3.40 makes reals of others' integers in RETURNING, where a column is REAL.
        Value::Integer(integer) if integer.unsigned_abs() > 9_000_000_000_000_000 => Value::Real(integer as f64),
        Value::Text(text) => {
            let text = text.to_ascii_lowercase();
            let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
            ValueRef::Text(&text[..end]).into()
        }
        other => other,
    }
}
