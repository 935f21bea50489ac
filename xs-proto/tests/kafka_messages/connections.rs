//! Frames, headers, and who answers what.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::codec::{
    Ask, ClientCodec, ClientError, FrameCodec, FrameError, Incoming, Outgoing, RequestError, ServerCodec, ServerError,
    WriteError, unknown_version_of_api_versions,
};
use xs_proto::kafka::messages::*;
use xs_proto::kafka::wire::{Blob, ReadError, Reader};
use xs_proto::{Blame, Decode, Encode, Out};

fn requests() -> Vec<(i16, Request)> {
    let produce = |acks| ProduceRequest { acks, timeout_ms: 7, ..Default::default() };
    vec![
        (3, ApiVersionsRequest { client_software_name: "test".into(), ..Default::default() }.into()),
        (7, produce(0).into()),
        (9, produce(1).into()),
        (0, MetadataRequest { topics: Some(vec![]), ..Default::default() }.into()),
        (12, MetadataRequest { topics: None, ..Default::default() }.into()),
        (0, OffsetDeleteRequest { group_id: "g".into(), ..Default::default() }.into()),
    ]
}

fn sent(client: &mut ClientCodec) -> Vec<u8> {
    let mut out = Out::new();
    for (version, request) in requests() {
        client.encode(Ask { version, request: &request }, &mut out).unwrap();
    }
    out.to_vec()
}

/// Everything a server reads from `wire` in pieces of these lengths.
fn receive(wire: &[u8], steps: &[usize]) -> Result<Vec<(i32, Request)>, ServerError> {
    let (mut src, mut rest, mut found) = (BytesMut::new(), wire, Vec::new());
    let mut codec = ServerCodec::new(FrameCodec::new().with_limit(1000));
    let mut steps = steps.iter().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*steps.next().unwrap()).min(rest.len()));
        src.extend_from_slice(piece);
        rest = behind;
        while let Some(incoming) = codec.decode(&mut src)? {
            found.push((incoming.header.correlation_id, incoming.request().unwrap()));
        }
    }
    assert!(codec.decode_eof(&mut src)?.is_none());
    Ok(found)
}

proptest! {
    #[test]
    fn a_cut_changes_nothing(steps in proptest::collection::vec(1..40usize, 1..8), cut: prop::sample::Index) {
        let wire = sent(&mut ClientCodec::new(Some("me".into())));
        let expected: Vec<_> = requests().into_iter().map(|(_, request)| request).enumerate().map(|(i, r)| (i as i32, r)).collect();
        prop_assert_eq!(receive(&wire, &steps), Ok(expected));
        let cut = &wire[..cut.index(wire.len())];
        prop_assert_eq!(receive(cut, &steps), receive(cut, &[wire.len()]));
    }
}

#[test]
fn frames_have_a_limit_and_no_negative_length() {
    let decode = |bytes: &[u8]| FrameCodec::new().with_limit(8).decode(&mut BytesMut::from(bytes));
    assert_eq!(decode(b"\0\0\0"), Ok(None));
    assert_eq!(decode(b"\0\0\0\x08abcdefg"), Ok(None));
    assert_eq!(decode(b"\0\0\0\x08abcdefghi"), Ok(Some("abcdefgh".into())));
    assert_eq!(decode(b"\0\0\0\0"), Ok(Some(Bytes::new())));
    let large = decode(b"\0\0\0\x09").unwrap_err();
    assert_eq!((large, large.blame()), (FrameError::TooLarge { len: 9, limit: 8 }, Blame::Limit));
    assert_eq!(decode(b"\xff\xff\xff\xff"), Err(FrameError::Negative(-1)));
    let http = FrameCodec::new().decode(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]));
    assert!(matches!(http, Err(FrameError::TooLarge { .. })));
    let cut = FrameCodec::new().decode_eof(&mut BytesMut::from(&b"\0\0\0\x02a"[..]));
    assert_eq!(cut, Err(FrameError::Truncated));
}

