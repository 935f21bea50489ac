//! Client-side caching: who must be told when a key changes.
//!
//! By default the server remembers which client has read which key, and tells it once when the key changes; then the key
//! is forgotten until it is read again. The table is bounded (`tracking-table-max-keys`): a key that has to go is
//! reported as if it had changed, which is always safe. In broadcasting mode nothing is remembered: the client is told of
//! every change to a key that begins with one of its prefixes, once for each batch of commands.

mod keys;

use std::collections::{BTreeMap, BTreeSet};

use xs_proto::Out;
use xs_proto::resp::Args;

use self::keys::KeyTable;
use crate::client::Client;
use crate::command::{Flags, KeyFlags, Spec};
use crate::mail::{News, Place};
use crate::state::Server;
use crate::table::Entry;

/// How many keys are given up at once for each command that finds the table too full; more with every command in turn.
const EFFORT: usize = 100;

/// `CLIENT TRACKING` of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrackingOptions {
    /// The client that is told in this one's stead.
    pub(crate) redirect: Option<u64>,
    pub(crate) bcast: bool,
    pub(crate) optin: bool,
    pub(crate) optout: bool,
    pub(crate) noloop: bool,
    /// `CLIENT CACHING` was said: the rule is turned around for the next command or transaction.
    pub(crate) caching: bool,
    pub(crate) prefixes: BTreeSet<Vec<u8>>,
}

/// Which keys were read by whom.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    clients: BTreeSet<u64>,
    keys: KeyTable,
    prefixes: BTreeMap<Vec<u8>, Prefix>,
    /// Clients whose invalidations could not be redirected, because the other client is gone.
    broken: BTreeSet<u64>,
    /// How often in a row the table was found too full.
    too_full: usize,
}

/// A prefix that somebody is told of.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<u64>,
    /// The keys that changed since the last broadcast, with the client that changed them last.
    changed: BTreeMap<Vec<u8>, Option<u64>>,
}

impl Tracking {
    /// Whether anybody tracks anything.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Whether invalidations for client `id` could not be redirected.
    pub(crate) fn is_broken(&self, id: u64) -> bool {
        self.broken.contains(&id)
    }

    /// Number of clients that track, of keys that are remembered, of readers over all keys, and of prefixes.
    pub(crate) fn counts(&self) -> [usize; 4] {
        [self.clients.len(), self.keys.len(), self.keys.readers(), self.prefixes.len()]
    }
}

impl Server {
    /// `CLIENT TRACKING ON`: sets the client's options; prefixes add to those that it has.
    pub(crate) fn start_tracking(&mut self, client: &mut Client, mut options: TrackingOptions) {
        if let Some(before) = client.tracking.take() {
            options.caching = before.caching;
            options.prefixes.extend(before.prefixes);
        }
        for prefix in &options.prefixes {
            self.tracking.prefixes.entry(prefix.clone()).or_default().clients.insert(client.id);
        }
        self.tracking.broken.remove(&client.id);
        self.tracking.clients.insert(client.id);
        client.tracking = Some(options);
    }

    /// `CLIENT TRACKING OFF`, and the end of the connection. The keys that were read are forgotten when they change.
    pub(crate) fn stop_tracking(&mut self, client: &mut Client) {
        let Some(options) = client.tracking.take() else { return };
        for prefix in options.prefixes {
            if let Some(entry) = self.tracking.prefixes.get_mut(&prefix) {
                entry.clients.remove(&client.id);
                if entry.clients.is_empty() {
                    self.tracking.prefixes.remove(&prefix);
                }
            }
        }
        self.tracking.broken.remove(&client.id);
        self.tracking.clients.remove(&client.id);
        if self.tracking.clients.is_empty() {
            self.tracking.keys.clear();
        }
    }

    /// What follows from a call of a client that tracks: what it read is remembered, and what `CLIENT CACHING` said is
    /// over, unless a transaction is still being put together.
    pub(crate) fn after_tracked(&mut self, client: &mut Client, entry: Entry, args: Args<'_>) {
        self.remember_read(client, entry.spec, args);
        if client.multi.is_none()
            && !self.table.full_name(entry.id).starts_with("client|")
            && let Some(options) = &mut client.tracking
        {
            options.caching = false;
        }
    }

    fn remember_read(&mut self, client: &Client, spec: &Spec, args: Args<'_>) {
        let Some(options) = &client.tracking else { return };
        if !spec.flags.has(Flags::READONLY)
            || options.bcast
            || (options.optin && !options.caching)
            || (options.optout && options.caching)
        {
            return;
        }
        let keys = spec.keys(args).unwrap_or_default();
        for key in keys.iter().filter(|key| !key.flags.has(KeyFlags::NOT_KEY)) {
            self.tracking.keys.remember(&args[key.position], client.id);
        }
    }

