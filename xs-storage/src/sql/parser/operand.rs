//! What operators stand between: constants, names, calls, and all that has parentheses or an end of its own.

use super::cursor::unquote;
use super::{Parser, Result};
use crate::sql::ast::{Case, Column, Expr, Ident, Literal, Parameter, Raise, Span, TypeName};
use crate::sql::error::ErrorKind;
use crate::sql::lexer::{Token, TokenKind};

impl Parser<'_> {
    #[inline(never)]
    pub(super) fn operand(&mut self) -> Result<Expr> {
        let token = self.now;
        match token.kind {
            TokenKind::LParen => self.parenthesized(),
            TokenKind::Case => self.case(),
            TokenKind::Cast => self.cast(),
            TokenKind::Raise => self.raise(),
            TokenKind::Exists => {
                self.take();
                self.expect(TokenKind::LParen)?;
                let select = self.above(2, Self::select)?;
                self.expect(TokenKind::RParen)?;
                self.grow(0)?;
                Ok(Expr::Exists(Box::new(select)))
            }
            TokenKind::Variable => self.parameter(),
            TokenKind::String => self.string_or_column(),
            _ => match self.constant()? {
                Some(literal) => Ok(Expr::Literal(literal)),
                None if token.kind.is_bare_name() => self.column_or_call(),
                None => Err(self.unexpected()),
            },
        }
    }

    /// A constant other than a string, if one is at hand.
    pub(super) fn constant(&mut self) -> Result<Option<Literal>> {
        let token = self.now;
        let literal = match token.kind {
            TokenKind::Null => Literal::Null,
            TokenKind::Integer | TokenKind::Float | TokenKind::Separated => self.number(token)?,
            TokenKind::Blob => Literal::Blob(blob(token.text(self.sql))),
            TokenKind::CurrentDate => Literal::CurrentDate,
            TokenKind::CurrentTime => Literal::CurrentTime,
            TokenKind::CurrentTimestamp => Literal::CurrentTimestamp,
            _ => return Ok(None),
        };
        self.take();
        self.height = 1;
        Ok(Some(literal))
    }

    fn number(&self, token: Token) -> Result<Literal> {
        let text = token.text(self.sql);
        let bytes = text.as_bytes();
        let hex = text.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
        let mut digits = text.to_owned();
        if token.kind == TokenKind::Separated {
            let digit = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_digit() || (hex && b.is_ascii_hexdigit()));
            let apart = |at: usize| digit(at.checked_sub(1).and_then(|at| bytes.get(at))) && digit(bytes.get(at + 1));
            if bytes.iter().enumerate().any(|(at, byte)| *byte == b'_' && !apart(at)) {
                return Err(self.error(ErrorKind::Unrecognized(text.into()), token.start));
            }
            digits.retain(|char| char != '_');
        }
        if hex {
            let significant = digits[2..].trim_start_matches('0');
            return match significant.len() {
                0 => Ok(Literal::Hex(0)),
                1..=16 => Ok(Literal::Hex(u64::from_str_radix(significant, 16).unwrap_or_default())),
                _ => Err(self.meaning(format!("hex literal too big: {digits}"), token.start)),
            };
        }
        match digits.parse::<u64>() {
            Ok(integer) if integer <= 1 << 63 => Ok(Literal::Integer(integer)),
            // Digits, a point, an exponent: a shape that always parses.
            _ => Ok(Literal::Float(digits.parse().unwrap_or(f64::INFINITY))),
        }
    }

    fn parameter(&mut self) -> Result<Expr> {
        let token = self.take();
        let text = token.text(self.sql);
        let parameter = match text.strip_prefix('?') {
            Some("") => Parameter::Next(Span { start: token.start, end: token.end }),
            Some(digits) => match digits.parse::<u32>() {
                Ok(number) if (1..=self.limits.parameters).contains(&number) => Parameter::Numbered(number),
                _ => {
                    let text = format!("variable number must be between ?1 and ?{}", self.limits.parameters);
                    self.meaning_later(text, token.start);
                    Parameter::Next(Span { start: token.start, end: token.end })
                }
            },
            // Registers, which SQLite's own nested statements have.
            None if text.as_bytes()[0] == b'#' && text.as_bytes()[1].is_ascii_digit() => {
                if self.pending.is_none() {
                    let error = self.error(ErrorKind::Unexpected(text.into()), token.start);
                    self.pending = Some((self.now.start, error));
                }
                Parameter::Next(Span { start: token.start, end: token.end })
            }
            None => Parameter::Named(text.into()),
        };
        self.height = 1;
        Ok(Expr::Parameter(parameter))
    }

    fn string_or_column(&mut self) -> Result<Expr> {
        let token = self.take();
        if self.at(TokenKind::Dot) {
            let name = self.ident(token);
            return self.column(name);
        }
        self.height = 1;
        Ok(Expr::Literal(Literal::String(unquote(token.text(self.sql)).0)))
    }

    fn column_or_call(&mut self) -> Result<Expr> {
        let token = self.take();
        let name = self.ident(token);
        match self.now.kind {
            TokenKind::LParen => self.call(name),
            _ => self.column(name),
        }
    }

    fn column(&mut self, first: Ident) -> Result<Expr> {
        let mut column = Column { schema: None, table: None, name: first };
        self.height = 1;
        if self.try_take(TokenKind::Dot) {
            column.table = Some(std::mem::replace(&mut column.name, self.name()?));
            self.room(3)?;
            self.grow(0)?;
            if self.try_take(TokenKind::Dot) {
                let name = self.name()?;
                self.room(5)?;
                column.schema = column.table.replace(std::mem::replace(&mut column.name, name));
                self.grow(0)?;
            }
        }
        Ok(Expr::Column(Box::new(column)))
    }

    /// `(a)`, `(a, b)` or `(SELECT ...)`
    fn parenthesized(&mut self) -> Result<Expr> {
        self.expect(TokenKind::LParen)?;
        let expr = if self.starts_select() {
            let select = self.above(1, Self::select)?;
            self.grow(0)?;
            Expr::Subquery(Box::new(select))
        } else {
            let first = self.expr_above(1)?;
            if self.at(TokenKind::Comma) { self.row(first)? } else { first }
        };
        self.expect(TokenKind::RParen)?;
        self.room(3)?;
        Ok(expr)
    }

    fn row(&mut self, first: Expr) -> Result<Expr> {
        let mut height = self.height;
        let mut exprs = vec![first];
        while self.try_take(TokenKind::Comma) {
            exprs.push(self.expr_above(3)?);
            height = height.max(self.height);
        }
        // SQLite doesn't count the list into the height.
        self.height = height;
        Ok(Expr::Row(exprs))
    }

    fn case(&mut self) -> Result<Expr> {
        self.expect(TokenKind::Case)?;
        let mut height = 0;
        let operand = match self.at(TokenKind::When) {
            true => None,
            false => Some(self.higher(1, &mut height)?),
        };
        let mut branches = Vec::new();
        loop {
            self.expect(TokenKind::When)?;
            // The branches before are one symbol.
            let before = 3 + u32::from(!branches.is_empty());
            let when = self.higher(before, &mut height)?;
            self.expect(TokenKind::Then)?;
            branches.push((when, self.higher(before + 2, &mut height)?));
            if !self.at(TokenKind::When) {
                break;
            }
        }
        let otherwise = match self.try_take(TokenKind::Else) {
            true => Some(self.higher(4, &mut height)?),
            false => None,
        };
        self.expect(TokenKind::EndWord)?;
        self.room(5)?;
        self.height = 0;
        self.grow(height)?;
        Ok(Expr::Case(Box::new(Case { operand, branches, otherwise })))
    }

    /// An expression above symbols, whose height counts into `height`.
    pub(super) fn higher(&mut self, symbols: u32, height: &mut u32) -> Result<Expr> {
        let expr = self.expr_above(symbols)?;
        *height = (*height).max(self.height);
        Ok(expr)
    }

    fn cast(&mut self) -> Result<Expr> {
        self.expect(TokenKind::Cast)?;
        self.expect(TokenKind::LParen)?;
        let expr = self.expr_above(2)?;
        self.expect(TokenKind::As)?;
        let type_name = self.above(4, Self::type_name)?;
        self.expect(TokenKind::RParen)?;
        self.room(6)?;
        self.grow(0)?;
        Ok(Expr::Cast(Box::new(expr), type_name))
    }

    /// Any words and strings, and up to two numbers in parentheses.
    pub(super) fn type_name(&mut self) -> Result<Option<TypeName>> {
        let start = self.now.start;
        if !self.now.kind.is_id_or_string() {
            return Ok(None);
        }
        while self.now.kind.is_id_or_string() {
            self.take();
        }
        if self.try_take(TokenKind::LParen) {
            self.signed_number()?;
            let two = self.try_take(TokenKind::Comma);
            if two {
                self.signed_number()?;
            }
            self.expect(TokenKind::RParen)?;
            self.room(if two { 6 } else { 4 })?;
        }
        Ok(Some(TypeName(self.text(self.span_from(start)).into())))
    }

    /// The text of a number, and `-` before it if it stands there.
    pub(super) fn signed_number(&mut self) -> Result<Box<str>> {
        let minus = self.at(TokenKind::Minus);
        if minus || self.at(TokenKind::Plus) {
            self.take();
        }
        if !matches!(self.now.kind, TokenKind::Integer | TokenKind::Float) {
            return Err(self.unexpected());
        }
        let number = self.take();
        let digits = number.text(self.sql);
        Ok(if minus { format!("-{digits}").into() } else { digits.into() })
    }

    fn raise(&mut self) -> Result<Expr> {
        self.expect(TokenKind::Raise)?;
        self.expect(TokenKind::LParen)?;
        let what = self.now.kind;
        let raise: fn(Box<Expr>) -> Raise = match what {
            TokenKind::Ignore => |_| Raise::Ignore,
            TokenKind::Rollback => Raise::Rollback,
            TokenKind::Abort => Raise::Abort,
            TokenKind::Fail => Raise::Fail,
            _ => return Err(self.unexpected()),
        };
        self.take();
        self.height = 0;
        let raised = if what == TokenKind::Ignore {
            Raise::Ignore
        } else {
            self.expect(TokenKind::Comma)?;
            raise(Box::new(self.expr_above(4)?))
        };
        self.expect(TokenKind::RParen)?;
        self.room(if what == TokenKind::Ignore { 4 } else { 6 })?;
        self.grow(0)?;
        Ok(Expr::Raise(raised))
    }
}

/// The bytes of `x'0a'`, whose digits the lexer has checked.
fn blob(text: &str) -> Box<[u8]> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    let digits = &text.as_bytes()[2..text.len() - 1];
    digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
