//! Numbers and strings as bytes, and records with their length and a checksum in front.

use bytes::Bytes;

pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    /// As a record.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.extend((self.0.len() as u64).to_le_bytes());
        out.extend(sum(&self.0).to_le_bytes());
        out.extend(self.0);
    }
}

pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The first record, and what stands behind it; none at the end, or where a crash has torn.
    pub(crate) fn record(bytes: &'a [u8]) -> Option<(Reader<'a>, &'a [u8])> {
        let mut head = Reader(bytes);
        let (len, expected) = (head.number()? as usize, head.number()?);
        let (body, rest) = head.0.split_at_checked(len)?;
        (sum(body) == expected).then_some((Reader(body), rest))
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    pub(crate) fn bytes(&mut self) -> Option<Bytes> {
        let len = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Bytes::copy_from_slice(bytes))
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
    })
}
