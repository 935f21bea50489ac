//! The synchronisation that [`Signal`](crate::Signal) and the pool are made of, or loom's twins of it when a model is checked.

#[cfg(not(xs_loom))]
pub(crate) use {futures::task::AtomicWaker, std::sync::atomic::AtomicBool};
#[cfg(all(not(xs_loom), feature = "pool"))]
pub(crate) use {
    parking_lot::Mutex,
    std::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize, fence},
    std::thread,
};

#[cfg(all(xs_loom, feature = "pool"))]
pub(crate) use {
    loom::sync::Mutex,
    loom::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize, fence},
    loom::thread,
};
#[cfg(xs_loom)]
pub(crate) use {loom::sync::atomic::AtomicBool, model::AtomicWaker};

#[cfg(xs_loom)]
pub(crate) mod model {
    use std::task::Waker;

    use loom::sync::Mutex;

    /// What `AtomicWaker` promises, at its plainest: a slot under a lock.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            AtomicWaker(Mutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            *self.0.lock().unwrap() = Some(waker.clone());
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().unwrap().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(all(xs_loom, test))]
pub(crate) mod blocking {
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use loom::sync::{Condvar, Mutex};

    /// A thread that sleeps until it is woken, and has not slept if it was woken before.
    struct Sleeper {
        woken: Mutex<bool>,
        change: Condvar,
    }

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            *self.woken.lock().unwrap() = true;
            self.change.notify_one();
        }
    }

    /// Polls on this thread until it is ready.
    pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let sleeper = Arc::new(Sleeper { woken: Mutex::new(false), change: Condvar::new() });
        let waker = Waker::from(sleeper.clone());
        loop {
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            let mut woken = sleeper.woken.lock().unwrap();
            while !*woken {
                woken = sleeper.change.wait(woken).unwrap();
            }
            *woken = false;
        }
    }
}
