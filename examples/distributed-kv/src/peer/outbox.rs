//! What waits to be sent to one node: bytes of whole frames, up to a limit.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// A queue of frames. Clones are the same queue.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    limit: usize,
    dropped: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Outbox(Arc::new(Mutex::new(Waiting { bytes: Vec::new(), limit, dropped: 0, closed: false, waker: None })))
    }

    /// Appends what `frame` encodes, unless too much waits already.
    pub(crate) fn push(&self, frame: &super::Frame) {
        let mut waiting = self.0.lock();
        if waiting.closed || waiting.bytes.len() > waiting.limit {
            waiting.dropped += 1;
            return;
        }
        frame.encode(&mut waiting.bytes);
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many frames were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Forgets what waits: it was meant for a connection that is gone.
    pub(super) fn clear(&self) {
        self.0.lock().bytes.clear();
    }

    /// Nothing will be sent any more.
    pub(crate) fn close(&self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.bytes.clear();
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// All that waits, once there is something; `None` once it is closed. `spare` is what the next frames are put into.
    pub(super) async fn take(&self, spare: &mut Vec<u8>) -> Option<()> {
        poll_fn(|cx| {
            let mut waiting = self.0.lock();
            if waiting.closed {
                return Poll::Ready(None);
            }
            if waiting.bytes.is_empty() {
                waiting.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            spare.clear();
            std::mem::swap(spare, &mut waiting.bytes);
            Poll::Ready(Some(()))
        })
        .await
    }
}
