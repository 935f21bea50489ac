//! Where a store's files have their checksums, by the formats as their pages describe them.

use std::ops::Range;
use std::path::Path;

use crc32c::{crc32c, crc32c_append};

/// A piece of a file under a CRC32C.
#[derive(Debug)]
pub enum Sum {
    /// Bytes, then their checksum: pieces of tables, values, headers of segments and of B+trees.
    Behind(Range<usize>),
    /// All of the file but its last four bytes, which are the checksum: a manifest.
    Whole,
    /// A page of a B+tree, or a run, whose own length counts.
    Page { at: usize, size: usize },
    /// An entry of a log, or a mark.
    Record { at: usize, epoch: u64, index: u64 },
    /// A batch of Kafka's.
    Batch { at: usize },
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Tag of a mark.
const MARK: u32 = 0x8000_0018;

impl Sum {
    /// Where the checksum stands, and what it should be; none if the file is too short for it.
    pub fn of(&self, bytes: &[u8]) -> Option<(usize, [u8; 4])> {
        let piece = self.piece(bytes);
        let own = bytes.get(piece.clone())?;
        Some(match self {
            Sum::Behind(_) | Sum::Whole => {
                let (body, _) = own.split_last_chunk::<4>()?;
                (piece.end - 4, crc32c(body).to_le_bytes())
            }
            Sum::Page { at, .. } => (*at, crc32c(own.get(4..)?).to_le_bytes()),
            Sum::Record { at, epoch, index } => {
                let tag = u32_at(own, 4)?;
                let sum = if tag & 0x8000_0000 != 0 {
                    crc32c(own.get(4..32)?)
                } else {
                    let payload = crc32c(own.get(8..)?);
                    let head = [&epoch.to_le_bytes()[..], &index.to_le_bytes()].concat();
                    let sum = crc32c_append(crc32c(&head), &tag.to_le_bytes());
                    crc32c_append(sum, &payload.to_le_bytes())
                };
                (*at, sum.to_le_bytes())
            }
            Sum::Batch { at } => (at + 17, crc32c(own.get(21..)?).to_be_bytes()),
        })
    }

    /// What is under the checksum, and the checksum.
    pub fn piece(&self, bytes: &[u8]) -> Range<usize> {
        match self {
            Sum::Behind(range) => range.clone(),
            Sum::Whole => 0..bytes.len(),
            Sum::Page { at, size } => {
                let run = bytes.get(at + 4) == Some(&3);
                let claimed = u64_at(bytes, at + 24).and_then(|len| usize::try_from(len).ok()?.checked_add(at + 32));
                *at..claimed.filter(|end| run && *end <= bytes.len()).unwrap_or(at + size)
            }
            Sum::Record { at, .. } => {
                let tag = u32_at(bytes, at + 4).unwrap_or(0);
                let len = if tag & 0x8000_0000 != 0 { 32 } else { 8 + (tag as usize).saturating_sub(1) };
                *at..at + len
            }
            Sum::Batch { at } => {
                let len = bytes.get(at + 8..at + 12).map_or(0, |len| u32::from_be_bytes(len.try_into().expect("four")));
                *at..at + 12 + len as usize
            }
        }
    }
}

/// Pieces that follow each other from `at` up to `end`, each closed by its checksum: found by looking for that.
fn closed(bytes: &[u8], mut at: usize, end: usize) -> Vec<Sum> {
    let mut found = Vec::new();
    while at < end {
        let (mut sum, mut stop) = (0, at);
        while u32_at(bytes, stop) != Some(sum) || stop == at {
            sum = crc32c_append(sum, &bytes[stop..=stop]);
            stop += 1;
            assert!(stop + 4 <= end, "a piece without an end");
        }
        found.push(Sum::Behind(at..stop + 4));
        at = stop + 4;
    }
    found
}

/// The file of a B+tree.
pub fn btree(bytes: &[u8], page: usize) -> Vec<Sum> {
    let mut sums: Vec<_> =
        [0, 4096].into_iter().filter(|at| bytes[*at] != 0).map(|at| Sum::Behind(at..at + 128)).collect();
    let mut at = 8192;
    while at < bytes.len() {
        let sum = Sum::Page { at, size: page };
        let piece = sum.piece(bytes);
        // A free place may hold the rest of a run.
        let holds = sum.of(bytes).is_some_and(|(at, right)| bytes[at..at + 4] == right);
        at += if holds { piece.len().next_multiple_of(page) } else { page };
        sums.extend(holds.then_some(sum));
    }
    sums
}

/// A file of a log-structured merge tree, by its name; none for one without checksums.
pub fn lsm(path: &Path, bytes: &[u8]) -> Option<Vec<Sum>> {
    Some(match path.extension().and_then(|name| name.to_str()) {
        Some("table") => {
            let footer = bytes.len() - 40;
            let mut sums = closed(bytes, 16, footer);
            sums.push(Sum::Behind(footer..footer + 32));
            sums
        }
        Some("blob") => closed(bytes, 16, bytes.len()),
        Some("log") => records(path, bytes),
        None if path.ends_with("manifest") => vec![Sum::Whole],
        _ => return None,
    })
}

/// A segment of records.
pub fn records(path: &Path, bytes: &[u8]) -> Vec<Sum> {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name of ours");
    let number = |at: usize| u64::from_str_radix(&name[at..at + 16], 16).expect("a number");
    let (mut epoch, mut index) = (number(0), number(34));
    let mut sums = vec![Sum::Behind(0..32)];
    let mut at = 32;
    while let Some(tag) = u32_at(bytes, at + 4).filter(|tag| *tag != 0) {
        let mut own = epoch;
        if tag == MARK {
            own = u64_at(bytes, at + 24).expect("a whole mark");
        }
        let sum = Sum::Record { at, epoch: own, index };
        // What is behind the end is another life's.
        if sum.of(bytes).is_none_or(|(at, right)| bytes[at..at + 4] != right) {
            break;
        }
        epoch = own;
        index += u64::from(tag != MARK);
        at = sum.piece(bytes).end;
        sums.push(sum);
    }
    sums
}

/// A segment of batches.
pub fn batches(bytes: &[u8]) -> Vec<Sum> {
    let mut sums = vec![Sum::Behind(0..32)];
    let mut at = 32;
    while bytes.get(at + 16) == Some(&2) {
        let sum = Sum::Batch { at };
        at = sum.piece(bytes).end;
        sums.push(sum);
    }
    sums
}

/// A watermark, whose slots may both be written.
pub fn watermark(bytes: &[u8]) -> Vec<Sum> {
    let slots = [0, 4096].into_iter().filter(|at| bytes.get(*at).is_some_and(|byte| *byte != 0));
    slots.map(|at| Sum::Behind(at..at + 44)).collect()
}
