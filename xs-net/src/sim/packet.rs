//! What travels between two hosts.

use std::fmt;

use bytes::Bytes;

/// A number for one end of a connection that no other connection of the node, of this life or an earlier one, ever has: the
/// life and a count. It does what TCP's initial sequence numbers are for, without their bad luck. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tag(u64);

impl Tag {
    /// Of an end that doesn't exist yet.
    pub(super) const NONE: Tag = Tag(0);

    pub(super) fn new(life: u32, count: u32) -> Self {
        Tag((u64::from(life) << 32) + u64::from(count) + 1)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// What one packet says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// Open a connection; the opener takes bytes up to this offset.
    Syn { limit: u64 },
    /// It is open here; the acceptor takes bytes up to this offset.
    SynAck { limit: u64 },
    /// Bytes from an offset on, or none.
    Segment {
        seq: u64,
        data: Bytes,
        /// Nothing follows behind them.
        fin: bool,
        /// Everything before this offset has arrived; one more when the end of the stream has.
        ack: u64,
        /// Bytes up to this offset are taken.
        limit: u64,
        /// An answer is wanted although there is nothing to acknowledge.
        ask: bool,
    },
    /// There is no such connection.
    Reset,
}

/// A packet on the simulated network: a part of a connection between two [`Host`](super::Host)s. Its `Debug` form, which a world
/// hashes into its trace, tells ports, the numbers of the two ends, offsets, a hash of the bytes and the first few of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    /// The ends: of who opened the connection, and of who accepted it.
    pub(super) opener: Tag,
    pub(super) acceptor: Tag,
    pub(super) to_acceptor: bool,
    pub(super) body: Body,
}

impl Packet {
    /// What it would weigh on a wire, in bytes: its payload and 40 for headers.
    pub fn size(&self) -> usize {
        40 + self.payload().len()
    }

    /// The bytes of the stream that it carries.
    pub fn payload(&self) -> &[u8] {
        if let Body::Segment { data, .. } = &self.body { data } else { &[] }
    }

    /// The answer to a packet for a connection that isn't there.
    pub(super) fn refusal(&self) -> Packet {
        Packet {
            from_port: self.to_port,
            to_port: self.from_port,
            opener: self.opener,
            acceptor: self.acceptor,
            to_acceptor: !self.to_acceptor,
            body: Body::Reset,
        }
    }
}

/// How many bytes of the payload a trace shows.
const SHOWN: usize = 16;

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{} {:?}/{:?} {:?}", self.from_port, self.to_port, self.opener, self.acceptor, self.body)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Syn { limit } => write!(f, "syn ≤{limit}"),
            Body::SynAck { limit } => write!(f, "syn-ack ≤{limit}"),
            Body::Reset => f.write_str("reset"),
            Body::Segment { seq, data, fin, ack, limit, ask } => {
                if !data.is_empty() {
                    let shown = &data[..data.len().min(SHOWN)];
                    let more = if data.len() > SHOWN { "…" } else { "" };
                    write!(f, "{seq}+{} #{:08x} \"{}{more}\" ", data.len(), hash(data), shown.escape_ascii())?;
                }
                write!(f, "ack {ack} ≤{limit}")?;
                f.write_str(match (fin, ask) {
                    (false, false) => "",
                    (true, false) => " fin",
                    (false, true) => " ask",
                    (true, true) => " fin ask",
                })
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u32 {
    let mut sum = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum ^= sum >> 32;
    }
    sum as u32
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn segment(data: &'static [u8]) -> Packet {
        let (opener, acceptor) = (Tag::new(0, 4), Tag::new(2, 0));
        let data = Bytes::from_static(data);
        let body = Body::Segment { seq: 12, data, fin: true, ack: 7, limit: 100, ask: false };
        Packet { from_port: 50_000, to_port: 80, opener, acceptor, to_acceptor: true, body }
    }

    #[test]
    fn a_trace_tells_packets_apart_by_bytes_that_it_does_not_show() {
        let one = format!("{:?}", segment(b"the same beginning and one end"));
        let other = format!("{:?}", segment(b"the same beginning, another end"));
        let same_length = format!("{:?}", segment(b"the same beginning and two end"));
        assert!(
            one.starts_with("50000→80 0.5/2.1 12+30 #") && one.ends_with(" \"the same beginni…\" ack 7 ≤100 fin"),
            "{one}"
        );
        assert!(one != other && one != same_length);
    }

    #[test]
    fn a_refusal_goes_back_to_who_sent() {
        let (packet, refusal) = (segment(b""), segment(b"").refusal());
        assert_eq!((refusal.from_port, refusal.to_port, refusal.to_acceptor), (80, 50_000, false));
        assert_eq!((refusal.opener, refusal.acceptor), (packet.opener, packet.acceptor));
    }
}
