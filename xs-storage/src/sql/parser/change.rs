//! `INSERT`, `UPDATE`, `DELETE`.

use super::{Parser, Result};
use crate::sql::ast::{
    Assignment, Conflict, Delete, Expr, Insert, ResultColumn, Target, Update, Upsert, UpsertTarget, UpsertUpdate, With,
};
use crate::sql::lexer::TokenKind;

/// Who says it: what triggers may say is less.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Statement,
    Trigger,
}

impl Parser<'_> {
    pub(super) fn insert(&mut self, with: Option<With>, place: Place) -> Result<Insert> {
        let conflict = match self.try_take(TokenKind::Replace) {
            true => Some(Conflict::Replace),
            false => {
                self.expect(TokenKind::Insert)?;
                self.or_conflict()?
            }
        };
        self.expect(TokenKind::Into)?;
        let target = self.target(place)?;
        let columns = match self.at(TokenKind::LParen) {
            true => self.names_in_parens()?,
            false => Vec::new(),
        };
        let mut insert =
            Insert { with, conflict, target, columns, source: None, upserts: Vec::new(), returning: Vec::new() };
        if place == Place::Statement && self.try_words([TokenKind::Default, TokenKind::Values])? {
            insert.returning = self.returning(7)?;
            return Ok(insert);
        }
        insert.source = Some(self.above(5, Self::select)?);
        let (mut last, mut symbols) = (false, 6);
        while !last && self.try_words([TokenKind::On, TokenKind::Conflict])? {
            let upsert = self.above(symbols, Self::upsert)?;
            last = upsert.target.is_none();
            // Each stands before those behind it.
            symbols += if last { 4 } else { 8 } + if upsert.update.is_some() { 3 } else { 0 };
            insert.upserts.push(upsert);
        }
        if place == Place::Trigger && self.at(TokenKind::Returning) {
            let at = self.now.start;
            self.returning(symbols)?;
            return Err(self.meaning("cannot use RETURNING in a trigger", at));
        }
        insert.returning = self.returning(symbols)?;
        Ok(insert)
    }

    /// Behind `ON CONFLICT`.
    fn upsert(&mut self) -> Result<Upsert> {
        let target = match self.try_take(TokenKind::LParen) {
            true => {
                let columns = self.order_terms(3, &mut 0)?;
                self.expect(TokenKind::RParen)?;
                Some(UpsertTarget { columns, filter: self.filter(5, &mut 0)? })
            }
            false => None,
        };
        self.expect(TokenKind::Do)?;
        if self.try_take(TokenKind::Nothing) {
            return Ok(Upsert { target, update: None });
        }
        self.expect(TokenKind::Update)?;
        self.expect(TokenKind::Set)?;
        let symbols = if target.is_some() { 9 } else { 5 };
        let sets = self.list_above(symbols, Self::assignment)?;
        Ok(Upsert { target, update: Some(UpsertUpdate { sets, filter: self.filter(symbols + 1, &mut 0)? }) })
    }

    pub(super) fn update(&mut self, with: Option<With>, place: Place) -> Result<Update> {
        self.expect(TokenKind::Update)?;
        let conflict = self.or_conflict()?;
        let target = self.target(place)?;
        let indexed = self.indexed_in(place)?;
        self.expect(TokenKind::Set)?;
        // A trigger's step has no `with` before it.
        let symbols = if place == Place::Trigger { 5 } else { 6 };
        let sets = self.list_above(symbols, Self::assignment)?;
        if sets.len() > self.limits.columns {
            return Err(self.limit("too many columns in set list", self.before.start));
        }
        let from = self.from(symbols + 1)?;
        let filter = self.filter(symbols + 2, &mut 0)?;
        let behind = symbols + if filter.is_some() { 4 } else { 2 };
        let returning = self.returning_in(place, behind)?;
        Ok(Update { with, conflict, target, indexed, sets, from, filter, returning })
    }

    pub(super) fn delete(&mut self, with: Option<With>, place: Place) -> Result<Delete> {
        self.expect(TokenKind::Delete)?;
        self.expect(TokenKind::From)?;
        let target = self.target(place)?;
        let indexed = self.indexed_in(place)?;
        // A trigger's step has no `with` before it.
        let symbols = if place == Place::Trigger { 4 } else { 5 };
        let filter = self.filter(symbols, &mut 0)?;
        let behind = symbols + if filter.is_some() { 2 } else { 0 };
        Ok(Delete { with, target, indexed, filter, returning: self.returning_in(place, behind)? })
    }

    fn indexed_in(&mut self, place: Place) -> Result<Option<crate::sql::ast::Indexed>> {
        let start = self.now.start;
        let indexed = self.indexed()?;
        match &indexed {
            Some(which) if place == Place::Trigger => {
                let clause = if matches!(which, crate::sql::ast::Indexed::Not) { "NOT INDEXED" } else { "INDEXED BY" };
                let text = format!("the {clause} clause is not allowed on UPDATE or DELETE statements within triggers");
                Err(self.meaning(text, start))
            }
            _ => Ok(indexed),
        }
    }

    fn returning_in(&mut self, place: Place, symbols: u32) -> Result<Vec<ResultColumn>> {
        if place == Place::Trigger { Ok(Vec::new()) } else { self.returning(symbols) }
    }

    /// `RETURNING` above symbols, or nothing.
    fn returning(&mut self, symbols: u32) -> Result<Vec<ResultColumn>> {
        match self.try_take(TokenKind::Returning) {
            true => self.result_columns(symbols + 1, &mut 0),
            false => Ok(Vec::new()),
        }
    }

    fn target(&mut self, place: Place) -> Result<Target> {
        let start = self.now.start;
        let name = self.qualified_name()?;
        if place == Place::Trigger {
            if name.schema.is_some() {
                let text =
                    "qualified table names are not allowed on INSERT, UPDATE, and DELETE statements within triggers";
                return Err(self.meaning(text, start));
            }
            return Ok(Target { name, alias: None });
        }
        let alias = match self.try_take(TokenKind::As) {
            true => Some(self.name()?),
            false => None,
        };
        Ok(Target { name, alias })
    }

    fn assignment(&mut self) -> Result<Assignment> {
        if !self.at(TokenKind::LParen) {
            let column = self.name()?;
            self.expect(TokenKind::Eq)?;
            return Ok(Assignment::Column(column, self.expr_above(2)?));
        }
        let start = self.now.start;
        let columns = self.names_in_parens()?;
        self.expect(TokenKind::Eq)?;
        let value = self.expr_above(4)?;
        let values = match &value {
            Expr::Subquery(_) => columns.len(),
            Expr::Row(values) => values.len(),
            _ => 1,
        };
        if values != columns.len() {
            let text = format!("{} columns assigned {values} values", columns.len());
            return Err(self.meaning(text, start));
        }
        Ok(Assignment::Columns(columns, value))
    }

    /// `OR ...`, or nothing.
    fn or_conflict(&mut self) -> Result<Option<Conflict>> {
        if self.try_take(TokenKind::Or) { self.conflict().map(Some) } else { Ok(None) }
    }

    /// `ON CONFLICT ...`, or nothing.
    pub(super) fn on_conflict(&mut self) -> Result<Option<Conflict>> {
        if self.try_words([TokenKind::On, TokenKind::Conflict])? { self.conflict().map(Some) } else { Ok(None) }
    }

    fn conflict(&mut self) -> Result<Conflict> {
        let conflict = match self.now.kind {
            TokenKind::Rollback => Conflict::Rollback,
            TokenKind::Abort => Conflict::Abort,
            TokenKind::Fail => Conflict::Fail,
            TokenKind::Ignore => Conflict::Ignore,
            TokenKind::Replace => Conflict::Replace,
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(conflict)
    }
}
