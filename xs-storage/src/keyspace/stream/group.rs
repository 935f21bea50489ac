//! Consumer groups: who has been given which entry, and has not yet said that it is done.

use std::collections::{BTreeMap, BTreeSet};

use super::log::Log;
use super::{Range, StreamId};

/// A consumer within its group. Valid until that consumer is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(u32);

/// A reader within a group.
#[derive(Debug, Clone)]
pub struct Consumer {
    name: Box<[u8]>,
    pending: BTreeSet<StreamId>,
    seen_ms: u64,
}

impl Consumer {
    /// The consumer's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it was given and has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// When it last asked for something, in Unix milliseconds.
    pub fn seen_ms(&self) -> u64 {
        self.seen_ms
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Whose it is.
    pub consumer: ConsumerId,
    /// When it was last delivered, in Unix milliseconds.
    pub delivered_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl Pending {
    /// Milliseconds since the last delivery; zero if the clock ran backwards.
    pub fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.delivered_ms)
    }
}

/// A consumer group: a position in the stream, consumers, and the list of what is pending.
#[derive(Debug, Clone)]
pub struct Group {
    pub(super) last_id: StreamId,
    pub(super) entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Vec<Option<Consumer>>,
    by_name: BTreeMap<Box<[u8]>, ConsumerId>,
    free: Vec<ConsumerId>,
    name_bytes: usize,
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            by_name: BTreeMap::new(),
            free: Vec::new(),
            name_bytes: 0,
        }
    }

    /// The last entry that was given to anybody.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The group's logical count of entries read, where it is known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// How many entries are pending in the whole group.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The smallest and the largest pending identifier.
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first_key_value()?.0, *self.pending.last_key_value()?.0))
    }

    /// What is pending in `start..=end`, whoever has it, in order.
    pub fn pending(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = (StreamId, &Pending)> {
        // An inverted interval is empty, where the map would panic.
        let end = if start <= end { std::ops::Bound::Included(end) } else { std::ops::Bound::Excluded(start) };
        self.pending.range((std::ops::Bound::Included(start), end)).map(|(id, pending)| (*id, pending))
    }

    /// What one consumer has pending in `start..=end`, in order. Empty for a consumer that is gone.
    pub fn pending_of(
        &self,
        consumer: ConsumerId,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let ids = self.get(consumer).filter(|_| start <= end).map(|consumer| consumer.pending.range(start..=end));
        ids.into_iter().flatten().filter_map(|id| Some((*id, self.pending.get(id)?)))
    }

    /// The consumers by name, in order of the names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerId, &Consumer)> {
        self.by_name.values().map(|&id| (id, self.slot(id)))
    }

    /// The consumer called `name`.
    pub fn consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// A consumer by its identifier.
    pub fn get(&self, consumer: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(consumer.0 as usize)?.as_ref()
    }

    fn slot(&self, id: ConsumerId) -> &Consumer {
        self.get(id).expect("names and pending entries refer to live consumers")
    }

    fn slot_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect("names and pending entries refer to live consumers")
    }

    /// Gives `id` to `consumer`, from whoever had it.
    fn assign(&mut self, id: StreamId, pending: Pending) {
        match self.pending.insert(id, pending) {
            Some(old) if old.consumer == pending.consumer => return,
            Some(old) => {
                self.slot_mut(old.consumer).pending.remove(&id);
            }
            None => {}
        }
        self.slot_mut(pending.consumer).pending.insert(id);
    }

    fn release(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.slot_mut(pending.consumer).pending.remove(&id);
        true
    }

    /// An estimate of the bytes that the group takes, in constant time.
    pub(super) fn allocated_bytes(&self) -> usize {
        let per_pending = size_of::<(StreamId, Pending)>() + size_of::<StreamId>();
        let per_name = size_of::<(Box<[u8]>, ConsumerId)>();
        self.pending.len() * per_pending * 3 / 2
            + self.by_name.len() * per_name * 3 / 2
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + self.free.capacity() * size_of::<ConsumerId>()
            + self.name_bytes
    }
}

