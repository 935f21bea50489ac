//! Frames: no input panics, no cut into reads changes what is found, and what was found is written and read back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use xs_proto::resp::{Frame, FrameCodec, FrameError, InputLimits, Version};
use xs_proto::{Decode, Encode, Out};

/// Small limits, so that short inputs reach them.
const LIMITS: InputLimits = InputLimits { bulk: 200, inline: 60, depth: 6, elements: 60, ..InputLimits::REDIS };

fn decode(input: &[u8], step: usize) -> (Vec<Frame>, Option<FrameError>) {
    let mut codec = FrameCodec::with_limits(Version::Resp3, LIMITS);
    let mut src = BytesMut::new();
    let mut found = Vec::new();
    for piece in input.chunks(step) {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, codec.decode_eof(&mut src).err())
}

fn encode(frames: &[Frame]) -> Vec<u8> {
    let mut codec = FrameCodec::with_limits(Version::Resp3, LIMITS);
    let mut out = Out::new();
    frames.iter().for_each(|frame| codec.encode(frame, &mut out).unwrap());
    out.to_vec()
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    // Bytes on the wire are compared instead of frames, because a NaN does not equal itself.
    let (frames, error) = decode(input, input.len().max(1));
    let wire = encode(&frames);
    let (cut, cut_error) = decode(input, usize::from(control) % 16 + 1);
    assert_eq!((encode(&cut), cut_error), (wire.clone(), error));
    let (again, error) = decode(&wire, wire.len().max(1));
    assert_eq!(error, None);
    assert_eq!((again.len(), encode(&again)), (frames.len(), wire));

    // Version 2 has a form for nearly everything, and it reads back, too.
    let mut out = Out::new();
    for frame in &frames {
        if FrameCodec::new(Version::Resp2).encode(frame, &mut out).is_ok() {
            let mut src = BytesMut::from(&out.to_vec()[..]);
            assert!(FrameCodec::default().decode(&mut src).unwrap().is_some() && src.is_empty());
        }
        out.clear();
    }
});
