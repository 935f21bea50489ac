//! Error replies, with Redis' own texts.

use std::borrow::Cow;

/// An error reply: its text with the code in front (`ERR …`, `WRONGTYPE …`), without the leading `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(Cow<'static, str>);

impl Fault {
    pub(crate) const SYNTAX: Fault = Fault(Cow::Borrowed("ERR syntax error"));
    pub(crate) const WRONG_TYPE: Fault =
        Fault(Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value"));
    pub(crate) const NOT_AN_INTEGER: Fault = Fault(Cow::Borrowed("ERR value is not an integer or out of range"));
    pub(crate) const NOT_A_FLOAT: Fault = Fault(Cow::Borrowed("ERR value is not a valid float"));
    pub(crate) const NO_SUCH_KEY: Fault = Fault(Cow::Borrowed("ERR no such key"));
    pub(crate) const INDEX_OUT_OF_RANGE: Fault = Fault(Cow::Borrowed("ERR index out of range"));
    pub(crate) const NOT_POSITIVE: Fault = Fault(Cow::Borrowed("ERR value is out of range, must be positive"));
    pub(crate) const NO_MAGNITUDE: Fault = Fault(Cow::Borrowed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    ));
    pub(crate) const OUT_OF_MEMORY: Fault =
        Fault(Cow::Borrowed("OOM command not allowed when used memory > 'maxmemory'."));
    pub(crate) const STRING_TOO_LONG: Fault =
        Fault(Cow::Borrowed("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    pub(crate) const TIMEOUT_NOT_A_FLOAT: Fault = Fault(Cow::Borrowed("ERR timeout is not a float or out of range"));
    pub(crate) const TIMEOUT_NEGATIVE: Fault = Fault(Cow::Borrowed("ERR timeout is negative"));
    pub(crate) const EXEC_ABORTED: Fault =
        Fault(Cow::Borrowed("EXECABORT Transaction discarded because of previous errors."));

    /// A fixed text, code included.
    pub(crate) const fn new(text: &'static str) -> Fault {
        Fault(Cow::Borrowed(text))
    }

    /// A text made for the occasion, code included.
    pub(crate) fn because(text: impl Into<String>) -> Fault {
        Fault(Cow::Owned(text.into()))
    }

    /// `wrong number of arguments for 'name' command`; a subcommand's name is `container|sub`.
    pub(crate) fn arity(name: &str) -> Fault {
        Fault::because(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The code in front: what `INFO errorstats` counts by.
    pub(crate) fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or("ERR")
    }
}
