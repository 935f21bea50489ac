//! Pipes for splicing, and the bounded pool that they come from. Where there is no splice there are no pipes.

use std::fmt;
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub(super) use linux::Pipe;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Pipe;

/// How much a pipe holds, in bytes. The kernel counts pages; a pipe of more than an unprivileged user may have stays as it
/// comes, with 64 KiB.
#[cfg(target_os = "linux")]
const CAPACITY: usize = 256 * 1024;

/// A pool of pipes. Clones share it; let each thread have its own, so that nobody waits for its lock.
#[derive(Clone)]
pub struct Pipes {
    pool: Arc<Pool>,
}

struct Pool {
    max: usize,
    #[cfg(target_os = "linux")]
    state: parking_lot::Mutex<linux::State>,
}

impl Pipes {
    /// At most `max` pipes at once, each of which takes two descriptors while it lives. Emptied ones are kept.
    pub fn new(max: usize) -> Self {
        Pipes {
            pool: Arc::new(Pool {
                max,
                #[cfg(target_os = "linux")]
                state: parking_lot::Mutex::default(),
            }),
        }
    }

    /// How many there may be.
    pub fn max(&self) -> usize {
        self.pool.max
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").field("max", &self.pool.max).finish_non_exhaustive()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};

    use rustix::io::{Errno, retry_on_intr};
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    use super::{CAPACITY, Pipes, Pool};

    #[derive(Default)]
    pub(super) struct State {
        /// Empty pipes.
        idle: Vec<Ends>,
        /// How many exist, the idle ones included.
        open: usize,
    }

    struct Ends {
        read: OwnedFd,
        write: OwnedFd,
    }

    /// A pipe out of the pool. It goes back when it is dropped, if it is empty.
    pub(in super::super) struct Pipe {
        ends: Option<Ends>,
        /// How many bytes are in it.
        len: usize,
        pool: Arc<Pool>,
    }

    impl Pipes {
        /// An empty pipe, if there may be one more and the kernel has it.
        pub(in super::super) fn take(&self) -> Option<Pipe> {
            let mut state = self.pool.state.lock();
            let ends = match state.idle.pop() {
                Some(ends) => ends,
                None if state.open >= self.pool.max => return None,
                None => {
                    // Descriptors may be short; then there is a way without.
                    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
                    let _ = fcntl_setpipe_size(&write, CAPACITY);
                    state.open += 1;
                    Ends { read, write }
                }
            };
            drop(state);
            Some(Pipe { ends: Some(ends), len: 0, pool: self.pool.clone() })
        }
    }

    impl Drop for Pipe {
        fn drop(&mut self) {
            let mut state = self.pool.state.lock();
            if self.len == 0 {
                state.idle.extend(self.ends.take());
            } else {
                state.open -= 1;
            }
        }
    }

    const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

    impl Pipe {
        /// Fills the pipe, which must be empty: only then does "would block" speak of the socket alone. Zero is the end.
        /// `None`: this socket cannot be spliced, and nothing was taken from it.
        pub(in super::super) fn poll_fill(
            &mut self,
            cx: &mut Context<'_>,
            from: &TcpStream,
        ) -> Poll<io::Result<Option<usize>>> {
            debug_assert_eq!(self.len, 0);
            let Some(ends) = &self.ends else { return Poll::Ready(Ok(None)) };
            loop {
                ready!(from.poll_read_ready(cx))?;
                let read = || Ok(retry_on_intr(|| splice(from, None, &ends.write, None, CAPACITY, FLAGS))?);
                match from.try_io(Interest::READABLE, read) {
                    Ok(n) => {
                        self.len = n;
                        return Poll::Ready(Ok(Some(n)));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) if is_unable(&e) => return Poll::Ready(Ok(None)),
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
        }

        /// Empties the pipe.
        pub(in super::super) fn poll_drain(
            &mut self,
            cx: &mut Context<'_>,
            to: &TcpStream,
            moved: &mut u64,
        ) -> Poll<io::Result<()>> {
            let Some(ends) = &self.ends else { return Poll::Ready(Ok(())) };
            while self.len > 0 {
                ready!(to.poll_write_ready(cx))?;
                let write = || Ok(retry_on_intr(|| splice(&ends.read, None, to, None, self.len, FLAGS))?);
                match to.try_io(Interest::WRITABLE, write) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Ok(n) => {
                        self.len -= n;
                        *moved += n as u64;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    /// The kernel, or whoever watches over system calls, has no splice for this.
    fn is_unable(error: &io::Error) -> bool {
        [Errno::INVAL, Errno::NOSYS, Errno::PERM].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }

    impl fmt::Debug for Pipe {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Pipe").field("len", &self.len).finish_non_exhaustive()
        }
    }

    #[cfg(all(test, not(xs_loom)))]
    mod tests {
        use super::*;

        #[test]
        fn there_are_never_more_than_allowed_and_a_full_one_does_not_come_back() {
            let pipes = Pipes::new(2);
            let (first, second) = (pipes.take().unwrap(), pipes.take().unwrap());
            assert!(pipes.take().is_none());
            drop(first);
            assert_eq!(pipes.pool.state.lock().idle.len(), 1);
            let mut again = pipes.take().unwrap();
            assert!(pipes.take().is_none());
            again.len = 1; // as if something were left in it
            drop((again, second));
            let state = pipes.pool.state.lock();
            assert_eq!((state.idle.len(), state.open), (1, 1));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::net::TcpStream;

    use super::Pipes;

    /// There is none.
    #[derive(Debug)]
    pub(in super::super) enum Pipe {}

    impl Pipes {
        pub(in super::super) fn take(&self) -> Option<Pipe> {
            None
        }
    }

    impl Pipe {
        pub(in super::super) fn poll_fill(
            &mut self,
            _: &mut Context<'_>,
            _: &TcpStream,
        ) -> Poll<io::Result<Option<usize>>> {
            match *self {}
        }

        pub(in super::super) fn poll_drain(
            &mut self,
            _: &mut Context<'_>,
            _: &TcpStream,
            _: &mut u64,
        ) -> Poll<io::Result<()>> {
            match *self {}
        }
    }
}
