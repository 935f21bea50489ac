//! Readiness: epoll says when trying again is worth it.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::io::{AsyncRead, AsyncWrite};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use slab::Slab;

use super::{Executor, Reactor, Unpark};
use crate::clock::SystemClock;

/// What the event of the eventfd that ends a wait is called.
const UNPARK: u64 = u64::MAX;
/// Events taken at once.
const EVENTS: usize = 256;

/// A reactor over Linux' epoll. Descriptors are registered once, edge-triggered: an operation is tried first, and only
/// when it would block its task waits for the next edge. Clones are the same reactor.
#[derive(Clone)]
pub struct Epoll {
    shared: Rc<Shared>,
}

struct Shared {
    epoll: OwnedFd,
    unpark: Arc<EventFd>,
    sources: RefCell<Slab<Source>>,
    events: RefCell<Vec<epoll::Event>>,
}

/// Who waits for a descriptor.
#[derive(Default)]
struct Source {
    readers: Vec<Waker>,
    writers: Vec<Waker>,
}

/// An eventfd: what another thread writes to, to end a wait.
pub(super) struct EventFd(OwnedFd);

impl EventFd {
    pub(super) fn new() -> io::Result<Self> {
        Ok(EventFd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Forgets what has been written.
    pub(super) fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl Unpark for EventFd {
    fn unpark(&self) {
        // It fails only when it is full, and then it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl Epoll {
    /// A reactor that waits for nothing yet.
    ///
    /// # Errors
    ///
    /// When the process or the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let unpark = Arc::new(EventFd::new()?);
        epoll::add(&epoll, unpark.fd(), EventData::new_u64(UNPARK), EventFlags::IN)?;
        let events = RefCell::new(Vec::with_capacity(EVENTS));
        Ok(Epoll { shared: Rc::new(Shared { epoll, unpark, sources: RefCell::default(), events }) })
    }

    /// Takes a descriptor that does not block under the reactor's wing.
    ///
    /// # Errors
    ///
    /// When epoll can't wait for it: regular files are always ready and are refused (`EPERM`).
    pub fn register<T: AsFd>(&self, io: T) -> io::Result<Async<T>> {
        let number = self.shared.sources.borrow_mut().insert(Source::default());
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.shared.epoll, &io, EventData::new_u64(number as u64), events) {
            self.shared.sources.borrow_mut().remove(number);
            return Err(error.into());
        }
        Ok(Async { io, number, reactor: self.clone() })
    }

    /// Listens for TCP connections.
    ///
    /// # Errors
    ///
    /// As `TcpListener::bind`.
    pub fn listen(&self, address: SocketAddr) -> io::Result<Async<TcpListener>> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        self.register(listener)
    }

    /// Opens a datagram socket.
    ///
    /// # Errors
    ///
    /// As `UdpSocket::bind`.
    pub fn datagrams(&self, address: SocketAddr) -> io::Result<Async<UdpSocket>> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        self.register(socket)
    }

    /// Connects to a TCP server.
    ///
    /// # Errors
    ///
    /// As `TcpStream::connect`.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Async<TcpStream>> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        let stream = self.register(TcpStream::from(socket))?;
        match connect(stream.get_ref(), &address) {
            Ok(()) => return Ok(stream),
            Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        stream
            .write_with(|stream| match stream.take_error()? {
                Some(error) => Err(error),
                None => match stream.peer_addr() {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                    other => other.map(drop),
                },
            })
            .await?;
        Ok(stream)
    }
}

