use proptest::prelude::*;

use super::*;

fn accepts(filter: &str, packet: &[u8]) -> bool {
    let program = filter.parse::<Filter>().unwrap().compile(Link::Ethernet).unwrap();
    program.run(packet, packet.len() as u32) != 0
}

/// A TCP segment from 10.0.0.1:1234 to 192.168.1.2:80 with SYN set, on Ethernet.
fn segment() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 1, 2]);
    frame.extend([4, 210, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0]);
    frame
}

#[test]
fn questions_about_a_segment() {
    let frame = segment();
    for (filter, wanted) in [
        ("", true),
        ("tcp", true),
        ("udp", false),
        ("ip and not arp", true),
        ("tcp port 80", true),
        ("port http", true),
        ("src port 80", false),
        ("udp port 80", false),
        ("portrange 70-90", true),
        ("portrange 81-90", false),
        ("host 10.0.0.1", true),
        ("dst host 10.0.0.1", false),
        ("src 10.0.0.1 and dst 192.168.1.2", true),
        ("src and dst host 10.0.0.1", false),
        ("net 192.168", true),
        ("net 10.0.0.0/8 and not net 10.1.0.0 mask 255.255.0.0", true),
        ("port 22 or 80", true),
        ("port 22 or 23", false),
        ("ether src 02:00:00:00:00:02", true),
        ("ether host 02:00:00:00:00:03", false),
        ("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", true),
        ("tcp[13] & 0x10 = 0x10", false),
        ("ip[2:2] = 40 && len == 54", true),
        ("ip[ip[0] & 0xf] > 0 or ip[0] >> 4 != 4", true),
        ("greater 54 and less 54", true),
        ("vlan", false),
        ("multicast or broadcast", false),
        ("not (tcp or udp) or ip proto 6", true),
        ("ip6", false),
        ("arp or tcp and udp", false), // to the left: (arp or tcp) and udp
        ("tcp and udp or ip", true),
        ("not tcp or ip", true),
        ("ether proto \\ip", true),
        ("ether[12:2] = 0x0800", true),
        ("tcp[0:2] * 2 = 2468 and tcp[2:2] % 7 == 3", true),
        ("len - 50 = 4", true),
        ("-1 = 0xffffffff", true),
    ] {
        assert_eq!(accepts(filter, &frame), wanted, "{filter}");
    }
}

#[test]
fn a_later_fragment_has_no_ports() {
    let mut frame = segment();
    frame[21] = 1;
    assert!(!accepts("tcp port 80", &frame) && !accepts("tcp[13] & 2 != 0", &frame) && accepts("tcp", &frame));
}

#[test]
fn what_follows_vlan_is_behind_the_tag() {
    let mut frame = segment();
    frame.splice(12..12, [0x81, 0, 0, 7]);
    assert!(accepts("vlan 7 and tcp port 80", &frame) && !accepts("tcp port 80", &frame) && !accepts("vlan 8", &frame));
}

#[test]
fn packets_that_are_cut_are_not_accepted() {
    let frame = segment();
    for len in 0..37 {
        assert!(!accepts("tcp port 80", &frame[..len]), "{len}");
    }
    assert!(accepts("tcp port 80", &frame[..38]));
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        ("tcp port", "at 8: a port is missing"),
        ("host example.com", "at 5: \"example.com\" is no address"),
        ("(tcp", "at 4: a \")\" is missing"),
        ("tcp)", "at 3: the filter should end here, or go on with \"and\" or \"or\""),
        ("tcp udp", "at 4: the filter should end here, or go on with \"and\" or \"or\""),
        ("net 10.0.0.1/8", "at 14: the address has bits outside of its network"),
        ("icmp port 5", "at 10: only TCP, UDP and SCTP have ports"),
        ("ip[0", "at 4: a \"]\" is missing"),
        ("ip[0:3] = 1", "at 5: \"3\" is no size: 1, 2 or 4"),
        ("ip[0]", "at 5: a comparison is missing"),
        ("len / 0 = 1", "at 8: a division by zero"),
        ("tcp and", "at 7: an address is missing"),
        ("port 80 # web", "at 8: '#' has no meaning here"),
        ("vlan 5000", "at 5: a VLAN's id is at most 4095"),
        ("port 65536", "at 5: \"65536\" is no port"),
    ] {
        assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), message, "{text}");
    }
    assert!("ether host 1:2:3:4:5:6".parse::<Filter>().unwrap().compile(Link::Raw).is_err());
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |n: usize| format!("{}tcp{}", "(".repeat(n), ")".repeat(n));
    assert!(deep(99).parse::<Filter>().is_ok() && deep(101).parse::<Filter>().is_err());
    assert!("not ".repeat(100_000).parse::<Filter>().is_err());
    assert!(format!("{} = 1", "-".repeat(100_000)).parse::<Filter>().is_err());
    let ports = |n: usize| format!("port 1{}", (2..=n).map(|port| format!(" or {port}")).collect::<String>());
    // Jumps of more than 255 instructions.
    let long: Filter = ports(100).parse().unwrap();
    let program = long.compile(Link::Ethernet).unwrap();
    assert!(program.instructions().len() > 1000);
    assert_ne!(program.run(&segment(), 54), 0);
    assert_eq!(ports(2000).parse::<Filter>().unwrap().compile(Link::Ethernet), Err(Error::TooLong));
}

/// Pieces of filters, put together as they may be or not.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "tcp",
        "udp",
        "ip",
        "ip6",
        "arp",
        "and",
        "or",
        "not",
        "(",
        ")",
        "port",
        "host",
        "net",
        "src",
        "dst",
        "80",
        "10.0.0.1",
        "::1",
        "/",
        "8",
        "[",
        "]",
        ":",
        "&",
        "=",
        ">",
        "len",
        "-",
        "+",
        "vlan",
        "ether",
        "proto",
        "6",
        "tcp-syn",
        "1:2:3:4:5:6",
        "portrange",
        "1-2",
        "less",
        "broadcast",
        "!",
        "|",
        "\\tcp",
    ]);
    prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}

proptest! {
    /// No text panics, and what compiles is what the kernel takes: `Program::new` has said so.
    #[test]
    fn what_compiles_is_valid(text in prop_oneof![words(), ".*"], packet in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(filter) = text.parse::<Filter>() {
            for link in [Link::Ethernet, Link::Raw] {
                if let Ok(program) = filter.compile(link) {
                    let _ = (program.run(&packet, 80), program.to_string());
                }
            }
        }
    }
}
