//! What a server writes, in both versions, as Redis 7.0 writes it.
#![cfg(feature = "resp")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use xs_proto::resp::{Frame, FrameCodec, Reply, Version};
use xs_proto::{Decode, Out};

fn written(version: Version, write: impl Fn(&mut Reply<'_>)) -> String {
    let mut out = Out::new();
    write(&mut Reply::new(&mut out, version));
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn every_piece_in_both_versions() {
    type Write = fn(&mut Reply<'_>);
    let cases: &[(Write, &str, &str)] = &[
        (|r| r.ok(), "+OK\r\n", "+OK\r\n"),
        (|r| r.simple("a\r\nb"), "+a  b\r\n", "+a  b\r\n"),
        (|r| r.error("ERR a\nb"), "-ERR a b\r\n", "-ERR a b\r\n"),
        (|r| r.int(7), ":7\r\n", ":7\r\n"),
        (|r| r.int(-7), ":-7\r\n", ":-7\r\n"),
        (|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
        (|r| r.bulk_int(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        (|r| r.null(), "$-1\r\n", "_\r\n"),
        (|r| r.null_array(), "*-1\r\n", "_\r\n"),
        (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
        (|r| r.boolean(false), ":0\r\n", "#f\r\n"),
        (|r| r.double(3.1), "$18\r\n3.1000000000000001\r\n", ",3.1000000000000001\r\n"),
        (|r| r.double(-2.0), "$2\r\n-2\r\n", ",-2\r\n"),
        (|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
        (|r| r.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
        (|r| r.verbatim(b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        (|r| r.bulk_error(b"ERR a\nb"), "-ERR a b\r\n", "!7\r\nERR a\nb\r\n"),
        (|r| r.array(12), "*12\r\n", "*12\r\n"),
        (|r| r.map(6), "*12\r\n", "%6\r\n"),
        (|r| r.set(1), "*1\r\n", "~1\r\n"),
        (|r| r.push(3), "*3\r\n", ">3\r\n"),
        (|r| assert_eq!(r.attribute(1), r.version() == Version::Resp3), "", "|1\r\n"),
    ];
    for (i, (write, resp2, resp3)) in cases.iter().enumerate() {
        assert_eq!(written(Version::Resp2, write), *resp2, "case {i}");
        assert_eq!(written(Version::Resp3, write), *resp3, "case {i}");
    }
}

#[test]
fn a_length_may_be_known_last() {
    let nested = |r: &mut Reply<'_>| {
        r.ok();
        let outer = r.begin();
        r.bulk_bytes(Bytes::from(vec![b'x'; 20_000]));
        let inner = r.begin();
        (0..11).for_each(|i| r.int(i));
        r.end_set(inner, 11);
        let refused = r.begin();
        r.bulk_bytes(Bytes::from(vec![b'y'; 20_000]));
        r.int(1);
        r.rewind(refused);
        r.end_map(outer, 1);
        r.int(5);
    };
    let xs = "x".repeat(20_000);
    let ints: String = (0..11).map(|i| format!(":{i}\r\n")).collect();
    assert_eq!(written(Version::Resp2, nested), format!("+OK\r\n*2\r\n$20000\r\n{xs}\r\n*11\r\n{ints}:5\r\n"));
    assert_eq!(written(Version::Resp3, nested), format!("+OK\r\n%1\r\n$20000\r\n{xs}\r\n~11\r\n{ints}:5\r\n"));
}

proptest! {
    #[test]
    fn bulks_and_integers_of_every_size_read_back(len in 0usize..20_000, value: i64, bits: u64) {
        let bytes = vec![b'z'; len];
        let double = f64::from_bits(bits);
        let mut out = Out::new();
        let mut reply = Reply::new(&mut out, Version::Resp3);
        reply.array(5);
        reply.bulk(&bytes);
        reply.bulk_bytes(bytes.clone().into());
        reply.int(value);
        reply.bulk_int(value);
        reply.double(double);
        let frame = FrameCodec::default().decode(&mut BytesMut::from(&out.to_vec()[..])).unwrap().unwrap();
        let elements = frame.elements().unwrap();
        let bulk = Frame::bulk(bytes);
        prop_assert_eq!(&elements[..4], &[bulk.clone(), bulk, Frame::Integer(value), Frame::bulk(value.to_string())]);
        let Frame::Double(read) = elements[4] else { panic!("a double") };
        prop_assert!(read.to_bits() == bits || read.is_nan() && double.is_nan());
    }
}
