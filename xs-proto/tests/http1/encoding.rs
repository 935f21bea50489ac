//! What one machine writes the other one reads.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use xs_proto::http1::{
    ClientCommand, ClientEvent, Fields, Framing, Payload, RequestHead, ResponseHead, ServerCommand, ServerEvent,
};

use crate::wire::{client, server};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "X-OWN"];

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    // No name of a field that the machines write themselves begins with an x.
    let name = "[xX][-!#$%&'*+.^_`|~0-9A-Za-z]{0,12}";
    let value = proptest::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff, Just(b'\t')], 0..20);
    let trimmed = value.prop_map(|value| value.trim_ascii().to_vec());
    proptest::collection::vec((name, trimmed), 0..20)
}

proptest! {
    #[test]
    fn fields_that_are_added_together_are_those_that_are_added_one_by_one(some in fields(), more in fields(), gone: usize) {
        let build = |list: &[(String, Vec<u8>)]| {
            let mut fields = Fields::new();
            list.iter().for_each(|(name, value)| fields.append(name, value).unwrap());
            fields
        };
        let (mut together, mut others) = (build(&some), build(&more));
        // Lines that were taken out leave gaps.
        let gone = more.get(gone % more.len().max(1)).map_or("none", |(name, _)| name.as_str()).to_owned();
        others.remove(&gone);
        together.extend(&others).unwrap();
        let mut one_by_one = build(&some);
        for (name, value) in more.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(&gone)) {
            one_by_one.append(name, value).unwrap();
        }
        prop_assert_eq!(together, one_by_one);
    }
}

/// A body as it is sent: not at all, whole, of known length, or in unknown pieces.
#[derive(Debug, Clone)]
enum Body {
    Empty,
    Full(Vec<u8>),
    Sized(Vec<Vec<u8>>),
    Streamed(Vec<Vec<u8>>, Vec<(String, Vec<u8>)>),
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..2000);
    let pieces = move || proptest::collection::vec(bytes(), 0..5);
    prop_oneof![
        Just(Body::Empty),
        bytes().prop_map(Body::Full),
        pieces().prop_map(Body::Sized),
        (pieces(), fields()).prop_map(|(pieces, trailers)| Body::Streamed(pieces, trailers)),
    ]
}

impl Body {
    fn payload(&self) -> Payload {
        match self {
            Body::Empty => Payload::Empty,
            Body::Full(bytes) => Payload::Full(bytes.clone().into()),
            Body::Sized(pieces) => Payload::Sized(pieces.concat().len() as u64),
            Body::Streamed(..) => Payload::Streamed,
        }
    }

    fn pieces(&self) -> Option<&[Vec<u8>]> {
        match self {
            Body::Empty | Body::Full(_) => None,
            Body::Sized(pieces) | Body::Streamed(pieces, _) => Some(pieces),
        }
    }

    fn trailers(&self) -> Option<Fields> {
        match self {
            Body::Streamed(_, trailers) if !trailers.is_empty() => Some(list(trailers)),
            _ => None,
        }
    }

    fn whole(&self) -> Vec<u8> {
        match self {
            Body::Empty => Vec::new(),
            Body::Full(bytes) => bytes.clone(),
            Body::Sized(pieces) | Body::Streamed(pieces, _) => pieces.concat(),
        }
    }
}

fn list(lines: &[(String, Vec<u8>)]) -> Fields {
    let mut fields = Fields::new();
    lines.iter().for_each(|(name, value)| fields.append(name, value).unwrap());
    fields
}

fn map(lines: &[(String, Vec<u8>)]) -> HeaderMap {
    let pair = |(name, value): &(String, Vec<u8>)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines.iter().map(pair) {
        map.append(name, value);
    }
    map
}

