//! The PROXY protocol: vectors made by hand from the specification, round trips, cuts and limits.
#![cfg(feature = "proxy-protocol")]

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use xs_proto::proxy_protocol::{
    EncodeError, Error, Extensions, Header, HeaderCodec, Origin, Protocol, Tls, UnixName, Version,
};
use xs_proto::{Blame, Decode, Encode, Out};

const SIGNATURE: &[u8] = b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A";

/// The header at the front, with what is left behind it.
fn decode(input: &[u8]) -> Result<Option<(Header, Vec<u8>)>, Error> {
    let mut src = BytesMut::from(input);
    Ok(HeaderCodec::default().decode(&mut src)?.map(|header| (header, src.to_vec())))
}

fn line(text: &str) -> Result<Header, Error> {
    decode(text.as_bytes()).map(|found| found.expect("a whole line").0)
}

fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, block].concat()
}

fn encode(version: Version, header: &Header) -> Vec<u8> {
    let mut out = Out::new();
    HeaderCodec::new(version).encode(header, &mut out).unwrap();
    out.to_vec()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_lines_of_version_1() {
    let (header, rest) =
        decode(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n").unwrap().unwrap();
    assert_eq!(header, Header::proxied(addr("192.168.0.1:56324"), addr("192.168.0.11:443")));
    assert_eq!(rest, b"GET / HTTP/1.1\r\n");
    let header = line("PROXY TCP6 2001:DB8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 0 65535\r\n").unwrap();
    let last = addr("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_eq!((header.source(), header.destination()), (Some(addr("[2001:db8::1]:0")), Some(last)));
    assert_eq!(line("PROXY UNKNOWN\r\n"), Ok(Header::unknown()));
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
    assert_eq!((longest.len(), line(&longest)), (107, Ok(Header::unknown())));
}

#[test]
fn the_lines_that_are_none() {
    for (text, error) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n", Error::Line),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n", Error::Line),
        ("PROXY TCP4 192.168.0.1  192.168.0.11 56324 443\r\n", Error::Line),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n", Error::Line),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\r\n", Error::Line),
        ("PROXY\tTCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Error::Signature),
        ("PROXY TCP5 192.168.0.1 192.168.0.11 56324 443\r\n", Error::Line),
        ("PROXY UDP4 192.168.0.1 192.168.0.11 56324 443\r\n", Error::Line),
        ("PROXY tcp4 192.168.0.1 192.168.0.11 56324 443\r\n", Error::Line),
        ("PROXY UNKNOWNS\r\n", Error::Line),
        ("PROXY UNKNOWN with a\nline feed\r\n", Error::Line),
        ("PROXY TCP4 192.168.000.1 192.168.0.11 56324 443\r\n", Error::Address),
        ("PROXY TCP4 192.168.1 192.168.0.11 56324 443\r\n", Error::Address),
        ("PROXY TCP4 ::1 ::1 56324 443\r\n", Error::Address),
        ("PROXY TCP4 192.168.0.256 192.168.0.11 56324 443\r\n", Error::Address),
        ("PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n", Error::Address),
        ("PROXY TCP6 ::ffff:192.168.0.1 ::1 56324 443\r\n", Error::Address),
        ("PROXY TCP6 1::2::3 ::1 56324 443\r\n", Error::Address),
        ("PROXY TCP6 1:2:3:4:5:6:7 ::1 56324 443\r\n", Error::Address),
        ("PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n", Error::Address),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n", Error::Port),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 056 443\r\n", Error::Port),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 +56 443\r\n", Error::Port),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 -1 443\r\n", Error::Port),
        ("PROXY TCP4 192.168.0.1 192.168.0.11  443\r\n", Error::Port),
        ("GET / HTTP/1.1\r\n", Error::Signature),
        ("POST / HTTP/1.1\r\n", Error::Signature),
    ] {
        assert_eq!(line(text), Err(error), "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_refused_at_once() {
    for (enough, error) in [
        (&b"Q"[..], Error::Signature),
        (b"PROXX", Error::Signature),
        (b"PROXY UNKNOWN\xff", Error::Line),
        (b"PROXY TCP4 1.1.1.1\n", Error::Line),
        (b"\r\n\r\n\0\r\nQUIX", Error::Signature),
        (b"\x16", Error::Signature), // TLS
        (b"S", Error::Signature),
        (b"\r\n\r\n\0\r\nQUIT\n\x11", Error::Command),
        (b"\r\n\r\n\0\r\nQUIT\n\x22", Error::Command),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x41", Error::Family),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x10", Error::Family),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x01", Error::Family),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0b", Error::Length),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", Error::TooLarge),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x00\xff\xff", Error::TooLarge),
    ] {
        assert_eq!(decode(enough), Err(error), "{}", enough.escape_ascii());
        assert_eq!(HeaderCodec::default().missing(enough), 0);
        assert_eq!(decode(&enough[..enough.len() - 1]), Ok(None), "{}", enough.escape_ascii());
    }
    assert_eq!((Error::TooLarge.blame(), Error::Line.blame()), (Blame::Limit, Blame::Peer));
}

