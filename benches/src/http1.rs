//! What a request costs in HTTP/1.1 itself, without a socket: parsing it, handing it over, and writing a response.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header, response};
use xs_proto::http1::{
    Client, ClientCommand, ClientEvent, Limits, Payload, ResponseHead, Server, ServerCommand, ServerEvent, Timeouts,
};
use xs_proto::{Machine, Out};

use crate::arguments::{self, Arguments};
use crate::median;

/// What `--help` prints.
const HELP: &str = "\
http1: nanoseconds a request, parsed and answered in memory, beside httparse with the http crate's types and hyper

  --quick       a tenth of the requests, and three rounds
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds

Build with `--features peers-http` (or `peers`) to measure httparse and hyper.
";

/// Four fields, as curl and load generators send.
const SMALL: &str = "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\nX-Request-Id: 17\r\n\r\n";

/// What a browser sends to a site that it knows.
const BROWSER: &str = "GET /account/orders?page=2&sort=date HTTP/1.1\r\nHost: shop.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example.org/account\r\nConnection: keep-alive\r\n\
    Cookie: session=0f8fad5b-d9cb-469f-a165-70867728950e; theme=dark; consent=necessary\r\n\
    Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\nSec-Fetch-User: ?1\r\nPriority: u=0, i\r\n\r\n";

const BODY: &[u8] = b"hello, world\n";
const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// Answers a request this many times and returns how many bytes it has sent.
type Run = fn(&str, usize) -> usize;

struct Subject {
    name: &'static str,
    ours: bool,
    run: Run,
}

fn subjects() -> Vec<Subject> {
    let ours = |name, run| Subject { name, ours: true, run };
    let all = [
        ours("xs, http types", with_types),
        ours("xs, http types, new fields", with_types_anew),
        ours("xs, heads as they came", with_heads),
        ours("xs, heads as they came, new fields", with_heads_anew),
        ours("xs, proxied", proxied),
    ];
    all.into_iter().chain(peers::subjects()).collect()
}

fn parts() -> response::Parts {
    let mut parts = Response::new(()).into_parts().0;
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    parts
}

/// A server whose service sees and gives the `http` crate's types.
fn with_types(request: &str, times: usize) -> usize {
    typed([request; 2], times)
}

/// The same with fields that are never those of the head before, for a connection knows those again.
fn with_types_anew(request: &str, times: usize) -> usize {
    typed([request, &other(request)], times)
}

/// The same fields in other bytes.
fn other(request: &str) -> String {
    request.replacen("Host", "host", 1)
}

fn typed(requests: [&str; 2], times: usize) -> usize {
    served(requests, times, |server, head| {
        let Ok(request) = head.into_request((), server.spare()) else { return StatusCode::BAD_REQUEST.into() };
        black_box(&request);
        self::parts().into()
    })
}

/// A server whose service looks at the head as it came.
fn with_heads(request: &str, times: usize) -> usize {
    plain([request; 2], times)
}

/// The same with fields that are never those of the head before.
fn with_heads_anew(request: &str, times: usize) -> usize {
    plain([request, &other(request)], times)
}

fn plain(requests: [&str; 2], times: usize) -> usize {
    served(requests, times, |_, head| {
        black_box(head.target());
        let mut head = ResponseHead::new(StatusCode::OK);
        // The name and value are constants that can be sent.
        let _ = head.fields_mut().append("content-type", b"text/plain");
        head.into()
    })
}

/// Serves two requests in turn.
fn served(
    requests: [&str; 2],
    times: usize,
    answer: impl Fn(&mut Server, Box<xs_proto::http1::RequestHead>) -> xs_proto::http1::AnyResponse,
) -> usize {
    let now = Instant::now();
    let mut server = Server::new(now, Limits::SERVER, Timeouts::DEFAULT);
    let _ = server.command(now, ServerCommand::Date(*DATE));
    let (mut src, mut out, mut sent) = (BytesMut::with_capacity(8192), Out::new(), 0);
    for time in 0..times {
        src.reserve(4096);
        src.extend_from_slice(requests[time % 2].as_bytes());
        server.handle_input(now, &mut src);
        let Some(ServerEvent::Request { stream, head }) = server.poll_event() else { return 0 };
        let head = answer(&mut server, head);
        let payload = Payload::Full(Bytes::from_static(BODY));
        let _ = server.command(now, ServerCommand::Respond { stream, head, payload });
        server.poll_transmit(&mut out);
        black_box(out.front());
        sent += out.len();
        out.advance(out.len());
    }
    sent
}

