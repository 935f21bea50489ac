//! Expressions.

use super::{Ident, Over, Select, Span, TypeName};

/// An expression. Parentheses are no part of it: the tree says what they said.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A value that is bound later.
    Parameter(Parameter),
    /// `a`, `t.a`, `main.t.a`
    Column(Box<Column>),
    /// `-a`, `NOT a`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`, `a AND b`, `a IS NOT b`
    Binary(Box<Binary>),
    /// `a ISNULL`; negated `a NOTNULL` and `a NOT NULL`
    IsNull {
        /// The value.
        operand: Box<Expr>,
        /// Whether the answer is turned around.
        negated: bool,
    },
    /// `a COLLATE nocase`
    Collate(Box<Expr>, Ident),
    /// `a LIKE b ESCAPE c`, and its relatives
    Like(Box<Like>),
    /// `a BETWEEN b AND c`
    Between(Box<Between>),
    /// `a IN (...)`
    In(Box<In>),
    /// `EXISTS (SELECT ...)`
    Exists(Box<Select>),
    /// `(SELECT ...)`
    Subquery(Box<Select>),
    /// `(a, b)`: two values or more
    Row(Vec<Expr>),
    /// `CASE ... END`
    Case(Box<Case>),
    /// `CAST(a AS INT)`; the type may be empty
    Cast(Box<Expr>, Option<TypeName>),
    /// `f(...)`, aggregates and window functions too
    Call(Box<Call>),
    /// `RAISE(...)`, within triggers
    Raise(Raise),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `NULL`
    Null,
    /// Decimal digits up to 2⁶³, which is one more than fits, so that the smallest integer can be written with a sign.
    Integer(u64),
    /// `0xff`: the bits of an integer.
    Hex(u64),
    /// A number with a point or exponent, or an integer too large. Never negative, never NaN.
    Float(f64),
    /// `'text'`
    String(Box<str>),
    /// `x'0a'`
    Blob(Box<[u8]>),
    /// `CURRENT_DATE`
    CurrentDate,
    /// `CURRENT_TIME`
    CurrentTime,
    /// `CURRENT_TIMESTAMP`
    CurrentTimestamp,
}

/// A value that is bound later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `?`: the number after the largest before it in the text
    Next(Span),
    /// `?7`
    Numbered(u32),
    /// `:a`, `@a`, `$a`, with the first character, which is part of the name
    Named(Box<str>),
}

/// The name of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The database.
    pub schema: Option<Ident>,
    /// The table or its alias.
    pub table: Option<Ident>,
    /// The column, or `rowid`, or, if bare, `true` and `false`.
    pub name: Ident,
}

/// What stands before one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `~`
    BitNot,
    /// `NOT`
    Not,
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `OR`
    Or,
    /// `AND`
    And,
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `IS`
    Is,
    /// `IS NOT`
    IsNot,
    /// `IS DISTINCT FROM`, which is `IS NOT`
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`, which is `IS`
    IsNotDistinctFrom,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `||`
    Concat,
    /// `->`
    Arrow,
    /// `->>`
    LongArrow,
}

/// Two operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// What is done with them.
    pub op: BinaryOp,
    /// The left one.
    pub left: Expr,
    /// The right one.
    pub right: Expr,
}

/// Which function matches a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeOp {
    /// `LIKE`
    Like,
    /// `GLOB`
    Glob,
    /// `REGEXP`
    Regexp,
    /// `MATCH`
    Match,
}

/// `a LIKE b ESCAPE c`
#[derive(Clone, Debug, PartialEq)]
pub struct Like {
    /// Which of them.
    pub op: LikeOp,
    /// `NOT LIKE`
    pub negated: bool,
    /// What is matched.
    pub operand: Expr,
    /// The pattern.
    pub pattern: Expr,
    /// The character that takes the meaning from the next one.
    pub escape: Option<Expr>,
}

/// `a BETWEEN low AND high`
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// `NOT BETWEEN`
    pub negated: bool,
    /// The value.
    pub operand: Expr,
    /// The least that is within.
    pub low: Expr,
    /// The greatest that is within.
    pub high: Expr,
}

/// `a IN set`
#[derive(Clone, Debug, PartialEq)]
pub struct In {
    /// `NOT IN`
    pub negated: bool,
    /// The value.
    pub operand: Expr,
    /// Where it is looked for.
    pub set: InSet,
}

/// What a value may be in.
#[derive(Clone, Debug, PartialEq)]
pub enum InSet {
    /// `(a, b)`, which may be empty
    List(Vec<Expr>),
    /// `(SELECT ...)`
    Select(Box<Select>),
    /// `t`, or `f(a, b)` for a table-valued function
    Table(super::QualifiedName, Option<Vec<Expr>>),
}

/// `CASE operand WHEN a THEN b ELSE c END`
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What the branches are compared with; conditions otherwise.
    pub operand: Option<Expr>,
    /// `WHEN` and `THEN`, at least one.
    pub branches: Vec<(Expr, Expr)>,
    /// `ELSE`
    pub otherwise: Option<Expr>,
}

/// `f(DISTINCT a, b ORDER BY c) FILTER (WHERE d) OVER w`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub name: Ident,
    /// What it is given.
    pub args: Args,
    /// Which rows an aggregate looks at.
    pub filter: Option<Expr>,
    /// The window.
    pub over: Option<Over>,
}

/// What a function is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Args {
    /// `(*)`
    Star,
    /// `(a, b)`
    List {
        /// `DISTINCT` or `ALL`
        distinct: Option<super::Distinct>,
        /// The arguments.
        exprs: Vec<Expr>,
        /// In which order an aggregate sees the rows.
        order_by: Vec<super::OrderTerm>,
    },
}

/// What a trigger's error does.
#[derive(Clone, Debug, PartialEq)]
pub enum Raise {
    /// `RAISE(IGNORE)`
    Ignore,
    /// `RAISE(ROLLBACK, message)`
    Rollback(Box<Expr>),
    /// `RAISE(ABORT, message)`
    Abort(Box<Expr>),
    /// `RAISE(FAIL, message)`
    Fail(Box<Expr>),
}
