//! Work as one pointer, wherever it lies.
//!
//! A deque holds pointers of one word. What they point at begins with a [`Header`] that says how the rest is run and how it is
//! thrown away; the rest is on the heap ([`boxed`]), or on the stack of somebody who waits until it was run ([`StackJob`]).

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::thread;

/// What a job begins with.
#[repr(C)]
pub(super) struct Header {
    run: unsafe fn(NonNull<Header>),
    discard: unsafe fn(NonNull<Header>),
}

/// A job that was not run yet. It is run or thrown away once.
#[must_use]
pub(super) struct Job(NonNull<Header>);

// SAFETY: a job is made of closures that are `Send` (`boxed` and `StackJob::new` ask for it), and there is one of each.
unsafe impl Send for Job {}

impl Job {
    /// Runs it, here.
    pub(super) fn run(self) {
        // SAFETY: the pointer is of a live job: whoever made it promised that it lives until it is run or thrown away, which
        // happens once, as `self` is gone afterwards.
        unsafe { (self.0.as_ref().run)(self.0) }
    }

    /// Drops it without running it.
    pub(super) fn discard(self) {
        // SAFETY: as above.
        unsafe { (self.0.as_ref().discard)(self.0) }
    }

    pub(super) fn into_raw(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// What [`Job::into_raw`] gave, and nobody else was given back.
    ///
    /// # Safety
    ///
    /// The pointer came from `into_raw`, and comes back once.
    pub(super) unsafe fn from_raw(raw: *mut Header) -> Option<Job> {
        NonNull::new(raw).map(Job)
    }
}

#[repr(C)]
struct HeapJob<F> {
    header: Header,
    work: F,
}

/// A job on the heap. It may borrow: whoever makes it with less than `'static` waits until it is gone, see
/// [`boxed_for`].
pub(super) fn boxed<F: FnOnce() + Send + 'static>(work: F) -> Job {
    // SAFETY: it borrows nothing.
    unsafe { boxed_for(work) }
}

/// # Safety
///
/// What `work` borrows lives until the job was run or thrown away.
pub(super) unsafe fn boxed_for<F: FnOnce() + Send>(work: F) -> Job {
    unsafe fn take<F>(header: NonNull<Header>) -> F {
        // SAFETY: `header` is the first field of a `HeapJob<F>` in a box, as only `boxed_for` makes them, and it comes here once.
        unsafe { Box::from_raw(header.cast::<HeapJob<F>>().as_ptr()) }.work
    }
    unsafe fn run<F: FnOnce()>(header: NonNull<Header>) {
        // SAFETY: the caller's promise is the same.
        let work = unsafe { take::<F>(header) };
        work();
    }
    unsafe fn discard<F>(header: NonNull<Header>) {
        // SAFETY: the caller's promise is the same.
        drop(unsafe { take::<F>(header) });
    }
    let header = Header { run: run::<F>, discard: discard::<F> };
    Job(NonNull::from(Box::leak(Box::new(HeapJob { header, work }))).cast())
}

/// Who waits for a job on its stack, and how it hears of the end.
pub(super) trait Latch {
    /// Says that the job is done. `self` may be gone as soon as that can be seen.
    ///
    /// # Safety
    ///
    /// `this` is live when it is called.
    unsafe fn set(this: *const Self);
}

/// A job on the stack of its maker, who stays until the latch is set or the job came back.
#[repr(C)]
pub(super) struct StackJob<L, F, R> {
    header: Header,
    pub(super) latch: L,
    work: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<thread::Result<R>>>,
}

impl<L: Latch + Sync, F: FnOnce() -> R + Send, R: Send> StackJob<L, F, R> {
    pub(super) fn new(latch: L, work: F) -> Self {
        unsafe fn run<L: Latch, F: FnOnce() -> R, R>(header: NonNull<Header>) {
            let this = header.cast::<StackJob<L, F, R>>().as_ptr().cast_const();
            // SAFETY: `header` is the first field of a `StackJob`, which lives until the latch is set; until then nobody else
            // touches its cells (its maker does only if the job came back unrun).
            unsafe {
                if let Some(work) = (*(*this).work.get()).take() {
                    let result = catch_unwind(AssertUnwindSafe(work));
                    *(*this).result.get() = Some(result);
                }
                L::set(&raw const (*this).latch);
            }
        }
        StackJob {
            // Somebody waits for it: it can't be thrown away.
            header: Header { run: run::<L, F, R>, discard: run::<L, F, R> },
            latch,
            work: UnsafeCell::new(Some(work)),
            result: UnsafeCell::new(None),
        }
    }

    /// The job, to be handed to others.
    ///
    /// # Safety
    ///
    /// `self` neither moves nor goes until the latch is set, or the job came back and is forgotten.
    pub(super) unsafe fn job(&self) -> Job {
        Job(NonNull::from(self).cast())
    }

    /// The address that its job has.
    pub(super) fn raw(&self) -> *mut Header {
        NonNull::from(self).cast().as_ptr()
    }

    /// The work, of a job that came back unrun.
    pub(super) fn into_work(self) -> Option<F> {
        self.work.into_inner()
    }

    /// What came out, once the latch is set.
    pub(super) fn into_result(self) -> Option<thread::Result<R>> {
        self.result.into_inner()
    }
}
