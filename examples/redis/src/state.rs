//! Everything that the connections share, behind one lock.
//!
//! The lock is taken once for each batch of pipelined commands and never across an await. That makes every command,
//! every transaction and every multi-key operation atomic, and gives all writes one order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use xs_net::Timer;
use xs_net::listener::Addr;
use xs_net::serve::ConnectionLimit;
use xs_net::session::Registry;
use xs_os::{Clock, Rng};
use xs_storage::keyspace::{Keyspace, Limits};

use crate::acl::Acl;
use crate::blocked::Blocked;
use crate::client::Client;
use crate::config::Config;
use crate::db::Lookups;
use crate::fault::Fault;
use crate::latency::{Histogram, Latency};
use crate::lazyfree::LazyFree;
use crate::mail::Mail;
use crate::monitor::Monitors;
use crate::notify::Class;
use crate::oom::OomScore;
use crate::pubsub::PubSub;
use crate::slowlog::Slowlog;
use crate::table::{Entry, Names, Table};
use crate::tracking::Tracking;

/// What every connection holds a reference to.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timer: Timer,
    pub(crate) registry: Registry,
    pub(crate) state: Mutex<State>,
    /// True once the server must stop: SHUTDOWN, a signal, or the end of a test.
    pub(crate) stop: watch::Sender<bool>,
}

/// The keyspace and everything else, borrowed apart from each other while a command runs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) keyspace: Keyspace,
    pub(crate) lookups: Lookups,
    /// A copy of the configuration's thresholds, which commands read while they borrow the rest.
    pub(crate) limits: Limits,
    pub(crate) server: Server,
}

/// Everything shared that isn't the keyspace.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) table: &'static Table,
    /// What clients call its commands.
    pub(crate) names: Names,
    pub(crate) acl: Acl,
    pub(crate) clients: Clients,
    /// What the clients take together, or more; kept while `maxmemory-clients` limits it.
    pub(crate) client_memory: usize,
    /// What the clients took when the cron last counted; see `memory.rs`.
    pub(crate) clients_took: usize,
    /// `maxclients`.
    pub(crate) limit: ConnectionLimit,
    pub(crate) blocked: Blocked,
    pub(crate) watchers: Watchers,
    pub(crate) pubsub: PubSub,
    pub(crate) tracking: Tracking,
    pub(crate) mail: Mail,
    pub(crate) monitors: Monitors,
    pub(crate) slowlog: Slowlog,
    pub(crate) latency: Latency,
    pub(crate) lazyfree: LazyFree,
    pub(crate) oom: OomScore,
    pub(crate) stats: Stats,
    pub(crate) rng: Rng,
    pub(crate) started: Instant,
    pub(crate) run_id: String,
    pub(crate) replication_id: String,
    pub(crate) pause: Option<Pause>,
    /// Keys are removed when their time is up, not only when they are asked for (`DEBUG SET-ACTIVE-EXPIRE`).
    pub(crate) active_expire: bool,
    /// Where it listens.
    pub(crate) addrs: Vec<Addr>,
    /// Set by SHUTDOWN.
    pub(crate) shutdown: bool,
    /// The last reading of the clock: each command's time is counted from here.
    pub(crate) tick: Instant,
    /// Commands that take this long are logged (`slowlog-log-slower-than`).
    pub(crate) slow_after: Duration,
    /// The configuration has other limits than the state: taken over when the command has run.
    pub(crate) limits_changed: bool,
}

