//! Connections over TCP.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use super::{Addr, BindError, Listener};

/// How TCP connections are taken and set up.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// How many finished handshakes may wait to be accepted. The kernel caps it (`net.core.somaxconn`). Default 1024.
    pub backlog: u32,
    /// Send small replies at once instead of waiting for company. Default true.
    pub nodelay: bool,
    /// After how long a silence the kernel asks a peer whether it is still there; a third of it between further
    /// probes, three of which may stay without answer. Default 300 s, `None` turns it off.
    pub keepalive: Option<Duration>,
    /// Let several listeners share the port, with the kernel spreading connections over them; see
    /// [`reactors`](crate::reactors). Default false.
    pub reuse_port: bool,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions { backlog: 1024, nodelay: true, keepalive: Some(Duration::from_secs(300)), reuse_port: false }
    }
}

/// Listens on a TCP port.
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    local: SocketAddr,
    options: TcpOptions,
}

impl TcpListener {
    /// Binds `addr` (port 0 takes a free one) and listens. Must be called inside a tokio runtime with I/O.
    pub fn bind(addr: SocketAddr, options: TcpOptions) -> Result<Self, BindError> {
        let socket = listening(addr, &options)?;
        TcpListener::from_std(socket, options).map_err(|e| BindError::new(addr, e))
    }

    /// Takes over a socket that already listens.
    pub fn from_std(socket: StdListener, options: TcpOptions) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(TcpListener { inner: tokio::net::TcpListener::from_std(socket)?, local, options })
    }

    /// Where it listens, with the port that was really taken.
    pub fn socket_addr(&self) -> SocketAddr {
        self.local
    }
}

/// A socket that listens; the part that needs no runtime.
pub(crate) fn listening(addr: SocketAddr, options: &TcpOptions) -> Result<StdListener, BindError> {
    let listen = || {
        let socket = bound(addr, options.reuse_port)?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    };
    listen().map_err(|e| BindError::new(addr, e))
}

/// A socket that is bound and doesn't listen yet.
fn bound(addr: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // Both families are two sockets, so that binding one never takes the other's port unasked.
        socket.set_only_v6(true)?;
    }
    // On Unix this only ignores connections that linger in TIME_WAIT after a restart; elsewhere it would share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let _ = reuse_port;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Proves that nobody listens on `addr`, and answers with the address to use (port 0 becomes a free port).
///
/// Sockets that share a port don't notice each other, so that a second server would silently take half of the first
/// one's connections. A plain bind does notice.
pub(crate) fn prove_free(addr: SocketAddr) -> Result<SocketAddr, BindError> {
    bound(addr, false)
        .and_then(|socket| socket.local_addr())
        .map_err(|e| BindError::new(addr, e))
        .map(|local| local.as_socket().unwrap_or(addr))
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Peer = Addr;

    async fn accept(&mut self) -> io::Result<(TcpStream, Addr)> {
        let (stream, peer) = self.inner.accept().await?;
        set_up(&stream, &self.options)?;
        Ok((stream, Addr::Tcp(peer)))
    }

    fn local_addr(&self) -> Addr {
        Addr::Tcp(self.local)
    }
}

/// Applies the options of a connection. A peer that is already gone makes this fail, which concerns nobody else.
fn set_up(stream: &TcpStream, options: &TcpOptions) -> io::Result<()> {
    let gone = |e: io::Error| io::Error::new(io::ErrorKind::ConnectionAborted, e);
    if options.nodelay {
        stream.set_nodelay(true).map_err(gone)?;
    }
    if let Some(silence) = options.keepalive {
        let second = Duration::from_secs(1);
        let keepalive = TcpKeepalive::new().with_time(silence.max(second));
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd"))]
        let keepalive = keepalive.with_interval((silence / 3).max(second)).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive).map_err(gone)?;
    }
    Ok(())
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn accepted_streams_have_the_options_set() {
        let options = TcpOptions { keepalive: Some(Duration::from_secs(60)), ..TcpOptions::default() };
        let mut listener = TcpListener::bind(any_port(), options).unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(listener.socket_addr()), listener.accept());
        let (stream, peer) = accepted.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
        assert_eq!(peer, Addr::Tcp(client.unwrap().local_addr().unwrap()));
    }

    #[tokio::test]
    async fn a_taken_port_is_named_in_the_error() {
        let first = TcpListener::bind(any_port(), TcpOptions::default()).unwrap();
        let error = TcpListener::bind(first.socket_addr(), TcpOptions::default()).unwrap_err();
        assert!(error.is_taken());
        let text = error.to_string();
        assert!(text.contains(&first.socket_addr().to_string()) && text.contains("somebody else"), "{text}");
    }

    #[tokio::test]
    async fn a_port_can_be_taken_again_at_once_after_its_server_ended() {
        let mut first = TcpListener::bind(any_port(), TcpOptions::default()).unwrap();
        let addr = first.socket_addr();
        let (client, accepted) = tokio::join!(TcpStream::connect(addr), first.accept());
        drop((accepted, first)); // the server closes first, so its side lingers in TIME_WAIT
        TcpListener::bind(addr, TcpOptions::default()).unwrap();
        drop(client);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_shared_port_is_noticed_by_the_proof_and_not_by_the_bind() {
        let shared = || TcpOptions { reuse_port: true, ..TcpOptions::default() };
        let first = TcpListener::bind(any_port(), shared()).unwrap();
        TcpListener::bind(first.socket_addr(), shared()).unwrap();
        assert!(prove_free(first.socket_addr()).unwrap_err().is_taken());
    }
}
