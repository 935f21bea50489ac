//! Statements that change rows.

use super::{Expr, FromItem, Ident, Indexed, OrderTerm, QualifiedName, ResultColumn, Select, With};

/// What happens when a row breaks a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The transaction ends.
    Rollback,
    /// The statement is undone.
    Abort,
    /// The statement stops.
    Fail,
    /// The row is passed over.
    Ignore,
    /// The rows in its way are deleted.
    Replace,
}

/// The table that a statement changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The table.
    pub name: QualifiedName,
    /// `AS alias`
    pub alias: Option<Ident>,
}

/// `INSERT INTO ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `WITH`
    pub with: Option<With>,
    /// `OR ...`; `REPLACE INTO` is `INSERT OR REPLACE INTO`
    pub conflict: Option<Conflict>,
    /// The table.
    pub target: Target,
    /// The columns that are given; all, if none are named.
    pub columns: Vec<Ident>,
    /// The rows; none for `DEFAULT VALUES`.
    pub source: Option<Select>,
    /// `ON CONFLICT ...`
    pub upserts: Vec<Upsert>,
    /// `RETURNING`
    pub returning: Vec<ResultColumn>,
}

/// `ON CONFLICT (columns) WHERE ... DO ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Upsert {
    /// Which constraint; any, if nothing is said, which only the last one may do.
    pub target: Option<UpsertTarget>,
    /// What is done instead; nothing, if there is none.
    pub update: Option<UpsertUpdate>,
}

/// `(columns) WHERE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct UpsertTarget {
    /// The columns of a unique index.
    pub columns: Vec<OrderTerm>,
    /// The condition of a partial index.
    pub filter: Option<Expr>,
}

/// `DO UPDATE SET ... WHERE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct UpsertUpdate {
    /// `SET`
    pub sets: Vec<Assignment>,
    /// `WHERE`
    pub filter: Option<Expr>,
}

/// `a = 1` or `(a, b) = (1, 2)`
#[derive(Clone, Debug, PartialEq)]
pub enum Assignment {
    /// `a = 1`
    Column(Ident, Expr),
    /// `(a, b) = (1, 2)`, or a query of as many columns
    Columns(Vec<Ident>, Expr),
}

/// `UPDATE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `WITH`
    pub with: Option<With>,
    /// `OR ...`
    pub conflict: Option<Conflict>,
    /// The table.
    pub target: Target,
    /// `INDEXED BY`
    pub indexed: Option<Indexed>,
    /// `SET`
    pub sets: Vec<Assignment>,
    /// `FROM`
    pub from: Vec<FromItem>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `RETURNING`
    pub returning: Vec<ResultColumn>,
}

/// `DELETE FROM ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `WITH`
    pub with: Option<With>,
    /// The table.
    pub target: Target,
    /// `INDEXED BY`
    pub indexed: Option<Indexed>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `RETURNING`
    pub returning: Vec<ResultColumn>,
}