impl Server {
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>, rng: Rng) -> Server {
        let table = Table::get();
        let mut ids = rng.fork("run id");
        let now = clock.now();
        let mut server = Server {
            acl: Acl::new(),
            clients: Clients::default(),
            client_memory: 0,
            clients_took: 0,
            limit: ConnectionLimit::new(config.maxclients),
            blocked: Blocked::default(),
            watchers: Watchers::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            mail: Mail::default(),
            monitors: Monitors::default(),
            slowlog: Slowlog::default(),
            latency: Latency::default(),
            lazyfree: LazyFree::default(),
            oom: OomScore::default(),
            stats: Stats::new(table.rows().len()),
            run_id: (0..40).map(|_| char::from_digit(ids.below(16) as u32, 16).unwrap_or('0')).collect(),
            rng: rng.fork("commands"),
            started: now,
            replication_id: String::new(),
            pause: None,
            active_expire: true,
            shutdown: false,
            tick: now,
            slow_after: Duration::MAX,
            limits_changed: false,
            addrs: Vec::new(),
            clock,
            names: config.names.clone(),
            config,
            table,
        };
        server.new_replication_id();
        crate::config::adopt(&mut server);
        server
    }

    /// The command that clients call `name`.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<Entry> {
        self.names.find(self.table, name)
    }

    /// Takes another replication id, as a server does whose history parts from that of others.
    pub(crate) fn new_replication_id(&mut self) {
        let digit = |rng: &mut Rng| char::from_digit(rng.below(16) as u32, 16).unwrap_or('0');
        self.replication_id = (0..40).map(|_| digit(&mut self.rng)).collect();
    }

    /// Notes where the server listens.
    pub(crate) fn listening(&mut self, addrs: &[Addr]) {
        self.addrs = addrs.to_vec();
        if let Some(Addr::Tcp(addr)) = addrs.iter().find(|addr| matches!(addr, Addr::Tcp(_))) {
            self.config.port = addr.port();
        }
    }

    /// Publishes a keyspace event where it is asked for (`notify-keyspace-events`).
    #[inline]
    pub(crate) fn notify(&mut self, class: Class, event: &str, key: &[u8], db: usize) {
        if self.config.notify.any(class) {
            self.publish_event(event, key, db);
        }
    }

    /// Whether anybody needs to know which keys change.
    #[inline]
    pub(crate) fn wants_changes(&self) -> bool {
        !self.watchers.is_empty()
            || !self.blocked.is_empty()
            || self.tracking.is_active()
            || self.config.notify.any(Class::EXPIRED.or(Class::EVICTED).or(Class::NEW))
    }

    /// Undoes whatever a connection that ended has registered.
    pub(crate) fn forget(&mut self, client: &mut Client) {
        if let Some(on) = client.blocked.take() {
            self.blocked.remove(&on);
        }
        self.client_memory = self.client_memory.saturating_sub(client.counted);
        self.unwatch(client);
        self.unsubscribe_all(client);
        self.stop_tracking(client);
        self.monitors.remove(client.id);
        self.mail.forget(client.id);
    }

    /// Ends every watch of a client.
    pub(crate) fn unwatch(&mut self, client: &mut Client) {
        for watch in client.watched.drain(..) {
            self.watchers.remove(watch.db, &watch.key, client.id);
        }
        client.watch_broken = false;
    }

    /// Ends a connection at once, and undoes at once whatever it has registered.
    pub(crate) fn end(&mut self, id: u64) {
        if let Some(client) = self.clients.remove(id) {
            self.dismiss(client);
        }
    }

    /// As [`Server::end`], for a client that has been taken out.
    pub(crate) fn dismiss(&mut self, mut client: Box<Client>) {
        self.clients.remove(client.id);
        self.forget(&mut client);
        client.handle.kill();
    }

    /// At the end: a client that waits for a key, and whose peer stays, would hold it up. Like redis-server, this one
    /// doesn't wait for it.
    pub(crate) fn cut_off_waiting(&self) {
        self.clients.iter().filter(|client| client.blocked.is_some()).for_each(|client| client.handle.kill());
    }

    fn publish_event(&mut self, event: &str, key: &[u8], db: usize) {
        if self.config.notify.any(Class::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, event.as_bytes(), false);
        }
        if self.config.notify.any(Class::KEYEVENT) {
            self.publish(format!("__keyevent@{db}__:{event}").as_bytes(), key, false);
        }
    }
}

/// `CLIENT PAUSE`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    /// Unix milliseconds.
    pub(crate) until: u64,
    /// Reads go on.
    pub(crate) writes_only: bool,
}

/// The connections by id. The one whose command runs is absent while it runs.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    quiet: BTreeMap<u64, Option<Box<Client>>>,
}

impl Clients {
    pub(crate) fn insert(&mut self, client: Box<Client>) {
        self.quiet.insert(client.id, Some(client));
    }

    /// Takes a client out to run a command of its.
    #[inline]
    pub(crate) fn take(&mut self, id: u64) -> Option<Box<Client>> {
        self.quiet.get_mut(&id)?.take()
    }

