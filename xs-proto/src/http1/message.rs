//! The vocabulary of both machines: events and commands, and what they carry.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, request, response};

use super::error::Error;
use super::fields::Fields;
use super::request::RequestHead;
use super::response::ResponseHead;

/// Names one exchange, a request and its response, on a connection. They count from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// How the body of a received message is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Not at all: there is no body.
    None,
    /// By `Content-Length`.
    Sized(u64),
    /// In chunks.
    Chunked,
    /// By the end of the connection; responses only.
    UntilClose,
}

impl Framing {
    /// Whether it is clear already that no byte will come. Then there are no events for the body either.
    pub fn is_empty(self) -> bool {
        matches!(self, Framing::None | Framing::Sized(0))
    }
}

/// The body of a message to be sent, as far as it is known when the head is.
pub enum Payload {
    /// There is none.
    Empty,
    /// This is all of it.
    Full(Bytes),
    /// This many bytes will follow as data commands, and then an end.
    Sized(u64),
    /// An unknown number will.
    Streamed,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Empty => f.write_str("Empty"),
            Payload::Full(bytes) => f.debug_tuple("Full").field(&bytes.len()).finish(),
            Payload::Sized(len) => f.debug_tuple("Sized").field(len).finish(),
            Payload::Streamed => f.write_str("Streamed"),
        }
    }
}

/// The memory of messages that are done with, for those to come: with it, a request and its response in the `http` crate's
/// types cost the machine no allocation.
#[derive(Debug, Default)]
pub struct Spare {
    head: Option<Box<RequestHead>>,
    fields: Fields,
    map: HeaderMap,
}

impl Spare {
    /// The memory of more fields than this is not kept.
    const MOST: usize = 64;

    /// Keeps the memory of a request's head.
    pub fn put_head(&mut self, mut head: Box<RequestHead>) {
        if head.fields().capacity() <= Self::MOST {
            head.forget();
            self.head = Some(head);
        }
    }

    /// A head to be filled, whose memory may be there already.
    pub(super) fn take_head(&mut self) -> Box<RequestHead> {
        let mut head = self.head.take().unwrap_or_default();
        if head.fields().capacity() == 0 {
            *head.fields_mut() = self.take_fields();
        }
        head
    }

    /// Keeps the memory of a response that was sent.
    #[inline]
    pub fn put_response(&mut self, head: AnyResponse) {
        match head {
            AnyResponse::Parts(parts) => self.put_map(parts.headers),
            AnyResponse::Head(head) => self.put_fields(head.into_fields()),
        }
    }

    /// Keeps the memory of a head's fields, unless there is more already.
    pub fn put_fields(&mut self, fields: Fields) {
        if fields.capacity() > self.fields.capacity() && fields.capacity() <= Self::MOST {
            self.fields.take_memory(fields);
        }
    }

    /// Keeps the memory of a map, unless a larger one is kept already.
    pub fn put_map(&mut self, mut map: HeaderMap) {
        if map.capacity() > self.map.capacity() && map.capacity() <= Self::MOST {
            map.clear();
            self.map = map;
        }
    }

    /// An empty list of fields, whose memory may be there already.
    pub fn take_fields(&mut self) -> Fields {
        std::mem::take(&mut self.fields)
    }

    /// An empty map, whose memory may be there already. Who takes it puts another one in its place.
    pub(super) fn map(&mut self) -> &mut HeaderMap {
        &mut self.map
    }
}

/// A request to be sent: in the `http` crate's types, or as it was received or built here.
#[derive(Debug)]
#[allow(missing_docs)] // the variants are what their contents are
pub enum AnyRequest {
    Parts(request::Parts),
    Head(RequestHead),
}

impl From<request::Parts> for AnyRequest {
    fn from(parts: request::Parts) -> AnyRequest {
        AnyRequest::Parts(parts)
    }
}

impl From<RequestHead> for AnyRequest {
    fn from(head: RequestHead) -> AnyRequest {
        AnyRequest::Head(head)
    }
}