#[test]
fn a_line_ends_within_107_bytes() {
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    for len in 15..=200 {
        let expected = if len >= 107 { Err(Error::LineTooLong) } else { Ok(None) };
        assert_eq!(decode(&long.as_bytes()[..len]), expected, "{len}");
    }
    assert!(line(&format!("{}\r\n", &long[..105])).is_ok());
    // Its carriage return is the 107th byte, and the line feed would be one too many.
    assert_eq!(decode(format!("{}\r", &long[..106]).as_bytes()), Err(Error::LineTooLong));
}

#[test]
fn the_addresses_of_version_2() {
    let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 0x01, 0xBB];
    let (header, rest) = decode(&[&binary(0x21, 0x11, &v4)[..], b"hello"].concat()).unwrap().unwrap();
    assert_eq!(header, Header::proxied(addr("192.0.2.7:56324"), addr("198.51.100.1:443")));
    assert_eq!(rest, b"hello");
    assert_eq!(encode(Version::V2, &header), binary(0x21, 0x11, &v4));

    let (header, _) = decode(&binary(0x21, 0x12, &v4)).unwrap().unwrap();
    assert!(matches!(header, Header::Proxied { origin: Origin::V4 { protocol: Protocol::Datagram, .. }, .. }));

    let mut v6 = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    v6.extend([0; 15]);
    v6.extend([1, 0, 80, 0x1F, 0x90]);
    let (header, _) = decode(&binary(0x21, 0x21, &v6)).unwrap().unwrap();
    assert_eq!(header, Header::proxied(addr("[2001:db8::1]:80"), addr("[::1]:8080")));

    let mut unix = vec![0; 216];
    unix[..9].copy_from_slice(b"\0abstract");
    unix[108..].fill(b'x');
    let (header, _) = decode(&binary(0x21, 0x31, &unix)).unwrap().unwrap();
    let Header::Proxied { origin: Origin::Unix { source, destination, .. }, .. } = &header else { panic!() };
    assert_eq!((source.as_bytes(), destination.as_bytes()), (&b"\0abstract"[..], &[b'x'; 108][..]));
    assert_eq!(encode(Version::V2, &header), binary(0x21, 0x31, &unix));
    assert_eq!(header.source(), None);
}

#[test]
fn a_local_connection_is_taken_with_whatever_comes_in_its_block() {
    for (family, block) in [(0x00, &b""[..]), (0x11, &[1; 12]), (0x77, &[0xFF; 3]), (0x11, &[7; 2])] {
        assert_eq!(decode(&binary(0x20, family, block)), Ok(Some((Header::Local, vec![]))));
    }
    assert_eq!(encode(Version::V2, &Header::Local), binary(0x20, 0x00, b""));
    assert_eq!(encode(Version::V1, &Header::Local), b"PROXY UNKNOWN\r\n");
}