    /// Puts back what [`Clients::take`] took out.
    #[inline]
    pub(crate) fn put_back(&mut self, client: Box<Client>) {
        if let Some(place) = self.quiet.get_mut(&client.id) {
            *place = Some(client);
        }
    }

    /// Forgets a client whose connection ended.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Box<Client>> {
        self.quiet.remove(&id).flatten()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Client> {
        self.quiet.get(&id)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Client> {
        self.quiet.get_mut(&id)?.as_deref_mut()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.quiet.values_mut().filter_map(|client| client.as_deref_mut())
    }

    /// Whether there is such a connection, quiet or busy.
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.quiet.contains_key(&id)
    }

    /// Number of connections, the busy one included.
    pub(crate) fn len(&self) -> usize {
        self.quiet.len()
    }

    /// Every quiet client, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.quiet.values().filter_map(|client| client.as_deref())
    }
}

/// Who watches which key (`WATCH`).
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    by_key: BTreeMap<(usize, Vec<u8>), BTreeSet<u64>>,
}

impl Watchers {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(crate) fn add(&mut self, db: usize, key: &[u8], id: u64) {
        self.by_key.entry((db, key.to_vec())).or_default().insert(id);
    }

    pub(crate) fn remove(&mut self, db: usize, key: &[u8], id: u64) {
        let place = (db, key.to_vec());
        if let Some(ids) = self.by_key.get_mut(&place) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_key.remove(&place);
            }
        }
    }

    pub(crate) fn of(&self, db: usize, key: &[u8]) -> Vec<u64> {
        self.by_key.get(&(db, key.to_vec())).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Every watched key of a database.
    pub(crate) fn keys(&self, db: usize) -> Vec<Vec<u8>> {
        self.by_key.keys().filter(|(at, _)| *at == db).map(|(_, key)| key.clone()).collect()
    }
}

/// Counters of INFO that `CONFIG RESETSTAT` sets to zero, and the changes since the last save, which it doesn't.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) dirty: u64,
    pub(crate) connections: u64,
    /// Refused by protected mode. Those beyond `maxclients` are counted by the limit.
    pub(crate) rejected_connections: u64,
    /// What the limit had counted at the last reset.
    pub(crate) rejected_before: u64,
    pub(crate) evicted_clients: u64,
    pub(crate) commands: u64,
    pub(crate) net_input: u64,
    pub(crate) net_output: u64,
    /// What the keyspace had counted at the last reset.
    pub(crate) expired_before: u64,
    pub(crate) evicted_before: u64,
    pub(crate) peak_memory: u64,
    pub(crate) latency_tracking: bool,
    pub(crate) error_replies: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// By the command's number in the table.
    pub(crate) by_command: Vec<CommandStat>,
    /// Total commands at the last sixteen samples, for `instantaneous_ops_per_sec`.
    pub(crate) ops_samples: VecDeque<(u64, u64)>,
}

impl Stats {
    pub(crate) fn new(commands: usize) -> Stats {
        Stats { by_command: vec![CommandStat::default(); commands], ..Stats::default() }
    }

    /// Sets the counters to zero (`CONFIG RESETSTAT`).
    pub(crate) fn reset(&mut self) {
        *self = Stats {
            dirty: self.dirty,
            peak_memory: self.peak_memory,
            latency_tracking: self.latency_tracking,
            ..Stats::new(self.by_command.len())
        };
    }

    /// Commands per second over the last samples.
    pub(crate) fn commands_per_second(&self) -> u64 {
        let (Some((from, before)), Some((to, after))) = (self.ops_samples.front(), self.ops_samples.back()) else {
            return 0;
        };
        after.saturating_sub(*before) * 1000 / to.saturating_sub(*from).max(1)
    }

    /// Counts an error reply by its code.
    pub(crate) fn count_error(&mut self, fault: &Fault) {
        self.error_replies += 1;
        *self.errors.entry(fault.code().to_owned()).or_default() += 1;
    }
}

/// `INFO commandstats` and `INFO latencystats` of one command.
#[derive(Debug, Default, Clone)]
pub(crate) struct CommandStat {
    pub(crate) calls: u64,
    pub(crate) nanos: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// How long the calls took, once there was one (`latency-tracking`).
    pub(crate) latency: Option<Box<Histogram>>,
}
