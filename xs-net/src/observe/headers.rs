//! Traces and outcomes of HTTP: [`Headers`], [`status_class`], [`Counted`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use xs_proto::http1::{Fields, RequestHead, ResponseHead};

use super::{Propagate, TraceContext};
use crate::http::Message;

/// Requests carry their place in a trace in the fields `traceparent` and `tracestate`. A broken one counts as none.
///
/// For [`http::Request`] and for [`Message`]s with a [`RequestHead`], and for the fields alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
// A map looks for a name that is one already without reading it letter by letter.
static PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
static STATE: HeaderName = HeaderName::from_static(TRACESTATE);

fn broken(error: super::InvalidTraceParent) -> Option<TraceContext> {
    tracing::debug!(%error, "beginning a new trace");
    None
}

impl Propagate<HeaderMap> for Headers {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        let all = |name: &'static HeaderName| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
        TraceContext::parse(all(&PARENT), all(&STATE)).unwrap_or_else(broken)
    }

    fn inject(&self, headers: &mut HeaderMap, context: &TraceContext) {
        let value = |text: &[u8]| HeaderValue::from_bytes(text).expect("both are printable ASCII");
        headers.insert(&PARENT, value(&context.traceparent()));
        if context.state.is_empty() {
            headers.remove(&STATE);
        } else {
            headers.insert(&STATE, value(context.state.as_str().as_bytes()));
        }
    }
}

impl Propagate<Fields> for Headers {
    fn extract(&self, fields: &Fields) -> Option<TraceContext> {
        TraceContext::parse(fields.get_all(TRACEPARENT), fields.get_all(TRACESTATE)).unwrap_or_else(broken)
    }

    fn inject(&self, fields: &mut Fields, context: &TraceContext) {
        let set = |fields: &mut Fields, name, value: &[u8]| fields.set(name, value).expect("printable ASCII");
        set(fields, TRACEPARENT, &context.traceparent());
        if context.state.is_empty() {
            fields.remove(TRACESTATE);
        } else {
            set(fields, TRACESTATE, context.state.as_str().as_bytes());
        }
    }
}

impl<B> Propagate<Request<B>> for Headers {
    fn extract(&self, request: &Request<B>) -> Option<TraceContext> {
        self.extract(request.headers())
    }

    fn inject(&self, request: &mut Request<B>, context: &TraceContext) {
        self.inject(request.headers_mut(), context);
    }
}

impl<B> Propagate<Message<RequestHead, B>> for Headers {
    fn extract(&self, request: &Message<RequestHead, B>) -> Option<TraceContext> {
        self.extract(request.head.fields())
    }

    fn inject(&self, request: &mut Message<RequestHead, B>, context: &TraceContext) {
        self.inject(request.head.fields_mut(), context);
    }
}

/// A response that has a status: [`http::Response`], or a [`Message`] with a [`ResponseHead`].
pub trait HasStatus {
    /// The status.
    fn status(&self) -> StatusCode;
}

impl<B> HasStatus for Response<B> {
    fn status(&self) -> StatusCode {
        Response::status(self)
    }
}

impl<B> HasStatus for Message<ResponseHead, B> {
    fn status(&self) -> StatusCode {
        self.head.status()
    }
}

/// Calls outcomes "1xx" to "5xx" by their status, and "error" if there was none: a [`Judge`](super::Judge).
pub fn status_class<T: HasStatus, E>(result: &Result<T, E>) -> &'static str {
    let Ok(response) = result else { return "error" };
    match response.status().as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => super::OTHER,
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyEnd {
    /// How many bytes of payload passed.
    pub bytes: u64,
    /// Whether it came to its end. If not it failed, or nobody wanted the rest.
    pub complete: bool,
}

pin_project! {
    /// A body that tells once how it ended: to its end, with an error, or dropped before. That is when a line of an access
    /// log is due.
    pub struct Counted<B, F: FnOnce(BodyEnd)> {
        #[pin]
        body: B,
        bytes: u64,
        end: Option<F>,
    }

    impl<B, F: FnOnce(BodyEnd)> PinnedDrop for Counted<B, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(end) = this.end.take() {
                end(BodyEnd { bytes: *this.bytes, complete: false });
            }
        }
    }
}