/// A header with an IPv4 origin and these TLVs.
fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&[0; 12], tlvs].concat())
}

fn extensions(tlvs: &[u8]) -> Result<Extensions, Error> {
    decode(&with_tlvs(tlvs)).map(|found| found.expect("a whole header").0.extensions().expect("proxied").clone())
}

#[test]
fn the_tlvs() {
    let tlvs = b"\x01\0\x02h2\
        \x02\0\x09xn--a.com\
        \x04\0\x03\xff\xff\xff\
        \x05\0\x02\x00\x01\
        \x20\0\x23\x03\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x01a\x23\0\x02xy\x24\0\x01s\x25\0\x01k\x26\0\0\
        \x30\0\x02ns\
        \xe0\0\x00\
        \xe0\0\x01z";
    let found = extensions(tlvs).unwrap();
    let tls = Tls {
        client: Tls::SPOKEN | Tls::CERTIFICATE,
        verify: 0,
        version: Some("TLSv1.3".into()),
        common_name: Some("a".into()),
        cipher: Some("xy".into()),
        signature: Some("s".into()),
        key: Some("k".into()),
        other: vec![(0x26, Bytes::new())],
    };
    assert!(tls.is_spoken() && tls.is_verified());
    assert!(!Tls { client: Tls::SPOKEN, ..Tls::default() }.is_verified());
    assert_eq!(
        found,
        Extensions {
            alpn: Some("h2".into()),
            authority: Some("xn--a.com".into()),
            unique_id: Some(Bytes::from_static(&[0, 1])),
            tls: Some(tls),
            namespace: Some("ns".into()),
            other: vec![(0xe0, Bytes::new()), (0xe0, "z".into())],
            checksum: false,
        }
    );
}

#[test]
fn the_tlvs_that_are_none() {
    for (tlvs, why) in [
        (&b"\x01"[..], "no length"),
        (b"\x01\0", "half a length"),
        (b"\x01\0\x03h2", "longer than the header"),
        (b"\x01\0\x02h2\0", "a byte behind the last one"),
        (b"\x01\0\x02h2\x01\0\x02h2", "twice"),
        (b"\x02\0\x01\xff", "an authority that is not UTF-8"),
        (b"\x03\0\x03\0\0\0", "a short checksum"),
        (b"\x20\0\x04\0\0\0\0", "TLS without all of its fields"),
        (b"\x20\0\x09\x01\0\0\0\0\x21\0\x07T", "a TLV beyond the one around it"),
        (b"\x20\0\x09\x01\0\0\0\0\x23\0\x01\xc3", "a cipher that is not ASCII"),
        (b"\x30\0\x02\xc3\xa4", "a namespace that is not ASCII"),
    ] {
        assert_eq!(extensions(tlvs), Err(Error::Tlv), "{why}");
    }
    let id = |len: u8| [&[0x05, 0, len][..], &vec![1; usize::from(len)]].concat();
    assert!(extensions(&id(128)).is_ok());
    assert_eq!(extensions(&id(129)), Err(Error::Tlv));
}

#[test]
fn a_checksum_counts_the_header_with_zeros_in_its_place() {
    // CRC32C bit by bit, as RFC 4960 has it in a table.
    fn crc32c(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 })
        })
    }
    assert_eq!(crc32c(b"123456789"), 0xE306_9283); // the check value that catalogues of CRCs give
    let mut wire = with_tlvs(b"\x01\0\x02h2\x03\0\x04\0\0\0\0\xe1\0\x01z");
    let sum = crc32c(&wire);
    let at = wire.len() - 8;
    wire[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    let (header, _) = decode(&wire).unwrap().unwrap();
    assert!(header.extensions().unwrap().checksum);

    let sent = encode(Version::V2, &header);
    assert_eq!(decode(&sent), Ok(Some((header, vec![]))));
    for flipped in 16..sent.len() {
        let mut bad = sent.clone();
        bad[flipped] ^= 1;
        assert_ne!(decode(&bad), decode(&sent), "byte {flipped}");
    }
    for flipped in 16..28 {
        let mut bad = sent.clone();
        bad[flipped] ^= 0x10;
        assert_eq!(decode(&bad), Err(Error::Checksum), "an address, byte {flipped}");
    }
}

