//! How the input is cut into reads changes nothing but where data is cut.

use proptest::prelude::*;
use xs_proto::http1::{
    Client, ClientCommand, ClientEvent, Limits, Payload, ResponseHead, Server, ServerCommand, ServerEvent,
};
use xs_proto::machine::Phase;

use crate::wire::{Wire, client_line, client_with, server_line, server_with};

/// Small limits, so that short inputs reach them.
const LIMITS: Limits = Limits {
    start_line: 60,
    head: 160,
    fields: 5,
    chunk_line: 20,
    extensions: 30,
    trailers: 40,
    body: 40,
    receive_window: 7,
    send_window: 1 << 20,
    pipeline: 3,
    drain: 10,
};

/// Lines in which neighbouring data is one.
fn joined(lines: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in lines {
        let (stream, what) = line.split_once(' ').unwrap();
        match all.last_mut() {
            Some(last) if what.starts_with("data ") && last.starts_with(&format!("{stream} data ")) => {
                last.push_str(&what["data ".len()..]);
            }
            _ => all.push(line),
        }
    }
    all
}

/// What a server tells and says. Each request is answered when it is complete.
fn serve(input: &[u8], cuts: &[usize]) -> (Vec<String>, String, Phase) {
    let mut wire = server_with(LIMITS);
    let mut lines = Vec::new();
    for piece in pieces(input, cuts) {
        wire.feed(piece);
        attend(&mut wire, &mut lines);
    }
    wire.eof();
    attend(&mut wire, &mut lines);
    let sent = wire.sent();
    (joined(lines), sent, wire.phase())
}

fn attend(wire: &mut Wire<Server>, lines: &mut Vec<String>) {
    while let Some(event) = wire.next() {
        lines.push(server_line(&event));
        let complete = match event {
            ServerEvent::Request { stream, head } if head.framing().is_empty() => stream,
            ServerEvent::End { stream, .. } => stream,
            ServerEvent::Data { stream, bytes } => {
                wire.command(ServerCommand::Consumed { stream, len: bytes.len() }).unwrap();
                continue;
            }
            _ => continue,
        };
        let head = ResponseHead::new(http::StatusCode::OK);
        let respond = ServerCommand::Respond { stream: complete, head: head.into(), payload: Payload::Empty };
        wire.command(respond).unwrap();
    }
}

/// What a client is told, which has sent three requests.
fn ask(input: &[u8], cuts: &[usize]) -> (Vec<String>, Phase) {
    let mut wire = client_with(LIMITS);
    wire.get("/");
    wire.request("HEAD", "/", Payload::Empty);
    wire.get("/");
    wire.sent();
    let mut lines = Vec::new();
    for piece in pieces(input, cuts) {
        wire.feed(piece);
        consume(&mut wire, &mut lines);
    }
    wire.eof();
    consume(&mut wire, &mut lines);
    (joined(lines), wire.phase())
}

fn consume(wire: &mut Wire<Client>, lines: &mut Vec<String>) {
    while let Some(event) = wire.next() {
        lines.push(client_line(&event));
        if let ClientEvent::Data { stream, bytes } = event {
            wire.command(ClientCommand::Consumed { stream, len: bytes.len() }).unwrap();
        }
    }
}

fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.sort_unstable();
    let mut start = 0;
    let ends = cuts.into_iter().chain([input.len()]);
    ends.map(|end| &input[std::mem::replace(&mut start, end)..end]).collect()
}

/// Words from which messages, right and wrong, are likely to come together.
fn input(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let line = proptest::sample::select(vec![
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Connection: upgrade\r\nUpgrade: x\r\n",
        "Expect: 100-continue\r\n",
        "X: some text\t\r\n",
        "X: \n",
        " folded\r\n",
        "Bad Name: x\r\n",
    ]);
    let body = proptest::sample::select(vec![
        "",
        "hello",
        "0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n",
        "29\r\n",
        "5\r\nhello\n",
        "\r\n",
    ]);
    let message = (proptest::sample::select(starts), proptest::collection::vec(line, 0..4), body)
        .prop_map(|(start, lines, body)| format!("{start}{}\r\n{body}", lines.concat()));
    let noise = proptest::option::weighted(0.3, (any::<usize>(), any::<u8>()));
    (proptest::collection::vec(message, 1..5), noise).prop_map(|(messages, noise)| {
        let mut bytes = messages.concat().into_bytes();
        if let Some((at, byte)) = noise {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_cut_of_requests_gives_the_same_events(
        input in input(&[
            "GET / HTTP/1.1\r\nHost: a\r\n", "POST /x HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.0\r\n", "GET / HTTP/1.1\r\n",
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n",
        ]),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = serve(&input, &[]);
        prop_assert_eq!(serve(&input, &cuts), whole);
    }

    #[test]
    fn any_cut_of_responses_gives_the_same_events(
        input in input(&["HTTP/1.1 200 OK\r\n", "HTTP/1.1 304 \r\n", "HTTP/1.1 100 Continue\r\n", "HTTP/1.0 200 OK\r\n"]),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = ask(&input, &[]);
        prop_assert_eq!(ask(&input, &cuts), whole);
    }
}

#[test]
fn byte_by_byte_is_no_different() {
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n\
        GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let cuts: Vec<usize> = (0..input.len()).collect();
    let (lines, ..) = serve(input, &cuts);
    assert_eq!(
        lines,
        ["0 POST / Chunked", "0 data hello", "0 end {\"X\": \"y\"}", "1 GET / None", "refused HostRepeated"]
    );
    assert_eq!(serve(input, &[]).0, lines);
}
