//! [`FrameCodec`]: whole frames, both ways, for clients and tests.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{EncodeError, Frame, FrameError, is_big_number};
use super::{Args, InputLimits, Reply, Request, Version, parse_double, parse_i64};
use crate::codec::{Decode, Encode};
use crate::out::{BY_REFERENCE, Out};

/// Aggregates reserve room for no more elements than this before the elements arrive.
const RESERVED: usize = 64;

/// Decodes and encodes [`Frame`]s of either version, and encodes requests.
///
/// Decoding takes each piece off the buffer as soon as it is complete and keeps the open aggregates on a stack of its
/// own, so nothing is looked at twice, however the frame is cut into reads. Strings share the buffer's memory. Both
/// versions are understood at any time; the version decides only what is written.
///
/// ```
/// use bytes::BytesMut;
/// use xs_proto::resp::{Frame, FrameCodec, Request, Version};
/// use xs_proto::{Decode, Encode, Out};
///
/// let mut codec = FrameCodec::new(Version::Resp3);
/// let mut out = Out::new();
/// codec.encode(&Request::from_iter(["HGETALL", "k"]), &mut out).unwrap();
/// assert_eq!(out.to_vec(), b"*2\r\n$7\r\nHGETALL\r\n$1\r\nk\r\n");
///
/// let mut src = BytesMut::from(&b"%1\r\n+field\r\n"[..]);
/// assert_eq!(codec.decode(&mut src), Ok(None));
/// src.extend_from_slice(b":7\r\n");
/// let pair = (Frame::Simple("field".into()), Frame::Integer(7));
/// assert_eq!(codec.decode(&mut src), Ok(Some(Frame::Map(vec![pair]))));
/// ```
#[derive(Debug, Clone, Default)]
pub struct FrameCodec {
    version: Version,
    limits: InputLimits,
    /// The aggregates that are not complete, the outermost first.
    stack: Vec<Open>,
    pending: Pending,
    /// Up to where the end of the line at the buffer's start has been looked for in vain.
    scanned: usize,
    /// How many elements the frame has announced or, where it streams them, brought.
    elements: usize,
}

/// An aggregate that is not complete.
#[derive(Debug, Clone)]
struct Open {
    kind: Kind,
    /// How many frames are still to come; `None` while they are streamed.
    left: Option<usize>,
    items: Vec<Frame>,
}

#[derive(Debug, Clone)]
enum Kind {
    Array,
    Set,
    Push,
    Map,
    /// The pairs of an attribute; what they describe comes next.
    Attributes,
    /// A value that is described by these pairs.
    Described(Vec<(Frame, Frame)>),
}

/// What the front of the buffer continues.
#[derive(Debug, Clone, Default)]
enum Pending {
    /// Nothing: a line with a type byte comes next.
    #[default]
    Line,
    /// A string of this many bytes, of the type that this byte says.
    Bulk(u8, usize),
    /// A streamed string, of which this much has arrived.
    Chunks(BytesMut),
    /// A chunk of this many bytes behind what has arrived.
    Chunk(BytesMut, usize),
}

/// What a piece of input amounted to.
enum Piece {
    /// It is not complete.
    Missing,
    /// It opened something, or continued it.
    Progress,
    Frame(Frame),
}

impl FrameCodec {
    /// A codec that writes `version`, with the default limits.
    pub fn new(version: Version) -> Self {
        FrameCodec::with_limits(version, InputLimits::default())
    }

    /// A codec that writes `version` and reads what stays within `limits`.
    pub fn with_limits(version: Version, limits: InputLimits) -> Self {
        FrameCodec { version, limits, ..FrameCodec::default() }
    }

    /// The version that is written.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Changes the version that is written, as `HELLO` does.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Whether a frame has begun and is not complete, apart from what may wait in the buffer.
    pub fn is_partial(&self) -> bool {
        !self.stack.is_empty() || !matches!(self.pending, Pending::Line)
    }

    /// Takes the next piece off the front of `src`.
    fn piece(&mut self, src: &mut BytesMut) -> Result<Piece, FrameError> {
        match std::mem::take(&mut self.pending) {
            Pending::Line => self.line(src),
            Pending::Bulk(kind, len) => match take_bulk(src, len)? {
                Some(bytes) => Ok(Piece::Frame(bulk_frame(kind, bytes)?)),
                None => {
                    self.pending = Pending::Bulk(kind, len);
                    Ok(Piece::Missing)
                }
            },
            Pending::Chunks(text) => self.chunk_header(src, text),
            Pending::Chunk(mut text, len) => match take_bulk(src, len)? {
                Some(chunk) => {
                    text.extend_from_slice(&chunk);
                    self.pending = Pending::Chunks(text);
                    Ok(Piece::Progress)
                }
                None => {
                    self.pending = Pending::Chunk(text, len);
                    Ok(Piece::Missing)
                }
            },
        }
    }