#[test]
fn an_answer_goes_to_its_request() {
    let mut client = ClientCodec::new(None);
    sent(&mut client);
    assert_eq!(client.in_flight(), 5, "a request without acknowledgements has no answer");
    let answers: Vec<(i16, i32, Response)> = vec![
        (3, 0, ApiVersionsResponse { api_keys: vec![ApiKey::Fetch.listed()], ..Default::default() }.into()),
        (9, 2, ProduceResponse { throttle_time_ms: 5, ..Default::default() }.into()),
        (0, 3, MetadataResponse::default().into()),
        (12, 4, MetadataResponse { cluster_id: Some("c".into()), ..Default::default() }.into()),
        (0, 5, OffsetDeleteResponse { error_code: ErrorCode::GROUP_ID_NOT_FOUND, ..Default::default() }.into()),
    ];
    let mut out = Out::new();
    for (version, correlation_id, response) in &answers {
        let answer = Outgoing { correlation_id: *correlation_id, version: *version, response: Some(response.clone()) };
        ServerCodec::default().encode(answer, &mut out).unwrap();
    }
    let mut src = BytesMut::from(&out.to_vec()[..]);
    for (_, _, response) in answers {
        assert_eq!(client.decode(&mut src), Ok(Some(response)));
    }
    assert_eq!(client.decode(&mut src), Ok(None));

    let mut src = BytesMut::from(&b"\0\0\0\x04\0\0\0\x09"[..]);
    assert_eq!(client.decode(&mut src.clone()), Err(ClientError::NotAsked));
    sent(&mut client);
    assert_eq!(client.decode(&mut src), Err(ClientError::Correlation { expected: 6, found: 9 }));
}

/// The header of this answer never has tagged fields, and an unknown version is answered in version 0.
#[test]
fn api_versions_is_understood_by_everybody() {
    let answer = |version, response: &Response| {
        let mut out = Out::new();
        let answer = Outgoing { correlation_id: 1, version, response: Some(response.clone()) };
        ServerCodec::default().encode(answer, &mut out).unwrap();
        out.to_vec()
    };
    let response = ApiVersionsResponse { api_keys: vec![ApiKey::Produce.listed()], ..Default::default() }.into();
    // Correlation, then at once the error code.
    assert_eq!(answer(0, &response), b"\0\0\0\x10\0\0\0\x01\0\0\0\0\0\x01\0\0\0\0\0\x0a");
    assert_eq!(answer(3, &response), b"\0\0\0\x13\0\0\0\x01\0\0\x02\0\0\0\0\0\x0a\0\0\0\0\0\0");
    let unknown = answer(0, &unknown_version_of_api_versions());
    assert_eq!(unknown, b"\0\0\0\x10\0\0\0\x01\0\x23\0\0\0\x01\0\x12\0\0\0\x04");

    let mut client = ClientCodec::new(None);
    let request = ApiVersionsRequest::default().into();
    for _ in 0..2 {
        client.encode(Ask { version: 4, request: &request }, &mut Out::new()).unwrap();
    }
    let mut unknown = BytesMut::from(&unknown[..]);
    unknown[7] = 0;
    assert_eq!(client.decode(&mut unknown), Ok(Some(unknown_version_of_api_versions())));

    // A version of the far future still has a header that can be read.
    let frame = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x05\0\x02me\0any bytes");
    let incoming = Incoming::parse(frame).unwrap();
    assert_eq!((incoming.header.correlation_id, incoming.header.client_id.as_deref()), (5, Some("me")));
    assert_eq!(incoming.request(), Err(RequestError::Version { api: ApiKey::ApiVersions, version: 99 }));
}

#[test]
fn what_cannot_be_read_says_why() {
    let parse = |bytes: &'static [u8]| Incoming::parse(Bytes::from_static(bytes));
    assert_eq!(parse(b"\0\x12\0\0\0\0").unwrap_err(), ReadError::Truncated);
    assert_eq!(parse(b"\0\x12\0\0\0\0\0\x01\0\x02\xff\xff").unwrap_err(), ReadError::Utf8);
    let unknown = parse(b"\x03\xe7\0\0\0\0\0\x01\xff\xff").unwrap();
    assert_eq!(unknown.clone().request(), Err(RequestError::Api(999)));
    assert_eq!(unknown.call::<FetchRequest>(), Err(RequestError::Api(999)));
    let trailing = parse(b"\0\x12\0\0\0\0\0\x01\xff\xff?").unwrap().request().unwrap_err();
    assert_eq!(trailing, RequestError::Malformed { api: ApiKey::ApiVersions, error: ReadError::Trailing });
    assert_eq!((trailing.blame(), trailing.code()), (Blame::Peer, ErrorCode::INVALID_REQUEST));
}

