//! One single-threaded runtime per core, each with its own listening socket: [`Reactors`].
//!
//! # The problem
//!
//! A work-stealing runtime moves tasks to whichever thread is free. For requests of a microsecond that is the wrong
//! trade: waking another thread costs more than the request. One thread that does everything for its connections wins
//! per CPU-second, and several such threads use several cores, if the connections can be spread without a thread in
//! front that hands them out.
//!
//! # How it works
//!
//! The kernel spreads them. Several sockets may listen on one port if all of them ask for `SO_REUSEPORT`; a new
//! connection goes to one of them by a hash of its addresses, and stays on that thread for its whole life:
//!
//! ```text
//!                         ┌─▶ listener 0 ─▶ runtime 0 (thread) ─▶ serve ─┐
//!   port 6379 ─ kernel ───┼─▶ listener 1 ─▶ runtime 1 (thread) ─▶ serve ─┼─▶ what they share (store, registry, limit)
//!             by hash     └─▶ listener 2 ─▶ runtime 2 (thread) ─▶ serve ─┘
//! ```
//!
//! Sharing a port hides a mistake: a second server on the same port would silently get part of the first one's
//! connections. So a plain bind, which does notice others, must succeed first; it also turns port 0 into a free port.
//!
//! A server of several ports, or of ports that come and go, has its threads from [`Threads`] and its sockets from
//! [`listen`]: [`Reactors`] is the two together, for one port.
//!
//! # Invariants
//!
//! - [`Reactors::start`] returns an error before any thread runs if the port is taken or a socket cannot be made.
//! - All reactors listen before the first one accepts, so no connection is refused while they start.
//! - Dropping [`Reactors`] signals every reactor's [`Drain`] and waits for its thread: nothing outlives the value.
//!
//! # Cost
//!
//! A thread, an epoll descriptor and a socket for each reactor. Nothing per connection or request. Connections are
//! spread by hash, so a few of them may all meet on one core: with fifty connections on two cores, 20 : 30 is an
//! ordinary outcome.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use xs_net::reactors::{ReactorOptions, Reactors};
//! use xs_net::{Conn, serve};
//!
//! let options = ReactorOptions { threads: 2, ..ReactorOptions::default() };
//! let reactors = Reactors::start(([127, 0, 0, 1], 0).into(), options, |reactor| async move {
//!     let close = tower::service_fn(|_: Conn<_, _>| async { Ok::<_, Infallible>(()) });
//!     let mut shutdown = reactor.shutdown;
//!     serve(reactor.listener, close, async move { shutdown.drained().await }).await.map(drop)
//! })?;
//! std::net::TcpStream::connect(reactors.local_addr())?;
//! reactors.shutdown();
//! reactors.join()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! nginx and haproxy work like this (processes or threads with `reuseport`); Redis has one thread for commands and
//! offers helper threads for I/O; Seastar goes further and shares nothing between cores, the store included.
//!
//! # What this leaves out
//!
//! Pinning threads to cores, and moving a connection to another core when the hash was unlucky.
//!
//! # Try next
//!
//! Start four reactors on a machine of two cores, open a thousand connections and print how many each one got.
//!
//! # Sources
//!
//! `socket(7)` on `SO_REUSEPORT`; the Linux commit message of T. Herbert's patch series "soreuseport" (2013).

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::listener::{BindError, TcpListener, TcpOptions, tcp};
use crate::serve::{Drain, DrainSignal};

/// How many reactors there are, and how they listen.
#[derive(Debug, Clone)]
pub struct ReactorOptions {
    /// How many threads, at least 1. Default 1. More than one needs `SO_REUSEPORT`, which Unix systems have.
    pub threads: usize,
    /// How connections are taken; `reuse_port` is set as needed.
    pub tcp: TcpOptions,
    /// What the threads are called, followed by their number. Default "reactor".
    pub name: String,
}

impl Default for ReactorOptions {
    fn default() -> Self {
        ReactorOptions { threads: 1, tcp: TcpOptions::default(), name: "reactor".to_owned() }
    }
}

/// What one reactor's future is given.
#[derive(Debug)]
pub struct Reactor {
    /// Its number, from 0.
    pub index: usize,
    /// Its own socket on the shared port.
    pub listener: TcpListener,
    /// Tells when to end.
    pub shutdown: Drain,
}

/// Running reactors. See the [module page](self).
#[derive(Debug)]
pub struct Reactors {
    addr: SocketAddr,
    threads: Threads,
}

