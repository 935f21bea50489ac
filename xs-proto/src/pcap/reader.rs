//! Reading either format.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::{BYTE_ORDER, ENHANCED_PACKET, Error, INTERFACE, LinkType, MICROS, NANOS, Packet, SECTION, SIMPLE_PACKET};
use crate::Decode;

/// The longest block that is believed in.
const LONGEST: u32 = 16 << 20;
const MOST_INTERFACES: usize = 1 << 16;

/// Reads a capture file of either format, packet by packet.
#[derive(Debug, Default)]
pub struct Reader {
    format: Option<Format>,
}

#[derive(Debug)]
enum Format {
    Pcap { order: Order, nanos: bool, link_type: LinkType },
    PcapNg { order: Order, interfaces: Vec<Interface> },
}

/// The byte order of who wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Order::Big => u16::from_be_bytes(bytes),
            Order::Little => u16::from_le_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Order::Big => u32::from_be_bytes(bytes),
            Order::Little => u32::from_le_bytes(bytes),
        }
    }

    /// The `n`th word of four bytes, where there is one.
    fn word(self, bytes: &[u8], n: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(n * 4..)?.first_chunk()?))
    }
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: LinkType,
    snap_len: u32,
    resolution: Resolution,
    /// Seconds that are added to each time.
    offset: i64,
}

/// What a time counts.
#[derive(Debug, Clone, Copy)]
enum Resolution {
    /// Negative powers of ten.
    Decimal(u8),
    /// Negative powers of two.
    Binary(u8),
}

impl Resolution {
    fn time(self, ticks: u64) -> Duration {
        let ticks = u128::from(ticks);
        let nanos = match self {
            Resolution::Decimal(digits @ ..=9) => ticks.saturating_mul(10_u128.pow(9 - u32::from(digits))),
            Resolution::Decimal(digits) => {
                ticks.checked_div(10_u128.saturating_pow(u32::from(digits) - 9)).unwrap_or(0)
            }
            Resolution::Binary(bits @ ..=63) => (ticks * 1_000_000_000) >> bits,
            Resolution::Binary(_) => 0,
        };
        Duration::new(u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX), (nanos % 1_000_000_000) as u32)
    }
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the file's first bytes off: pcap's whole header; of pcapng nothing, for its first block says all again.
    fn begin(&mut self, src: &mut BytesMut) -> Result<bool, Error> {
        let Some(magic) = src.first_chunk::<4>() else { return Ok(false) };
        let big = u32::from_be_bytes(*magic);
        if big == SECTION {
            self.format = Some(Format::PcapNg { order: Order::Big, interfaces: Vec::new() });
            return Ok(true);
        }
        let (order, number) = match (big, big.swap_bytes()) {
            (MICROS | NANOS, _) => (Order::Big, big),
            (_, MICROS | NANOS) => (Order::Little, big.swap_bytes()),
            _ => return Err(Error::Magic(big)),
        };
        let Some(header) = src.first_chunk::<24>() else { return Ok(false) };
        let version = order.u16([header[4], header[5]]);
        if version != 2 {
            return Err(Error::Version(version));
        }
        // The upper bits tell of check sequences.
        let link_type = LinkType((order.word(header, 5).unwrap_or(0) & 0xffff) as u16);
        self.format = Some(Format::Pcap { order, nanos: number == NANOS, link_type });
        src.advance(24);
        Ok(true)
    }
}

impl Decode for Reader {
    type Item = Packet;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, Error> {
        if self.format.is_none() && !self.begin(src)? {
            return Ok(None);
        }
        match &mut self.format {
            Some(Format::Pcap { order, nanos, link_type }) => pcap(*order, *nanos, *link_type, src),
            Some(Format::PcapNg { order, interfaces }) => loop {
                let Some(body) = block(order, src)? else { return Ok(None) };
                if let Some(packet) = body.packet(*order, interfaces)? {
                    return Ok(Some(packet));
                }
            },
            None => Ok(None),
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, Error> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(Error::Truncated(src.len())),
            packet => Ok(packet),
        }
    }
}

fn bounded(len: u32) -> Result<usize, Error> {
    if len > LONGEST { Err(Error::TooLong(len)) } else { Ok(len as usize) }
}

fn pcap(order: Order, nanos: bool, link_type: LinkType, src: &mut BytesMut) -> Result<Option<Packet>, Error> {
    let Some(header) = src.first_chunk::<16>().copied() else { return Ok(None) };
    let word = |n| order.word(&header, n).unwrap_or(0);
    let len = bounded(word(2))?;
    if src.len() < 16 + len {
        return Ok(None);
    }
    src.advance(16);
    let fraction = u64::from(word(1)) * if nanos { 1 } else { 1000 };
    let time = Duration::from_secs(word(0).into()) + Duration::from_nanos(fraction);
    let data = src.split_to(len).freeze();
    Ok(Some(Packet { time, link_type, interface: 0, data, original_len: word(3) }))
}

