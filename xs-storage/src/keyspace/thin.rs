//! Two owned pointers of eight bytes: [`ThinBytes`], a growable byte string, and [`KeyBox`], a key and its value in one
//! allocation. This is the only unsafe module of the crate.
//!
//! A `Vec<u8>` is 24 bytes in its slot before its first byte; a `Box<(String, V)>` follows a second pointer to reach
//! the key. A hash bucket wants eight bytes a slot and one cache miss an item, so both types here put their lengths into
//! the allocation:
//!
//! ```text
//!   ThinBytes ──▶ ┌─────┬─────┬──────────────────┐      KeyBox<V> ──▶ ┌─────┬──────────┬───┬─────┬────────┐
//!     8 bytes     │ len │ cap │ cap bytes        │        8 bytes     │ tag │ note?len │ V │ key │ note?  │
//!                 └─────┴─────┴──────────────────┘                    └─────┴──────────┴───┴─────┴────────┘
//! ```
//!
//! Both are never null, so `Option` of them is eight bytes too.
//!
//! Two instructions that safe Rust cannot name live here as well: a prefetch, and the comparison of sixteen bytes at once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::mem::size_of;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use super::size::alloc_size;

/// Asks the processor to bring the line of `place` into its cache, without waiting for it. It changes nothing else.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing into the program and cannot fault, whatever the address; this one is valid anyway.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Which of sixteen bytes equal `byte`, a bit each.
#[inline(always)]
pub(crate) fn equal_bytes(bytes: &[u8; 16], byte: u8) -> u32 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    // SAFETY: the program is compiled for processors with SSE2, and the unaligned load reads exactly the sixteen bytes.
    unsafe {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
        let all = _mm_loadu_si128(bytes.as_ptr().cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8(byte as i8))) as u32
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    bytes.iter().enumerate().fold(0, |bits, (i, b)| bits | u32::from(*b == byte) << i)
}

// ---------------------------------------------------------------------------------------------------- ThinBytes

/// An owned, growable byte string behind one pointer. At most `u32::MAX` bytes.
pub(crate) struct ThinBytes {
    /// Invariant: points to [`EMPTY`], or to an allocation of `layout(cap)` bytes made here, whose first `len` data
    /// bytes are initialised, `len <= cap` and `cap > 0`. It is owned by this value alone.
    head: NonNull<Head>,
}

#[repr(C)]
struct Head {
    len: u32,
    cap: u32,
}

/// What every empty string without room points to. It is never written and never freed: `cap == 0` tells.
static EMPTY: Head = Head { len: 0, cap: 0 };

const HEAD: usize = size_of::<Head>();
/// Strings double their room up to here and grow by this much afterwards.
const BIG_STEP: usize = 1 << 20;

impl ThinBytes {
    /// An empty string, which allocates nothing.
    #[inline]
    pub(crate) const fn new() -> Self {
        ThinBytes { head: NonNull::from_ref(&EMPTY) }
    }

    /// An empty string with room for at least `cap` bytes.
    pub(crate) fn with_capacity(cap: usize) -> Self {
        let mut bytes = ThinBytes::new();
        if cap > 0 {
            bytes.set_capacity(cap);
        }
        bytes
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: `head` is valid for reads by the invariant.
        unsafe { self.head.as_ref().len as usize }
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        // SAFETY: as in `len`.
        unsafe { self.head.as_ref().cap as usize }
    }

