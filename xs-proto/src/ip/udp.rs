//! UDP (RFC 768).

use super::{Addresses, Checksum, Error, Protocol, Reader};

/// A UDP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Udp {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
}

impl Udp {
    /// Reads a datagram; the rest is its payload, as much as there is.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] for a length shorter than the header.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("UDP", bytes);
        let udp = Udp { source: reader.u16()?, destination: reader.u16()? };
        let len = usize::from(reader.u16()?);
        reader.u16()?;
        let rest = reader.rest();
        match len.checked_sub(8) {
            Some(len) => Ok((udp, rest.get(..len).unwrap_or(rest))),
            // A jumbogram, or what a card left to itself wrote.
            None if len == 0 => Ok((udp, rest)),
            None => Err(reader.malformed("the datagram is shorter than its header")),
        }
    }

    /// Whether a datagram's checksum is right; `None` if it has none, which IPv4 allows, or isn't there whole.
    pub fn verify(addresses: Addresses, bytes: &[u8]) -> Option<bool> {
        let [_, _, _, _, high, low, sum @ ..] = bytes.first_chunk::<8>()?;
        let datagram = bytes.get(..u16::from_be_bytes([*high, *low]).into())?;
        if *sum == [0, 0] {
            return None;
        }
        let sum = Checksum::new().pseudo_header(addresses, Protocol::UDP, datagram.len()).bytes(datagram);
        Some(sum.finish() == 0)
    }

    /// Appends the header and its payload.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] beyond 65,535 bytes.
    pub fn write(&self, addresses: Addresses, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let len = 8 + payload.len();
        let total = u16::try_from(len).map_err(|_| Error::TooLong { layer: "UDP", len })?;
        let start = out.len();
        for word in [self.source, self.destination, total, 0] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(payload);
        let sum = Checksum::new().pseudo_header(addresses, Protocol::UDP, len).bytes(&out[start..]).finish();
        // 0 says that there is no checksum; the other zero of one's complement says the same number.
        let sum = if sum == 0 { 0xffff } else { sum };
        out[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }
}
