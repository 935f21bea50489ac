//! What follows for open connections when users change, and what is noted when a call is refused.

use std::sync::Arc;

use xs_proto::resp::Args;

use super::selector::{Selector, channel_is_in};
use super::{Denied, LogEntry, Reason, User};
use crate::client::Client;
use crate::commands::connection::info_line;
use crate::fault::Fault;
use crate::state::Server;
use crate::table::Entry;

impl Server {
    /// Makes or changes a user. `current` is the client whose command runs.
    pub(crate) fn set_user<'a>(
        &mut self,
        current: &mut Client,
        name: &[u8],
        rules: impl IntoIterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), Fault> {
        let before = self.acl.get(name).cloned();
        let user = self.acl.set_user(name, rules, self.config.acl_all_channels)?;
        if let Some(before) = before {
            self.end_forbidden_subscriptions(current, &before, &user);
        }
        self.hand_out(&user);
        hand_over(current, &user);
        Ok(())
    }

    /// Sets the default user's password (`requirepass`); an empty one means that none is needed.
    pub(crate) fn set_default_password(&mut self, password: &[u8]) {
        let user = self.acl.set_default_password(password);
        self.hand_out(&user);
    }

    /// Removes a user and ends his connections; false when there is none.
    pub(crate) fn delete_user(&mut self, current: &mut Client, name: &[u8]) -> bool {
        if !self.acl.remove(name) {
            return false;
        }
        let is_his = |client: &Client| client.user.as_ref().is_some_and(|user| user.name == name);
        let ids: Vec<u64> = self.clients.iter().filter(|client| is_his(client)).map(|client| client.id).collect();
        ids.into_iter().for_each(|id| self.end(id));
        if is_his(current) {
            current.user = None;
            current.close = true;
        }
        true
    }

    /// Checks a name and password; a wrong one is logged.
    pub(crate) fn authenticate(
        &mut self,
        client: &mut Client,
        name: &[u8],
        password: &[u8],
        args: Args<'_>,
        now: u64,
    ) -> Result<(), Fault> {
        if let Some(user) = self.acl.authenticate(name, password) {
            client.user = Some(user);
            return Ok(());
        }
        self.log_refusal(client, Reason::Auth, args.get(0).unwrap_or_default(), name, args, now);
        Err(Fault::new("WRONGPASS invalid username-password pair or user is disabled."))
    }

    /// Notes that a call was refused.
    pub(crate) fn log_denied(&mut self, client: &Client, entry: Entry, args: Args<'_>, denied: Denied, now: u64) {
        let object = match denied.reason {
            Reason::Command => self.table.full_name(entry.id).as_bytes(),
            _ => args.get(denied.at).unwrap_or_default(),
        };
        let user = client.user.as_ref().map(|user| user.name.clone()).unwrap_or_default();
        self.log_refusal(client, denied.reason, object, &user, args, now);
    }

    fn log_refusal(&mut self, client: &Client, reason: Reason, object: &[u8], user: &[u8], args: Args<'_>, now: u64) {
        let entry = LogEntry {
            count: 1,
            reason,
            in_multi: client.multi.is_some(),
            object: object.to_vec(),
            user: user.to_vec(),
            at: now,
            client: info_line(self, client, Some(args), now),
        };
        self.acl.log.add(entry, self.config.acllog_max_len);
    }

    /// Gives every quiet connection of this user his new rights.
    fn hand_out(&mut self, user: &Arc<User>) {
        self.clients.iter_mut().for_each(|client| hand_over(client, user));
    }

    /// Ends the connections that listen to a channel which their user may not use any more.
    fn end_forbidden_subscriptions(&mut self, current: &mut Client, before: &User, after: &User) {
        if after.selectors().any(|selector| selector.all_channels) {
            return;
        }
        let allowed: Vec<Vec<u8>> = after.selectors().flat_map(|selector| selector.channels.iter().cloned()).collect();
        let still_allowed = |selector: &Selector| {
            !selector.all_channels && selector.channels.iter().all(|channel| allowed.contains(channel))
        };
        if before.selectors().all(still_allowed) {
            return;
        }
        let is_forbidden = |client: &Client| {
            client.user.as_ref().is_some_and(|user| user.name == before.name)
                && (client.patterns.iter().any(|pattern| !channel_is_in(&allowed, pattern, true))
                    || client.channels.iter().any(|channel| !channel_is_in(&allowed, channel, false))
                    || client.shard_channels.iter().any(|channel| !channel_is_in(&allowed, channel, false)))
        };
        let ids: Vec<u64> = self.clients.iter().filter(|client| is_forbidden(client)).map(|client| client.id).collect();
        ids.into_iter().for_each(|id| self.end(id));
        if is_forbidden(current) {
            current.close = true;
        }
    }
}

fn hand_over(client: &mut Client, user: &Arc<User>) {
    match &mut client.user {
        Some(his) if his.name == user.name => *his = user.clone(),
        // Whoever has not authenticated need not do so any more.
        none @ None if user.name == b"default" && user.enabled && user.no_pass => *none = Some(user.clone()),
        _ => {}
    }
}
