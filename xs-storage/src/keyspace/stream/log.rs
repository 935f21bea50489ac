//! The entries of a stream: closed nodes in an ordered map, the node being filled beside it.

use std::collections::{BTreeMap, btree_map};

use super::node::{self, Entries, Node};
use super::{AppendError, AppendId, Entry, NodeLimits, SetIdError, StreamId, Trim, TrimTo};

/// The most that one entry may take, names and values together.
pub(super) const ENTRY_MAX_BYTES: usize = 1 << 30;

#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    /// Full nodes by the identifier of their first entry.
    closed: BTreeMap<StreamId, Node>,
    /// The node that appends go to; younger than every closed one. Kept out of the map so that an append looks up nothing.
    tail: Option<Node>,
    pub(super) length: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) entries_added: u64,
    /// Bytes allocated by node data.
    data_bytes: usize,
}

impl Log {
    /// The identifier that `wanted` comes to, if it lies past the last one.
    fn next_id(&self, wanted: AppendId, now_ms: u64) -> Result<StreamId, AppendError> {
        let last = self.last_id;
        if last == StreamId::MAX {
            return Err(AppendError::Exhausted);
        }
        let id = match wanted {
            AppendId::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
            AppendId::Auto => last.next().ok_or(AppendError::Exhausted)?,
            AppendId::AutoSeq(ms) if ms == last.ms => {
                StreamId::new(ms, last.seq.checked_add(1).ok_or(AppendError::SequenceExhausted)?)
            }
            AppendId::AutoSeq(ms) => StreamId::new(ms, 0),
            AppendId::Exact(StreamId::MIN) => return Err(AppendError::Zero),
            AppendId::Exact(id) => id,
        };
        if id > last { Ok(id) } else { Err(AppendError::NotPastLast) }
    }