/// The fields that the user gave, without those of the machine.
fn given(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    for name in ["content-length", "transfer-encoding", "connection", "host"] {
        fields.remove(name);
    }
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn requests(method in proptest::sample::select(&METHODS[..]), path in "/[!-\"$-~]{0,20}", lines in fields(), body in body()) {
        let mut sender = client();
        let stream = sender.machine.next_stream();
        let mut head = RequestHead::new(Method::from_bytes(method.as_bytes()).unwrap(), &path).unwrap();
        head.fields_mut().append("Host", b"a").unwrap();
        lines.iter().for_each(|(name, value)| head.fields_mut().append(name, value).unwrap());
        sender.command(ClientCommand::Request { head: head.clone().into(), payload: body.payload() }).unwrap();
        for piece in body.pieces().unwrap_or_default() {
            sender.command(ClientCommand::Data { stream, bytes: Bytes::copy_from_slice(piece) }).unwrap();
        }
        if body.pieces().is_some() {
            sender.command(ClientCommand::End { stream, trailers: body.trailers().map(Into::into) }).unwrap();
        }

        let mut receiver = server();
        receiver.feed(sender.sent_bytes());
        let mut events = receiver.raw_events().into_iter();
        let Some(ServerEvent::Request { head: received, .. }) = events.next() else { panic!("no request") };
        prop_assert_eq!((received.method(), received.target()), (head.method(), head.target()));
        prop_assert_eq!(given(received.fields()), given(head.fields()));
        let (mut data, mut trailers, mut ended) = (Vec::new(), None, received.framing().is_empty());
        for event in events {
            match event {
                ServerEvent::Data { bytes, .. } => data.extend_from_slice(&bytes),
                ServerEvent::End { trailers: some, .. } => (trailers, ended) = (some, true),
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!((data, trailers.map(|fields| *fields), ended), (body.whole(), body.trailers(), true));
        // The same fields in the other types.
        if let Ok(parts) = received.into_parts() {
            let mut headers = parts.headers;
            ["content-length", "transfer-encoding", "host"].iter().for_each(|name| drop(headers.remove(*name)));
            prop_assert_eq!(headers, map(&lines));
        }
    }

    #[test]
    fn responses(status in 200u16..600, lines in fields(), body in body(), as_parts in any::<bool>()) {
        let status = StatusCode::from_u16(status).unwrap();
        prop_assume!(status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED);
        let mut sender = server();
        let mut receiver = client();
        receiver.get("/");
        sender.feed(receiver.sent_bytes());
        let Some(ServerEvent::Request { stream, .. }) = sender.raw_events().pop() else { panic!("no request") };
        let mut head = ResponseHead::new(status);
        lines.iter().for_each(|(name, value)| head.fields_mut().append(name, value).unwrap());
        if as_parts {
            let mut parts = http::Response::new(()).into_parts().0;
            (parts.status, parts.headers) = (status, map(&lines));
            sender.respond_with(stream.0, parts, body.payload()).unwrap();
        } else {
            sender.respond_with(stream.0, head.clone(), body.payload()).unwrap();
        }
        for piece in body.pieces().unwrap_or_default() {
            sender.command(ServerCommand::Data { stream, bytes: Bytes::copy_from_slice(piece) }).unwrap();
        }
        if body.pieces().is_some() {
            sender.command(ServerCommand::End { stream, trailers: body.trailers().map(Into::into) }).unwrap();
        }

        receiver.feed(sender.sent_bytes());
        let mut events = receiver.raw_events().into_iter();
        let Some(ClientEvent::Response { head: received, complete, .. }) = events.next() else { panic!("no response") };
        prop_assert_eq!(received.status(), status);
        prop_assert_eq!(received.reason(), head.reason());
        prop_assert!(received.framing() != Framing::UntilClose);
        prop_assert_eq!(given(received.fields()).to_map(), map(&lines));
        if !as_parts {
            prop_assert_eq!(given(received.fields()), given(head.fields())); // order and case too
        }
        let (mut data, mut trailers, mut ended) = (Vec::new(), None, complete);
        for event in events {
            match event {
                ClientEvent::Data { bytes, .. } => data.extend_from_slice(&bytes),
                ClientEvent::End { trailers: some, .. } => (trailers, ended) = (some, true),
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!((data, trailers, ended), (body.whole(), body.trailers(), true));
    }
}
