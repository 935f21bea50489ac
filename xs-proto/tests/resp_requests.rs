//! What a server reads: requests, whole and in pieces, and what is refused.
#![cfg(feature = "resp")]

use bytes::BytesMut;
use proptest::prelude::*;
use xs_proto::resp::{FrameCodec, InputLimits, Request, RequestDecoder, RequestError, Version};
use xs_proto::{Blame, Decode, Encode, Out};

/// Feeds `input` in pieces that end at `cuts`, with the borrowed interface.
fn parse_in_pieces(
    decoder: &mut RequestDecoder,
    input: &[u8],
    cuts: &[usize],
) -> (Vec<Vec<Vec<u8>>>, Option<RequestError>) {
    let mut found = Vec::new();
    let mut start = 0;
    let ends = cuts.iter().copied().chain([input.len()]);
    for end in ends {
        loop {
            let src = &input[start..end];
            match decoder.parse(src) {
                Ok(Some(n)) => {
                    found.push(decoder.args(src).iter().map(<[u8]>::to_vec).collect());
                    start += n;
                }
                Ok(None) => {
                    assert!(decoder.args(src).is_empty());
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.parse(src), Err(error), "an error is final");
                    return (found, Some(error));
                }
            }
        }
    }
    (found, None)
}

fn parse_all(input: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<RequestError>) {
    parse_in_pieces(&mut RequestDecoder::default(), input, &[])
}

fn error_of(decoder: &mut RequestDecoder, input: &[u8]) -> String {
    parse_in_pieces(decoder, input, &[]).1.map(|error| error.to_string()).unwrap_or_default()
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|w| w.as_bytes().to_vec()).collect()
}

