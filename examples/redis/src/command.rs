//! The command table: every command is data, and everything that must know commands reads it.
//!
//! Arity errors, `COMMAND INFO`, `COMMAND DOCS`, key extraction for `COMMAND GETKEYS`, ACL categories and key patterns,
//! and dispatch itself come from one [`Spec`] a command. A family's table stands beside its handlers, in
//! `commands/<family>/table.rs`.

use xs_proto::Out;
use xs_proto::resp::Args;

use crate::client::Client;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::State;

/// What a handler returns: its reply is already written; a [`Fault`] is an error reply.
pub(crate) type Outcome = Result<(), Fault>;

/// A command's code.
pub(crate) type Handler = fn(&mut Ctx<'_>) -> Outcome;

/// The code of a command that runs other commands: the whole state is in its hands.
pub(crate) type Outer = fn(&mut State, &mut Client, &mut Out, u64) -> Outcome;

/// One command, or one subcommand of a container.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Lower case; a subcommand's own word only.
    pub(crate) name: &'static str,
    /// Number of arguments with the name(s): exact when positive, a minimum when negative.
    pub(crate) arity: i32,
    pub(crate) flags: Flags,
    /// First key, last key, step: what `COMMAND` said before key specifications existed. Follows from `keys`.
    pub(crate) legacy: (i32, i32, i32),
    pub(crate) categories: Cat,
    pub(crate) tips: &'static [&'static str],
    pub(crate) keys: &'static [KeySpec],
    pub(crate) since: &'static str,
    pub(crate) group: Group,
    pub(crate) complexity: &'static str,
    pub(crate) summary: &'static str,
    /// The arguments, in the notation of `syntax.rs`.
    pub(crate) syntax: &'static str,
    /// What came with which version of Redis.
    pub(crate) history: &'static [(&'static str, &'static str)],
    /// Since when the command is deprecated, and what to use in its place.
    pub(crate) deprecated: Option<(&'static str, &'static str)>,
    /// For the server's own use.
    pub(crate) syscmd: bool,
    pub(crate) run: Run,
    pub(crate) sub: &'static [Spec],
}

/// How a command is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// By this code.
    Now(Handler),
    /// By this code, which runs other commands.
    Outer(Outer),
    /// By one of its subcommands.
    Container,
    /// Not yet: it stands on a part of Redis that this server doesn't have.
    Later(Later),
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Run::Now(_) => "Now",
            Run::Outer(_) => "Outer",
            Run::Container => "Container",
            Run::Later(_) => "Later",
        })
    }
}

/// The parts of Redis that this server doesn't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Later {
    Persistence,
    Replication,
    Scripting,
    Cluster,
    Modules,
}

impl Later {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Later::Persistence => "persistence",
            Later::Replication => "replication",
            Later::Scripting => "scripting",
            Later::Cluster => "cluster mode",
            Later::Modules => "modules",
        }
    }
}

macro_rules! bits {
    ($(#[$doc:meta])* $name:ident: $($flag:ident = $bit:literal $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Default)]
        pub(crate) struct $name(u32);
        // Every set has the same operations, whether or not each is needed.
        #[allow(dead_code)]
        impl $name {
            pub(crate) const NONE: $name = $name(0);
            $(pub(crate) const $flag: $name = $name(1 << $bit);)+
            const NAMES: &'static [($name, &'static str)] = &[$(($name::$flag, $text)),+];

            /// True when every bit of `other` is set.
            #[inline]
            pub(crate) const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }
            /// True when a bit of `other` is set.
            #[inline]
            pub(crate) const fn any(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }
            pub(crate) const fn or(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
            /// The names of the bits that are set, in the order of the table.
            pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_list().entries(self.names()).finish()
            }
        }
    };
}

