//! `SELECT`, and what its clauses are made of.

use super::{Expr, Ident, QualifiedName, Span};

/// A query: one `SELECT` or `VALUES`, or several that are put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `WITH`
    pub with: Option<With>,
    /// The first of them.
    pub first: Core,
    /// The others, each with what puts it to those before it; they group to the left.
    pub compounds: Vec<(CompoundOp, Core)>,
    /// The order of the whole.
    pub order_by: Vec<OrderTerm>,
    /// How much of the whole.
    pub limit: Option<Limit>,
}

/// `WITH RECURSIVE a AS (...), b AS (...)`
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    /// The word stood there. It changes nothing: any of them may be recursive.
    pub recursive: bool,
    /// The tables.
    pub tables: Vec<CommonTable>,
}

/// `name (columns) AS NOT MATERIALIZED (SELECT ...)`
#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    /// Its name.
    pub name: Ident,
    /// Its columns' names, if they are not the query's.
    pub columns: Vec<Ident>,
    /// What the planner is asked for, if anything.
    pub materialized: Option<Materialized>,
    /// Its rows.
    pub select: Select,
}

/// What the planner is asked to do with a common table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Materialized {
    /// To compute it once.
    Yes,
    /// To treat it as a view.
    No,
}

/// How the rows of two queries become one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompoundOp {
    /// `UNION`
    Union,
    /// `UNION ALL`
    UnionAll,
    /// `EXCEPT`
    Except,
    /// `INTERSECT`
    Intersect,
}

/// One part of a compound.
#[derive(Clone, Debug, PartialEq)]
pub enum Core {
    /// `SELECT ...`
    Query(Box<Query>),
    /// `VALUES (...), (...)`
    Values(Vec<Vec<Expr>>),
}

/// `DISTINCT` or `ALL`, where one of them was written
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// `DISTINCT`
    Distinct,
    /// `ALL`
    All,
}

/// `SELECT columns FROM ... WHERE ... GROUP BY ... HAVING ... WINDOW ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `DISTINCT` or `ALL`
    pub distinct: Option<Distinct>,
    /// What comes out.
    pub columns: Vec<ResultColumn>,
    /// The tables; none for a row of constants.
    pub from: Vec<FromItem>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `GROUP BY`
    pub group_by: Vec<Expr>,
    /// `HAVING`
    pub having: Option<Expr>,
    /// `WINDOW`
    pub windows: Vec<(Ident, Window)>,
}

/// What comes out of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultColumn {
    /// `*`
    All,
    /// `t.*`
    AllOf(Ident),
    /// `a + b AS c`
    Expr {
        /// The value.
        expr: Expr,
        /// Its name.
        alias: Option<Ident>,
        /// The text of the expression, which names a column that has no alias.
        span: Span,
    },
}

/// A table of `FROM`, and how it is joined to those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct FromItem {
    /// How; the first one has none.
    pub join: Option<Join>,
    /// The rows.
    pub source: Source,
    /// The name that they go by.
    pub alias: Option<Ident>,
    /// Which rows go together.
    pub constraint: Option<JoinConstraint>,
}

/// How a table is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// `NATURAL`: on all columns that both have.
    pub natural: bool,
    /// Which kind.
    pub kind: JoinKind,
}

/// Which rows without a partner a join keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// A comma: none.
    Comma,
    /// `JOIN`, `INNER JOIN`: none.
    Inner,
    /// `CROSS JOIN`: none, and the planner keeps the order.
    Cross,
    /// `LEFT JOIN`: the left ones.
    Left,
    /// `RIGHT JOIN`: the right ones.
    Right,
    /// `FULL JOIN`: both.
    Full,
}

/// Which rows go together.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinConstraint {
    /// `ON expr`
    On(Expr),
    /// `USING (columns)`
    Using(Vec<Ident>),
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// `t INDEXED BY i`
    Table(QualifiedName, Option<Indexed>),
    /// `f(a, b)`, which gives a table
    Function(QualifiedName, Vec<Expr>),
    /// `(SELECT ...)`
    Select(Box<Select>),
    /// `(a JOIN b)`
    Nested(Vec<FromItem>),
}

/// What the planner is told about indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// `INDEXED BY i`: that one or an error.
    By(Ident),
    /// `NOT INDEXED`: none.
    Not,
}

/// `a DESC NULLS LAST`
#[derive(Clone, Debug, PartialEq)]
pub struct OrderTerm {
    /// The value.
    pub expr: Expr,
    /// `ASC` or `DESC`
    pub order: Option<Order>,
    /// Where nulls go.
    pub nulls: Option<Nulls>,
}

/// A direction, where one was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `ASC`
    Asc,
    /// `DESC`
    Desc,
}

/// Where nulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// `NULLS FIRST`
    First,
    /// `NULLS LAST`
    Last,
}

/// `LIMIT limit OFFSET offset`
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// How many rows.
    pub limit: Expr,
    /// How many are passed over before them.
    pub offset: Option<Expr>,
}

/// `OVER ...`
#[derive(Clone, Debug, PartialEq)]
pub enum Over {
    /// `OVER w`
    Named(Ident),
    /// `OVER (...)`
    Window(Window),
}

/// What a window function sees: `base PARTITION BY ... ORDER BY ... ROWS ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The window that this one adds to.
    pub base: Option<Ident>,
    /// Which rows belong together.
    pub partition_by: Vec<Expr>,
    /// Their order.
    pub order_by: Vec<OrderTerm>,
    /// Which of them, seen from one.
    pub frame: Option<Frame>,
}

/// `ROWS BETWEEN start AND end EXCLUDE ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What is counted.
    pub unit: FrameUnit,
    /// Where it begins.
    pub start: FrameBound,
    /// Where it ends; at the current row, if nothing is said.
    pub end: Option<FrameBound>,
    /// What is left out.
    pub exclude: Option<FrameExclude>,
}

/// What a frame counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnit {
    /// `RANGE`: differences of the ordering value
    Range,
    /// `ROWS`
    Rows,
    /// `GROUPS`: groups of equal rows
    Groups,
}

/// An end of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    /// `UNBOUNDED PRECEDING`
    UnboundedPreceding,
    /// `n PRECEDING`
    Preceding(Expr),
    /// `CURRENT ROW`
    CurrentRow,
    /// `n FOLLOWING`
    Following(Expr),
    /// `UNBOUNDED FOLLOWING`
    UnboundedFollowing,
}

/// What is left out of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameExclude {
    /// `NO OTHERS`
    NoOthers,
    /// `CURRENT ROW`
    CurrentRow,
    /// `GROUP`
    Group,
    /// `TIES`
    Ties,
}
