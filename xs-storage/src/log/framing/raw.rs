//! Bytes as they came: the log is a file, cut into pieces.

use super::{Framing, Index, Parsed, Sealed};

/// Bytes as they came, for files that other programs read: Redis' append-only file.
///
/// Every byte has an index. A reader gets as many as lie together, and starts at exactly the byte asked for. Nothing
/// is added, so nothing is checked: what a tear or a flipped bit did is for the format inside to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Framing for Raw {
    const NAME: &'static str = "raw";
    const MAX_PAYLOAD: u64 = 1 << 40;
    const DENSE: bool = true;
    const MARK_LEN: usize = 0;
    const BARE: bool = true;
    type Draft = u64;

    fn draft(&self, payload: &[&[u8]]) -> Result<u64, String> {
        Ok(payload.iter().map(|piece| piece.len() as u64).sum())
    }

    fn seal(&self, len: &u64, _epoch: u64, next: Index) -> Result<Sealed, String> {
        let end = next.0.checked_add(*len).ok_or("indices have run out")?;
        Ok(Sealed::new(&[], 0, next, Index(end)))
    }

    fn parse(&self, _epoch: u64, next: Index, bytes: &[u8]) -> Parsed {
        match bytes.len() {
            0 => Parsed::More(1),
            len => Parsed::Entry { index: next, end: Index(next.0.saturating_add(len as u64)), payload: 0..len, len },
        }
    }

    fn distance(&self, from: Index, to: Index) -> Option<u64> {
        to.0.checked_sub(from.0)
    }
}
