//! Queries.

use std::fmt::{Display, Formatter, Result};

use super::{Comma, Words};
use crate::sql::ast::{
    CommonTable, CompoundOp, Core, Distinct, FromItem, Indexed, Join, JoinConstraint, JoinKind, Limit, Materialized,
    Nulls, Order, OrderTerm, Query, ResultColumn, Select, Source, With,
};

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(with) = &self.with {
            write!(f, "{with} ")?;
        }
        self.first.fmt(f)?;
        for (op, core) in &self.compounds {
            write!(f, " {op} {core}")?;
        }
        super::order_by(f, &self.order_by)?;
        Words(" ", &self.limit).fmt(f)
    }
}

impl Display for With {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let recursive = if self.recursive { "RECURSIVE " } else { "" };
        write!(f, "WITH {recursive}{}", Comma(&self.tables))
    }
}

impl Display for CommonTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.name.fmt(f)?;
        super::columns(f, &self.columns)?;
        let hint = match self.materialized {
            None => "",
            Some(Materialized::Yes) => "MATERIALIZED ",
            Some(Materialized::No) => "NOT MATERIALIZED ",
        };
        write!(f, " AS {hint}({})", self.select)
    }
}

impl Display for CompoundOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            CompoundOp::Union => "UNION",
            CompoundOp::UnionAll => "UNION ALL",
            CompoundOp::Except => "EXCEPT",
            CompoundOp::Intersect => "INTERSECT",
        })
    }
}

impl Display for Core {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Core::Query(query) => query.fmt(f),
            Core::Values(rows) => {
                f.write_str("VALUES ")?;
                super::separated(f, rows, |f, row| write!(f, "({})", Comma(row)))
            }
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("SELECT ")?;
        if let Some(distinct) = &self.distinct {
            write!(f, "{distinct} ")?;
        }
        Comma(&self.columns).fmt(f)?;
        from(f, &self.from)?;
        Words(" WHERE ", &self.filter).fmt(f)?;
        if !self.group_by.is_empty() {
            write!(f, " GROUP BY {}", Comma(&self.group_by))?;
        }
        Words(" HAVING ", &self.having).fmt(f)?;
        if !self.windows.is_empty() {
            f.write_str(" WINDOW ")?;
            super::separated(f, &self.windows, |f, (name, window)| write!(f, "{name} AS ({window})"))?;
        }
        Ok(())
    }
}

impl Display for Distinct {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Distinct::Distinct => "DISTINCT",
            Distinct::All => "ALL",
        })
    }
}

impl Display for ResultColumn {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            ResultColumn::All => f.write_str("*"),
            ResultColumn::AllOf(table) => write!(f, "{table}.*"),
            ResultColumn::Expr { expr, alias, .. } => write!(f, "{expr}{}", Words(" AS ", alias)),
        }
    }
}

/// `FROM ...`, with a space before it, or nothing.
pub(super) fn from(f: &mut Formatter<'_>, items: &[FromItem]) -> Result {
    if items.is_empty() {
        return Ok(());
    }
    f.write_str(" FROM ")?;
    joined(f, items)
}

fn joined(f: &mut Formatter<'_>, items: &[FromItem]) -> Result {
    items.iter().try_for_each(|item| item.fmt(f))
}

impl Display for FromItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(join) = &self.join {
            write!(f, "{join} ")?;
        }
        let indexed = match &self.source {
            Source::Table(name, indexed) => {
                name.fmt(f)?;
                indexed.as_ref()
            }
            Source::Function(name, args) => {
                write!(f, "{name}({})", Comma(args))?;
                None
            }
            Source::Select(select) => {
                write!(f, "({select})")?;
                None
            }
            Source::Nested(items) => {
                f.write_str("(")?;
                joined(f, items)?;
                f.write_str(")")?;
                None
            }
        };
        Words(" AS ", &self.alias).fmt(f)?;
        if let Some(indexed) = indexed {
            write!(f, " {indexed}")?;
        }
        match &self.constraint {
            None => Ok(()),
            Some(JoinConstraint::On(expr)) => write!(f, " ON {expr}"),
            Some(JoinConstraint::Using(columns)) => write!(f, " USING ({})", Comma(columns)),
        }
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let natural = if self.natural { " NATURAL" } else { "" };
        f.write_str(natural)?;
        f.write_str(match self.kind {
            JoinKind::Comma if self.natural => " JOIN",
            JoinKind::Comma => ",",
            JoinKind::Inner => " JOIN",
            JoinKind::Cross => " CROSS JOIN",
            JoinKind::Left => " LEFT JOIN",
            JoinKind::Right => " RIGHT JOIN",
            JoinKind::Full => " FULL JOIN",
        })
    }
}

impl Display for Indexed {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Indexed::By(index) => write!(f, "INDEXED BY {index}"),
            Indexed::Not => f.write_str("NOT INDEXED"),
        }
    }
}

impl Display for OrderTerm {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.expr.fmt(f)?;
        Words(" ", &self.order).fmt(f)?;
        f.write_str(match self.nulls {
            None => "",
            Some(Nulls::First) => " NULLS FIRST",
            Some(Nulls::Last) => " NULLS LAST",
        })
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Order::Asc => "ASC",
            Order::Desc => "DESC",
        })
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "LIMIT {}{}", self.limit, Words(" OFFSET ", &self.offset))
    }
}
