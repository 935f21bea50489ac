//! One set of permissions: which commands, on which keys and channels.

use std::collections::BTreeMap;

use xs_proto::resp::Args;

use crate::command::{Cat, Flags, Group, KeyAt, KeyFlags, Spec};
use crate::table::{CommandId, Table};
use xs_storage::glob;

/// A user's root permissions, or one of the alternatives in parentheses.
///
/// A call is allowed when one selector allows all of it: its command, every key and every channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    pub(crate) all_keys: bool,
    pub(crate) all_channels: bool,
    /// Nothing was ever taken away since `+@all`: the bits need not be looked at.
    pub(crate) all_commands: bool,
    pub(crate) commands: Commands,
    /// The first arguments with which a command is allowed that isn't allowed otherwise (`+select|0`).
    pub(crate) first_args: BTreeMap<CommandId, Vec<Vec<u8>>>,
    pub(crate) keys: Vec<KeyPattern>,
    pub(crate) channels: Vec<Vec<u8>>,
}

/// Keys that may be read, written, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    pub(crate) pattern: Vec<u8>,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl KeyPattern {
    /// As it is written in a rule.
    pub(crate) fn text(&self) -> Vec<u8> {
        let sign: &[u8] = match (self.read, self.write) {
            (true, false) => b"%R~",
            (false, true) => b"%W~",
            _ => b"~",
        };
        [sign, &self.pattern].concat()
    }
}

/// A set of commands and subcommands, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commands {
    /// Always as many as the table needs.
    bits: Vec<u64>,
    /// Begun with `+@all`, so that commands which don't exist yet belong to it: decides how it is described.
    pub(crate) open: bool,
}

impl Default for Commands {
    fn default() -> Commands {
        Commands { bits: vec![0; Table::get().rows().len().div_ceil(64)], open: false }
    }
}

impl Commands {
    pub(crate) fn all() -> Commands {
        let mut all = Commands { open: true, ..Commands::default() };
        for id in 0..Table::get().rows().len() {
            all.set(id as CommandId, true);
        }
        all
    }

    pub(crate) fn has(&self, id: CommandId) -> bool {
        self.bits.get(usize::from(id) / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn set(&mut self, id: CommandId, value: bool) {
        if let Some(word) = self.bits.get_mut(usize::from(id) / 64) {
            let bit = 1 << (id % 64);
            if value { *word |= bit } else { *word &= !bit }
        }
    }

    /// Adds or takes away a command with all its subcommands.
    pub(crate) fn change(&mut self, id: CommandId, value: bool) {
        self.set(id, value);
        let subcommands = Table::get().rows()[usize::from(id)].spec.sub.len();
        for sub in 0..subcommands {
            self.set(id + 1 + sub as CommandId, value);
        }
    }

    /// Adds or takes away every command of a category.
    pub(crate) fn change_category(&mut self, category: Cat, value: bool) {
        for (id, row) in Table::get().rows().iter().enumerate() {
            if row.spec.categories.has(category) {
                self.change(id as CommandId, value);
            }
        }
    }

    /// How many commands of a category are in the set, and how many are not.
    pub(crate) fn count(&self, category: Cat) -> (usize, usize) {
        let rows = Table::get().rows().iter().enumerate();
        let of_category = rows.filter(|(_, row)| row.spec.categories.has(category));
        of_category.fold((0, 0), |(on, off), (id, _)| match self.has(id as CommandId) {
            true => (on + 1, off),
            false => (on, off + 1),
        })
    }
}

/// Why a call is not allowed. The order is that of relevance: of several selectors' reasons the last one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    Command,
    Key,
    /// A wrong password; only ever logged.
    Auth,
    Channel,
}

/// A call that is not allowed: why, and which argument is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Denied {
    pub(crate) reason: Reason,
    pub(crate) at: usize,
}

impl Selector {
    /// Everything is allowed, whatever it is.
    pub(crate) fn allows_all(&self) -> bool {
        self.all_keys && self.all_channels && self.all_commands
    }

    /// Whether the selector allows a call that names `keys`.
    pub(crate) fn check(&self, id: CommandId, spec: &Spec, args: Args<'_>, keys: &[KeyAt]) -> Result<(), Denied> {
        if !self.allows_command(id, spec, args) {
            return Err(Denied { reason: Reason::Command, at: 0 });
        }
        if !self.all_keys
            && let Some(key) = keys.iter().find(|key| !self.allows_key(args.get(key.position), key.flags))
        {
            return Err(Denied { reason: Reason::Key, at: key.position });
        }
        if !self.all_channels
            && let Some(at) = channels(spec, args).find(|&at| !self.allows_channel(&args[at], spec.name))
        {
            return Err(Denied { reason: Reason::Channel, at });
        }
        Ok(())
    }

    fn allows_command(&self, id: CommandId, spec: &Spec, args: Args<'_>) -> bool {
        if self.all_commands || spec.flags.has(Flags::NO_AUTH) || self.commands.has(id) {
            return true;
        }
        let (Some(allowed), Some(first)) = (self.first_args.get(&id), args.get(1)) else { return false };
        allowed.iter().any(|word| word.eq_ignore_ascii_case(first))
    }

    fn allows_key(&self, key: Option<&[u8]>, flags: KeyFlags) -> bool {
        let Some(key) = key else { return true };
        let reads = flags.has(KeyFlags::ACCESS);
        let writes = flags.any(KeyFlags::INSERT.or(KeyFlags::DELETE).or(KeyFlags::UPDATE));
        self.keys.iter().any(|allowed| {
            (allowed.read || !reads) && (allowed.write || !writes) && glob::matches(&allowed.pattern, key)
        })
    }

    fn allows_channel(&self, channel: &[u8], command: &str) -> bool {
        channel_is_in(&self.channels, channel, command == "psubscribe")
    }
}

/// Whether `channel` is in a list of allowed patterns. A pattern is only allowed when it stands in the list itself.
pub(crate) fn channel_is_in(allowed: &[Vec<u8>], channel: &[u8], is_pattern: bool) -> bool {
    allowed.iter().any(|pattern| if is_pattern { pattern == channel } else { glob::matches(pattern, channel) })
}

/// Where a call names channels that it needs permission for: to give up a subscription needs none.
fn channels(spec: &Spec, args: Args<'_>) -> std::ops::Range<usize> {
    match (spec.group, spec.name) {
        (Group::Pubsub, "subscribe" | "ssubscribe" | "psubscribe") => 1..args.len(),
        (Group::Pubsub, "publish" | "spublish") => 1..2.min(args.len()),
        _ => 0..0,
    }
}