/// What the future of one of several [`Threads`] is given.
#[derive(Debug)]
pub struct Thread {
    /// Its number, from 0.
    pub index: usize,
    /// Tells when to end.
    pub shutdown: Drain,
}

/// Threads, each with a single-threaded runtime. Dropping them tells them to end, and waits.
#[derive(Debug)]
pub struct Threads {
    signal: DrainSignal,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Threads {
    /// Runs what `run` makes on each of `count` threads, until [`shutdown`](Threads::shutdown).
    ///
    /// `run` is called on the thread, inside its runtime; its future stays there and needn't be `Send`.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start<R, F>(count: usize, name: &str, run: R) -> io::Result<Self>
    where
        R: Fn(Thread) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<()>>,
    {
        let mut threads = Threads { signal: DrainSignal::new(), threads: Vec::with_capacity(count) };
        let run = Arc::new(run);
        for index in 0..count.max(1) {
            let (run, shutdown) = (run.clone(), threads.signal.drain());
            // A reactor is a thread by definition; where nothing is real, a server runs on the test's own runtime.
            #[allow(clippy::disallowed_methods)]
            let thread = std::thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async move { run(Thread { index, shutdown }).await })
            });
            threads.threads.push(thread?);
        }
        Ok(threads)
    }

    /// Tells every thread to end, through its [`Thread::shutdown`].
    pub fn shutdown(&self) {
        self.signal.start();
    }

    /// Waits until every thread has ended; they need [`shutdown`](Threads::shutdown) or a reason of their own.
    ///
    /// # Errors
    ///
    /// The first error of a thread, or that one has panicked.
    pub fn join(mut self) -> io::Result<()> {
        self.join_all()
    }

    fn join_all(&mut self) -> io::Result<()> {
        let mut first = Ok(());
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a reactor panicked")));
            first = first.and(ended);
        }
        first
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shutdown();
        let _ = self.join_all();
    }
}

impl Reactors {
    /// Binds `addr` once for each thread and runs what `run` makes on each, until [`shutdown`](Reactors::shutdown).
    ///
    /// `run` is called on the reactor's thread, inside its runtime; its future stays there and needn't be `Send`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, or the operating system refuses a thread.
    pub fn start<R, F>(addr: SocketAddr, options: ReactorOptions, run: R) -> Result<Self, BindError>
    where
        R: Fn(Reactor) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<()>>,
    {
        let count = options.threads.max(1);
        let sockets = listen(addr, count, &options.tcp)?;
        let addr = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(addr);
        let sockets: Vec<_> = sockets.into_iter().map(|socket| Mutex::new(Some(socket))).collect();
        let tcp = options.tcp;
        let threads = Threads::start(count, &options.name, move |Thread { index, shutdown }| {
            // Each thread takes its own, once.
            let socket = sockets.get(index).and_then(|socket| socket.lock().take());
            let listener = match socket {
                Some(socket) => TcpListener::from_std(socket, tcp.clone()),
                None => Err(io::ErrorKind::NotFound.into()),
            };
            let run = listener.map(|listener| run(Reactor { index, listener, shutdown }));
            async move { run?.await }
        });
        Ok(Reactors { addr, threads: threads.map_err(|e| BindError::new(addr, e))? })
    }

    /// Where they listen.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Tells every reactor to end, through its [`Reactor::shutdown`].
    pub fn shutdown(&self) {
        self.threads.shutdown();
    }

    /// Waits until every reactor has ended; they need [`shutdown`](Reactors::shutdown) or a reason of their own.
    ///
    /// # Errors
    ///
    /// The first error of a reactor, or that one has panicked.
    pub fn join(self) -> io::Result<()> {
        self.threads.join()
    }
}

/// `count` sockets that listen on one address, a reactor's each. They need no runtime yet.
///
/// # Errors
///
/// When the address cannot be bound.
pub fn listen(addr: SocketAddr, count: usize, options: &TcpOptions) -> Result<Vec<StdListener>, BindError> {
    if count == 1 && !options.reuse_port {
        return Ok(vec![tcp::listening(addr, options)?]);
    }
    let shared = TcpOptions { reuse_port: true, ..options.clone() };
    let share = || {
        let free = tcp::prove_free(addr)?;
        (0..count).map(|_| tcp::listening(free, &shared)).collect()
    };
    // Somebody else may take the port between the proof and the bind. Where any port will do, there are others.
    let mut tries = if addr.port() == 0 { 16 } else { 1 };
    loop {
        tries -= 1;
        match share() {
            Err(error) if BindError::is_taken(&error) && tries > 0 => {}
            done => return done,
        }
    }
}
