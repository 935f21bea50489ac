//! Filters beside tcpdump's: the same packets of the same file are accepted.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use xs_os::capture::filter::{Filter, Link};
use xs_proto::ip::{
    Addresses, Arp, ArpOperation, EtherType, Ethernet, Extension, Icmp, IcmpKind, Ipv4, Ipv6, MacAddr, Protocol, Tcp,
    TcpFlags, Udp, VlanTag,
};
use xs_proto::pcap::{Format, LinkType, Packet, Writer};
use xs_proto::{Encode, Out};

/// With semicolons between them.
const FILTERS: &str = "
tcp; udp; icmp; icmp6; ip; ip6; arp; rarp; sctp; not ip; tcp or udp and port 53; udp and port 53 or tcp;
port 80; src port 80; dst port 80; tcp port 80; udp port 80; port 53 or 80; portrange 50-100; tcp portrange 1-79;
src or dst port 53; src and dst port 53; tcp src port 1234 and dst port 80; port http or domain; tcp port https;
udp src portrange 1000-65535; not port 80; sctp port 80;
host 10.0.0.1; src host 10.0.0.1; dst host 10.0.0.1; src and dst host 10.0.0.1; ip host 10.0.0.1; arp host 10.0.0.1;
host 2001:db8::1; ip6 host 2001:db8::1; src 2001:db8::1; dst 2001:db8::2 or 10.0.0.2; host 10.0.0.1 and not 10.0.0.2;
host 10.0.0.1 and (port 80 or 53); arp src 10.0.0.1; src 10.0.0.1 and dst 192.168.0.9;
net 10; net 10.0.0.0/24; net 192.168.0.0/16; src net 10.0.0; dst net 10.0.0.0 mask 255.255.255.254;
net 2001:db8::/32; net 2001:db8::/127; src net 2001:db8::2/128; net 0.0.0.0/0;
ether host 02:00:00:00:00:01; ether src 02:00:00:00:00:02; ether dst 02:00:00:00:00:01; ether proto 0x86dd;
ether proto \\ip; ether proto \\arp; ether[0] & 1 = 1; ether[12:2] > 0x800;
ip proto 17; ip proto \\udp; ip6 proto 6; ip6 proto \\tcp; proto 6; proto \\icmp; ip proto 1 or ip6 proto 58;
broadcast; multicast; ether multicast; ip multicast; ip6 multicast; ether broadcast; not broadcast;
less 60; greater 60; len > 60; len != 42; len - 14 > 46; len & 1 = 1; len / 2 < 30; len % 5 = 2; len << 1 >= 120;
60 < len; len | 1 = 61; len ^ 1 = 55;
tcp[13] & 2 != 0; tcp[tcpflags] & (tcp-syn|tcp-fin) != 0; tcp[tcpflags] == tcp-syn|tcp-ack; tcp[0:2] = 1234;
tcp[2:2] < 100; tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420; udp[0:2] = udp[2:2]; udp[4:2] > 20;
ip[0] & 0xf != 5; ip[6:2] & 0x1fff != 0; ip[2:2] - ((ip[0] & 0xf) << 2) > 20; ip[8] < 64; ip6[6] = 44; ip6[40] = 17;
ip[9] = 6 and tcp[13] = 2; icmp[icmptype] = icmp-echo; icmp[0] = 8 or icmp[0] = 0; icmp[icmptype] != icmp-echo;
arp[6:2] = 1; arp[6:2] = 2; icmp[icmpcode] = 0; icmp6[icmp6type] = icmp6-echo;
vlan; vlan 7; vlan 7 and ip; vlan and tcp port 80; vlan 7 and vlan 9; not vlan; tcp or vlan and tcp;
vlan 9 and not arp; port 80 or vlan and port 80;
not tcp and not udp; !(tcp or udp); (tcp or udp) and (port 53 or port 80) and not host 10.0.0.2; not not tcp;
((((tcp)))); tcp && !port 80 || udp; (len) > 60; (len + 4) > (30 * 2); (tcp[13] & 2) != 0 and tcp
";

/// Packets of many kinds: each carrier with each content.
fn packets() -> Vec<Vec<u8>> {
    let v4 = |c: [u8; 4], d: [u8; 4]| Addresses::V4(c.into(), d.into());
    let v6 = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let all = [
        v4([10, 0, 0, 1], [10, 0, 0, 2]),
        v4([10, 0, 0, 2], [10, 0, 0, 1]),
        v4([10, 0, 0, 1], [10, 0, 0, 1]),
        v4([192, 168, 3, 4], [239, 1, 2, 3]),
        Addresses::V6(v6(1), v6(2)),
        Addresses::V6(v6(2), v6(300)),
        Addresses::V6(v6(1), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
    ];
    let mut payloads: Vec<(EtherType, Vec<u8>)> = Vec::new();
    for addresses in all {
        for (protocol, body) in bodies(addresses) {
            payloads.extend(carried(addresses, protocol, &body));
        }
    }
    for operation in [ArpOperation::REQUEST, ArpOperation::REPLY] {
        let (sender, target) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 168, 0, 9));
        let (sender_mac, target_mac) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr::default());
        let mut packet = Vec::new();
        Arp { operation, sender_mac, sender, target_mac, target }.write(&mut packet);
        payloads.push((EtherType::ARP, packet.clone()));
        payloads.push((EtherType(0x8035), packet));
    }
    payloads.push((EtherType(0x88cc), vec![1; 50]));
    let mut frames = Vec::new();
    for (number, (ether_type, payload)) in payloads.iter().enumerate() {
        let tag = |id| VlanTag { ether_type: EtherType::VLAN, priority: 1, drop_eligible: false, id };
        let (one, two) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let destination = [one, two, MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 1])][number % 4];
        let source = if number % 3 == 0 { one } else { two };
        for tags in [vec![], vec![tag(7)], vec![tag(7), tag(9)]] {
            let mut frame = Vec::new();
            Ethernet { destination, source, tags, ether_type: *ether_type }.write(payload, &mut frame);
            frames.push(frame);
        }
    }
    // And what a capture has cut.
    let cut = |(n, frame): (usize, &Vec<u8>)| frame[..1 + frame.len() * (n % 7) / 7].to_vec();
    let cut: Vec<Vec<u8>> = frames.iter().step_by(5).enumerate().map(cut).collect();
    frames.extend(cut);
    frames
}

