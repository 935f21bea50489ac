//! What every request passes and every response gets: an identifier, a time limit, headers that are safe by default, and a
//! line in the log.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tower::Service;
use xs_net::http::{FileBody, NextPiece, Piece, WithFiles};
use xs_net::listener::Addr;
use xs_net::{BoxError, Timer, timeout};
use xs_os::Rng;

use crate::body::Body;
use crate::files::SendsFiles;
use crate::problem::Problem;
use crate::reply::Reply;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What tells a request from all others: the client's own word for it, if it sent one, or chance. In the extensions of
/// each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) timer: Timer,
    pub(crate) rng: Mutex<Rng>,
    pub(crate) log: bool,
}

/// The outermost service of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Front<S> {
    inner: S,
    shared: Arc<Shared>,
    peer: Arc<Addr>,
    /// Whether the connection sends files by itself.
    files: bool,
}

impl<S> Front<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, peer: Addr, files: bool) -> Self {
        Front { inner, shared, peer: Arc::new(peer), files }
    }
}

impl Shared {
    /// A client's own identifier is taken if it is short and plain: it ends in the log.
    fn request_id(&self, headers: &HeaderMap) -> RequestId {
        let plain = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
            !bytes.is_empty() && bytes.len() <= 64 && bytes.iter().all(is_plain)
        };
        if let Some(given) = headers.get(REQUEST_ID).filter(plain) {
            return RequestId(given.clone());
        }
        let (high, low) = {
            let mut rng = self.rng.lock();
            (rng.next_u64(), rng.next_u64())
        };
        let text = format!("{high:016x}{low:016x}");
        RequestId(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0")))
    }
}

/// Headers that make a browser careful, where the response says nothing else.
fn be_careful(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

impl<B, S> Service<Request<B>> for Front<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = timeout::Error<Infallible>, Future: Send + 'static>,
{
    type Response = WithFiles<Logged>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<WithFiles<Logged>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The time limit alone can fail, and only in a call.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = self.shared.request_id(request.headers());
        let began = self.shared.timer.now();
        let line = self.shared.log.then(|| {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let (id, peer, timer) = (id.clone(), self.peer.clone(), self.shared.timer.clone());
            Line { method, uri, id, peer, timer, began, status: StatusCode::OK, bytes: 0, whole: false }
        });
        request.extensions_mut().insert(id.clone());
        if self.files {
            request.extensions_mut().insert(SendsFiles);
        }
        let answered = self.inner.call(request);
        Box::pin(async move {
            let mut response = match answered.await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail("It took too long.").reply(),
            };
            be_careful(response.headers_mut());
            response.headers_mut().insert(REQUEST_ID, id.0);
            let status = response.status();
            Ok(WithFiles(response.map(|body| Logged {
                line: line.map(|line| Line { status, whole: body.is_end_stream(), ..line }),
                body,
            })))
        })
    }
}

/// A line of the log, written when the response has left or broken off.
#[derive(Debug)]
struct Line {
    method: Method,
    uri: Uri,
    id: RequestId,
    peer: Arc<Addr>,
    timer: Timer,
    began: Instant,
    status: StatusCode,
    bytes: u64,
    whole: bool,
}

/// A body that is counted for the log.
#[derive(Debug)]
pub(crate) struct Logged {
    body: Body,
    line: Option<Line>,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        self.count(&next, |frame| frame.data_ref().map_or(0, Bytes::len));
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl FileBody for Logged {
    fn poll_piece(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextPiece<Self> {
        let next = Pin::new(&mut self.body).poll_piece(cx);
        self.count(&next, |piece| match piece {
            Piece::Frame(frame) => frame.data_ref().map_or(0, Bytes::len),
            Piece::External { len, .. } => *len,
        });
        next
    }
}

impl Logged {
    /// Takes note of what comes next.
    fn count<T>(&mut self, next: &Poll<Option<Result<T, BoxError>>>, len: impl Fn(&T) -> usize) {
        let Some(line) = &mut self.line else { return };
        match next {
            Poll::Ready(Some(Ok(piece))) => {
                line.bytes += len(piece) as u64;
                line.whole = self.body.is_end_stream();
            }
            Poll::Ready(None) => line.whole = true,
            _ => {}
        }
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let Some(line) = &self.line else { return };
        let ms = line.timer.now().saturating_duration_since(line.began).as_secs_f64() * 1e3;
        // The body of a HEAD is never sent, and nothing of it is missing.
        let cut = !line.whole && line.method != Method::HEAD;
        let (method, path, status, bytes) = (&line.method, &line.uri, line.status.as_u16(), line.bytes);
        let (peer, id) = (&line.peer, line.id.as_str());
        let ms = (ms * 1e3).round() / 1e3;
        if cut {
            tracing::info!(target: "xs_http::access", %peer, %method, %path, status, bytes, ms, id, "cut off");
        } else {
            tracing::info!(target: "xs_http::access", %peer, %method, %path, status, bytes, ms, id);
        }
    }
}
