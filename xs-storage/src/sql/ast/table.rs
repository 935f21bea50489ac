//! `CREATE TABLE`: columns and constraints.

use super::{Conflict, Expr, Ident, Order, OrderTerm, QualifiedName, Select, Span, TypeName};

/// `CREATE TABLE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// `TEMP`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// What it is made of.
    pub body: TableBody,
}

/// What a table is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum TableBody {
    /// `(columns, constraints) options`
    Columns {
        /// The columns, at least one.
        columns: Vec<ColumnDef>,
        /// The constraints of the table.
        constraints: Vec<TableConstraint>,
        /// `WITHOUT ROWID`
        without_rowid: bool,
        /// `STRICT`
        strict: bool,
    },
    /// `AS SELECT ...`
    Select(Box<Select>),
}

/// `a INT NOT NULL`
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Its type, if it has one.
    pub type_name: Option<TypeName>,
    /// Its constraints.
    pub constraints: Vec<ColumnConstraint>,
}

/// `CONSTRAINT name NOT NULL`
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnConstraint {
    /// Its name.
    pub name: Option<Ident>,
    /// What it asks.
    pub kind: ColumnConstraintKind,
}

/// What is asked of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraintKind {
    /// Nothing: a name without a constraint, which SQLite takes.
    Nothing,
    /// `NULL`
    Null(Option<Conflict>),
    /// `NOT NULL`
    NotNull(Option<Conflict>),
    /// `PRIMARY KEY`
    PrimaryKey {
        /// `ASC` or `DESC`
        order: Option<Order>,
        /// `ON CONFLICT`
        conflict: Option<Conflict>,
        /// `AUTOINCREMENT`
        autoincrement: bool,
    },
    /// `UNIQUE`
    Unique(Option<Conflict>),
    /// `CHECK (expr)`, with where the condition stood, which names the check in errors
    Check(Expr, Span),
    /// `DEFAULT`
    Default(DefaultValue),
    /// `REFERENCES`
    References(References),
    /// `DEFERRABLE`, of the reference before it
    Deferrable(Deferrable),
    /// `COLLATE`
    Collate(Ident),
    /// `GENERATED ALWAYS AS (expr)`
    Generated(Expr, Option<Storage>),
}

/// What a column is when nothing is given.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// A constant, which may have a sign.
    Constant(Expr),
    /// `(expr)`
    Expr(Expr),
    /// A bare word: the truth value that it names, or itself as a string.
    Word(Ident),
}

/// Whether a generated column is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// `VIRTUAL`: computed when read
    Virtual,
    /// `STORED`: computed when written
    Stored,
}

/// `REFERENCES t (columns) ON DELETE CASCADE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// The parent table.
    pub table: Ident,
    /// Its columns; its primary key, if none are named.
    pub columns: Vec<Ident>,
    /// What else is said, in its order; of two that disagree, the last holds.
    pub clauses: Vec<ReferenceClause>,
}

/// A clause of `REFERENCES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceClause {
    /// `ON DELETE`
    OnDelete(ReferenceAction),
    /// `ON UPDATE`
    OnUpdate(ReferenceAction),
    /// `ON INSERT`, which SQLite reads and ignores
    OnInsert(ReferenceAction),
    /// `MATCH name`, which SQLite reads and ignores
    Match(Ident),
}

/// What becomes of a child whose parent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceAction {
    /// `SET NULL`
    SetNull,
    /// `SET DEFAULT`
    SetDefault,
    /// `CASCADE`
    Cascade,
    /// `RESTRICT`
    Restrict,
    /// `NO ACTION`
    NoAction,
}

/// `NOT DEFERRABLE INITIALLY IMMEDIATE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferrable {
    /// `NOT`
    pub not: bool,
    /// `INITIALLY`
    pub initially: Option<Initially>,
}

/// When a reference is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initially {
    /// At the end of the transaction.
    Deferred,
    /// At the end of the statement.
    Immediate,
}

/// `CONSTRAINT name UNIQUE (a, b)`
#[derive(Clone, Debug, PartialEq)]
pub struct TableConstraint {
    /// Its name.
    pub name: Option<Ident>,
    /// What it asks.
    pub kind: TableConstraintKind,
}

/// What is asked of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableConstraintKind {
    /// Nothing: a name without a constraint, which SQLite takes.
    Nothing,
    /// `PRIMARY KEY (columns)`
    PrimaryKey {
        /// Its columns.
        columns: Vec<OrderTerm>,
        /// `AUTOINCREMENT`
        autoincrement: bool,
        /// `ON CONFLICT`
        conflict: Option<Conflict>,
    },
    /// `UNIQUE (columns)`
    Unique(Vec<OrderTerm>, Option<Conflict>),
    /// `CHECK (expr)`, with where the condition stood; SQLite reads `ON CONFLICT` and ignores it
    Check(Expr, Span, Option<Conflict>),
    /// `FOREIGN KEY (columns) REFERENCES ...`
    ForeignKey {
        /// The child's columns.
        columns: Vec<Ident>,
        /// The parent.
        references: References,
        /// When it is checked.
        deferrable: Option<Deferrable>,
    },
}