    pub(super) fn append<'f>(
        &mut self,
        wanted: AppendId,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: NodeLimits,
        now_ms: u64,
    ) -> Result<StreamId, AppendError> {
        let id = self.next_id(wanted, now_ms)?;
        let payload = node::payload(fields.clone());
        if payload > ENTRY_MAX_BYTES {
            return Err(AppendError::TooLarge);
        }
        let full = self.tail.as_ref().is_some_and(|tail| {
            (limits.max_entries != 0 && tail.count() >= limits.max_entries)
                || tail.len() + payload >= limits.effective_bytes()
        });
        if full {
            self.close_tail();
        }
        match &mut self.tail {
            Some(tail) => {
                let before = tail.capacity();
                tail.push(id, fields);
                self.data_bytes += tail.capacity() - before;
            }
            None => {
                let tail = self.tail.insert(Node::new(id, fields));
                self.data_bytes += tail.capacity();
            }
        }
        self.length += 1;
        self.entries_added += 1;
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    fn close_tail(&mut self) {
        if let Some(mut node) = self.tail.take() {
            self.data_bytes -= node.capacity();
            node.close();
            self.data_bytes += node.capacity();
            self.closed.insert(node.master, node);
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.closed.len() + usize::from(self.tail.is_some())
    }

    /// Live entries in `start..=end`, both ways.
    pub(super) fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let empty = start > end || self.length == 0 || start > self.last_id;
        let closed = if empty {
            btree_map::Range::default()
        } else {
            // The node that could hold `start` begins at or before it.
            let floor = self.closed.range(..=start).next_back().map_or(start, |(master, _)| *master);
            self.closed.range(floor..=end)
        };
        let tail = self.tail.as_ref().filter(|tail| !empty && tail.master <= end);
        Range { closed, tail, front: None, back: None, start, end }
    }

    /// The node whose span covers `id`.
    fn node_of(&self, id: StreamId) -> Option<&Node> {
        match &self.tail {
            Some(tail) if tail.master <= id => Some(tail),
            _ => self.closed.range(..=id).next_back().map(|(_, node)| node),
        }
    }

    pub(super) fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let slot = self.node_of(id)?.entries().find(|slot| slot.entry.id >= id)?;
        (slot.entry.id == id && !slot.deleted).then_some(slot.entry)
    }

    pub(super) fn delete(&mut self, ids: &[StreamId]) -> u64 {
        let (mut deleted, mut first_gone) = (0, false);
        for &id in ids {
            if !self.delete_one(id) {
                continue;
            }
            deleted += 1;
            first_gone |= id == self.first_id;
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        if self.length == 0 || first_gone {
            self.refresh_first();
        }
        deleted
    }

    fn delete_one(&mut self, id: StreamId) -> bool {
        let in_tail = self.tail.as_ref().is_some_and(|tail| tail.master <= id);
        let node =
            if in_tail { self.tail.as_mut() } else { self.closed.range_mut(..=id).next_back().map(|(_, node)| node) };
        let Some(node) = node else { return false };
        if !node.delete(id) {
            return false;
        }
        self.length -= 1;
        if node.live == 0 {
            self.data_bytes -= node.capacity();
            let master = node.master;
            if in_tail {
                self.tail = None;
            } else {
                self.closed.remove(&master);
            }
        }
        true
    }

    fn refresh_first(&mut self) {
        self.first_id = self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id);
    }

    pub(super) fn trim(&mut self, trim: Trim) -> u64 {
        let mut deleted = 0;
        while let Some(node) = self.first_node() {
            let live = u64::from(node.live);
            let whole = match trim.to {
                TrimTo::MaxLen(max) if self.length <= max => break,
                TrimTo::MaxLen(max) => self.length - live >= max,
                TrimTo::MinId(min) => node.last_id() < min,
            };
            if trim.limit.is_some_and(|limit| deleted + live > limit) {
                break;
            }
            if whole {
                self.drop_first_node();
                self.length -= live;
                deleted += live;
                continue;
            }
            if trim.approximate {
                break;
            }
            let surplus = match trim.to {
                TrimTo::MaxLen(max) => self.length - max,
                TrimTo::MinId(_) => u64::MAX,
            };
            let mut left = surplus;
            let doomed = |id: StreamId| {
                let dead = match trim.to {
                    TrimTo::MaxLen(_) => left > 0,
                    TrimTo::MinId(min) => id < min,
                };
                left -= u64::from(dead);
                dead
            };
            let node = match self.closed.first_entry() {
                Some(first) => Some(first.into_mut()),
                None => self.tail.as_mut(),
            };
            let marked = node.map_or(0, |node| node.trim(doomed)) as u64;
            self.length -= marked;
            deleted += marked;
            // The last entry of a node may be a tombstone past `min` while every live one was before it.
            if self.first_node().is_some_and(|node| node.live == 0) {
                self.drop_first_node();
                continue;
            }
            break;
        }
        if deleted > 0 {
            self.refresh_first();
        }
        deleted
    }

    fn first_node(&self) -> Option<&Node> {
        self.closed.first_key_value().map(|(_, node)| node).or(self.tail.as_ref())
    }

    fn drop_first_node(&mut self) {
        let node = match self.closed.pop_first() {
            Some((_, node)) => Some(node),
            None => self.tail.take(),
        };
        self.data_bytes -= node.map_or(0, |node| node.capacity());
    }

    pub(super) fn set_last_id(
        &mut self,
        id: StreamId,
        entries_added: Option<u64>,
        max_deleted: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        if max_deleted.is_some_and(|max_deleted| id < max_deleted) {
            return Err(SetIdError::BelowMaxDeleted);
        }
        if let Some(top) = self.range(StreamId::MIN, StreamId::MAX).next_back() {
            if id < top.id {
                return Err(SetIdError::BelowTop);
            }
            if entries_added.is_some_and(|added| added < self.length) {
                return Err(SetIdError::AddedBelowLength);
            }
        }
        // Moved back below tombstones in the tail, the next entry must not land in that node: order inside a node is
        // order of identifiers.
        if self.tail.as_ref().is_some_and(|tail| tail.last_id() > id) {
            self.close_tail();
        }
        self.last_id = id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        if let Some(max_deleted) = max_deleted.filter(|id| *id != StreamId::MIN) {
            self.max_deleted_id = max_deleted;
        }
        Ok(())
    }

    /// Whether a deleted entry lies at or after `start`, as far as the three remembered identifiers can tell.
    pub(super) fn tombstones_from(&self, start: StreamId) -> bool {
        self.length > 0
            && self.max_deleted_id != StreamId::MIN
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were ever added up to and including `id`; `None` when the counters cannot tell.
    pub(super) fn entries_read_at(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.length == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let whole_ahead = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        let before_first = self.entries_added - self.length;
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if whole_ahead => Some(before_first),
            std::cmp::Ordering::Equal if whole_ahead => Some(before_first + 1),
            _ => None,
        }
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        // A map of wide values keeps its leaves about two thirds full.
        self.data_bytes + self.closed.len() * size_of::<(StreamId, Node)>() * 3 / 2
    }
}

/// The live entries of an interval, in order, from either end.
#[derive(Debug, Clone)]
pub struct Range<'a> {
    closed: btree_map::Range<'a, StreamId, Node>,
    tail: Option<&'a Node>,
    front: Option<Entries<'a>>,
    back: Option<Entries<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(entries) = &mut self.front else {
                let node = self.closed.next().map(|(_, node)| node).or_else(|| self.tail.take());
                // With no node left in the middle, what remains is what the other end has open.
                self.front = Some(node.map(Node::entries).or_else(|| self.back.take())?);
                continue;
            };
            let Some(slot) = entries.next() else {
                self.front = None;
                continue;
            };
            // Only a live entry says where the stream has got to: tombstones may outlive a position set back.
            if slot.deleted || slot.entry.id < self.start {
                continue;
            }
            if slot.entry.id > self.end {
                *self = self.exhausted();
                return None;
            }
            return Some(slot.entry);
        }
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            let Some(entries) = &mut self.back else {
                let node = self.tail.take().or_else(|| self.closed.next_back().map(|(_, node)| node));
                self.back = Some(node.map(Node::entries).or_else(|| self.front.take())?);
                continue;
            };
            let Some(slot) = entries.next_back() else {
                self.back = None;
                continue;
            };
            if slot.deleted || slot.entry.id > self.end {
                continue;
            }
            if slot.entry.id < self.start {
                *self = self.exhausted();
                return None;
            }
            return Some(slot.entry);
        }
    }
}

impl Range<'_> {
    fn exhausted(&self) -> Self {
        Range { closed: btree_map::Range::default(), tail: None, front: None, back: None, ..*self }
    }
}
