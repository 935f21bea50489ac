//! The directives of redis.conf: what they are, where they come from, and how they change.
//!
//! [`table`] knows every directive of 7.0 as data: how its value is read, what it is by default, whether it may change,
//! and what comes of it. [`Config`] holds the value of each in its canonical text, which `CONFIG GET` shows, and the ones
//! that are obeyed once more in typed fields, which the server reads. Values come from a file and the command line
//! ([`Config::load`], [`cli`]) and from `CONFIG SET` ([`Config::with`]); either way one function reads them
//! ([`directive::Directive::read`]) and one function puts them into force (`apply`).
//!
//! ```text
//!   redis.conf, --port 7000 ──▶ lines ──┐                       ┌─▶ values  ──▶ CONFIG GET, CONFIG REWRITE
//!                                       ├─▶ Directive::read ──▶─┤
//!   CONFIG SET port 7000 ───────────────┘                       └─▶ fields  ──▶ the server
//! ```

mod apply;
pub(crate) mod cli;
mod directive;
mod file;
mod rewrite;
mod start;
mod table;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use xs_storage::keyspace::{Limits, Policy, SetAside, Tracking};

pub(crate) use apply::{adopt, apply};
pub(crate) use directive::memory;
use directive::{Directive, Effect};
pub(crate) use file::{LoadError, quote, split};
pub(crate) use rewrite::rewrite;
pub(crate) use words::{OutputLimit, master, percentile, reason};

use crate::fault::Fault;
use crate::notify::Class;
use crate::oom::Adjust;
use crate::table::Names;
use directive::Value;

/// Every directive's value, and the obeyed ones as typed fields.
#[derive(Debug, Clone)]
pub struct Config {
    /// The canonical texts, in the order of the table.
    values: Vec<Vec<u8>>,
    /// Directives that were given and concern parts that this server doesn't have.
    pub(crate) unsupported: Vec<&'static str>,
    /// The file that the configuration came from: where `CONFIG REWRITE` writes.
    pub(crate) file: Option<String>,
    /// Whether anything was configured at all, in a file or on the command line.
    pub(crate) is_given: bool,
    /// The `user` lines.
    pub(crate) users: Vec<UserLine>,
    /// The `rename-command` lines.
    pub(crate) names: Names,

    pub(crate) bind: Vec<String>,
    pub(crate) port: u16,
    /// Port 0 means a free port, not none.
    pub(crate) any_port: bool,
    pub(crate) unixsocket: Option<PathBuf>,
    /// `None` leaves the permissions to the umask.
    pub(crate) unixsocketperm: Option<u32>,
    pub(crate) tcp_backlog: u32,
    /// Seconds; 0 for none.
    pub(crate) tcp_keepalive: u64,
    /// Seconds until an idle client is dropped; 0 for never.
    pub(crate) timeout: u64,
    pub(crate) protected_mode: bool,
    pub(crate) maxclients: usize,
    /// Reactors.
    pub(crate) io_threads: usize,
    /// Of normal clients, replicas, subscribers.
    pub(crate) output_limits: [OutputLimit; 3],
    pub(crate) client_query_buffer_limit: u64,
    pub(crate) proto_max_bulk_len: u64,
    pub(crate) maxmemory_clients: ClientShare,
    pub(crate) tracking_table_max_keys: usize,

    pub(crate) databases: usize,
    pub(crate) maxmemory: u64,
    pub(crate) maxmemory_policy: Policy,
    pub(crate) maxmemory_samples: usize,
    pub(crate) lfu_log_factor: u32,
    pub(crate) lfu_decay_time: u32,
    /// How long a command may evict before it: `maxmemory-eviction-tenacity`.
    pub(crate) eviction_tenacity: u32,
    /// How much of the time may go into removing keys whose time is up: `active-expire-effort`.
    pub(crate) active_expire_effort: u32,
    pub(crate) lazyfree: InBackground,
    /// The sizes up to which collections are kept compact.
    pub(crate) limits: Limits,
    pub(crate) hll_sparse_max_bytes: usize,
    pub(crate) notify: Class,

