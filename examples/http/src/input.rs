//! A request's body as a value.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use xs_net::BoxError;

use crate::problem::Problem;

/// Reads a body of JSON, of `most` bytes at most.
///
/// # Errors
///
/// What the client did wrong: 415 it is no JSON by its own account, 413 it is too large, 400 it breaks off or is no JSON,
/// 422 it is JSON of another shape.
pub async fn json<T, B>(request: Request<B>, most: usize) -> Result<T, Problem>
where
    T: DeserializeOwned,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let too_large = || {
        let detail = format!("The body may have {most} bytes at most.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail(detail).with("limit", most)
    };
    if !says_json(request.headers()) {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        return Err(problem.detail("The body must be JSON, and say so: Content-Type: application/json."));
    }
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let body = std::pin::pin!(Limited::new(request.into_body(), most));
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => return Err(Problem::new(StatusCode::BAD_REQUEST).detail("The body did not arrive as a whole.")),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        Problem::new(status).detail(format!("The body is not what is expected: {error}."))
    })
}

/// `application/json`, or a type that is built on it.
fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