    /// Gives up keys while the table holds more than it may.
    pub(crate) fn bound_tracking(&mut self, current: Option<&Client>) {
        let most = match self.config.tracking_table_max_keys {
            0 => usize::MAX,
            most => most,
        };
        if self.tracking.keys.len() <= most {
            self.tracking.too_full = 0;
            return;
        }
        for _ in 0..EFFORT * (self.tracking.too_full + 1) {
            let Some(key) = self.tracking.keys.any(&mut self.rng) else { break };
            self.invalidate_readers(current, &key, Place::BeforeReply);
            if self.tracking.keys.len() <= most {
                self.tracking.too_full = 0;
                return;
            }
        }
        self.tracking.too_full += 1;
    }

    /// Tells the clients that track `key` that it changed. `current` is the client whose command runs.
    pub(crate) fn invalidate(&mut self, current: Option<&Client>, key: &[u8]) {
        if !self.tracking.is_active() {
            return;
        }
        let by = current.map(|client| client.id);
        for (prefix, entry) in &mut self.tracking.prefixes {
            if key.starts_with(prefix) {
                entry.changed.insert(key.to_vec(), by);
            }
        }
        self.invalidate_readers(current, key, Place::BehindReply);
    }

    fn invalidate_readers(&mut self, current: Option<&Client>, key: &[u8], place: Place) {
        let Some(readers) = self.tracking.keys.take(key) else { return };
        for id in readers {
            let is_current = current.is_some_and(|client| client.id == id);
            let reader = if is_current { current } else { self.clients.get(id) };
            let Some(options) = reader.and_then(|client| client.tracking.as_ref()) else { continue };
            // It may have gone over to broadcasting since it read the key; and it may not want to hear of its own changes.
            let own = is_current && place == Place::BehindReply;
            if options.bcast || (options.noloop && own) {
                continue;
            }
            let redirect = options.redirect;
            self.tell_invalid(id, redirect, place, Some(vec![key.to_vec()]));
        }
    }

    /// Tells the clients that track keys that all of them changed.
    pub(crate) fn invalidate_all(&mut self, current: Option<&Client>) {
        if !self.tracking.is_active() {
            return;
        }
        let ids: Vec<u64> = self.tracking.clients.iter().copied().collect();
        for id in ids {
            let client = current.filter(|client| client.id == id).or_else(|| self.clients.get(id));
            let Some(options) = client.and_then(|client| client.tracking.as_ref()) else { continue };
            let redirect = options.redirect;
            self.tell_invalid(id, redirect, Place::BehindReply, None);
        }
        self.tracking.keys.clear();
    }

    /// Tells of the keys that changed since the last time, by prefix. `current` is the client whose commands ran.
    pub(crate) fn broadcast_invalid(&mut self, current: Option<(&mut Client, &mut Out)>) {
        if self.tracking.prefixes.is_empty() {
            return;
        }
        let mut told: Vec<(u64, Option<u64>, Vec<Vec<u8>>)> = Vec::new();
        let current_client = current.as_ref().map(|(client, _)| &**client);
        for entry in self.tracking.prefixes.values_mut().filter(|entry| !entry.changed.is_empty()) {
            let changed = std::mem::take(&mut entry.changed);
            for &id in &entry.clients {
                let client = current_client.filter(|client| client.id == id).or_else(|| self.clients.get(id));
                let Some(options) = client.and_then(|client| client.tracking.as_ref()) else { continue };
                let concerns = |by: &Option<u64>| !options.noloop || *by != Some(id);
                let keys: Vec<_> = changed.iter().filter(|(_, by)| concerns(by)).map(|(key, _)| key.clone()).collect();
                if !keys.is_empty() {
                    told.push((id, options.redirect, keys));
                }
            }
        }
        for (id, redirect, keys) in told {
            self.tell_invalid(id, redirect, Place::BehindReply, Some(keys));
        }
        if let Some((client, out)) = current {
            let end = out.len();
            self.mail.deliver(client, out, end);
        }
    }

    /// Sends an invalidation to client `id`, or where it wants it sent.
    fn tell_invalid(&mut self, id: u64, redirect: Option<u64>, place: Place, keys: Option<Vec<Vec<u8>>>) {
        let Some(to) = redirect else {
            self.tell(id, place, News::Invalid { keys, redirected: false });
            return;
        };
        if !self.tell(to, place, News::Invalid { keys, redirected: true }) {
            self.tracking.broken.insert(id);
            self.tell(id, place, News::RedirectBroken(to));
        }
    }
}