/// What to do with a claimed entry's bookkeeping: the options of `XCLAIM`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claim {
    /// Leave entries alone that were delivered more recently than this.
    pub min_idle_ms: u64,
    /// The delivery time to record; the present one if `None`. A time in the future counts as the present.
    pub delivered_ms: Option<u64>,
    /// The delivery count to record; one more than before if `None`.
    pub deliveries: Option<u64>,
    /// Make entries pending that are not.
    pub force: bool,
    /// The caller wants identifiers alone: reading nothing, it does not count as a delivery.
    pub just_id: bool,
}

/// What became of one claimed identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It belongs to the claiming consumer now.
    Yes,
    /// It was not pending, or not idle for long enough.
    No,
    /// The entry is no longer in the stream; if it was pending, it no longer is.
    Deleted,
}

/// The result of a sweep over pending entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoClaim {
    /// Where the next sweep goes on; [`StreamId::MIN`] when this one reached the end.
    pub next: StreamId,
    /// What now belongs to the claiming consumer.
    pub claimed: Vec<StreamId>,
    /// What was pending and is no longer in the stream; it is not pending any more.
    pub deleted: Vec<StreamId>,
}

/// A group being changed, next to the entries that it reads. Made by [`Stream::group_mut`](super::Stream::group_mut).
#[derive(Debug)]
pub struct GroupMut<'a> {
    log: &'a Log,
    group: &'a mut Group,
    /// The stream's account of all its groups, settled when this handle is dropped.
    account: &'a mut usize,
    before: usize,
}

impl<'a> GroupMut<'a> {
    pub(super) fn new(log: &'a Log, group: &'a mut Group, account: &'a mut usize) -> Self {
        let before = group.allocated_bytes();
        GroupMut { log, group, account, before }
    }

    /// Moves the group's position, forwards or backwards. What is pending stays so.
    pub fn set_id(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        self.group.last_id = last_id;
        self.group.entries_read = entries_read;
    }

    /// Moves the group's position forwards to `last_id`, never backwards: `XCLAIM … LASTID`.
    pub fn advance_id(&mut self, last_id: StreamId) {
        self.group.last_id = self.group.last_id.max(last_id);
    }

    /// The consumer called `name`, made if there is none, and noted as seen now. True if it was made.
    pub fn see(&mut self, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
        if let Some(id) = self.group.consumer(name) {
            self.group.slot_mut(id).seen_ms = now_ms;
            return (id, false);
        }
        let group = &mut *self.group;
        let consumer = Consumer { name: name.into(), pending: BTreeSet::new(), seen_ms: now_ms };
        let id = match group.free.pop() {
            Some(id) => id,
            None => {
                group.consumers.push(None);
                ConsumerId((group.consumers.len() - 1) as u32)
            }
        };
        group.consumers[id.0 as usize] = Some(consumer);
        group.by_name.insert(name.into(), id);
        group.name_bytes += 2 * name.len();
        (id, true)
    }

