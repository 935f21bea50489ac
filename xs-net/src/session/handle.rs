//! A connection seen from outside.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use xs_proto::Out;

use super::{Cause, OutputLimits, Registry};
use crate::Addr;

/// What a connection shares with its handles. The session looks at `flagged` and at nothing else until it is set.
pub(super) struct Shared {
    id: u64,
    peer: Addr,
    /// Something is in the mailbox, or a timer or drain that the session armed has fired.
    flagged: AtomicBool,
    /// What the session has queued and not written yet; the mailbox comes on top.
    unwritten: AtomicUsize,
    hard: AtomicUsize,
    soft: AtomicUsize,
    soft_for_nanos: AtomicU64,
    max_unread: AtomicUsize,
    mail: Mutex<Mail>,
}

#[derive(Default)]
struct Mail {
    out: Out,
    task: Option<Waker>,
    order: Option<Order>,
    idle: Option<Option<Duration>>,
    closed: bool,
}

/// What a connection is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Finish what has begun, send what is queued, close.
    Finish,
    /// Close at once.
    Kill(Cut),
}

/// Why a connection is cut from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Somebody asked for it.
    Killed,
    /// It reads too slowly for what it is sent.
    Overflow,
}

/// Why something could not be pushed to a connection. Trying again does not help: it is over, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// More output waits than the hard limit allows. The connection is being cut.
    #[error("the connection reads too slowly and is being cut")]
    Overflow,
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
}

impl Shared {
    #[inline]
    pub(super) fn is_flagged(&self) -> bool {
        self.flagged.load(Ordering::Acquire)
    }

    pub(super) fn unflag(&self) {
        self.flagged.swap(false, Ordering::AcqRel);
    }

    pub(super) fn flag(&self) {
        self.flagged.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn has_unwritten(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) != 0
    }

    pub(super) fn set_unwritten(&self, n: usize) {
        self.unwritten.store(n, Ordering::Relaxed);
    }

    pub(super) fn output_limits(&self) -> OutputLimits {
        OutputLimits {
            hard: self.hard.load(Ordering::Relaxed),
            soft: self.soft.load(Ordering::Relaxed),
            soft_for: Duration::from_nanos(self.soft_for_nanos.load(Ordering::Relaxed)),
        }
    }

    pub(super) fn set_output_limits(&self, limits: OutputLimits) {
        self.hard.store(limits.hard, Ordering::Relaxed);
        self.soft.store(limits.soft, Ordering::Relaxed);
        let nanos = u64::try_from(limits.soft_for.as_nanos()).unwrap_or(u64::MAX);
        self.soft_for_nanos.store(nanos, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn max_unread(&self) -> usize {
        self.max_unread.load(Ordering::Relaxed)
    }

    pub(super) fn set_max_unread(&self, bytes: usize) {
        self.max_unread.store(bytes, Ordering::Relaxed);
    }

    fn set_task(&self, task: &Waker) {
        self.mail.lock().task = Some(task.clone());
    }

    /// Moves pushes behind `queue` and answers with the orders.
    pub(super) fn collect(&self, queue: &mut Out) -> (Option<Order>, Option<Option<Duration>>) {
        let mut mail = self.mail.lock();
        if !mail.out.is_empty() {
            queue.append(&mut mail.out);
        }
        // Under the lock, so that a push never sees these bytes in neither place.
        self.set_unwritten(queue.len());
        (mail.order, mail.idle.take())
    }

    fn close(&self) {
        let mut mail = self.mail.lock();
        mail.closed = true;
        mail.out = Out::new();
        mail.task = None;
    }

    /// Sets the flag and wakes the connection's task, which registered before it looked at the flag for the first time.
    fn rouse(&self, mail: parking_lot::MutexGuard<'_, Mail>) {
        // If the flag was already set, whoever set it has woken the task and the task has not looked yet.
        if self.flagged.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = mail.task.clone();
        drop(mail);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// The waker of a session's own timers: it marks that there is something to look at besides the stream.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rouse(self.mail.lock());
    }
}

/// A live connection, from outside: push to it, end it, look at it. Cheap to clone, usable from any thread, and it does
/// not keep the connection alive.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// The connection's number in its registry: from 1, never used twice.
    #[inline]
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Addr {
        &self.shared.peer
    }

    /// Queues what `write` appends. It is sent behind everything that was queued before, in one piece, at the next
    /// opportunity, also while a request is in flight.
    ///
    /// A service's own replies in [`Turn::out`](super::Turn::out) are queued only when its turn ends, so what it pushes
    /// to its own handle goes before them. `write` runs under the connection's lock and must not use this handle.
    ///
    /// # Errors
    ///
    /// When the connection is closed or has too much output waiting.
    pub fn push<T>(&self, write: impl FnOnce(&mut Out) -> T) -> Result<T, PushError> {
        let mut mail = self.shared.mail.lock();
        if mail.closed {
            return Err(PushError::Closed);
        }
        if let Some(Order::Kill(cut)) = mail.order {
            return Err(if cut == Cut::Overflow { PushError::Overflow } else { PushError::Closed });
        }
        let done = write(&mut mail.out);
        let waiting = mail.out.len() + self.shared.unwritten.load(Ordering::Relaxed);
        let overflow = waiting > self.shared.hard.load(Ordering::Relaxed);
        if overflow {
            mail.out = Out::new();
            mail.order = Some(Order::Kill(Cut::Overflow));
        }
        self.shared.rouse(mail);
        if overflow { Err(PushError::Overflow) } else { Ok(done) }
    }

    /// For the connection's own service, when it has what its turn needs (a lock, say): moves behind `out` what was
    /// pushed and has not left the mailbox yet.
    ///
    /// What a service answers is queued when its turn ends; a push from another thread that comes while the turn is
    /// on its way to the service would be queued behind the turn's replies, although it tells of something that the
    /// replies already know. A service whose requests take effect under a lock, as its pushes do, calls this once it
    /// has the lock, before it answers anything: pushes and replies then leave in the order in which the lock was held.
    ///
    /// Costs one atomic load when nothing was pushed.
    #[inline]
    pub fn take_pushed(&self, out: &mut Out) {
        if self.shared.is_flagged() {
            out.append(&mut self.shared.mail.lock().out);
        }
    }

    /// Cuts the connection: a request in flight is cancelled and nothing more is sent.
    pub fn kill(&self) {
        self.order(Order::Kill(Cut::Killed));
    }

    /// Lets the connection finish what it has begun, sends what is queued and closes it.
    pub fn finish(&self) {
        self.order(Order::Finish);
    }

    fn order(&self, order: Order) {
        let mut mail = self.shared.mail.lock();
        if mail.closed || matches!(mail.order, Some(Order::Kill(_))) {
            return;
        }
        mail.order = Some(order);
        self.shared.rouse(mail);
    }

    /// How many bytes wait to be taken by the peer.
    pub fn pending_output(&self) -> usize {
        let mail = self.shared.mail.lock();
        mail.out.len() + self.shared.unwritten.load(Ordering::Relaxed)
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.mail.lock().closed
    }

    /// The limits of the connection's output.
    pub fn output_limits(&self) -> OutputLimits {
        self.shared.output_limits()
    }

    /// Changes the limits of the connection's output, for example when it becomes a subscriber.
    pub fn set_output_limits(&self, limits: OutputLimits) {
        self.shared.set_output_limits(limits);
        self.shared.rouse(self.shared.mail.lock());
    }

    /// Changes how many bytes may stay undecoded; it holds from the end of the next turn on.
    pub fn set_max_unread(&self, bytes: usize) {
        self.shared.set_max_unread(bytes);
    }

    /// Changes the idle timeout; time that passed before counts only from the session's last look at its clock.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        let mut mail = self.shared.mail.lock();
        mail.idle = Some(timeout);
        self.shared.rouse(mail);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.shared.id).field("peer", &self.shared.peer).finish_non_exhaustive()
    }
}

