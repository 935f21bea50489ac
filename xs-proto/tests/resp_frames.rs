//! Frames of both versions: vectors, round trips, cuts and limits.
#![cfg(feature = "resp")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use xs_proto::resp::{EncodeError, Frame, FrameCodec, FrameError, InputLimits, Version};
use xs_proto::{Blame, Decode, Encode, Out};

fn decode_in_pieces(mut codec: FrameCodec, input: &[u8], cuts: &[usize]) -> (Vec<Frame>, Option<FrameError>) {
    let mut found = Vec::new();
    let mut src = BytesMut::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        src.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            match codec.decode(&mut src) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    let clean = src.is_empty() && !codec.is_partial();
    match codec.decode_eof(&mut src) {
        Ok(None) => assert!(clean),
        Ok(Some(_)) => unreachable!("everything was decoded"),
        Err(error) => return (found, Some(error)),
    }
    (found, None)
}

fn decode(input: &[u8]) -> Result<Frame, FrameError> {
    let (mut found, error) = decode_in_pieces(FrameCodec::default(), input, &[]);
    match (found.pop(), error) {
        (_, Some(error)) => Err(error),
        (Some(frame), None) if found.is_empty() => Ok(frame),
        _ => panic!("not one frame: {}", input.escape_ascii()),
    }
}

fn encode(version: Version, frame: &Frame) -> Vec<u8> {
    let mut out = Out::new();
    FrameCodec::new(version).encode(frame, &mut out).unwrap();
    out.to_vec()
}

fn simple(text: &'static str) -> Frame {
    Frame::Simple(Bytes::from_static(text.as_bytes()))
}

fn bulk(text: &'static str) -> Frame {
    Frame::bulk(text)
}

/// One example of each type: how it stands on the wire, what it means, how version 2 says it.
fn vectors() -> Vec<(&'static str, Frame, &'static str)> {
    use Frame::*;
    let ints = |values: &[i64]| values.iter().map(|v| Integer(*v)).collect::<Vec<_>>();
    vec![
        ("+OK\r\n", simple("OK"), "+OK\r\n"),
        ("+\r\n", simple(""), "+\r\n"),
        ("-ERR no such thing\r\n", Error("ERR no such thing".into()), "-ERR no such thing\r\n"),
        (":0\r\n", Integer(0), ":0\r\n"),
        (":-9223372036854775808\r\n", Integer(i64::MIN), ":-9223372036854775808\r\n"),
        ("$5\r\na\r\nbc\r\n", bulk("a\r\nbc"), "$5\r\na\r\nbc\r\n"),
        ("$0\r\n\r\n", bulk(""), "$0\r\n\r\n"),
        ("_\r\n", Null, "$-1\r\n"),
        (",3\r\n", Double(3.0), "$1\r\n3\r\n"),
        (",-1.5\r\n", Double(-1.5), "$4\r\n-1.5\r\n"),
        (",inf\r\n", Double(f64::INFINITY), "$3\r\ninf\r\n"),
        (",-inf\r\n", Double(f64::NEG_INFINITY), "$4\r\n-inf\r\n"),
        ("#t\r\n", Boolean(true), ":1\r\n"),
        ("#f\r\n", Boolean(false), ":0\r\n"),
        ("!8\r\nERR a\r\nb\r\n", BulkError("ERR a\r\nb".into()), ""),
        ("!5\r\nERR a\r\n", BulkError("ERR a".into()), "-ERR a\r\n"),
        ("=8\r\nmkd:*hi*\r\n", Verbatim { format: *b"mkd", text: "*hi*".into() }, "$4\r\n*hi*\r\n"),
        ("(-123456789012345678901234567890\r\n", BigNumber("-123456789012345678901234567890".into()), ""),
        ("*0\r\n", Array(vec![]), "*0\r\n"),
        (
            "*2\r\n*2\r\n:1\r\n:2\r\n$1\r\nx\r\n",
            Array(vec![Array(ints(&[1, 2])), bulk("x")]),
            "*2\r\n*2\r\n:1\r\n:2\r\n$1\r\nx\r\n",
        ),
        (
            "%2\r\n+a\r\n:1\r\n+b\r\n#f\r\n",
            Map(vec![(simple("a"), Integer(1)), (simple("b"), Boolean(false))]),
            "*4\r\n+a\r\n:1\r\n+b\r\n:0\r\n",
        ),
        ("~3\r\n:1\r\n:2\r\n:2\r\n", Set(ints(&[1, 2, 2])), "*3\r\n:1\r\n:2\r\n:2\r\n"),
        (
            ">3\r\n+message\r\n+channel\r\n$2\r\nhi\r\n",
            Push(vec![simple("message"), simple("channel"), bulk("hi")]),
            "*3\r\n+message\r\n+channel\r\n$2\r\nhi\r\n",
        ),
        (
            "|1\r\n+ttl\r\n:60\r\n*1\r\n|0\r\n:7\r\n",
            Attribute {
                attributes: vec![(simple("ttl"), Integer(60))],
                value: Box::new(Array(vec![Attribute { attributes: vec![], value: Box::new(Integer(7)) }])),
            },
            "*1\r\n:7\r\n",
        ),
    ]
}

