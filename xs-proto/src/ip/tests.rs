use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A SYN as Linux sends it, with its Ethernet header; the checksums are the sender's.
const SYN: &str = "00000000000000000000000008004510003c3f0240004006fda87f0000017f000001a0d21f90b2f4ac2a00000000a002ffd7fe300000\
                   0204ffd70402080a3c1e6ad00000000001030307";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

#[test]
fn a_real_segment() {
    let frame = hex(SYN);
    let (ethernet, packet) = Ethernet::parse(&frame).unwrap();
    assert_eq!(ethernet.ether_type, EtherType::IPV4);
    let (ip, segment) = Ipv4::parse(packet).unwrap();
    assert_eq!((ip.time_to_live, ip.dont_fragment, ip.traffic_class, ip.cut), (64, true, 0x10, 0));
    let (tcp, payload) = Tcp::parse(segment).unwrap();
    assert_eq!((tcp.source, tcp.destination, tcp.flags, payload), (41170, 8080, TcpFlags::SYN, &[][..]));
    let options = [
        TcpOption::MaximumSegmentSize(65495),
        TcpOption::SackPermitted,
        TcpOption::Timestamps(0x3c1e_6ad0, 0),
        TcpOption::Nop,
        TcpOption::WindowScale(7),
    ];
    assert_eq!(tcp.options, options);
    // Written anew it is the same, but for checksums: a card was to fill in TCP's.
    let mut again = Vec::new();
    tcp.write(ip.addresses(), payload, &mut again).unwrap();
    assert!(Tcp::verify(ip.addresses(), &again));
    assert_eq!((&again[..16], &again[18..]), (&segment[..16], &segment[18..]));
}

#[test]
fn padding_is_no_payload() {
    let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let mut packet = Vec::new();
    Ipv4::new(source, destination, Protocol(200)).write(b"hi", &mut packet).unwrap();
    let ethernet = Ethernet {
        destination: MacAddr::BROADCAST,
        source: MacAddr::default(),
        tags: Vec::new(),
        ether_type: EtherType::IPV4,
    };
    let mut frame = Vec::new();
    ethernet.write(&packet, &mut frame);
    frame.resize(60, 0xee);
    let (_, padded) = Ethernet::parse(&frame).unwrap();
    assert_eq!(Ipv4::parse(padded).unwrap().1, b"hi");
}

#[test]
fn a_captures_cut_is_said() {
    let mut packet = Vec::new();
    let (a, b) = (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
    Ipv4::new(a, b, Protocol::UDP).write(&[7; 100], &mut packet).unwrap();
    let (header, payload) = Ipv4::parse(&packet[..60]).unwrap();
    assert_eq!((header.cut, payload.len()), (60, 40));
    let error = Ipv4::parse(&packet[..19]).unwrap_err();
    assert_eq!(error, Error::Truncated { layer: "IPv4", need: 20, have: 19 });
    let mut packet = Vec::new();
    Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, Protocol::UDP).write(&[7; 100], &mut packet).unwrap();
    assert_eq!(Ipv6::parse(&packet[..60]).unwrap().0.cut, 80);
}

#[test]
fn lengths_that_lie_are_refused() {
    let mut packet = Vec::new();
    Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, Protocol::TCP).write(&[], &mut packet).unwrap();
    let with = |at: usize, byte: u8| {
        let mut wrong = packet.clone();
        wrong[at] = byte;
        Ipv4::parse(&wrong).map(drop)
    };
    assert_eq!(with(0, 0x44), Err(Error::malformed("IPv4", "the header is shorter than 20 bytes")));
    assert_eq!(with(0, 0x65), Err(Error::malformed("IPv4", "the version is not 4")));
    assert_eq!(with(3, 19), Err(Error::malformed("IPv4", "the packet is shorter than its header")));
    assert!(matches!(with(0, 0x4f), Err(Error::Truncated { need: 60, .. })));
    let tcp = [0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0];
    assert_eq!(Tcp::parse(&tcp), Err(Error::malformed("TCP options", "an option is shorter than its own header")));
    assert_eq!(
        Udp::parse(&[0, 1, 0, 2, 0, 7, 0, 0]),
        Err(Error::malformed("UDP", "the datagram is shorter than its header"))
    );
    let tags = [&[0; 12][..], &[0x81, 0, 0, 1].repeat(9), &[8, 0]].concat();
    assert_eq!(Ethernet::parse(&tags), Err(Error::malformed("Ethernet", "too many VLAN tags")));
    let chain = [&[0x60, 0, 0, 0, 1, 0, 60, 1][..], &[0; 32], &[60, 0, 0, 0, 0, 0, 0, 0].repeat(32)].concat();
    assert_eq!(Ipv6::parse(&chain).map(drop), Err(Error::malformed("IPv6 extension", "too many headers")));
}