/// A connection's entry in its registry, for as long as this value lives. [`Session`](super::Session) holds it while it
/// runs and passes it on at a take-over; whoever holds it owes the connection its mail.
pub struct Registration {
    handle: Handle,
    registry: Registry,
    /// The waker that the mailbox knows.
    task: Option<Waker>,
}

impl Registration {
    pub(super) fn new(id: u64, peer: Addr, registry: Registry) -> Self {
        let shared = Shared {
            id,
            peer,
            flagged: AtomicBool::new(false),
            unwritten: AtomicUsize::new(0),
            hard: AtomicUsize::new(usize::MAX),
            soft: AtomicUsize::new(usize::MAX),
            soft_for_nanos: AtomicU64::new(0),
            max_unread: AtomicUsize::new(usize::MAX),
            mail: Mutex::new(Mail::default()),
        };
        Registration { handle: Handle { shared: Arc::new(shared) }, registry, task: None }
    }

    /// The connection from outside.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Tells the mailbox whom to wake. Before looking at the flag, or a wake-up would be lost.
    #[inline]
    pub(super) fn attend(&mut self, task: &Waker) {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.handle.shared.set_task(task);
            self.task = Some(task.clone());
        }
    }

    /// For whoever took the connection over: moves what was pushed behind `queue`. Ready when there was something, or
    /// with the order to end, once; otherwise `task` is woken when that changes.
    ///
    /// What is in `queue` when this is called counts against the output limits until it is called again.
    ///
    /// # Errors
    ///
    /// When the connection is to be closed at once.
    pub fn poll_mail(&mut self, task: &Waker, queue: &mut Out) -> Poll<Result<Option<Order>, Cause>> {
        self.attend(task);
        let shared = &self.handle.shared;
        shared.set_unwritten(queue.len());
        if !shared.is_flagged() {
            return Poll::Pending;
        }
        shared.unflag();
        let before = queue.len();
        let (order, _) = shared.collect(queue);
        match order {
            Some(Order::Kill(cut)) => Poll::Ready(Err(cut.into())),
            Some(Order::Finish) => Poll::Ready(Ok(order)),
            None if queue.len() > before => Poll::Ready(Ok(None)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.handle.shared.close();
        self.registry.forget(self.handle.id());
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("handle", &self.handle).finish_non_exhaustive()
    }
}
