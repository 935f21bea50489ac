//! What a statement is, as a tree.
//!
//! # The problem
//!
//! Who plans a query must find every clause in its place and nothing that can't be. The tree should say what was meant, not how it
//! was spelled, and still be enough to write the statement again: `ALTER TABLE` edits schemas that are stored as text.
//!
//! # How it works
//!
//! A [`Statement`] is one variant a statement; clauses are fields. Synonyms become one: `REPLACE INTO` is `INSERT OR REPLACE`,
//! `LIMIT 1, 2` is `LIMIT 2 OFFSET 1`, `END` is `COMMIT`. Parentheses vanish into the shape.
//!
//! ```text
//! a + b * 2  is  Binary(Add, a, Binary(Mul, b, 2))
//! ```
//!
//! A name keeps how it was quoted ([`Quote`]), since `"a"` is a string where there is no column `a`. It also keeps where it stood
//! ([`Span`]), so that later errors can point at it; spans are equal to each other, so that trees compare by meaning.
//!
//! # Invariants
//!
//! - Lists that the grammar wants non-empty are so when parsed: columns, `SET`, branches of `CASE`.
//! - Numbers have no sign; the sign is an operator.
//! - A tree that was parsed has at most the height that [`super::Limits`] allows, so that recursion over it is safe.
//!
//! # Cost
//!
//! An expression is a few words and what it points to; a name is one allocation.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::Parser;
//! use xs_storage::sql::ast::{Conflict, Statement};
//!
//! let Some(Statement::Insert(insert)) = Parser::new("REPLACE INTO t VALUES (1)").next_statement()? else { unreachable!() };
//! assert_eq!(insert.conflict, Some(Conflict::Replace));
//! # Ok::<(), xs_storage::sql::Error>(())
//! ```
//!
//! # How others do it
//!
//! SQLite has no tree of statements: its parser's actions call the code generator, and only expressions, queries and lists of
//! tables are trees. A tree of everything costs an allocation more and can be printed, compared and tested alone.
//!
//! # What this leaves out
//!
//! Comments, and the spelling of what became one.
//!
//! # Try next
//!
//! Find the statement whose tree differs for `a IS b` and `a IS NOT DISTINCT FROM b`, and ask what a binder does with both.
//!
//! # Sources
//!
//! - The syntax diagrams of <https://www.sqlite.org/lang.html>

mod change;
mod expr;
mod name;
mod schema;
mod select;
mod statement;
mod table;

pub use change::{Assignment, Conflict, Delete, Insert, Target, Update, Upsert, UpsertTarget, UpsertUpdate};
pub use expr::{
    Args, Between, Binary, BinaryOp, Call, Case, Column, Expr, In, InSet, Like, LikeOp, Literal, Parameter, Raise,
    UnaryOp,
};
pub use name::{Ident, QualifiedName, Quote, Span, TypeName};
pub use schema::{
    AlterTable, Alteration, CreateIndex, CreateTrigger, CreateView, CreateVirtualTable, Drop, SchemaKind, TriggerEvent,
    TriggerStep, TriggerTime,
};
pub use select::{
    CommonTable, CompoundOp, Core, Distinct, Frame, FrameBound, FrameExclude, FrameUnit, FromItem, Indexed, Join,
    JoinConstraint, JoinKind, Limit, Materialized, Nulls, Order, OrderTerm, Over, Query, ResultColumn, Select, Source,
    Window, With,
};
pub use statement::{Begin, Explain, PragmaValue, Statement};
pub use table::{
    ColumnConstraint, ColumnConstraintKind, ColumnDef, CreateTable, DefaultValue, Deferrable, Initially,
    ReferenceAction, ReferenceClause, References, Storage, TableBody, TableConstraint, TableConstraintKind,
};
