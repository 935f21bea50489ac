//! What can go wrong: [`Error`] for what the peer did, [`CommandError`] for what the user asked.

use http::StatusCode;

use crate::codec::Blame;

/// What a peer did wrong, or did not do in time. The connection cannot go on.
///
/// The names say what was found; [`status`](Error::status) is what a server answers and
/// [`gateway_status`](Error::gateway_status) is what a proxy answers when its upstream did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request line is not a method, a target and a version with one space between (RFC 9112, section 3).
    #[error("malformed request line")]
    RequestLine,
    /// The status line is not a version, three digits and a phrase (RFC 9112, section 4).
    #[error("malformed status line")]
    StatusLine,
    /// A version of HTTP other than 1.0 and 1.1.
    #[error("unsupported version of HTTP")]
    Version,
    /// The target has bytes that no URI has, or a form that its method does not allow (RFC 9112, section 3.2).
    #[error("invalid request target")]
    Target,
    /// A line of a head ends in a line feed without a carriage return. RFC 9112, section 2.2, lets a recipient accept
    /// it; two recipients that differ in that see different messages.
    #[error("line feed without carriage return")]
    BareLf,
    /// A field line without a name, without a colon, or with a name that is no token; also `Content_Length` and
    /// `Transfer_Encoding`, which some gateways take for what they resemble.
    #[error("invalid field name")]
    FieldName,
    /// White space between a field's name and its colon (RFC 9112, section 5.1).
    #[error("white space before the colon")]
    SpaceBeforeColon,
    /// A control character in a field's value: NUL, a carriage return without line feed, and the like.
    #[error("control character in a field value")]
    FieldValue,
    /// A field value that goes on in the next line (RFC 9112, section 5.2).
    #[error("obsolete line folding")]
    ObsFold,
    /// An HTTP/1.1 request without `Host` (RFC 9112, section 3.2).
    #[error("no Host field")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one Host field")]
    HostRepeated,
    /// A `Host` that is no host and port.
    #[error("invalid Host")]
    HostInvalid,
    /// The target names a host, and `Host` names another one.
    #[error("Host differs from the request target")]
    HostMismatch,
    /// A `Content-Length` that is not one number of digits.
    #[error("invalid Content-Length")]
    ContentLength,
    /// More than one `Content-Length`, be they equal or not.
    #[error("more than one Content-Length")]
    ContentLengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112, section 6.1).
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    /// A `Transfer-Encoding` that does not end in `chunked`, applies it twice, or is given in several fields.
    #[error("invalid Transfer-Encoding")]
    TransferEncoding,
    /// A `Transfer-Encoding` with other codings than `chunked`.
    #[error("unsupported transfer coding")]
    TransferCoding,
    /// `Transfer-Encoding` in a message of HTTP/1.0, whose recipients may not know it (RFC 9112, section 6.1).
    #[error("Transfer-Encoding in HTTP/1.0")]
    TransferEncodingVersion,
    /// A message that cannot have content announces some: `CONNECT`, or a response 1xx or 204.
    #[error("framing in a message that has no content")]
    UnexpectedFraming,
    /// An `Expect` other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// A chunk's size is not hexadecimal digits, or overflows.
    #[error("invalid chunk size")]
    ChunkSize,
    /// A chunk extension that does not follow the grammar of RFC 9112, section 7.1.1.
    #[error("invalid chunk extension")]
    ChunkExtension,
    /// A chunk is not followed by a line's end.
    #[error("chunk without its end")]
    ChunkEnd,
    /// A trailer field that frames or routes the message, which only its head may do (RFC 9110, section 6.5.1).
    #[error("forbidden trailer field")]
    Trailer,

    /// The first line exceeds [`Limits::start_line`](super::Limits::start_line).
    #[error("start line too long")]
    StartLineTooLong,
    /// The head exceeds [`Limits::head`](super::Limits::head) or [`Limits::fields`](super::Limits::fields).
    #[error("head too large")]
    HeadTooLarge,
    /// The line of a chunk exceeds [`Limits::chunk_line`](super::Limits::chunk_line), or the extensions of all exceed
    /// [`Limits::extensions`](super::Limits::extensions).
    #[error("chunk line too long")]
    ChunkLineTooLong,
    /// The trailers exceed [`Limits::trailers`](super::Limits::trailers) or [`Limits::fields`](super::Limits::fields).
    #[error("trailers too large")]
    TrailersTooLarge,
    /// The body exceeds [`Limits::body`](super::Limits::body).
    #[error("body too large")]
    BodyTooLarge,

    /// A head was not complete within [`Timeouts::head`](super::Timeouts::head).
    #[error("no complete head in time")]
    HeadTimeout,
    /// No piece of a body came within [`Timeouts::body`](super::Timeouts::body), or the pieces came more slowly than
    /// [`Timeouts::body_rate`](super::Timeouts::body_rate).
    #[error("no more of a body in time")]
    BodyTimeout,
    /// The input ended inside a message.
    #[error("the connection ended inside a message")]
    Truncated,
    /// The input ended before the first byte of the response. On a connection that was used before, the server has most
    /// likely closed it for idleness and has not seen the request: one that is safe to repeat can be sent again.
    #[error("the connection ended before the response")]
    NoResponse,
    /// A server sent what no request had asked for.
    #[error("a response without a request")]
    UnexpectedResponse,
    /// The exchange was given up by this side, or the connection failed in another one.
    #[error("the connection was given up")]
    Abandoned,
}

impl Error {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            Error::StartLineTooLong
            | Error::HeadTooLarge
            | Error::ChunkLineTooLong
            | Error::TrailersTooLarge
            | Error::BodyTooLarge => Blame::Limit,
            Error::Abandoned => Blame::Caller,
            _ => Blame::Peer,
        }
    }

    /// The status that a server answers with, where it can still answer.
    pub fn status(self) -> StatusCode {
        match self {
            Error::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Error::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Error::Expectation => StatusCode::EXPECTATION_FAILED,
            Error::StartLineTooLong => StatusCode::URI_TOO_LONG,
            Error::HeadTooLarge | Error::TrailersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Error::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::HeadTimeout | Error::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The status that a proxy answers with when the server behind it did this.
    pub fn gateway_status(self) -> StatusCode {
        match self {
            Error::HeadTimeout | Error::BodyTimeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Why a command cannot be obeyed. The machine is as it was before, unless the variant says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command does not fit where its exchange stands: a second response, data before a head, a request while the
    /// pipeline is full.
    #[error("the command is out of turn")]
    OutOfTurn,
    /// The status cannot be sent so: 1xx as a response, another as an interim response, 101 where nobody asked
    /// or where not all of the request has come.
    #[error("the status is not possible here")]
    Status,
    /// A field name that is no token, or a value with control characters.
    #[error("the field cannot be sent")]
    Field,
    /// The head's own `Content-Length` contradicts the payload, or its `Transfer-Encoding` is not the machine's.
    #[error("the head's framing contradicts the payload")]
    Framing,
    /// The target cannot be sent in any form, or a request has no host or two.
    #[error("the request has no target or host that can be sent")]
    Target,
    /// More data than was announced. None of it was taken.
    #[error("more data than was announced")]
    TooMuch,
    /// The end came before what was announced. The connection is aborted: there is no other way to tell the peer.
    #[error("less data than was announced")]
    TooLittle,
}

impl CommandError {
    /// Who is at fault: always whoever gave the command.
    pub fn blame(self) -> Blame {
        Blame::Caller
    }
}
