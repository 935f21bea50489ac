//! [`RequestDecoder`]: what a server reads. The hot path of every command.

use bytes::{Buf, Bytes, BytesMut};

use super::args::{Args, Request, Span};
use super::inline::{self, Words};
use super::{InputLimits, length, parse_i64};
use crate::codec::{Blame, Decode};

/// Room for this many arguments is kept from one request to the next.
const KEPT_SPANS: usize = 1024;
/// Room for this many unescaped bytes is kept from one request to the next.
const KEPT_UNESCAPED: usize = 16 * 1024;

/// Finds the requests in a stream of bytes, without copying them.
///
/// The decoder works on a borrowed slice that starts where the current request starts. It keeps only positions, so
/// that a request which arrives in many pieces is scanned once, and the vector of positions is reused, so that a
/// request costs no allocation.
///
/// ```
/// use xs_proto::resp::{InputLimits, RequestDecoder};
///
/// let mut decoder = RequestDecoder::new(InputLimits::default());
/// let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
/// assert_eq!(decoder.parse(&input[..10]), Ok(None)); // more, please
/// assert_eq!(decoder.parse(input), Ok(Some(20)));
/// assert_eq!(decoder.args(input).iter().collect::<Vec<_>>(), [&b"GET"[..], b"k"]);
/// assert_eq!(decoder.parse(&input[20..]), Ok(Some(6))); // an inline request
/// assert_eq!(&decoder.args(&input[20..])[0], b"PING");
/// ```
#[derive(Debug, Clone)]
pub struct RequestDecoder {
    limits: InputLimits,
    authenticated: bool,
    // The limits in force, which depend on `authenticated`.
    bulk_limit: usize,
    multibulk_limit: usize,
    request_limit: usize,

    stage: Stage,
    /// Where the piece starts that is not parsed yet.
    pos: usize,
    /// Up to where a line's end has been looked for in vain.
    scanned: usize,
    /// How many arguments are still to come.
    remaining: usize,
    spans: Vec<Span>,
    /// Whether `spans` point into `unescaped` instead of the input.
    quoted: bool,
    unescaped: Vec<u8>,
}

/// ```text
///            '*' count > 0            '$' length           bytes and CRLF, more to come
///   Start ─────────────────▶ Length ─────────────▶ Payload ─────┐
///     ▲ │ line                  ▲                     │ │       │
///     │ │                       └─────────────────────┼─┴───────┘
///     └─┴──────────── a request is complete ──────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Length,
    Payload(usize),
}

impl RequestDecoder {
    /// A decoder at the start of a stream, of a client that need not authenticate.
    pub fn new(limits: InputLimits) -> Self {
        let mut decoder = RequestDecoder {
            limits,
            authenticated: true,
            bulk_limit: 0,
            multibulk_limit: 0,
            request_limit: 0,
            stage: Stage::Start,
            pos: 0,
            scanned: 0,
            remaining: 0,
            spans: Vec::new(),
            quoted: false,
            unescaped: Vec::new(),
        };
        decoder.settle_limits();
        decoder
    }

    /// The limits as they were set.
    pub fn limits(&self) -> &InputLimits {
        &self.limits
    }

    /// Changes the limits, from the next length on.
    pub fn set_limits(&mut self, limits: InputLimits) {
        self.limits = limits;
        self.settle_limits();
    }