impl Reactor for Epoll {
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let shared = &*self.shared;
        let mut events = shared.events.borrow_mut();
        events.clear();
        // What is longer than a Timespec can say is cut: a wait may end early.
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout.min(Duration::from_secs(1 << 20))));
        let timeout = timeout.transpose().map_err(io::Error::other)?;
        match epoll::wait(&shared.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.iter() {
            let (flags, data) = (event.flags, event.data.u64());
            if data == UNPARK {
                shared.unpark.reset();
                continue;
            }
            let (readers, writers) = {
                let mut sources = shared.sources.borrow_mut();
                let Some(source) = sources.get_mut(data as usize) else { continue };
                // An error or a hang-up concerns both: the operation that is tried again tells which it was.
                let both = EventFlags::ERR | EventFlags::HUP;
                let take = |wakers: &mut Vec<Waker>, of| {
                    if flags.intersects(of | both) { std::mem::take(wakers) } else { Vec::new() }
                };
                let readers = take(&mut source.readers, EventFlags::IN | EventFlags::RDHUP);
                (readers, take(&mut source.writers, EventFlags::OUT))
            };
            readers.into_iter().chain(writers).for_each(Waker::wake);
        }
        Ok(())
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        Arc::clone(&self.shared.unpark) as _
    }
}

impl fmt::Debug for Epoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll").field("sources", &self.shared.sources.borrow().len()).finish_non_exhaustive()
    }
}

impl Executor<Epoll> {
    /// An executor over epoll, by the system's clock.
    ///
    /// # Errors
    ///
    /// As [`Epoll::new`].
    pub fn epoll() -> io::Result<Self> {
        Ok(Executor::new(Epoll::new()?, Arc::new(SystemClock)))
    }
}

/// A descriptor that tasks can wait for. Any number of tasks may.
pub struct Async<T: AsFd> {
    io: T,
    number: usize,
    reactor: Epoll,
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl<T: AsFd> Async<T> {
    /// What was registered. It must keep its descriptor.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Tries an operation that reads until it would not block.
    ///
    /// # Errors
    ///
    /// Those of `operation`, but for [`WouldBlock`](io::ErrorKind::WouldBlock) and
    /// [`Interrupted`](io::ErrorKind::Interrupted).
    pub async fn read_with<V>(&self, mut operation: impl FnMut(&T) -> io::Result<V>) -> io::Result<V> {
        std::future::poll_fn(|cx| self.poll(Direction::Read, cx, &mut operation)).await
    }

    /// Tries an operation that writes until it would not block.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub async fn write_with<V>(&self, mut operation: impl FnMut(&T) -> io::Result<V>) -> io::Result<V> {
        std::future::poll_fn(|cx| self.poll(Direction::Write, cx, &mut operation)).await
    }

    fn poll<V>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<V>,
    ) -> Poll<io::Result<V>> {
        loop {
            match operation(&self.io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return Poll::Ready(other),
            }
        }
        // No edge is lost between the attempt and here: only `wait` takes edges, and it runs on this thread.
        let mut sources = self.reactor.shared.sources.borrow_mut();
        if let Some(source) = sources.get_mut(self.number) {
            let wakers = match direction {
                Direction::Read => &mut source.readers,
                Direction::Write => &mut source.writers,
            };
            if !wakers.iter().any(|kept| kept.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

impl Async<TcpListener> {
    /// The next connection.
    ///
    /// # Errors
    ///
    /// As `TcpListener::accept`.
    pub async fn accept(&self) -> io::Result<(Async<TcpStream>, SocketAddr)> {
        let (stream, peer) = self.read_with(|listener| listener.accept()).await?;
        stream.set_nonblocking(true)?;
        Ok((self.reactor.register(stream)?, peer))
    }
}

impl<T: AsFd> AsyncRead for Async<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(Direction::Read, cx, |mut io| io.read(buf))
    }
}

impl<T: AsFd> AsyncWrite for Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(Direction::Write, cx, |mut io| io.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(Direction::Write, cx, |mut io| io.flush())
    }

    /// Ends the sending half of a socket; anything else is only flushed.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.io, rustix::net::Shutdown::Write) {
            Ok(()) | Err(Errno::NOTSOCK) => self.poll_flush(cx),
            Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl<T: AsFd> Drop for Async<T> {
    fn drop(&mut self) {
        // A clone of the descriptor elsewhere would keep it registered.
        let _ = epoll::delete(&self.reactor.shared.epoll, &self.io);
        let source = self.reactor.shared.sources.borrow_mut().try_remove(self.number);
        drop(source);
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(&self.io).finish()
    }
}
