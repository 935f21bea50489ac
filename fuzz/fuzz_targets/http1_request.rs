//! Requests: no input panics, no cut into reads changes what a server tells and says, what it holds stays within its
//! windows, and a head that was read is read again from what is sent on.
#![no_main]

use std::time::Instant;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use xs_proto::http1::{
    Client, ClientCommand, Limits, Payload, RequestHead, ResponseHead, Server, ServerCommand, ServerEvent, Timeouts,
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
    drain: 10,
    ..Limits::SERVER
};

/// What a server told, with neighbouring data as one.
#[derive(Debug, PartialEq)]
enum Told {
    Data(u64, Vec<u8>),
    Other(ServerEvent),
}

fn serve(now: Instant, input: &[u8], step: usize) -> (Vec<Told>, Vec<u8>, Phase) {
    let mut server = Server::new(now, LIMITS, Timeouts::DEFAULT);
    let (mut src, mut told) = (BytesMut::new(), Vec::new());
    for piece in input.chunks(step) {
        src.extend_from_slice(piece);
        server.handle_input(now, &mut src);
        attend(&mut server, now, &mut src, false, &mut told);
    }
    server.handle_eof(now, &mut src);
    attend(&mut server, now, &mut src, true, &mut told);
    let mut out = Out::new();
    server.poll_transmit(&mut out);
    (told, out.to_vec(), server.phase())
}

/// The next event, for which the server is shown again what it has left.
fn next(server: &mut Server, now: Instant, src: &mut BytesMut, ended: bool) -> Option<ServerEvent> {
    loop {
        let event = server.poll_event();
        if event.is_some() || !server.wants_input() || src.is_empty() {
            return event;
        }
        let left = src.len();
        if ended {
            server.handle_eof(now, src);
        } else {
            server.handle_input(now, src);
        }
        if src.len() == left {
            return server.poll_event();
        }
    }
}

/// Answers every request when it is complete.
fn attend(server: &mut Server, now: Instant, src: &mut BytesMut, ended: bool, told: &mut Vec<Told>) {
    while let Some(event) = next(server, now, src, ended) {
        let command = match &event {
            ServerEvent::Request { stream, head } if head.framing().is_empty() => Some(respond(*stream)),
            ServerEvent::End { stream, .. } => Some(respond(*stream)),
            ServerEvent::Data { stream, bytes } => {
                assert!(!bytes.is_empty() && bytes.len() <= LIMITS.receive_window);
                Some(ServerCommand::Consumed { stream: *stream, len: bytes.len() })
            }
            _ => None,
        };
        match (event, told.last_mut()) {
            (ServerEvent::Data { stream, bytes }, Some(Told::Data(last, data))) if *last == stream.0 => {
                data.extend_from_slice(&bytes);
            }
            (ServerEvent::Data { stream, bytes }, _) => told.push(Told::Data(stream.0, bytes.to_vec())),
            (event, _) => told.push(Told::Other(event)),
        }
        let Some(command) = command else { continue };
        server.command(now, command).unwrap();
        if server.wants_input() && ended {
            server.handle_eof(now, src);
        } else if server.wants_input() {
            server.handle_input(now, src);
        }
    }
}

fn respond(stream: xs_proto::http1::StreamId) -> ServerCommand {
    ServerCommand::Respond { stream, head: ResponseHead::new(http::StatusCode::OK).into(), payload: Payload::Empty }
}

/// A proxy's turn: the head is sent on, and the server behind sees the same request.
fn forward(now: Instant, head: &RequestHead) {
    let mut client = Client::new(now, Limits::CLIENT, Timeouts::NONE);
    let mut sent = head.clone();
    sent.fields_mut().remove_hop_by_hop();
    sent.fields_mut().remove("content-length");
    let command = ClientCommand::Request { head: sent.clone().into(), payload: Payload::Empty };
    if client.command(now, command).is_err() {
        assert!(head.authority().is_none_or(str::is_empty), "only a request without a host cannot be sent: {head:?}");
        return;
    }
    let mut out = Out::new();
    client.poll_transmit(&mut out);
    let mut server = Server::new(now, Limits::SERVER, Timeouts::NONE);
    let mut src = BytesMut::from(&out.to_vec()[..]);
    server.handle_input(now, &mut src);
    let event = server.poll_event();
    let Some(ServerEvent::Request { head: mut seen, .. }) = event else { panic!("{event:?} of {head:?}") };
    assert!(src.is_empty() && seen.framing().is_empty());
    seen.fields_mut().remove("content-length");
    if sent.fields().get("host").is_none() {
        seen.fields_mut().remove("host");
    }
    seen.fields_mut().remove("connection");
    assert_eq!((seen.method(), seen.target(), seen.fields()), (sent.method(), sent.target(), sent.fields()));
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    let now = Instant::now();
    let whole = serve(now, input, usize::MAX / 2);
    assert_eq!(serve(now, input, usize::from(control) % 16 + 1), whole);
    for told in &whole.0 {
        if let Told::Other(ServerEvent::Request { head, .. }) = told {
            let _ = head.clone().into_parts();
            forward(now, head);
        }
    }
});
