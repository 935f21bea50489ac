//! Queries, their compounds, and common tables.

use super::{Parser, Result};
use crate::sql::ast::{
    CommonTable, CompoundOp, Core, Expr, Limit, Materialized, Nulls, Order, OrderTerm, Query, ResultColumn, Select,
    With,
};
use crate::sql::lexer::TokenKind;

/// How much of [`super::Limits::nesting`] a query within another one takes.
const QUERY: u32 = 10;

impl Parser<'_> {
    /// A query begins here.
    pub(super) fn starts_select(&self) -> bool {
        matches!(self.now.kind, TokenKind::Select | TokenKind::Values | TokenKind::With)
    }

    /// A query; the height behind it is that of its highest expression.
    pub(super) fn select(&mut self) -> Result<Select> {
        self.deeper(QUERY, |parser| {
            let with = parser.with()?;
            parser.select_after(with)
        })
    }

    /// The same, behind its `WITH`.
    #[inline(never)]
    pub(super) fn select_after(&mut self, with: Option<With>) -> Result<Select> {
        let mut height = 0;
        let first = self.core(&mut height)?;
        let (mut order_by, mut limit) = self.core_end(&first, &mut height)?;
        let mut compounds = Vec::new();
        while let Some(op) = self.compound_op() {
            if !order_by.is_empty() || limit.is_some() {
                let clause = if order_by.is_empty() { "LIMIT" } else { "ORDER BY" };
                let text = format!("{clause} clause should come after {} not before", op_name(op));
                return Err(self.meaning(text, self.before.start));
            }
            let core = self.core(&mut height)?;
            (order_by, limit) = self.core_end(&core, &mut height)?;
            compounds.push((op, core));
            if compounds.len() >= self.limits.compounds {
                return Err(self.limit("too many terms in compound SELECT", self.now.start));
            }
        }
        self.height = height;
        Ok(Select { with, first, compounds, order_by, limit })
    }

    fn compound_op(&mut self) -> Option<CompoundOp> {
        let op = match self.now.kind {
            TokenKind::Union => CompoundOp::Union,
            TokenKind::Except => CompoundOp::Except,
            TokenKind::Intersect => CompoundOp::Intersect,
            _ => return None,
        };
        self.take();
        if op == CompoundOp::Union && self.try_take(TokenKind::All) {
            return Some(CompoundOp::UnionAll);
        }
        Some(op)
    }

    fn core(&mut self, height: &mut u32) -> Result<Core> {
        if self.try_take(TokenKind::Values) {
            let rows = self.list(|parser| {
                parser.expect(TokenKind::LParen)?;
                let row = parser.exprs()?;
                *height = parser.height.max(*height);
                parser.expect(TokenKind::RParen)?;
                Ok(row)
            })?;
            return Ok(Core::Values(rows));
        }
        self.expect(TokenKind::Select)?;
        Ok(Core::Query(Box::new(self.query(height)?)))
    }

    /// `ORDER BY` and `LIMIT`, which `VALUES` doesn't have.
    fn core_end(&mut self, core: &Core, height: &mut u32) -> Result<(Vec<OrderTerm>, Option<Limit>)> {
        match core {
            Core::Values(_) => Ok((Vec::new(), None)),
            Core::Query(_) => Ok((self.order_by(height)?, self.limit_clause(height)?)),
        }
    }

    /// Behind `SELECT`.
    fn query(&mut self, height: &mut u32) -> Result<Query> {
        let distinct = self.distinct();
        let columns = self.result_columns(height)?;
        let from = self.from()?;
        let filter = self.filter(height)?;
        let group_by = match self.try_words([TokenKind::Group, TokenKind::By])? {
            true => {
                let exprs = self.exprs()?;
                *height = self.height.max(*height);
                exprs
            }
            false => Vec::new(),
        };
        let having = match self.try_take(TokenKind::Having) {
            true => Some(self.higher(height)?),
            false => None,
        };
        let windows = match self.try_take(TokenKind::Window) {
            true => self.list(|parser| {
                let name = parser.name()?;
                parser.expect(TokenKind::As)?;
                parser.expect(TokenKind::LParen)?;
                let window = parser.window()?;
                parser.expect(TokenKind::RParen)?;
                Ok((name, window))
            })?,
            false => Vec::new(),
        };
        Ok(Query { distinct, columns, from, filter, group_by, having, windows })
    }

    pub(super) fn result_columns(&mut self, height: &mut u32) -> Result<Vec<ResultColumn>> {
        self.list(|parser| parser.result_column(height))
    }

    fn result_column(&mut self, height: &mut u32) -> Result<ResultColumn> {
        if self.try_take(TokenKind::Star) {
            return Ok(ResultColumn::All);
        }
        if self.now.kind.is_name() && self.lexer.follows(&[TokenKind::Dot, TokenKind::Star]) {
            let table = self.name()?;
            self.expect(TokenKind::Dot)?;
            self.expect(TokenKind::Star)?;
            return Ok(ResultColumn::AllOf(table));
        }
        let start = self.now.start;
        let expr = self.higher(height)?;
        let span = self.span_from(start);
        Ok(ResultColumn::Expr { expr, alias: self.alias()?, span })
    }

    pub(super) fn filter(&mut self, height: &mut u32) -> Result<Option<Expr>> {
        if !self.try_take(TokenKind::Where) {
            return Ok(None);
        }
        self.higher(height).map(Some)
    }

    pub(super) fn order_by(&mut self, height: &mut u32) -> Result<Vec<OrderTerm>> {
        if !self.try_words([TokenKind::Order, TokenKind::By])? {
            return Ok(Vec::new());
        }
        self.order_terms(height)
    }

    pub(super) fn order_terms(&mut self, height: &mut u32) -> Result<Vec<OrderTerm>> {
        self.list(|parser| {
            let expr = parser.higher(height)?;
            let order = parser.sort_order();
            let nulls = match parser.try_take(TokenKind::Nulls) {
                false => None,
                true if parser.try_take(TokenKind::First) => Some(Nulls::First),
                true => {
                    parser.expect(TokenKind::Last)?;
                    Some(Nulls::Last)
                }
            };
            Ok(OrderTerm { expr, order, nulls })
        })
    }

    pub(super) fn sort_order(&mut self) -> Option<Order> {
        let order = match self.now.kind {
            TokenKind::Asc => Order::Asc,
            TokenKind::Desc => Order::Desc,
            _ => return None,
        };
        self.take();
        Some(order)
    }

    /// `LIMIT a`, `LIMIT a OFFSET b` or `LIMIT b, a`
    fn limit_clause(&mut self, height: &mut u32) -> Result<Option<Limit>> {
        if !self.try_take(TokenKind::Limit) {
            return Ok(None);
        }
        let first = self.higher(height)?;
        let limit = if self.try_take(TokenKind::Offset) {
            Limit { limit: first, offset: Some(self.higher(height)?) }
        } else if self.try_take(TokenKind::Comma) {
            Limit { limit: self.higher(height)?, offset: Some(first) }
        } else {
            return Ok(Some(Limit { limit: first, offset: None }));
        };
        Ok(Some(limit))
    }

    pub(super) fn with(&mut self) -> Result<Option<With>> {
        if !self.try_take(TokenKind::With) {
            return Ok(None);
        }
        let recursive = self.try_take(TokenKind::Recursive);
        let mut tables: Vec<CommonTable> = Vec::new();
        loop {
            let table = self.common_table()?;
            if tables.iter().any(|other| other.name.is(&table.name.text)) {
                let text = format!("duplicate WITH table name: {}", table.name.text);
                return Err(self.meaning(text, table.name.span.start));
            }
            tables.push(table);
            if !self.try_take(TokenKind::Comma) {
                return Ok(Some(With { recursive, tables }));
            }
        }
    }

    fn common_table(&mut self) -> Result<CommonTable> {
        let name = self.name()?;
        let columns = self.columns_in_parens()?;
        self.expect(TokenKind::As)?;
        let materialized = if self.try_words([TokenKind::Not, TokenKind::Materialized])? {
            Some(Materialized::No)
        } else {
            self.try_take(TokenKind::Materialized).then_some(Materialized::Yes)
        };
        self.expect(TokenKind::LParen)?;
        let select = self.select()?;
        self.expect(TokenKind::RParen)?;
        Ok(CommonTable { name, columns, materialized, select })
    }
}

fn op_name(op: CompoundOp) -> &'static str {
    match op {
        CompoundOp::Union => "UNION",
        CompoundOp::UnionAll => "UNION ALL",
        CompoundOp::Except => "EXCEPT",
        CompoundOp::Intersect => "INTERSECT",
    }
}
