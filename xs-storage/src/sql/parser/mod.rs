//! Tokens into statements.
//!
//! # The problem
//!
//! A grammar of some four hundred rules, thirteen strengths of operators, and words that are keywords here and names there. An
//! error must come at the very token at which no statement can go on, for that is what SQLite's users know it by.
//!
//! # How it works
//!
//! A function for each clause: it looks at one token, takes what belongs to it and calls the functions of its parts. Expressions
//! are read by binding strength: an operand, and then operators as long as they bind at least as tightly as who asked.
//!
//! ```text
//! expr(0):  a   OR ─▶ expr(2):  b   AND ─▶ expr(3):  c
//!           └ operand  └ binds 1         └ binds 2
//! ```
//!
//! The peculiar ones: `NOT` in `a NOT LIKE b` binds as the prefix `NOT` does, more loosely than `LIKE`; the first bound of `BETWEEN`
//! ends at an `AND`; `OVER`, `FILTER` and `WINDOW` are keywords by what stands around them; `GENERATED ALWAYS` is read as words of
//! a column's type and taken off again.
//!
//! # Invariants
//!
//! - Every token that is taken could be taken by SQLite's parser at this place. So both stop at the same one.
//! - [`Limits::stack`] bounds the rules that are open, [`Limits::expr_depth`] the height of the tree. Both count as they go.
//! - Behind an error the parser gives nothing more.
//!
//! # Cost
//!
//! Linear in the text. Up to the limits of [`Limits::default`], a thread of two megabytes is enough to read, clone, compare,
//! print, debug and drop a statement, even where nothing is optimised. That is tested. What nests is bounded by the rules that
//! are open; what is a chain of operators, which may be ten times as high, is read by a loop.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::{ErrorKind, Parser};
//!
//! let parsed: Result<Vec<_>, _> = Parser::new("BEGIN; INSERT INTO t VALUES (1); COMMIT").collect();
//! assert_eq!(parsed?.len(), 3);
//!
//! let error = Parser::new("SELECT 1 FROM").next_statement().unwrap_err();
//! assert_eq!(error.kind, ErrorKind::Incomplete);
//! # Ok::<(), xs_storage::sql::Error>(())
//! ```
//!
//! # How others do it
//!
//! SQLite's LALR(1) tables need no recursion: nesting costs entries of a stack on the heap, up to a limit. Tables are compact and
//! exact, and say little about why; recursive descent is read and debugged like any program. That SQLite's stack has 100 entries
//! is seen from outside, as `parser stack overflow`: so each function here says how many symbols of its rule are kept below what
//! it calls next.
//!
//! # What this leaves out
//!
//! SQLite looks some names up while it reads, so that of a text with two errors it may tell of a missing table where this tells of
//! the syntax behind it.
//!
//! # Try next
//!
//! Write `a BETWEEN b OR c AND d` and follow why nothing can come of it.
//!
//! # Sources
//!
//! - <https://www.sqlite.org/lang_expr.html>, on operators and their precedence
//! - Vaughan Pratt, "Top down operator precedence", 1973

mod call;
mod change;
mod cursor;
mod expr;
mod from;
mod operand;
mod schema;
mod select;
mod statement;
mod table;
mod trigger;

use super::ast::{Ident, Statement};
use super::error::Error;
use super::lexer::{Lexer, Token, TokenKind};

type Result<T, E = Box<Error>> = std::result::Result<T, E>;

/// How much of anything a statement may have. The defaults are SQLite's.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the text.
    pub length: usize,
    /// The height of an expression's tree.
    pub expr_depth: u32,
    /// Entries of the stack of SQLite's parser: one, and one for each symbol of the grammar that waits for others. A parenthesis
    /// is one, an operand and its operator are two, a query within another one is five and more.
    pub stack: u32,
    /// Columns of a table, of an index, of `SET`. Those of a result are counted by whoever knows what `*` stands for.
    pub columns: usize,
    /// Queries in a compound. Rows of `VALUES` don't count.
    pub compounds: usize,
    /// Arguments of a function.
    pub arguments: usize,
    /// The largest number of a parameter.
    pub parameters: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            length: 1_000_000_000,
            expr_depth: 1_000,
            stack: 100,
            columns: 2_000,
            compounds: 500,
            arguments: 1_000,
            parameters: 32_766,
        }
    }
}

/// Reads a text statement by statement.
#[derive(Debug)]
pub struct Parser<'a> {
    sql: &'a str,
    lexer: Lexer<'a>,
    limits: Limits,
    /// The token at hand.
    now: Token,
    /// The one that was taken last.
    before: Token,
    /// How many symbols of rules that are open lie below what is read.
    stack: u32,
    /// The height of the expression that was read last.
    height: u32,
    /// What is wrong with what is read, unless the token that told is wrong itself: that token's start, and the error.
    pending: Option<(u32, Box<Error>)>,
    /// Nothing more comes: the text has ended, or was wrong.
    over: bool,
    /// The databases that names of tables and the like said.
    schemas: Vec<Ident>,
}

impl<'a> Parser<'a> {
    /// Over a text of any number of statements.
    pub fn new(sql: &'a str) -> Parser<'a> {
        Parser::with_limits(sql, Limits::default())
    }

    /// The same, with limits of one's own.
    pub fn with_limits(sql: &'a str, limits: Limits) -> Parser<'a> {
        let nothing = Token { kind: TokenKind::Semi, start: 0, end: 0 };
        let lexer = Lexer::new(sql);
        let (now, before, schemas) = (nothing, nothing, Vec::new());
        Parser { sql, lexer, limits, now, before, stack: 0, height: 0, pending: None, over: false, schemas }
    }

    /// The databases that the names in the statements so far have said, as often as they did, in their order.
    pub(in crate::sql) fn schemas(&self) -> &[Ident] {
        &self.schemas
    }

    /// The next statement; none at the end. Behind an error nothing more comes: nobody knows where the next one begins.
    pub fn next_statement(&mut self) -> Result<Option<Statement>, Error> {
        let next = self.read();
        if !matches!(next, Ok(Some(_))) {
            self.over = true;
        }
        next.map_err(|error| *error)
    }

    fn read(&mut self) -> Result<Option<Statement>> {
        if self.over {
            return Ok(None);
        }
        if self.sql.len() > self.limits.length.min(u32::MAX as usize) {
            return Err(self.limit("string or blob too big", 0));
        }
        while self.try_take(TokenKind::Semi) {}
        if self.at(TokenKind::End) {
            return Ok(None);
        }
        (self.stack, self.height) = (0, 0);
        let statement = self.statement()?;
        if !matches!(self.now.kind, TokenKind::Semi | TokenKind::End) {
            return Err(self.unexpected());
        }
        match self.pending.take() {
            Some((_, error)) => Err(error),
            None => Ok(Some(statement)),
        }
    }

    /// How many bytes of the text are read: behind the semicolon of the last statement, or the end.
    pub fn offset(&self) -> usize {
        if self.at(TokenKind::Semi) { self.now.end as usize } else { self.now.start as usize }
    }
}

impl Iterator for Parser<'_> {
    type Item = Result<Statement, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_statement().transpose()
    }
}