#[test]
fn every_type_reads_and_writes() {
    for (wire, frame, resp2) in vectors() {
        assert_eq!(decode(wire.as_bytes()).as_ref(), Ok(&frame), "{wire:?}");
        assert_eq!(String::from_utf8(encode(Version::Resp3, &frame)).unwrap(), wire);
        if !resp2.is_empty() {
            assert_eq!(String::from_utf8(encode(Version::Resp2, &frame)).unwrap(), resp2);
        }
    }
}

#[test]
fn other_ways_to_say_the_same() {
    let same: &[(&[u8], Frame)] = &[
        (b"$-1\r\n", Frame::Null),
        (b"*-1\r\n", Frame::Null),
        (b":+7\r\n", Frame::Integer(7)),
        (b":007\r\n", Frame::Integer(7)),
        (b",10\r\n", Frame::Double(10.0)),
        (b",1.5E2\r\n", Frame::Double(150.0)),
        (b"$?\r\n;4\r\nHell\r\n;6\r\no worl\r\n;1\r\nd\r\n;0\r\n", bulk("Hello world")),
        (b"$?\r\n;0\r\n", bulk("")),
        (b"*?\r\n:1\r\n*?\r\n.\r\n.\r\n", Frame::Array(vec![Frame::Integer(1), Frame::Array(vec![])])),
        (b"~?\r\n:1\r\n.\r\n", Frame::Set(vec![Frame::Integer(1)])),
        (b"%?\r\n+a\r\n:1\r\n.\r\n", Frame::Map(vec![(simple("a"), Frame::Integer(1))])),
    ];
    for (wire, frame) in same {
        assert_eq!(decode(wire).as_ref(), Ok(frame), "{}", wire.escape_ascii());
    }
    assert!(matches!(decode(b",nan\r\n"), Ok(Frame::Double(d)) if d.is_nan()));
}

#[test]
fn what_is_wrong_is_said() {
    use FrameError::*;
    let wrong: &[(&[u8], FrameError)] = &[
        (b"@1\r\n", UnknownType(b'@')),
        (b"PING\r\n", UnknownType(b'P')),
        (b"+a\nb\r\n", BadLine),
        (b"+a\rb\r\n", BadLine),
        (b"$1\r\nab\r\n", BadBulkEnd),
        (b"$-2\r\n", InvalidLength),
        (b"$x\r\n", InvalidLength),
        (b"$\r\n", InvalidLength),
        (b"%-1\r\n", InvalidLength),
        (b">?\r\n", InvalidLength),
        (b"|?\r\n", InvalidLength),
        (b":1.5\r\n", InvalidInteger),
        (b":9223372036854775808\r\n", InvalidInteger),
        (b",infinity\r\n", InvalidDouble),
        (b",\r\n", InvalidDouble),
        (b"#true\r\n", InvalidBoolean),
        (b"_0\r\n", InvalidNull),
        (b"(12a\r\n", InvalidBigNumber),
        (b"(-\r\n", InvalidBigNumber),
        (b"=3\r\ntxt\r\n", InvalidVerbatim),
        (b"=4\r\ntext\r\n", InvalidVerbatim),
        (b";1\r\na\r\n", MisplacedPart),
        (b".\r\n", MisplacedPart),
        (b"*1\r\n.\r\n", MisplacedPart),
        (b"%?\r\n+a\r\n.\r\n", MisplacedPart),
        (b"$?\r\n:1\r\n", MisplacedPart),
        (b"*?\r\n|1\r\n+a\r\n+b\r\n.\r\n", MisplacedPart),
        (b"*1\r\n>0\r\n", MisplacedPush),
        (b"$5\r\nhell", Truncated),
        (b"*2\r\n:1\r\n", Truncated),
        (b"|0\r\n", Truncated),
        (b"$?\r\n;1\r\na\r\n", Truncated),
    ];
    for (wire, error) in wrong {
        assert_eq!(decode(wire), Err(*error), "{}", wire.escape_ascii());
    }
    assert_eq!((BadLine.blame(), TooDeep.blame()), (Blame::Peer, Blame::Limit));
}