    /// Where the line at the front of `src` ends.
    fn line_end(&mut self, src: &[u8]) -> Result<Option<usize>, FrameError> {
        let from = self.scanned.clamp(1, src.len().max(1));
        let end = src.get(from..).and_then(|rest| memchr::memchr2(b'\r', b'\n', rest)).map(|i| from + i);
        if end.unwrap_or(src.len()).saturating_sub(1) > self.limits.inline {
            return Err(FrameError::LineTooLong);
        }
        match end.map(|end| (end, &src[end..])) {
            Some((end, [b'\r', b'\n', ..])) => {
                self.scanned = 0;
                Ok(Some(end))
            }
            Some((end, [b'\r'])) => {
                self.scanned = end;
                Ok(None)
            }
            Some(_) => Err(FrameError::BadLine),
            None => {
                self.scanned = src.len();
                Ok(None)
            }
        }
    }

    fn line(&mut self, src: &mut BytesMut) -> Result<Piece, FrameError> {
        let Some(&kind) = src.first() else { return Ok(Piece::Missing) };
        if !b"+-:$*_,#!=(%~>|;.".contains(&kind) {
            return Err(FrameError::UnknownType(kind));
        }
        let Some(end) = self.line_end(src)? else { return Ok(Piece::Missing) };
        let text = &src[1..end];
        let piece = match kind {
            b'+' | b'-' | b'(' => {
                if kind == b'(' && !is_big_number(text) {
                    return Err(FrameError::InvalidBigNumber);
                }
                src.advance(1);
                let text = src.split_to(end - 1).freeze();
                src.advance(2);
                return Ok(Piece::Frame(match kind {
                    b'+' => Frame::Simple(text),
                    b'-' => Frame::Error(text),
                    _ => Frame::BigNumber(text),
                }));
            }
            b':' => Piece::Frame(Frame::Integer(parse_integer(text).ok_or(FrameError::InvalidInteger)?)),
            b',' => Piece::Frame(Frame::Double(parse_double(text).ok_or(FrameError::InvalidDouble)?)),
            b'#' => Piece::Frame(Frame::Boolean(match text {
                b"t" => true,
                b"f" => false,
                _ => return Err(FrameError::InvalidBoolean),
            })),
            b'_' if text.is_empty() => Piece::Frame(Frame::Null),
            b'_' => return Err(FrameError::InvalidNull),
            b'$' | b'*' if text == b"-1" => Piece::Frame(Frame::Null),
            b'$' if text == b"?" => {
                self.pending = Pending::Chunks(BytesMut::new());
                Piece::Progress
            }
            b'$' | b'!' | b'=' => {
                let len = parse_length(text)?;
                if len > self.limits.bulk {
                    return Err(FrameError::BulkTooLong);
                }
                self.pending = Pending::Bulk(kind, len);
                Piece::Progress
            }
            b'.' => self.end_streamed(text)?,
            b';' => return Err(FrameError::MisplacedPart),
            _ => self.open(kind, text)?,
        };
        src.advance(end + 2);
        Ok(piece)
    }

    /// The header of an aggregate.
    fn open(&mut self, kind: u8, text: &[u8]) -> Result<Piece, FrameError> {
        if kind == b'>' && !self.stack.is_empty() {
            return Err(FrameError::MisplacedPush);
        }
        let streamed = text == b"?" && matches!(kind, b'*' | b'~' | b'%');
        let left = match streamed {
            true => None,
            false => {
                let per_entry = if matches!(kind, b'%' | b'|') { 2 } else { 1 };
                let left = parse_length(text)?.checked_mul(per_entry).ok_or(FrameError::TooManyElements)?;
                self.count(left)?;
                Some(left)
            }
        };
        if self.stack.len() >= self.limits.depth {
            return Err(FrameError::TooDeep);
        }
        let kind = match kind {
            b'*' => Kind::Array,
            b'~' => Kind::Set,
            b'>' => Kind::Push,
            b'%' => Kind::Map,
            _ => Kind::Attributes,
        };
        self.stack.push(Open { kind, left, items: Vec::with_capacity(left.unwrap_or(0).min(RESERVED)) });
        Ok(if left == Some(0) { self.close() } else { Piece::Progress })
    }

    fn count(&mut self, elements: usize) -> Result<(), FrameError> {
        if elements > self.limits.elements.saturating_sub(self.elements) {
            return Err(FrameError::TooManyElements);
        }
        self.elements += elements;
        Ok(())
    }