/// A block without its type and lengths.
struct Block {
    kind: u32,
    body: Bytes,
}

/// Takes the next block off; a section header sets the byte order of what follows.
fn block(order: &mut Order, src: &mut BytesMut) -> Result<Option<Block>, Error> {
    let Some(&[a, b, c, d, lengths @ ..]) = src.first_chunk::<8>() else { return Ok(None) };
    // A section's type reads the same in both orders.
    if u32::from_be_bytes([a, b, c, d]) == SECTION {
        let Some(magic) = src.get(8..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        *order = match u32::from_be_bytes(*magic) {
            BYTE_ORDER => Order::Big,
            number if number.swap_bytes() == BYTE_ORDER => Order::Little,
            number => return Err(Error::Magic(number)),
        };
    }
    let kind = order.u32([a, b, c, d]);
    let len = bounded(order.u32(lengths))?;
    if len < 12 || !len.is_multiple_of(4) {
        return Err(Error::Malformed("a block's length"));
    }
    if src.len() < len {
        return Ok(None);
    }
    let mut whole = src.split_to(len).freeze();
    let last = whole.split_off(len - 4);
    if *last != lengths {
        return Err(Error::Malformed("a block's two lengths differ"));
    }
    whole.advance(8);
    Ok(Some(Block { kind, body: whole }))
}

impl Block {
    /// The packet, if it has one; an interface or a section is remembered.
    fn packet(self, order: Order, interfaces: &mut Vec<Interface>) -> Result<Option<Packet>, Error> {
        const SHORT: Error = Error::Malformed("a block is too short for what it says");
        let Block { kind, mut body } = self;
        let word = |n: usize| order.word(&body, n).ok_or(SHORT);
        match kind {
            SECTION => {
                let version = body.get(4..).and_then(|rest| rest.first_chunk::<2>()).ok_or(SHORT)?;
                let version = order.u16(*version);
                if version != 1 {
                    return Err(Error::Version(version));
                }
                interfaces.clear();
                Ok(None)
            }
            INTERFACE => {
                if interfaces.len() == MOST_INTERFACES {
                    return Err(Error::Malformed("more than 65,536 interfaces"));
                }
                let link_type = LinkType(order.u16(*body.first_chunk().ok_or(SHORT)?));
                let snap_len = match word(1)? {
                    0 => u32::MAX,
                    len => len,
                };
                let mut interface = Interface { link_type, snap_len, resolution: Resolution::Decimal(6), offset: 0 };
                interface.read_options(order, body.get(8..).ok_or(SHORT)?);
                interfaces.push(interface);
                Ok(None)
            }
            ENHANCED_PACKET => {
                let number = word(0)?;
                let interface =
                    interfaces.get(number as usize).ok_or(Error::Malformed("a packet of an unknown interface"))?;
                let ticks = u64::from(word(1)?) << 32 | u64::from(word(2)?);
                let (len, original_len) = (word(3)? as usize, word(4)?);
                if len > body.len() - 20 {
                    return Err(SHORT);
                }
                body.advance(20);
                let data = body.split_to(len);
                Ok(Some(Packet {
                    time: interface.time(ticks),
                    link_type: interface.link_type,
                    interface: number,
                    data,
                    original_len,
                }))
            }
            SIMPLE_PACKET => {
                let interface = interfaces.first().ok_or(Error::Malformed("a packet of an unknown interface"))?;
                let original_len = word(0)?;
                body.advance(4);
                // It says how long the packet was; what is there is cut at the interface's limit, and padded.
                let len = original_len.min(interface.snap_len) as usize;
                if len > body.len() {
                    return Err(SHORT);
                }
                let data = body.split_to(len);
                Ok(Some(Packet {
                    time: Duration::ZERO,
                    link_type: interface.link_type,
                    interface: 0,
                    data,
                    original_len,
                }))
            }
            _ => Ok(None),
        }
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Duration {
        let time = self.resolution.time(ticks);
        let by = Duration::from_secs(self.offset.unsigned_abs());
        if self.offset < 0 { time.saturating_sub(by) } else { time.saturating_add(by) }
    }

    /// What of the options tells about times; options that are no options end the list.
    fn read_options(&mut self, order: Order, mut options: &[u8]) {
        while let Some((&[a, b, c, d], rest)) = options.split_first_chunk::<4>() {
            let (number, len) = (order.u16([a, b]), usize::from(order.u16([c, d])));
            let Some(value) = rest.get(..len) else { return };
            match (number, value) {
                (0, _) => return,
                (9, [bits]) if bits & 0x80 != 0 => self.resolution = Resolution::Binary(bits & 0x7f),
                (9, [digits]) => self.resolution = Resolution::Decimal(*digits),
                (14, value) => {
                    if let Some(bytes) = value.first_chunk::<8>() {
                        self.offset = match order {
                            Order::Big => i64::from_be_bytes(*bytes),
                            Order::Little => i64::from_le_bytes(*bytes),
                        };
                    }
                }
                _ => {}
            }
            options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
