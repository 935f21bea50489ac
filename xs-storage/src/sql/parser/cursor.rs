//! The parser's hands: the token at hand, the one before it, and what is said when it is the wrong one.

use super::{Parser, Result};
use crate::sql::ast::{Ident, QualifiedName, Quote, Span};
use crate::sql::error::{Error, ErrorKind, Position};
use crate::sql::lexer::{Lexer, Token, TokenKind};

impl Parser<'_> {
    /// Takes the token at hand and reads the next.
    pub(super) fn take(&mut self) -> Token {
        let taken = self.now;
        let mut next = self.lexer.next_token();
        if matches!(next.kind, TokenKind::Window | TokenKind::Over | TokenKind::Filter) {
            next.kind = in_context(next.kind, taken.kind, self.lexer.clone());
        }
        self.before = taken;
        self.now = next;
        taken
    }

    pub(super) fn at(&self, kind: TokenKind) -> bool {
        self.now.kind == kind
    }

    /// Takes the token if it is of this kind.
    pub(super) fn try_take(&mut self, kind: TokenKind) -> bool {
        let is = self.now.kind == kind;
        if is {
            self.take();
        }
        is
    }

    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<Token> {
        if self.now.kind == kind { Ok(self.take()) } else { Err(self.unexpected()) }
    }

    /// Takes these words, the first of which decides whether the others must follow.
    pub(super) fn try_words<const N: usize>(&mut self, words: [TokenKind; N]) -> Result<bool> {
        if !self.at(words[0]) {
            return Ok(false);
        }
        for word in words {
            self.expect(word)?;
        }
        Ok(true)
    }

    /// The token at hand is none that can follow.
    #[cold]
    pub(super) fn unexpected(&self) -> Box<Error> {
        if let Some((at, error)) = &self.pending
            && *at != self.now.start
        {
            return error.clone();
        }
        let text: Box<str> = self.now.text(self.sql).into();
        let kind = match self.now.kind {
            TokenKind::End => ErrorKind::Incomplete,
            TokenKind::Illegal => ErrorKind::Unrecognized(text),
            _ => ErrorKind::Unexpected(text),
        };
        self.error(kind, self.now.start)
    }

    #[cold]
    pub(super) fn error(&self, kind: ErrorKind, offset: u32) -> Box<Error> {
        Box::new(Error { kind, position: Position::of(self.sql, offset as usize) })
    }

    #[cold]
    pub(super) fn meaning(&self, text: impl Into<Box<str>>, offset: u32) -> Box<Error> {
        self.error(ErrorKind::Meaning(text.into()), offset)
    }

    /// The same, said when the token at hand has turned out to fit: SQLite sees what was wrong only with that token at hand.
    pub(super) fn meaning_later(&mut self, text: impl Into<Box<str>>, offset: u32) {
        if self.pending.is_none() {
            self.pending = Some((self.now.start, self.meaning(text, offset)));
        }
    }

    #[cold]
    pub(super) fn limit(&self, text: impl Into<Box<str>>, offset: u32) -> Box<Error> {
        self.error(ErrorKind::Limit(text.into()), offset)
    }

    /// From `start` to behind the token that was taken last.
    pub(super) fn span_from(&self, start: u32) -> Span {
        Span { start, end: self.before.end }
    }

    pub(super) fn text(&self, span: Span) -> &str {
        &self.sql[span.start as usize..span.end as usize]
    }

    pub(super) fn ident(&self, token: Token) -> Ident {
        let (text, quote) = unquote(token.text(self.sql));
        Ident { text, quote, span: Span { start: token.start, end: token.end } }
    }

    pub(super) fn name(&mut self) -> Result<Ident> {
        if !self.now.kind.is_name() {
            return Err(self.unexpected());
        }
        let token = self.take();
        Ok(self.ident(token))
    }

    pub(super) fn id_or_string(&mut self) -> Result<Ident> {
        if !self.now.kind.is_id_or_string() {
            return Err(self.unexpected());
        }
        let token = self.take();
        Ok(self.ident(token))
    }

    pub(super) fn qualified_name(&mut self) -> Result<QualifiedName> {
        let first = self.name()?;
        if self.try_take(TokenKind::Dot) {
            self.schemas.push(first.clone());
            return Ok(QualifiedName { schema: Some(first), name: self.name()? });
        }
        Ok(QualifiedName { schema: None, name: first })
    }

    /// One and more after commas.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.try_take(TokenKind::Comma) {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// The same above symbols: behind a comma, what was read before and the comma are two more.
    pub(super) fn list_above<T>(
        &mut self,
        symbols: u32,
        mut one: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = vec![self.above(symbols, &mut one)?];
        while self.try_take(TokenKind::Comma) {
            all.push(self.above(symbols + 2, &mut one)?);
        }
        Ok(all)
    }

    /// `(a, b)` of names.
    pub(super) fn names_in_parens(&mut self) -> Result<Vec<Ident>> {
        self.expect(TokenKind::LParen)?;
        let names = self.list(Self::name)?;
        self.expect(TokenKind::RParen)?;
        Ok(names)
    }

    /// `(a, b)` of columns, or nothing. The grammar has `COLLATE` and directions here for schemas of old; SQLite refuses
    /// them in what is new.
    pub(super) fn columns_in_parens(&mut self) -> Result<Vec<Ident>> {
        if self.at(TokenKind::LParen) { self.column_names() } else { Ok(Vec::new()) }
    }

    pub(super) fn column_names(&mut self) -> Result<Vec<Ident>> {
        self.expect(TokenKind::LParen)?;
        let names = self.list(|parser| {
            let name = parser.name()?;
            let plain = parser.now;
            if parser.try_take(TokenKind::Collate) {
                parser.id_or_string()?;
            }
            parser.sort_order();
            if parser.now != plain {
                let text = format!("syntax error after column name \"{}\"", parser.text(name.span));
                return Err(parser.meaning(text, name.span.start));
            }
            Ok(name)
        })?;
        self.expect(TokenKind::RParen)?;
        Ok(names)
    }

    /// Reads what stands above so many symbols of its rule: the ones that SQLite's parser keeps on its stack meanwhile.
    pub(super) fn above<T>(&mut self, symbols: u32, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.stack += symbols;
        let result = inner(self)?;
        self.stack -= symbols;
        Ok(result)
    }

    /// Whether the stack of SQLite's parser holds so many symbols more.
    pub(super) fn room(&self, symbols: u32) -> Result<()> {
        // One entry is there before the first symbol.
        match self.stack + symbols < self.limits.stack {
            true => Ok(()),
            false => Err(self.limit("parser stack overflow", self.now.start)),
        }
    }
}