    /// What this string takes on the heap.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> usize {
        match self.capacity() {
            0 => 0,
            cap => alloc_size(HEAD + cap),
        }
    }

    fn layout(cap: usize) -> Layout {
        // `cap` fits in 32 bits, so the sum overflows no 64-bit size; elsewhere the constructor itself says no.
        Layout::from_size_align(HEAD + cap, align_of::<Head>()).expect("a string fits in the address space")
    }

    #[inline]
    fn data(&self) -> *mut u8 {
        // SAFETY: the data starts right behind the head, inside the allocation or (for EMPTY) one past its end.
        unsafe { self.head.as_ptr().cast::<u8>().add(HEAD) }
    }

    /// Sets the length.
    ///
    /// # Safety
    /// The first `len` bytes of data are initialised and `len <= capacity`.
    #[inline]
    unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        if self.capacity() > 0 {
            // SAFETY: `cap > 0`, so this is our own allocation and not EMPTY. `len` fits because `cap` does.
            unsafe { (*self.head.as_ptr()).len = len as u32 }
        }
    }

    /// Moves the string to an allocation for `cap >= len` bytes, rounded up to a class of the allocator. `cap > 0`.
    fn set_capacity(&mut self, cap: usize) {
        debug_assert!(cap > 0 && cap >= self.len());
        let cap = (alloc_size(HEAD + cap) - HEAD).min(u32::MAX as usize);
        assert!(cap >= self.len(), "a string holds less than 4 GiB");
        let new = Self::layout(cap);
        let old = self.capacity();
        let raw = if old == 0 {
            // SAFETY: the layout is at least HEAD bytes.
            unsafe { alloc(new) }
        } else {
            // SAFETY: `head` was allocated here with `layout(old)`, by the invariant; the new size is not zero.
            unsafe { realloc(self.head.as_ptr().cast(), Self::layout(old), new.size()) }
        };
        let Some(head) = NonNull::new(raw.cast::<Head>()) else { handle_alloc_error(new) };
        if old == 0 {
            // SAFETY: freshly allocated for a Head and `cap` bytes, aligned by its layout.
            unsafe { head.write(Head { len: 0, cap: cap as u32 }) }
        } else {
            // SAFETY: `realloc` kept the head; only the room changed.
            unsafe { (*head.as_ptr()).cap = cap as u32 }
        }
        self.head = head;
    }

    /// Makes room for `extra` more bytes, growing so that a sequence of appends costs O(1) a byte.
    #[inline]
    pub(crate) fn reserve(&mut self, extra: usize) {
        if extra > self.capacity() - self.len() {
            self.grow(extra);
        }
    }

    /// Makes room for `extra` more bytes that are known to come, and for no others beyond the allocator's class.
    pub(crate) fn reserve_exact(&mut self, extra: usize) {
        let need = self.len().saturating_add(extra);
        if need > self.capacity() {
            self.set_capacity(need);
        }
    }

    #[cold]
    fn grow(&mut self, extra: usize) {
        let need = self.len().checked_add(extra).expect("a string fits in the address space");
        assert!(need <= u32::MAX as usize, "a string holds less than 4 GiB");
        let ahead = if self.capacity() == 0 { need } else { need.saturating_add(need.min(BIG_STEP)) };
        self.set_capacity(ahead.min(u32::MAX as usize));
    }

    /// Appends `more`.
    #[inline]
    pub(crate) fn extend_from_slice(&mut self, more: &[u8]) {
        self.reserve(more.len());
        let len = self.len();
        // SAFETY: `reserve` made room for `more.len()` bytes behind `len`; `more` cannot overlap memory that `self`
        // owns exclusively. After the copy the bytes up to the new length are initialised.
        unsafe {
            ptr::copy_nonoverlapping(more.as_ptr(), self.data().add(len), more.len());
            self.set_len(len + more.len());
        }
    }

    /// Cuts the string to its first `len` bytes; a longer `len` changes nothing.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            // SAFETY: fewer bytes than were initialised before.
            unsafe { self.set_len(len) }
        }
    }

    /// Empties the string and keeps its room.
    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Cuts or extends the string to `len` bytes; new ones are `fill`.
    pub(crate) fn resize(&mut self, len: usize, fill: u8) {
        let old = self.len();
        if len <= old {
            return self.truncate(len);
        }
        self.reserve(len - old);
        // SAFETY: `reserve` made room up to `len`; the bytes from `old` on are written before they count.
        unsafe {
            ptr::write_bytes(self.data().add(old), fill, len - old);
            self.set_len(len);
        }
    }

    /// Asks for the first line of the bytes ahead of their use.
    #[inline]
    pub(crate) fn prefetch(&self) {
        // SAFETY: `head` is valid for reads by the invariant; the head itself is not touched here.
        prefetch(unsafe { self.head.as_ref() });
    }

    /// Gives back room beyond the allocator's class for the present length.
    pub(crate) fn shrink_to_fit(&mut self) {
        if self.is_empty() {
            *self = ThinBytes::new();
        } else if alloc_size(HEAD + self.len()) < HEAD + self.capacity() {
            self.set_capacity(self.len());
        }
    }
}

impl Drop for ThinBytes {
    #[inline]
    fn drop(&mut self) {
        let cap = self.capacity();
        if cap > 0 {
            // SAFETY: `cap > 0`: our own allocation with this layout, and nobody else has the pointer.
            unsafe { dealloc(self.head.as_ptr().cast(), Self::layout(cap)) }
        }
    }
}

// SAFETY: a ThinBytes owns its bytes alone, as a Vec<u8> does; the shared EMPTY is never written.
unsafe impl Send for ThinBytes {}
// SAFETY: through a shared reference the bytes can only be read.
unsafe impl Sync for ThinBytes {}

