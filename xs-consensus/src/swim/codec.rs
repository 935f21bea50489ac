//! The byte form of packets.
//!
//! ```text
//!   ┌ version u8 ┬ kind u8 ┬ cluster u64 ┬ sender u64 ┬ body … ┬ news … ┬ CRC32C of all before, u32 ┐   little-endian
//!   └────────────┴─────────┴─────────────┴────────────┴────────┴────────┴───────────────────────────┘
//!
//!   1 ping       seq u32, whom u64                    1 alive     who u64, incarnation u32, address, meta
//!   2 ping-req   seq u32, whom u64                    2 suspect   who u64, incarnation u32, by u64
//!   3 ack        seq u32                              3 dead      who u64, incarnation u32, by u64
//!   4 nack       seq u32                              4 left      who u64, incarnation u32
//!   5 gossip                                          5 event     who u64, number u64, payload
//!   6 sync ask   seq u32, after?, upto?, entries      address     4, IPv4, port u16 │ 6, IPv6, port u16
//!   7 sync tell  seq u32, upto?, entries              meta, payload   length u16, bytes
//!   entry        who u64, state u8, incarnation u32, profile u32, address, meta     entries   count u16, entries
//! ```
//!
//! Decoding never panics, allocates a small multiple of what is really there, and takes exactly what encoding gives: a packet
//! has one form. Entries come in the order of their names and lie within the stretch that they are said to fill.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::message::{Body, Entry, News, Packet};
use super::options::{MAX_PACKET, MAX_PAYLOAD};
use super::{NodeId, State};

/// The version of the byte form that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

/// The checksum at the end.
pub(super) const TRAILER: usize = 4;

/// Why bytes are no packet. Whoever wrote them, or what lies between, is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The checksum is another one.
    #[error("the checksum does not fit")]
    Checksum,
    /// Another version, which this build doesn't know.
    #[error("version {0} of the byte form")]
    Version(u8),
    /// Too short for what it says, something is left, or longer than any packet.
    #[error("the length does not fit")]
    Length,
    /// A value that has no meaning.
    #[error("no such {0}")]
    Value(&'static str),
}

impl Packet {
    /// Writes the packet behind what is in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        begin(self.cluster, self.from, &self.body, out);
        self.news.iter().for_each(|news| put_news(news, out));
        seal(start, out);
    }

    /// Reads a packet that is the whole of `bytes`. Metadata and payloads are slices of it.
    ///
    /// # Errors
    ///
    /// What makes it no packet.
    pub fn decode(bytes: &Bytes) -> Result<Packet, DecodeError> {
        if bytes.len() > MAX_PACKET {
            return Err(DecodeError::Length);
        }
        let end = bytes.len().checked_sub(TRAILER).filter(|end| *end >= 2).ok_or(DecodeError::Length)?;
        if bytes[0] != VERSION {
            return Err(DecodeError::Version(bytes[0]));
        }
        if crc32c::crc32c(&bytes[..end]).to_le_bytes() != bytes[end..] {
            return Err(DecodeError::Checksum);
        }
        let mut reader = Reader(bytes.slice(2..end));
        let (cluster, from) = (reader.u64()?, reader.id()?);
        let body = reader.body(bytes[1])?;
        let mut news = Vec::new();
        while !reader.0.is_empty() {
            news.push(reader.news()?);
        }
        Ok(Packet { cluster, from, body, news })
    }
}

/// Writes everything in front of the news.
pub(super) fn begin(cluster: u64, from: NodeId, body: &Body, out: &mut Vec<u8>) {
    let kind = match body {
        Body::Ping { .. } => 1,
        Body::PingReq { .. } => 2,
        Body::Ack { .. } => 3,
        Body::Nack { .. } => 4,
        Body::Gossip => 5,
        Body::SyncAsk { .. } => 6,
        Body::SyncTell { .. } => 7,
    };
    out.extend([VERSION, kind]);
    out.extend(cluster.to_le_bytes());
    put_id(from, out);
    match body {
        Body::Ping { seq, to: id } | Body::PingReq { seq, target: id } => {
            out.extend(seq.to_le_bytes());
            put_id(*id, out);
        }
        Body::Ack { seq } | Body::Nack { seq } => out.extend(seq.to_le_bytes()),
        Body::Gossip => {}
        Body::SyncAsk { seq, after, upto, entries } => {
            out.extend(seq.to_le_bytes());
            put_option(*after, out);
            put_option(*upto, out);
            put_entries(entries, out);
        }
        Body::SyncTell { seq, upto, entries } => {
            out.extend(seq.to_le_bytes());
            put_option(*upto, out);
            put_entries(entries, out);
        }
    }
}

