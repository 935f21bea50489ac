//! What a configuration makes of the blocks: listeners with its options, a codec with its limits, a store of its size.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use xs_net::listener::{BindError, TcpListener, TcpOptions};
#[cfg(unix)]
use xs_net::listener::{UnixListener, UnixOptions};
use xs_net::reactors::{Reactor, ReactorOptions, Reactors};
use xs_os::Rng;
use xs_proto::resp::{InputLimits, RequestDecoder};
use xs_storage::keyspace::Keyspace;

use super::Config;

impl Config {
    /// An empty store of the configured databases and accounting.
    pub fn store(&self, rng: &Rng) -> Keyspace {
        Keyspace::new(self.databases, self.keyspace(), rng.fork("keyspace").next_u64())
    }

    /// A decoder of requests with the configured limits.
    pub fn codec(&self) -> RequestDecoder {
        RequestDecoder::new(InputLimits { bulk: self.proto_max_bulk_len as usize, ..InputLimits::default() })
    }

    fn tcp_options(&self) -> TcpOptions {
        TcpOptions {
            backlog: self.tcp_backlog,
            keepalive: (self.tcp_keepalive > 0).then(|| Duration::from_secs(self.tcp_keepalive)),
            ..TcpOptions::default()
        }
    }

    /// Binds every configured address with `bind`. All share one port, also when it was chosen for the first.
    fn bind_all<T>(
        &self,
        mut bind: impl FnMut(SocketAddr) -> Result<(T, SocketAddr), BindError>,
    ) -> Result<Vec<T>, BindError> {
        let (mut port, mut bound) = (self.port, Vec::new());
        for (ip, may_fail) in self.addresses() {
            match bind(SocketAddr::new(ip, port)) {
                Ok((listening, addr)) => {
                    port = addr.port();
                    bound.push(listening);
                }
                Err(error) if may_fail && !error.is_taken() => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        Ok(bound)
    }

    /// The TCP listeners, for the caller's own runtime.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub fn listen(&self) -> Result<Vec<TcpListener>, BindError> {
        self.bind_all(|addr| {
            let listener = TcpListener::bind(addr, self.tcp_options())?;
            let addr = listener.socket_addr();
            Ok((listener, addr))
        })
    }

    /// The listener on a socket file, where one is configured.
    ///
    /// # Errors
    ///
    /// When the file cannot be listened on.
    #[cfg(unix)]
    pub fn listen_unix(&self) -> Result<Option<UnixListener>, BindError> {
        let bind = |path| UnixListener::bind(path, UnixOptions { mode: self.unixsocketperm });
        self.unixsocket.as_ref().map(bind).transpose()
    }

    /// Listens on every TCP address with `io-threads` threads, each of which runs what `run` makes.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub fn reactors<R, F>(&self, run: R) -> Result<Vec<Reactors>, BindError>
    where
        R: Fn(Reactor) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<()>>,
    {
        self.bind_all(|addr| {
            let options =
                ReactorOptions { threads: self.io_threads, tcp: self.tcp_options(), name: "redis".to_owned() };
            let reactors = Reactors::start(addr, options, run.clone())?;
            let addr = reactors.local_addr();
            Ok((reactors, addr))
        })
    }
}
