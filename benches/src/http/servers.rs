//! The servers under measurement: each answers `/small` with three bytes and everything else with 64 KiB from memory.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, Write};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::service_fn;
use xs_net::http::{Incoming, Message, Server};
use xs_net::listener::TcpOptions;
use xs_net::{Listener, TcpListener, Timer};
use xs_proto::http1::{RequestHead, ResponseHead};

static LARGE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

fn body(path: &str) -> Full<Bytes> {
    Full::new(Bytes::from_static(if path == "/small" { b"hey" } else { &LARGE }))
}

/// Serves until it is killed; says its port first.
pub(super) fn serve(name: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match name {
            "xs" => {
                let service = service_fn(|request: Request<Incoming>| async move {
                    Ok::<_, Infallible>(Response::new(body(request.uri().path())))
                });
                serve_ours(Server::new(&Timer::system()).serve_clones(service)).await
            }
            "xs-raw" => {
                let service = service_fn(|request: Message<RequestHead>| async move {
                    let body = body(request.head.target());
                    Ok::<_, Infallible>(Message::new(ResponseHead::from(StatusCode::OK), body))
                });
                serve_ours(Server::new(&Timer::system()).serve(move |_| service)).await
            }
            #[cfg(feature = "peers-http")]
            "hyper" => hyper().await,
            _ => Err(io::Error::other(format!("no server is called {name}"))),
        }
    })
}

fn say(port: u16) -> io::Result<()> {
    println!("{port}");
    io::stdout().flush()
}

async fn serve_ours<S>(connections: S) -> io::Result<()>
where
    S: tower::Service<xs_net::Conn<tokio::net::TcpStream, xs_net::Addr>>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: Into<xs_net::BoxError> + 'static,
{
    let listener = TcpListener::bind(([127, 0, 0, 1], 0).into(), TcpOptions::default()).map_err(io::Error::other)?;
    if let xs_net::Addr::Tcp(addr) = listener.local_addr() {
        say(addr.port())?;
    }
    xs_net::serve(listener, connections, pending::<()>()).await.map(drop)
}

#[cfg(feature = "peers-http")]
async fn hyper() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    say(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                Ok::<_, Infallible>(Response::new(body(request.uri().path())))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            // A connection that ends in another way than it should is wrk's to report.
            let _ = hyper::server::conn::http1::Builder::new().pipeline_flush(true).serve_connection(io, service).await;
        });
    }
}