#[test]
fn what_has_no_form_on_the_wire_is_the_callers_fault() {
    let with = |extensions| Header::Proxied { origin: Origin::Unknown, extensions };
    let mut out = Out::new();
    let alpn = with(Extensions { alpn: Some("h2".into()), ..Extensions::default() });
    assert_eq!(HeaderCodec::new(Version::V1).encode(&alpn, &mut out), Err(EncodeError::Version));
    for (extensions, error) in [
        (Extensions { unique_id: Some(vec![0; 129].into()), ..Extensions::default() }, EncodeError::TooLong),
        (Extensions { alpn: Some(vec![0; 65536].into()), ..Extensions::default() }, EncodeError::TooLong),
        (Extensions { other: vec![(0xe0, vec![0; 40000].into()); 2], ..Extensions::default() }, EncodeError::TooLong),
        (Extensions { other: vec![(0x02, Bytes::new())], ..Extensions::default() }, EncodeError::Registered),
    ] {
        assert_eq!(HeaderCodec::new(Version::V2).encode(&with(extensions), &mut out), Err(error));
    }
    assert!(out.is_empty());
    assert_eq!(UnixName::new(vec![b'x'; 109]), None);
}

#[test]
fn ends_of_two_families_both_become_ipv6() {
    let header = Header::proxied(addr("192.0.2.7:1"), addr("[2001:db8::1]:2"));
    assert_eq!(header.source(), Some(addr("[::ffff:192.0.2.7]:1")));
    // The line's addresses are groups of hexadecimal digits and nothing else.
    let text = encode(Version::V1, &header);
    assert_eq!(text, b"PROXY TCP6 ::ffff:c000:207 2001:db8::1 1 2\r\n");
    assert_eq!(decode(&text), Ok(Some((header, vec![]))));
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Stream), Just(Protocol::Datagram)]
}

fn v6() -> impl Strategy<Value = SocketAddrV6> {
    let ip = prop_oneof![
        any::<u128>(),
        any::<u32>().prop_map(|low| 0xFFFF_0000_0000 | u128::from(low)),
        any::<u128>().prop_map(|ip| ip & (0xFFFF << 64))
    ];
    (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddrV6::new(ip.into(), port, 0, 0))
}

fn v4() -> impl Strategy<Value = SocketAddrV4> {
    (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV4::new(ip.into(), port))
}

fn origin() -> impl Strategy<Value = Origin> {
    let name = || prop::collection::vec(any::<u8>(), 0..=108).prop_map(|name| UnixName::new(name).unwrap());
    prop_oneof![
        Just(Origin::Unknown),
        (protocol(), v4(), v4()).prop_map(|(protocol, source, destination)| Origin::V4 {
            protocol,
            source,
            destination
        }),
        (protocol(), v6(), v6()).prop_map(|(protocol, source, destination)| Origin::V6 {
            protocol,
            source,
            destination
        }),
        (protocol(), name(), name()).prop_map(|(protocol, source, destination)| Origin::Unix {
            protocol,
            source,
            destination
        }),
    ]
}

fn others(kinds: std::ops::Range<u8>) -> impl Strategy<Value = Vec<(u8, Bytes)>> {
    let value = prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    prop::collection::vec((kinds, value), 0..4)
}

fn tls() -> impl Strategy<Value = Tls> {
    let ascii = || prop::option::of("[ -~]{0,12}");
    let some =
        (0..8u8, any::<u32>(), ascii(), prop::option::of(".{0,12}"), ascii(), ascii(), ascii(), others(0x26..0x2F));
    some.prop_map(|(client, verify, version, common_name, cipher, signature, key, other)| Tls {
        client,
        verify,
        version,
        common_name,
        cipher,
        signature,
        key,
        other,
    })
}

