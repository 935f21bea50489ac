//! Putting IP packets together again.

use std::collections::HashMap;
use std::time::Duration;

use super::pieces::Pieces;
use super::{Addresses, Ipv4, Ipv6, Protocol};

/// What the fragments of one packet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// From whom, to whom.
    pub addresses: Addresses,
    /// What the packet carries.
    pub protocol: Protocol,
    /// The number that the sender gave it.
    pub identification: u32,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Bytes of all packets, with some for each fragment.
    pub bytes: usize,
    /// For how long a packet's fragments are waited for.
    pub patience: Duration,
}

impl Default for FragmentLimits {
    /// 4 MiB, as Linux does, and 60 seconds, as RFC 8200 says.
    fn default() -> Self {
        FragmentLimits { bytes: 4 << 20, patience: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
struct Partial {
    since: Duration,
    pieces: Pieces,
    /// Where the packet ends, once its last fragment has come.
    end: Option<u64>,
    /// Fragments contradict one another: what comes is not kept.
    spoiled: bool,
}

/// Fragments of packets that are not there whole. IPv4's may overlap, and the first copy of a byte counts; of IPv6's
/// overlapping ones the whole packet is dropped (RFC 5722), but for exact copies.
#[derive(Debug, Default)]
pub struct Fragments {
    limits: FragmentLimits,
    partial: HashMap<FragmentKey, Partial>,
    cost: usize,
}

/// No packet is longer.
const LONGEST: u64 = 65_535;

impl Fragments {
    /// Nothing yet.
    pub fn new(limits: FragmentLimits) -> Self {
        Fragments { limits, ..Self::default() }
    }

    /// How many packets are waited for.
    pub fn len(&self) -> usize {
        self.partial.len()
    }

    /// Bytes that are kept, with some for each fragment.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Whether none is waited for.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// Takes a packet's payload at a moment (of any clock that does not go back). A packet that is none of fragments
    /// comes back as it is.
    pub fn add_v4(&mut self, packet: &Ipv4, payload: &[u8], now: Duration) -> Option<Vec<u8>> {
        if !packet.is_fragment() {
            return Some(payload.to_vec());
        }
        let identification = packet.identification.into();
        let key = FragmentKey { addresses: packet.addresses(), protocol: packet.protocol, identification };
        // What a capture has cut can't be put together.
        (packet.cut == 0).then(|| self.add(key, packet.fragment_offset, packet.more_fragments, payload, now))?
    }

    /// As [`add_v4`](Self::add_v4), of IPv6.
    pub fn add_v6(&mut self, packet: &Ipv6, payload: &[u8], now: Duration) -> Option<Vec<u8>> {
        let Some((offset, more, identification)) = packet.fragment() else { return Some(payload.to_vec()) };
        let key = FragmentKey { addresses: packet.addresses(), protocol: packet.protocol, identification };
        (packet.cut == 0).then(|| self.add(key, offset, more, payload, now))?
    }

    /// Takes a fragment; gives the packet's payload if that is whole now.
    pub fn add(&mut self, key: FragmentKey, offset: u16, more: bool, bytes: &[u8], now: Duration) -> Option<Vec<u8>> {
        self.forget(now);
        let (from, to) = (u64::from(offset), u64::from(offset) + bytes.len() as u64);
        // All but the last end at a multiple of 8; nobody else could follow.
        if to > LONGEST || more && (bytes.is_empty() || !bytes.len().is_multiple_of(8)) {
            return None;
        }
        let fresh = || Partial { since: now, pieces: Pieces::default(), end: None, spoiled: false };
        let partial = self.partial.entry(key).or_insert_with(fresh);
        if partial.spoiled {
            return None;
        }
        let before = partial.pieces.cost();
        let repeated = partial.pieces.insert(from, bytes);
        let (after, strict) = (partial.pieces.cost(), matches!(key.addresses, Addresses::V6(..)));
        let end = if more { partial.end } else { Some(to) };
        let two_ends = partial.end.is_some_and(|known| end != Some(known) || to > known);
        if two_ends || strict && repeated && after != before {
            self.cost -= before;
            *partial = Partial { spoiled: true, ..fresh() };
            return None;
        }
        partial.end = end;
        self.cost += after - before;
        let whole = partial.whole();
        if whole.is_some() || self.cost > self.limits.bytes {
            // Beyond the limit it is this packet that goes: the others were there first.
            self.drop_one(key);
        }
        whole
    }

    fn drop_one(&mut self, key: FragmentKey) {
        if let Some(partial) = self.partial.remove(&key) {
            self.cost = self.cost.saturating_sub(partial.pieces.cost());
        }
    }

    fn forget(&mut self, now: Duration) {
        let (patience, cost) = (self.limits.patience, &mut self.cost);
        self.partial.retain(|_, partial| {
            let waits = now.saturating_sub(partial.since) <= patience;
            if !waits {
                *cost = cost.saturating_sub(partial.pieces.cost());
            }
            waits
        });
    }
}

impl Partial {
    /// The payload, if no piece is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        let end = self.end?;
        (self.pieces.bytes() as u64 == end).then(|| self.pieces.all().flatten().copied().collect())
    }
}
