//! What the server knows of one connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use xs_net::session::Handle;
use xs_proto::resp::{Request, Version};

use crate::acl::User;
use crate::blocked::BlockedOn;
use crate::command::Spec;
use crate::tracking::TrackingOptions;
use crate::waiter::Waiter;

/// One connection's state. It lies in [`crate::state::Clients`] while the connection is quiet, and is taken out while one
/// of its commands runs.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) handle: Handle,
    /// Where it comes from and where it came to, as `CLIENT LIST` prints them.
    pub(crate) addr: String,
    pub(crate) laddr: String,
    pub(crate) name: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) db: usize,
    /// Whose rights it has; `None` until it has authenticated where that is asked for.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) multi: Option<Transaction>,
    pub(crate) watched: Vec<(usize, Vec<u8>)>,
    /// A watched key has changed: the next EXEC does nothing.
    pub(crate) watch_broken: bool,
    pub(crate) channels: BTreeSet<Vec<u8>>,
    pub(crate) patterns: BTreeSet<Vec<u8>>,
    pub(crate) shard_channels: BTreeSet<Vec<u8>>,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) tracking: Option<TrackingOptions>,
    pub(crate) no_evict: bool,
    /// Set by a command that must wait; taken by the connection, which then waits.
    pub(crate) blocked: Option<BlockedOn>,
    /// Where the reply of a command that waited is laid down.
    pub(crate) waiter: Arc<Waiter>,
    /// Inside EXEC nothing may wait.
    pub(crate) may_not_block: bool,
    /// Close the connection once the replies so far are written.
    pub(crate) close: bool,
    pub(crate) last_command: Option<&'static str>,
    /// Unix milliseconds.
    pub(crate) created: u64,
    pub(crate) last_seen: u64,
    pub(crate) commands: u64,
}

/// `MULTI` under way.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) queue: Vec<(&'static Spec, Request)>,
    /// A command could not be queued: EXEC refuses.
    pub(crate) refused: bool,
}

/// `CLIENT REPLY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// The reply of the next command is left out.
    SkipNext,
}

impl Client {
    pub(crate) fn new(id: u64, handle: Handle, addr: String, laddr: String, user: Option<Arc<User>>, now: u64) -> Client {
        Client {
            id,
            handle,
            addr,
            laddr,
            name: Vec::new(),
            version: Version::Resp2,
            db: 0,
            user,
            multi: None,
            watched: Vec::new(),
            watch_broken: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            shard_channels: BTreeSet::new(),
            reply_mode: ReplyMode::On,
            tracking: None,
            no_evict: false,
            blocked: None,
            waiter: Waiter::new(),
            may_not_block: false,
            close: false,
            last_command: None,
            created: now,
            last_seen: now,
            commands: 0,
        }
    }

    /// How many channels, patterns and shard channels it listens to.
    pub(crate) fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }
}