/// A proxy: a request comes in and goes out to a server, whose response comes in and goes out to the client.
fn proxied(request: &str, times: usize) -> usize {
    let now = Instant::now();
    let upstream_says = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhello, world\n";
    let mut server = Server::new(now, Limits::SERVER, Timeouts::DEFAULT);
    let mut client = Client::new(now, Limits::CLIENT, Timeouts::DEFAULT);
    let (mut src, mut upstream_src) = (BytesMut::with_capacity(8192), BytesMut::with_capacity(8192));
    let (mut out, mut sent) = (Out::new(), 0);
    for _ in 0..times {
        src.reserve(4096);
        src.extend_from_slice(request.as_bytes());
        server.handle_input(now, &mut src);
        let Some(ServerEvent::Request { stream, mut head }) = server.poll_event() else { return 0 };
        head.fields_mut().remove_hop_by_hop();
        let _ = head.fields_mut().append("x-forwarded-for", b"192.0.2.1");
        let _ = client.command(now, ClientCommand::Request { head: head.into(), payload: Payload::Empty });
        client.poll_transmit(&mut out);
        black_box(out.front());
        out.advance(out.len());
        upstream_src.reserve(4096);
        upstream_src.extend_from_slice(upstream_says);
        client.handle_input(now, &mut upstream_src);
        let mut response = None;
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Response { mut head, .. } => {
                    head.fields_mut().remove_hop_by_hop();
                    response = Some(head);
                }
                ClientEvent::Data { stream: upstream, bytes } => {
                    let consumed = ClientCommand::Consumed { stream: upstream, len: bytes.len() };
                    let Some(head) = response.take() else { return 0 };
                    let payload = Payload::Full(bytes);
                    let _ = server.command(now, ServerCommand::Respond { stream, head: head.into(), payload });
                    let _ = client.command(now, consumed);
                }
                _ => {}
            }
        }
        server.poll_transmit(&mut out);
        black_box(out.front());
        sent += out.len();
        out.advance(out.len());
    }
    sent
}

#[cfg(not(feature = "peers-http"))]
mod peers {
    pub(super) const MISSING: &str = "httparse and hyper aren't built in (`--features peers-http`): not measured.\n\n";

    pub(super) fn subjects() -> Option<super::Subject> {
        None
    }
}

#[cfg(feature = "peers-http")]
mod peers {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::future::Future;
    use std::io;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use bytes::{Bytes, BytesMut};
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
    use hyper::body::{Body, Frame, Incoming, SizeHint};
    use hyper::rt::{Read, ReadBufCursor, Write};
    use hyper::service::service_fn;

    use super::{BODY, DATE, Subject, black_box, parts};

    pub(super) const MISSING: &str = "";

    pub(super) fn subjects() -> [Subject; 2] {
        [
            Subject { name: "httparse, http types", ours: false, run: httparse },
            Subject { name: "hyper", ours: false, run: hyper },
        ]
    }

    /// What a server that is written over httparse does at least: the parser, the types, and a response by hand. It does
    /// not look at framing, at the host, or at the connection.
    fn httparse(request: &str, times: usize) -> usize {
        let mut src = BytesMut::with_capacity(8192);
        let (mut out, mut sent) = (Vec::new(), 0);
        for _ in 0..times {
            src.reserve(4096);
            src.extend_from_slice(request.as_bytes());
            let mut lines = [httparse::EMPTY_HEADER; 100];
            let mut head = httparse::Request::new(&mut lines);
            let Ok(httparse::Status::Complete(len)) = head.parse(&src) else { return 0 };
            let start = src.as_ptr() as usize;
            let place = |part: &[u8]| {
                let at = part.as_ptr() as usize - start;
                at..at + part.len()
            };
            let method = Method::from_bytes(head.method.unwrap_or_default().as_bytes());
            let target = place(head.path.unwrap_or_default().as_bytes());
            let lines: Vec<_> =
                head.headers.iter().map(|line| (place(line.name.as_bytes()), place(line.value))).collect();
            let bytes = src.split_to(len).freeze();
            let mut headers = HeaderMap::with_capacity(lines.len());
            for (name, value) in lines {
                let name = HeaderName::from_bytes(&bytes[name]);
                let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(bytes.slice(value))) else {
                    return 0;
                };
                headers.append(name, value);
            }
            let mut request = Request::new(()).into_parts().0;
            let (Ok(method), Ok(uri)) = (method, Uri::from_maybe_shared(bytes.slice(target))) else { return 0 };
            (request.method, request.uri, request.headers) = (method, uri, headers);
            black_box(&request);

            let response = parts();
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(response.status.as_str().as_bytes());
            out.extend_from_slice(b" OK\r\n");
            for (name, value) in &response.headers {
                out.extend_from_slice(name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"content-length: 13\r\ndate: ");
            out.extend_from_slice(DATE);
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(BODY);
            black_box(&out);
            sent += out.len();
            out.clear();
        }
        sent
    }

