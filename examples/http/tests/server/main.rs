//! The server in the same process, asked by our own client and by hand.

mod api;
mod attacks;
mod files;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;
use xs_http::{Files, FilesOptions, Running, Serve};
use xs_net::http::{Client, ClientOptions};
use xs_net::{Bridge, Timer};
use xs_os::{Rng, ThreadJobs};

/// A response that has arrived.
type Answer = Response<Bytes>;

/// Asks on a connection of its own.
async fn ask(server: &Running, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    ask_on(stream, request).await
}

async fn ask_on<Io: xs_net::Transport + Unpin + Send + 'static>(io: Io, mut request: Request<Full<Bytes>>) -> Answer {
    let host = http::HeaderValue::from_static("test");
    request.headers_mut().entry(http::header::HOST).or_insert(host);
    let client = Client::new(io, &Timer::system(), ClientOptions::default());
    let response: Response<_> = soon(client.oneshot(request)).await.unwrap();
    let (head, body) = response.into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

/// `GET` with these headers.
async fn get(server: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(server, request.body(Full::default()).unwrap()).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Says these bytes, ends its side, and hears all that comes.
async fn raw(server: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    let _ = soon(stream.read_to_end(&mut heard)).await;
    String::from_utf8_lossy(&heard).into_owned()
}

async fn soon<F: Future>(future: F) -> F::Output {
    Timer::system().timeout(Duration::from_secs(30), future).await.expect("it hangs")
}

/// A file with a past: changed an hour ago.
fn write(dir: &Path, name: &str, content: &[u8]) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(an_hour_ago()).unwrap();
}

fn an_hour_ago() -> SystemTime {
    Timer::system().wall() - Duration::from_secs(3600)
}

fn files(dir: &Path, options: FilesOptions) -> Files {
    let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 2, 64);
    Files::open(dir, options, bridge, &Timer::system(), &mut Rng::from_seed(1)).unwrap()
}

async fn serve(dir: &Path, options: FilesOptions) -> Running {
    Serve::new(files(dir, options)).start().await.unwrap()
}

/// Bytes that differ from their neighbours.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}