#[test]
fn hardware_addresses_are_read_as_they_are_written() {
    let address: MacAddr = "02:00:5e:10:0:fF".parse().unwrap();
    assert_eq!(address.to_string(), "02:00:5e:10:00:ff");
    for wrong in ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:+6", "1:2:3:4:5:600", "1:2:3:4::6"] {
        assert!(wrong.parse::<MacAddr>().is_err(), "{wrong}");
    }
}

#[test]
fn an_error_quotes_what_it_is_about() {
    let (us, router, them) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 254), Ipv4Addr::new(10, 9, 9, 9));
    let mut datagram = Vec::new();
    Udp { source: 33000, destination: 33434 }.write(Addresses::V4(us, them), b"probe", &mut datagram).unwrap();
    let mut probe = Vec::new();
    Ipv4::new(us, them, Protocol::UDP).write(&datagram, &mut probe).unwrap();
    // Routers send back the header and eight bytes at least.
    let error = Icmp { kind: IcmpKind::TimeExceeded(0), data: probe[..28].to_vec() };
    let mut message = Vec::new();
    error.write(Addresses::V4(router, us), &mut message);
    assert!(Icmp::verify(Addresses::V4(router, us), &message));
    let parsed = Icmp::parse_v4(&message).unwrap();
    let quoted = parsed.quoted().unwrap();
    assert_eq!((quoted.addresses, quoted.protocol), (Addresses::V4(us, them), Protocol::UDP));
    assert_eq!(Udp::parse(quoted.payload).unwrap().0, Udp { source: 33000, destination: 33434 });
}

fn addresses() -> impl Strategy<Value = Addresses> {
    prop_oneof![
        any::<(u32, u32)>().prop_map(|(a, b)| Addresses::V4(a.into(), b.into())),
        any::<(u128, u128)>().prop_map(|(a, b)| Addresses::V6(a.into(), b.into())),
    ]
}

fn tcp_option() -> impl Strategy<Value = TcpOption> {
    prop_oneof![
        Just(TcpOption::Nop),
        any::<u16>().prop_map(TcpOption::MaximumSegmentSize),
        any::<u8>().prop_map(TcpOption::WindowScale),
        Just(TcpOption::SackPermitted),
        prop::collection::vec(any::<(u32, u32)>(), 0..3).prop_map(TcpOption::Sack),
        any::<(u32, u32)>().prop_map(|(value, echo)| TcpOption::Timestamps(value, echo)),
        (9_u8.., prop::collection::vec(any::<u8>(), 0..6)).prop_map(|(kind, data)| TcpOption::Other(kind, data)),
    ]
}

fn extension() -> impl Strategy<Value = Extension> {
    let units =
        |first: usize| (0_usize..4).prop_flat_map(move |more| prop::collection::vec(any::<u8>(), first + more * 8));
    prop_oneof![
        units(6).prop_map(Extension::HopByHop),
        units(6).prop_map(Extension::Destination),
        (any::<(u8, u8)>(), units(4)).prop_map(|((kind, left), data)| Extension::Routing(kind, left, data)),
        (any::<bool>(), any::<u32>()).prop_map(|(more, id)| Extension::Fragment(0, more, id)),
    ]
}

fn icmp_kind() -> impl Strategy<Value = IcmpKind> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(id, sequence)| IcmpKind::EchoRequest(id, sequence)),
        any::<(u16, u16)>().prop_map(|(id, sequence)| IcmpKind::EchoReply(id, sequence)),
        (0_u8..4).prop_map(IcmpKind::Unreachable),
        any::<u16>().prop_map(|most| IcmpKind::TooBig(most.into())),
        any::<u8>().prop_map(IcmpKind::TimeExceeded),
        (200_u8.., any::<u8>(), any::<[u8; 4]>()).prop_map(|(kind, code, rest)| IcmpKind::Other(kind, code, rest)),
    ]
}

