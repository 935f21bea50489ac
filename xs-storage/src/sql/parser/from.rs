//! `FROM`: tables, and how they are joined.

use super::{Parser, Result};
use crate::sql::ast::{FromItem, Ident, Indexed, Join, JoinConstraint, JoinKind, Source, Span};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    /// `FROM ...` above symbols, or nothing.
    pub(super) fn from(&mut self, symbols: u32) -> Result<Vec<FromItem>> {
        match self.try_take(TokenKind::From) {
            true => self.above(symbols + 1, Self::sources),
            false => Ok(Vec::new()),
        }
    }

    #[inline(never)]
    fn sources(&mut self) -> Result<Vec<FromItem>> {
        let mut items = Vec::new();
        let mut join = None;
        loop {
            items.push(self.joined_source(join)?);
            join = self.join()?;
            if join.is_none() {
                return Ok(items);
            }
        }
    }

    fn joined_source(&mut self, join: Option<Join>) -> Result<FromItem> {
        let mut source = self.source()?;
        let alias = self.alias()?;
        if let Source::Table(_, indexed) = &mut source {
            *indexed = self.indexed()?;
        }
        let at = self.now.start;
        // What the source is to the grammar, with the join before it and the alias, written or not.
        let symbols = match &source {
            Source::Table(_, None) => 4,
            Source::Table(_, Some(_)) | Source::Select(_) | Source::Nested(_) => 5,
            Source::Function(..) => 7,
        };
        let constraint = if self.try_take(TokenKind::On) {
            Some(JoinConstraint::On(self.expr_above(symbols + 1)?))
        } else if self.try_take(TokenKind::Using) {
            let names = self.names_in_parens()?;
            self.room(symbols + if names.len() > 1 { 5 } else { 4 })?;
            Some(JoinConstraint::Using(names))
        } else {
            self.room(symbols + 1)?;
            None
        };
        if let (None, Some(constraint)) = (join, &constraint) {
            let word = if matches!(constraint, JoinConstraint::On(_)) { "ON" } else { "USING" };
            self.meaning_later(format!("a JOIN clause is required before {word}"), at);
        }
        Ok(FromItem { join, source, alias, constraint })
    }

    fn source(&mut self) -> Result<Source> {
        if self.try_take(TokenKind::LParen) {
            self.room(2)?;
            let source = match self.starts_select() {
                true => Source::Select(Box::new(self.above(2, Self::select)?)),
                false => Source::Nested(self.above(2, Self::sources)?),
            };
            self.expect(TokenKind::RParen)?;
            return Ok(source);
        }
        let name = self.qualified_name()?;
        if self.try_take(TokenKind::LParen) {
            let args = self.exprs_or_none(4)?;
            self.expect(TokenKind::RParen)?;
            return Ok(Source::Function(name, args));
        }
        Ok(Source::Table(name, None))
    }

    /// `AS name`, or a name alone, which then is an identifier or a string.
    pub(super) fn alias(&mut self) -> Result<Option<Ident>> {
        if self.try_take(TokenKind::As) {
            return self.name().map(Some);
        }
        match self.now.kind.is_id_or_string() {
            true => self.name().map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn indexed(&mut self) -> Result<Option<Indexed>> {
        if self.try_words([TokenKind::Not, TokenKind::Indexed])? {
            return Ok(Some(Indexed::Not));
        }
        match self.try_words([TokenKind::Indexed, TokenKind::By])? {
            true => Ok(Some(Indexed::By(self.name()?))),
            false => Ok(None),
        }
    }

    /// A comma or `JOIN`, with up to three words before it. Which words make sense is said at the `JOIN`.
    fn join(&mut self) -> Result<Option<Join>> {
        let start = self.now.start;
        let plain = match self.now.kind {
            TokenKind::Comma => JoinKind::Comma,
            TokenKind::Join => JoinKind::Inner,
            kind if kind.is_join_word() => return self.join_of_words(start).map(Some),
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(Join { natural: false, kind: plain }))
    }

    fn join_of_words(&mut self, start: u32) -> Result<Join> {
        let mut words = vec![self.take()];
        while words.len() < 3 && self.now.kind.is_name() {
            words.push(self.take());
        }
        let said = |kind: TokenKind| words.iter().any(|word| word.kind == kind);
        let known = words.iter().all(|word| word.kind.is_join_word());
        let (left, right, full) = (said(TokenKind::Left), said(TokenKind::Right), said(TokenKind::Full));
        let (outer, cross) = (said(TokenKind::Outer), said(TokenKind::Cross));
        let sided = left || right || full;
        let inner = cross || said(TokenKind::Inner);
        let span = self.span_from(start);
        self.expect(TokenKind::Join)?;
        if !known || (inner && sided) || (outer && !sided) {
            let text = words.iter().map(|word| self.text(Span { start: word.start, end: word.end }));
            let text = format!("unknown join type: {}", text.collect::<Vec<_>>().join(" "));
            return Err(self.meaning(text, span.start));
        }
        let kind = match (full || (left && right), left, right) {
            (true, _, _) => JoinKind::Full,
            (_, true, _) => JoinKind::Left,
            (_, _, true) => JoinKind::Right,
            _ if cross => JoinKind::Cross,
            _ => JoinKind::Inner,
        };
        Ok(Join { natural: said(TokenKind::Natural), kind })
    }
}
