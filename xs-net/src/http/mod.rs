//! HTTP/1.1 on connections: a server for any [`tower::Service`] over the `http` crate's types, and a client that is one.
//!
//! # The problem
//!
//! What a web service is in Rust has long been settled: a function from a [`http::Request`] to a [`http::Response`], with
//! bodies that come in pieces. Between that function and a socket stands a lot of small print. A body must be read while
//! its response is written, but not faster than it is used. Requests that came early must wait, and their answers leave in
//! one write. `Expect: 100-continue`, `HEAD`, upgrades and the client that has left all want to be treated in the right
//! moment, and a panic must cost one connection.
//!
//! # How it works
//!
//! The rules of the protocol are [`xs_proto::http1`]'s, a machine without sockets. A [`Driver`](crate::Driver) runs it on
//! a stream. What is left for this block is the loop between the machine and the service, [`Connection`]:
//!
//! ```text
//!              ┌ Connection ──────────────────────────────────────────────────────────────┐
//!              │          Request                                                         │
//!              │       ┌───────────▶ waiting ──▶ service.call(Request<Incoming>)          │
//!   Transport  │ Driver│  Data, End                         │          ▲                  │
//!     ◀──────▶ │ + http1::Server ──▶ Inlet ─── Incoming ────┼──────────┘ (poll_frame)     │
//!              │       ▲  Consumed, Continue ◀──┘           ▼                             │
//!              │       └─────────────────────── Respond, Data, End ◀── Response<B>, B     │
//!              └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The service's future and the response's body are polled in place: no task, no channel. A response whose body is there
//! already leaves with it in one piece. A body that is a file ([`FileBody`]) is sent by the kernel where the transport can.
//!
//! [`Server`] makes connections, and its [`serve`](Server::serve) is a service for [`serve`](crate::serve::serve()), so
//! that limits, draining and the registry are those of every other server here. A request can be asked for in two shapes:
//! [`http::Request`], for `tower-http` and `axum`, or [`Message`], whose head is as it came, for those who pass it on.
//!
//! The other side is [`Client`]: one connection, and a service of requests. There is no task behind it either. Whoever
//! awaits a response drives the connection, then whoever reads its body does, the rest of the request's body included:
//!
//! ```text
//!   home ──(free)──▶ ResponseFuture ──head──▶ ResponseBody ──end──▶ home, if it can be used again
//!                          └── dropped ──▶ cut ◀── dropped ──┘
//! ```
//!
//! A proxy [begins](Client::begin) requests instead, with heads that stay its own: what fails on one connection can be sent
//! on another without having been copied.
//!
//! # Invariants
//!
//! - One exchange at a time is under way, in the order of the requests (`Connection::advance`).
//! - Readiness is asked for only with a request at hand, and the service is called on the value that answered ready.
//! - Of a request's body at most [`receive_window`](xs_proto::http1::Limits::receive_window) bytes are held, of a
//!   response's body about [`send_window`](xs_proto::http1::Limits::send_window), and as much again in the driver.
//! - A response is whole or the client can tell that it is not: what fails before its head is 500, what fails later
//!   resets the connection. In either case the service is not called again (`give_up`).
//! - `100 Continue` is sent when the body is waited for, never before and never after the response.
//! - While earlier answers wait to be taken, no further pipelined request is begun (`Connection::begin`).
//! - A client's connection is at home only if nothing of an exchange is left on it (`Lent::bring_home`), so that no answer
//!   reaches who did not ask; and a failed request says whether it may have been sent ([`ClientError::retry`]).
//! - An [`OnUpgrade`] always resolves: with the stream, or with the news that there is none.
//!
//! # Cost
//!
//! One read and one write a request, or a batch of pipelined ones. Allocations of this block: none for a request without
//! a body, one for a body and one for each small piece of it, one for an upgrade. An idle connection holds no read buffer and at most 2 KiB for writing.
//! A client allocates a box for a request's body that is not empty, and nothing for its pieces.
//! The `http` crate's request has its header map and its URI to build: [`Message`] does without.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::{MemoryListener, Timer, http::{Incoming, Server}, serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let hello = tower::service_fn(|request: Request<Incoming>| async move {
//!     let text = format!("hello {}", request.uri().path());
//!     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
//! });
//! let (listener, connector) = MemoryListener::new(1);
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = tokio::spawn(serve(listener, Server::new(&Timer::system()).serve_clones(hello), stopped));
//!
//! let mut client = connector.connect().await?;
//! client.write_all(b"GET /you HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello /you"));
//! drop((client, stop));
//! assert_eq!(server.await??.aborted, 0);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! hyper has the same loop with the protocol inside of it, and the same order: one exchange at a time. It sends
//! `100 Continue` when the body is polled too. actix-web handles pipelined requests one by one as well and hands bodies
//! over through a shared queue. hyper's client has a task for each connection, which a request reaches through a channel;
//! here the request's own task does the work, and a proxy needs no hand-over between tasks. nginx and haproxy read a body as fast as it comes and buffer it where they are told to.
//!
//! # What this leaves out
//!
//! Keeping a client's connections, which is `pool`'s. With nobody polling, an idle connection of a client does not learn that its server has
//! closed it until it is asked ([`Client::is_reusable`]), and an upload whose response is not read stands still.
//!
//! Routing, files, compression, CORS: layers and services above. HTTP/2: a sibling machine. TLS: a transport below, the block `tls`.
//! Interim responses other than 100 have no place in the function from request to response.
//!
//! # Try next
//!
//! Serve an `axum::Router` with `Server::serve_clones` (a test does) and watch with `strace -c` how many system calls a
//! hundred pipelined requests cost.
//!
//! # Sources
//!
//! RFC 9110 (semantics; section 10.1.1 on expectations, 7.8 on upgrades) and RFC 9112 (HTTP/1.1; section 9.3.2 on
//! pipelining); the rustdoc of the `http-body` crate.

mod body;
mod client;
mod connection;
mod message;
mod server;
mod upgrade;

pub use body::Incoming;
pub use client::{Begun, Client, ClientError, ClientOptions, FromResponseHead, ResponseBody, ResponseFuture};
pub use connection::Connection;
pub use message::{FileBody, FromHead, IntoHead, Message, NextPiece, Piece, WithFiles};
pub use server::{Serve, ServeClones, Server, ServerOptions, Serving};
pub use upgrade::{NotUpgraded, OnUpgrade, Upgraded};