proptest! {
    #[test]
    fn round_trips(
        addresses in addresses(),
        ports in any::<(u16, u16)>(),
        numbers in any::<(u32, u32, u16, u8)>(),
        options in prop::collection::vec(tcp_option(), 0..3),
        extensions in prop::collection::vec(extension(), 0..4),
        kind in icmp_kind(),
        tags in prop::collection::vec((any::<bool>(), 0_u8..8, any::<bool>(), 0_u16..4096), 0..3),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut segment = Vec::new();
        let mut tcp = Tcp::new(ports.0, ports.1, numbers.0, numbers.1, TcpFlags(numbers.3));
        tcp.options = options;
        tcp.write(addresses, &payload, &mut segment)?;
        prop_assert!(Tcp::verify(addresses, &segment));
        prop_assert_eq!(Tcp::parse(&segment)?, (tcp, &payload[..]));

        let mut datagram = Vec::new();
        let udp = Udp { source: ports.0, destination: ports.1 };
        udp.write(addresses, &payload, &mut datagram)?;
        prop_assert_eq!(Udp::verify(addresses, &datagram), Some(true));
        prop_assert_eq!(Udp::parse(&datagram)?, (udp, &payload[..]));

        let icmp = Icmp { kind, data: payload.clone() };
        let mut message = Vec::new();
        icmp.write(addresses, &mut message);
        prop_assert!(Icmp::verify(addresses, &message));
        let parsed = match addresses {
            Addresses::V4(..) => Icmp::parse_v4(&message)?,
            Addresses::V6(..) => Icmp::parse_v6(&message)?,
        };
        prop_assert_eq!(parsed, icmp);

        let mut packet = Vec::new();
        let ether_type = match addresses {
            Addresses::V4(source, destination) => {
                let mut header = Ipv4::new(source, destination, Protocol::TCP);
                header.identification = numbers.2;
                header.fragment_offset = numbers.2 & 0xfff8;
                header.more_fragments = numbers.3 & 1 == 1;
                header.write(&segment, &mut packet)?;
                prop_assert_eq!(Ipv4::parse(&packet)?, (header, &segment[..]));
                EtherType::IPV4
            }
            Addresses::V6(source, destination) => {
                let mut header = Ipv6::new(source, destination, Protocol::TCP);
                header.flow_label = numbers.0 & 0xf_ffff;
                header.extensions = extensions;
                header.write(&segment, &mut packet)?;
                prop_assert_eq!(Ipv6::parse(&packet)?, (header, &segment[..]));
                EtherType::IPV6
            }
        };
        let tags = tags.into_iter().map(|(outer, priority, drop_eligible, id)| VlanTag {
            ether_type: if outer { EtherType::SERVICE_VLAN } else { EtherType::VLAN },
            priority,
            drop_eligible,
            id,
        });
        let (destination, source) = (MacAddr([1; 6]), MacAddr([2; 6]));
        let ethernet = Ethernet { destination, source, tags: tags.collect(), ether_type };
        let mut frame = Vec::new();
        ethernet.write(&packet, &mut frame);
        prop_assert_eq!(Ethernet::parse(&frame)?, (ethernet, &packet[..]));

        let (operation, sender_mac) = (ArpOperation(numbers.2), MacAddr([numbers.3; 6]));
        let arp = Arp { operation, sender_mac, sender: numbers.0.into(), target_mac: MacAddr::default(), target: numbers.1.into() };
        let mut bytes = Vec::new();
        arp.write(&mut bytes);
        prop_assert_eq!(Arp::parse(&bytes)?, arp);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), first in prop::option::of(prop::sample::select(vec![0x45_u8, 0x60, 0x4f]))) {
        let mut bytes = bytes;
        if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
            *byte = first;
        }
        let _ = (Ethernet::parse(&bytes), Arp::parse(&bytes), Ipv4::parse(&bytes), Ipv6::parse(&bytes));
        let _ = (Tcp::parse(&bytes), Udp::parse(&bytes));
        if let Ok(icmp) = Icmp::parse_v4(&bytes) {
            let _ = icmp.quoted();
        }
        let _ = Udp::verify(Addresses::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST), &bytes);
    }

    /// Fragments in any order, some twice: the packet comes out once it is whole, and as it was.
    #[test]
    fn fragments_make_their_packet(
        payload in prop::collection::vec(any::<u8>(), 1..400),
        cuts in prop::collection::vec(1_usize..6, 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        v6 in any::<bool>(),
    ) {
        let addresses = if v6 { Addresses::V6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST) } else { Addresses::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST) };
        let key = FragmentKey { addresses, protocol: Protocol::UDP, identification: 7 };
        let mut pieces = Vec::new();
        let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
        while at < payload.len() {
            let to = (at + cuts.next().unwrap_or(1) * 8).min(payload.len());
            pieces.push((at, to));
            at = to;
        }
        let mut fragments = Fragments::default();
        let mut missing: std::collections::HashSet<_> = pieces.iter().copied().collect();
        let all = order.iter().map(|index| *index.get(&pieces)).chain(pieces.iter().copied());
        for (from, to) in all {
            missing.remove(&(from, to));
            let whole = fragments.add(key, from as u16, to < payload.len(), &payload[from..to], Duration::ZERO);
            if missing.is_empty() {
                prop_assert_eq!(whole, Some(payload));
                prop_assert!(fragments.is_empty());
                return Ok(());
            }
            prop_assert_eq!(whole, None);
        }
    }

    /// Segments of any order and overlap, with contradicting copies: the first copy of each byte comes out, in order.
    #[test]
    fn a_stream_is_what_came_first(
        start in any::<u32>(),
        segments in prop::collection::vec((0_usize..200, 0_usize..40, any::<u8>()), 0..60),
        limit in 200_usize..4000,
    ) {
        let mut stream = Stream::new(StreamLimits { bytes: limit });
        let mut came: Vec<Option<u8>> = vec![None; 240];
        let mut out: Vec<Option<u8>> = Vec::new();
        let mut take = |chunk: Chunk<'_>| match chunk {
            Chunk::Data(bytes) => out.extend(bytes.iter().copied().map(Some)),
            Chunk::Gap(len) => out.resize(out.len() + len as usize, None),
            Chunk::End | Chunk::Reset => panic!("nobody has said so"),
        };
        stream.push(&Tcp::new(1, 2, start.wrapping_sub(1), 0, TcpFlags::SYN), &[], &mut take);
        let mut skipped = false;
        for (at, len, fill) in segments {
            let payload: Vec<u8> = (0..len).map(|n| fill.wrapping_add(n as u8)).collect();
            let tcp = Tcp::new(1, 2, start.wrapping_add(at as u32), 0, TcpFlags::ACK);
            stream.push(&tcp, &payload, &mut take);
            for (byte, place) in payload.iter().zip(&mut came[at..]) {
                place.get_or_insert(*byte);
            }
            skipped |= limit < 3000;
        }
        stream.finish(&mut take);
        prop_assert_eq!(stream.waiting(), 0);
        while came.last() == Some(&None) {
            came.pop();
        }
        prop_assert_eq!(out.len(), came.len());
        // What was given up is not taken back when it comes after all; without giving up all is there.
        for (out, came) in out.iter().zip(&came) {
            prop_assert!(out == came || skipped && out.is_none());
        }
    }
}

