//! Error replies, with Redis' own texts.

use std::borrow::Cow;

/// An error reply: its text with the code in front (`ERR …`, `WRONGTYPE …`), without the leading `-`. It may repeat what
/// the client sent, so it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(Cow<'static, [u8]>);

impl Fault {
    pub(crate) const SYNTAX: Fault = Fault::new("ERR syntax error");
    pub(crate) const WRONG_TYPE: Fault =
        Fault::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const NOT_AN_INTEGER: Fault = Fault::new("ERR value is not an integer or out of range");
    pub(crate) const NOT_A_FLOAT: Fault = Fault::new("ERR value is not a valid float");
    pub(crate) const NO_SUCH_KEY: Fault = Fault::new("ERR no such key");
    pub(crate) const INDEX_OUT_OF_RANGE: Fault = Fault::new("ERR index out of range");
    pub(crate) const NOT_POSITIVE: Fault = Fault::new("ERR value is out of range, must be positive");
    pub(crate) const NO_MAGNITUDE: Fault =
        Fault::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    pub(crate) const OUT_OF_MEMORY: Fault = Fault::new("OOM command not allowed when used memory > 'maxmemory'.");
    pub(crate) const STRING_TOO_LONG: Fault =
        Fault::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    pub(crate) const TIMEOUT_NOT_A_FLOAT: Fault = Fault::new("ERR timeout is not a float or out of range");
    pub(crate) const TIMEOUT_NEGATIVE: Fault = Fault::new("ERR timeout is negative");
    pub(crate) const EXEC_ABORTED: Fault = Fault::new("EXECABORT Transaction discarded because of previous errors.");

    /// A fixed text, code included.
    pub(crate) const fn new(text: &'static str) -> Fault {
        Fault(Cow::Borrowed(text.as_bytes()))
    }

    /// A text made for the occasion, code included.
    pub(crate) fn because(text: impl Into<String>) -> Fault {
        Fault(Cow::Owned(text.into().into_bytes()))
    }

    /// A text made of pieces, code included, some of them what the client sent. A piece ends at its first zero byte, as
    /// texts do in C.
    pub(crate) fn quoting(pieces: &[&dyn AsRef<[u8]>]) -> Fault {
        let mut text = Vec::new();
        for piece in pieces {
            let piece = piece.as_ref();
            text.extend_from_slice(piece.split(|byte| *byte == 0).next().unwrap_or_default());
        }
        Fault(Cow::Owned(text))
    }

    /// `wrong number of arguments for 'name' command`; a subcommand's name is `container|sub`.
    pub(crate) fn arity(name: &str) -> Fault {
        Fault::because(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.0
    }

    /// The text for people and logs.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The code in front: what `INFO errorstats` counts by.
    pub(crate) fn code(&self) -> &str {
        let code = self.0.split(|byte| *byte == b' ').next().unwrap_or_default();
        std::str::from_utf8(code).unwrap_or("ERR")
    }
}

/// As much of a word of the client's as errors repeat.
pub(crate) fn start_of(word: &[u8]) -> &[u8] {
    &word[..word.len().min(128)]
}
