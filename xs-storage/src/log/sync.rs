//! The synchronisation that [`turn`](super::turn) is made of, or loom's twins of it when a model is checked.

#[cfg(not(xs_loom))]
pub(super) use {
    parking_lot::Mutex,
    std::sync::atomic::AtomicU64,
    std::thread::{Thread, ThreadId, current, park},
};

#[cfg(xs_loom)]
pub(super) use {
    loom::sync::atomic::AtomicU64,
    loom::thread::{Thread, ThreadId, current, park},
    model::Mutex,
};

#[cfg(xs_loom)]
mod model {
    /// loom's lock with parking_lot's call.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