    /// Says whether the client may send as much as anybody (the default), or must authenticate first and is held to
    /// the tighter limits until then.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.authenticated = authenticated;
        self.settle_limits();
    }

    fn settle_limits(&mut self) {
        let InputLimits { bulk, multibulk, request, unauthenticated_bulk, unauthenticated_multibulk, .. } = self.limits;
        self.request_limit = request.min(u32::MAX as usize - 2);
        self.bulk_limit = if self.authenticated { bulk } else { bulk.min(unauthenticated_bulk) };
        self.multibulk_limit = if self.authenticated { multibulk } else { multibulk.min(unauthenticated_multibulk) };
    }

    /// Whether a request has begun and is not complete.
    pub fn is_partial(&self) -> bool {
        self.stage != Stage::Start || self.scanned > 0
    }

    /// Parses one request at the start of `src`.
    ///
    /// - `Ok(Some(n))`: it takes `n` bytes, and [`args(src)`](Self::args) are its arguments. The caller takes the
    ///   bytes away before the next call. No arguments means that there is nothing to execute (an empty line, `*0`).
    /// - `Ok(None)`: it is not complete. The next call is made with the same bytes and more behind them.
    /// - `Err`: the stream is lost; the same bytes give the same error again.
    #[inline]
    pub fn parse(&mut self, src: &[u8]) -> Result<Option<usize>, RequestError> {
        if self.stage == Stage::Start {
            self.spans.clear();
            self.quoted = false;
            match src {
                [b'*', count @ b'1'..=b'9', b'\r', b'\n', ..]
                    if (count - b'0') as usize <= self.multibulk_limit && self.spans.capacity() <= KEPT_SPANS =>
                {
                    self.remaining = (count - b'0') as usize;
                    self.pos = 4;
                }
                _ => match self.start(src)? {
                    Started::Arguments => {}
                    Started::Done(answer) => return Ok(answer),
                },
            }
            self.stage = Stage::Length;
        }
        self.arguments(src)
    }

    /// The arguments of the request that [`parse`](Self::parse) has just found in `src`; empty at any other time.
    #[inline]
    pub fn args<'a>(&'a self, src: &'a [u8]) -> Args<'a> {
        if self.stage != Stage::Start {
            return Args::new(&[], src);
        }
        Args::new(&self.spans, if self.quoted { &self.unescaped } else { src })
    }

    /// Everything but a small count in front.
    #[cold]
    fn start(&mut self, src: &[u8]) -> Result<Started, RequestError> {
        self.spans.shrink_to(KEPT_SPANS);
        self.unescaped.clear();
        self.unescaped.shrink_to(KEPT_UNESCAPED);
        match src.first() {
            None => Ok(Started::Done(None)),
            Some(b'*') => {
                let Some((digits, next)) = self.header(src, 0, RequestError::BigMultibulkCount)? else {
                    return Ok(Started::Done(None));
                };
                let count = parse_i64(digits)
                    .filter(|count| *count <= self.limits.multibulk.min(i64::MAX as usize) as i64)
                    .ok_or(RequestError::InvalidMultibulkLength)?;
                if count > 0 && count as usize > self.multibulk_limit {
                    return Err(RequestError::UnauthenticatedMultibulkLength);
                }
                if count <= 0 {
                    self.scanned = 0;
                    return Ok(Started::Done(Some(next)));
                }
                self.remaining = count as usize;
                self.pos = next;
                Ok(Started::Arguments)
            }
            Some(_) => self.inline(src).map(Started::Done),
        }
    }

    fn inline(&mut self, src: &[u8]) -> Result<Option<usize>, RequestError> {
        let from = self.scanned.min(src.len());
        // A zero byte hides the line's end, as it ends a text in C: Redis then waits until the line is too long.
        let stop = memchr::memchr2(b'\n', 0, &src[from..]).map(|i| from + i);
        let end = stop.filter(|stop| src[*stop] == b'\n');
        // Redis takes a longer line if its end comes with the same read; here reads make no difference.
        if end.unwrap_or(src.len()) > self.limits.inline.min(self.request_limit) {
            return Err(RequestError::BigInline);
        }
        let Some(end) = end else {
            self.scanned = stop.unwrap_or(src.len());
            return Ok(None);
        };
        let line = &src[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match inline::split(line, &mut self.spans, &mut self.unescaped) {
            Words::Plain => {}
            Words::Quoted => self.quoted = true,
            Words::Unbalanced => {
                self.spans.clear();
                return Err(RequestError::UnbalancedQuotes);
            }
        }
        self.scanned = 0;
        Ok(Some(end + 1))
    }

    /// A line that starts with a type byte at `pos` and ends with CR and one byte more, which is not looked at, as
    /// Redis does not look at it. Answers what stands between, and where the next piece starts.
    fn header<'a>(
        &mut self,
        src: &'a [u8],
        pos: usize,
        too_big: RequestError,
    ) -> Result<Option<(&'a [u8], usize)>, RequestError> {
        let from = self.scanned.clamp(pos, src.len());
        let stop = memchr::memchr2(b'\r', 0, &src[from..]).map(|i| from + i);
        let end = stop.filter(|stop| src[*stop] == b'\r');
        if end.unwrap_or(src.len()) - pos > self.limits.inline {
            return Err(too_big);
        }
        match end {
            Some(end) if end + 2 <= src.len() => Ok(Some((src.get(pos + 1..end).unwrap_or_default(), end + 2))),
            _ => {
                self.scanned = stop.unwrap_or(src.len());
                Ok(None)
            }
        }
    }

    #[inline]
    fn arguments(&mut self, src: &[u8]) -> Result<Option<usize>, RequestError> {
        let mut pos = self.pos;
        let mut remaining = self.remaining;
        let mut resumed = match self.stage {
            Stage::Payload(len) => Some(len),
            _ => None,
        };
        loop {
            let (len, start) = if let Some(len) = resumed.take() {
                (len, pos)
            } else if let Some((len, taken)) = length::short(src, pos) {
                (len, pos + taken)
            } else {
                self.pos = pos;
                self.remaining = remaining;
                self.stage = Stage::Length;
                match self.length(src, pos)? {
                    Some(found) => found,
                    None => return Ok(None),
                }
            };
            if len > self.bulk_limit || len > self.request_limit.saturating_sub(start) {
                self.pos = start;
                self.remaining = remaining;
                self.stage = Stage::Payload(len);
                return Err(self.refuse(len));
            }
            // The two bytes behind the argument are skipped, not compared, as Redis does.
            let next = start + len + 2;
            if next > src.len() {
                self.pos = start;
                self.remaining = remaining;
                self.stage = Stage::Payload(len);
                return Ok(None);
            }
            self.spans.push(Span::new(start, len));
            pos = next;
            remaining -= 1;
            if remaining == 0 {
                self.stage = Stage::Start;
                self.scanned = 0;
                return Ok(Some(pos));
            }
        }
    }

    /// A length that is long, incomplete or wrong.
    #[cold]
    fn length(&mut self, src: &[u8], pos: usize) -> Result<Option<(usize, usize)>, RequestError> {
        if pos >= src.len() {
            return Ok(None);
        }
        let Some((digits, next)) = self.header(src, pos, RequestError::BigBulkCount)? else {
            return Ok(None);
        };
        if src[pos] != b'$' {
            return Err(RequestError::ExpectedBulk(src[pos]));
        }
        let len = parse_i64(digits).and_then(|len| usize::try_from(len).ok());
        let len = len.ok_or(RequestError::InvalidBulkLength)?;
        self.scanned = 0;
        Ok(Some((len, next)))
    }

    #[cold]
    fn refuse(&self, len: usize) -> RequestError {
        if len > self.limits.bulk {
            RequestError::InvalidBulkLength
        } else if len > self.bulk_limit {
            RequestError::UnauthenticatedBulkLength
        } else {
            RequestError::BigRequest
        }
    }
}