    pub(crate) loglevel: tracing::Level,
    /// `None` for standard output.
    pub(crate) logfile: Option<String>,
    pub(crate) pidfile: Option<String>,
    /// Runs in the background.
    pub(crate) daemonize: bool,
    pub(crate) dir: String,
    pub(crate) always_show_logo: bool,
    pub(crate) oom_score: Adjust,
    pub(crate) oom_score_of_master: i32,
    pub(crate) hz: u32,
    pub(crate) requirepass: Vec<u8>,
    pub(crate) acl_file: Option<String>,
    pub(crate) acllog_max_len: usize,
    /// `acl-pubsub-default allchannels`.
    pub(crate) acl_all_channels: bool,
    pub(crate) enable_debug_command: Protected,
    pub(crate) enable_protected_configs: Protected,
    pub(crate) enable_module_command: Protected,
    /// `None` logs nothing.
    pub(crate) slow_after: Option<Duration>,
    pub(crate) slowlog_max_len: usize,
    /// Zero watches nothing.
    pub(crate) latency_threshold: Duration,
    pub(crate) latency_tracking: bool,
    pub(crate) latency_percentiles: Vec<f64>,
}

/// Whose large values are dropped in the background (`lazyfree-lazy-…`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InBackground {
    pub(crate) eviction: bool,
    pub(crate) expire: bool,
    /// What a command replaces or removes by the way.
    pub(crate) server_del: bool,
    /// What `DEL` removes, as `UNLINK` does always.
    pub(crate) user_del: bool,
    /// What `FLUSHDB` and `FLUSHALL` remove when they don't say how.
    pub(crate) user_flush: bool,
}

/// What the connections may take of the memory (`maxmemory-clients`); zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientShare {
    Bytes(u64),
    /// Of `maxmemory`.
    Percent(u64),
}

impl ClientShare {
    fn read(value: Value<'_>) -> ClientShare {
        match value.bytes().strip_suffix(b"%") {
            Some(percent) => ClientShare::Percent(Value(percent).number()),
            None => ClientShare::Bytes(value.number()),
        }
    }
}

/// A `user` line of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct UserLine {
    /// The name and the rules.
    pub(crate) words: Vec<Vec<u8>>,
}

/// Who may do what is dangerous (`enable-debug-command`, `enable-protected-configs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protected {
    #[default]
    No,
    Yes,
    /// Clients on the same machine.
    Local,
}

impl Protected {
    fn read(text: &[u8]) -> Protected {
        match text {
            b"yes" => Protected::Yes,
            b"local" => Protected::Local,
            _ => Protected::No,
        }
    }

    /// Whether a client may, given where it comes from.
    pub(crate) fn allows(self, is_local: bool) -> bool {
        self == Protected::Yes || (self == Protected::Local && is_local)
    }
}

fn policy(text: &[u8]) -> Policy {
    std::str::from_utf8(text).ok().and_then(Policy::from_name).unwrap_or_default()
}

fn level(text: &[u8]) -> tracing::Level {
    match text {
        b"debug" => tracing::Level::TRACE,
        b"verbose" => tracing::Level::DEBUG,
        b"notice" => tracing::Level::INFO,
        _ => tracing::Level::WARN,
    }
}

impl Default for Config {
    /// Every directive at redis-server's default, except that nothing is ever saved.
    fn default() -> Config {
        let mut config = Config {
            values: table::all().map(|directive| directive.default.as_bytes().to_vec()).collect(),
            unsupported: Vec::new(),
            file: None,
            is_given: false,
            users: Vec::new(),
            names: Names::default(),
            bind: Vec::new(),
            port: 0,
            any_port: false,
            unixsocket: None,
            unixsocketperm: None,
            tcp_backlog: 0,
            tcp_keepalive: 0,
            timeout: 0,
            protected_mode: true,
            maxclients: 0,
            io_threads: 1,
            output_limits: Default::default(),
            client_query_buffer_limit: 0,
            proto_max_bulk_len: 0,
            maxmemory_clients: ClientShare::Bytes(0),
            tracking_table_max_keys: 0,
            databases: 0,
            maxmemory: 0,
            maxmemory_policy: Policy::NoEviction,
            maxmemory_samples: 0,
            lfu_log_factor: 0,
            lfu_decay_time: 0,
            eviction_tenacity: 0,
            active_expire_effort: 0,
            lazyfree: InBackground::default(),
            limits: Limits::default(),
            hll_sparse_max_bytes: 0,
            notify: Class::NONE,
            loglevel: tracing::Level::INFO,
            logfile: None,
            pidfile: None,
            daemonize: false,
            dir: String::new(),
            always_show_logo: false,
            oom_score: Adjust::No,
            oom_score_of_master: 0,
            hz: 0,
            requirepass: Vec::new(),
            acl_file: None,
            acllog_max_len: 0,
            acl_all_channels: false,
            enable_debug_command: Protected::No,
            enable_protected_configs: Protected::No,
            enable_module_command: Protected::No,
            slow_after: None,
            slowlog_max_len: 0,
            latency_threshold: Duration::ZERO,
            latency_tracking: true,
            latency_percentiles: Vec::new(),
        };
        for directive in table::all() {
            config.keep(directive, directive.default.as_bytes());
        }
        config
    }
}

