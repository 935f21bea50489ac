//! What a command sees while it runs.
//!
//! Three rules make command code short. *Time stands still*: [`Ctx::now`] is read once for the whole command.
//! *Nobody else runs*: the state is borrowed exclusively, so a command is atomic without doing anything for it.
//! *Fields, not methods, where borrows must part*: a value read through [`Ctx::db`] can be written to [`Ctx::reply`]
//! without a copy, because the two are different fields.

use xs_proto::resp::{Args, Reply, Version};

use crate::blocked::{BlockedOn, Waits};
use crate::client::Client;
use crate::command::{Outcome, Spec};
use crate::db::{Db, Typed};
use crate::events;
use crate::fault::Fault;
use crate::notify::Class;
use crate::state::Server;

/// One command under way.
#[derive(Debug)]
pub(crate) struct Ctx<'a> {
    /// The selected database.
    pub(crate) db: Db<'a>,
    /// Everything shared that isn't the keyspace.
    pub(crate) server: &'a mut Server,
    /// The connection that asks.
    pub(crate) client: &'a mut Client,
    /// The command's own row of the table (the subcommand's, for a container).
    pub(crate) spec: &'static Spec,
    /// The arguments, the command's name first.
    pub(crate) args: Args<'a>,
    /// Where the answer goes, in the version that the client speaks.
    pub(crate) reply: Reply<'a>,
    /// Unix time in milliseconds, the same for the whole command.
    pub(crate) now: u64,
}

impl<'a> Ctx<'a> {
    /// Argument `index`. Only for positions that the arity guarantees.
    #[inline]
    pub(crate) fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).unwrap_or_default()
    }

    /// Argument `index` as a 64-bit integer, or Redis' error.
    pub(crate) fn int(&self, index: usize) -> Result<i64, Fault> {
        crate::parse::int(self.arg(index)).ok_or(Fault::NOT_AN_INTEGER)
    }

    /// Argument `index` as a number of elements, or Redis' error.
    pub(crate) fn size(&self, index: usize) -> Result<usize, Fault> {
        let size = crate::parse::int(self.arg(index)).and_then(|size| usize::try_from(size).ok());
        size.ok_or(Fault::NOT_POSITIVE)
    }

    /// Whether a command that takes from the first of several keys may take from `key`: when a key has woken the client,
    /// only from that one.
    pub(crate) fn may_serve(&self, key: &[u8]) -> bool {
        self.client.woken_by.as_ref().is_none_or(|woken_by| woken_by == key)
    }

    /// Whether the client speaks RESP3.
    pub(crate) fn is_resp3(&self) -> bool {
        self.client.version == Version::Resp3
    }

    /// Says that `key` of the selected database was changed: watchers, trackers and blocked clients learn of it, the
    /// keyspace event is published, and `changes` is added to the changes since the last save.
    pub(crate) fn touched(&mut self, key: &[u8], class: Class, event: &'static str, changes: u64) {
        self.db.modified(key, event);
        self.server.stats.dirty += changes;
        self.notify(class, event, key, self.db.index);
    }

    /// Publishes an event of this command, behind whatever led to it.
    #[inline]
    pub(crate) fn notify(&mut self, class: Class, event: &str, key: &[u8], db: usize) {
        if self.server.config.notify.any(class) {
            events::tell(self.server, self.db.keyspace, &mut self.db.lookups.untold);
            self.server.notify(class, event, key, db);
        }
    }

    /// Puts what a command has worked out at `target`, in place of what is there; a collection that is empty only removes
    /// that. `changes` is added to the changes since the last save.
    pub(crate) fn store<T: Typed>(
        &mut self,
        target: &[u8],
        result: T,
        class: Class,
        event: &'static str,
        changes: u64,
    ) {
        if !result.is_gone() {
            self.db.put(target, result);
            self.touched(target, class, event, changes);
        } else if self.db.remove(target) {
            self.touched(target, Class::GENERIC, "del", 1);
        }
    }

    /// Publishes the event of a key that a command removed because it became empty.
    pub(crate) fn removed_empty(&mut self, key: &[u8]) {
        self.notify(Class::GENERIC, "del", key, self.db.index);
    }

    /// Waits until one of `keys` can serve this command, which is then run again, or until the time is up.
    ///
    /// `timeout` is in seconds, 0 for ever. Inside a transaction nothing can be waited for: the command is answered as
    /// if its time were up.
    pub(crate) fn block(&mut self, keys: Vec<Vec<u8>>, timeout: f64, waits: Waits) -> Outcome {
        // Rounded up, but for the noise of a decimal fraction as a float: 2.007 seconds are 2007 milliseconds.
        let millis = (timeout > 0.0).then(|| (timeout * 1000.0 - 1e-6).ceil().max(1.0) as u64);
        self.block_as(self.args.to_owned(), keys, millis, waits)
    }

    /// Like [`Ctx::block`], for a command that must be run again with other arguments (`XREAD … $`), with a timeout in
    /// milliseconds.
    pub(crate) fn block_as(
        &mut self,
        request: xs_proto::resp::Request,
        keys: Vec<Vec<u8>>,
        timeout: Option<u64>,
        waits: Waits,
    ) -> Outcome {
        if self.client.may_not_block {
            match waits {
                Waits::Element => self.reply.null(),
                _ => waits.timed_out(&mut self.reply),
            }
            return Ok(());
        }
        let deadline = timeout.map(|millis| self.now.saturating_add(millis));
        self.client.blocked = Some(BlockedOn { db: self.db.index, keys, request, deadline, waits, ticket: 0 });
        Ok(())
    }
}
