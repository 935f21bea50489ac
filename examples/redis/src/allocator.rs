//! The server's allocator: mimalloc, told to give memory back at once.
//!
//! By default mimalloc waits before it returns freed pages to the system, and looks whether the time has come only when
//! it is asked for more: a server that has dropped a value of 200 MB and then hears nothing but GETs keeps them for
//! good. Without the delay they go with the value; on redis-benchmark's tests that costs nothing measurable.
//!
//! This is the program's choice, not the library's: whoever embeds the server keeps the allocator that they have.

#![allow(unsafe_code, reason = "the allocator's options are set through its C interface")]

use libmimalloc_sys::{mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 (its `mi_option_e`), milliseconds; the binding leaves it unnamed.
const PURGE_DELAY: mi_option_t = 15;

/// Freed pages go back to the system at once.
pub(crate) fn give_back_at_once() {
    // SAFETY: the function takes two integers, checks that the first names an option, and stores the second in a
    // table of its own; it may be called at any time from any thread.
    unsafe { mi_option_set(PURGE_DELAY, 0) }
}
