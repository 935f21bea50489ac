//! How a blocked connection learns that its command was served by somebody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use xs_proto::out::Out;

/// The place where the reply of a blocked command is laid down. One a connection, used again for every wait.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    served: AtomicBool,
    reply: Mutex<Out>,
    waker: AtomicWaker,
}

impl Waiter {
    pub(crate) fn new() -> Arc<Waiter> {
        Arc::default()
    }

    /// Lays down the reply and wakes the connection.
    pub(crate) fn serve(&self, mut reply: Out) {
        self.reply.lock().append(&mut reply);
        self.served.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ready once, when the command has been served; its reply is appended to `out`.
    pub(crate) fn poll_served(&self, cx: &mut Context<'_>, out: &mut Out) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.served.swap(false, Ordering::Acquire) {
            out.append(&mut self.reply.lock());
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
