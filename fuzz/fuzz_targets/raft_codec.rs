//! Raft's bytes: nothing panics, what is taken is written back the same, and a node takes or refuses any message and goes on.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use xs_consensus::raft::{
    Entry, HardState, Initial, Membership, MemoryLog, Message, NodeId, Options, Raft, SnapshotMeta,
};
use xs_os::{Clock, Rng, VirtualClock};

/// Decodes what was given a checksum that fits, and encodes it again.
macro_rules! same_again {
    ($kind:ty, $bytes:expr) => {
        if let Ok(value) = <$kind>::decode($bytes.clone()) {
            let mut again = Vec::new();
            value.encode(&mut again);
            assert_eq!(again, &$bytes[..]);
        }
    };
}

/// A node on a disk that is always quick.
fn drive(raft: &mut Raft<MemoryLog>, now: std::time::Instant) {
    while let Some(ready) = raft.ready() {
        if let Some(persist) = ready.persist {
            raft.view_mut().persist(&persist, Bytes::new());
            raft.persisted(persist.done()).expect("done in order");
        }
        for entry in ready.apply {
            raft.applied(entry.index);
        }
        for received in ready.chunks_received {
            raft.snapshot_written(now, &received);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    // As it comes: nearly always a wrong checksum.
    let _ = Message::decode(Bytes::copy_from_slice(data));

    let clock = VirtualClock::new();
    let membership = Membership::of(vec![NodeId(1), NodeId(2), NodeId(3)]).expect("three voters");
    let initial = Initial { membership, ..Initial::default() };
    let options = Options { max_snapshot_bytes: 1 << 16, ..Options::default() };
    let mut raft = Raft::new(NodeId(1), MemoryLog::new(), initial, options, Rng::from_seed(1), clock.now())
        .expect("a new node");
    // Several messages, each with its length in front.
    let mut rest = data;
    while let Some((&len, behind)) = rest.split_first() {
        let (piece, behind) = behind.split_at(usize::from(len).min(behind.len()));
        rest = behind;
        let mut bytes = piece.to_vec();
        bytes.extend(crc32c::crc32c(piece).to_le_bytes());
        let bytes = Bytes::from(bytes);
        same_again!(Message, bytes);
        same_again!(Entry, bytes);
        same_again!(HardState, bytes);
        same_again!(Membership, bytes);
        same_again!(SnapshotMeta, bytes);
        if let Ok(message) = Message::decode(bytes) {
            let _ = raft.step(clock.now(), message);
            clock.advance(Duration::from_millis(40));
            raft.tick(clock.now());
            drive(&mut raft, clock.now());
        }
    }
});