enum Started {
    Arguments,
    Done(Option<usize>),
}

impl Default for RequestDecoder {
    fn default() -> Self {
        RequestDecoder::new(InputLimits::default())
    }
}

/// Gives each request as a value that owns its bytes, shared with the read buffer. What has nothing to execute is
/// skipped. A server that can work on borrowed arguments calls [`RequestDecoder::parse`] instead.
impl Decode for RequestDecoder {
    type Item = Request;
    type Error = RequestError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Request>, RequestError> {
        while let Some(n) = self.parse(src)? {
            if self.spans.is_empty() {
                src.advance(n);
                continue;
            }
            let wire = src.split_to(n).freeze();
            let bytes = if self.quoted { Bytes::copy_from_slice(&self.unescaped) } else { wire };
            return Ok(Some(Request::from_parts(bytes, &self.spans)));
        }
        Ok(None)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Request>, RequestError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(RequestError::Truncated),
            answer => Ok(answer),
        }
    }
}

/// Why a stream holds no further request. The texts are those of Redis, which sends them behind `-ERR `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The count of arguments is no number, or beyond [`InputLimits::multibulk`].
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// More arguments than [`InputLimits::unauthenticated_multibulk`].
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// An argument's length is no number, negative or beyond [`InputLimits::bulk`].
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument longer than [`InputLimits::unauthenticated_bulk`].
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An argument starts with another byte than `$`.
    #[error("Protocol error: expected '$', got '{}'", *.0 as char)]
    ExpectedBulk(u8),
    /// The count of arguments takes more than [`InputLimits::inline`] bytes.
    #[error("Protocol error: too big mbulk count string")]
    BigMultibulkCount,
    /// The length of an argument takes more than [`InputLimits::inline`] bytes.
    #[error("Protocol error: too big bulk count string")]
    BigBulkCount,
    /// An inline request of more than [`InputLimits::inline`] bytes.
    #[error("Protocol error: too big inline request")]
    BigInline,
    /// An inline request with a quote that is not closed, or with something right behind a closing quote.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// The request as a whole is beyond [`InputLimits::request`]. Redis closes such a client without a word.
    #[error("Protocol error: too big request")]
    BigRequest,
    /// The stream ended inside a request.
    #[error("the stream ended inside a request")]
    Truncated,
}

impl RequestError {
    /// Who is at fault.
    pub fn blame(&self) -> Blame {
        use RequestError::*;
        match self {
            InvalidMultibulkLength | InvalidBulkLength | ExpectedBulk(_) | UnbalancedQuotes | Truncated => Blame::Peer,
            UnauthenticatedMultibulkLength
            | UnauthenticatedBulkLength
            | BigMultibulkCount
            | BigBulkCount
            | BigInline
            | BigRequest => Blame::Limit,
        }
    }
}
