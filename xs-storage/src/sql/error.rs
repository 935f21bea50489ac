//! What is wrong with a text, and where.

use std::fmt;

/// Why a text is no SQL. It displays as SQLite says it; the position is apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub position: Position,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A token that no statement has here.
    #[error("near \"{0}\": syntax error")]
    Unexpected(Box<str>),
    /// The text ends within a statement.
    #[error("incomplete input")]
    Incomplete,
    /// What isn't a token: a string without end, a malformed number.
    #[error("unrecognized token: \"{0}\"")]
    Unrecognized(Box<str>),
    /// A limit of [`super::Limits`] is passed. What is too much, in SQLite's words.
    #[error("{0}")]
    Limit(Box<str>),
    /// The grammar allows it, and SQLite says in other words that it makes no sense.
    #[error("{0}")]
    Meaning(Box<str>),
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Its line, from one.
    pub line: usize,
    /// Its column in characters, from one.
    pub column: usize,
}

impl Position {
    /// Where the byte at `offset` of `sql` is; the end, if it has no such byte.
    pub fn of(sql: &str, offset: usize) -> Position {
        let before = sql.get(..offset).unwrap_or(sql);
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            offset: before.len(),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before[line..].chars().count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
