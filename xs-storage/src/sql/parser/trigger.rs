//! `CREATE TRIGGER`.

use super::change::Place;
use super::{Parser, Result};
use crate::sql::ast::{CreateTrigger, TriggerEvent, TriggerStep, TriggerTime};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    /// Behind `CREATE TEMP TRIGGER`.
    pub(super) fn create_trigger(&mut self, temporary: bool) -> Result<CreateTrigger> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        let time = self.trigger_time()?;
        let event = self.trigger_event()?;
        self.expect(TokenKind::On)?;
        let table = self.qualified_name()?;
        let for_each_row = self.try_words([TokenKind::For, TokenKind::Each, TokenKind::Row])?;
        let when = match self.try_take(TokenKind::When) {
            true => Some(self.expr_above(12)?),
            false => None,
        };
        self.expect(TokenKind::Begin)?;
        let mut steps = Vec::new();
        loop {
            // The steps before are one symbol.
            let symbols = 3 + u32::from(!steps.is_empty());
            steps.push(self.above(symbols, Self::trigger_step)?);
            self.expect(TokenKind::Semi)?;
            if self.try_take(TokenKind::EndWord) {
                return Ok(CreateTrigger {
                    temporary,
                    if_not_exists,
                    name,
                    time,
                    event,
                    table,
                    for_each_row,
                    when,
                    steps,
                });
            }
        }
    }

    fn trigger_time(&mut self) -> Result<Option<TriggerTime>> {
        if self.try_words([TokenKind::Instead, TokenKind::Of])? {
            return Ok(Some(TriggerTime::InsteadOf));
        }
        let time = match self.now.kind {
            TokenKind::Before => TriggerTime::Before,
            TokenKind::After => TriggerTime::After,
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(time))
    }

    fn trigger_event(&mut self) -> Result<TriggerEvent> {
        let event = match self.now.kind {
            TokenKind::Delete => TriggerEvent::Delete,
            TokenKind::Insert => TriggerEvent::Insert,
            TokenKind::Update => TriggerEvent::Update(Vec::new()),
            _ => return Err(self.unexpected()),
        };
        self.take();
        if matches!(event, TriggerEvent::Update(_)) && self.try_take(TokenKind::Of) {
            return Ok(TriggerEvent::Update(self.list(Self::name)?));
        }
        Ok(event)
    }

    fn trigger_step(&mut self) -> Result<TriggerStep> {
        Ok(match self.now.kind {
            TokenKind::Update => TriggerStep::Update(Box::new(self.update(None, Place::Trigger)?)),
            TokenKind::Delete => TriggerStep::Delete(Box::new(self.delete(None, Place::Trigger)?)),
            TokenKind::Insert | TokenKind::Replace => TriggerStep::Insert(Box::new(self.insert(None, Place::Trigger)?)),
            _ if self.starts_select() => TriggerStep::Select(Box::new(self.above(1, Self::select)?)),
            _ => return Err(self.unexpected()),
        })
    }
}