impl From<Box<RequestHead>> for AnyRequest {
    fn from(head: Box<RequestHead>) -> AnyRequest {
        AnyRequest::Head(*head)
    }
}

impl AnyRequest {
    pub(super) fn as_ref(&self) -> RequestRef<'_> {
        match self {
            AnyRequest::Parts(parts) => RequestRef::Parts(parts),
            AnyRequest::Head(head) => RequestRef::Head(head),
        }
    }
}

/// A request to be sent that stays whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestRef<'a> {
    Parts(&'a request::Parts),
    Head(&'a RequestHead),
}

impl<'a> RequestRef<'a> {
    pub(super) fn method(self) -> &'a Method {
        match self {
            RequestRef::Parts(parts) => &parts.method,
            RequestRef::Head(head) => head.method(),
        }
    }
}

/// A response to be sent: in the `http` crate's types, or as it was received or built here.
#[derive(Debug)]
#[allow(missing_docs)] // the variants are what their contents are
pub enum AnyResponse {
    Parts(response::Parts),
    Head(ResponseHead),
}

impl From<response::Parts> for AnyResponse {
    fn from(parts: response::Parts) -> AnyResponse {
        AnyResponse::Parts(parts)
    }
}

impl From<ResponseHead> for AnyResponse {
    fn from(head: ResponseHead) -> AnyResponse {
        AnyResponse::Head(head)
    }
}

impl From<StatusCode> for AnyResponse {
    fn from(status: StatusCode) -> AnyResponse {
        AnyResponse::Head(status.into())
    }
}

impl AnyResponse {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            AnyResponse::Parts(parts) => parts.status,
            AnyResponse::Head(head) => head.status(),
        }
    }
}

impl AnyRequest {
    /// Gives its memory.
    pub(super) fn give(self, spare: &mut Spare) {
        match self {
            AnyRequest::Parts(parts) => spare.put_map(parts.headers),
            AnyRequest::Head(head) => spare.put_fields(head.into_fields()),
        }
    }
}

/// Trailer fields to be sent.
#[derive(Debug)]
#[allow(missing_docs)] // the variants are what their contents are
pub enum AnyFields {
    Map(HeaderMap),
    Fields(Fields),
}

impl From<HeaderMap> for AnyFields {
    fn from(map: HeaderMap) -> AnyFields {
        AnyFields::Map(map)
    }
}

impl From<Fields> for AnyFields {
    fn from(fields: Fields) -> AnyFields {
        AnyFields::Fields(fields)
    }
}

/// What a server must know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A request has begun. If its [framing](RequestHead::framing) is empty that is all of it; else `Data` and one `End`
    /// follow.
    Request {
        /// The new exchange.
        stream: StreamId,
        /// Its head, in memory that can be [given back](Spare::put_head).
        head: Box<RequestHead>,
    },
    /// A piece of the request's body. It must be given back with [`ServerCommand::Consumed`], once it is used.
    Data {
        /// The exchange.
        stream: StreamId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// The request's body is complete.
    End {
        /// The exchange.
        stream: StreamId,
        /// What came behind the body. These are not the head's fields, and must not be taken for them.
        trailers: Option<Box<Fields>>,
    },
    /// There is room again for data of this exchange, after its [`window`](crate::Machine::window) had none.
    Writable {
        /// The exchange.
        stream: StreamId,
    },
    /// The exchange will not be completed: its request broke off or broke the rules, or the connection did. No further
    /// event concerns it, and commands for it do nothing. If the response had not begun, the machine has answered with
    /// the error's [status](Error::status) where that makes sense.
    Reset {
        /// The exchange.
        stream: StreamId,
        /// Why.
        error: Error,
    },
    /// What came was no request, or came too slowly. The machine answers with the error's [status](Error::status),
    /// behind the responses to the requests before, and closes.
    Refused {
        /// Why.
        error: Error,
    },
}