bits! {
    /// What a command does and when it may run.
    Flags:
    WRITE = 0 "write", READONLY = 1 "readonly", DENYOOM = 2 "denyoom", ADMIN = 3 "admin", PUBSUB = 4 "pubsub",
    NOSCRIPT = 5 "noscript", BLOCKING = 6 "blocking", LOADING = 7 "loading", STALE = 8 "stale",
    SKIP_MONITOR = 9 "skip_monitor", SKIP_SLOWLOG = 10 "skip_slowlog", ASKING = 11 "asking", FAST = 12 "fast",
    NO_AUTH = 13 "no_auth", MAY_REPLICATE = 14 "may_replicate", NO_MANDATORY_KEYS = 15 "no_mandatory_keys",
    NO_ASYNC_LOADING = 16 "no_async_loading", NO_MULTI = 17 "no_multi", ALLOW_BUSY = 18 "allow_busy",
    MOVABLEKEYS = 19 "movablekeys",
}

bits! {
    /// The ACL categories of a command.
    Cat:
    KEYSPACE = 0 "keyspace", READ = 1 "read", WRITE = 2 "write", SET = 3 "set", SORTEDSET = 4 "sortedset",
    LIST = 5 "list", HASH = 6 "hash", STRING = 7 "string", BITMAP = 8 "bitmap", HYPERLOGLOG = 9 "hyperloglog",
    GEO = 10 "geo", STREAM = 11 "stream", PUBSUB = 12 "pubsub", ADMIN = 13 "admin", FAST = 14 "fast", SLOW = 15 "slow",
    BLOCKING = 16 "blocking", DANGEROUS = 17 "dangerous", CONNECTION = 18 "connection", TRANSACTION = 19 "transaction",
    SCRIPTING = 20 "scripting",
}

bits! {
    /// What a command does with the keys of one specification.
    KeyFlags:
    RO = 0 "RO", RW = 1 "RW", OW = 2 "OW", RM = 3 "RM", ACCESS = 4 "access", UPDATE = 5 "update", INSERT = 6 "insert",
    DELETE = 7 "delete", NOT_KEY = 8 "not_key", INCOMPLETE = 9 "incomplete", VARIABLE_FLAGS = 10 "variable_flags",
}

impl Cat {
    /// Every category with its name, in the order of `ACL CAT`.
    pub(crate) fn all() -> impl Iterator<Item = (Cat, &'static str)> {
        Self::NAMES.iter().copied()
    }
}

/// Where a set of keys begins and how it goes on (Redis' "key specifications").
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySpec {
    pub(crate) flags: KeyFlags,
    pub(crate) begin: Begin,
    pub(crate) find: Find,
    /// A remark for readers; mostly empty.
    pub(crate) note: &'static str,
}

/// Where the keys begin.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin {
    /// At this argument.
    Index(i32),
    /// Behind this word, searched from the given argument (backwards from the end when negative).
    Keyword(&'static str, i32),
    /// Only the command's code knows.
    Unknown,
}

/// How the keys go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Find {
    /// Up to `last` (relative to the first; negative from the end), every `step`; with `limit` only the first
    /// `1/limit` of the remaining arguments.
    Range { last: i32, step: i32, limit: i32 },
    /// An argument holds their number.
    KeyNum { index: i32, first: i32, step: i32 },
    /// Only the command's code knows.
    Unknown,
}

/// The group that the documentation files a command under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    String,
    Bitmap,
    Hyperloglog,
    Generic,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Geo,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Cluster,
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Bitmap => "bitmap",
            Group::Hyperloglog => "hyperloglog",
            Group::Generic => "generic",
            Group::List => "list",
            Group::Set => "set",
            Group::Hash => "hash",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Geo => "geo",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Cluster => "cluster",
        }
    }
}

/// A key that a command names: its position among the arguments and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyAt {
    pub(crate) position: usize,
    pub(crate) flags: KeyFlags,
}

impl Spec {
    /// Whether this many arguments, names included, are acceptable.
    #[inline]
    pub(crate) fn takes(&self, count: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { count >= wanted } else { count == wanted }
    }

    /// Whether the command is carried out by this server.
    pub(crate) fn is_supported(&self) -> bool {
        !matches!(self.run, Run::Later(_))
    }

