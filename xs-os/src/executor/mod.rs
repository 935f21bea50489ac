//! A small executor for one thread, over a reactor of its caller's choice: epoll, io_uring, or virtual time.
//!
//! # The problem
//!
//! A future does nothing by itself. Somebody has to poll it, to know when polling again is worth it, and to sleep when
//! no future has anything to do. Large runtimes hide how; and a test wants to decide when time passes and what arrives.
//!
//! # How it works
//!
//! ```text
//!      spawn                          wake(), from any thread
//!        │                               │
//!        ▼                               ▼
//!   ┌─────────┐  poll   ┌───────────────────────┐     wait(until the next timer)     ┌───────────┐
//!   │  tasks  │ ◀────── │ ready: numbers of the │ ─────────────────────────────────▶ │  Reactor  │ epoll · io_uring ·
//!   └─────────┘         │ tasks that were woken │ ◀───────────────────────────────── └───────────┘ virtual
//!        │ sleep        └───────────────────────┘   wakers of what has happened
//!        ▼                               ▲
//!   ┌─────────┐   wakers that are due    │
//!   │  wheel  │ ─────────────────────────┘
//!   └─────────┘
//! ```
//!
//! Three parts. **Tasks** are boxed futures in a slab; a waker is a number in that slab and a flag that says whether it
//! is queued already, so waking is pushing the number into a queue that other threads may push into as well. **Timers**
//! are wakers in a [`Wheel`]. The **reactor** is whatever turns events of the outside into calls of wakers, and where
//! the thread sleeps: [`Epoll`] says when a descriptor can be read or written, and the task then tries again
//! (readiness); [`uring::Uring`] is given the operation with its buffer and says that it has been done (completion);
//! [`VirtualTime`] has no outside, and moves its clock to the next timer.
//!
//! [`Executor::block_on`] is the loop: poll what is ready, at most so many at once; if nothing is left, sleep in the
//! reactor until the next timer; fire the timers; again.
//!
//! # Invariants
//!
//! - No wake-up is lost: the queue and whether the executor sleeps are under one lock, so a waker either is seen before
//!   sleeping or sees that it has to unpark (`ready::Ready`).
//! - A task is queued once, however often it is woken before it runs; the flag is cleared before it is polled, so a
//!   wake-up during the poll counts.
//! - Nothing is borrowed while a future is polled, dropped or woken: a task may spawn, cancel, sleep and drop handles
//!   (`tests::reentrant`).
//! - A panic ends its task, and is what its [`JoinHandle`] gives; the others go on.
//! - Nobody starves: the reactor is asked after at most 61 tasks, timers are fired each time, and the queue is first
//!   in, first out.
//! - The executor owns its tasks, and sleeps and handles don't own the executor: dropping the last clone drops the
//!   tasks, unless one of them holds a clone ([`Executor::cancel_all`]).
//! - Over [`VirtualTime`] a run is a function of its tasks.
//!
//! # Cost
//!
//! A spawn is two allocations (the future and its waker), a wake-up one lock that nobody else wants and one push. A
//! sleep is O(1) to set and to cancel. The reactor's call to the kernel is shared by all that is ready.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_os::executor::{Executor, VirtualTime};
//!
//! let executor = Executor::over(VirtualTime::new());
//! let answer = executor.block_on(async {
//!     let slow = executor.spawn({
//!         let executor = executor.clone();
//!         async move {
//!             executor.sleep(Duration::from_secs(3600)).await; // takes no time at all
//!             42
//!         }
//!     });
//!     executor.timeout(Duration::from_secs(7200), slow).await
//! })?;
//! assert_eq!(answer.unwrap().unwrap(), 42);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! tokio's current-thread runtime is this with a task per allocation, an intrusive queue and mio under it; smol splits
//! it into the crates `async-executor`, `async-io` and `polling`; glommio and monoio are executors for one thread over
//! io_uring. libuv and Node's loop have the same three parts, with call-backs for futures. Seastar runs one such loop
//! on each core.
//!
//! # What this leaves out
//!
//! Several threads ([`pool`](crate::pool) has those), calls that block (hand them to a pool and await the result), I/O
//! priorities, task-local values, cancellation that waits for a destructor which is asynchronous. Servers here run on
//! tokio; this is for programs that want no runtime, and for reading.
//!
//! # Try next
//!
//! Give the ready queue a slot for the task that was woken last, as Go's `runnext` does, and measure the latency of two
//! tasks that hand a value to and fro. Then let one of them starve a third, and find the rule that prevents it.
//!
//! # Sources
//!
//! `std::task`'s contract of wakers; `epoll(7)`, `io_uring(7)`; J. Axboe, "Efficient IO with io_uring" (2019); D.
//! Schmidt, "Reactor" (1995) and I. Pyarali et al., "Proactor" (1997).