/// Writes one piece of news.
pub(super) fn put_news(news: &News, out: &mut Vec<u8>) {
    match news {
        News::Alive { id, incarnation, addr, meta } => {
            out.push(1);
            put_id(*id, out);
            out.extend(incarnation.to_le_bytes());
            put_addr(addr, out);
            put_payload(meta, out);
        }
        News::Suspect { id, incarnation, by } | News::Dead { id, incarnation, by } => {
            out.push(if matches!(news, News::Suspect { .. }) { 2 } else { 3 });
            put_id(*id, out);
            out.extend(incarnation.to_le_bytes());
            put_id(*by, out);
        }
        News::Left { id, incarnation } => {
            out.push(4);
            put_id(*id, out);
            out.extend(incarnation.to_le_bytes());
        }
        News::Event { origin, number, payload } => {
            out.push(5);
            put_id(*origin, out);
            out.extend(number.to_le_bytes());
            put_payload(payload, out);
        }
    }
}

/// Writes the checksum of all from `start`.
pub(super) fn seal(start: usize, out: &mut Vec<u8>) {
    let sum = crc32c::crc32c(&out[start..]);
    out.extend(sum.to_le_bytes());
}

/// What an entry takes in a packet.
pub(super) fn entry_bytes(addr: &SocketAddr, meta: &[u8]) -> usize {
    let address = if addr.is_ipv4() { 7 } else { 19 };
    8 + 1 + 4 + 4 + address + 2 + meta.len()
}

/// What a packet of entries takes beside them.
pub(super) const SYNC_BYTES: usize = 18 + 4 + 9 + 9 + 2 + TRAILER;

fn put_id(id: NodeId, out: &mut Vec<u8>) {
    out.extend(id.0.to_le_bytes());
}

fn put_option(id: Option<NodeId>, out: &mut Vec<u8>) {
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        put_id(id, out);
    }
}

fn put_addr(addr: &SocketAddr, out: &mut Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    out.extend(addr.port().to_le_bytes());
}

/// What is longer than a length can say is far beyond [`MAX_PAYLOAD`], and no decoder takes it.
fn put_payload(payload: &[u8], out: &mut Vec<u8>) {
    out.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(payload);
}

fn put_entries(entries: &[Entry], out: &mut Vec<u8>) {
    out.extend(u16::try_from(entries.len()).unwrap_or(u16::MAX).to_le_bytes());
    for entry in entries {
        put_id(entry.id, out);
        out.push(entry.state as u8);
        out.extend(entry.incarnation.to_le_bytes());
        out.extend(entry.profile.to_le_bytes());
        put_addr(&entry.addr, out);
        put_payload(&entry.meta, out);
    }
}

struct Reader(Bytes);

