#![no_main]
//! A capture file: cut into two reads it gives the same packets and the same error.

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use xs_proto::Decode;
use xs_proto::pcap::{Error, Packet, Reader};

fn read(parts: &[&[u8]]) -> (Vec<Packet>, Option<Error>) {
    let (mut reader, mut src, mut packets) = (Reader::new(), BytesMut::new(), Vec::new());
    for (at, part) in parts.iter().enumerate() {
        src.extend_from_slice(part);
        loop {
            let next = if at + 1 == parts.len() { reader.decode_eof(&mut src) } else { reader.decode(&mut src) };
            match next {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
    }
    (packets, None)
}

fuzz_target!(|file: &[u8]| {
    let cut = file.first().map_or(0, |byte| usize::from(*byte) % (file.len() + 1));
    assert_eq!(read(&[file]), read(&[&file[..cut], &file[cut..]]));
});
