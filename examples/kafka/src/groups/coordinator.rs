//! All groups of the broker: the machines, with the clock, the disk, and those who wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, select};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use xs_net::Timer;
use xs_proto::kafka::ErrorCode;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};

use super::{Group, Join, JoinAnswer, Limits, Output, SyncAnswer, Token, kept, offsets};

/// Longer names of groups are refused: they are keys of the catalog.
const MAX_NAME: usize = 16 << 10;

/// Whether what an answer depends on is on the disk.
pub(crate) type Stored = Shared<BoxFuture<'static, bool>>;

/// All groups.
pub(crate) struct Groups {
    limits: Limits,
    max_groups: usize,
    timer: Timer,
    catalog: Arc<dyn Engine>,
    all: Mutex<All>,
    /// Somebody's deadline is nearer than what [`Groups::run`] waits for.
    sooner: Notify,
}

#[derive(Default)]
struct All {
    groups: BTreeMap<ByteString, Entry>,
    schedule: BTreeSet<(Instant, ByteString)>,
    joining: HashMap<Token, oneshot::Sender<(JoinAnswer, Option<Stored>)>>,
    syncing: HashMap<Token, oneshot::Sender<(SyncAnswer, Option<Stored>)>>,
    tokens: u64,
}

struct Entry {
    group: Group,
    deadline: Option<Instant>,
    /// When it became what it is, as far as a restart knows; from then on offsets of an empty group grow old.
    stored_ms: i64,
    /// A restart finds it.
    is_stored: bool,
}

impl Groups {
    /// All groups that are in the catalog. Waits for the disk.
    pub(crate) fn open(
        catalog: Arc<dyn Engine>,
        timer: Timer,
        limits: Limits,
        max_groups: usize,
    ) -> xs_storage::Result<Groups> {
        let (mut all, now) = (All::default(), timer.now());
        {
            let mut cursor = catalog.cursor(KeyRange::prefix(kept::all()))?;
            while cursor.next()? {
                let (kept, stored_ms) = kept::read(cursor.value()?)?;
                let group = Group::restore(limits.clone(), kept, now);
                let name = kept::name(cursor.key())?;
                all.groups.insert(name.clone(), Entry { group, deadline: None, stored_ms, is_stored: true });
                all.reschedule(&name);
            }
        }
        Ok(Groups { limits, max_groups, timer, catalog, all: Mutex::new(all), sooner: Notify::new() })
    }

    fn now_ms(&self) -> i64 {
        crate::broker::millis(self.timer.wall())
    }

    /// Lets one group work, if there is one, and passes on what it says.
    fn with<T>(
        &self,
        all: &mut All,
        name: &str,
        work: impl FnOnce(&mut Group, Instant, &mut WriteBatch) -> T,
    ) -> Option<(T, Option<Stored>)> {
        let entry = all.groups.get_mut(name)?;
        let mut batch = WriteBatch::new();
        let result = work(&mut entry.group, self.timer.now(), &mut batch);
        if entry.group.take_changed() {
            (entry.stored_ms, entry.is_stored) = (self.now_ms(), true);
            batch.put(&kept::key(name), &kept::write(&entry.group.keep(), entry.stored_ms));
        }
        let stored = (!batch.is_empty()).then(|| self.store(batch));
        let mut outputs = Vec::new();
        while let Some(output) = entry.group.poll_output() {
            outputs.push(output);
        }
        for output in outputs {
            // Nobody may be there to hear it any more.
            match output {
                Output::Join(token, answer) => {
                    if let Some(waits) = all.joining.remove(&token) {
                        drop(waits.send((answer, stored.clone())));
                    }
                }
                Output::Sync(token, answer) => {
                    if let Some(waits) = all.syncing.remove(&token) {
                        drop(waits.send((answer, stored.clone())));
                    }
                }
            }
        }
        if all.reschedule(name) {
            self.sooner.notify_one();
        }
        Some((result, stored))
    }

    fn store(&self, batch: WriteBatch) -> Stored {
        let submitted = self.catalog.submit(batch, Durability::Synced);
        async move {
            let stored = match submitted {
                Ok(commit) => commit.await,
                Err(error) => Err(error),
            };
            stored.inspect_err(|error| tracing::error!(%error, "a group cannot be stored")).is_ok()
        }
        .boxed()
        .shared()
    }

