//! [`Frame`]: any value of the protocol, as a tree; and what can be wrong with one.

use bytes::Bytes;

use crate::codec::Blame;

/// One value of the protocol, of either version.
///
/// This is the tree that a client or a test works with. A server reads with
/// [`RequestDecoder`](super::RequestDecoder) and writes with [`Reply`](super::Reply), and builds no trees.
///
/// | first byte | version 2 | version 3 | variant |
/// |---|---|---|---|
/// | `+` | simple string | simple string | [`Simple`](Frame::Simple) |
/// | `-` | error | simple error | [`Error`](Frame::Error) |
/// | `:` | integer | integer | [`Integer`](Frame::Integer) |
/// | `$` | bulk string, null | bulk string, streamed string | [`Bulk`](Frame::Bulk), [`Null`](Frame::Null) |
/// | `*` | array, null | array | [`Array`](Frame::Array), [`Null`](Frame::Null) |
/// | `_` | | null | [`Null`](Frame::Null) |
/// | `,` | | double | [`Double`](Frame::Double) |
/// | `#` | | boolean | [`Boolean`](Frame::Boolean) |
/// | `!` | | bulk error | [`BulkError`](Frame::BulkError) |
/// | `=` | | verbatim string | [`Verbatim`](Frame::Verbatim) |
/// | `(` | | big number | [`BigNumber`](Frame::BigNumber) |
/// | `%` | | map | [`Map`](Frame::Map) |
/// | `~` | | set | [`Set`](Frame::Set) |
/// | `>` | | push | [`Push`](Frame::Push) |
/// | `\|` | | attribute | [`Attribute`](Frame::Attribute) |
/// | `;` `.` | | parts of streamed values | joined into the value |
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A short text on one line.
    Simple(Bytes),
    /// An error on one line; its first word is its code.
    Error(Bytes),
    /// A signed integer.
    Integer(i64),
    /// Any bytes.
    Bulk(Bytes),
    /// An error of any bytes.
    BulkError(Bytes),
    /// Values in order.
    Array(Vec<Frame>),
    /// Nothing. Both nulls of version 2 and the one of version 3 decode to it.
    Null,
    /// A floating-point number.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// An integer of any size, as its decimal digits with an optional sign.
    BigNumber(Bytes),
    /// Text for people.
    Verbatim {
        /// How to show it: `txt` or `mkd`.
        format: [u8; 3],
        /// What to show.
        text: Bytes,
    },
    /// Pairs of keys and values, in the order of the wire.
    Map(Vec<(Frame, Frame)>),
    /// Values without order; they stand in the order of the wire, and repetitions are kept.
    Set(Vec<Frame>),
    /// A message that answers no request. It never stands inside another value.
    Push(Vec<Frame>),
    /// A value with pairs that describe it, such as how popular a key is. Who does not know them uses the value alone.
    Attribute {
        /// The description.
        attributes: Vec<(Frame, Frame)>,
        /// What is described.
        value: Box<Frame>,
    },
}

impl Frame {
    /// A bulk string.
    pub fn bulk(bytes: impl Into<Bytes>) -> Frame {
        Frame::Bulk(bytes.into())
    }

    /// Whether this is an error of either form.
    pub fn is_error(&self) -> bool {
        matches!(self.value(), Frame::Error(_) | Frame::BulkError(_))
    }

    /// Whether this is a message that answers no request.
    pub fn is_push(&self) -> bool {
        matches!(self, Frame::Push(_))
    }

    /// The frame without the attributes in front of it.
    pub fn value(&self) -> &Frame {
        let mut frame = self;
        while let Frame::Attribute { value, .. } = frame {
            frame = value;
        }
        frame
    }

    /// The text of a string, an error or a big number.
    pub fn text(&self) -> Option<&Bytes> {
        match self.value() {
            Frame::Simple(text)
            | Frame::Error(text)
            | Frame::Bulk(text)
            | Frame::BulkError(text)
            | Frame::BigNumber(text)
            | Frame::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The values of an array, a set or a push.
    pub fn elements(&self) -> Option<&[Frame]> {
        match self.value() {
            Frame::Array(elements) | Frame::Set(elements) | Frame::Push(elements) => Some(elements),
            _ => None,
        }
    }
}

/// Why bytes are no frame. The stream that they came from is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No type starts with this byte.
    #[error("no type starts with byte {0:#04x}")]
    UnknownType(u8),
    /// A line does not end in CR LF, or a lone CR or LF stands in it.
    #[error("a line does not end in CR LF")]
    BadLine,
    /// The bytes of a string are not followed by CR LF.
    #[error("a string does not end in CR LF")]
    BadBulkEnd,
    /// A length is no number, or negative where no null is possible.
    #[error("invalid length")]
    InvalidLength,
    /// An integer is no decimal number of 64 bits.
    #[error("invalid integer")]
    InvalidInteger,
    /// A double is no decimal number, `inf` or `nan`.
    #[error("invalid double")]
    InvalidDouble,
    /// A boolean is neither `t` nor `f`.
    #[error("invalid boolean")]
    InvalidBoolean,
    /// A null with something in it.
    #[error("invalid null")]
    InvalidNull,
    /// A big number has something else than digits behind its sign.
    #[error("invalid big number")]
    InvalidBigNumber,
    /// A verbatim string does not start with three bytes and a colon.
    #[error("invalid verbatim string")]
    InvalidVerbatim,
    /// A chunk of a streamed string, or an end of a streamed aggregate, where none is open; or something else than a
    /// chunk inside a streamed string.
    #[error("a part of a streamed value is out of place")]
    MisplacedPart,
    /// A push inside another value.
    #[error("a push inside another value")]
    MisplacedPush,
    /// A line beyond [`InputLimits::inline`](super::InputLimits::inline).
    #[error("a line is too long")]
    LineTooLong,
    /// A string beyond [`InputLimits::bulk`](super::InputLimits::bulk).
    #[error("a string is too long")]
    BulkTooLong,
    /// More elements than [`InputLimits::elements`](super::InputLimits::elements).
    #[error("a frame has too many elements")]
    TooManyElements,
    /// Aggregates nest deeper than [`InputLimits::depth`](super::InputLimits::depth).
    #[error("a frame is nested too deep")]
    TooDeep,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
}

impl FrameError {
    /// Who is at fault.
    pub fn blame(&self) -> Blame {
        use FrameError::*;
        match self {
            LineTooLong | BulkTooLong | TooManyElements | TooDeep => Blame::Limit,
            _ => Blame::Peer,
        }
    }
}

/// Why a frame has no form on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A text that must stand on one line holds CR or LF.
    #[error("a line break in a text that must stand on one line")]
    LineBreak,
    /// A big number has something else than digits behind its sign.
    #[error("a big number that is no number")]
    InvalidBigNumber,
    /// A push inside another value.
    #[error("a push inside another value")]
    MisplacedPush,
    /// Aggregates nest deeper than [`InputLimits::depth`](super::InputLimits::depth).
    #[error("a frame is nested too deep")]
    TooDeep,
}

impl EncodeError {
    /// Who is at fault: always the caller.
    pub fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// Whether `digits` are a decimal integer of any size.
pub(super) fn is_big_number(digits: &[u8]) -> bool {
    let digits = digits.strip_prefix(b"-").or_else(|| digits.strip_prefix(b"+")).unwrap_or(digits);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
