//! Who a connection really comes from, by the PROXY protocol: [`Accept`] reads its header, [`write()`] sends one.
//!
//! # The problem
//!
//! Behind a proxy every connection comes from the proxy. The header of [`xs_proto::proxy_protocol`] says whose it is. Whoever
//! reads it must not believe it from anybody: a client that may write its own header may be anyone. It must not wait for it
//! in the accept loop, where one silent connection would hold up all others. And what comes behind the header belongs to the
//! next protocol, to the last byte.
//!
//! # How it works
//!
//! [`Accept`] is a service of connections around another one. In its future, so in the connection's own task:
//!
//! ```text
//!   Conn { peer: proxy } ──▶ trusted? ──no──▶ refused, or passed on as it is
//!                              │ yes
//!                              ▼
//!                   header, within the time limit, and not a byte more
//!                              │
//!                              ▼
//!   Conn { peer: Peer { addr: client, via: proxy, header }, local: where the client connected to } ──▶ the service
//! ```
//!
//! It never reads more than the header still lacks ([`HeaderCodec::missing`]), so the stream that it hands on is the one
//! that it was given: no wrapper with left-over bytes, and nothing that a relay could not splice. A [`Peer`] becomes the
//! client's [`Addr`](crate::Addr), so whatever lists or limits connections by address sees the client.
//!
//! # Invariants
//!
//! - A header is read of those only whom `trusts` names, and from them it is demanded: there is no guessing
//!   (`Accepting::poll`).
//! - Accepting waits for no header ([`Accept`] is always ready; `a_silent_proxy_holds_up_nobody`).
//! - The service gets the stream at the first byte behind the header (`the_stream_begins_behind_the_header`).
//! - A connection without a good header in time is closed, and its service never called.
//!
//! # Cost
//!
//! A version 2 header takes two reads, one of version 1 about four to eight: the price of not reading beyond it. One small
//! allocation for the bytes of the header and the timer's.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::listener::{Addr, MemoryListener, MemoryStream};
//! use xs_net::proxy_protocol::{Accept, AcceptOptions, Header, Peer, Version, write};
//! use xs_net::{Conn, Timer, serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let greet = tower::service_fn(|mut conn: Conn<MemoryStream, Peer>| async move {
//!     let _ = conn.io.write_all(format!("hello {}", conn.peer.addr).as_bytes()).await;
//!     Ok::<_, Infallible>(())
//! });
//! let options = AcceptOptions::new("edge");
//! let accept = Accept::new(greet, options, &Timer::system(), |proxy: &Addr| matches!(proxy, Addr::Memory(_)));
//! let (listener, connector) = MemoryListener::new(1);
//! tokio::spawn(serve(listener, accept, std::future::pending::<()>()));
//!
//! let mut upstream = connector.connect().await?;
//! let (client, us) = ("192.0.2.7:56324".parse().unwrap(), "198.51.100.1:443".parse().unwrap());
//! write(&mut upstream, &Header::proxied(client, us), Version::V2).await.unwrap();
//! let mut text = String::new();
//! upstream.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello 192.0.2.7:56324");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! nginx and haproxy demand the header by a setting of the listener; haproxy can demand it of some addresses only, and Go's
//! `go-proxyproto` has a policy for each peer, with one to skip a header and one that guesses, which the specification
//! forbids. Most libraries wrap the stream to give back what they read too much of it.
//!
//! # What this leaves out
//!
//! The network ranges themselves: `trusts` is a function of the peer's address. Writing the header in front of the first
//! bytes of a TLS handshake needs nothing special: it goes out before the handshake begins.
//!
//! # Try next
//!
//! Put [`Accept`] in front of a server that knows its clients by address, let `trusts` say yes to everybody, and become
//! somebody else with `printf` and a pipe.
//!
//! # Sources
//!
//! The PROXY protocol's specification, sections 2 and 5: a short time limit of at least 3 s, no detection, trusted sources
//! only.

mod accept;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use xs_proto::{Decode, Encode, Out};

pub use accept::{Accept, AcceptOptions, Accepting, Error, Others, Peer, Refused};
pub use xs_proto::proxy_protocol::{Header, HeaderCodec, Version};

use crate::Transport;
use crate::transport::write_all;

/// Reads a header, and not a byte more.
///
/// # Errors
///
/// As [`Refused`]; there is no time limit here.
pub async fn read<Io: AsyncRead + Unpin>(io: &mut Io, mut codec: HeaderCodec) -> Result<Header, Refused> {
    let mut src = BytesMut::new();
    poll_fn(|cx| poll_header(cx, io, &mut codec, &mut src)).await
}

fn poll_header<Io: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    io: &mut Io,
    codec: &mut HeaderCodec,
    src: &mut BytesMut,
) -> Poll<Result<Header, Refused>> {
    loop {
        if let Some(header) = codec.decode(src)? {
            return Poll::Ready(Ok(header));
        }
        let mut space = [0; 256];
        let missing = codec.missing(src).min(space.len());
        let mut piece = ReadBuf::new(&mut space[..missing]);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut piece)).map_err(Refused::Io)?;
        if piece.filled().is_empty() {
            return Poll::Ready(match codec.decode_eof(src)? {
                Some(header) => Ok(header),
                None => Err(Refused::Closed),
            });
        }
        src.extend_from_slice(piece.filled());
    }
}

/// Writes a header in front of everything else.
///
/// # Errors
///
/// Those of the stream, and `InvalidInput` for a header that the version cannot say
/// ([`EncodeError`](xs_proto::proxy_protocol::EncodeError)).
pub async fn write<Io: Transport + Unpin>(io: &mut Io, header: &Header, version: Version) -> io::Result<()> {
    let mut out = Out::new();
    let encoded = HeaderCodec::new(version).encode(header, &mut out);
    encoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    write_all(io, &mut out).await
}