    /// Deletes a consumer and everything that it has pending; returns how much that was.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let group = &mut *self.group;
        let id = group.by_name.remove(name)?;
        let consumer = group.consumers[id.0 as usize].take()?;
        for entry in &consumer.pending {
            group.pending.remove(entry);
        }
        group.free.push(id);
        group.name_bytes -= 2 * name.len();
        Some(consumer.pending.len())
    }

    /// Gives `consumer` up to `count` entries that the group has not read yet (all of them if `None`), moves the
    /// group's position past them and, unless `no_ack`, makes them pending. The entries are what the iterator yields.
    pub fn read_new(&mut self, consumer: ConsumerId, count: Option<usize>, no_ack: bool, now_ms: u64) -> Delivery<'a> {
        let log = self.log;
        let none = Delivery { entries: log.range(StreamId::MAX, StreamId::MIN), left: 0 };
        let Some(start) = self.group.last_id.next() else { return none };
        if self.group.get(consumer).is_none() {
            return none;
        }
        let mut left = 0;
        let mut last = None;
        for entry in log.range(start, StreamId::MAX).take(count.unwrap_or(usize::MAX)) {
            let id = entry.id;
            self.group.entries_read = match self.group.entries_read {
                Some(read) if !log.tombstones_from(id) => Some(read + 1),
                _ => log.entries_read_at(id),
            };
            if !no_ack {
                self.group.assign(id, Pending { consumer, delivered_ms: now_ms, deliveries: 1 });
            }
            last = Some(id);
            left += 1;
        }
        let Some(last) = last else { return none };
        self.group.last_id = last;
        Delivery { entries: log.range(start, last), left }
    }

    /// Delivers to `consumer` again what it has pending after `after`, at most `count` of it: notes time and count of
    /// each delivery whose entry still exists, and returns all the identifiers. Look each one up with
    /// [`Stream::get`](super::Stream::get); one that is gone is answered with nothing beside its identifier.
    pub fn read_pending(
        &mut self,
        consumer: ConsumerId,
        after: StreamId,
        count: Option<usize>,
        now_ms: u64,
    ) -> Vec<StreamId> {
        let Some(start) = after.next() else { return Vec::new() };
        let ids: Vec<StreamId> = self
            .group
            .pending_of(consumer, start, StreamId::MAX)
            .map(|(id, _)| id)
            .take(count.unwrap_or(usize::MAX))
            .collect();
        for id in &ids {
            if self.log.get(*id).is_none() {
                continue;
            }
            if let Some(pending) = self.group.pending.get_mut(id) {
                pending.delivered_ms = now_ms;
                pending.deliveries += 1;
            }
        }
        ids
    }

    /// Acknowledges an entry: it is pending no more. False if it was not.
    pub fn ack(&mut self, id: StreamId) -> bool {
        self.group.release(id)
    }

    /// Makes the entry `id` pending for the consumer called `name`, under the conditions in `claim`. The consumer is
    /// made, and noted as seen, when it gets something.
    pub fn claim(&mut self, name: &[u8], id: StreamId, claim: &Claim, now_ms: u64) -> Claimed {
        if self.log.get(id).is_none() {
            self.group.release(id);
            return Claimed::Deleted;
        }
        let before = match self.group.pending.get(&id) {
            Some(pending) if claim.min_idle_ms > 0 && pending.idle_ms(now_ms) < claim.min_idle_ms => {
                return Claimed::No;
            }
            Some(pending) => pending.deliveries,
            // An entry forced into the list counts as delivered once before this claim.
            None if claim.force => 1,
            None => return Claimed::No,
        };
        let (consumer, _) = self.see(name, now_ms);
        let deliveries = claim.deliveries.unwrap_or(if claim.just_id { before } else { before.saturating_add(1) });
        let delivered_ms = claim.delivered_ms.map_or(now_ms, |at| at.min(now_ms));
        self.group.assign(id, Pending { consumer, delivered_ms, deliveries });
        Claimed::Yes
    }

    /// Sweeps the pending entries from `start` on and gives those idle for at least `min_idle_ms` to the consumer
    /// called `name`: at most `count` of them, looking at no more than ten times as many.
    pub fn auto_claim(
        &mut self,
        name: &[u8],
        start: StreamId,
        count: usize,
        min_idle_ms: u64,
        just_id: bool,
        now_ms: u64,
    ) -> AutoClaim {
        let claim = Claim { min_idle_ms, just_id, ..Claim::default() };
        let mut done = AutoClaim { next: StreamId::MIN, claimed: Vec::new(), deleted: Vec::new() };
        let mut at = Some(start);
        for _ in 0..count.saturating_mul(10) {
            if done.claimed.len() + done.deleted.len() >= count {
                break;
            }
            let Some(id) = at.and_then(|at| self.first_pending_from(at)) else { break };
            match self.claim(name, id, &claim, now_ms) {
                Claimed::Yes => done.claimed.push(id),
                Claimed::Deleted => done.deleted.push(id),
                Claimed::No => {}
            }
            at = id.next();
        }
        done.next = at.and_then(|at| self.first_pending_from(at)).unwrap_or(StreamId::MIN);
        done
    }

    fn first_pending_from(&self, start: StreamId) -> Option<StreamId> {
        self.group.pending.range(start..).next().map(|(id, _)| *id)
    }
}

impl std::ops::Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.account = *self.account + self.group.allocated_bytes() - self.before;
    }
}

/// Freshly delivered entries. Knows how many are left, as a reply's array header needs.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    entries: Range<'a>,
    left: usize,
}

impl<'a> Iterator for Delivery<'a> {
    type Item = super::Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        self.left -= 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Delivery<'_> {}
