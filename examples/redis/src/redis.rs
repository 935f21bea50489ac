//! Redis as a service: what stands between a listener and a store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tower::Service;
use xs_net::listener::Addr;
use xs_net::serve::{AtLimit, Conn, ServeOptions};
use xs_net::session::{Registry, Session, SessionOptions};
use xs_net::{BoxError, Timer, Transport};
use xs_os::{Clock, Jobs, Rng};
use xs_proto::resp::RequestDecoder;
use xs_storage::keyspace::Keyspace;

use crate::client::Client;
use crate::config::Config;
use crate::lazyfree::LazyFree;
use crate::service::{Connection, unix_ms};
use crate::state::{Shared, State};

/// What a server says to a connection beyond `maxclients`.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// What a server in protected mode says to a connection from elsewhere.
const PROTECTED: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no password is \
    set for the default user. In this mode connections are only accepted from the loopback interface. To connect from \
    elsewhere, set a password (requirepass), or turn protected mode off (protected-mode no) if nobody but you can reach \
    this server.";

/// The commands of Redis over a store, for any number of listeners. Clones are the same server.
#[derive(Debug, Clone)]
pub struct Redis(pub(crate) Arc<Shared>);

impl Redis {
    /// A server over `store`, which goes by `clock` and draws its chance from `rng`.
    pub fn new(config: &Config, mut store: Keyspace, clock: Arc<dyn Clock>, rng: Rng) -> Redis {
        store.record_changes(false);
        let server = crate::state::Server::new(config.clone(), clock.clone(), rng);
        Redis(Arc::new(Shared {
            timer: Timer::new(clock.clone()),
            clock,
            registry: Registry::new(),
            state: Mutex::new(State {
                keyspace: store,
                lookups: Default::default(),
                limits: config.limits.clone(),
                server,
            }),
            stop: watch::Sender::new(false),
        }))
    }

    /// Lets large values be dropped by a job of `jobs` (`UNLINK`, `FLUSHALL ASYNC`). Without it they are dropped at once.
    #[must_use]
    pub fn with_jobs(self, jobs: Arc<dyn Jobs>) -> Redis {
        self.0.state.lock().server.lazyfree = LazyFree::on(jobs);
        self
    }

    /// The service that every connection of a listener goes to: a session that reads requests with `codec` and answers
    /// them from the store.
    pub fn connections<Io, Peer>(
        &self,
        codec: RequestDecoder,
    ) -> impl Service<Conn<Io, Peer>, Response = (), Error = BoxError, Future: Send + 'static> + use<Io, Peer>
    where
        Io: Transport + Unpin + Send + 'static,
        Peer: Into<Addr> + Send + 'static,
    {
        let shared = self.0.clone();
        let limits = *codec.limits();
        tower::service_fn(move |conn| connection(shared.clone(), RequestDecoder::new(limits), conn))
    }

    /// How listeners of this server take connections: `maxclients`, and time to finish at the end.
    pub fn serving(&self) -> ServeOptions {
        ServeOptions {
            limit: self.0.state.lock().server.limit.clone(),
            at_limit: AtLimit::Refuse(TOO_MANY.into()),
            drain_timeout: Duration::from_secs(5),
            timer: self.0.timer.clone(),
        }
    }

    /// What the server does by itself, until it stops: removing keys whose time is up, and counting its own rates.
    pub fn housekeeping(&self) -> impl Future<Output = ()> + Send + use<> {
        crate::cron::run(self.0.clone())
    }

    /// Tells the commands where the server listens.
    pub fn listening(&self, addrs: &[Addr]) {
        self.0.state.lock().server.listening(addrs);
    }

    /// Tells the server to stop.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
        self.0.state.lock().server.cut_off_waiting();
    }

    /// Ready once the server is told to stop, by [`Redis::stop`] or by a client (`SHUTDOWN`).
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        stopped(self.0.stop.subscribe())
    }
}

/// Ready once the server is told to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An end of a connection as `CLIENT LIST` prints it: a socket file has a port, too, which is 0.
fn shown(end: &Addr) -> String {
    match end {
        Addr::Unix(path) => format!("{}:0", path.display()),
        end => end.to_string(),
    }
}

/// One connection from its first byte to its last.
async fn connection<Io, Peer>(shared: Arc<Shared>, codec: RequestDecoder, conn: Conn<Io, Peer>) -> Result<(), BoxError>
where
    Io: Transport + Unpin,
    Peer: Into<Addr>,
{
    let peer = conn.peer.into();
    let registration = shared.registry.register(peer.clone());
    let session = {
        // One lock for all of it: no CONFIG SET comes in between, so none passes this connection by.
        let mut guard = shared.state.lock();
        let state = &mut *guard;
        let config = &state.server.config;
        let options = SessionOptions {
            idle_timeout: config.idle_timeout(),
            max_unread: config.unread_limit(),
            output: crate::client_limits::limits(config.output_limits[0]),
            ..SessionOptions::default()
        };
        let mut client = Client::new(
            registration.handle().id(),
            registration.handle().clone(),
            shown(&peer),
            shown(&conn.local),
            conn.descriptor,
            state.server.acl.for_new_connection(),
            unix_ms(shared.clock.wall()),
        );
        let is_near = !matches!(peer, Addr::Tcp(addr) if !addr.ip().is_loopback());
        if config.protected_mode && !is_near && client.user.as_ref().is_some_and(|user| user.no_pass) {
            client.close = true;
            state.server.stats.rejected_connections += 1;
            let _ = client.handle.push(|out| xs_proto::resp::Reply::new(out, client.version).error(PROTECTED));
            client.handle.finish();
        }
        let service = Connection::new(shared.clone(), state, Box::new(client));
        Session::new(registration, codec, service, &shared.timer).with_options(options).with_drain(conn.drain)
    };
    let outcome = session.run(conn.io).await;
    tracing::debug!(%peer, cause = ?outcome.cause(), "connection closed");
    Ok(())
}
