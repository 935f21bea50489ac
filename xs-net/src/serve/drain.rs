//! The order to finish, from a server to its connections.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

use super::limit::Place;

#[derive(Default)]
struct Shared {
    draining: AtomicBool,
    waiting: Mutex<Slab<Waker>>,
}

/// Gives the order.
#[derive(Clone, Default)]
pub struct DrainSignal {
    shared: Arc<Shared>,
}

impl DrainSignal {
    /// An order that has not been given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the order, to everyone who holds a [`Drain`] now or later.
    pub fn start(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.shared.waiting.lock());
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// One more receiver.
    pub fn drain(&self) -> Drain {
        Drain { shared: self.shared.clone(), slot: None, place: None }
    }
}

impl fmt::Debug for DrainSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainSignal").field("draining", &self.shared.draining).finish_non_exhaustive()
    }
}

/// Receives the order to finish what has begun and to begin nothing new. A connection's own keeps its place under the
/// server's [`ConnectionLimit`](super::ConnectionLimit) taken, as its clones do: it goes where the connection goes.
pub struct Drain {
    shared: Arc<Shared>,
    place: Option<Arc<Place>>,
    /// Where the waker lies, and a copy to tell whether it is still the right one.
    slot: Option<(usize, Waker)>,
}

impl Drain {
    /// One that never comes, for a connection without a server.
    pub fn never() -> Self {
        DrainSignal::new().drain()
    }

    /// The one of a connection that has this place.
    pub(super) fn keeping(mut self, place: Option<Arc<Place>>) -> Self {
        self.place = place;
        self
    }

    /// Whether the order has been given.
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// Ready once the order has been given; until then `waker` is kept for it. Asking again with the same waker takes
    /// no lock.
    pub fn poll_drained(&mut self, waker: &Waker) -> Poll<()> {
        if self.is_draining() {
            return Poll::Ready(());
        }
        if self.slot.as_ref().is_some_and(|(_, known)| known.will_wake(waker)) {
            return Poll::Pending;
        }
        let mut waiting = self.shared.waiting.lock();
        // Given between the first look and the lock: `start` may already have emptied the list.
        if self.is_draining() {
            return Poll::Ready(());
        }
        let key = match self.slot.take() {
            Some((key, _)) => {
                waiting[key] = waker.clone();
                key
            }
            None => waiting.insert(waker.clone()),
        };
        self.slot = Some((key, waker.clone()));
        Poll::Pending
    }

    /// Waits for the order.
    pub async fn drained(&mut self) {
        poll_fn(|cx| self.poll_drained(cx.waker())).await;
    }
}

impl Clone for Drain {
    fn clone(&self) -> Self {
        Drain { shared: self.shared.clone(), slot: None, place: self.place.clone() }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some((key, _)) = self.slot {
            // The list has been emptied if the order was given meanwhile.
            self.shared.waiting.lock().try_remove(key);
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_it_once_and_nobody_leaves_a_waker_behind() {
        let signal = DrainSignal::new();
        let (mut a, mut b) = (signal.drain(), signal.drain());
        let gone = {
            let mut gone = signal.drain();
            let _ = gone.poll_drained(Waker::noop());
            signal.shared.waiting.lock().len()
        };
        assert_eq!((gone, signal.shared.waiting.lock().len()), (1, 0));
        let task = tokio::spawn(async move { a.drained().await });
        tokio::task::yield_now().await;
        signal.start();
        task.await.unwrap();
        b.drained().await;
        signal.drain().drained().await; // and whoever comes later
    }
}