    /// A connection that has the next request ready whenever it is read, and swallows what is written. It does not end:
    /// hyper takes an end that it sees before it has answered for a fault.
    struct Wire<'a> {
        request: Bytes,
        left: usize,
        sent: &'a Cell<usize>,
    }

    impl Read for Wire<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            if self.left == 0 {
                return Poll::Pending;
            }
            self.left -= 1;
            buf.put_slice(&self.request);
            Poll::Ready(Ok(()))
        }
    }

    impl Write for Wire<'_> {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.sent.set(self.sent.get() + buf.len());
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Whole(Option<Bytes>);

    impl Body for Whole {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
        }
    }

    fn hyper(request: &str, times: usize) -> usize {
        let sent = Cell::new(0);
        let wire = Wire { request: Bytes::copy_from_slice(request.as_bytes()), left: times, sent: &sent };
        let service = service_fn(|request: Request<Incoming>| {
            black_box(&request);
            let response = Response::from_parts(parts(), Whole(Some(Bytes::from_static(BODY))));
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let mut connection = pin!(hyper::server::conn::http1::Builder::new().serve_connection(wire, service));
        let mut context = Context::from_waker(Waker::noop());
        // It yields now and then, to be fair to others. When nothing was sent since, it waits for input.
        loop {
            let before = sent.get();
            if connection.as_mut().poll(&mut context).is_ready() || sent.get() == before {
                return sent.get();
            }
        }
    }
}

/// What the subjects took on one kind of request, in nanoseconds.
struct Row {
    name: &'static str,
    cost: Vec<f64>,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(Arguments { quick, json }) = arguments::parse(args, HELP, arguments::none)? else { return Ok(()) };
    let (requests, rounds) = if quick { (50_000, 3) } else { (500_000, 9) };
    let subjects = subjects();
    let mut rows = Vec::new();
    for (name, request) in [("4 fields", SMALL), ("14 fields", BROWSER)] {
        rows.push(Row { name, cost: measure(&subjects, request, requests, rounds)? });
    }
    print!("# http1\n\n{requests} requests a round, medians of {rounds} rounds.\n\n{}", peers::MISSING);
    print_table(&subjects, &rows);
    if let Some(mut file) = json {
        write_json(&mut file, &subjects, &rows, rounds)?;
    }
    Ok(())
}

fn measure(subjects: &[Subject], request: &str, times: usize, rounds: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut costs = vec![Vec::new(); subjects.len()];
    // All subjects in each round, so that a busy moment of the machine hits none of them alone.
    for _ in 0..rounds {
        for (subject, costs) in subjects.iter().zip(&mut costs) {
            let start = Instant::now();
            let sent = (subject.run)(black_box(request), times);
            costs.push(start.elapsed().as_nanos() as f64 / times as f64);
            if sent < times * (BODY.len() + DATE.len()) {
                return Err(format!("{} has answered {sent} bytes only", subject.name).into());
            }
        }
    }
    Ok(costs.into_iter().map(median).collect())
}

fn print_table(subjects: &[Subject], rows: &[Row]) {
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    println!("Nanoseconds a request\n\n| request | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()));
    for row in rows {
        let figures: Vec<String> = row.cost.iter().map(|cost| format!("{cost:.0}")).collect();
        println!("| {} | {} |", row.name, figures.join(" | "));
    }
    println!(
        "\nOurs beside each peer, above 1 is better for us\n\n| request | subject | peer | ratio |\n|---|---|---|---:|"
    );
    for Comparison { row, subject, peer, ours, theirs } in comparisons(subjects, rows) {
        println!("| {row} | {subject} | {peer} | {:.2} |", theirs / ours);
    }
}

struct Comparison {
    row: &'static str,
    subject: &'static str,
    peer: &'static str,
    ours: f64,
    theirs: f64,
}

/// The servers beside each peer; the proxy does twice the work and has none.
fn comparisons(subjects: &[Subject], rows: &[Row]) -> Vec<Comparison> {
    let mut all = Vec::new();
    for row in rows {
        let paired = || subjects.iter().zip(&row.cost);
        for (subject, &ours) in paired().filter(|(subject, _)| subject.ours && subject.name != "xs, proxied") {
            for (peer, &theirs) in paired().filter(|(peer, _)| !peer.ours) {
                all.push(Comparison { row: row.name, subject: subject.name, peer: peer.name, ours, theirs });
            }
        }
    }
    all
}

fn write_json(file: &mut File, subjects: &[Subject], rows: &[Row], rounds: usize) -> std::io::Result<()> {
    for Comparison { row, subject, peer, ours, theirs } in comparisons(subjects, rows) {
        let line = serde_json::json!({
            "bench": "http1", "row": row, "subject": subject, "peer": peer, "ratio": theirs / ours, "unit": "ns/request",
            "ours": ours, "theirs": theirs, "rounds": rounds,
        });
        writeln!(file, "{line}")?;
    }
    Ok(())
}
