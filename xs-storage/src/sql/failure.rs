//! What a statement ends with when it does not end well.

use super::error::Error;

/// SQLite's number for a kind of failure. The lower eight bits are the class, the whole is the extended code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResultCode(pub i32);

impl ResultCode {
    /// `SQLITE_ERROR`: the statement makes no sense here.
    pub const ERROR: ResultCode = ResultCode(1);
    /// `SQLITE_INTERNAL`: a rule of this program's own is broken.
    pub const INTERNAL: ResultCode = ResultCode(2);
    /// `SQLITE_BUSY`: another connection is in the way.
    pub const BUSY: ResultCode = ResultCode(5);
    /// `SQLITE_LOCKED`: this connection itself is in the way.
    pub const LOCKED: ResultCode = ResultCode(6);
    /// `SQLITE_BUSY_SNAPSHOT`: another connection has written since this one began to read.
    pub const BUSY_SNAPSHOT: ResultCode = ResultCode(517);
    /// `SQLITE_READONLY`
    pub const READ_ONLY: ResultCode = ResultCode(8);
    /// `SQLITE_INTERRUPT`: somebody asked it to stop.
    pub const INTERRUPT: ResultCode = ResultCode(9);
    /// `SQLITE_IOERR`: the disk says no.
    pub const IO: ResultCode = ResultCode(10);
    /// `SQLITE_CORRUPT`: the file breaks its format.
    pub const CORRUPT: ResultCode = ResultCode(11);
    /// `SQLITE_FULL`
    pub const FULL: ResultCode = ResultCode(13);
    /// `SQLITE_CANTOPEN`
    pub const CANT_OPEN: ResultCode = ResultCode(14);
    /// `SQLITE_SCHEMA`: what a statement was bound to has changed.
    pub const SCHEMA: ResultCode = ResultCode(17);
    /// `SQLITE_TOOBIG`: more than a limit allows.
    pub const TOO_BIG: ResultCode = ResultCode(18);
    /// `SQLITE_CONSTRAINT`: the class of all constraints.
    pub const CONSTRAINT: ResultCode = ResultCode(19);
    /// `SQLITE_MISMATCH`: a value of the wrong type where only one type can be.
    pub const MISMATCH: ResultCode = ResultCode(20);
    /// `SQLITE_MISUSE`
    pub const MISUSE: ResultCode = ResultCode(21);
    /// `SQLITE_RANGE`: no such parameter or column.
    pub const RANGE: ResultCode = ResultCode(25);
    /// `SQLITE_NOTADB`
    pub const NOT_A_DATABASE: ResultCode = ResultCode(26);
    /// `SQLITE_CONSTRAINT_CHECK`
    pub const CHECK: ResultCode = ResultCode(275);
    /// `SQLITE_CONSTRAINT_FOREIGNKEY`
    pub const FOREIGN_KEY: ResultCode = ResultCode(787);
    /// `SQLITE_CONSTRAINT_NOTNULL`
    pub const NOT_NULL: ResultCode = ResultCode(1299);
    /// `SQLITE_CONSTRAINT_PRIMARYKEY`
    pub const PRIMARY_KEY: ResultCode = ResultCode(1555);
    /// `SQLITE_CONSTRAINT_TRIGGER`: a trigger said `RAISE`.
    pub const TRIGGER: ResultCode = ResultCode(1811);
    /// `SQLITE_CONSTRAINT_UNIQUE`
    pub const UNIQUE: ResultCode = ResultCode(2067);
    /// `SQLITE_CONSTRAINT_ROWID`
    pub const ROWID: ResultCode = ResultCode(2579);
    /// `SQLITE_CONSTRAINT_DATATYPE`
    pub const DATA_TYPE: ResultCode = ResultCode(3091);

    /// The class: the code without what extends it.
    pub fn class(self) -> ResultCode {
        ResultCode(self.0 & 0xFF)
    }
}

/// How a refusal of what SQLite can do begins.
const UNSUPPORTED: &str = "not supported yet";

/// Why a statement failed, in SQLite's words and with its number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.message)]
pub struct Failure(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    code: ResultCode,
    message: Box<str>,
    offset: Option<usize>,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(code: ResultCode, message: impl Into<Box<str>>) -> Failure {
        Failure(Box::new(Inner { code, message: message.into(), offset: None }))
    }

    /// A statement that makes no sense.
    pub fn error(message: impl Into<Box<str>>) -> Failure {
        Failure::new(ResultCode::ERROR, message)
    }

    /// What SQLite can do and this can't yet: refused, rather than done otherwise.
    pub(super) fn unsupported(what: &str) -> Failure {
        Failure::error(format!("{UNSUPPORTED}: {what}"))
    }

    /// The same, and if it is something unsupported, which object uses it.
    pub(super) fn of(self, name: &str) -> Failure {
        match self.0.message.starts_with(UNSUPPORTED) {
            true => Failure::new(self.0.code, format!("{} ({name})", self.0.message)),
            false => self,
        }
    }

    /// What should be impossible. An error instead of a panic, since a database outlives the statement.
    pub(super) fn internal(what: &str) -> Failure {
        Failure::new(ResultCode::INTERNAL, what)
    }

    /// The same, at a byte of the statement's text.
    pub(super) fn at(mut self, offset: u32) -> Failure {
        self.0.offset.get_or_insert(offset as usize);
        self
    }

    /// The extended result code.
    pub fn code(&self) -> ResultCode {
        self.0.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The byte of the statement's text that it is about, where one is.
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error.kind {
            super::ErrorKind::Limit(ref what) if &**what == "string or blob too big" => ResultCode::TOO_BIG,
            _ => ResultCode::ERROR,
        };
        // SQLite points at no place behind the end, and at none where there is too much of something but arguments.
        let points = match &error.kind {
            super::ErrorKind::Incomplete => false,
            super::ErrorKind::Limit(what) => what.starts_with("too many arguments"),
            _ => true,
        };
        let offset = points.then_some(error.position.offset);
        let mut failure = Failure::new(code, error.to_string());
        failure.0.offset = offset;
        failure
    }
}

impl From<super::function::Error> for Failure {
    fn from(error: super::function::Error) -> Failure {
        let code = match error {
            super::function::Error::TooBig => ResultCode::TOO_BIG,
            _ => ResultCode::ERROR,
        };
        Failure::new(code, error.to_string())
    }
}

/// What the engine's functions answer.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
