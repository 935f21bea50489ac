//! TCP segments (RFC 9293).

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use super::{Addresses, Checksum, Error, Protocol, Reader};

/// A segment's flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender sends no more.
    pub const FIN: TcpFlags = TcpFlags(1);
    /// The sender's numbers begin here.
    pub const SYN: TcpFlags = TcpFlags(2);
    /// There is no such connection.
    pub const RST: TcpFlags = TcpFlags(4);
    /// Hand it over at once.
    pub const PSH: TcpFlags = TcpFlags(8);
    /// The acknowledgment counts.
    pub const ACK: TcpFlags = TcpFlags(16);
    /// The urgent pointer counts.
    pub const URG: TcpFlags = TcpFlags(32);
    /// Congestion was seen.
    pub const ECE: TcpFlags = TcpFlags(64);
    /// The window was made smaller.
    pub const CWR: TcpFlags = TcpFlags(128);

    /// Whether all flags of another set are in this one.
    pub fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for TcpFlags {
    type Output = TcpFlags;

    fn bitor(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }
}

impl BitOrAssign for TcpFlags {
    fn bitor_assign(&mut self, other: TcpFlags) {
        self.0 |= other.0;
    }
}

impl fmt::Display for TcpFlags {
    /// As tcpdump shows them: `S.` for SYN and ACK, `none` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        for (bit, letter) in "FSRP.UEW".chars().enumerate() {
            if self.0 & 1 << bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpFlags({self})")
    }
}

/// An option behind the header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TcpOption {
    /// Nothing, to align the next one.
    Nop,
    /// The most that a segment may carry (in a SYN).
    MaximumSegmentSize(u16),
    /// By how many bits windows are shifted (in a SYN).
    WindowScale(u8),
    /// Blocks may be acknowledged selectively (in a SYN).
    SackPermitted,
    /// Blocks that have arrived beyond the acknowledgment: first number, and the one behind the last.
    Sack(Vec<(u32, u32)>),
    /// The sender's time, and the receiver's that it answers.
    Timestamps(u32, u32),
    /// Anything else: its kind and its data.
    Other(u8, Vec<u8>),
}

/// A segment's header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tcp {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// The number of the first byte of the payload, or of the SYN.
    pub sequence: u32,
    /// The number that is expected next.
    pub acknowledgment: u32,
    /// Its flags.
    pub flags: TcpFlags,
    /// How many bytes the sender would take, before scaling.
    pub window: u16,
    /// Where urgent data ends.
    pub urgent: u16,
    /// Its options; the end of the list and what follows it are not kept.
    pub options: Vec<TcpOption>,
}

impl Tcp {
    /// A header without options.
    pub fn new(source: u16, destination: u16, sequence: u32, acknowledgment: u32, flags: TcpFlags) -> Self {
        let (window, urgent, options) = (u16::MAX, 0, Vec::new());
        Tcp { source, destination, sequence, acknowledgment, flags, window, urgent, options }
    }

    /// Reads a segment; the rest is its payload.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] for a header shorter than 20 bytes and for options that reach beyond it.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("TCP", bytes);
        let (source, destination) = (reader.u16()?, reader.u16()?);
        let (sequence, acknowledgment) = (reader.u32()?, reader.u32()?);
        let header = usize::from(reader.u8()? >> 4) * 4;
        let flags = TcpFlags(reader.u8()?);
        let window = reader.u16()?;
        reader.u16()?;
        let urgent = reader.u16()?;
        let Some(options) = header.checked_sub(20) else {
            return Err(reader.malformed("the header is shorter than 20 bytes"));
        };
        let options = read_options(reader.take(options)?)?;
        let segment = Tcp { source, destination, sequence, acknowledgment, flags, window, urgent, options };
        Ok((segment, reader.rest()))
    }

    /// Whether the checksum of a whole segment is right.
    pub fn verify(addresses: Addresses, bytes: &[u8]) -> bool {
        Checksum::new().pseudo_header(addresses, Protocol::TCP, bytes.len()).bytes(bytes).finish() == 0
    }

    /// Appends the header and its payload.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for options of more than 40 bytes, or one of them longer than it can say.
    pub fn write(&self, addresses: Addresses, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let options = write_options(&self.options)?;
        let start = out.len();
        out.extend_from_slice(&self.source.to_be_bytes());
        out.extend_from_slice(&self.destination.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.acknowledgment.to_be_bytes());
        out.extend_from_slice(&[(((20 + options.len()) / 4) << 4) as u8, self.flags.0]);
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.urgent.to_be_bytes());
        out.extend_from_slice(&options);
        out.extend_from_slice(payload);
        let segment = &mut out[start..];
        let sum = Checksum::new().pseudo_header(addresses, Protocol::TCP, segment.len()).bytes(segment).finish();
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }
}

fn read_options(bytes: &[u8]) -> Result<Vec<TcpOption>, Error> {
    let mut reader = Reader::new("TCP options", bytes);
    let mut options = Vec::new();
    while let Ok(kind) = reader.u8() {
        match kind {
            0 => break,
            1 => {
                options.push(TcpOption::Nop);
                continue;
            }
            _ => {}
        }
        let Some(len) = reader.u8()?.checked_sub(2) else {
            return Err(reader.malformed("an option is shorter than its own header"));
        };
        let data = reader.take(len.into())?;
        let mut fields = Reader::new("TCP options", data);
        let known = match (kind, len) {
            (2, 2) => TcpOption::MaximumSegmentSize(fields.u16()?),
            (3, 1) => TcpOption::WindowScale(fields.u8()?),
            (4, 0) => TcpOption::SackPermitted,
            (5, len) if len % 8 == 0 => {
                let block = |_| Ok((fields.u32()?, fields.u32()?));
                TcpOption::Sack((0..len / 8).map(block).collect::<Result<_, Error>>()?)
            }
            (8, 8) => TcpOption::Timestamps(fields.u32()?, fields.u32()?),
            _ => TcpOption::Other(kind, data.to_vec()),
        };
        options.push(known);
    }
    Ok(options)
}

/// With what is needed to fill the last word.
fn write_options(options: &[TcpOption]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for option in options {
        let (kind, data) = match option {
            TcpOption::Nop => {
                out.push(1);
                continue;
            }
            TcpOption::MaximumSegmentSize(size) => (2, size.to_be_bytes().to_vec()),
            TcpOption::WindowScale(shift) => (3, vec![*shift]),
            TcpOption::SackPermitted => (4, Vec::new()),
            TcpOption::Sack(blocks) => {
                (5, blocks.iter().flat_map(|(from, to)| [from.to_be_bytes(), to.to_be_bytes()].concat()).collect())
            }
            TcpOption::Timestamps(value, echo) => (8, [value.to_be_bytes(), echo.to_be_bytes()].concat()),
            TcpOption::Other(kind, data) => (*kind, data.clone()),
        };
        let len = data.len() + 2;
        out.extend_from_slice(&[kind, u8::try_from(len).map_err(|_| Error::TooLong { layer: "TCP options", len })?]);
        out.extend_from_slice(&data);
    }
    out.resize(out.len().next_multiple_of(4), 0);
    if out.len() > 40 {
        return Err(Error::TooLong { layer: "TCP options", len: out.len() });
    }
    Ok(out)
}
