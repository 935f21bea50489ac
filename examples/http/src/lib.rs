//! **A web server, assembled**: a listener × TLS × HTTP/1.1 × a service.
//!
//! ```text
//! cargo run --release -p xs-http -- serve .
//! curl -i http://127.0.0.1:8080/
//! ```
//!
//! # The problem
//!
//! A test of an HTTP client wants a real server, now, on a free port, that does exactly what the test says and is gone
//! afterwards. A program that has something to show wants a server that needs no reading up. Both want what every server
//! should do and few do from the start: limits on everything that a stranger sends, an end that cuts nobody off, ranges
//! and conditions by the book.
//!
//! # How it works
//!
//! A service is a function from a request to a response. Here are two, and what stands between them and a port:
//!
//! ```text
//!   TcpListener ─▶ Tls ─▶ HTTP/1.1 ─▶ Front ──────▶ Timeout ─▶ Cors ─▶ Compress ─▶ Router │ Files │ yours
//!    xs-net       xs-net   xs-net,    request id,    xs-net     └─ tower-http ─┘
//!                         xs-proto    log, headers
//! ```
//!
//! Read [`router`], [`files`], then [`cli`]. [`Serve`] is the assembly; [`todos`] is a small API made of a router. CORS and
//! compression are tower-http's: the `http` crate's types make any such layer fit.
//!
//! # Invariants
//!
//! - A head has 10 s to come and 32 KiB, a body 64 MiB and 30 s between two pieces, an idle connection 75 s, a TLS handshake
//!   10 s, a service 30 s ([`Serve::http`], [`Serve::request_timeout`]). What is slower or larger is told so, and closed.
//! - The address is bound before [`Serve::start`] returns.
//! - [`Running::shutdown`] finishes what was asked; dropping a [`Running`] cuts it off.
//! - A panic of a handler ends its connection alone.
//! - What a response does not say itself is said carefully: `nosniff`, no framing by others, short referrers.
//! - An entity tag is strong only for exactly the bytes that were sent: compression on the way makes it weak.
//!
//! # Cost
//!
//! What [`xs_net::http`] costs, and some boxes on top: one for the answer of each part that is in use. An idle connection
//! holds a few KiB.
//!
//! # Example
//!
//! A server inside a test:
//!
//! ```
//! use http::StatusCode;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_http::{Router, Serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let router = Router::new()
//!     .get("/hello/{name}", |_, params| async move { format!("hello {}\n", params["name"]) })?
//!     .get("/teapot", |_, _| async { StatusCode::IM_A_TEAPOT })?;
//! let server = Serve::new(router).start().await?;
//!
//! let mut client = tokio::net::TcpStream::connect(server.addr()).await?;
//! client.write_all(b"GET /hello/you HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello you\n"));
//! server.shutdown().await?;
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! axum has the extractors and the ecosystem, on hyper: its `Router` is a service of the same types, and is served by
//! [`xs_net::http::Server`] as well as this one. wiremock and httpmock are servers for tests, with expectations.
//!
//! # What this leaves out
//!
//! HTTP/2 and 3, WebSockets (an upgrade reaches a service as [`xs_net::http::OnUpgrade`]), templates, sessions, forms,
//! passwords. `Strict-Transport-Security`: it outlives a mistake, so whoever means it says it.
//!
//! # Try next
//!
//! Put a layer of xs-net, `limit` or `breaker`, around a router before it goes into [`Serve`], and look at it with `wrk`.
//!
//! # Sources
//!
//! RFC 9110, 9112, 9457; the Fetch standard; OWASP's list of secure headers.

#![forbid(unsafe_code)]

mod body;
pub mod cli;
mod compress;
pub mod files;
mod front;
mod input;
mod precompressed;
mod problem;
mod reply;
pub mod router;
mod serve;
mod todo;

pub use body::Body;
pub use files::{Files, FilesOptions};
pub use front::RequestId;
pub use input::json;
pub use problem::Problem;
pub use reply::{Json, Reply};
pub use router::{Params, Router};
pub use serve::{Cors, Running, Serve, StartError};
pub use todo::todos;