#[test]
fn librdkafka_asks_for_all_topics_with_bytes_to_spare() {
    // As confluent-kafka 2.16.1 sends it: the list of topics is four bytes long instead of one.
    let frame = Bytes::from_static(b"\0\x03\0\x0c\0\0\0\x12\0\x07rdkafka\0\0\0\0\0\0\x01\0\0");
    let Ok(Request::Metadata(request)) = Incoming::parse(frame).unwrap().request() else { panic!("not read") };
    assert_eq!((request.topics, request.allow_auto_topic_creation), (None, false));
    let longer = Bytes::from_static(b"\0\x03\0\x0c\0\0\0\x12\0\x07rdkafka\0\0\0\0\0\0\x01\0\0?");
    assert!(Incoming::parse(longer).unwrap().request().is_err());
}

#[test]
fn a_count_reserves_nothing_and_elements_have_an_allowance() {
    // ListGroups in version 4: a compact array of strings, two thousand million of them.
    let mut reader = Reader::new(Bytes::from_static(b"\xff\xff\xff\xff\x07"));
    assert_eq!(Request::read(ApiKey::ListGroups, 4, &mut reader), Err(ReadError::Truncated));
    let request = Request::from(ListGroupsRequest { states_filter: vec!["".into(); 100], ..Default::default() });
    let mut out = Out::new();
    ClientCodec::new(None).encode(Ask { version: 4, request: &request }, &mut out).unwrap();
    let incoming = Incoming::parse(Bytes::from(out.to_vec()).slice(4..)).unwrap();
    assert_eq!(incoming.clone().with_elements(100).request(), Ok(request));
    let error = incoming.with_elements(99).request().unwrap_err();
    assert_eq!(
        (error.blame(), error),
        (Blame::Limit, RequestError::Malformed { api: ApiKey::ListGroups, error: ReadError::Elements })
    );
}

#[test]
fn nothing_is_left_of_an_answer_that_cannot_be_written() {
    let mut out = Out::new();
    out.put_slice(b"before");
    let mut write = |version, response: Response| {
        let answer = Outgoing { correlation_id: 1, version, response: Some(response) };
        let written = ServerCodec::default().encode(answer, &mut out);
        (written, out.to_vec())
    };
    let before = b"before".to_vec();
    let lost = FetchResponse { session_id: 5, ..Default::default() };
    let error = WriteError::NoField { name: "session_id", version: 6 };
    assert_eq!(write(6, lost.into()), (Err(error), before.clone()));
    assert_eq!(write(99, FetchResponse::default().into()), (Err(WriteError::Version(99)), before.clone()));
    let null = MetadataResponse {
        topics: vec![MetadataResponseTopic { name: None, ..Default::default() }],
        ..Default::default()
    };
    assert_eq!(write(9, null.into()), (Err(WriteError::Null), before.clone()));
    let none = Outgoing { correlation_id: 1, version: 9, response: None };
    assert_eq!(ServerCodec::default().encode(none, &mut Out::new()), Ok(()));
    let long = HeartbeatResponse { error_code: ErrorCode::NONE, throttle_time_ms: 1 };
    assert_eq!(write(0, long.into()).0, Ok(()), "nobody minds a throttle time that is lost");
}

/// The records of a fetch may be ranges of files: the frame counts them, and the transport sends them.
#[test]
fn a_fetch_is_answered_with_ranges_of_files() {
    #[derive(Debug, Clone, PartialEq)]
    struct Range(u64);

    let mut records = Blob::new();
    records.push_external(Range(4096), 100_000);
    records.push_external(Range(0), 50_000);
    records.push(Bytes::from_static(b"the tail"));
    let partition = PartitionData { records: Some(records), aborted_transactions: None, ..Default::default() };
    let topic = FetchableTopicResponse { topic: "t".into(), partitions: vec![partition] };
    let response = Response::from(FetchResponse { responses: vec![topic], ..Default::default() });
    let bytes = |version| {
        let mut out = Out::new();
        let answer = Outgoing { correlation_id: 1, version, response: Some(response.clone()) };
        ServerCodec::default().encode(answer, &mut out).unwrap();
        out
    };
    for version in ApiKey::Fetch.versions() {
        let mut out = bytes(version);
        let len = u32::from_be_bytes(*out.front().first_chunk().unwrap()) as usize;
        assert_eq!(out.len(), 4 + len);
        out.advance(out.front().len());
        let external = out.front_external().unwrap();
        assert_eq!((external.chunk.downcast_ref(), external.left), (Some(&Range(4096)), 100_000));
        out.advance(100_000);
        assert_eq!(out.front_external().unwrap().chunk.downcast_ref(), Some(&Range(0)));
        out.advance(50_000);
        assert!(out.front().starts_with(b"the tail"));
    }
}