    /// The end of a streamed aggregate.
    fn end_streamed(&mut self, text: &[u8]) -> Result<Piece, FrameError> {
        match self.stack.last() {
            Some(Open { left: None, kind, items })
                if text.is_empty() && (!matches!(kind, Kind::Map) || items.len().is_multiple_of(2)) =>
            {
                Ok(self.close())
            }
            _ => Err(FrameError::MisplacedPart),
        }
    }

    /// Makes a frame of the innermost aggregate, which is complete.
    fn close(&mut self) -> Piece {
        let Some(Open { kind, mut items, .. }) = self.stack.pop() else { return Piece::Progress };
        Piece::Frame(match kind {
            Kind::Array => Frame::Array(items),
            Kind::Set => Frame::Set(items),
            Kind::Push => Frame::Push(items),
            Kind::Map => Frame::Map(pairs(items)),
            Kind::Attributes => {
                self.stack.push(Open { kind: Kind::Described(pairs(items)), left: Some(1), items: Vec::new() });
                return Piece::Progress;
            }
            Kind::Described(attributes) => {
                Frame::Attribute { attributes, value: Box::new(items.pop().unwrap_or(Frame::Null)) }
            }
        })
    }

    /// Puts a frame where it belongs. Answers the outermost frame when this completes it.
    fn place(&mut self, mut frame: Frame) -> Result<Option<Frame>, FrameError> {
        while let Some(open) = self.stack.last_mut() {
            open.items.push(frame);
            match &mut open.left {
                None => {
                    self.count(1)?;
                    return Ok(None);
                }
                Some(left) => {
                    *left -= 1;
                    if *left > 0 {
                        return Ok(None);
                    }
                }
            }
            match self.close() {
                Piece::Frame(closed) => frame = closed,
                _ => return Ok(None),
            }
        }
        self.elements = 0;
        Ok(Some(frame))
    }

    /// A line `;length` inside a streamed string. A length of zero ends the string.
    fn chunk_header(&mut self, src: &mut BytesMut, text: BytesMut) -> Result<Piece, FrameError> {
        if src.first().is_some_and(|b| *b != b';') {
            return Err(FrameError::MisplacedPart);
        }
        let Some(end) = self.line_end(src)? else {
            self.pending = Pending::Chunks(text);
            return Ok(Piece::Missing);
        };
        let len = parse_length(&src[1..end])?;
        src.advance(end + 2);
        if len == 0 {
            return Ok(Piece::Frame(Frame::Bulk(text.freeze())));
        }
        if len > self.limits.bulk - text.len() {
            return Err(FrameError::BulkTooLong);
        }
        self.pending = Pending::Chunk(text, len);
        Ok(Piece::Progress)
    }
}

/// The bytes of a string and the line break behind them.
fn take_bulk(src: &mut BytesMut, len: usize) -> Result<Option<Bytes>, FrameError> {
    match src.get(len..) {
        Some([b'\r', b'\n', ..]) => {
            let bytes = src.split_to(len).freeze();
            src.advance(2);
            Ok(Some(bytes))
        }
        None | Some([] | [b'\r']) => Ok(None),
        Some(_) => Err(FrameError::BadBulkEnd),
    }
}

fn bulk_frame(kind: u8, bytes: Bytes) -> Result<Frame, FrameError> {
    Ok(match kind {
        b'!' => Frame::BulkError(bytes),
        b'=' => match bytes[..] {
            [a, b, c, b':', ..] => Frame::Verbatim { format: [a, b, c], text: bytes.slice(4..) },
            _ => return Err(FrameError::InvalidVerbatim),
        },
        _ => Frame::Bulk(bytes),
    })
}

