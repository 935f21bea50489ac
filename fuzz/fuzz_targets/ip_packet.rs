#![no_main]
//! A frame from a stranger: every header reads or refuses, and what was read is written and read again to the same.

use libfuzzer_sys::fuzz_target;
use xs_proto::ip::{Arp, EtherType, Ethernet, Icmp, Ipv4, Ipv6, Protocol, Tcp, Udp};

fuzz_target!(|frame: &[u8]| {
    let Ok((ethernet, payload)) = Ethernet::parse(frame) else { return };
    let (addresses, protocol, payload) = match ethernet.ether_type {
        EtherType::ARP => {
            if let Ok(arp) = Arp::parse(payload) {
                let mut out = Vec::new();
                arp.write(&mut out);
                assert_eq!(Arp::parse(&out), Ok(arp));
            }
            return;
        }
        EtherType::IPV4 => {
            let Ok((packet, rest)) = Ipv4::parse(payload) else { return };
            let mut out = Vec::new();
            if packet.write(rest, &mut out).is_ok() {
                let again = Ipv4 { checksum_ok: true, cut: 0, ..packet.clone() };
                assert_eq!(Ipv4::parse(&out), Ok((again, rest)));
            }
            (packet.addresses(), packet.protocol, rest)
        }
        EtherType::IPV6 => {
            let Ok((packet, rest)) = Ipv6::parse(payload) else { return };
            let mut out = Vec::new();
            if packet.write(rest, &mut out).is_ok() {
                // Without a payload the length is 0, which stands for all there is: the same here.
                assert_eq!(Ipv6::parse(&out), Ok((Ipv6 { cut: 0, ..packet.clone() }, rest)));
            }
            (packet.addresses(), packet.protocol, rest)
        }
        _ => return,
    };
    let mut out = Vec::new();
    match protocol {
        Protocol::TCP => {
            let Ok((segment, data)) = Tcp::parse(payload) else { return };
            if segment.write(addresses, data, &mut out).is_ok() {
                assert!(Tcp::verify(addresses, &out));
                assert_eq!(Tcp::parse(&out), Ok((segment, data)));
            }
        }
        Protocol::UDP => {
            let Ok((datagram, data)) = Udp::parse(payload) else { return };
            if datagram.write(addresses, data, &mut out).is_ok() {
                assert_eq!(Udp::parse(&out), Ok((datagram, data)));
            }
        }
        Protocol::ICMP | Protocol::ICMPV6 => {
            let parsed = if protocol == Protocol::ICMP { Icmp::parse_v4(payload) } else { Icmp::parse_v6(payload) };
            let _ = parsed.map(|message| message.quoted().map(|quoted| quoted.payload.len()));
        }
        _ => {}
    }
});
