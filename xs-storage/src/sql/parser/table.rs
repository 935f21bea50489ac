//! `CREATE TABLE`.

use super::{Parser, Result};
use crate::sql::ast::{
    ColumnConstraint, ColumnConstraintKind as Column, ColumnDef, CreateTable, DefaultValue, Deferrable, Expr,
    Initially, Literal, ReferenceAction, ReferenceClause, References, Span, Storage, TableBody, TableConstraint,
    TableConstraintKind as Table, TypeName, UnaryOp,
};
use crate::sql::lexer::TokenKind;

impl Parser<'_> {
    /// Behind `CREATE TEMP TABLE`.
    pub(super) fn create_table(&mut self, temporary: bool) -> Result<CreateTable> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        if self.try_take(TokenKind::As) {
            let body = TableBody::Select(Box::new(self.above(2, Self::select)?));
            return Ok(CreateTable { temporary, if_not_exists, name, body });
        }
        self.expect(TokenKind::LParen)?;
        let mut columns = vec![self.above(2, Self::column_def)?];
        let mut constraints = Vec::new();
        while constraints.is_empty() && self.try_take(TokenKind::Comma) {
            if self.starts_table_constraint() {
                constraints = self.above(4, Self::table_constraints)?;
            } else {
                columns.push(self.above(4, Self::column_def)?);
            }
            if columns.len() > self.limits.columns {
                return Err(self.limit(format!("too many columns on {}", name.name.text), name.name.span.start));
            }
        }
        self.expect(TokenKind::RParen)?;
        let (without_rowid, strict) = self.table_options()?;
        let body = TableBody::Columns { columns, constraints, without_rowid, strict };
        Ok(CreateTable { temporary, if_not_exists, name, body })
    }

    fn table_options(&mut self) -> Result<(bool, bool)> {
        let (mut without_rowid, mut strict) = (false, false);
        // The grammar has a comma before the first one too.
        let mut more = self.try_take(TokenKind::Comma) || self.now.kind.is_name();
        while more {
            let without = self.try_take(TokenKind::Without);
            let option = self.name()?;
            let written = self.text(option.span).to_owned();
            match written.as_str() {
                text if without && text.eq_ignore_ascii_case("rowid") => without_rowid = true,
                text if !without && text.eq_ignore_ascii_case("strict") => strict = true,
                text => self.meaning_later(format!("unknown table option: {text}"), option.span.start),
            }
            more = self.try_take(TokenKind::Comma);
        }
        Ok((without_rowid, strict))
    }

    /// A column with its type and constraints.
    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let name = self.name()?;
        let type_name = self.type_name()?.and_then(|written| without_generated(&written));
        let mut constraints = Vec::new();
        while let Some(constraint) = self.above(2, |parser| parser.column_constraint(&name.text))? {
            constraints.push(constraint);
        }
        Ok(ColumnDef { name, type_name, constraints })
    }

    fn column_constraint(&mut self, column: &str) -> Result<Option<ColumnConstraint>> {
        let name = match self.try_take(TokenKind::Constraint) {
            true => Some(self.name()?),
            false => None,
        };
        Ok(match self.column_constraint_kind(column)? {
            None if name.is_none() => None,
            kind => Some(ColumnConstraint { name, kind: kind.unwrap_or(Column::Nothing) }),
        })
    }

    fn column_constraint_kind(&mut self, column: &str) -> Result<Option<Column>> {
        let token = self.now;
        Ok(Some(match token.kind {
            TokenKind::References => Column::References(self.references()?),
            TokenKind::Generated | TokenKind::As => self.generated(column)?,
            TokenKind::Check => {
                let (expr, span) = self.check()?;
                Column::Check(expr, span)
            }
            TokenKind::Deferrable => Column::Deferrable(self.deferrable(false)?),
            TokenKind::Default => {
                self.take();
                Column::Default(self.default_value()?)
            }
            TokenKind::Null => {
                self.take();
                Column::Null(self.on_conflict()?)
            }
            TokenKind::Not => {
                self.take();
                if self.at(TokenKind::Deferrable) {
                    return Ok(Some(Column::Deferrable(self.deferrable(true)?)));
                }
                self.expect(TokenKind::Null)?;
                Column::NotNull(self.on_conflict()?)
            }
            TokenKind::Unique => {
                self.take();
                Column::Unique(self.on_conflict()?)
            }
            TokenKind::Collate => {
                self.take();
                Column::Collate(self.id_or_string()?)
            }
            TokenKind::Primary => {
                self.take();
                self.expect(TokenKind::Key)?;
                let order = self.sort_order();
                let conflict = self.on_conflict()?;
                let autoincrement = self.try_take(TokenKind::Autoincrement);
                Column::PrimaryKey { order, conflict, autoincrement }
            }
            _ => return Ok(None),
        }))
    }

    /// `CHECK (expr)`, and where the expression stood.
    pub(super) fn check(&mut self) -> Result<(Expr, Span)> {
        self.expect(TokenKind::Check)?;
        self.expect(TokenKind::LParen)?;
        let start = self.now.start;
        let expr = self.expr_above(2)?;
        let span = self.span_from(start);
        self.expect(TokenKind::RParen)?;
        Ok((expr, span))
    }

    fn generated(&mut self, column: &str) -> Result<Column> {
        let words = self.try_words([TokenKind::Generated, TokenKind::Always])?;
        self.expect(TokenKind::As)?;
        self.expect(TokenKind::LParen)?;
        let expr = self.expr_above(if words { 4 } else { 2 })?;
        self.expect(TokenKind::RParen)?;
        if !self.now.kind.is_id() {
            return Ok(Column::Generated(expr, None));
        }
        let token = self.take();
        let storage = match token.text(self.sql) {
            text if text.eq_ignore_ascii_case("virtual") => Storage::Virtual,
            text if text.eq_ignore_ascii_case("stored") => Storage::Stored,
            _ => return Err(self.meaning(format!("error in generated column \"{column}\""), token.start)),
        };
        Ok(Column::Generated(expr, Some(storage)))
    }

    fn default_value(&mut self) -> Result<DefaultValue> {
        if self.try_take(TokenKind::LParen) {
            let expr = self.expr_above(2)?;
            self.expect(TokenKind::RParen)?;
            return Ok(DefaultValue::Expr(expr));
        }
        let sign = match self.now.kind {
            TokenKind::Plus => Some(UnaryOp::Plus),
            TokenKind::Minus => Some(UnaryOp::Minus),
            _ => None,
        };
        if sign.is_some() {
            self.take();
        }
        let literal = match self.constant()? {
            Some(literal) => literal,
            None if self.at(TokenKind::String) => Literal::String(self.name()?.text),
            None if sign.is_none() && (self.now.kind.is_id() || self.at(TokenKind::Indexed)) => {
                return Ok(DefaultValue::Word(self.name()?));
            }
            None => return Err(self.unexpected()),
        };
        let literal = Expr::Literal(literal);
        Ok(DefaultValue::Constant(match sign {
            Some(sign) => Expr::Unary(sign, Box::new(literal)),
            None => literal,
        }))
    }

    fn references(&mut self) -> Result<References> {
        self.expect(TokenKind::References)?;
        let table = self.name()?;
        let columns = self.columns_in_parens()?;
        let mut clauses = Vec::new();
        loop {
            if self.try_take(TokenKind::Match) {
                clauses.push(ReferenceClause::Match(self.name()?));
                continue;
            }
            if !self.try_take(TokenKind::On) {
                return Ok(References { table, columns, clauses });
            }
            let clause = match self.now.kind {
                TokenKind::Delete => ReferenceClause::OnDelete,
                TokenKind::Update => ReferenceClause::OnUpdate,
                TokenKind::Insert => ReferenceClause::OnInsert,
                _ => return Err(self.unexpected()),
            };
            self.take();
            clauses.push(clause(self.reference_action()?));
        }
    }

    fn reference_action(&mut self) -> Result<ReferenceAction> {
        let token = self.now.kind;
        let action = match token {
            TokenKind::Cascade => ReferenceAction::Cascade,
            TokenKind::Restrict => ReferenceAction::Restrict,
            TokenKind::No | TokenKind::Set => {
                self.take();
                match (token, self.now.kind) {
                    (TokenKind::No, TokenKind::Action) => ReferenceAction::NoAction,
                    (TokenKind::Set, TokenKind::Null) => ReferenceAction::SetNull,
                    (TokenKind::Set, TokenKind::Default) => ReferenceAction::SetDefault,
                    _ => return Err(self.unexpected()),
                }
            }
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(action)
    }

    fn deferrable(&mut self, not: bool) -> Result<Deferrable> {
        self.expect(TokenKind::Deferrable)?;
        if !self.try_take(TokenKind::Initially) {
            return Ok(Deferrable { not, initially: None });
        }
        let initially = match self.now.kind {
            TokenKind::Deferred => Initially::Deferred,
            TokenKind::Immediate => Initially::Immediate,
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(Deferrable { not, initially: Some(initially) })
    }

    fn starts_table_constraint(&self) -> bool {
        use TokenKind::{Check, Constraint, Foreign, Primary, Unique};
        matches!(self.now.kind, Constraint | Primary | Unique | Check | Foreign)
    }

    /// Constraints, with commas between them or without.
    fn table_constraints(&mut self) -> Result<Vec<TableConstraint>> {
        let mut constraints = Vec::new();
        loop {
            let name = match self.try_take(TokenKind::Constraint) {
                true => Some(self.name()?),
                false => None,
            };
            let symbols = if constraints.is_empty() && name.is_none() { 0 } else { 2 };
            let kind = match self.above(symbols, Self::table_constraint_kind)? {
                Some(kind) => kind,
                None if name.is_some() => Table::Nothing,
                None => return Err(self.unexpected()),
            };
            constraints.push(TableConstraint { name, kind });
            let comma = self.try_take(TokenKind::Comma);
            if !comma && !self.starts_table_constraint() {
                return Ok(constraints);
            }
        }
    }

    fn table_constraint_kind(&mut self) -> Result<Option<Table>> {
        Ok(Some(match self.now.kind {
            TokenKind::Primary => {
                self.take();
                self.expect(TokenKind::Key)?;
                self.expect(TokenKind::LParen)?;
                let columns = self.order_terms(3, &mut 0)?;
                let autoincrement = self.try_take(TokenKind::Autoincrement);
                self.expect(TokenKind::RParen)?;
                Table::PrimaryKey { columns, autoincrement, conflict: self.on_conflict()? }
            }
            TokenKind::Unique => {
                self.take();
                self.expect(TokenKind::LParen)?;
                let columns = self.order_terms(2, &mut 0)?;
                self.expect(TokenKind::RParen)?;
                Table::Unique(columns, self.on_conflict()?)
            }
            TokenKind::Check => {
                let (expr, span) = self.check()?;
                Table::Check(expr, span, self.on_conflict()?)
            }
            TokenKind::Foreign => {
                self.take();
                self.expect(TokenKind::Key)?;
                let columns = self.column_names()?;
                let references = self.references()?;
                let not = self.try_take(TokenKind::Not);
                let deferrable = match not || self.at(TokenKind::Deferrable) {
                    true => Some(self.deferrable(not)?),
                    false => None,
                };
                Table::ForeignKey { columns, references, deferrable }
            }
            _ => return Ok(None),
        }))
    }
}

/// The grammar takes `GENERATED ALWAYS` before `AS` for words of the type, as SQLite's own does; they are taken off again.
fn without_generated(written: &TypeName) -> Option<TypeName> {
    let text = &*written.0;
    let stripped = at_end(text, "always").and_then(|rest| {
        let trimmed = rest.trim_end();
        if trimmed.len() == rest.len() { None } else { at_end(trimmed, "generated") }
    });
    match stripped.map(str::trim_end) {
        None => Some(written.clone()),
        Some("") => None,
        Some(rest) => Some(TypeName(rest.into())),
    }
}

/// What stands before `word`, which the text ends with.
fn at_end<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let start = text.len().checked_sub(word.len())?;
    text.get(start..)?.eq_ignore_ascii_case(word).then(|| &text[..start])
}