#[test]
fn limits_hold() {
    let limits = InputLimits { bulk: 10, inline: 20, depth: 3, elements: 6, ..InputLimits::default() };
    let decode = |wire: &str| decode_in_pieces(FrameCodec::with_limits(Version::Resp3, limits), wire.as_bytes(), &[]).1;
    let cases = [
        ("$10\r\n0123456789\r\n", None),
        ("$11\r\n", Some(FrameError::BulkTooLong)),
        ("$99999999999999999999\r\n", Some(FrameError::InvalidLength)),
        ("$?\r\n;6\r\n012345\r\n;5\r\n", Some(FrameError::BulkTooLong)),
        ("+01234567890123456789\r\n", None),
        ("+012345678901234567890", Some(FrameError::LineTooLong)),
        ("*1\r\n*1\r\n*1\r\n:1\r\n", None),
        ("*1\r\n*1\r\n*1\r\n*0\r\n", Some(FrameError::TooDeep)),
        ("|0\r\n|0\r\n|0\r\n|0\r\n", Some(FrameError::TooDeep)),
        ("*7\r\n", Some(FrameError::TooManyElements)),
        ("%4\r\n", Some(FrameError::TooManyElements)),
        ("%9223372036854775807\r\n", Some(FrameError::TooManyElements)),
        ("*3\r\n*3\r\n:1\r\n:2\r\n:3\r\n*1\r\n", Some(FrameError::TooManyElements)),
        ("*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n", Some(FrameError::TooManyElements)),
        ("*6\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n*6\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n", None),
    ];
    for (wire, error) in cases {
        assert_eq!(decode(wire), error, "{wire:?}");
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refuse = |frame: Frame| FrameCodec::new(Version::Resp3).encode(frame, &mut Out::new()).unwrap_err();
    assert_eq!(refuse(simple("a\nb")), EncodeError::LineBreak);
    assert_eq!(refuse(Frame::Error("a\rb".into())), EncodeError::LineBreak);
    assert_eq!(refuse(Frame::BigNumber("1.5".into())), EncodeError::InvalidBigNumber);
    assert_eq!(refuse(Frame::Array(vec![Frame::Push(vec![])])), EncodeError::MisplacedPush);
    let deep = (0..1000).fold(Frame::Null, |frame, _| Frame::Array(vec![frame]));
    assert_eq!(refuse(deep), EncodeError::TooDeep);
}

#[test]
fn strings_share_memory_both_ways() {
    let wire = [b"$20000\r\n".to_vec(), vec![b'x'; 20_000], b"\r\n".to_vec()].concat();
    let mut src = BytesMut::from(&wire[..]);
    let at = src.as_ptr().wrapping_add(8);
    let mut codec = FrameCodec::default();
    let Some(Frame::Bulk(bytes)) = codec.decode(&mut src).unwrap() else { panic!("a bulk string") };
    assert_eq!(bytes.as_ptr(), at);
    let mut out = Out::new();
    codec.encode(&Frame::Bulk(bytes), &mut out).unwrap();
    let mut slices = [std::io::IoSlice::new(&[]); 4];
    assert_eq!(out.io_slices(&mut slices), 3);
    assert_eq!(slices[1].as_ptr(), at);
}

#[test]
fn a_claimed_length_reserves_nothing() {
    // A hundred nested claims of ten million elements each would take the machine down if they were believed.
    let wire: String = (0..1).map(|_| "*16000000\r\n").chain((0..100).map(|_| "*1\r\n")).collect();
    assert_eq!(decode(wire.as_bytes()), Err(FrameError::Truncated));
    assert_eq!(decode(b"$500000000\r\n"), Err(FrameError::Truncated));
}

#[test]
fn a_parsed_prefix_is_taken_off_the_buffer() {
    let mut codec = FrameCodec::default();
    let mut src = BytesMut::from(&b"*3\r\n:1\r\n$3\r\nabc\r\n+unfinish"[..]);
    assert_eq!(codec.decode(&mut src), Ok(None));
    assert_eq!(&src[..], b"+unfinish");
}

fn line() -> impl Strategy<Value = Bytes> {
    "[ -~]{0,12}".prop_map(Bytes::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..24).prop_map(Bytes::from)
}

fn frame() -> impl Strategy<Value = Frame> {
    let number = any::<f64>().prop_filter("equal to itself", |d| !d.is_nan());
    let leaf = prop_oneof![
        line().prop_map(Frame::Simple),
        line().prop_map(Frame::Error),
        any::<i64>().prop_map(Frame::Integer),
        bytes().prop_map(Frame::Bulk),
        (20_000usize..20_003).prop_map(|n| Frame::bulk(vec![b'b'; n])),
        bytes().prop_map(Frame::BulkError),
        Just(Frame::Null),
        number.prop_map(Frame::Double),
        any::<bool>().prop_map(Frame::Boolean),
        "[+-]?[0-9]{1,30}".prop_map(|digits| Frame::BigNumber(digits.into())),
        bytes().prop_map(|text| Frame::Verbatim { format: *b"txt", text }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let pairs = || proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        let list = || proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            list().prop_map(Frame::Array),
            list().prop_map(Frame::Set),
            pairs().prop_map(Frame::Map),
            (pairs(), inner.clone())
                .prop_map(|(attributes, value)| Frame::Attribute { attributes, value: Box::new(value) }),
        ]
    })
}

