//! A read buffer to borrow. A connection needs one only while it has unread bytes, so the connections of one thread share
//! a spare: an idle connection holds no memory, and a busy one allocates nothing.

use std::cell::Cell;

use bytes::BytesMut;

/// A buffer that grew beyond this for one large request is given back to the allocator.
const KEPT: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// An empty buffer, with memory if this thread has a spare one.
#[inline]
pub(crate) fn take() -> BytesMut {
    SPARE.take().unwrap_or_default()
}

/// Gives back a buffer; whatever is in it is forgotten.
#[inline]
pub(crate) fn put(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.capacity() <= KEPT {
        SPARE.set(Some(buffer));
    }
}
