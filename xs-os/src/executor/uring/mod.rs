//! Completion: io_uring is given an operation with its buffer, and says that it has been done.
//!
//! # The problem
//!
//! Readiness fits sockets: "now a read would not block". A regular file is always ready and blocks all the same, so
//! that epoll refuses it and runtimes hand file operations to threads. And each operation on a ready socket is a call
//! to the kernel of its own.
//!
//! # How it works
//!
//! Two rings of memory are shared with the kernel. The program writes entries (operation, descriptor, address, length,
//! a number of its own) into the submission ring; the kernel writes (that number, result) into the completion ring. One
//! call, `io_uring_enter`, hands over all new entries and waits for completions:
//!
//! ```text
//!    read_at(fd, buffer) ──▶ ┌───────────────┐  io_uring_enter   ┌────────┐
//!                            │ submissions   │ ────────────────▶ │ kernel │  does them, in any order
//!    poll: not done yet      └───────────────┘                   └────────┘
//!        ▲                   ┌───────────────┐                       │
//!        └── wake ────────── │ completions   │ ◀─────────────────────┘
//!                            └───────────────┘
//! ```
//!
//! While an operation is under way its buffer belongs to the kernel. A future can be dropped at any time, so a future
//! can't own or borrow that buffer: the **reactor owns it**, together with the descriptor, and gives it back with the
//! result. That is why [`Uring::read_at`] takes a `Vec` and returns it.
//!
//! # Invariants
//!
//! - A buffer and a descriptor that the kernel was told of stay where they are until the completion has come, whatever
//!   happens to the future: they stand in the reactor's slab (`ring::Ring`), and dropping the future only marks them
//!   and asks the kernel to cancel.
//! - Dropping the reactor cancels everything and waits for that; what the kernel still has after a second is leaked,
//!   never freed.
//! - A connection that was accepted for a future which is gone is closed.
//! - A number is given to one operation at a time: it is free when the completion was read and the result taken.
//!
//! # Cost
//!
//! A call to the kernel a turn of the executor, for all operations that were begun in it; an entry is 64 bytes. An
//! operation on a file that isn't in memory costs a thread of the kernel's, not of the program's.
//!
//! # Example
//!
//! ```no_run
//! use xs_os::executor::Executor;
//! use xs_os::executor::uring::{Fd, Uring};
//!
//! let executor = Executor::uring()?;
//! let file = Fd::from(std::fs::File::create("greeting")?);
//! let ring: Uring = executor.reactor().clone();
//! executor.block_on(async {
//!     let (written, _buffer) = ring.write_at(&file, b"hello".to_vec(), 0).await;
//!     assert_eq!(written?, 5);
//!     ring.sync(&file).await
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! tokio-uring, monoio and glommio move buffers in and out as here; io_uring in Node and libuv serves files only.
//! Windows' IOCP has had this shape since 1994. rio lends borrowed buffers and blocks in destructors, which forgetting
//! a future defeats.
//!
//! # What this leaves out
//!
//! Registered buffers and descriptors, provided buffers, multishot operations, chains of linked entries, polling by a
//! kernel thread, `openat`, `connect` and the other forty operations: each is a few lines in this file. Kernels before
//! 5.11.
//!
//! # Try next
//!
//! Count the calls to the kernel (`strace -c -f`) of an echo server over this and over [`Epoll`](super::Epoll), with
//! one connection and with a hundred.
//!
//! # Sources
//!
//! J. Axboe, "Efficient IO with io_uring" (2019); `io_uring_enter(2)`, `io_uring_setup(2)`; the `io-uring` crate, which
//! does the calls and the rings' memory order.

mod ring;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use io_uring::{opcode, types};

use super::epoll::EventFd;
use super::{Executor, Reactor, Unpark};
use crate::clock::SystemClock;
use ring::{Kept, Ring};

/// A reactor over io_uring. Clones are the same reactor. See the [module page](self).
#[derive(Clone)]
pub struct Uring {
    ring: Rc<RefCell<Ring>>,
    unpark: Arc<EventFd>,
}

/// A descriptor that operations can share: it is closed when the last of them and the last clone are gone.
#[derive(Debug, Clone)]
pub struct Fd(Rc<OwnedFd>);

impl<T: Into<OwnedFd>> From<T> for Fd {
    fn from(fd: T) -> Self {
        Fd(Rc::new(fd.into()))
    }
}

impl Fd {
    fn target(&self) -> types::Fd {
        types::Fd(self.0.as_raw_fd())
    }
}

impl std::os::fd::AsFd for Fd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The result of an operation, and the buffer that it had.
pub type WithBuffer = (io::Result<usize>, Vec<u8>);

/// The kernel takes no more than this at once.
fn length(buffer: &[u8]) -> u32 {
    buffer.len().min(i32::MAX as usize) as u32
}

impl Uring {
    /// A reactor with rings of 256 entries.
    ///
    /// # Errors
    ///
    /// `ENOSYS` and `EPERM` where io_uring is missing or forbidden (as many containers forbid it),
    /// [`Unsupported`](io::ErrorKind::Unsupported) before Linux 5.11.
    pub fn new() -> io::Result<Self> {
        let unpark = Arc::new(EventFd::new()?);
        let ring = Ring::new(Arc::clone(&unpark))?;
        Ok(Uring { ring: Rc::new(RefCell::new(ring)), unpark })
    }

