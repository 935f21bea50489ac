//! What nodes of the replicated store tell each other: nothing panics, and what is taken is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_distributed_kv::testing::take_any_frames;

/// The kind of a frame that carries one of Raft's messages, which has a checksum of its own at its end.
const RAFT: u8 = 2;

fuzz_target!(|data: &[u8]| {
    // As it comes: nearly always a wrong checksum.
    take_any_frames(data);

    // Several bodies, each with its length in front, in frames whose checksums fit.
    let (mut frames, mut rest) = (Vec::new(), data);
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (piece, behind) = behind.split_at(usize::from(u16::from_le_bytes(*len)).min(behind.len()));
        rest = behind;
        let mut body = piece.to_vec();
        if let Some((&RAFT, message)) = piece.split_first() {
            body.extend(crc32c::crc32c(message).to_le_bytes());
        }
        frames.extend((body.len() as u32).to_le_bytes());
        frames.extend(crc32c::crc32c(&body).to_le_bytes());
        frames.extend(body);
    }
    take_any_frames(&frames);
});