impl Deref for ThinBytes {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `data` are initialised by the invariant, and live as long as the borrow of `self`.
        unsafe { std::slice::from_raw_parts(self.data(), self.len()) }
    }
}

impl DerefMut for ThinBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes it the only borrow. For EMPTY the slice has no byte to write.
        unsafe { std::slice::from_raw_parts_mut(self.data(), self.len()) }
    }
}

impl From<&[u8]> for ThinBytes {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        let mut thin = ThinBytes::with_capacity(bytes.len());
        thin.extend_from_slice(bytes);
        thin
    }
}

impl Clone for ThinBytes {
    fn clone(&self) -> Self {
        ThinBytes::from(&**self)
    }
}

impl Default for ThinBytes {
    fn default() -> Self {
        ThinBytes::new()
    }
}

impl PartialEq for ThinBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ThinBytes {}

impl Hash for ThinBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for ThinBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

// ------------------------------------------------------------------------------------------------------- KeyBox

/// A key and its value in one allocation, with a free `tag` of 32 bits and, when it is set, a `note` of 64.
///
/// The note takes its eight bytes only while it is there: setting it or taking it off moves the box.
pub(crate) struct KeyBox<V> {
    /// Invariant: points to an allocation of `layout(len, noted)` bytes made here, that holds an initialised
    /// `KeyHead<V>`, then `len` key bytes, then eight bytes of note if the head says so. It is owned by this value alone.
    head: NonNull<KeyHead<V>>,
    /// A KeyBox drops a V.
    owns: PhantomData<V>,
}

#[repr(C)]
struct KeyHead<V> {
    tag: u32,
    /// The length of the key; the top bit says that a note follows it.
    len: u32,
    value: V,
}

const NOTED: u32 = 1 << 31;
const NOTE: usize = size_of::<u64>();

impl<V> KeyBox<V> {
    /// The longest key.
    pub(crate) const MAX_KEY: usize = (NOTED - 1) as usize;

    /// Boxes `value` under `key`. The tag starts at zero.
    ///
    /// # Panics
    /// If the key is longer than [`KeyBox::MAX_KEY`].
    pub(crate) fn new(key: &[u8], value: V, note: Option<u64>) -> Self {
        assert!(key.len() <= Self::MAX_KEY, "a key holds less than 2 GiB");
        let layout = Self::layout(key.len(), note.is_some());
        // SAFETY: the layout holds at least tag and length, so its size is not zero, also when V is zero-sized.
        let raw = unsafe { alloc(layout) };
        let Some(head) = NonNull::new(raw.cast::<KeyHead<V>>()) else { handle_alloc_error(layout) };
        let len = key.len() as u32 | if note.is_some() { NOTED } else { 0 };
        // SAFETY: fresh memory, aligned for KeyHead<V> by its layout and large enough for head, key and note; `key`
        // lives elsewhere.
        unsafe {
            head.write(KeyHead { tag: 0, len, value });
            let data = raw.add(size_of::<KeyHead<V>>());
            ptr::copy_nonoverlapping(key.as_ptr(), data, key.len());
            if let Some(note) = note {
                data.add(key.len()).cast::<u64>().write_unaligned(note);
            }
        }
        KeyBox { head, owns: PhantomData }
    }

    fn layout(key: usize, noted: bool) -> Layout {
        let size = size_of::<KeyHead<V>>() + key + if noted { NOTE } else { 0 };
        Layout::from_size_align(size, align_of::<KeyHead<V>>()).expect("a key fits in the address space")
    }

    #[inline]
    fn head(&self) -> &KeyHead<V> {
        // SAFETY: initialised and valid by the invariant; borrowed from `self`.
        unsafe { self.head.as_ref() }
    }

    #[inline]
    fn key_len(&self) -> usize {
        (self.head().len & !NOTED) as usize
    }

    #[inline]
    fn is_noted(&self) -> bool {
        self.head().len & NOTED != 0
    }

    #[inline]
    fn data(&self) -> *mut u8 {
        // SAFETY: the key starts right behind the head, inside the allocation or, when empty, one past its end.
        unsafe { self.head.as_ptr().cast::<u8>().add(size_of::<KeyHead<V>>()) }
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        // SAFETY: `key_len` bytes from `data` are initialised, are never written again, and live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.data(), self.key_len()) }
    }

    #[inline]
    pub(crate) fn value(&self) -> &V {
        &self.head().value
    }

