//! Responses: no input panics, no cut into reads changes what a client tells, what it holds stays within its windows,
//! and a response that was read whole is read again from what a server sends on.
#![no_main]

use std::time::Instant;

use bytes::BytesMut;
use http::Method;
use libfuzzer_sys::fuzz_target;
use xs_proto::http1::{
    Client, ClientCommand, ClientEvent, Limits, Payload, RequestHead, ResponseHead, Server, ServerCommand, ServerEvent,
    Timeouts,
};
use xs_proto::machine::Phase;
use xs_proto::{Machine, Out};

/// Small limits, so that short inputs reach them.
const LIMITS: Limits = Limits {
    start_line: 60,
    head: 200,
    fields: 6,
    chunk_line: 20,
    extensions: 30,
    trailers: 40,
    body: 60,
    receive_window: 9,
    pipeline: 3,
    ..Limits::CLIENT
};

/// What a client told, with neighbouring data as one.
#[derive(Debug, PartialEq)]
enum Told {
    Data(u64, Vec<u8>),
    Other(ClientEvent),
}

fn request(method: Method) -> ClientCommand {
    let target = if method == Method::CONNECT { "a:1" } else { "/" };
    let mut head = RequestHead::new(method, target).unwrap();
    head.fields_mut().append("Host", b"a").unwrap();
    ClientCommand::Request { head: head.into(), payload: Payload::Empty }
}

fn ask(now: Instant, input: &[u8], step: usize, methods: &[Method]) -> (Vec<Told>, Phase, usize) {
    let mut client = Client::new(now, LIMITS, Timeouts::DEFAULT);
    for method in methods {
        client.command(now, request(method.clone())).unwrap();
    }
    client.poll_transmit(&mut Out::new());
    let (mut src, mut told) = (BytesMut::new(), Vec::new());
    for piece in input.chunks(step) {
        src.extend_from_slice(piece);
        client.handle_input(now, &mut src);
        attend(&mut client, now, &mut src, false, &mut told);
    }
    client.handle_eof(now, &mut src);
    attend(&mut client, now, &mut src, true, &mut told);
    let left = if client.phase() == Phase::HandedOver { src.len() } else { 0 };
    (told, client.phase(), left)
}

fn attend(client: &mut Client, now: Instant, src: &mut BytesMut, ended: bool, told: &mut Vec<Told>) {
    while let Some(event) = client.poll_event() {
        let ClientEvent::Data { stream, bytes } = event else {
            told.push(Told::Other(event));
            continue;
        };
        assert!(!bytes.is_empty() && bytes.len() <= LIMITS.receive_window);
        client.command(now, ClientCommand::Consumed { stream, len: bytes.len() }).unwrap();
        match told.last_mut() {
            Some(Told::Data(last, data)) if *last == stream.0 => data.extend_from_slice(&bytes),
            _ => told.push(Told::Data(stream.0, bytes.to_vec())),
        }
        if client.wants_input() && ended {
            client.handle_eof(now, src);
        } else if client.wants_input() {
            client.handle_input(now, src);
        }
    }
}

/// A proxy's turn: the head is sent on with a body of its own, and the client in front sees the same response.
fn forward(now: Instant, head: &ResponseHead) {
    let mut server = Server::new(now, Limits::SERVER, Timeouts::NONE);
    server.handle_input(now, &mut BytesMut::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let Some(ServerEvent::Request { stream, .. }) = server.poll_event() else { panic!("no request") };
    let mut sent = head.clone();
    sent.fields_mut().remove_hop_by_hop();
    sent.fields_mut().remove("content-length");
    let respond = ServerCommand::Respond { stream, head: sent.clone().into(), payload: Payload::Empty };
    if server.command(now, respond).is_err() {
        assert!(head.status().is_informational(), "{head:?}");
        return;
    }
    let mut out = Out::new();
    server.poll_transmit(&mut out);
    let mut client = Client::new(now, Limits::CLIENT, Timeouts::NONE);
    client.command(now, request(Method::GET)).unwrap();
    let mut src = BytesMut::from(&out.to_vec()[..]);
    client.handle_input(now, &mut src);
    let event = client.poll_event();
    let Some(ClientEvent::Response { head: mut seen, complete: true, .. }) = event else {
        panic!("{event:?} of {head:?}")
    };
    assert!(src.is_empty());
    seen.fields_mut().remove("content-length");
    assert_eq!((seen.status(), seen.reason(), seen.fields()), (sent.status(), sent.reason(), sent.fields()));
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    let now = Instant::now();
    let methods: &[Method] = match control >> 4 & 3 {
        0 => &[Method::GET, Method::HEAD, Method::GET],
        1 => &[Method::CONNECT],
        2 => &[Method::HEAD, Method::GET],
        _ => &[Method::GET],
    };
    let whole = ask(now, input, usize::MAX / 2, methods);
    assert_eq!(ask(now, input, usize::from(control) % 16 + 1, methods), whole);
    for told in &whole.0 {
        if let Told::Other(ClientEvent::Response { head, .. }) = told {
            let _ = head.clone().into_parts();
            forward(now, head);
        }
    }
});