/// What a server wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerCommand {
    /// Gives leave to send the body, where the client waits for it ([`RequestHead::expects_continue`]). Does nothing
    /// where it does not wait, or does no longer.
    Continue {
        /// The exchange.
        stream: StreamId,
    },
    /// An interim response (1xx) before the response. Does nothing for a client of HTTP/1.0, which knows none.
    Inform {
        /// The exchange.
        stream: StreamId,
        /// Its status and fields.
        head: AnyResponse,
    },
    /// The response.
    Respond {
        /// The exchange.
        stream: StreamId,
        /// Its status and fields.
        head: AnyResponse,
        /// Its body. Where the response can have none (to `HEAD`, 204, 304), its length is told as far as it may be and
        /// the exchange is complete.
        payload: Payload,
    },
    /// A piece of the response's body.
    Data {
        /// The exchange.
        stream: StreamId,
        /// The piece.
        bytes: Bytes,
    },
    /// A piece of the response's body that only the transport can fetch: see [`Out::put_external`](crate::Out::put_external).
    External {
        /// The exchange.
        stream: StreamId,
        /// What the transport knows it by.
        chunk: Box<dyn Any + Send>,
        /// How many bytes it is.
        len: usize,
    },
    /// The response's body is complete.
    End {
        /// The exchange.
        stream: StreamId,
        /// Fields behind the body. Where the body is not sent in chunks there is no place for them, and they are
        /// dropped, as any recipient may (RFC 9110, section 6.5.1).
        trailers: Option<AnyFields>,
    },
    /// This much of the request's body has been used, and as much more may come.
    Consumed {
        /// The exchange.
        stream: StreamId,
        /// How many bytes.
        len: usize,
    },
    /// Gives the exchange up. If its response has begun, the connection is cut, since nothing else tells the client that
    /// the response is not whole. If not, the answer is 500.
    Abort {
        /// The exchange.
        stream: StreamId,
    },
    /// The calendar's time, as [`http_date`](super::http_date) writes it, for responses without a `Date` from now on.
    Date([u8; 29]),
    /// Take no new request. The exchanges under way are completed, and the last response says that the connection closes.
    Shutdown,
}

/// What a client must know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server waits for the body that was held back for `Expect: 100-continue`, or says something else in advance
    /// (1xx). The response is still to come.
    Informed {
        /// The exchange.
        stream: StreamId,
        /// The interim response.
        head: ResponseHead,
    },
    /// The response has begun.
    Response {
        /// The exchange.
        stream: StreamId,
        /// Its head.
        head: ResponseHead,
        /// Whether that is all of it. If not, `Data` and one `End` follow.
        complete: bool,
    },
    /// A piece of the response's body. It must be given back with [`ClientCommand::Consumed`], once it is used.
    Data {
        /// The exchange.
        stream: StreamId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// The response's body is complete.
    End {
        /// The exchange.
        stream: StreamId,
        /// What came behind the body.
        trailers: Option<Fields>,
    },
    /// There is room again for data of this exchange, after its [`window`](crate::Machine::window) had none.
    Writable {
        /// The exchange.
        stream: StreamId,
    },
    /// The exchange will not be completed. No further event concerns it, and commands for it do nothing.
    Reset {
        /// The exchange.
        stream: StreamId,
        /// Why.
        error: Error,
    },
}

/// What a client wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientCommand {
    /// A new exchange, whose id is the one that [`Client::next_stream`](super::Client::next_stream) tells.
    Request {
        /// Its method, target and fields.
        head: AnyRequest,
        /// Its body.
        payload: Payload,
    },
    /// A piece of the request's body.
    Data {
        /// The exchange.
        stream: StreamId,
        /// The piece.
        bytes: Bytes,
    },
    /// The request's body is complete.
    End {
        /// The exchange.
        stream: StreamId,
        /// Fields behind the body, which are dropped where the body is not sent in chunks.
        trailers: Option<AnyFields>,
    },
    /// This much of the response's body has been used, and as much more may come.
    Consumed {
        /// The exchange.
        stream: StreamId,
        /// How many bytes.
        len: usize,
    },
    /// Gives the exchange up, and with it the connection, on which nothing else can follow.
    Abort {
        /// The exchange.
        stream: StreamId,
    },
    /// Begin no further exchange, and close when those under way are complete.
    Shutdown,
}