/// A body in packets of several forms: with options, as a fragment, behind extension headers.
fn carried(addresses: Addresses, protocol: Protocol, body: &[u8]) -> Vec<(EtherType, Vec<u8>)> {
    let mut packets = Vec::new();
    match addresses {
        Addresses::V4(source, destination) => {
            for variant in 0..4 {
                let mut header = Ipv4::new(source, destination, protocol);
                match variant {
                    1 => header.options = vec![1; 8],
                    2 => (header.fragment_offset, header.time_to_live) = (64, 3),
                    3 => header.more_fragments = true,
                    _ => {}
                }
                let mut packet = Vec::new();
                header.write(body, &mut packet).unwrap();
                packets.push((EtherType::IPV4, packet));
            }
        }
        Addresses::V6(source, destination) => {
            let hop = Extension::HopByHop(vec![1, 4, 0, 0, 0, 0]);
            for extensions in [vec![], vec![Extension::Fragment(0, true, 5)], vec![hop]] {
                let mut packet = Vec::new();
                Ipv6 { extensions, ..Ipv6::new(source, destination, protocol) }.write(body, &mut packet).unwrap();
                packets.push((EtherType::IPV6, packet));
            }
        }
    }
    packets
}

fn bodies(addresses: Addresses) -> Vec<(Protocol, Vec<u8>)> {
    let mut bodies = Vec::new();
    let answer = TcpFlags::SYN | TcpFlags::ACK;
    let conversations =
        [(1234, 80, TcpFlags::SYN), (80, 1234, answer), (5000, 6000, TcpFlags::ACK), (53, 53, TcpFlags::FIN)];
    for (source, destination, flags) in conversations {
        let payload: &[u8] = if destination == 80 { b"GET / HTTP/1.1\r\n" } else { b"" };
        let (mut segment, mut datagram) = (Vec::new(), Vec::new());
        Tcp::new(source, destination, 1, 2, flags).write(addresses, payload, &mut segment).unwrap();
        Udp { source, destination }.write(addresses, payload, &mut datagram).unwrap();
        // SCTP's ports stand where UDP's do.
        bodies.extend([(Protocol::TCP, segment), (Protocol(132), datagram.clone()), (Protocol::UDP, datagram)]);
    }
    for kind in [IcmpKind::EchoRequest(1, 2), IcmpKind::EchoReply(1, 2), IcmpKind::Unreachable(3)] {
        let mut message = Vec::new();
        Icmp { kind, data: vec![0; 9] }.write(addresses, &mut message);
        let v4 = matches!(addresses, Addresses::V4(..));
        bodies.push((if v4 { Protocol::ICMP } else { Protocol::ICMPV6 }, message));
    }
    bodies
}

/// The numbers of the packets that tcpdump accepts: the time of each is its number.
fn tcpdump(file: &std::path::Path, filter: &str, options: &[&str]) -> Vec<usize> {
    let output =
        Command::new("tcpdump").args(options).args(["-tt", "-n", "-q", "-r"]).arg(file).arg(filter).output().unwrap();
    assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |line: &str| line.split_once('.').and_then(|(seconds, _)| seconds.parse().ok());
    text.lines().filter_map(number).collect()
}

#[test]
#[ignore = "needs tcpdump"]
fn tcpdump_accepts_the_same() {
    let frames = packets();
    let (mut writer, mut out) = (Writer::new(Format::Pcap, LinkType::ETHERNET), Out::new());
    for (number, frame) in frames.iter().enumerate() {
        let packet = Packet::new(Duration::from_secs(number as u64), LinkType::ETHERNET, frame.clone());
        writer.encode(&packet, &mut out).unwrap();
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&out.to_vec()).unwrap();
    let mut different = Vec::new();
    let filters: Vec<&str> = FILTERS.split(';').map(str::trim).collect();
    assert!(filters.len() > 120, "{}", filters.len());
    for filter in filters {
        let theirs = tcpdump(file.path(), filter, &[]);
        let parsed = filter.parse::<Filter>().unwrap_or_else(|error| panic!("{filter}: {error}"));
        let program = parsed.compile(Link::Ethernet).unwrap();
        let accepts = |number: &usize| program.run(&frames[*number], frames[*number].len() as u32) != 0;
        let ours: Vec<usize> = (0..frames.len()).filter(accepts).collect();
        // Its optimiser (-O is without) moves loads, and so changes which of the packets that were cut are rejected.
        if ours != theirs && ours != tcpdump(file.path(), filter, &["-O"]) {
            let only = |a: &[usize], b: &[usize]| a.iter().find(|number| !b.contains(number)).map(|n| hex(&frames[*n]));
            let (a, b) = (only(&ours, &theirs), only(&theirs, &ours));
            different.push(format!(
                "{filter}: {} and {}; only ours {a:?}, only theirs {b:?}",
                ours.len(),
                theirs.len()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
