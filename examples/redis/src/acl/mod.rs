//! Users and what they may do.
//!
//! ```text
//!   user ── passwords (SHA-256)
//!        ├─ root permissions ──── commands, keys, channels
//!        └─ alternatives (…) (…)  each of them complete: one must allow the whole call
//! ```
//!
//! A user's rights are one immutable value that connections share. When they change, a new value is made, checked as a
//! whole, and handed to every connection of that user; so a rule that is wrong changes nothing, and looking at the rights
//! of a call takes no lookup by name. A user to whom everything is allowed is marked, and his calls are not looked at.

mod describe;
mod effects;
mod log;
mod rules;
mod selector;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use xs_proto::resp::Args;

pub(crate) use self::log::{Log, LogEntry};
pub(crate) use self::rules::{category, has_spaces};
pub(crate) use self::selector::{Denied, Reason, Selector};
use crate::command::{KeyFlags, Spec};
use crate::fault::Fault;
use crate::table::{CommandId, Entry, Table};

/// One user's rights; replaced as a whole when they change.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: Vec<u8>,
    pub(crate) enabled: bool,
    pub(crate) no_pass: bool,
    /// `sanitize-payload` or `skip-sanitize-payload`, where one of them was said.
    pub(crate) sanitize: Option<bool>,
    /// In lower-case hexadecimal, in the order in which they were added.
    pub(crate) passwords: Vec<String>,
    pub(crate) root: Selector,
    pub(crate) alternatives: Vec<Selector>,
    /// Everything is allowed: nothing needs to be looked at.
    pub(crate) unrestricted: bool,
}

/// All users.
#[derive(Debug)]
pub(crate) struct Acl {
    users: BTreeMap<Vec<u8>, Arc<User>>,
    pub(crate) log: Log,
}

impl Acl {
    pub(crate) fn new() -> Acl {
        let mut acl = Acl { users: BTreeMap::new(), log: Log::default() };
        let everything: [&[u8]; 5] = [b"+@all", b"~*", b"&*", b"on", b"nopass"];
        acl.set_user(b"default", everything, false).expect("these rules are right");
        acl
    }

    /// The user of a connection that has not authenticated; `None` when it must.
    pub(crate) fn for_new_connection(&self) -> Option<Arc<User>> {
        let default = self.users.get(&b"default"[..])?;
        (default.enabled && default.no_pass).then(|| default.clone())
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// Every user, by name.
    pub(crate) fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Makes or changes a user by `rules`, all of them or none; answers the new rights. New permissions begin with every
    /// channel, or with none (`acl-pubsub-default`). For connections that are open already, see
    /// [`crate::state::Server::set_user`].
    pub(crate) fn set_user<'a>(
        &mut self,
        name: &[u8],
        rules: impl IntoIterator<Item = &'a [u8]> + Clone,
        all_channels: bool,
    ) -> Result<Arc<User>, Fault> {
        if has_spaces(name) {
            return Err(Fault::new("ERR Usernames can't contain spaces or null characters"));
        }
        let merged = rules::merge_selectors(rules.clone()).map_err(|at| {
            let start = rules.into_iter().nth(at).unwrap_or_default();
            Fault::quoting(&[&"ERR Unmatched parenthesis in acl selector starting at '", &start, &"'."])
        })?;
        let fresh = Selector { all_channels, ..Selector::default() };
        let mut user = match self.users.get(name) {
            Some(user) => User::clone(user),
            None => User::new(name, fresh.clone()),
        };
        for rule in &merged {
            rules::apply(&mut user, rule, &fresh).map_err(|error| {
                Fault::quoting(&[&"ERR Error in ACL SETUSER modifier '", rule, &"': ", &error.to_string()])
            })?;
        }
        let unrestricted = user.selectors().any(Selector::allows_all);
        user.unrestricted = unrestricted;
        let user = Arc::new(user);
        self.users.insert(name.to_vec(), user.clone());
        Ok(user)
    }

    /// Sets the default user's password (`requirepass`); an empty one means that none is needed.
    pub(crate) fn set_default_password(&mut self, password: &[u8]) -> Arc<User> {
        let rule = match password {
            b"" => b"nopass".to_vec(),
            _ => [b">", password].concat(),
        };
        let rules: [&[u8]; 2] = [b"resetpass", &rule];
        self.set_user(b"default", rules, false).expect("these rules are right")
    }

    /// Removes a user; false when there is none.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        self.users.remove(name).is_some()
    }

    /// The user with this name, if the password is his.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let user = self.users.get(name)?;
        if !user.enabled {
            return None;
        }
        let given = rules::hash(password);
        // Every byte of every hash is looked at: how long this takes says nothing about how much was right.
        let same = |known: &String| known.bytes().zip(given.bytes()).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0;
        let known = user.passwords.iter().fold(false, |found, known| found | same(known));
        (known || user.no_pass).then(|| user.clone())
    }
}

impl User {
    fn new(name: &[u8], root: Selector) -> User {
        User {
            name: name.to_vec(),
            enabled: false,
            no_pass: false,
            sanitize: None,
            passwords: Vec::new(),
            root,
            alternatives: Vec::new(),
            unrestricted: false,
        }
    }

    /// The root permissions and the alternatives.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.alternatives)
    }

    /// Whether the user may run this call.
    #[inline]
    pub(crate) fn check(&self, id: CommandId, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        if self.unrestricted { Ok(()) } else { self.check_selectors(id, spec, args) }
    }

    fn check_selectors(&self, id: CommandId, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        // Contradictory arguments name no key: the command itself answers with an error.
        let mut keys = spec.keys(args).unwrap_or_default();
        keys.retain(|key| !key.flags.has(KeyFlags::NOT_KEY));
        let mut worst = Denied { reason: Reason::Command, at: 0 };
        for selector in self.selectors() {
            match selector.check(id, spec, args, &keys) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }
}

impl Denied {
    /// The error reply to the call.
    pub(crate) fn fault(self, entry: Entry) -> Fault {
        match self.reason {
            Reason::Command => {
                let name = Table::get().full_name(entry.id);
                Fault::because(format!("NOPERM this user has no permissions to run the '{name}' command"))
            }
            Reason::Channel => {
                Fault::new("NOPERM this user has no permissions to access one of the channels used as arguments")
            }
            Reason::Key | Reason::Auth => {
                Fault::new("NOPERM this user has no permissions to access one of the keys used as arguments")
            }
        }
    }
}
