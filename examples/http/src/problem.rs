//! Errors that a program can read: problem details (RFC 9457).

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::body::Body;
use crate::reply::{Reply, typed};

/// What went wrong, for the program that asked: `application/problem+json`.
///
/// ```
/// use http::StatusCode;
/// use xs_http::{Problem, Reply};
///
/// let problem = Problem::new(StatusCode::CONFLICT)
///     .kind("https://example.com/problems/sold-out", "It is sold out.")
///     .detail("Seat 17 was taken a moment ago.")
///     .with("seat", 17);
/// let response = problem.reply();
/// assert_eq!(response.status(), 409);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem that is no more than its status: its type is `about:blank`, and its title the status' own.
    pub fn new(status: StatusCode) -> Problem {
        let mut members = Map::new();
        members.insert("title".into(), json!(status.canonical_reason().unwrap_or("Error")));
        members.insert("status".into(), json!(status.as_u16()));
        Problem { status, members }
    }

    /// Of which kind it is: a URI by which programs know it, and its summary for people.
    #[must_use]
    pub fn kind(self, uri: &str, title: &str) -> Problem {
        self.with("type", uri).with("title", title)
    }

    /// What happened this time, for people. Never the program's own errors: they may say too much.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Problem {
        self.with("detail", detail.into())
    }

    /// Another member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl Reply for Problem {
    fn reply(self) -> Response<Body> {
        let mut response = typed("application/problem+json", Body::from(Value::Object(self.members).to_string()));
        *response.status_mut() = self.status;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn members_are_what_the_standard_names() {
        let problem = Problem::new(StatusCode::NOT_FOUND).detail("no such \"thing\"").with("id", 7);
        let body = problem.reply().into_body().collect().await.unwrap().to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value, json!({"title": "Not Found", "status": 404, "detail": "no such \"thing\"", "id": 7}));
    }
}
