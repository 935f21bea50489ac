//! Queries, their compounds, and common tables.

use super::{Parser, Result};
use crate::sql::ast::{
    CommonTable, CompoundOp, Core, Expr, Limit, Materialized, Nulls, Order, OrderTerm, Query, ResultColumn, Select,
    With,
};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    /// A query begins here.
    pub(super) fn starts_select(&self) -> bool {
        matches!(self.now.kind, TokenKind::Select | TokenKind::Values | TokenKind::With)
    }

    /// A query; the height behind it is that of its highest expression.
    pub(super) fn select(&mut self) -> Result<Select> {
        self.room(1)?;
        let with = self.with()?;
        self.select_after(with)
    }

    /// The same, behind its `WITH`.
    #[inline(never)]
    pub(super) fn select_after(&mut self, with: Option<With>) -> Result<Select> {
        let symbols = with.as_ref().map_or(0, |with| 2 + u32::from(with.recursive));
        self.above(symbols, |parser| parser.cores(with))
    }

    fn cores(&mut self, with: Option<With>) -> Result<Select> {
        let mut height = 0;
        let (first, mut order_by, mut limit) = self.core(&mut height)?;
        let mut compounds = Vec::new();
        while let Some(op) = self.compound_op() {
            if !order_by.is_empty() || limit.is_some() {
                let clause = if order_by.is_empty() { "LIMIT" } else { "ORDER BY" };
                let text = format!("{clause} clause should come after {} not before", op_name(op));
                return Err(self.meaning(text, self.before.start));
            }
            let core;
            (core, order_by, limit) = self.above(2, |parser| parser.core(&mut height))?;
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

    /// One part of a compound, with the `ORDER BY` and `LIMIT` behind it, which `VALUES` doesn't have.
    fn core(&mut self, height: &mut u32) -> Result<(Core, Vec<OrderTerm>, Option<Limit>)> {
        if self.try_take(TokenKind::Values) {
            return Ok((Core::Values(self.rows(height)?), Vec::new(), None));
        }
        self.expect(TokenKind::Select)?;
        let query = Box::new(self.query(height)?);
        let windows = u32::from(!query.windows.is_empty());
        let order_by = self.order_by(7 + windows, height)?;
        let limit = self.limit_clause(8 + windows, height)?;
        Ok((Core::Query(query), order_by, limit))
    }

    /// Behind `VALUES`.
    fn rows(&mut self, height: &mut u32) -> Result<Vec<Vec<Expr>>> {
        let mut rows = Vec::new();
        loop {
            self.expect(TokenKind::LParen)?;
            // The rows before, a comma, the parenthesis; at first the word and the parenthesis.
            let symbols = if rows.is_empty() { 2 } else { 3 };
            rows.push(self.exprs(symbols)?);
            *height = self.height.max(*height);
            self.expect(TokenKind::RParen)?;
            self.room(symbols + 2)?;
            if !self.try_take(TokenKind::Comma) {
                return Ok(rows);
            }
        }
    }

    /// Behind `SELECT`.
    fn query(&mut self, height: &mut u32) -> Result<Query> {
        let distinct = self.distinct();
        let columns = self.result_columns(2, height)?;
        let from = self.from(3)?;
        let filter = self.filter(4, height)?;
        let group_by = match self.try_words([TokenKind::Group, TokenKind::By])? {
            true => {
                let exprs = self.exprs(7)?;
                *height = self.height.max(*height);
                exprs
            }
            false => Vec::new(),
        };
        let having = match self.try_take(TokenKind::Having) {
            true => Some(self.higher(7, height)?),
            false => None,
        };
        let windows = match self.try_take(TokenKind::Window) {
            true => self.list_above(8, |parser| {
                let name = parser.name()?;
                parser.expect(TokenKind::As)?;
                parser.expect(TokenKind::LParen)?;
                let window = parser.above(3, Self::window)?;
                parser.expect(TokenKind::RParen)?;
                parser.room(5)?;
                Ok((name, window))
            })?,
            false => Vec::new(),
        };
        Ok(Query { distinct, columns, from, filter, group_by, having, windows })
    }

    /// Columns above so many symbols; those before the one at hand are one more, if there are any or not.
    pub(super) fn result_columns(&mut self, symbols: u32, height: &mut u32) -> Result<Vec<ResultColumn>> {
        self.list(|parser| parser.above(symbols, |parser| parser.result_column(height)))
    }

    fn result_column(&mut self, height: &mut u32) -> Result<ResultColumn> {
        if self.try_take(TokenKind::Star) {
            self.room(3)?;
            return Ok(ResultColumn::All);
        }
        if self.now.kind.is_name() && self.lexer.follows(&[TokenKind::Dot, TokenKind::Star]) {
            let table = self.name()?;
            self.expect(TokenKind::Dot)?;
            self.expect(TokenKind::Star)?;
            self.room(5)?;
            return Ok(ResultColumn::AllOf(table));
        }
        let start = self.now.start;
        let expr = self.higher(2, height)?;
        let span = self.span_from(start);
        let symbols = if self.at(TokenKind::As) { 6 } else { 5 };
        let alias = self.alias()?;
        self.room(symbols)?;
        Ok(ResultColumn::Expr { expr, alias, span })
    }

    /// `WHERE` above symbols, or nothing.
    pub(super) fn filter(&mut self, symbols: u32, height: &mut u32) -> Result<Option<Expr>> {
        if !self.try_take(TokenKind::Where) {
            return Ok(None);
        }
        self.higher(symbols + 1, height).map(Some)
    }

    /// `ORDER BY` above symbols, or nothing.
    pub(super) fn order_by(&mut self, symbols: u32, height: &mut u32) -> Result<Vec<OrderTerm>> {
        if !self.try_words([TokenKind::Order, TokenKind::By])? {
            self.room(symbols + 1)?;
            return Ok(Vec::new());
        }
        self.order_terms(symbols + 2, height)
    }

    pub(super) fn order_terms(&mut self, symbols: u32, height: &mut u32) -> Result<Vec<OrderTerm>> {
        self.list_above(symbols, |parser| {
            let expr = parser.higher(0, height)?;
            let order = parser.sort_order();
            let nulls = match parser.try_take(TokenKind::Nulls) {
                false => None,
                true if parser.try_take(TokenKind::First) => Some(Nulls::First),
                true => {
                    parser.expect(TokenKind::Last)?;
                    Some(Nulls::Last)
                }
            };
            parser.room(if nulls.is_some() { 4 } else { 3 })?;
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

    /// `LIMIT a`, `LIMIT a OFFSET b` or `LIMIT b, a`, above symbols
    fn limit_clause(&mut self, symbols: u32, height: &mut u32) -> Result<Option<Limit>> {
        if !self.try_take(TokenKind::Limit) {
            self.room(symbols + 1)?;
            return Ok(None);
        }
        let first = self.higher(symbols + 1, height)?;
        let limit = if self.try_take(TokenKind::Offset) {
            Limit { limit: first, offset: Some(self.higher(symbols + 3, height)?) }
        } else if self.try_take(TokenKind::Comma) {
            Limit { limit: self.higher(symbols + 3, height)?, offset: Some(first) }
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
            // `WITH`, and behind a comma what came before and the comma.
            let symbols = 1 + u32::from(recursive) + if tables.is_empty() { 0 } else { 2 };
            let table = self.above(symbols, Self::common_table)?;
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
        let select = self.above(4, Self::select)?;
        self.expect(TokenKind::RParen)?;
        self.room(6)?;
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
