//! What a handler may answer with.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::Body;
use crate::problem::Problem;

/// A value that a response can be made of.
pub trait Reply {
    /// The response.
    fn reply(self) -> Response<Body>;
}

impl Reply for Response<Body> {
    fn reply(self) -> Response<Body> {
        self
    }
}

impl Reply for StatusCode {
    fn reply(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self;
        response
    }
}

impl Reply for &'static str {
    fn reply(self) -> Response<Body> {
        typed("text/plain; charset=utf-8", Body::from(self))
    }
}

impl Reply for String {
    fn reply(self) -> Response<Body> {
        typed("text/plain; charset=utf-8", Body::from(self))
    }
}

impl<T: Reply, E: Reply> Reply for Result<T, E> {
    fn reply(self) -> Response<Body> {
        match self {
            Ok(reply) => reply.reply(),
            Err(error) => error.reply(),
        }
    }
}

impl<T: Reply> Reply for (StatusCode, T) {
    fn reply(self) -> Response<Body> {
        let mut response = self.1.reply();
        *response.status_mut() = self.0;
        response
    }
}

/// A value as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> Reply for Json<T> {
    fn reply(self) -> Response<Body> {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => typed("application/json", Body::from(bytes)),
            Err(error) => {
                // A map whose keys are no strings, or a number that JSON has no word for.
                tracing::error!(%error, "a reply cannot be said in JSON");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR).reply()
            }
        }
    }
}

pub(crate) fn typed(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