fn pairs(items: Vec<Frame>) -> Vec<(Frame, Frame)> {
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn parse_length(text: &[u8]) -> Result<usize, FrameError> {
    parse_i64(text).and_then(|len| usize::try_from(len).ok()).ok_or(FrameError::InvalidLength)
}

/// The specification allows a plus sign and leading zeros, which a canonical integer has not.
fn parse_integer(text: &[u8]) -> Option<i64> {
    parse_i64(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

impl Decode for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.piece(src)? {
                Piece::Missing => return Ok(None),
                Piece::Progress => {}
                Piece::Frame(frame) => {
                    if let Some(whole) = self.place(frame)? {
                        return Ok(Some(whole));
                    }
                }
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if self.is_partial() || !src.is_empty() => Err(FrameError::Truncated),
            answer => Ok(answer),
        }
    }
}

impl Encode<&Frame> for FrameCodec {
    type Error = EncodeError;

    fn encode(&mut self, frame: &Frame, out: &mut Out) -> Result<(), EncodeError> {
        write_frame(&mut Reply::new(out, self.version), frame, 0, self.limits.depth)
    }
}

impl Encode<Frame> for FrameCodec {
    type Error = EncodeError;

    fn encode(&mut self, frame: Frame, out: &mut Out) -> Result<(), EncodeError> {
        self.encode(&frame, out)
    }
}

fn write_frame(reply: &mut Reply<'_>, frame: &Frame, depth: usize, max_depth: usize) -> Result<(), EncodeError> {
    let aggregate = |len: usize| match depth < max_depth {
        true => Ok(len),
        false => Err(EncodeError::TooDeep),
    };
    let elements = match frame {
        Frame::Simple(text) => {
            reply.simple(one_line(text)?);
            return Ok(());
        }
        Frame::Error(text) => {
            reply.error(one_line(text)?);
            return Ok(());
        }
        Frame::BulkError(text) => match reply.version() {
            Version::Resp2 => return write_frame(reply, &Frame::Error(text.clone()), depth, max_depth),
            Version::Resp3 => {
                reply.bulk_error(text);
                return Ok(());
            }
        },
        Frame::BigNumber(digits) => {
            if !is_big_number(digits) {
                return Err(EncodeError::InvalidBigNumber);
            }
            reply.big_number(digits);
            return Ok(());
        }
        Frame::Integer(value) => {
            reply.int(*value);
            return Ok(());
        }
        Frame::Bulk(bytes) => {
            match bytes.len() {
                0..BY_REFERENCE => reply.bulk(bytes),
                _ => reply.bulk_bytes(bytes.clone()),
            }
            return Ok(());
        }
        Frame::Null => {
            reply.null();
            return Ok(());
        }
        Frame::Double(value) => {
            reply.double(*value);
            return Ok(());
        }
        Frame::Boolean(value) => {
            reply.boolean(*value);
            return Ok(());
        }
        Frame::Verbatim { format, text } => {
            reply.verbatim(format, text);
            return Ok(());
        }
        Frame::Attribute { attributes, value } => {
            aggregate(0)?;
            if reply.attribute(attributes.len()) {
                write_pairs(reply, attributes, depth + 1, max_depth)?;
            }
            return write_frame(reply, value, depth + 1, max_depth);
        }
        Frame::Map(pairs) => {
            reply.map(aggregate(pairs.len())?);
            return write_pairs(reply, pairs, depth + 1, max_depth);
        }
        Frame::Array(elements) => {
            reply.array(aggregate(elements.len())?);
            elements
        }
        Frame::Set(elements) => {
            reply.set(aggregate(elements.len())?);
            elements
        }
        Frame::Push(_) if depth > 0 => return Err(EncodeError::MisplacedPush),
        Frame::Push(elements) => {
            reply.push(aggregate(elements.len())?);
            elements
        }
    };
    elements.iter().try_for_each(|element| write_frame(reply, element, depth + 1, max_depth))
}

fn write_pairs(
    reply: &mut Reply<'_>,
    pairs: &[(Frame, Frame)],
    depth: usize,
    max_depth: usize,
) -> Result<(), EncodeError> {
    for (key, value) in pairs {
        write_frame(reply, key, depth, max_depth)?;
        write_frame(reply, value, depth, max_depth)?;
    }
    Ok(())
}

fn one_line(text: &[u8]) -> Result<&[u8], EncodeError> {
    match memchr::memchr2(b'\r', b'\n', text) {
        None => Ok(text),
        Some(_) => Err(EncodeError::LineBreak),
    }
}

/// Requests look alike in both versions: an array of bulk strings.
impl Encode<&Request> for FrameCodec {
    type Error = EncodeError;

    fn encode(&mut self, request: &Request, out: &mut Out) -> Result<(), EncodeError> {
        let mut reply = Reply::new(out, self.version);
        reply.array(request.len());
        for (i, arg) in request.iter().enumerate() {
            match request.get_bytes(i) {
                Some(bytes) if arg.len() >= BY_REFERENCE => reply.bulk_bytes(bytes),
                _ => reply.bulk(arg),
            }
        }
        Ok(())
    }
}

impl Encode<Request> for FrameCodec {
    type Error = EncodeError;

    fn encode(&mut self, request: Request, out: &mut Out) -> Result<(), EncodeError> {
        self.encode(&request, out)
    }
}

impl Encode<Args<'_>> for FrameCodec {
    type Error = EncodeError;

    fn encode(&mut self, args: Args<'_>, out: &mut Out) -> Result<(), EncodeError> {
        let mut reply = Reply::new(out, self.version);
        reply.array(args.len());
        args.iter().for_each(|arg| reply.bulk(arg));
        Ok(())
    }
}
