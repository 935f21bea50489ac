//! Expressions, with the parentheses that their trees need and no others.

use std::fmt::{Display, Formatter, Result};

use super::{Comma, Words};
use crate::sql::ast::{
    Args, BinaryOp, Call, Column, Expr, Frame, FrameBound, FrameExclude, FrameUnit, InSet, LikeOp, Literal, Over,
    Parameter, Raise, UnaryOp, Window,
};
use crate::sql::binding;
use crate::sql::stack;

/// An operand whose operators must bind as tightly as the number says.
struct Of<'a>(&'a Expr, u8);

impl Display for Of<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        stack::enough(|| if self.0.binding() < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) })
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expr::Literal(literal) => literal.fmt(f),
            Expr::Parameter(parameter) => parameter.fmt(f),
            Expr::Column(column) => column.fmt(f),
            Expr::Unary(op, operand) => unary(f, *op, operand),
            Expr::Binary(binary) => {
                let least = binary.op.binding();
                write!(f, "{} {} {}", Of(&binary.left, least), binary.op, Of(&binary.right, least + 1))
            }
            Expr::IsNull { operand, negated } => {
                let word = if *negated { "NOTNULL" } else { "ISNULL" };
                write!(f, "{} {word}", Of(operand, binding::EQUAL))
            }
            Expr::Collate(operand, collation) => write!(f, "{} COLLATE {collation}", Of(operand, binding::COLLATE)),
            Expr::Like(like) => {
                let (operand, pattern) = (Of(&like.operand, binding::EQUAL), Of(&like.pattern, binding::COMPARE));
                write!(f, "{operand} {}{} {pattern}", not(like.negated), like.op)?;
                match &like.escape {
                    Some(escape) => write!(f, " ESCAPE {}", Of(escape, binding::COMPARE)),
                    None => Ok(()),
                }
            }
            Expr::Between(between) => {
                let operand = Of(&between.operand, binding::EQUAL);
                let (low, high) = (Of(&between.low, binding::NOT), Of(&between.high, binding::COMPARE));
                write!(f, "{operand} {}BETWEEN {low} AND {high}", not(between.negated))
            }
            Expr::In(within) => {
                write!(f, "{} {}IN {}", Of(&within.operand, binding::EQUAL), not(within.negated), within.set)
            }
            Expr::Exists(select) => write!(f, "EXISTS ({select})"),
            Expr::Subquery(select) => write!(f, "({select})"),
            Expr::Row(exprs) => write!(f, "({})", Comma(exprs)),
            Expr::Case(case) => {
                f.write_str("CASE")?;
                Words(" ", &case.operand).fmt(f)?;
                for (when, then) in &case.branches {
                    write!(f, " WHEN {when} THEN {then}")?;
                }
                Words(" ELSE ", &case.otherwise).fmt(f)?;
                f.write_str(" END")
            }
            Expr::Cast(expr, type_name) => write!(f, "CAST({expr} AS{})", Words(" ", type_name)),
            Expr::Call(call) => call.fmt(f),
            Expr::Raise(raise) => raise.fmt(f),
        }
    }
}

fn unary(f: &mut Formatter<'_>, op: UnaryOp, operand: &Expr) -> Result {
    let least = if op == UnaryOp::Not { binding::NOT } else { binding::SIGN };
    // Two signs in a row stand apart: `--` begins a comment.
    let apart = if matches!(operand, Expr::Unary(..)) { " " } else { "" };
    match op {
        UnaryOp::Plus => write!(f, "+{apart}{}", Of(operand, least)),
        UnaryOp::Minus => write!(f, "-{apart}{}", Of(operand, least)),
        UnaryOp::BitNot => write!(f, "~{}", Of(operand, least)),
        UnaryOp::Not => write!(f, "NOT {}", Of(operand, least)),
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            BinaryOp::Or => "OR",
            BinaryOp::And => "AND",
            BinaryOp::Eq => "=",
            BinaryOp::NotEq => "<>",
            BinaryOp::Is => "IS",
            BinaryOp::IsNot => "IS NOT",
            BinaryOp::IsDistinctFrom => "IS DISTINCT FROM",
            BinaryOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            BinaryOp::Lt => "<",
            BinaryOp::LtEq => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::GtEq => ">=",
            BinaryOp::BitAnd => "&",
            BinaryOp::BitOr => "|",
            BinaryOp::ShiftLeft => "<<",
            BinaryOp::ShiftRight => ">>",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::Concat => "||",
            BinaryOp::Arrow => "->",
            BinaryOp::LongArrow => "->>",
        })
    }
}

