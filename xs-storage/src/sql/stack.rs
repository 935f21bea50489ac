//! Trees may be a thousand high, and what walks over them takes a frame and more at each level.
//!
//! Most stacks hold that, but nobody promises it: a thread may have two megabytes, and frames are large where nothing is
//! optimised. So walks pass a gate now and then that looks how much is left, and goes on elsewhere if that is little. Where rows
//! are computed nobody looks on the way: the binder puts the gates into what it makes, so that only what is high has any.

/// What a walk may take between two gates.
const LEFT: usize = 512 << 10;
/// What it is given where that much isn't left.
const MORE: usize = 4 << 20;

/// How much higher an expression may be than the last gate.
pub(in crate::sql) const RISE: u32 = 32;
/// How many queries may be within each other behind the last gate.
pub(in crate::sql) const QUERIES: u32 = 4;

/// Goes on where there is enough of a stack.
pub(in crate::sql) fn enough<T>(walk: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(LEFT, MORE, walk)
}