impl Reader {
    fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.0.len() { Err(DecodeError::Length) } else { Ok(self.0.split_to(len)) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(&taken[..]).map_err(|_| DecodeError::Length)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn id(&mut self) -> Result<NodeId, DecodeError> {
        Ok(NodeId(self.u64()?))
    }

    fn option(&mut self) -> Result<Option<NodeId>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(self.id()?)),
            _ => Err(DecodeError::Value("option")),
        }
    }

    fn addr(&mut self) -> Result<SocketAddr, DecodeError> {
        let ip = match self.u8()? {
            4 => IpAddr::from(self.array::<4>()?),
            6 => IpAddr::from(self.array::<16>()?),
            _ => return Err(DecodeError::Value("kind of address")),
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    fn payload(&mut self) -> Result<Bytes, DecodeError> {
        let len = usize::from(self.u16()?);
        if len > MAX_PAYLOAD { Err(DecodeError::Length) } else { self.take(len) }
    }

    fn body(&mut self, kind: u8) -> Result<Body, DecodeError> {
        Ok(match kind {
            1 => Body::Ping { seq: self.u32()?, to: self.id()? },
            2 => Body::PingReq { seq: self.u32()?, target: self.id()? },
            3 => Body::Ack { seq: self.u32()? },
            4 => Body::Nack { seq: self.u32()? },
            5 => Body::Gossip,
            6 => {
                let (seq, after, upto) = (self.u32()?, self.option()?, self.option()?);
                Body::SyncAsk { seq, after, upto, entries: self.entries(after, upto)? }
            }
            7 => {
                let (seq, upto) = (self.u32()?, self.option()?);
                Body::SyncTell { seq, upto, entries: self.entries(None, upto)? }
            }
            _ => return Err(DecodeError::Value("kind of packet")),
        })
    }

    fn entries(&mut self, after: Option<NodeId>, upto: Option<NodeId>) -> Result<Vec<Entry>, DecodeError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut last = after;
        for _ in 0..self.u16()? {
            let entry = self.entry()?;
            if last.is_some_and(|last| entry.id <= last) || upto.is_some_and(|upto| entry.id > upto) {
                return Err(DecodeError::Value("order of entries"));
            }
            last = Some(entry.id);
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&mut self) -> Result<Entry, DecodeError> {
        let id = self.id()?;
        let state = match self.u8()? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Dead,
            3 => State::Left,
            _ => return Err(DecodeError::Value("state")),
        };
        let (incarnation, profile) = (self.u32()?, self.u32()?);
        if profile > incarnation || (state == State::Alive && profile != incarnation) {
            return Err(DecodeError::Value("profile"));
        }
        Ok(Entry { id, state, incarnation, profile, addr: self.addr()?, meta: self.payload()? })
    }

    fn news(&mut self) -> Result<News, DecodeError> {
        let (kind, id) = (self.u8()?, self.id()?);
        Ok(match kind {
            1 => News::Alive { id, incarnation: self.u32()?, addr: self.addr()?, meta: self.payload()? },
            2 => News::Suspect { id, incarnation: self.u32()?, by: self.id()? },
            3 => News::Dead { id, incarnation: self.u32()?, by: self.id()? },
            4 => News::Left { id, incarnation: self.u32()? },
            5 => News::Event { origin: id, number: self.u64()?, payload: self.payload()? },
            _ => return Err(DecodeError::Value("kind of news")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addrs() -> impl Strategy<Value = SocketAddr> {
        (any::<bool>(), any::<[u8; 16]>(), any::<u16>()).prop_map(|(four, ip, port)| {
            let ip = if four { IpAddr::from([ip[0], ip[1], ip[2], ip[3]]) } else { IpAddr::from(ip) };
            SocketAddr::new(ip, port)
        })
    }

    fn payloads() -> impl Strategy<Value = Bytes> {
        prop_oneof![0..20_usize, Just(MAX_PAYLOAD)].prop_map(|len| vec![7; len].into())
    }

    fn ids() -> impl Strategy<Value = NodeId> {
        any::<u64>().prop_map(NodeId)
    }

    fn news() -> impl Strategy<Value = News> {
        prop_oneof![
            (ids(), any::<u32>(), addrs(), payloads()).prop_map(|(id, incarnation, addr, meta)| News::Alive {
                id,
                incarnation,
                addr,
                meta
            }),
            (ids(), any::<u32>(), ids()).prop_map(|(id, incarnation, by)| News::Suspect { id, incarnation, by }),
            (ids(), any::<u32>(), ids()).prop_map(|(id, incarnation, by)| News::Dead { id, incarnation, by }),
            (ids(), any::<u32>()).prop_map(|(id, incarnation)| News::Left { id, incarnation }),
            (ids(), any::<u64>(), payloads()).prop_map(|(origin, number, payload)| News::Event {
                origin,
                number,
                payload
            }),
        ]
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let states = prop::sample::select(vec![State::Alive, State::Suspect, State::Dead, State::Left]);
        prop::collection::btree_map(ids(), (states, any::<u32>(), addrs(), payloads()), 0..5).prop_map(|map| {
            let entry = |(id, (state, incarnation, addr, meta))| {
                let profile = if state == State::Alive { incarnation } else { incarnation / 2 };
                Entry { id, state, incarnation, profile, addr, meta }
            };
            map.into_iter().map(entry).collect()
        })
    }

    fn bodies() -> impl Strategy<Value = Body> {
        prop_oneof![
            (any::<u32>(), ids()).prop_map(|(seq, to)| Body::Ping { seq, to }),
            (any::<u32>(), ids()).prop_map(|(seq, target)| Body::PingReq { seq, target }),
            any::<u32>().prop_map(|seq| Body::Ack { seq }),
            any::<u32>().prop_map(|seq| Body::Nack { seq }),
            Just(Body::Gossip),
            (any::<u32>(), entries(), any::<bool>()).prop_map(|(seq, entries, ends)| {
                let after = entries.first().and_then(|first| first.id.0.checked_sub(1)).map(NodeId);
                let upto = entries.last().filter(|_| ends).map(|last| last.id);
                Body::SyncAsk { seq, after, upto, entries }
            }),
            (any::<u32>(), entries()).prop_map(|(seq, entries)| Body::SyncTell { seq, upto: None, entries }),
        ]
    }

    fn packets() -> impl Strategy<Value = Packet> {
        (any::<u64>(), ids(), bodies(), prop::collection::vec(news(), 0..5))
            .prop_map(|(cluster, from, body, news)| Packet { cluster, from, body, news })
    }

    fn encoded(packet: &Packet) -> Vec<u8> {
        let mut out = Vec::new();
        packet.encode(&mut out);
        out
    }

    /// What a stranger would send who knows about the checksum.
    fn sealed(mut bytes: Vec<u8>) -> Result<Packet, DecodeError> {
        seal(0, &mut bytes);
        Packet::decode(&bytes.into())
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(packet in packets()) {
            let bytes = Bytes::from(encoded(&packet));
            prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
        }

        #[test]
        fn a_packet_has_one_form_whatever_is_done_to_its_bytes(
            packet in packets(), at: prop::sample::Index, to: u8, cut: prop::sample::Index,
        ) {
            let mut bytes = encoded(&packet);
            bytes.truncate(bytes.len() - TRAILER);
            let at = at.index(bytes.len());
            bytes[at] = to;
            if to % 4 == 0 {
                bytes.truncate(cut.index(bytes.len()) + 1);
            }
            if let Ok(other) = sealed(bytes.clone()) {
                let again = encoded(&other);
                prop_assert_eq!(&again[..again.len() - TRAILER], &bytes[..]);
            }
        }

        #[test]
        fn one_wrong_bit_is_seen(packet in packets(), at: prop::sample::Index, bit in 0..8) {
            let mut bytes = encoded(&packet);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Packet::decode(&bytes.into()).is_err());
        }

        #[test]
        fn noise_is_refused_or_read_and_never_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = vec![VERSION, bytes.first().copied().unwrap_or(0) % 8];
            framed.extend_from_slice(&bytes);
            if let Ok(packet) = sealed(framed) {
                prop_assert!(packet.news.len() * 13 <= bytes.len());
            }
        }
    }

    #[test]
    fn what_lengths_and_counts_claim_is_not_believed() {
        let mut bytes = Vec::new();
        begin(0, NodeId(1), &Body::SyncTell { seq: 1, upto: None, entries: Vec::new() }, &mut bytes);
        let count = bytes.len() - 2;
        bytes[count..].copy_from_slice(&[255, 255]);
        assert_eq!(sealed(bytes), Err(DecodeError::Length));

        let mut bytes = Vec::new();
        begin(0, NodeId(1), &Body::Gossip, &mut bytes);
        put_news(&News::Event { origin: NodeId(1), number: 1, payload: vec![0; MAX_PAYLOAD + 1].into() }, &mut bytes);
        assert_eq!(sealed(bytes), Err(DecodeError::Length));
        assert_eq!(Packet::decode(&vec![VERSION; MAX_PACKET + 1].into()), Err(DecodeError::Length));
    }

    #[test]
    fn entries_out_of_order_or_out_of_their_stretch_are_refused() {
        let entry = |id| Entry {
            id: NodeId(id),
            state: State::Alive,
            incarnation: 3,
            profile: 3,
            addr: "127.0.0.1:1".parse().unwrap(),
            meta: Bytes::new(),
        };
        let refused = |after, upto, entries: Vec<Entry>| {
            let body = Body::SyncAsk { seq: 1, after: Some(NodeId(after)), upto: Some(NodeId(upto)), entries };
            let bytes = encoded(&Packet { cluster: 0, from: NodeId(9), body, news: Vec::new() });
            Packet::decode(&bytes.into()).is_err()
        };
        assert!(!refused(1, 9, vec![entry(2), entry(9)]));
        assert!(refused(1, 9, vec![entry(3), entry(2)]) && refused(1, 9, vec![entry(2), entry(2)]));
        assert!(refused(2, 9, vec![entry(2)]) && refused(1, 8, vec![entry(9)]));
        assert!(refused(1, 9, vec![Entry { profile: 2, ..entry(2) }]));
        assert!(refused(1, 9, vec![Entry { state: State::Dead, profile: 4, ..entry(2) }]));
    }

    #[test]
    fn the_byte_form_is_pinned() {
        let news = vec![News::Suspect { id: NodeId(3), incarnation: 2, by: NodeId(1) }];
        let packet = Packet { cluster: 7, from: NodeId(1), body: Body::Ping { seq: 5, to: NodeId(3) }, news };
        let hex: String = encoded(&packet).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            &hex[..hex.len() - 8],
            "01010700000000000000010000000000000005000000030000000000000002030000000000000002000000\
             0100000000000000"
        );
    }
}
