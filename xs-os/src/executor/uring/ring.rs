//! The rings, and what the kernel has been lent.
//!
//! Two things here are unsafe. Pushing an entry: the kernel will use the entry's addresses and its descriptor until it
//! completes, and what they name stands in [`Ring::operations`] until then. Owning a descriptor that the kernel has
//! just made: the completion of an `accept` is the only one who knows of it.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};
use slab::Slab;

use super::super::epoll::EventFd;
use super::Fd;
use crate::clock::{Clock, SystemClock};

const ENTRIES: u32 = 256;
/// The number of the poll of the eventfd.
const UNPARK: u64 = u64::MAX;
/// The number of requests to cancel, whose answers say nothing.
const CANCEL: u64 = u64::MAX - 1;
/// How long a drop waits for what it has cancelled.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an operation uses until it has completed.
pub(super) struct Kept {
    _fd: Fd,
    pub(super) buffer: Vec<u8>,
    accepts: bool,
    pub(super) accepted: Option<OwnedFd>,
}

impl Kept {
    pub(super) fn new(fd: &Fd, buffer: Vec<u8>) -> Self {
        Kept { _fd: fd.clone(), buffer, accepts: false, accepted: None }
    }

    pub(super) fn accepting(fd: &Fd) -> Self {
        Kept { accepts: true, ..Kept::new(fd, Vec::new()) }
    }
}

struct Operation {
    kept: Kept,
    state: State,
}

enum State {
    /// Under way, and who is waiting for it.
    Waiting(Option<Waker>),
    /// Under way, and nobody is waiting any more.
    Abandoned,
    Done(i32),
}

pub(super) struct Ring {
    ring: IoUring,
    operations: Slab<Operation>,
    unpark: Arc<EventFd>,
    /// The eventfd isn't being polled.
    disarmed: bool,
}

impl Ring {
    pub(super) fn new(unpark: Arc<EventFd>) -> io::Result<Self> {
        let ring = IoUring::new(ENTRIES)?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "io_uring of this kernel is too old: 5.11 is needed",
            ));
        }
        Ok(Ring { ring, operations: Slab::new(), unpark, disarmed: true })
    }

    pub(super) fn under_way(&self) -> usize {
        self.operations.len()
    }

    /// Begins an operation. The entry may name what is in `kept`, and nothing else.
    pub(super) fn begin(&mut self, kept: Kept, entry: impl FnOnce(&mut Kept) -> Entry) -> io::Result<usize> {
        let number = self.operations.insert(Operation { kept, state: State::Waiting(None) });
        let entry = entry(&mut self.operations[number].kept).user_data(number as u64);
        if let Err(error) = self.push(&entry) {
            self.operations.remove(number);
            return Err(error);
        }
        Ok(number)
    }

    fn push(&mut self, entry: &Entry) -> io::Result<()> {
        if self.ring.submission().is_full() {
            self.ring.submit()?;
        }
        // SAFETY: a buffer's bytes are on the heap and stay there when the slab moves its `Vec`, which nobody touches
        // before the completion; the descriptor is open as long as `Kept` is. Both stand in `operations` until the
        // completion was read (`complete`) or are leaked (`drop`). The eventfd of the poll is open as long as the ring
        // is, and a cancellation names nothing.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.map_err(|_| io::Error::other("the submission ring is full"))
    }

    pub(super) fn poll(&mut self, number: usize, waker: &Waker) -> Poll<(io::Result<usize>, Kept)> {
        let Some(operation) = self.operations.get_mut(number) else { return Poll::Pending };
        let State::Done(result) = operation.state else {
            operation.state = State::Waiting(Some(waker.clone()));
            return Poll::Pending;
        };
        let kept = self.operations.remove(number).kept;
        // Negative results are errors.
        Poll::Ready((usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)), kept))
    }

    /// Nobody waits for an operation any more. What is given back is to be dropped when the ring isn't borrowed: a
    /// waker may own anything.
    pub(super) fn abandon(&mut self, number: usize) -> Option<Waker> {
        let operation = self.operations.get_mut(number)?;
        match mem::replace(&mut operation.state, State::Abandoned) {
            State::Done(_) => {
                self.operations.remove(number);
                None
            }
            State::Waiting(waker) => {
                // If it can't be asked for, the operation ends when it ends.
                let _ = self.push(&opcode::AsyncCancel::new(number as u64).build().user_data(CANCEL));
                waker
            }
            State::Abandoned => None,
        }
    }

    /// Hands new entries to the kernel, waits for a completion, and gives the wakers of all that have come.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Waker>> {
        if self.disarmed {
            let poll = opcode::PollAdd::new(
                types::Fd(self.unpark.fd().as_raw_fd()),
                rustix::event::PollFlags::IN.bits().into(),
            );
            self.push(&poll.build().user_data(UNPARK))?;
            self.disarmed = false;
        }
        let waits = timeout != Some(Duration::ZERO) && self.ring.completion().is_empty();
        let limit = timeout.map(types::Timespec::from);
        let args = match &limit {
            Some(limit) => types::SubmitArgs::new().timespec(limit),
            None => types::SubmitArgs::new(),
        };
        match self.ring.submitter().submit_with_args(usize::from(waits), &args) {
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(ETIME | EINTR | EBUSY | EAGAIN)) => {}
            Err(error) => return Err(error),
        }
        Ok(self.complete())
    }

    fn complete(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        let Ring { ring, operations, unpark, disarmed } = self;
        for completion in ring.completion() {
            match completion.user_data() {
                UNPARK => {
                    unpark.reset();
                    *disarmed = true;
                }
                CANCEL => {}
                number => {
                    let number = number as usize;
                    let Some(operation) = operations.get_mut(number) else { continue };
                    let result = completion.result();
                    if operation.kept.accepts && result >= 0 {
                        // SAFETY: the kernel has just opened it for this operation, and nobody else owns it.
                        operation.kept.accepted = Some(unsafe { OwnedFd::from_raw_fd(result) });
                    }
                    match mem::replace(&mut operation.state, State::Done(result)) {
                        State::Waiting(waker) => woken.extend(waker),
                        State::Abandoned | State::Done(_) => drop(operations.remove(number)),
                    }
                }
            }
        }
        woken
    }
}

const EINTR: i32 = rustix::io::Errno::INTR.raw_os_error();
const EAGAIN: i32 = rustix::io::Errno::AGAIN.raw_os_error();
const EBUSY: i32 = rustix::io::Errno::BUSY.raw_os_error();
const ETIME: i32 = rustix::io::Errno::TIME.raw_os_error();

impl Drop for Ring {
    fn drop(&mut self) {
        let numbers: Vec<usize> = self.operations.iter().map(|(number, _)| number).collect();
        let left: Vec<Option<Waker>> = numbers.into_iter().map(|number| self.abandon(number)).collect();
        let end: Instant = SystemClock.now() + PATIENCE;
        while !self.operations.is_empty() {
            let rest = end.saturating_duration_since(SystemClock.now());
            if rest.is_zero() || self.wait(Some(rest)).is_err() {
                break;
            }
        }
        // The kernel may still write to what is left.
        mem::forget(mem::take(&mut self.operations));
        drop(left);
    }
}
