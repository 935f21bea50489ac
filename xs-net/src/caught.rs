//! Panics of a service, caught where it is called: they end its connection and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; a panic becomes its message.
///
/// The state that a panic may leave torn (the service, its future) is dropped by every caller and never called again,
/// which is what makes the assertion sound in spirit.
#[inline]
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(message)
}

/// What a panic said.
#[cold]
pub(crate) fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or("a value that is no text").to_owned(),
    }
}
