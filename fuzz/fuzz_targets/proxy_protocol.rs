//! Headers of the PROXY protocol: no input panics, no cut into reads changes what is found, and what was found is written
//! and read back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use xs_proto::proxy_protocol::{Error, Header, HeaderCodec, Version};
use xs_proto::{Decode, Encode, Out};

/// A small limit, so that short inputs reach it.
fn codec() -> HeaderCodec {
    HeaderCodec::new(Version::V2).with_limit(400)
}

/// A header with how many bytes it took.
fn decode(input: &[u8], step: usize) -> Result<Option<(Header, usize)>, Error> {
    let (mut src, mut fed) = (BytesMut::new(), 0);
    for piece in input.chunks(step) {
        src.extend_from_slice(piece);
        fed += piece.len();
        if let Some(header) = codec().decode(&mut src)? {
            return Ok(Some((header, fed - src.len())));
        }
    }
    codec().decode_eof(&mut src).map(|header| header.map(|header| (header, fed - src.len())))
}

/// A reader that never takes more than is missing.
fn decode_exactly(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let (mut src, mut fed) = (BytesMut::new(), 0);
    loop {
        let missing = codec().missing(&src);
        let piece = &input[fed..(fed + missing).min(input.len())];
        src.extend_from_slice(piece);
        fed += piece.len();
        match codec().decode(&mut src)? {
            Some(header) => {
                assert!(src.is_empty(), "read beyond the header");
                return Ok(Some((header, fed)));
            }
            None if piece.is_empty() => return codec().decode_eof(&mut src).map(|_| None),
            None => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    let whole = decode(input, input.len().max(1));
    assert_eq!(decode(input, usize::from(control) % 16 + 1), whole);
    assert_eq!(decode_exactly(input), whole);

    let Ok(Some((header, _))) = whole else { return };
    let mut out = Out::new();
    HeaderCodec::new(Version::V2).encode(&header, &mut out).unwrap();
    let wire = out.to_vec();
    let mut codec = HeaderCodec::default().with_limit(wire.len());
    assert_eq!(codec.decode(&mut BytesMut::from(&wire[..])), Ok(Some(header.clone())));

    let mut out = Out::new();
    if HeaderCodec::new(Version::V1).encode(&header, &mut out).is_ok() {
        let again = codec.decode(&mut BytesMut::from(&out.to_vec()[..])).unwrap().unwrap();
        assert!(again.source().is_none() || (again.source(), again.destination()) == (header.source(), header.destination()));
    }
});
