//! `CREATE` of all but tables and triggers, `DROP`, `ALTER TABLE`.

use super::{Parser, Result};
use crate::sql::ast::{
    AlterTable, Alteration, CreateIndex, CreateView, CreateVirtualTable, Drop, Ident, SchemaKind, Statement,
};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.expect(TokenKind::Create)?;
        let temporary = self.try_take(TokenKind::Temp);
        Ok(match self.now.kind {
            TokenKind::Table => {
                self.take();
                Statement::CreateTable(Box::new(self.create_table(temporary)?))
            }
            TokenKind::View => {
                self.take();
                Statement::CreateView(Box::new(self.create_view(temporary)?))
            }
            TokenKind::Trigger => {
                self.take();
                Statement::CreateTrigger(Box::new(self.create_trigger(temporary)?))
            }
            TokenKind::Unique | TokenKind::Index if !temporary => {
                Statement::CreateIndex(Box::new(self.create_index()?))
            }
            TokenKind::Virtual if !temporary => Statement::CreateVirtualTable(Box::new(self.create_virtual_table()?)),
            _ => return Err(self.unexpected()),
        })
    }

    pub(super) fn if_not_exists(&mut self) -> Result<bool> {
        self.try_words([TokenKind::If, TokenKind::Not, TokenKind::Exists])
    }

    fn create_view(&mut self, temporary: bool) -> Result<CreateView> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        let columns = self.columns_in_parens()?;
        self.expect(TokenKind::As)?;
        Ok(CreateView { temporary, if_not_exists, name, columns, select: self.above(8, Self::select)? })
    }

    fn create_index(&mut self) -> Result<CreateIndex> {
        let unique = self.try_take(TokenKind::Unique);
        self.expect(TokenKind::Index)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        self.expect(TokenKind::On)?;
        let table = self.name()?;
        self.expect(TokenKind::LParen)?;
        let columns = self.order_terms(9, &mut 0)?;
        if columns.len() > self.limits.columns {
            return Err(self.limit("too many columns in index", table.span.start));
        }
        self.expect(TokenKind::RParen)?;
        Ok(CreateIndex { unique, if_not_exists, name, table, columns, filter: self.filter(11, &mut 0)? })
    }

    fn create_virtual_table(&mut self) -> Result<CreateVirtualTable> {
        self.expect(TokenKind::Virtual)?;
        self.expect(TokenKind::Table)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        self.expect(TokenKind::Using)?;
        let module = self.name()?;
        let args = match self.try_take(TokenKind::LParen) {
            true => Some(self.module_args()?),
            false => None,
        };
        Ok(CreateVirtualTable { if_not_exists, name, module, args })
    }

    /// What is between the commas, up to the parenthesis that closes. Any token may stand there, a semicolon too.
    fn module_args(&mut self) -> Result<Vec<Box<str>>> {
        let mut args = Vec::new();
        loop {
            let start = self.now.start;
            let mut end = start;
            let mut open = 0;
            while open > 0 || !matches!(self.now.kind, TokenKind::Comma | TokenKind::RParen) {
                match self.now.kind {
                    TokenKind::End | TokenKind::Illegal => return Err(self.unexpected()),
                    TokenKind::LParen => open += 1,
                    TokenKind::RParen => open -= 1,
                    _ => {}
                }
                end = self.take().end;
            }
            args.push(self.sql[start as usize..end as usize].into());
            if !self.try_take(TokenKind::Comma) {
                self.expect(TokenKind::RParen)?;
                return Ok(args);
            }
        }
    }

    pub(super) fn drop_what(&mut self) -> Result<Statement> {
        self.expect(TokenKind::Drop)?;
        let kind = match self.now.kind {
            TokenKind::Table => SchemaKind::Table,
            TokenKind::Index => SchemaKind::Index,
            TokenKind::View => SchemaKind::View,
            TokenKind::Trigger => SchemaKind::Trigger,
            _ => return Err(self.unexpected()),
        };
        self.take();
        let if_exists = self.try_words([TokenKind::If, TokenKind::Exists])?;
        Ok(Statement::Drop(Drop { kind, if_exists, name: self.qualified_name()? }))
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.expect(TokenKind::Alter)?;
        self.expect(TokenKind::Table)?;
        let table = self.qualified_name()?;
        let what = self.now.kind;
        let change = match what {
            TokenKind::Rename => {
                self.take();
                self.rename()?
            }
            TokenKind::Add => {
                self.take();
                self.add()?
            }
            TokenKind::Drop => {
                self.take();
                match self.try_take(TokenKind::Constraint) {
                    true => Alteration::DropConstraint(self.name()?),
                    false => Alteration::DropColumn(self.column_name()?),
                }
            }
            TokenKind::Alter => {
                self.take();
                self.alter_column()?
            }
            _ => return Err(self.unexpected()),
        };
        Ok(Statement::AlterTable(Box::new(AlterTable { table, change })))
    }

    /// A name, with `COLUMN` before it or not.
    fn column_name(&mut self) -> Result<Ident> {
        self.try_take(TokenKind::Column);
        self.name()
    }

    fn rename(&mut self) -> Result<Alteration> {
        if self.try_take(TokenKind::To) {
            return Ok(Alteration::RenameTo(self.name()?));
        }
        let from = self.column_name()?;
        self.expect(TokenKind::To)?;
        Ok(Alteration::RenameColumn(from, self.name()?))
    }

    fn add(&mut self) -> Result<Alteration> {
        if !matches!(self.now.kind, TokenKind::Constraint | TokenKind::Check) {
            self.try_take(TokenKind::Column);
            return Ok(Alteration::AddColumn(self.above(5, Self::column_def)?));
        }
        let name = match self.try_take(TokenKind::Constraint) {
            true => Some(self.name()?),
            false => None,
        };
        let (expr, span) = self.above(4, Self::check)?;
        Ok(Alteration::AddCheck(name, expr, span, self.on_conflict()?))
    }

    fn alter_column(&mut self) -> Result<Alteration> {
        let column = self.column_name()?;
        let set = self.try_take(TokenKind::Set);
        if !set {
            self.expect(TokenKind::Drop)?;
        }
        self.expect(TokenKind::Not)?;
        self.expect(TokenKind::Null)?;
        Ok(match set {
            true => Alteration::SetNotNull(column, self.on_conflict()?),
            false => Alteration::DropNotNull(column),
        })
    }
}
