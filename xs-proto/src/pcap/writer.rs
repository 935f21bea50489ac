//! Writing either format.

use super::{BYTE_ORDER, ENHANCED_PACKET, Error, INTERFACE, LinkType, NANOS, Packet, SECTION};
use crate::{Encode, Out};

/// What a capture file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The old one, which everybody reads, with nanoseconds; its times end in 2106.
    #[default]
    Pcap,
    /// Its successor.
    PcapNg,
}

/// Writes a file of one interface; the first packet brings the file's header.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    link_type: LinkType,
    begun: bool,
}

/// The most of a packet, as tcpdump has it.
const SNAP_LEN: u32 = 262_144;

impl Writer {
    /// A writer of a new file.
    pub fn new(format: Format, link_type: LinkType) -> Self {
        Writer { format, link_type, begun: false }
    }

    /// Writes the file's header, if it isn't written: a file without packets has one, too.
    pub fn begin(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        match self.format {
            Format::Pcap => {
                let link_type = u32::from(self.link_type.0);
                // Version 2.4, then two words that nobody uses.
                for word in [NANOS, 0x0004_0002, 0, 0, SNAP_LEN, link_type] {
                    out.put_slice(&word.to_le_bytes());
                }
            }
            Format::PcapNg => {
                // Version 1.0, and a length of the section that isn't known.
                block(SECTION, &[BYTE_ORDER, 0x0000_0001, u32::MAX, u32::MAX], &[], out);
                // Option 9: times count nanoseconds.
                block(INTERFACE, &[self.link_type.0.into(), SNAP_LEN, 0x0001_0009, 9, 0], &[], out);
            }
        }
    }
}

/// Appends a block of words and then bytes, which are padded.
fn block(kind: u32, words: &[u32], data: &[u8], out: &mut Out) {
    let padding = data.len().next_multiple_of(4) - data.len();
    let len = (12 + words.len() * 4 + data.len() + padding) as u32;
    for word in [kind, len].iter().chain(words) {
        out.put_slice(&word.to_le_bytes());
    }
    out.put_slice(data);
    out.put_slice(&[0; 4][..padding]);
    out.put_slice(&len.to_le_bytes());
}

impl Encode<&Packet> for Writer {
    type Error = Error;

    fn encode(&mut self, packet: &Packet, out: &mut Out) -> Result<(), Error> {
        if packet.link_type != self.link_type {
            return Err(Error::Unwritable("its link type is another one"));
        }
        let len = u32::try_from(packet.data.len()).ok().filter(|len| *len <= SNAP_LEN);
        let len = len.ok_or(Error::Unwritable("it is longer than 256 KiB"))?;
        const TIME: Error = Error::Unwritable("its time is beyond what the format can say");
        match self.format {
            Format::Pcap => {
                let seconds = u32::try_from(packet.time.as_secs()).map_err(|_| TIME)?;
                self.begin(out);
                for word in [seconds, packet.time.subsec_nanos(), len, packet.original_len] {
                    out.put_slice(&word.to_le_bytes());
                }
                out.put_slice(&packet.data);
            }
            Format::PcapNg => {
                let nanos = u64::try_from(packet.time.as_nanos()).map_err(|_| TIME)?;
                self.begin(out);
                let words = [0, (nanos >> 32) as u32, nanos as u32, len, packet.original_len];
                block(ENHANCED_PACKET, &words, &packet.data, out);
            }
        }
        Ok(())
    }
}