#[cfg(target_os = "linux")]
mod epoll;
mod join;
mod ready;
mod sleep;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
pub mod uring;
mod virtual_time;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use slab::Slab;

use crate::clock::{Clock, Nanos};
use crate::timer::Wheel;
#[cfg(target_os = "linux")]
pub use epoll::{Async, Epoll};
pub use join::{Ended, JoinHandle};
use ready::{MAIN, Ready, Wakeup};
pub use sleep::{Elapsed, Sleep, Timeout};
pub use virtual_time::VirtualTime;

/// How many tasks are polled before the reactor is asked again.
const BATCH: usize = 61;
/// What deadlines are rounded up to.
const TICK: Duration = Duration::from_millis(1);

/// Where an executor sleeps, and what wakes its tasks when something has happened outside.
pub trait Reactor {
    /// Wakes the wakers of all that has happened; if that is nothing, waits for something to happen, for
    /// [`Unpark::unpark`], or for the end of `timeout`. It may come back early. `None` is without end.
    ///
    /// # Errors
    ///
    /// What the system answers; the executor stops then.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// What ends a [`wait`](Self::wait) from another thread.
    fn unpark(&self) -> Arc<dyn Unpark>;
}

/// Ends a reactor's wait from any thread.
pub trait Unpark: Send + Sync {
    /// The wait that is under way ends, or else the next one.
    fn unpark(&self);
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Entry {
    wakeup: Arc<Wakeup>,
    /// Not there while it is polled.
    future: Option<Task>,
}

struct Core<R> {
    reactor: R,
    clock: Arc<dyn Clock>,
    ready: Arc<Ready>,
    tasks: RefCell<Slab<Entry>>,
    timers: RefCell<Wheel<Waker>>,
    running: Cell<bool>,
}

/// Runs futures on the thread that calls [`block_on`](Executor::block_on). Clones are the same executor. See the
/// [module page](self).
pub struct Executor<R> {
    core: Rc<Core<R>>,
}

impl<R> Clone for Executor<R> {
    fn clone(&self) -> Self {
        Executor { core: Rc::clone(&self.core) }
    }
}

impl<R> fmt::Debug for Executor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("tasks", &self.tasks()).finish_non_exhaustive()
    }
}