impl Config {
    /// The value of a directive by name.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let (index, directive) = table::find(name.as_bytes())?;
        Some(self.shown(index, directive))
    }

    /// A value as it is shown. What a test or a free port decided, not a directive, is known to the fields alone.
    fn shown(&self, index: usize, directive: &Directive) -> Vec<u8> {
        match directive.name {
            "bind" => self.bind.join(" ").into_bytes(),
            "port" => self.port.to_string().into_bytes(),
            "unixsocket" => {
                self.unixsocket.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default().into()
            }
            "dir" if self.dir.is_empty() => {
                std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default().into()
            }
            _ => self.values[index].clone(),
        }
    }

    /// Where to listen; `true` where it may fail (`bind -::1`). Names are looked up.
    pub(crate) fn addresses(&self) -> Vec<(IpAddr, bool)> {
        let mut found = Vec::new();
        for bind in self.bind.iter().filter(|_| self.port != 0 || self.any_port) {
            let (bind, may_fail) = bind.strip_prefix('-').map_or((bind.as_str(), false), |bind| (bind, true));
            match bind {
                "*" => found.push((Ipv4Addr::UNSPECIFIED.into(), may_fail)),
                "::*" => found.push((Ipv6Addr::UNSPECIFIED.into(), may_fail)),
                name => match (name, 0).to_socket_addrs() {
                    Ok(addrs) => found.extend(addrs.map(|addr| (addr.ip(), may_fail))),
                    Err(error) => tracing::warn!("Could not look up the bind address {name}: {}", reason(&error)),
                },
            }
        }
        found
    }

    /// A path of the configuration, as seen from the directory that the server works in.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(&self.dir).join(path)
    }

    /// How long a connection may be idle; `None` for ever.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        (self.timeout > 0).then(|| Duration::from_secs(self.timeout))
    }

    /// How many bytes the connections may take together; `None` for as many as they like.
    pub(crate) fn client_memory_limit(&self) -> Option<usize> {
        /// With less, nobody could be talked to.
        const LEAST: u64 = 128 << 10;
        let limit = match self.maxmemory_clients {
            ClientShare::Bytes(bytes) => bytes,
            ClientShare::Percent(percent) => (u128::from(self.maxmemory) * u128::from(percent) / 100) as u64,
        };
        let is_off = matches!(self.maxmemory_clients, ClientShare::Bytes(0) | ClientShare::Percent(0))
            || (matches!(self.maxmemory_clients, ClientShare::Percent(_)) && self.maxmemory == 0);
        (!is_off).then(|| usize::try_from(limit.max(LEAST)).unwrap_or(usize::MAX))
    }

    /// How many bytes of a request may have come before it is whole.
    pub(crate) fn unread_limit(&self) -> usize {
        usize::try_from(self.client_query_buffer_limit).unwrap_or(usize::MAX)
    }

    /// How the keyspace keeps its books.
    pub(crate) fn keyspace(&self) -> xs_storage::keyspace::Config {
        let tracking = match self.maxmemory_policy.is_lfu() {
            true => Tracking::Frequency { log_factor: self.lfu_log_factor, decay_minutes: self.lfu_decay_time },
            false => Tracking::Recency,
        };
        let set_aside = SetAside { expired: self.lazyfree.expire, evicted: self.lazyfree.eviction };
        xs_storage::keyspace::Config { tracking, samples: self.maxmemory_samples, set_aside }
    }

    /// What `CONFIG GET` answers: every directive that one of the patterns matches, under the name that it was asked by.
    pub(crate) fn matching<'a>(&self, patterns: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], index: usize, directive: &Directive| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), self.shown(index, directive)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?')) {
                if let Some((index, directive)) = table::find(pattern) {
                    add(pattern, index, directive);
                }
                continue;
            }
            for (index, directive) in table::all().enumerate().filter(|(_, directive)| !directive.hidden) {
                for name in [Some(directive.name), directive.alias].into_iter().flatten() {
                    if xs_storage::glob::matches_nocase(pattern, name.as_bytes()) {
                        add(name.as_bytes(), index, directive);
                    }
                }
            }
        }
        found
    }

    /// The configuration that `CONFIG SET` asks for, all of it or an error. `may_guarded`: the client may change guarded
    /// directives.
    pub(crate) fn with(&self, pairs: &[(&[u8], &[u8])], may_guarded: bool) -> Result<Config, Fault> {
        let failed = |name: &[u8], why: &str| {
            Fault::quoting(&[&"ERR CONFIG SET failed (possibly related to argument '", &name, &"') - ", &why])
        };
        let mut found: Vec<(usize, &'static Directive, &'static str)> = Vec::new();
        for (name, _) in pairs {
            let Some((index, directive)) = table::find(name) else {
                const UNKNOWN: &str = "ERR Unknown option or number of arguments for CONFIG SET - '";
                return Err(Fault::quoting(&[&UNKNOWN, name, &"'"]));
            };
            if directive.fixed {
                return Err(failed(name, "can't set immutable config"));
            }
            if directive.guarded && !may_guarded {
                return Err(failed(name, "can't set protected config"));
            }
            let as_alias = directive.alias.filter(|alias| name.eq_ignore_ascii_case(alias.as_bytes()));
            let called = as_alias.unwrap_or(directive.name);
            // A directive's two names count as two directives.
            if found.iter().any(|(_, _, other)| *other == called) {
                return Err(failed(name, "duplicate parameter"));
            }
            found.push((index, directive, called));
        }
        let mut new = self.clone();
        for ((index, directive, name), (_, value)) in found.into_iter().zip(pairs) {
            let words: Vec<&[u8]> = match directive.takes_words() {
                true => value.split(|byte| *byte == b' ').collect(),
                false => vec![value],
            };
            let value = directive.read(&new.values[index], &words).map_err(|why| failed(name.as_bytes(), &why))?;
            if value == self.shown(index, directive) {
                continue;
            }
            if let Some(part) = directive.lacking(&value).filter(|_| directive.is_switch()) {
                return Err(failed(name.as_bytes(), &format!("this server doesn't have {part}")));
            }
            if matches!(directive.effect, Effect::AtStart(_)) {
                return Err(failed(name.as_bytes(), "this server takes it only when it starts"));
            }
            new.keep(directive, &value);
            new.values[index] = value;
        }
        Ok(new)
    }

    /// Whether the value of the directive called `name` is a password.
    pub(crate) fn is_secret(name: &[u8]) -> bool {
        table::find(name).is_some_and(|(_, directive)| directive.secret)
    }

    /// Puts a value from a file or the command line into force.
    fn put(&mut self, index: usize, directive: &'static Directive, args: &[&[u8]]) -> Result<(), String> {
        let value = directive.read(&self.values[index], args)?;
        if directive.lacking(&value).is_some() && !self.unsupported.contains(&directive.name) {
            self.unsupported.push(directive.name);
        }
        self.keep(directive, &value);
        self.values[index] = value;
        Ok(())
    }

    fn keep(&mut self, directive: &Directive, value: &[u8]) {
        if let Effect::Sets(field) | Effect::AtStart(field) = directive.effect {
            field(self, Value(value));
        }
    }

    /// Puts the values of one directive into force, as tests and builders do. Errors are redis-server's texts.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some((index, directive)) = table::find(name.as_bytes()) else {
            let words = split(value.as_bytes()).ok_or("unbalanced quotes")?;
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            return match self.special(name.as_bytes(), &words)? {
                file::Line::Done => Ok(()),
                file::Line::Include(_) | file::Line::User => Err(format!("{name} stands in files only")),
            };
        };
        let words: Vec<&[u8]> = match directive.takes_words() {
            true => value.as_bytes().split(|byte| *byte == b' ').collect(),
            false => vec![value.as_bytes()],
        };
        self.put(index, directive, &words)
    }
}

#[cfg(test)]
mod tests;
