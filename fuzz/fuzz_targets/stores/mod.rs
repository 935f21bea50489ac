//! What the targets of stores share: a small disk, stores that are made once, and edits of their files as the input says.
//!
//! ```text
//!   control u8 │ edits: file u8, how u8, at u16, length u8, bytes … │ calls
//!              └ bit 0: mend checksums; bits 1 and 2: edits, less one; the rest is the target's
//! ```
//!
//! Edits that leave checksums wrong test that these are looked at: then an answer is right, or an error. Mended ones
//! test what is behind: nothing panics, hangs or takes memory for a length that is merely claimed.
#![allow(dead_code)]

pub mod disk;
pub mod session;
pub mod sums;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{MemoryVfs, Vfs};

use sums::Sum;

/// The rest of an input, which never ends: zeros follow.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn u8(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub fn u16(&mut self) -> usize {
        usize::from(self.u8()) << 8 | usize::from(self.u8())
    }

    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file of a store, and where in it which checksums stand.
struct Made {
    path: PathBuf,
    bytes: Arc<Vec<u8>>,
    sums: Vec<Sum>,
}

/// A store that was made once, of which every run gets a copy.
pub struct Base {
    disk: MemoryVfs,
    files: Vec<Made>,
}

/// What the edits of a run came to.
pub struct Edited {
    pub disk: MemoryVfs,
    /// A piece that was changed has the checksum that it should have: then it may say anything.
    pub forged: bool,
}

impl Base {
    /// `sums` says which checksums a file has; none for files that are left alone.
    pub fn new(disk: MemoryVfs, sums: impl Fn(&Path, &[u8]) -> Option<Vec<Sum>>) -> Self {
        let mut files = Vec::new();
        for (path, bytes) in disk.files() {
            let Some(sums) = sums(&path, &bytes) else { continue };
            for sum in &sums {
                let (at, right) = sum.of(&bytes).expect("a whole piece");
                assert_eq!(bytes[at..at + 4], right, "{}: {sum:?}", path.display());
            }
            files.push(Made { path, bytes, sums });
        }
        assert!(!files.is_empty());
        Base { disk, files }
    }

    /// A copy, edited as the input says.
    pub fn edit(&self, control: u8, input: &mut Input<'_>) -> Edited {
        let disk = self.disk.fork();
        let mut forged = control & 1 != 0;
        let mut changed: Vec<(usize, Option<Vec<u8>>)> = Vec::new();
        for _ in 0..=(control >> 1 & 3) {
            let which = usize::from(input.u8()) % self.files.len();
            let at = match changed.iter().position(|(file, _)| *file == which) {
                Some(at) => at,
                None => {
                    changed.push((which, Some(self.files[which].bytes.to_vec())));
                    changed.len() - 1
                }
            };
            let (_, bytes) = &mut changed[at];
            if let Some(some) = bytes
                && self.change(some, input)
            {
                *bytes = None;
            }
        }
        for (which, bytes) in changed {
            let made = &self.files[which];
            let Some(mut bytes) = bytes else {
                disk.remove(&made.path).expect("it is there");
                continue;
            };
            for sum in &made.sums {
                let Some((at, right)) = sum.of(&bytes) else { continue };
                if control & 1 != 0 {
                    bytes[at..at + 4].copy_from_slice(&right);
                }
                let piece = sum.piece(&bytes);
                forged |= bytes[at..at + 4] == right && made.bytes.get(piece.clone()) != bytes.get(piece);
            }
            disk.put(&made.path, Arc::new(bytes)).expect("a disk in memory");
        }
        Edited { disk, forged }
    }

    /// One edit; true if the file goes.
    fn change(&self, bytes: &mut Vec<u8>, input: &mut Input<'_>) -> bool {
        let (how, at, len) = (input.u8(), input.u16(), usize::from(input.u8()));
        let at = if bytes.is_empty() { 0 } else { at % bytes.len() };
        let range = |len: usize, has: usize| -> Range<usize> { at.min(has)..(at + len).min(has) };
        match how % 16 {
            0..6 => {
                let new = input.take(len % 40 + 1);
                let range = range(new.len(), bytes.len());
                bytes[range.clone()].copy_from_slice(&new[..range.len()]);
            }
            // A number: all, most, or next to nothing.
            6..9 => {
                let number = [u64::MAX, u64::from(u32::MAX), 1 << 31, 1 << 63, 0, 1, 0xffff, 0x7fff_ffff][len % 8];
                let width = [1, 2, 4, 8][len / 8 % 4];
                let range = range(width, bytes.len());
                let number = if len & 0x80 == 0 { number.to_le_bytes() } else { number.swap_bytes().to_le_bytes() };
                bytes[range.clone()].copy_from_slice(&number[..range.len()]);
            }
            9 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (len % 8)),
            // Bytes from elsewhere, of any file.
            10 | 11 => {
                let other = &self.files[usize::from(input.u8()) % self.files.len()].bytes;
                let from = input.u16() % other.len().max(1);
                let len = (len * 8).min(other.len() - from).min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&other[from..from + len]);
            }
            12 => bytes.iter_mut().skip(at).take(len * 8).for_each(|byte| *byte = 0),
            13 => bytes.truncate(at),
            14 => bytes.extend_from_slice(input.take(len)),
            _ => return len == 77,
        }
        false
    }
}
