//! What a listener does with a connection, in whatever mode.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::net::TcpStream;
use tower::{Service, service_fn};
use xs_net::proxy_protocol::{Accept, AcceptOptions, Others, Peer};
use xs_net::{Addr, Conn, Timer};

use crate::config::{Listener, Network};
use crate::proxy::HttpListener;
use crate::stats::ListenerStats;
use crate::tcp::TcpRelay;

/// A listener at work. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Http(Arc<HttpListener>),
    Tcp(Arc<TcpRelay>),
}

impl Work {
    pub(crate) fn config(&self) -> &Listener {
        match self {
            Work::Http(http) => &http.config,
            Work::Tcp(tcp) => &tcp.config,
        }
    }

    pub(crate) fn stats(&self) -> &Arc<ListenerStats> {
        match self {
            Work::Http(http) => &http.stats,
            Work::Tcp(tcp) => &tcp.stats,
        }
    }

    /// A client's connection on a thread, until it ends.
    pub(crate) async fn connection(
        self,
        thread: usize,
        conn: Conn<TcpStream, Addr>,
        timer: Timer,
    ) -> Result<(), Infallible> {
        let config = self.config();
        if !config.accept_proxy {
            let Conn { io, peer, local, descriptor, drain } = conn;
            let peer = Peer { via: peer.clone(), addr: peer, header: None };
            return self.begin(thread, Conn { io, peer, local, descriptor, drain }).await;
        }
        // Others than those who are trusted speak for themselves.
        let options = AcceptOptions { others: Others::Pass, ..AcceptOptions::new(config.name.as_str()) };
        let trusted = config.trusted.clone();
        let begin = service_fn(move |conn| self.clone().begin(thread, conn));
        // Whoever is refused has been noted.
        let _ = Accept::new(begin, options, &timer, move |peer: &Addr| is_trusted(&trusted, peer)).call(conn).await;
        Ok(())
    }

    async fn begin(self, thread: usize, conn: Conn<TcpStream, Peer>) -> Result<(), Infallible> {
        match self {
            Work::Http(http) => {
                let Conn { io, peer, local, descriptor, drain } = conn;
                http.connection(thread, Conn { io, peer: peer.addr, local, descriptor, drain }).await;
            }
            Work::Tcp(tcp) => tcp.connection(thread, conn).await,
        }
        Ok(())
    }
}

fn is_trusted(trusted: &[Network], peer: &Addr) -> bool {
    matches!(peer, Addr::Tcp(address) if trusted.iter().any(|network| network.contains(address.ip())))
}
