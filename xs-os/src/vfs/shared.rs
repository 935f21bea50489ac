//! Memory that all who have a file open share.
// The one place that looks at mapped memory.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU32;

/// Words that all handles on a file share, of other processes too: each word is read and written whole. What one stores, the
/// others load, in the order that the processor's rules for atomics give; who takes turns is for locks to say.
pub struct SharedWords(Kept);

enum Kept {
    Heap(Box<[AtomicU32]>),
    #[cfg(target_os = "linux")]
    Mapped {
        map: memmap2::MmapRaw,
        words: usize,
    },
}

impl SharedWords {
    /// Words of this process alone, all zero.
    pub fn private(words: usize) -> Self {
        SharedWords(Kept::Heap((0..words).map(|_| AtomicU32::new(0)).collect()))
    }

    /// The words of a file from an offset on, both a multiple of four bytes. The file must have all of them, and who cuts it
    /// later takes them away under the feet of those that look: it is for locks to prevent.
    #[cfg(target_os = "linux")]
    pub(super) fn of_file(file: &std::fs::File, offset: u64, words: usize) -> io::Result<Self> {
        let len = words.checked_mul(4).filter(|len| *len > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let end = offset.checked_add(len as u64).ok_or(io::ErrorKind::InvalidInput)?;
        if !offset.is_multiple_of(4) || file.metadata()?.len() < end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let map = memmap2::MmapOptions::new().offset(offset).len(len).map_raw(file)?;
        Ok(SharedWords(Kept::Mapped { map, words }))
    }

    /// The words.
    #[inline]
    pub fn words(&self) -> &[AtomicU32] {
        match &self.0 {
            Kept::Heap(words) => words,
            #[cfg(target_os = "linux")]
            // SAFETY: the map is as long as `words` words, readable and writable, and lives as long as the borrow of `self`. A
            // map begins on a page and the offset is a multiple of four, so the words are aligned. Every value of four bytes is
            // an `AtomicU32`, and nobody in this process touches the bytes otherwise; other processes write whole words, or
            // parts of them, which the hardware orders as it does atomics.
            Kept::Mapped { map, words } => unsafe {
                std::slice::from_raw_parts(map.as_ptr().cast::<AtomicU32>(), *words)
            },
        }
    }
}

impl fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWords").field("words", &self.words().len()).finish()
    }
}
