//! Text into tokens.
//!
//! # The problem
//!
//! Whether `key` is a keyword depends on what is around it, `'a''b'` is one string, `1e` is no number and `[` may open a name. The
//! cutting must be exact, as an error names the token that it stops at, and cheap, as every byte passes through it.
//!
//! # How it works
//!
//! The first byte of a token says what it can be; a function for each kind finds its end ([`Lexer::next_token`]). A word is looked
//! up among the keywords by a hash over its first two letters, its last one and its length, folded in case: the table is made by
//! the compiler.
//!
//! ```text
//! SELECT  "a""b"  FROM t -- all
//! └─────┘ └────┘  └──┘ │ └─────┘
//! Select    Id    From Id  space
//! ```
//!
//! A keyword says of itself whether it may be a name ([`TokenKind::is_id`]): most of SQLite's may, where the grammar has no other
//! use for them.
//!
//! # Invariants
//!
//! - Tokens stand in the text in order and don't overlap; between them is only space and comments.
//! - What isn't a token is one of kind [`TokenKind::Illegal`], never a panic and never silently left out.
//!
//! # Cost
//!
//! No allocation; a token is three words. Each byte is looked at once or twice.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::lexer::{Lexer, TokenKind};
//!
//! let sql = "SELECT 'it''s' -- a comment";
//! let mut lexer = Lexer::new(sql);
//! assert_eq!(lexer.next_token().kind, TokenKind::Select);
//! assert_eq!(lexer.next_token().text(sql), "'it''s'");
//! assert_eq!(lexer.next_token().kind, TokenKind::End);
//! ```
//!
//! # How others do it
//!
//! SQLite's tokenizer is written by hand as well, with a generated perfect hash for keywords. Its generated parser treats a
//! keyword as a name when the state has no action for it; here the parser asks for the kind of name that a place may have.
//!
//! # What this leaves out
//!
//! Bytes that are no UTF-8, which SQLite takes as parts of names: a text is a `str` here.
//!
//! # Try next
//!
//! Print the tokens of `x'0`, `1_`, `$a::b(c` and see which are illegal, and how far they reach.
//!
//! # Sources
//!
//! - <https://www.sqlite.org/lang_keywords.html>
//! - <https://www.sqlite.org/lang_expr.html>, on literals and parameters

mod scan;
mod token;

pub use token::{Token, TokenKind};

/// Reads a text token by token. A copy of it looks ahead.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Over a text, of which the first four gigabytes are read, and nothing from a zero byte on: for SQLite that is its end.
    pub fn new(sql: &'a str) -> Lexer<'a> {
        let end = sql.bytes().position(|byte| byte == 0).unwrap_or(sql.len());
        Lexer { sql: &sql[..end], at: 0 }
    }

    /// The next token; [`TokenKind::End`] at the end, as often as it is asked for.
    pub fn next_token(&mut self) -> Token {
        let text = self.sql.as_bytes();
        let text = &text[..text.len().min(u32::MAX as usize)];
        let start = scan::behind_space(text, self.at);
        let (kind, end) = scan::token(text, start);
        self.at = end;
        // The length is cut above, so that both fit.
        Token { kind, start: start as u32, end: end as u32 }
    }

    /// These kinds come next.
    pub(super) fn follows(&self, kinds: &[TokenKind]) -> bool {
        let mut ahead = self.clone();
        kinds.iter().all(|kind| ahead.next_token().kind == *kind)
    }
}

/// Whether a word is a keyword, which can't be a name everywhere without quotes.
pub(in crate::sql) fn is_keyword(word: &str) -> bool {
    token::keyword(word.as_bytes()).is_some()
}