#[test]
fn a_pipeline_of_every_form() {
    let input = b"*1\r\n$4\r\nPING\r\nPING\r\n\r\n*0\r\n*-5\r\n*2\r\n$10\r\n0123456789\r\n$0\r\n\r\nSET k 'a b'\n";
    let (found, error) = parse_all(input);
    assert_eq!(error, None);
    let expected = [
        words(&["PING"]),
        words(&["PING"]),
        words(&[]),
        words(&[]),
        words(&[]),
        words(&["0123456789", ""]),
        words(&["SET", "k", "a b"]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_texts_of_refusals_are_those_of_redis() {
    let long = |head: &[u8]| [head, &[b'1'; 70_000]].concat();
    let cases: &[(&[u8], &str)] = &[
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*blabla\r\n", "invalid multibulk length"),
        (b"*03\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", "invalid bulk length"),
        (b"*1\r\n$01\r\n", "invalid bulk length"),
        (b"SET k \"abc\r\n", "unbalanced quotes in request"),
        (b"SET k 'abc'd\r\n", "unbalanced quotes in request"),
        (&long(b"*"), "too big mbulk count string"),
        (&long(b"*1\r\n$"), "too big bulk count string"),
        (&long(b"GET "), "too big inline request"),
    ];
    for (input, text) in cases {
        let error = error_of(&mut RequestDecoder::default(), input);
        assert_eq!(error, format!("Protocol error: {text}"), "{}", input[..input.len().min(40)].escape_ascii());
    }
}

#[test]
fn whoever_has_not_authenticated_may_ask_for_less() {
    let mut decoder = RequestDecoder::default();
    decoder.set_authenticated(false);
    let count = error_of(&mut decoder.clone(), b"*11\r\n");
    assert_eq!(count, "Protocol error: unauthenticated multibulk length");
    let len = error_of(&mut decoder.clone(), b"*1\r\n$16385\r\n");
    assert_eq!(len, "Protocol error: unauthenticated bulk length");
    assert_eq!(error_of(&mut decoder.clone(), b"*10\r\n$16384\r\n"), "");
    // What is beyond the ordinary limit is called that, as Redis does.
    assert_eq!(error_of(&mut decoder.clone(), b"*1\r\n$999999999\r\n"), "Protocol error: invalid bulk length");
    decoder.set_authenticated(true);
    assert_eq!(error_of(&mut decoder, b"*11\r\n$16385\r\n"), "");
}

#[test]
fn limits_change_while_the_stream_runs() {
    let mut decoder = RequestDecoder::new(InputLimits { bulk: 3, ..InputLimits::default() });
    assert_eq!(decoder.parse(b"*1\r\n$3\r\nGET\r\n"), Ok(Some(13)));
    assert_eq!(decoder.clone().parse(b"*1\r\n$4\r\nPING\r\n"), Err(RequestError::InvalidBulkLength));
    decoder.set_limits(InputLimits { bulk: 4, multibulk: 1, ..InputLimits::default() });
    assert_eq!(decoder.parse(b"*1\r\n$4\r\nPING\r\n"), Ok(Some(14)));
    assert_eq!(decoder.clone().parse(b"*2\r\n"), Err(RequestError::InvalidMultibulkLength));
    decoder.set_limits(InputLimits { request: 30, ..InputLimits::default() });
    assert_eq!(decoder.parse(b"*1\r\n$40\r\n"), Err(RequestError::BigRequest));
}

#[test]
fn what_has_been_seen_is_not_looked_at_again() {
    // After each call the bytes that the decoder has passed are overwritten. It would stumble if it looked back.
    let value = vec![b'v'; 5000];
    let mut input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\n".to_vec();
    let header = input.len();
    input.extend_from_slice(&value);
    input.extend_from_slice(b"\r\n");
    let mut decoder = RequestDecoder::default();
    let mut src = Vec::new();
    for (i, piece) in input.chunks(100).enumerate() {
        src.extend_from_slice(piece);
        let answer = decoder.parse(&src);
        if src.len() < input.len() {
            assert_eq!(answer, Ok(None), "piece {i}");
            let seen = src.len().min(header);
            src[..seen].fill(b'!');
        } else {
            assert_eq!(answer, Ok(Some(input.len())));
        }
    }
    assert_eq!(decoder.args(&src).get(2), Some(&value[..]));

    let mut line = vec![b'x'; 1000];
    let mut decoder = RequestDecoder::default();
    assert_eq!(decoder.parse(&line), Ok(None));
    line[..1000].fill(b'\n');
    line.extend_from_slice(b"y\n");
    assert_eq!(decoder.parse(&line), Ok(Some(1002)));
}

#[test]
fn faults_are_told_apart() {
    assert_eq!(RequestError::ExpectedBulk(b'x').blame(), Blame::Peer);
    assert_eq!(RequestError::BigInline.blame(), Blame::Limit);
}

#[test]
fn owned_requests_skip_what_is_empty_and_the_end_must_be_clean() {
    let mut src = BytesMut::from(&b"\r\n*0\r\n*1\r\n$4\r\nPING\r\nECHO \"a\\tb\"\r\n*1\r\n$"[..]);
    let mut decoder = RequestDecoder::default();
    assert_eq!(decoder.decode(&mut src), Ok(Some(Request::from_iter(["PING"]))));
    assert_eq!(decoder.decode(&mut src), Ok(Some(Request::from_iter(["ECHO", "a\tb"]))));
    assert_eq!(decoder.decode(&mut src), Ok(None));
    assert_eq!(decoder.decode_eof(&mut src), Err(RequestError::Truncated));
    assert_eq!(RequestDecoder::default().decode_eof(&mut BytesMut::new()), Ok(None));
}

#[test]
fn arguments_can_be_taken_apart() {
    let request = Request::from_iter(["SET", "key", "value"]);
    let args = request.args();
    assert_eq!((args.len(), &args[1], args.get(3)), (3, &b"key"[..], None));
    assert_eq!(args.skip(1), Request::from_iter(["key", "value"]).args());
    assert!(args.skip(4).is_empty());
    assert_eq!(args.skip(2).to_owned(), Request::from_iter(["value"]));
    assert_eq!(format!("{request:?}"), r#"["SET", "key", "value"]"#);
    let value = request.get_bytes(2).unwrap();
    assert_eq!(value.as_ptr(), request.args()[2].as_ptr(), "shared, not copied");
    assert_eq!(args.iter().next_back(), Some(&b"value"[..]));
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => (95usize..105, any::<u8>()).prop_map(|(len, b)| vec![b; len]),
        1 => (995usize..1005, any::<u8>()).prop_map(|(len, b)| vec![b; len]),
    ]
}

/// A request and one of the ways to write it.
fn written() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let args = proptest::collection::vec(argument(), 1..12);
    (args, 0u8..4).prop_map(|(args, form)| {
        let mut wire = Vec::new();
        match form {
            0 => {
                for arg in &args {
                    wire.extend_from_slice(b" \"");
                    arg.iter().for_each(|b| wire.extend_from_slice(format!("\\x{b:02x}").as_bytes()));
                    wire.extend_from_slice(b"\"\t");
                }
                wire.extend_from_slice(b"\r\n");
            }
            _ => {
                let mut out = Out::new();
                FrameCodec::new(Version::Resp2).encode(&Request::from_iter(&args), &mut out).unwrap();
                wire = out.to_vec();
            }
        }
        (args, wire)
    })
}

/// Wire bytes that are nearly right.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 16] = [
        b"*2\r\n",
        b"*1\r\n",
        b"$3\r\nabc\r\n",
        b"$12\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"$-1\r\n",
        b"*-1\r\n",
        b"a 'b' \"c\"\r\n",
        b"\"x",
        b"*",
        b"$0\r\n\r\n",
        b"*11\r\n",
        b"$101\r\n",
        b"01",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn cuts(len: usize, seeds: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = seeds.iter().map(|s| s % (len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        requests in proptest::collection::vec(written(), 0..8),
        seeds in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let wire: Vec<u8> = requests.iter().flat_map(|(_, wire)| wire.iter().copied()).collect();
        let expected: Vec<_> = requests.into_iter().map(|(args, _)| args).collect();
        let cuts = cuts(wire.len(), &seeds);
        let (found, error) = parse_in_pieces(&mut RequestDecoder::default(), &wire, &cuts);
        prop_assert_eq!(error, None);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_cut_changes_nothing_even_where_the_input_is_wrong(
        wire in nearly(),
        seeds in proptest::collection::vec(any::<usize>(), 0..12),
        authenticated: bool,
    ) {
        let limits = InputLimits { bulk: 100, inline: 30, request: 150, unauthenticated_bulk: 11, ..InputLimits::default() };
        let mut decoder = RequestDecoder::new(limits);
        decoder.set_authenticated(authenticated);
        let whole = parse_in_pieces(&mut decoder.clone(), &wire, &[]);
        let cut = parse_in_pieces(&mut decoder.clone(), &wire, &cuts(wire.len(), &seeds));
        prop_assert_eq!(&whole, &cut);
        let each_byte: Vec<usize> = (0..wire.len()).collect();
        prop_assert_eq!(&whole, &parse_in_pieces(&mut decoder, &wire, &each_byte));
    }

    #[test]
    fn owned_and_borrowed_agree(wire in nearly()) {
        let (borrowed, error) = parse_all(&wire);
        let mut src = BytesMut::from(&wire[..]);
        let mut decoder = RequestDecoder::default();
        let mut owned = Vec::new();
        let end = loop {
            match decoder.decode(&mut src) {
                Ok(Some(request)) => owned.push(request.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        prop_assert_eq!(end, error);
        prop_assert_eq!(owned, borrowed.into_iter().filter(|args| !args.is_empty()).collect::<Vec<_>>());
    }
}
