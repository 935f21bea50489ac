//! Kafka's requests and answers: no input panics, no cut into reads changes what is found, and what was read is written and
//! read back.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use xs_proto::kafka::codec::{FrameCodec, Incoming, ServerCodec};
use xs_proto::kafka::messages::{ApiKey, Request, Response};
use xs_proto::kafka::wire::{Reader, Writer};
use xs_proto::{Decode, Out};

/// The requests of a stream, and whether it ended with an error.
fn decode(input: &[u8], step: usize) -> (Vec<(i32, usize)>, bool) {
    let mut codec = ServerCodec::new(FrameCodec::new().with_limit(4096));
    let (mut src, mut found) = (BytesMut::new(), Vec::new());
    for piece in input.chunks(step) {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(Incoming { header, len, .. })) => found.push((header.correlation_id, len)),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

fuzz_target!(|data: &[u8]| {
    let [control, key, version, input @ ..] = data else { return };
    let step = usize::from(*control) % 16 + 1;
    assert_eq!(decode(input, step), decode(input, input.len().max(1)));

    let Some(&api) = ApiKey::ALL.get(usize::from(*key) % ApiKey::ALL.len()) else { return };
    let version = i16::from(*version);
    let input = Bytes::copy_from_slice(input);
    if let Ok(request) = Request::read(api, version, &mut Reader::new(input.clone()).with_elements(10_000)) {
        let mut out = Out::new();
        request.write(version, &mut Writer::new(&mut out)).unwrap();
        let again = Request::read(api, version, &mut Reader::new(out.to_vec().into()));
        assert_eq!(again, Ok(request));
    }
    if let Ok(response) = Response::read(api, version, &mut Reader::new(input).with_elements(10_000)) {
        let mut out = Out::new();
        response.write(version, &mut Writer::new(&mut out)).unwrap();
        let again = Response::read(api, version, &mut Reader::new(out.to_vec().into()));
        assert_eq!(again, Ok(response));
    }
});
