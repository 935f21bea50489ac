//! Compression on the way out: tower-http's, for what is worth it, with the entity tag put right.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use tower::Service;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::compression::{Compression, CompressionLevel};

use crate::body::Body;
use crate::precompressed::Precompressed;

/// What is shorter fits into one packet anyway.
const WORTH_IT: u64 = 1024;

/// A service whose responses are compressed for who takes that.
#[derive(Debug, Clone)]
pub(crate) struct Compress<S> {
    inner: S,
    on: bool,
}

impl<S> Compress<S> {
    pub(crate) fn new(inner: S, on: bool) -> Self {
        Compress { inner, on }
    }
}

/// Whether a response of this head can become shorter: text of some kind, all of it, and nobody minds.
fn is_compressible(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || ["json", "javascript", "xml", "wasm", "x-ndjson"].iter().any(|name| kind == format!("application/{name}"));
    let is_stream = kind == "text/event-stream";
    let is_whole = !matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
    is_whole && is_text && !is_stream && !text(header::CACHE_CONTROL).contains("no-transform")
}

impl<B, S> Service<Request<B>> for Compress<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static> + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.on {
            return Box::pin(self.inner.call(request));
        }
        let predicate = SizeAbove::new(WORTH_IT).and(is_compressible);
        let mut compression =
            Compression::new(&mut self.inner).quality(CompressionLevel::Default).compress_when(predicate);
        let compressed = compression.call(request);
        Box::pin(async move {
            let mut response = compressed.await?.map(Body::stream);
            if response.headers().contains_key(header::CONTENT_ENCODING)
                && response.extensions().get::<Precompressed>().is_none()
            {
                weaken(response.headers_mut());
            }
            Ok(response)
        })
    }
}

/// The tag is that of other bytes, which mean the same (RFC 9110, section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}
