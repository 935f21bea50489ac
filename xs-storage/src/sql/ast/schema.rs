//! Statements about everything else that a schema holds.

use super::{ColumnDef, Conflict, Delete, Expr, Ident, Insert, OrderTerm, QualifiedName, Select, Span, Update};

/// `CREATE INDEX ...`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// `UNIQUE`
    pub unique: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// The table.
    pub table: Ident,
    /// What it orders by.
    pub columns: Vec<OrderTerm>,
    /// Which rows it holds.
    pub filter: Option<Expr>,
}

/// `CREATE VIEW ...`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// `TEMP`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// Its columns' names, if they are not the query's.
    pub columns: Vec<Ident>,
    /// Its rows.
    pub select: Select,
}

/// `CREATE TRIGGER ...`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    /// `TEMP`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// When it runs; before, if nothing is said.
    pub time: Option<TriggerTime>,
    /// What it waits for.
    pub event: TriggerEvent,
    /// The table.
    pub table: QualifiedName,
    /// `FOR EACH ROW`, which it is in any case
    pub for_each_row: bool,
    /// `WHEN`
    pub when: Option<Expr>,
    /// What it does, at least one.
    pub steps: Vec<TriggerStep>,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTime {
    /// `BEFORE`
    Before,
    /// `AFTER`
    After,
    /// `INSTEAD OF`
    InsteadOf,
}

/// What a trigger waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerEvent {
    /// `DELETE`
    Delete,
    /// `INSERT`
    Insert,
    /// `UPDATE OF columns`; of any, if none are named
    Update(Vec<Ident>),
}

/// A statement of a trigger.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerStep {
    /// `INSERT`
    Insert(Box<Insert>),
    /// `UPDATE`
    Update(Box<Update>),
    /// `DELETE`
    Delete(Box<Delete>),
    /// `SELECT`
    Select(Box<Select>),
}

/// `CREATE VIRTUAL TABLE ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateVirtualTable {
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its name.
    pub name: QualifiedName,
    /// Who keeps it.
    pub module: Ident,
    /// The text of each argument, which the module reads.
    pub args: Option<Vec<Box<str>>>,
}

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// `TABLE`
    Table,
    /// `INDEX`
    Index,
    /// `VIEW`
    View,
    /// `TRIGGER`
    Trigger,
}

/// `DROP ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// What.
    pub kind: SchemaKind,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// Which.
    pub name: QualifiedName,
}

/// `ALTER TABLE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// Which.
    pub table: QualifiedName,
    /// How.
    pub change: Alteration,
}

/// How a table changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Alteration {
    /// `RENAME TO`
    RenameTo(Ident),
    /// `RENAME COLUMN a TO b`
    RenameColumn(Ident, Ident),
    /// `ADD COLUMN`
    AddColumn(ColumnDef),
    /// `DROP COLUMN`
    DropColumn(Ident),
    /// `DROP CONSTRAINT`
    DropConstraint(Ident),
    /// `ALTER COLUMN a DROP NOT NULL`
    DropNotNull(Ident),
    /// `ALTER COLUMN a SET NOT NULL`
    SetNotNull(Ident, Option<Conflict>),
    /// `ADD CONSTRAINT name CHECK (expr)`
    AddCheck(Option<Ident>, Expr, Span, Option<Conflict>),
}
