//! The statement: one of everything that SQLite understands.

use super::{
    AlterTable, CreateIndex, CreateTable, CreateTrigger, CreateView, CreateVirtualTable, Delete, Drop, Expr, Ident,
    Insert, QualifiedName, Select, Update,
};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `EXPLAIN ...`
    Explain(Explain, Box<Statement>),
    /// `SELECT ...` and `VALUES ...`
    Select(Box<Select>),
    /// `INSERT ...` and `REPLACE ...`
    Insert(Box<Insert>),
    /// `UPDATE ...`
    Update(Box<Update>),
    /// `DELETE ...`
    Delete(Box<Delete>),
    /// `CREATE TABLE ...`
    CreateTable(Box<CreateTable>),
    /// `CREATE INDEX ...`
    CreateIndex(Box<CreateIndex>),
    /// `CREATE VIEW ...`
    CreateView(Box<CreateView>),
    /// `CREATE TRIGGER ...`
    CreateTrigger(Box<CreateTrigger>),
    /// `CREATE VIRTUAL TABLE ...`
    CreateVirtualTable(Box<CreateVirtualTable>),
    /// `DROP ...`
    Drop(Drop),
    /// `ALTER TABLE ...`
    AlterTable(Box<AlterTable>),
    /// `BEGIN`
    Begin(Option<Begin>),
    /// `COMMIT` and `END`
    Commit,
    /// `ROLLBACK`, to a savepoint if one is named
    Rollback(Option<Ident>),
    /// `SAVEPOINT name`
    Savepoint(Ident),
    /// `RELEASE name`
    Release(Ident),
    /// `ATTACH file AS schema KEY key`
    Attach {
        /// The file.
        file: Expr,
        /// What it is called from now on.
        schema: Expr,
        /// A key, for those who encrypt.
        key: Option<Expr>,
    },
    /// `DETACH schema`
    Detach(Expr),
    /// `PRAGMA name = value`
    Pragma(QualifiedName, Option<PragmaValue>),
    /// `ANALYZE name`
    Analyze(Option<QualifiedName>),
    /// `REINDEX name`
    Reindex(Option<QualifiedName>),
    /// `VACUUM schema INTO file`
    Vacuum {
        /// Which database; `main`, if none is named.
        schema: Option<Ident>,
        /// Where to; in place, if nothing is said.
        into: Option<Expr>,
    },
}

/// What is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// `EXPLAIN`: the program
    Program,
    /// `EXPLAIN QUERY PLAN`
    QueryPlan,
}

/// What a transaction locks at its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// `DEFERRED`
    Deferred,
    /// `IMMEDIATE`
    Immediate,
    /// `EXCLUSIVE`
    Exclusive,
}

/// What a pragma is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PragmaValue {
    /// The text of a number, with its sign if that is `-`.
    Number(Box<str>),
    /// A word or a string; `ON`, `DELETE` and `DEFAULT` are words here too.
    Word(Ident),
}