/// Wire bytes that are nearly right.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let vectors: Vec<Vec<u8>> = vectors().into_iter().map(|(wire, ..)| wire.as_bytes().to_vec()).collect();
    let parts = [
        &b"*?\r\n"[..],
        b"%?\r\n",
        b".\r\n",
        b"$?\r\n",
        b";3\r\nabc\r\n",
        b";0\r\n",
        b"*2\r\n",
        b"|1\r\n",
        b"\r",
        b"\n",
        b"$3",
        b"*9",
    ];
    let part = prop_oneof![
        3 => proptest::sample::select(vectors),
        2 => proptest::sample::select(parts.map(<[u8]>::to_vec).to_vec()),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn cuts(len: usize, seeds: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = seeds.iter().map(|s| s % (len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        frames in proptest::collection::vec(frame(), 0..4),
        push in proptest::option::of(proptest::collection::vec(frame(), 0..3)),
        seeds in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let frames: Vec<Frame> = frames.into_iter().chain(push.map(Frame::Push)).collect();
        let wire: Vec<u8> = frames.iter().flat_map(|frame| encode(Version::Resp3, frame)).collect();
        let (found, error) = decode_in_pieces(FrameCodec::default(), &wire, &cuts(wire.len(), &seeds));
        prop_assert_eq!(error, None);
        prop_assert_eq!(found, frames);
    }

    #[test]
    fn a_cut_changes_nothing_even_where_the_input_is_wrong(
        wire in nearly(),
        seeds in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let limits = InputLimits { bulk: 8, inline: 25, depth: 4, elements: 9, ..InputLimits::default() };
        let codec = FrameCodec::with_limits(Version::Resp3, limits);
        let whole = decode_in_pieces(codec.clone(), &wire, &[]);
        prop_assert_eq!(&whole, &decode_in_pieces(codec.clone(), &wire, &cuts(wire.len(), &seeds)));
        let each_byte: Vec<usize> = (0..wire.len()).collect();
        prop_assert_eq!(&whole, &decode_in_pieces(codec, &wire, &each_byte));
    }

    #[test]
    fn version_2_of_anything_is_something_that_version_2_has(frame in frame()) {
        let mut out = Out::new();
        // A text with a line break has no form there, and is refused.
        if FrameCodec::new(Version::Resp2).encode(&frame, &mut out).is_ok() {
            let mut pieces = vec![decode(&out.to_vec()).unwrap()];
            while let Some(piece) = pieces.pop() {
                match piece {
                    Frame::Array(inner) => pieces.extend(inner),
                    Frame::Simple(_) | Frame::Error(_) | Frame::Integer(_) | Frame::Bulk(_) | Frame::Null => {}
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }
}
