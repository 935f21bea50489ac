//! Which statement it is, and those that are a few words.

use super::change::Place;
use super::{Parser, Result};
use crate::sql::ast::{Begin, Explain, PragmaValue, Statement};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement> {
        if !self.try_take(TokenKind::Explain) {
            return self.explained();
        }
        let what = match self.try_words([TokenKind::Query, TokenKind::Plan])? {
            true => Explain::QueryPlan,
            false => Explain::Program,
        };
        Ok(Statement::Explain(what, Box::new(self.above(1, Self::explained)?)))
    }

    /// Any statement but `EXPLAIN`.
    fn explained(&mut self) -> Result<Statement> {
        match self.now.kind {
            TokenKind::Select | TokenKind::Values | TokenKind::With => return self.query_or_change(),
            TokenKind::Insert | TokenKind::Replace | TokenKind::Update | TokenKind::Delete => {
                return self.query_or_change();
            }
            TokenKind::Create => return self.create(),
            TokenKind::Drop => return self.drop_what(),
            TokenKind::Alter => return self.alter(),
            _ => {}
        }
        let first = self.now;
        let known = matches!(
            first.kind,
            TokenKind::Begin
                | TokenKind::Commit
                | TokenKind::EndWord
                | TokenKind::Rollback
                | TokenKind::Savepoint
                | TokenKind::Release
                | TokenKind::Attach
                | TokenKind::Detach
                | TokenKind::Pragma
                | TokenKind::Analyze
                | TokenKind::Reindex
                | TokenKind::Vacuum
        );
        if !known {
            return Err(self.unexpected());
        }
        self.take();
        Ok(match first.kind {
            TokenKind::Begin => self.begin()?,
            TokenKind::Rollback => self.rollback()?,
            TokenKind::Savepoint => Statement::Savepoint(self.name()?),
            TokenKind::Release => {
                self.try_take(TokenKind::Savepoint);
                Statement::Release(self.name()?)
            }
            TokenKind::Attach => self.attach()?,
            TokenKind::Detach => {
                self.try_take(TokenKind::Database);
                Statement::Detach(self.expr_above(2)?)
            }
            TokenKind::Pragma => self.pragma()?,
            TokenKind::Analyze => Statement::Analyze(self.optional(Self::qualified_name)?),
            TokenKind::Reindex => Statement::Reindex(self.optional(Self::qualified_name)?),
            TokenKind::Vacuum => {
                let schema = self.optional(Self::name)?;
                let into = match self.try_take(TokenKind::Into) {
                    true => Some(self.expr_above(2 + u32::from(schema.is_some()))?),
                    false => None,
                };
                Statement::Vacuum { schema, into }
            }
            _ => {
                self.transaction_name()?;
                Statement::Commit
            }
        })
    }

    /// What may begin with `WITH`.
    fn query_or_change(&mut self) -> Result<Statement> {
        let with = self.with()?;
        let place = Place::Statement;
        Ok(match self.now.kind {
            TokenKind::Insert | TokenKind::Replace => Statement::Insert(Box::new(self.insert(with, place)?)),
            TokenKind::Update => Statement::Update(Box::new(self.update(with, place)?)),
            TokenKind::Delete => Statement::Delete(Box::new(self.delete(with, place)?)),
            _ => Statement::Select(Box::new(self.select_after(with)?)),
        })
    }

    /// What begins with a name, or nothing.
    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.now.kind.is_name() { read(self).map(Some) } else { Ok(None) }
    }

    /// `TRANSACTION name`, which changes nothing.
    fn transaction_name(&mut self) -> Result<()> {
        if self.try_take(TokenKind::Transaction) {
            self.optional(Self::name)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<Statement> {
        let begin = match self.now.kind {
            TokenKind::Deferred => Some(Begin::Deferred),
            TokenKind::Immediate => Some(Begin::Immediate),
            TokenKind::Exclusive => Some(Begin::Exclusive),
            _ => None,
        };
        if begin.is_some() {
            self.take();
        }
        self.transaction_name()?;
        Ok(Statement::Begin(begin))
    }

    fn rollback(&mut self) -> Result<Statement> {
        self.transaction_name()?;
        if !self.try_take(TokenKind::To) {
            return Ok(Statement::Rollback(None));
        }
        self.try_take(TokenKind::Savepoint);
        Ok(Statement::Rollback(Some(self.name()?)))
    }

    fn attach(&mut self) -> Result<Statement> {
        self.try_take(TokenKind::Database);
        let file = self.expr_above(2)?;
        self.expect(TokenKind::As)?;
        let schema = self.expr_above(4)?;
        let key = match self.try_take(TokenKind::Key) {
            true => Some(self.expr_above(6)?),
            false => None,
        };
        Ok(Statement::Attach { file, schema, key })
    }

    fn pragma(&mut self) -> Result<Statement> {
        let name = self.qualified_name()?;
        let value = if self.try_take(TokenKind::Eq) {
            Some(self.pragma_value()?)
        } else if self.try_take(TokenKind::LParen) {
            let value = self.pragma_value()?;
            self.expect(TokenKind::RParen)?;
            Some(value)
        } else {
            None
        };
        Ok(Statement::Pragma(name, value))
    }

    fn pragma_value(&mut self) -> Result<PragmaValue> {
        match self.now.kind {
            TokenKind::On | TokenKind::Delete | TokenKind::Default => {
                let word = self.take();
                Ok(PragmaValue::Word(self.ident(word)))
            }
            kind if kind.is_name() => Ok(PragmaValue::Word(self.name()?)),
            _ => Ok(PragmaValue::Number(self.signed_number()?)),
        }
    }
}
