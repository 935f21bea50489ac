//! What the server knows of one connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use xs_net::session::Handle;
use xs_os::Signal;
use xs_proto::Out;
use xs_proto::resp::{Args, Request, Version};

use crate::acl::User;
use crate::blocked::BlockedOn;
use crate::command::Spec;
use crate::tracking::TrackingOptions;

/// One connection's state. It lies in [`crate::state::Clients`] while the connection is quiet, and is taken out while one
/// of its commands runs.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) handle: Handle,
    /// Where it comes from and where it came to, as `CLIENT LIST` prints them.
    pub(crate) addr: String,
    pub(crate) laddr: String,
    /// The socket's number, -1 where there is none.
    pub(crate) fd: i32,
    pub(crate) name: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) db: usize,
    /// Whose rights it has; `None` until it has authenticated where that is asked for.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) multi: Option<Transaction>,
    pub(crate) watched: Vec<Watched>,
    /// A watched key has changed: the next EXEC does nothing.
    pub(crate) watch_broken: bool,
    pub(crate) channels: BTreeSet<Vec<u8>>,
    /// In the order in which they were subscribed to: they are given up in this order too.
    pub(crate) patterns: Vec<Vec<u8>>,
    pub(crate) shard_channels: BTreeSet<Vec<u8>>,
    pub(crate) reply_mode: ReplyMode,
    /// What a command whose reply is left out says all the same: subscriptions and messages are not replies.
    pub(crate) heard: Out,
    pub(crate) tracking: Option<TrackingOptions>,
    pub(crate) no_evict: bool,
    /// Bytes of a request that isn't whole yet.
    pub(crate) unread: usize,
    /// What it counts for in the memory of all clients; see `client_memory.rs`.
    pub(crate) counted: usize,
    /// Set by a command that must wait; taken by the connection, which then waits.
    pub(crate) blocked: Option<BlockedOn>,
    /// Set when a command that waited has been served: its reply lies in the queue.
    pub(crate) served: Arc<Signal>,
    /// The key whose change makes its waiting command run again, while it does.
    pub(crate) woken_by: Option<Vec<u8>>,
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
    /// How many commands were queued and how many bytes their arguments take, also while EXEC works them off.
    pub(crate) queued: usize,
    pub(crate) bytes: usize,
}

impl Transaction {
    /// Queues a call.
    pub(crate) fn push(&mut self, spec: &'static Spec, args: Args<'_>) {
        self.queue.push((spec, args.to_owned()));
        self.queued += 1;
        self.bytes += args.iter().map(<[u8]>::len).sum::<usize>();
    }
}

/// A key that `WATCH` names.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) db: usize,
    pub(crate) key: Vec<u8>,
    /// What the key was when it was first watched. Whatever changes it breaks the watch, so as long as the watch is whole
    /// this is also what the key is, but for its time running out.
    pub(crate) was: Was,
}

/// What a watched key was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    Missing,
    There,
    /// Its time was up, and it only had not been removed yet: its removal changes nothing.
    Expired,
}

/// `CLIENT REPLY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// The reply of the next command is left out.
    SkipNext,
    /// That command is running.
    Skipping,
}

impl Client {
    pub(crate) fn new(
        id: u64,
        handle: Handle,
        addr: String,
        laddr: String,
        descriptor: Option<i32>,
        user: Option<Arc<User>>,
        now: u64,
    ) -> Client {
        Client {
            id,
            handle,
            addr,
            laddr,
            fd: descriptor.unwrap_or(-1),
            name: Vec::new(),
            version: Version::Resp2,
            db: 0,
            user,
            multi: None,
            watched: Vec::new(),
            watch_broken: false,
            channels: BTreeSet::new(),
            patterns: Vec::new(),
            shard_channels: BTreeSet::new(),
            reply_mode: ReplyMode::On,
            heard: Out::new(),
            tracking: None,
            no_evict: false,
            unread: 0,
            counted: 0,
            blocked: None,
            served: Arc::default(),
            woken_by: None,
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