    /// How many operations have begun and have not been taken, or cancelled and completed.
    pub fn under_way(&self) -> usize {
        self.ring.borrow().under_way()
    }

    /// Reads at an offset, at most `buffer.len()` bytes; 0 is the end of the file.
    ///
    /// # Errors
    ///
    /// As `pread(2)`.
    pub async fn read_at(&self, fd: &Fd, buffer: Vec<u8>, offset: u64) -> WithBuffer {
        self.buffered(fd, buffer, |fd, buffer| {
            opcode::Read::new(fd, buffer.as_mut_ptr(), length(buffer)).offset(offset).build()
        })
        .await
    }

    /// Writes at an offset. Fewer bytes than the buffer has may be written.
    ///
    /// # Errors
    ///
    /// As `pwrite(2)`.
    pub async fn write_at(&self, fd: &Fd, buffer: Vec<u8>, offset: u64) -> WithBuffer {
        self.buffered(fd, buffer, |fd, buffer| {
            opcode::Write::new(fd, buffer.as_ptr(), length(buffer)).offset(offset).build()
        })
        .await
    }

    /// Receives from a socket, at most `buffer.len()` bytes; 0 is the end.
    ///
    /// # Errors
    ///
    /// As `recv(2)`.
    pub async fn recv(&self, socket: &Fd, buffer: Vec<u8>) -> WithBuffer {
        self.buffered(socket, buffer, |fd, buffer| opcode::Recv::new(fd, buffer.as_mut_ptr(), length(buffer)).build())
            .await
    }

    /// Sends to a socket. Fewer bytes than the buffer has may be sent.
    ///
    /// # Errors
    ///
    /// As `send(2)`; a peer that is gone is `EPIPE`, without a signal.
    pub async fn send(&self, socket: &Fd, buffer: Vec<u8>) -> WithBuffer {
        const NOSIGNAL: i32 = rustix::net::SendFlags::NOSIGNAL.bits() as i32;
        self.buffered(socket, buffer, |fd, buffer| {
            opcode::Send::new(fd, buffer.as_ptr(), length(buffer)).flags(NOSIGNAL).build()
        })
        .await
    }

    /// Brings a file's data and metadata to the disk.
    ///
    /// # Errors
    ///
    /// As `fsync(2)`.
    pub async fn sync(&self, fd: &Fd) -> io::Result<()> {
        self.buffered(fd, Vec::new(), |fd, _| opcode::Fsync::new(fd).build()).await.0.map(drop)
    }

    /// The next connection of a listening socket.
    ///
    /// # Errors
    ///
    /// As `accept(2)`.
    pub async fn accept(&self, listener: &Fd) -> io::Result<Fd> {
        const CLOEXEC: i32 = rustix::net::SocketFlags::CLOEXEC.bits() as i32;
        let accept =
            opcode::Accept::new(listener.target(), std::ptr::null_mut(), std::ptr::null_mut()).flags(CLOEXEC).build();
        let number = self.ring.borrow_mut().begin(Kept::accepting(listener), |_| accept)?;
        let (result, kept) = Operation { ring: &self.ring, number: Some(number) }.await;
        result?;
        kept.accepted.map(Fd::from).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    async fn buffered(
        &self,
        fd: &Fd,
        buffer: Vec<u8>,
        entry: impl FnOnce(types::Fd, &mut Vec<u8>) -> io_uring::squeue::Entry,
    ) -> WithBuffer {
        let begun = self.ring.borrow_mut().begin(Kept::new(fd, buffer), |kept| entry(fd.target(), &mut kept.buffer));
        match begun {
            Ok(number) => {
                let (result, kept) = Operation { ring: &self.ring, number: Some(number) }.await;
                (result, kept.buffer)
            }
            Err(error) => (Err(error), Vec::new()),
        }
    }
}

/// An operation that is under way.
struct Operation<'a> {
    ring: &'a RefCell<Ring>,
    number: Option<usize>,
}

impl Future for Operation<'_> {
    type Output = (io::Result<usize>, Kept);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(number) = self.number else { return Poll::Pending };
        let polled = self.ring.borrow_mut().poll(number, cx.waker());
        if polled.is_ready() {
            self.number = None;
        }
        polled
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let left = self.ring.borrow_mut().abandon(number);
            drop(left);
        }
    }
}

impl Reactor for Uring {
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let woken = self.ring.borrow_mut().wait(timeout)?;
        woken.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        Arc::clone(&self.unpark) as _
    }
}

impl fmt::Debug for Uring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uring").field("under_way", &self.under_way()).finish_non_exhaustive()
    }
}

impl Executor<Uring> {
    /// An executor over io_uring, by the system's clock.
    ///
    /// # Errors
    ///
    /// As [`Uring::new`].
    pub fn uring() -> io::Result<Self> {
        Ok(Executor::new(Uring::new()?, Arc::new(SystemClock)))
    }
}