    /// Makes a group if there is none.
    fn make(&self, all: &mut All, name: &str) -> Result<(), ErrorCode> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if !all.groups.contains_key(name) {
            if all.groups.len() >= self.max_groups {
                return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
            }
            let group = Group::new(self.limits.clone());
            all.groups.insert(name.into(), Entry { group, deadline: None, stored_ms: self.now_ms(), is_stored: false });
        }
        Ok(())
    }

    /// Joins, and waits for the group to be complete.
    pub(crate) async fn join(&self, name: &str, join: Join) -> JoinAnswer {
        let member = join.member.clone();
        let (answer, waits) = oneshot::channel();
        {
            let mut all = self.all.lock();
            if !member.is_empty() && !all.groups.contains_key(name) {
                return Err((ErrorCode::UNKNOWN_MEMBER_ID, member));
            }
            self.make(&mut all, name).map_err(|error| (error, member.clone()))?;
            let token = all.token();
            all.joining.insert(token, answer);
            self.with(&mut all, name, |group, now, _| group.handle_join(now, token, join));
            if all.groups.get(name).is_some_and(|entry| entry.is_new()) {
                // It was made for nothing.
                all.remove(name);
            }
        }
        match waits.await {
            Ok((answer, stored)) if is_stored(stored.clone()).await => answer,
            _ => Err((ErrorCode::COORDINATOR_NOT_AVAILABLE, member)),
        }
    }

    /// Brings or gets assignments, and waits for the leader to bring them. `ask` hands the request to the group.
    pub(crate) async fn sync(&self, name: &str, ask: impl FnOnce(&mut Group, Instant, Token)) -> SyncAnswer {
        let (answer, waits) = oneshot::channel();
        {
            let mut all = self.all.lock();
            let token = all.token();
            all.syncing.insert(token, answer);
            if self.with(&mut all, name, |group, now, _| ask(group, now, token)).is_none() {
                all.syncing.remove(&token);
                return Err(ErrorCode::UNKNOWN_MEMBER_ID);
            }
        }
        match waits.await {
            Ok((answer, stored)) if is_stored(stored.clone()).await => answer,
            _ => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
    }

    /// Asks a group something that it answers at once; `None` if there is none.
    pub(crate) fn ask<T>(&self, name: &str, ask: impl FnOnce(&mut Group, Instant) -> T) -> Option<T> {
        let mut all = self.all.lock();
        self.with(&mut all, name, |group, now, _| ask(group, now)).map(|(answer, _)| answer)
    }

    /// Commits what `fill` adds, if `check` allows it, in the order of the calls: all but the waiting is done at once. A
    /// group is made where `makes` says so.
    pub(crate) fn commit(
        &self,
        name: &str,
        makes: bool,
        check: impl FnOnce(&mut Group, Instant) -> Result<(), ErrorCode>,
        fill: impl FnOnce(&mut WriteBatch),
    ) -> BoxFuture<'static, Result<(), ErrorCode>> {
        let submitted = self.submit(name, makes, check, fill);
        async move {
            let stored = submitted?;
            if is_stored(stored).await { Ok(()) } else { Err(ErrorCode::COORDINATOR_NOT_AVAILABLE) }
        }
        .boxed()
    }

    fn submit(
        &self,
        name: &str,
        makes: bool,
        check: impl FnOnce(&mut Group, Instant) -> Result<(), ErrorCode>,
        fill: impl FnOnce(&mut WriteBatch),
    ) -> Result<Option<Stored>, ErrorCode> {
        let mut all = self.all.lock();
        let new = !all.groups.contains_key(name);
        if new && !makes {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        self.make(&mut all, name)?;
        let done = self.with(&mut all, name, |group, now, batch| {
            check(group, now)?;
            fill(batch);
            if new {
                // From now on a restart must find it.
                group.must_be_kept();
            }
            Ok(())
        });
        let (checked, stored) = done.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        checked.map(|()| stored)
    }

    /// Looks at all groups.
    pub(crate) fn each<T>(&self, mut look: impl FnMut(&ByteString, &Group) -> Option<T>) -> Vec<T> {
        self.all.lock().groups.iter().filter_map(|(name, entry)| look(name, &entry.group)).collect()
    }

    /// Deletes a group with its offsets. Waits for the disk.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ErrorCode> {
        let commit = {
            let mut all = self.all.lock();
            let entry = all.groups.get_mut(name).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            entry.group.delete()?;
            all.remove(name);
            self.forget(name)
        };
        commit.and_then(|commit| commit.wait()).map_err(|error| {
            tracing::error!(group = name, %error, "a group cannot be deleted");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })
    }

    fn forget(&self, name: &str) -> xs_storage::Result<xs_storage::engine::Commit> {
        let mut batch = WriteBatch::new();
        batch.delete(&kept::key(name));
        offsets::forget_group(&mut batch, &*self.catalog, name)?;
        self.catalog.submit(batch, Durability::Synced)
    }

    /// Forgets the offsets in a topic that has been deleted. Waits for the disk.
    pub(crate) fn forget_topic(&self, topic: &str) -> xs_storage::Result<()> {
        let _all = self.all.lock();
        let mut batch = WriteBatch::new();
        offsets::forget_topic(&*self.catalog, &mut batch, topic)?;
        self.catalog.submit(batch, Durability::Buffered).map(drop)
    }

    /// Forgets what groups without members have committed so long ago, and groups that have nothing. Waits for the disk.
    pub(crate) fn expire(&self, retention_ms: i64) -> xs_storage::Result<()> {
        let names = self.each(|name, group| group.is_idle().then(|| name.clone()));
        let now = self.now_ms();
        let old = now.saturating_sub(retention_ms);
        for name in names {
            let mut all = self.all.lock();
            let Some(entry) = all.groups.get(&name).filter(|entry| entry.group.is_idle()) else { continue };
            let since = entry.stored_ms;
            let all_offsets = offsets::of_group(&*self.catalog, &name)?;
            // A group that never had members has no other time than that of its commits.
            let aged = entry.group.protocol_type().is_none() || since < old;
            let mut batch = WriteBatch::new();
            let is_old = |offset: &offsets::Offset| match offset.expires_ms {
                Some(expires_ms) => expires_ms <= now,
                None => aged && offset.committed_ms < old,
            };
            let expired = all_offsets.iter().filter(|(_, offset)| is_old(offset));
            let expired = expired.map(|(at, _)| offsets::remove(&mut batch, &name, at)).count();
            if expired == all_offsets.len() && offsets::unstable(&*self.catalog, &name)?.is_empty() {
                batch.delete(&kept::key(&name));
                all.remove(&name);
            }
            // A crash may bring it back, to be found old again.
            drop(self.catalog.submit(batch, Durability::Buffered)?);
        }
        Ok(())
    }

    /// Does what is due, when it is, for as long as it is polled.
    pub(crate) async fn run(&self) {
        loop {
            let next = self.due();
            let sooner = std::pin::pin!(self.sooner.notified());
            match next {
                None => sooner.await,
                Some(next) => drop(select(self.timer.sleep_until(next), sooner).await),
            }
        }
    }

    /// Lets groups do what is due; says when there is more.
    fn due(&self) -> Option<Instant> {
        let mut all = self.all.lock();
        loop {
            let (next, name) = all.schedule.first()?.clone();
            if next > self.timer.now() {
                return Some(next);
            }
            self.with(&mut all, &name, |group, now, _| group.handle_timeout(now));
        }
    }
}

async fn is_stored(stored: Option<Stored>) -> bool {
    match stored {
        Some(stored) => stored.await,
        None => true,
    }
}

impl Entry {
    /// Nobody has been in it, and nothing of it is stored.
    fn is_new(&self) -> bool {
        self.group.is_idle() && self.group.generation() == 0 && !self.is_stored
    }
}

impl All {
    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// Notes when a group wants to be called; true if that is in front of all others.
    fn reschedule(&mut self, name: &str) -> bool {
        let Some(entry) = self.groups.get_mut(name) else { return false };
        let next = entry.group.next_deadline();
        if next == entry.deadline {
            return false;
        }
        let old = std::mem::replace(&mut entry.deadline, next);
        if let Some(old) = old {
            self.schedule.remove(&(old, name.into()));
        }
        let Some(next) = next else { return false };
        self.schedule.insert((next, name.into()));
        self.schedule.first().is_some_and(|(first, _)| *first == next)
    }

    fn remove(&mut self, name: &str) {
        if let Some(deadline) = self.groups.remove(name).and_then(|entry| entry.deadline) {
            self.schedule.remove(&(deadline, name.into()));
        }
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").field("groups", &self.all.lock().groups.len()).finish_non_exhaustive()
    }
}
