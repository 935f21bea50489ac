use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::{Decode, Encode, Out};

fn read(bytes: &[u8]) -> Result<Vec<Packet>, Error> {
    let (mut reader, mut src) = (Reader::new(), BytesMut::from(bytes));
    let mut packets = Vec::new();
    while let Some(packet) = reader.decode_eof(&mut src)? {
        packets.push(packet);
    }
    Ok(packets)
}

/// The words of a file in either byte order.
fn words(big: bool, words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| if big { word.to_be_bytes() } else { word.to_le_bytes() }).collect()
}

#[test]
fn either_order_and_either_fraction() {
    for big in [false, true] {
        for (magic, unit) in [(MICROS, 1000), (NANOS, 1)] {
            let version = if big { 0x0002_0004 } else { 0x0004_0002 };
            let header = words(big, &[magic, version, 0, 0, 65535, 1, 7, 5, 2, 60]);
            let packets = read(&[&header[..], b"ab"].concat()).unwrap();
            let data =
                Packet { original_len: 60, ..Packet::new(Duration::new(7, 5 * unit), LinkType::ETHERNET, &b"ab"[..]) };
            assert_eq!(packets, [data]);
        }
    }
}

#[test]
fn pcapng_as_others_write_it() {
    for big in [false, true] {
        let version = if big { 0x0001_0000 } else { 0x0000_0001 };
        let half = |value: u32| if big { value << 16 } else { value };
        let mut file = words(big, &[SECTION, 28, BYTE_ORDER, version, u32::MAX, u32::MAX, 28]);
        file.extend(words(big, &[INTERFACE, 20, half(101), 8, 20]));
        // An interface whose times count 2^-10 seconds, from a second on.
        let resolution = [words(big, &[if big { 0x0009_0001 } else { 0x0001_0009 }]), vec![0x8a, 0, 0, 0]].concat();
        let offset = [
            words(big, &[if big { 0x000e_0008 } else { 0x0008_000e }]),
            if big { 1_u64.to_be_bytes().to_vec() } else { 1_u64.to_le_bytes().to_vec() },
        ]
        .concat();
        file.extend(words(big, &[INTERFACE, 44, half(1), 0]));
        file.extend([resolution, offset, words(big, &[0, 44])].concat());
        file.extend(words(big, &[0x0bad, 16, 1, 16])); // a block that nobody knows
        file.extend(words(big, &[ENHANCED_PACKET, 36, 1, 0, 1536, 3, 90]));
        file.extend([b"abc\0".to_vec(), words(big, &[36])].concat());
        file.extend(words(big, &[SIMPLE_PACKET, 24, 20]));
        file.extend([b"12345678".to_vec(), words(big, &[24])].concat());
        let packets = read(&file).unwrap();
        assert_eq!(
            (packets[0].time, packets[0].interface, &packets[0].data[..]),
            (Duration::from_millis(2500), 1, &b"abc"[..])
        );
        assert_eq!(
            (packets[1].link_type, packets[1].original_len, &packets[1].data[..]),
            (LinkType::RAW, 20, &b"12345678"[..])
        );
        assert_eq!(packets.len(), 2);
    }
}

#[test]
fn what_is_wrong_is_refused() {
    assert_eq!(read(b"PK\x03\x04"), Err(Error::Magic(0x504b_0304)));
    assert_eq!(read(&words(false, &[NANOS, 0x0004_0003, 0, 0, 0, 1])), Err(Error::Version(3)));
    let pcap = words(false, &[NANOS, 0x0004_0002, 0, 0, 0, 1]);
    assert_eq!(read(&[&pcap[..], &words(false, &[0, 0, u32::MAX, 1])].concat()), Err(Error::TooLong(u32::MAX)));
    assert_eq!(read(&[&pcap[..], &words(false, &[0, 0, 9, 9]), b"short"].concat()), Err(Error::Truncated(21)));
    let section = words(false, &[SECTION, 28, BYTE_ORDER, 1, u32::MAX, u32::MAX, 28]);
    let with = |block: &[u32]| read(&[&section[..], &words(false, block)].concat());
    assert_eq!(with(&[]), Ok(vec![]));
    assert_eq!(with(&[1, 8, 0]), Err(Error::Malformed("a block's length")));
    assert_eq!(with(&[1, 16, 0, 20]), Err(Error::Malformed("a block's two lengths differ")));
    assert_eq!(with(&[1, 12, 12]), Err(Error::Malformed("a block is too short for what it says")));
    assert_eq!(
        with(&[ENHANCED_PACKET, 32, 0, 0, 0, 0, 0, 32]),
        Err(Error::Malformed("a packet of an unknown interface"))
    );
    let interface = [INTERFACE, 20, 1, 0, 20];
    assert_eq!(
        with(&[&interface[..], &[ENHANCED_PACKET, 32, 0, 0, 0, 1, 1, 32]].concat()),
        Err(Error::Malformed("a block is too short for what it says"))
    );
}

#[test]
fn a_packet_that_the_file_cannot_say_is_refused() {
    let late = Packet::new(Duration::from_secs(1 << 32), LinkType::ETHERNET, &b""[..]);
    assert!(Writer::new(Format::Pcap, LinkType::ETHERNET).encode(&late, &mut Out::new()).is_err());
    assert!(Writer::new(Format::PcapNg, LinkType::ETHERNET).encode(&late, &mut Out::new()).is_ok());
    assert!(Writer::new(Format::Pcap, LinkType::RAW).encode(&late, &mut Out::new()).is_err());
}

proptest! {
    #[test]
    fn round_trips(
        ng in any::<bool>(),
        link_type in any::<u16>(),
        packets in prop::collection::vec((0_u64..1 << 32, 0_u32..1_000_000_000, prop::collection::vec(any::<u8>(), 0..60), 0_u32..100), 0..8),
        reads in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let (format, link_type) = (if ng { Format::PcapNg } else { Format::Pcap }, LinkType(link_type));
        let (mut writer, mut out) = (Writer::new(format, link_type), Out::new());
        writer.begin(&mut out);
        let packets: Vec<Packet> = packets.into_iter().map(|(seconds, nanos, data, more)| {
            let original_len = data.len() as u32 + more;
            Packet { original_len, ..Packet::new(Duration::new(seconds, nanos), link_type, data) }
        }).collect();
        for packet in &packets {
            writer.encode(packet, &mut out)?;
        }
        let bytes = out.to_vec();
        let (mut reader, mut src, mut seen) = (Reader::new(), BytesMut::new(), Vec::new());
        let (mut rest, mut reads) = (&bytes[..], reads.into_iter().cycle());
        while !rest.is_empty() {
            let (part, next) = rest.split_at(reads.next().unwrap_or(1).min(rest.len()));
            rest = next;
            src.extend_from_slice(part);
            while let Some(packet) = reader.decode(&mut src)? {
                seen.push(packet);
            }
        }
        prop_assert_eq!(reader.decode_eof(&mut src)?, None);
        prop_assert_eq!(seen, packets);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_usize..3, at in 0_usize..30, small in any::<u8>()) {
        let section = words(false, &[SECTION, 28, BYTE_ORDER, 1, 0, 0, 28, INTERFACE, 20, 1, 0, 20, ENHANCED_PACKET, 44]);
        let begin = [Vec::new(), words(true, &[MICROS, 0x0002_0004, 0, 0, 0, 1]), section];
        let mut file = [&begin[kind][..], &bytes].concat();
        if let Some(byte) = file.get_mut(at) {
            *byte = small % 64;
        }
        let _ = read(&file);
    }
}