fn any_extensions() -> impl Strategy<Value = Extensions> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..128).prop_map(Bytes::from));
    let text = prop::option::of(".{0,20}");
    let some = (bytes(), text, bytes(), prop::option::of(tls()), prop::option::of("[a-z]{0,9}"), others(0xE0..0xFF));
    (some, any::<bool>()).prop_map(|((alpn, authority, unique_id, tls, namespace, other), checksum)| Extensions {
        alpn,
        authority,
        unique_id,
        tls,
        namespace,
        other,
        checksum,
    })
}

fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        1 => Just(Header::Local),
        9 => (origin(), any_extensions()).prop_map(|(origin, extensions)| Header::Proxied { origin, extensions }),
    ]
}

/// Feeds `wire` cut in two at `cut`, and some bytes of the client's behind it.
fn in_two(wire: &[u8], cut: usize) -> Header {
    let mut codec = HeaderCodec::default();
    let mut src = BytesMut::from(&wire[..cut]);
    match codec.decode(&mut src).unwrap() {
        Some(header) => {
            assert!(src.is_empty() && cut == wire.len());
            header
        }
        None => {
            assert_eq!(src, wire[..cut], "nothing is taken before all is there");
            assert_eq!(codec.decode_eof(&mut src.clone()), if cut == 0 { Ok(None) } else { Err(Error::Truncated) });
            src.extend_from_slice(&wire[cut..]);
            src.extend_from_slice(b"data");
            let header = codec.decode(&mut src).unwrap().unwrap();
            assert_eq!(src, "data");
            header
        }
    }
}

/// What version 1 can say of a header.
fn in_version_1(header: &Header) -> Header {
    match header {
        Header::Proxied {
            origin:
                origin @ (Origin::V4 { protocol: Protocol::Stream, .. } | Origin::V6 { protocol: Protocol::Stream, .. }),
            ..
        } => Header::Proxied { origin: origin.clone(), extensions: Extensions::default() },
        _ => Header::unknown(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(header in header(), cut in any::<prop::sample::Index>()) {
        let wire = encode(Version::V2, &header);
        prop_assert_eq!(in_two(&wire, cut.index(wire.len() + 1)), header.clone());

        let plain = match header {
            Header::Proxied { origin, .. } => Header::Proxied { origin, extensions: Extensions::default() },
            local => local,
        };
        let wire = encode(Version::V1, &plain);
        prop_assert!(wire.len() <= 107);
        prop_assert_eq!(in_two(&wire, cut.index(wire.len() + 1)), in_version_1(&plain));
    }

    #[test]
    fn a_reader_that_takes_what_is_missing_takes_the_header_exactly(header in header(), first in any::<bool>()) {
        let version = if first { Version::V1 } else { Version::V2 };
        let mut out = Out::new();
        prop_assume!(HeaderCodec::new(version).encode(&header, &mut out).is_ok());
        let wire = out.to_vec();
        let (mut codec, mut src, mut reads) = (HeaderCodec::default(), BytesMut::new(), 0);
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let missing = codec.missing(&src);
            prop_assert!(missing > 0 && missing <= rest.len(), "{missing} of {}", rest.len());
            src.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            reads += 1;
            prop_assert!(codec.decode(&mut src).unwrap().is_some() == rest.is_empty());
        }
        prop_assert!(reads <= if first { 60 } else { 3 }, "{reads} reads");
    }

    #[test]
    fn no_input_panics(prefix in 0..3usize, mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let begins = [Vec::new(), b"PROXY TCP4 ".to_vec(), [SIGNATURE, &[0x21, 0x11, 0]].concat()];
        bytes.splice(..0, begins[prefix].iter().copied());
        let _ = decode(&bytes);
        let _ = HeaderCodec::default().missing(&bytes);
    }
}