#[test]
fn overlapping_fragments_of_ipv6_spoil_their_packet() {
    let addresses = Addresses::V6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let key = FragmentKey { addresses, protocol: Protocol::UDP, identification: 1 };
    let mut fragments = Fragments::default();
    let now = Duration::ZERO;
    assert_eq!(fragments.add(key, 0, true, &[1; 16], now), None);
    assert_eq!(fragments.add(key, 8, true, &[2; 16], now), None);
    assert_eq!(fragments.add(key, 24, false, &[3; 8], now), None);
    assert_eq!(fragments.add(key, 0, true, &[1; 24], now), None);
    assert_eq!(fragments.cost(), 0);
    // When they are forgotten, the number may be used again.
    let later = Duration::from_secs(61);
    assert_eq!(fragments.add(key, 0, true, &[1; 8], later), None);
    assert_eq!(fragments.add(key, 8, false, &[2; 1], later), Some([&[1; 8][..], &[2]].concat()));
}

#[test]
fn fragments_are_bounded() {
    let mut fragments = Fragments::new(FragmentLimits { bytes: 10_000, ..FragmentLimits::default() });
    for identification in 0..1000 {
        let addresses = Addresses::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        let key = FragmentKey { addresses, protocol: Protocol::UDP, identification };
        assert_eq!(fragments.add(key, 0, true, &[0; 1000], Duration::ZERO), None);
        assert_eq!(fragments.add(key, 65_528, false, &[0; 8], Duration::ZERO), None, "it would be too long");
    }
    assert!(fragments.cost() <= 10_000 && fragments.len() < 10, "{fragments:?}");
}

#[test]
fn a_stream_ends_with_its_fin_or_a_reset() {
    let mut said = Vec::new();
    let mut take = |chunk: Chunk<'_>| said.push(format!("{chunk:?}"));
    let mut stream = Stream::default();
    stream.push(&Tcp::new(1, 2, 102, 0, TcpFlags::ACK), b"cd", &mut take); // seen from the middle
    stream.push(&Tcp::new(1, 2, 105, 0, TcpFlags::FIN | TcpFlags::ACK), b"f", &mut take);
    stream.push(&Tcp::new(1, 2, 106, 0, TcpFlags::ACK), b"beyond the end", &mut take);
    stream.push(&Tcp::new(1, 2, 104, 0, TcpFlags::ACK), b"e", &mut take);
    assert!(stream.ended());
    stream.push(&Tcp::new(1, 2, 104, 0, TcpFlags::ACK), b"e", &mut take);
    let mut torn = Stream::default();
    torn.push(&Tcp::new(1, 2, 5, 0, TcpFlags::RST), &[], &mut take);
    assert_eq!(said, ["Data([99, 100])", "Data([101])", "Data([102])", "End", "Reset"]);
}
