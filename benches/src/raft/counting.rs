//! Counts allocations, in builds that measure Raft: the system's allocator with a counter a thread in front.
#![cfg_attr(feature = "peers-raft", allow(unsafe_code))] // an allocator can't be written without

#[cfg(feature = "peers-raft")]
mod counter {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        // Has no destructor and a constant initial value, so reading it allocates nothing, at whatever moment.
        pub(super) static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    }

    struct Counting;

    fn count() {
        ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
    }

    // SAFETY: every call goes to the system's allocator with the same arguments, and its answer comes back unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count();
            // SAFETY: the caller's promise about `layout` is the one that is asked for here.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: `at` came from `alloc` or `realloc` here, which is to say from the system's, with this layout.
            unsafe { System.dealloc(at, layout) }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count();
            // SAFETY: as for `dealloc`; the caller promises that `size` is sound.
            unsafe { System.realloc(at, layout, size) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;
}

/// Allocations of this thread so far; not a number in builds that don't count.
#[cfg(feature = "peers-raft")]
pub(super) fn allocations() -> f64 {
    counter::ALLOCATIONS.with(|allocations| allocations.get() as f64)
}

/// Allocations of this thread so far; not a number in builds that don't count.
#[cfg(not(feature = "peers-raft"))]
pub(super) fn allocations() -> f64 {
    f64::NAN
}
