//! Requests: no input panics, no cut into reads changes what is found, and what was found reads back from its other
//! form on the wire.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use xs_proto::resp::{FrameCodec, InputLimits, Request, RequestDecoder, RequestError, Version};
use xs_proto::{Decode, Encode, Out};

/// Small limits, so that short inputs reach them.
const LIMITS: InputLimits = InputLimits {
    bulk: 200,
    multibulk: 50,
    inline: 60,
    request: 400,
    unauthenticated_bulk: 20,
    unauthenticated_multibulk: 3,
    ..InputLimits::REDIS
};

fn parse(input: &[u8], step: usize, authenticated: bool) -> (Vec<Request>, Option<RequestError>) {
    let mut decoder = RequestDecoder::new(LIMITS);
    decoder.set_authenticated(authenticated);
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    while end < input.len() {
        end = input.len().min(end + step);
        loop {
            match decoder.parse(&input[start..end]) {
                Ok(Some(taken)) => {
                    assert!(taken > 0, "no progress");
                    let args = decoder.args(&input[start..end]);
                    if !args.is_empty() {
                        found.push(args.to_owned());
                    }
                    start += taken;
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    let authenticated = control & 1 == 0;
    let step = usize::from(control >> 1) % 16 + 1;
    let (requests, error) = parse(input, usize::MAX / 2, authenticated);
    assert_eq!((&requests, error), {
        let (cut, error) = parse(input, step, authenticated);
        assert_eq!(cut, requests);
        (&requests, error)
    });

    let mut out = Out::new();
    for request in &requests {
        FrameCodec::new(Version::Resp2).encode(request, &mut out).unwrap();
    }
    let mut src = BytesMut::from(&out.to_vec()[..]);
    let mut decoder = RequestDecoder::new(InputLimits::REDIS);
    for request in &requests {
        assert_eq!(decoder.decode(&mut src).unwrap().as_ref(), Some(request));
    }
    assert_eq!(decoder.decode_eof(&mut src), Ok(None));
});