impl<B: Body, F: FnOnce(BodyEnd)> Counted<B, F> {
    /// `end` is called once. A body that is at its end already is never asked again by some servers, so it has ended.
    pub fn new(body: B, end: F) -> Self {
        let mut counted = Counted { body, bytes: 0, end: Some(end) };
        if counted.body.is_end_stream() {
            tell(&mut counted.end, 0, true);
        }
        counted
    }
}

fn tell<F: FnOnce(BodyEnd)>(end: &mut Option<F>, bytes: u64, complete: bool) {
    if let Some(end) = end.take() {
        end(BodyEnd { bytes, complete });
    }
}

impl<B: Body, F: FnOnce(BodyEnd)> Body for Counted<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        use bytes::Buf;
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        match &frame {
            None => tell(this.end, *this.bytes, true),
            Some(Err(_)) => tell(this.end, *this.bytes, false),
            Some(Ok(frame)) => {
                *this.bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                if this.body.is_end_stream() {
                    tell(this.end, *this.bytes, true);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug, F: FnOnce(BodyEnd)> fmt::Debug for Counted<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("body", &self.body).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use std::cell::Cell;
    use xs_os::Rng;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn fields_are_read_in_any_case_and_written_once() {
        let mut rng = Rng::from_seed(3);
        let mut headers = HeaderMap::new();
        headers.append("TraceParent", HeaderValue::from_static(PARENT));
        headers.append("tracestate", HeaderValue::from_static("a=1"));
        headers.append("tracestate", HeaderValue::from_static("b=2"));
        let mut fields = Fields::new();
        for (name, value) in [("TraceParent", PARENT), ("TRACESTATE", "a=1"), ("tracestate", "b=2")] {
            fields.append(name, value.as_bytes()).unwrap();
        }
        let read = Headers.extract(&headers).unwrap();
        assert_eq!(Headers.extract(&fields), Some(read.clone()));
        assert_eq!((&read.traceparent()[..], read.state.as_str()), (PARENT.as_bytes(), "a=1,b=2"));

        let child = read.child(&mut rng);
        Headers.inject(&mut headers, &child);
        Headers.inject(&mut fields, &child);
        assert_eq!((Headers.extract(&headers), headers.len()), (Some(child.clone()), 2));
        assert_eq!((Headers.extract(&fields), fields.len()), (Some(child), 2));

        let root = TraceContext::root(false, &mut rng);
        Headers.inject(&mut headers, &root);
        Headers.inject(&mut fields, &root);
        assert_eq!((headers.len(), fields.len()), (1, 1), "the old state belongs to another trace");
        headers.append("traceparent", HeaderValue::from_static(PARENT));
        assert_eq!(Headers.extract(&headers), None);
    }

    #[tokio::test]
    async fn a_body_tells_its_end_once() {
        let told = Cell::new(None);
        let body = |text: &'static str| {
            Counted::new(Full::new(Bytes::from(text)), |end| assert!(told.replace(Some(end)).is_none()))
        };
        assert_eq!(body("hello").collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(told.take(), Some(BodyEnd { bytes: 5, complete: true }));
        drop(body("hello"));
        assert_eq!(told.take(), Some(BodyEnd { bytes: 0, complete: false }));
        drop(body(""));
        assert_eq!(told.take(), Some(BodyEnd { bytes: 0, complete: true }));
    }

    #[test]
    fn outcomes_are_called_by_their_hundred() {
        let of = |status: u16| {
            let response = Response::builder().status(status).body(()).unwrap();
            status_class::<_, ()>(&Ok(response))
        };
        assert_eq!(
            [of(101), of(204), of(304), of(404), of(599), of(999)],
            ["1xx", "2xx", "3xx", "4xx", "5xx", "other"]
        );
        assert_eq!(status_class::<Response<()>, _>(&Err(())), "error");
    }
}