    #[inline]
    pub(crate) fn value_mut(&mut self) -> &mut V {
        // SAFETY: as in `head`; `&mut self` makes it the only borrow.
        unsafe { &mut self.head.as_mut().value }
    }

    #[inline]
    pub(crate) fn tag(&self) -> u32 {
        self.head().tag
    }

    #[inline]
    pub(crate) fn set_tag(&mut self, tag: u32) {
        // SAFETY: as in `value_mut`.
        unsafe { self.head.as_mut().tag = tag }
    }

    #[inline]
    pub(crate) fn note(&self) -> Option<u64> {
        // SAFETY: the head says that eight initialised bytes follow the key.
        self.is_noted().then(|| unsafe { self.data().add(self.key_len()).cast::<u64>().read_unaligned() })
    }

    /// Sets the note or takes it off.
    pub(crate) fn set_note(&mut self, note: Option<u64>) {
        let len = self.key_len();
        if note.is_some() != self.is_noted() {
            let old = Self::layout(len, self.is_noted());
            let new = Self::layout(len, note.is_some());
            // SAFETY: `head` was allocated here with layout `old`; the new size is not zero. The value moves by a plain
            // copy of its bytes, as every Rust value may, and its old place is not used again.
            let raw = unsafe { realloc(self.head.as_ptr().cast(), old, new.size()) };
            let Some(head) = NonNull::new(raw.cast::<KeyHead<V>>()) else { handle_alloc_error(new) };
            self.head = head;
            // SAFETY: the head was carried over and is initialised. Between `realloc` and this write nothing can unwind.
            unsafe { self.head.as_mut().len = len as u32 | if note.is_some() { NOTED } else { 0 } }
        }
        if let Some(note) = note {
            // SAFETY: the allocation has eight bytes behind the key now.
            unsafe { self.data().add(len).cast::<u64>().write_unaligned(note) }
        }
    }

    /// Asks for the head and the start of the key ahead of their use.
    #[inline]
    pub(crate) fn prefetch(&self) {
        // SAFETY: the head is valid by the invariant. The place behind it is inside the allocation or one past its end;
        // a prefetch reads nothing, and a byte has no alignment to miss.
        unsafe {
            prefetch(self.head.as_ref());
            prefetch(&*self.data().cast::<[u8; 0]>());
        }
    }

    /// What the box itself takes on the heap; what its value owns is the value's account.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> usize {
        alloc_size(size_of::<KeyHead<V>>() + self.key_len() + if self.is_noted() { NOTE } else { 0 })
    }

    /// Takes the value out and frees the box.
    pub(crate) fn into_value(self) -> V {
        let layout = Self::layout(self.key_len(), self.is_noted());
        let head = self.head;
        std::mem::forget(self);
        // SAFETY: `self` is forgotten, so the value is read out once and never dropped in place; then the memory, ours
        // with this layout, is freed once.
        unsafe {
            let value = ptr::read(&raw const (*head.as_ptr()).value);
            dealloc(head.as_ptr().cast(), layout);
            value
        }
    }
}

impl<V> Drop for KeyBox<V> {
    fn drop(&mut self) {
        /// Frees the box also when the value's own drop unwinds.
        struct Free(*mut u8, Layout);
        impl Drop for Free {
            fn drop(&mut self) {
                // SAFETY: made by `KeyBox::new` with this layout, freed here alone.
                unsafe { dealloc(self.0, self.1) }
            }
        }
        let _free = Free(self.head.as_ptr().cast(), Self::layout(self.key_len(), self.is_noted()));
        // SAFETY: the value is initialised and dropped here alone: `into_value` forgets the box.
        unsafe { ptr::drop_in_place(&raw mut (*self.head.as_ptr()).value) }
    }
}

// SAFETY: a KeyBox owns its key and value alone, so it may go where the value may.
unsafe impl<V: Send> Send for KeyBox<V> {}
// SAFETY: a shared KeyBox gives shared references to key and value only.
unsafe impl<V: Sync> Sync for KeyBox<V> {}