impl Display for LikeOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            LikeOp::Like => "LIKE",
            LikeOp::Glob => "GLOB",
            LikeOp::Regexp => "REGEXP",
            LikeOp::Match => "MATCH",
        })
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Integer(value) => write!(f, "{value}"),
            Literal::Hex(value) => write!(f, "{value:#x}"),
            // Rust's longest form of a number has no exponent; what is too large for any is infinite again when read.
            Literal::Float(value) if value.is_infinite() => f.write_str("9e999"),
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Blob(bytes) => {
                f.write_str("x'")?;
                for byte in bytes {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("'")
            }
            Literal::CurrentDate => f.write_str("CURRENT_DATE"),
            Literal::CurrentTime => f.write_str("CURRENT_TIME"),
            Literal::CurrentTimestamp => f.write_str("CURRENT_TIMESTAMP"),
        }
    }
}

impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Parameter::Next(_) => f.write_str("?"),
            Parameter::Numbered(number) => write!(f, "?{number}"),
            Parameter::Named(name) => f.write_str(name),
        }
    }
}

impl Display for Column {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for part in [&self.schema, &self.table].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        self.name.fmt(f)
    }
}

impl Display for InSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            InSet::List(exprs) => write!(f, "({})", Comma(exprs)),
            InSet::Select(select) => write!(f, "({select})"),
            InSet::Table(name, None) => name.fmt(f),
            InSet::Table(name, Some(args)) => write!(f, "{name}({})", Comma(args)),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.name)?;
        match &self.args {
            Args::Star => f.write_str("*")?,
            Args::List { distinct, exprs, order_by } => {
                if let Some(distinct) = distinct {
                    write!(f, "{distinct} ")?;
                }
                Comma(exprs).fmt(f)?;
                super::order_by(f, order_by)?;
            }
        }
        f.write_str(")")?;
        if let Some(filter) = &self.filter {
            write!(f, " FILTER (WHERE {filter})")?;
        }
        match &self.over {
            None => Ok(()),
            Some(Over::Named(name)) => write!(f, " OVER {name}"),
            Some(Over::Window(window)) => write!(f, " OVER ({window})"),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut apart = "";
        if let Some(base) = &self.base {
            base.fmt(f)?;
            apart = " ";
        }
        if !self.partition_by.is_empty() {
            write!(f, "{apart}PARTITION BY {}", Comma(&self.partition_by))?;
            apart = " ";
        }
        if !self.order_by.is_empty() {
            write!(f, "{apart}ORDER BY {}", Comma(&self.order_by))?;
            apart = " ";
        }
        match &self.frame {
            Some(frame) => write!(f, "{apart}{frame}"),
            None => Ok(()),
        }
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self.unit {
            FrameUnit::Range => "RANGE ",
            FrameUnit::Rows => "ROWS ",
            FrameUnit::Groups => "GROUPS ",
        })?;
        match &self.end {
            Some(end) => write!(f, "BETWEEN {} AND {end}", self.start)?,
            None => self.start.fmt(f)?,
        }
        f.write_str(match self.exclude {
            None => "",
            Some(FrameExclude::NoOthers) => " EXCLUDE NO OTHERS",
            Some(FrameExclude::CurrentRow) => " EXCLUDE CURRENT ROW",
            Some(FrameExclude::Group) => " EXCLUDE GROUP",
            Some(FrameExclude::Ties) => " EXCLUDE TIES",
        })
    }
}

impl Display for FrameBound {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            FrameBound::UnboundedPreceding => f.write_str("UNBOUNDED PRECEDING"),
            FrameBound::Preceding(by) => write!(f, "{by} PRECEDING"),
            FrameBound::CurrentRow => f.write_str("CURRENT ROW"),
            FrameBound::Following(by) => write!(f, "{by} FOLLOWING"),
            FrameBound::UnboundedFollowing => f.write_str("UNBOUNDED FOLLOWING"),
        }
    }
}

impl Display for Raise {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Raise::Ignore => f.write_str("RAISE(IGNORE)"),
            Raise::Rollback(message) => write!(f, "RAISE(ROLLBACK, {message})"),
            Raise::Abort(message) => write!(f, "RAISE(ABORT, {message})"),
            Raise::Fail(message) => write!(f, "RAISE(FAIL, {message})"),
        }
    }
}