impl<R: Reactor + 'static> Executor<R> {
    /// An executor over a reactor, with the time of `clock`, by which the reactor's timeouts pass.
    pub fn new(reactor: R, clock: Arc<dyn Clock>) -> Self {
        let ready = Ready::new(reactor.unpark());
        let timers = RefCell::new(Wheel::new(clock.nanos(), TICK));
        let (tasks, running) = (RefCell::new(Slab::new()), Cell::new(false));
        Executor { core: Rc::new(Core { reactor, clock, ready, tasks, timers, running }) }
    }

    /// The reactor, to open what it waits for.
    pub fn reactor(&self) -> &R {
        &self.core.reactor
    }

    /// The executor's time.
    pub fn now(&self) -> Nanos {
        self.core.clock.nanos()
    }

    /// Starts a task: it is polled while [`block_on`](Self::block_on) runs. What it returns comes by the handle, which
    /// may be dropped.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let (sender, state) = join::pair();
        let task = async move { sender.send(AssertUnwindSafe(future).catch_unwind().await) };
        let number = self.core.add(Box::pin(task));
        let core = Rc::downgrade(&self.core);
        let cancel = move || {
            let Some(core) = core.upgrade() else { return };
            let entry = core.tasks.borrow_mut().try_remove(number);
            drop(entry);
        };
        JoinHandle::new(state, Box::new(cancel))
    }

    /// Runs the tasks until `future` is ready, and gives what it returns. Tasks that are not done go on with the next call.
    ///
    /// # Errors
    ///
    /// The reactor's. [`VirtualTime`] fails when nothing could ever wake anybody.
    ///
    /// # Panics
    ///
    /// If a task of this executor calls it; and if `future` panics.
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        assert!(!self.core.running.replace(true), "a task can't block on its own executor: await instead");
        let _running = Running(&self.core.running);
        let mut future = pin!(future);
        let wakeup = Wakeup::new(MAIN, &self.core.ready);
        wakeup.enqueue();
        let waker = Waker::from(Arc::clone(&wakeup));
        loop {
            for number in self.core.ready.take(BATCH) {
                if number != MAIN {
                    self.core.poll(number);
                } else if wakeup.is_mine() {
                    wakeup.dequeued();
                    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Ok(value);
                    }
                }
            }
            self.core.turn()?;
        }
    }
}

impl<R> Executor<R> {
    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.core.tasks.borrow().len()
    }

    /// Drops all tasks. A task that holds a clone of its executor keeps it, and is kept by it: this ends both.
    pub fn cancel_all(&self) {
        // Dropping one may spawn another.
        loop {
            let tasks = std::mem::take(&mut *self.core.tasks.borrow_mut());
            if tasks.is_empty() {
                return;
            }
            drop(tasks);
        }
    }

    fn timers(&self) -> Weak<dyn sleep::Timers>
    where
        R: 'static,
    {
        let core: Weak<Core<R>> = Rc::downgrade(&self.core);
        core
    }
}

struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<R> Core<R> {
    fn add(&self, future: Task) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        let place = tasks.vacant_entry();
        let number = place.key();
        let wakeup = Wakeup::new(number, &self.ready);
        place.insert(Entry { wakeup: Arc::clone(&wakeup), future: Some(future) });
        drop(tasks);
        wakeup.enqueue();
        number
    }

    fn poll(&self, number: usize) {
        let taken = self.tasks.borrow_mut().get_mut(number).map(|entry| (entry.future.take(), entry.wakeup.clone()));
        let Some((Some(mut future), wakeup)) = taken else { return };
        wakeup.dequeued();
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&wakeup))));
        // The task may have been cancelled in this poll, and another one may have come into its place.
        let mut tasks = self.tasks.borrow_mut();
        let mine = tasks.get_mut(number).filter(|entry| Arc::ptr_eq(&entry.wakeup, &wakeup));
        let left = match (mine, polled) {
            (Some(entry), Poll::Pending) => {
                entry.future = Some(future);
                return;
            }
            (Some(_), Poll::Ready(())) => Some(tasks.remove(number)),
            (None, _) => None,
        };
        drop(tasks);
        drop((left, future));
    }
}

impl<R: Reactor> Core<R> {
    /// Lets the outside speak, and sleeps if nobody is ready.
    fn turn(&self) -> io::Result<()> {
        let timeout = if self.ready.park() {
            let next = self.timers.borrow().next();
            next.map(|next| next - self.clock.nanos())
        } else {
            Some(Duration::ZERO)
        };
        let waited = self.reactor.wait(timeout);
        self.ready.unparked();
        waited?;
        let now = self.clock.nanos();
        loop {
            let due = self.timers.borrow_mut().pop(now);
            let Some(waker) = due else { return Ok(()) };
            waker.wake();
        }
    }
}
