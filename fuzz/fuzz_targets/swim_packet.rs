//! Packets of members: no input panics, what was read is written and read back, and a member that is given any of them keeps
//! to its limits.
#![no_main]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xs_consensus::swim::{MIN_PACKET, Member, NodeId, Options, Packet, Swim};
use xs_os::{Clock, Rng, VirtualClock};

/// What a stranger would send who knows about the checksum.
fn sealed(body: &[u8]) -> Bytes {
    let mut bytes = body.to_vec();
    bytes.extend(crc32c::crc32c(body).to_le_bytes());
    bytes.into()
}

fuzz_target!(|data: &[u8]| {
    let _ = Packet::decode(&Bytes::copy_from_slice(data));
    let options = Options {
        packet_bytes: MIN_PACKET,
        max_members: 20,
        max_events: 4,
        remembered_events: 8,
        max_relays: 4,
        forget_after: Duration::from_secs(10),
        sync_every: Duration::from_secs(2),
        ..Options::default()
    };
    let clock = VirtualClock::new();
    let addr = |n: u8| SocketAddr::from(([10, 0, 0, n], 1));
    let Ok(mut swim) = Swim::new(NodeId(1), addr(1), Bytes::new(), 0, options, Rng::from_seed(1), clock.now()) else {
        return;
    };
    let mut input = data;
    // A length, what time passes, and that much of a packet, again and again.
    while let [len, step, rest @ ..] = input {
        let (packet, rest) = rest.split_at(rest.len().min(usize::from(*len) * 4));
        input = rest;
        let packet = sealed(packet);
        if let Ok(read) = Packet::decode(&packet) {
            let mut again = Vec::new();
            read.encode(&mut again);
            assert_eq!(again, packet, "a packet has one form");
            let before: Vec<Member> = swim.members().cloned().collect();
            let _ = swim.receive(clock.now(), addr(*step), &packet);
            for member in before {
                let after = swim.member(member.id).expect("nobody is forgotten because of a packet");
                assert!((after.incarnation, after.state) >= (member.incarnation, member.state), "no belief goes back");
            }
        }
        match step % 8 {
            0 => swim.join(clock.now(), [addr(2), addr(3)]),
            1 => swim.leave(clock.now()),
            2 => drop(swim.broadcast(b"event")),
            3 => drop(swim.set_meta(Bytes::from_static(b"meta"))),
            _ => {}
        }
        clock.advance(Duration::from_millis(u64::from(*step) * 20));
        // A driver that calls it as often as it asks for is not called for ever.
        for turn in 0.. {
            assert!(turn < 1000, "always due: {swim:?}");
            if swim.deadline() > clock.now() {
                break;
            }
            swim.tick(clock.now());
        }
        while let Some(sent) = swim.poll_transmit() {
            assert!(sent.bytes.len() <= MIN_PACKET, "{} bytes", sent.bytes.len());
            assert!(Packet::decode(&sent.bytes.into()).is_ok(), "its own packets are good");
        }
        while swim.poll_event().is_some() {}
        assert!(swim.members().count() <= 20 && swim.up() <= 20);
    }
});
