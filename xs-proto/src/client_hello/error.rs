//! What is wrong with a ClientHello.

use thiserror::Error;

/// Why bytes are no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The stream begins with something else.
    #[error("no TLS handshake begins like this")]
    NotTls,
    /// The handshake begins with another message.
    #[error("the first message is of type {0}, and no ClientHello")]
    NotClientHello(u8),
    /// It is longer, or in more pieces, than anybody needs.
    #[error("the ClientHello is longer than 64 KiB, or in more than 64 records")]
    TooLong,
    /// A length or a value can't be so.
    #[error("the ClientHello's {0} is malformed")]
    Malformed(&'static str),
}