/// `WINDOW`, `OVER` and `FILTER` are keywords only where what is around them says so: `SELECT sum(x) over FROM t` has an
/// alias, `SELECT sum(x) OVER w FROM t` a window.
fn in_context(kind: TokenKind, before: TokenKind, mut ahead: Lexer<'_>) -> TokenKind {
    let names = |kind: TokenKind| {
        let joins = kind.is_join_word() || matches!(kind, TokenKind::Window | TokenKind::Over);
        joins || kind.is_id_or_string()
    };
    let next = ahead.next_token().kind;
    let keyword = match kind {
        TokenKind::Window => names(next) && ahead.next_token().kind == TokenKind::As,
        TokenKind::Over => before == TokenKind::RParen && (next == TokenKind::LParen || names(next)),
        _ => before == TokenKind::RParen && next == TokenKind::LParen,
    };
    if keyword { kind } else { TokenKind::Id }
}

/// A name or string without its quotes, each doubled quote in it once.
pub(super) fn unquote(text: &str) -> (Box<str>, Quote) {
    let (open, quote) = match text.as_bytes().first() {
        Some(b'"') => ('"', Quote::Double),
        Some(b'\'') => ('\'', Quote::Other),
        Some(b'`') => ('`', Quote::Other),
        Some(b'[') => return (text[1..text.len() - 1].into(), Quote::Other),
        _ => return (text.into(), Quote::Bare),
    };
    let inner = &text[1..text.len() - 1];
    if !inner.contains(open) {
        return (inner.into(), quote);
    }
    let mut doubled = [0; 8];
    let twice = [open, open].iter().collect::<String>();
    (inner.replace(&twice, open.encode_utf8(&mut doubled)).into(), quote)
}
