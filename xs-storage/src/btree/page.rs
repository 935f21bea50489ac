//! Pages in memory: one allocation each, shared by count, read without a lock, written only while nobody else has them.
//!
//! A [`Page`] is what the page table holds and readers use. A [`PageMut`] is the same bytes before anybody else could
//! have seen them: the writer's. Turning the one into the other costs nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use triomphe::{Arc, ThinArc};

/// The number of a page: its place in the file, in pages. Zero is no page: the headers are there.
pub(super) type PageId = u32;

/// No page.
pub(super) const NONE: PageId = 0;

/// Bytes in front of everything else in a page: see the layout in [`super`].
pub(super) const HEADER: usize = 32;

pub(super) const LEAF: u8 = 1;
pub(super) const INNER: u8 = 2;
pub(super) const RUN: u8 = 3;

/// What a page in memory carries besides its bytes.
#[derive(Debug, Default)]
pub(super) struct Meta {
    /// Read since the clock's hand last passed.
    hot: AtomicBool,
    /// Not in the file yet: must not be forgotten.
    dirty: AtomicBool,
    /// The version that it came with; 0 for one that was read from the file.
    born: u64,
}

impl Meta {
    /// Notes that the page was read. A store only when it changes something: the line stays shared between readers.
    pub(super) fn touch(&self) {
        if !self.hot.load(Ordering::Relaxed) {
            self.hot.store(true, Ordering::Relaxed);
        }
    }
}

/// A page that does not change any more.
#[derive(Clone, Debug)]
pub(super) struct Page(pub(super) ThinArc<Meta, u8>);

impl Page {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    pub(super) fn born(&self) -> u64 {
        self.0.header.header.born
    }

    /// Whether it was read since this was last asked.
    pub(super) fn cool(&self) -> bool {
        self.0.header.header.hot.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.0.header.header.dirty.load(Ordering::Acquire)
    }

    /// Says whether it is in the file, and answers what was said before.
    pub(super) fn set_dirty(&self, dirty: bool) -> bool {
        self.0.header.header.dirty.swap(dirty, Ordering::AcqRel)
    }

    /// Memory that it takes, the allocator's rounding aside.
    pub(super) fn memory(&self) -> u64 {
        self.bytes().len() as u64 + 32
    }
}

/// A page that nobody else has yet.
#[derive(Debug)]
pub(super) struct PageMut(ThinArc<Meta, u8>);

/// To make pages of: an allocation is filled by copying a slice.
static ZEROS: [u8; 1 << 15] = [0; 1 << 15];

impl PageMut {
    pub(super) fn copy_of(bytes: &[u8], born: u64) -> Self {
        PageMut(ThinArc::from_header_and_slice(Meta { born, ..Meta::default() }, bytes))
    }

    /// The same, in the memory of a page that nobody reads any more, if nobody does.
    pub(super) fn copy_into(old: Page, bytes: &[u8], born: u64) -> Self {
        let mut page = old.0;
        let reused = page.with_arc_mut(|page| match Arc::get_mut(page) {
            Some(page) if page.length() == bytes.len() => {
                *page.header_mut() = Meta { born, ..Meta::default() };
                page.slice_mut().copy_from_slice(bytes);
                true
            }
            _ => false,
        });
        if reused { PageMut(page) } else { PageMut::copy_of(bytes, born) }
    }

    pub(super) fn zeroed(len: usize, born: u64) -> Self {
        match ZEROS.get(..len) {
            Some(zeros) => PageMut::copy_of(zeros, born),
            None => PageMut::copy_of(&vec![0; len], born),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// Lends the bytes to be changed.
    pub(super) fn edit<R>(&mut self, edit: impl FnOnce(&mut [u8]) -> R) -> R {
        self.0.with_arc_mut(|page| {
            // The field is private and `freeze` takes the page away: there is one owner.
            edit(Arc::get_mut(page).expect("a page under construction has one owner").slice_mut())
        })
    }

    /// Ends the writing.
    pub(super) fn freeze(self) -> Page {
        Page(self.0)
    }
}