    /// The keys that a call names. `Err` when the arguments contradict themselves (a key count beyond the end).
    pub(crate) fn keys(&self, args: Args<'_>) -> Result<Vec<KeyAt>, InvalidKeys> {
        if self.name == "migrate" {
            return migrated(args);
        }
        let mut found = Vec::new();
        for spec in self.keys {
            if matches!(spec.begin, Begin::Unknown) || matches!(spec.find, Find::Unknown) {
                crate::commands::keys::sort_store_key(self, args, &mut found);
                continue;
            }
            let from = found.len();
            spec.find(args, &mut found)?;
            if spec.flags.has(KeyFlags::VARIABLE_FLAGS) {
                let flags = self.flags_of(args);
                found[from..].iter_mut().for_each(|key| key.flags = flags);
            }
        }
        Ok(found)
    }

    /// What a call does with its key, where that depends on the other arguments.
    fn flags_of(&self, args: Args<'_>) -> KeyFlags {
        let reads_and_writes = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE);
        match self.name {
            "set" if args.iter().skip(3).any(|arg| arg.eq_ignore_ascii_case(b"get")) => reads_and_writes,
            "set" => KeyFlags::OW.or(KeyFlags::UPDATE),
            "bitfield" if only_gets(args) => KeyFlags::RO.or(KeyFlags::ACCESS),
            _ => reads_and_writes,
        }
    }
}

/// Whether a `BITFIELD` call only reads. What isn't understood might write.
fn only_gets(args: Args<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        at += match word.to_ascii_lowercase().as_slice() {
            b"get" if left >= 2 => 3,
            b"overflow" if left >= 1 => 2,
            _ => return false,
        };
    }
    true
}

/// The keys of a `MIGRATE` call: one in its place, or, where that is empty, those behind `KEYS`. A password may be that
/// word, too.
fn migrated(args: Args<'_>) -> Result<Vec<KeyAt>, InvalidKeys> {
    let mut positions = 3..4;
    let mut at = 6;
    while let Some(word) = args.get(at) {
        at += match word.to_ascii_lowercase().as_slice() {
            b"auth" => 2,
            b"auth2" => 3,
            b"keys" if args.get(3).is_some_and(|key| !key.is_empty()) => return Err(InvalidKeys),
            b"keys" if at + 1 < args.len() => {
                positions = at + 1..args.len();
                break;
            }
            _ => 1,
        };
    }
    let flags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);
    Ok(positions.map(|position| KeyAt { position, flags }).collect())
}

/// The arguments contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidKeys;

impl KeySpec {
    fn find(&self, args: Args<'_>, found: &mut Vec<KeyAt>) -> Result<(), InvalidKeys> {
        let count = args.len() as i64;
        let first = match self.begin {
            Begin::Index(index) => i64::from(index),
            Begin::Keyword(word, from) => {
                let matches = |at: &i64| args[*at as usize].eq_ignore_ascii_case(word.as_bytes());
                let from = i64::from(from);
                let at = match from >= 0 {
                    true => (from..count).find(matches),
                    false => (1..=count + from).rev().find(matches),
                };
                match at {
                    // With nothing behind it, the word is a mistake that the command itself tells of.
                    Some(at) if at + 1 < count => at + 1,
                    _ => return Ok(()),
                }
            }
            Begin::Unknown => return Ok(()),
        };
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => {
                let last = match last {
                    0.. => first + i64::from(last),
                    _ if limit <= 1 => count + i64::from(last),
                    _ => first + (count - first) / i64::from(limit) + i64::from(last),
                };
                (first, last, i64::from(step))
            }
            Find::KeyNum { index, first: offset, step } => {
                let number = args.get((first + i64::from(index)) as usize).ok_or(InvalidKeys)?;
                let number: i64 = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()).ok_or(InvalidKeys)?;
                if number < 1 || number > count {
                    return Err(InvalidKeys);
                }
                let start = first + i64::from(offset);
                (start, start + (number - 1) * i64::from(step), i64::from(step))
            }
            Find::Unknown => return Ok(()),
        };
        if last >= count || first < 1 {
            return Err(InvalidKeys);
        }
        let positions = (first..=last).step_by(step.max(1) as usize);
        found.extend(positions.map(|at| KeyAt { position: at as usize, flags: self.flags }));
        Ok(())
    }
}