impl<V: fmt::Debug> fmt::Debug for KeyBox<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {:?}", self.key().escape_ascii(), self.value())
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::rc::Rc;

    #[test]
    fn one_word_each_and_none_is_free() {
        assert_eq!(size_of::<ThinBytes>(), 8);
        assert_eq!(size_of::<Option<ThinBytes>>(), 8);
        assert_eq!(size_of::<Option<KeyBox<[u64; 3]>>>(), 8);
    }

    #[test]
    fn empty_strings_share_one_head_and_never_write_it() {
        let mut empty = ThinBytes::new();
        empty.truncate(0);
        empty.resize(0, 1);
        empty.extend_from_slice(b"");
        empty.shrink_to_fit();
        assert_eq!((empty.len(), empty.capacity(), empty.allocated_bytes()), (0, 0, 0));
        assert_eq!(empty.clone(), ThinBytes::with_capacity(0));
        let mut roomy = ThinBytes::with_capacity(10);
        roomy.extend_from_slice(b"x");
        roomy.clear();
        assert!(roomy.is_empty() && roomy.capacity() >= 10);
    }

    #[test]
    fn appending_byte_by_byte_moves_rarely() {
        let mut bytes = ThinBytes::new();
        let (mut moves, mut last) = (0, 0);
        for n in 0..100_000_u32 {
            bytes.extend_from_slice(&[n as u8]);
            if bytes.capacity() != last {
                (moves, last) = (moves + 1, bytes.capacity());
            }
        }
        assert!(moves < 20, "{moves} moves");
        assert_eq!(bytes.len(), 100_000);
        assert_eq!(bytes[99_999], 99_999_u32 as u8);
    }

    #[derive(Debug, Clone)]
    enum Edit {
        Extend(Vec<u8>),
        Resize(usize, u8),
        Truncate(usize),
        Shrink,
        Clone,
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80).prop_map(Edit::Extend),
            (0..200_usize, any::<u8>()).prop_map(|(n, b)| Edit::Resize(n, b)),
            (0..200_usize).prop_map(Edit::Truncate),
            Just(Edit::Shrink),
            Just(Edit::Clone),
        ]
    }

    proptest! {
        #[test]
        fn edits_agree_with_a_vec(edits in prop::collection::vec(edit(), 0..60)) {
            let (mut thin, mut model) = (ThinBytes::new(), Vec::new());
            for edit in edits {
                match edit {
                    Edit::Extend(more) => { thin.extend_from_slice(&more); model.extend_from_slice(&more); }
                    Edit::Resize(n, fill) => { thin.resize(n, fill); model.resize(n, fill); }
                    Edit::Truncate(n) => { thin.truncate(n); model.truncate(n); }
                    Edit::Shrink => { thin.shrink_to_fit(); prop_assert!(thin.capacity() <= model.len() * 5 / 4 + 16); }
                    Edit::Clone => thin = thin.clone(),
                }
                prop_assert_eq!(&*thin, &*model);
                prop_assert!(thin.capacity() >= thin.len());
            }
        }

        #[test]
        fn a_box_keeps_key_value_tag_and_note(key in prop::collection::vec(any::<u8>(), 0..100),
                                              notes in prop::collection::vec(any::<Option<u64>>(), 1..8)) {
            let mut boxed = KeyBox::new(&key, String::from("value"), notes[0]);
            boxed.set_tag(7);
            for note in notes {
                boxed.set_note(note);
                boxed.value_mut().push('!');
                prop_assert_eq!(boxed.key(), &*key);
                prop_assert_eq!(boxed.note(), note);
                prop_assert_eq!(boxed.tag(), 7);
            }
            prop_assert!(boxed.value().starts_with("value!"));
            prop_assert!(boxed.into_value().ends_with('!'));
        }
    }

    #[test]
    fn values_are_dropped_exactly_once_and_zero_sized_or_overaligned_ones_fit() {
        let counted = Rc::new(());
        let boxed = KeyBox::new(b"a", counted.clone(), None);
        let taken = KeyBox::new(b"b", counted.clone(), Some(1)).into_value();
        assert_eq!(Rc::strong_count(&counted), 3);
        drop((boxed, taken));
        assert_eq!(Rc::strong_count(&counted), 1);

        let unit = KeyBox::new(b"", (), None);
        assert_eq!((unit.key(), unit.allocated_bytes()), (&b""[..], 8));

        #[derive(Debug, PartialEq)]
        #[repr(align(64))]
        struct Aligned(u8);
        let mut aligned = KeyBox::new(b"key", Aligned(9), None);
        aligned.set_note(Some(u64::MAX));
        assert_eq!(ptr::from_ref(aligned.value()) as usize % 64, 0);
        assert_eq!((aligned.value(), aligned.key(), aligned.note()), (&Aligned(9), &b"key"[..], Some(u64::MAX)));
    }

    #[test]
    fn both_may_change_threads() {
        let bytes = ThinBytes::from(&b"abc"[..]);
        let boxed = KeyBox::new(b"key", vec![1], None);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                assert_eq!(&*bytes, b"abc");
                drop(boxed);
            });
        });
    }
}
