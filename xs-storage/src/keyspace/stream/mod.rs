//! An append-only log of small records with consumer groups: the value behind Redis' `X…` commands.
//!
//! # The problem
//!
//! A stream is three things at once. It is a log that is written at one end, several hundred thousand times a second,
//! with records that mostly repeat the same field names. It is a time series that is read by intervals of identifiers,
//! from either end. And it is a work queue, where every record goes to one of several consumers, and somebody has to
//! know who has it until it is done.
//!
//! # How it works
//!
//! Entries live in **packed nodes** of up to 100 entries or 4 KiB ([`NodeLimits`]). A node stores the field names of its
//! first entry once, and every identifier as a difference to its first one; a typical entry costs its values and five
//! bytes or so. The node being filled stands beside the others, so that an append touches no index:
//!
//! ```text
//!                    closed nodes: an ordered map                      the tail
//!    1-0 ┌──────────────┐   7-0 ┌──────────────┐   9-3 ┌──────────────┐   12-0 ┌────────┬─ ─ ─
//!        │1-0 1-1 ✗2-0..│       │7-0 8-0 8-1 ..│       │9-3 9-4 ..    │        │12-0 .. │◀── append
//!        └──────────────┘       └──────────────┘       └──────────────┘        └────────┴─ ─ ─
//!          ▲ trim eats from here                          ▲ group "mail": last_id 9-3
//!                                                           pending 7-0 → ann, 8-1 → bob, 9-3 → ann
//! ```
//!
//! Deleting an entry sets a flag in its bytes, and a node is dropped with its last live entry. Trimming drops whole
//! nodes from the front, and, unless it is approximate, marks entries in the node that is left.
//!
//! A **group** remembers how far it has read and what is **pending**: delivered, not acknowledged. Each pending entry
//! is in the group's list, with owner, time and number of deliveries, and in its consumer's set of identifiers. Reading
//! new entries, acknowledging, and claiming for somebody else move entries between the two; the stream itself is not
//! touched, so an entry may be deleted while it is pending.
//!
//! A group's *lag* is how many entries it has yet to read. Counting them would be slow, so the stream counts every
//! append and a group counts every delivery, and the lag is the difference, as long as no deleted entry lies ahead.
//! When one does, [`Stream::lag`] says that it does not know.
//!
//! # Invariants
//!
//! - Identifiers only grow: an append at or before the last one is refused ([`AppendError::NotPastLast`]), even if
//!   everything was deleted since. Enforced in one place, `Log::next_id`.
//! - No node is without a live entry (`delete_one`, `trim`), so the first node holds the first entry.
//! - An entry is in the group's pending list exactly when it is in the set of exactly one consumer, the one that the
//!   list names (`Group::assign`, `release`, `delete_consumer`; checked against a model by a property test).
//! - `len` is the number of live entries, and `allocated_bytes` the sum over the nodes, however they came and went
//!   (the same test).
//!
//! # Cost
//!
//! With n nodes, m entries to a node and p pending entries: append O(1) amortised, about 60 ns for one short field; range
//! O(log n + m) to start and about 30 ns an entry after that, in both directions; get and delete O(log n + m), under a
//! microsecond; trim O(1) a dropped node; delivery, acknowledgement and claim O(log p) each, 100 to 500 ns. An entry of
//! one field with a 3-byte value takes under 11 bytes, all told.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::stream::{AppendId, NodeLimits, Stream, StreamId};
//!
//! let (limits, now) = (NodeLimits::default(), 1_000);
//! let mut mail = Stream::new();
//! mail.append(AppendId::Auto, [(&b"to"[..], &b"ann"[..])], limits, now)?;
//! mail.append(AppendId::Auto, [(&b"to"[..], &b"bob"[..])], limits, now)?;
//!
//! mail.create_group(b"senders", StreamId::MIN, None);
//! let mut group = mail.group_mut(b"senders").unwrap();
//! let (worker, _) = group.see(b"worker-1", now);
//! let ids: Vec<String> = group.read_new(worker, None, false, now).map(|entry| entry.id.to_string()).collect();
//! assert_eq!(ids, ["1000-0", "1000-1"]);
//! assert!(group.ack(StreamId::new(1000, 0)));
//! assert_eq!(group.pending_len(), 1);
//! # Ok::<(), xs_storage::keyspace::stream::AppendError>(())
//! ```
//!
//! # How others do it
//!
//! Redis keeps the same nodes as listpacks under a radix tree keyed by the 128-bit identifier; here an ordered map does,
//! since there are a hundred times fewer nodes than entries. Kafka keeps a log in segment files with a sparse index and
//! one *offset* a group: no list of pending entries, hence no redelivery of a single record. NATS JetStream and Pulsar
//! keep per-message acknowledgements, as Redis does, with bitmaps of ranges where they are dense.
//!
//! # What this leaves out
//!
//! Blocking reads (the server waits, the stream does not), persistence, and compaction of a node in which most entries
//! are tombstones: it waits until the last one goes.
//!
//! # Try next
//!
//! Replace a group's pending map by a sorted vector with a bitmap of acknowledged entries, and measure a group that is
//! a million entries behind.
//!
//! # Sources
//!
//! The Redis documentation of streams and the `XADD` family, 7.0; M. Kleppmann, *Designing Data-Intensive
//! Applications*, ch. 11, for logs as queues.

mod group;
mod id;
mod log;
mod node;
#[cfg(all(test, not(xs_loom)))]
mod tests;

use std::collections::BTreeMap;

pub use group::{AutoClaim, Claim, Claimed, Consumer, ConsumerId, Delivery, Group, GroupMut, Pending};
pub use id::{AppendId, IdBound, StreamId};
pub use log::Range;
pub use node::{Entry, Fields};

use log::Log;

/// How large a node may grow. Zero means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// `stream-node-max-bytes`.
    pub max_bytes: usize,
    /// `stream-node-max-entries`, counting deleted ones.
    pub max_entries: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        NodeLimits { max_bytes: 4096, max_entries: 100 }
    }
}

impl NodeLimits {
    fn effective_bytes(self) -> usize {
        match self.max_bytes {
            0 => log::ENTRY_MAX_BYTES,
            bytes => bytes.min(log::ENTRY_MAX_BYTES),
        }
    }
}

/// Why an entry was not appended. The texts are those of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// `0-0` is no entry's identifier.
    #[error("The ID specified in XADD must be greater than 0-0")]
    Zero,
    /// The identifier is not past the last one.
    #[error("The ID specified in XADD is equal or smaller than the target stream top item")]
    NotPastLast,
    /// The largest identifier is in use.
    #[error("The stream has exhausted the last possible ID, unable to add more items")]
    Exhausted,
    /// The millisecond of `ms-*` has no sequence number left. (Redis answers with this text.)
    #[error("Elements are too large to be stored")]
    SequenceExhausted,
    /// Names and values take more than 1 GiB.
    #[error("Elements are too large to be stored")]
    TooLarge,
}

/// Why the last identifier was not set. The texts are those of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetIdError {
    /// Below an entry that exists.
    #[error("The ID specified in XSETID is smaller than the target stream top item")]
    BelowTop,
    /// Below the largest deleted identifier given with it.
    #[error("The ID specified in XSETID is smaller than the provided max_deleted_entry_id")]
    BelowMaxDeleted,
    /// Fewer entries added than there are.
    #[error("The entries_added specified in XSETID is smaller than the target stream length")]
    AddedBelowLength,
}

/// What trimming leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTo {
    /// This many of the youngest entries.
    MaxLen(u64),
    /// The entries from this identifier on.
    MinId(StreamId),
}

/// How to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// What is to be left.
    pub to: TrimTo,
    /// `~`: drop whole nodes only and leave what that leaves.
    pub approximate: bool,
    /// The most entries to remove, `None` for as many as it takes.
    pub limit: Option<u64>,
}

impl Trim {
    /// Exactly to this.
    pub fn exact(to: TrimTo) -> Trim {
        Trim { to, approximate: false, limit: None }
    }

    /// `~` without a `LIMIT`: whole nodes, and no more than a hundred full ones at a time.
    pub fn approximate(to: TrimTo, limits: NodeLimits) -> Trim {
        let limit = match limits.max_entries {
            0 => 10_000,
            entries => (entries as u64).saturating_mul(100).min(1_000_000),
        };
        Trim { to, approximate: true, limit: Some(limit) }
    }
}

/// A stream: entries in order of their identifiers, and the groups that read them.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Bytes of the groups' contents.
    group_bytes: usize,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.log.length
    }

    /// Whether there are none. An empty stream still has its last identifier and its groups.
    pub fn is_empty(&self) -> bool {
        self.log.length == 0
    }

    /// The identifier of the first entry; [`StreamId::MIN`] when there is none.
    pub fn first_id(&self) -> StreamId {
        self.log.first_id
    }

    /// The largest identifier ever given out, whether or not its entry still exists.
    pub fn last_id(&self) -> StreamId {
        self.log.last_id
    }

    /// The largest identifier ever deleted by [`Stream::delete`].
    pub fn max_deleted_id(&self) -> StreamId {
        self.log.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.log.entries_added
    }

    /// How many packed nodes hold the entries.
    pub fn nodes(&self) -> usize {
        self.log.nodes()
    }

    /// Appends an entry and returns its identifier.
    pub fn append<'f, I>(
        &mut self,
        id: AppendId,
        fields: I,
        limits: NodeLimits,
        now_ms: u64,
    ) -> Result<StreamId, AppendError>
    where
        I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
        I::IntoIter: Clone,
    {
        self.log.append(id, fields.into_iter(), limits, now_ms)
    }

    /// The entries in `start..=end`, in order. `.rev()` runs from the end; an inverted interval is empty.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        self.log.range(start, end)
    }

    /// The entry with this identifier.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.log.get(id)
    }

    /// The last entry.
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next_back()
    }

    /// Deletes entries; returns how many there were to delete.
    pub fn delete(&mut self, ids: &[StreamId]) -> u64 {
        self.log.delete(ids)
    }

    /// Removes entries from the front; returns how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        self.log.trim(trim)
    }

    /// Sets the last identifier, and, where given, the counters beside it.
    pub fn set_last_id(
        &mut self,
        id: StreamId,
        entries_added: Option<u64>,
        max_deleted: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        self.log.set_last_id(id, entries_added, max_deleted)
    }

    /// Makes a group that has read up to `last_id`. False if there is one of that name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let group = Group::new(last_id, entries_read);
        self.group_bytes += name.len() + group.allocated_bytes();
        self.groups.insert(name.into(), group);
        true
    }

    /// Forgets a group and all that is pending in it. False if there is none of that name.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.group_bytes -= name.len() + group.allocated_bytes();
        true
    }

    /// The groups, in order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&name[..], group))
    }

    /// The group called `name`.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group called `name`, to read or change through.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let group = self.groups.get_mut(name)?;
        Some(GroupMut::new(&self.log, group, &mut self.group_bytes))
    }

    /// How many entries the group has yet to read; `None` when deleted entries ahead make the counters useless.
    ///
    /// Negative when somebody set the counters so.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let log = &self.log;
        if log.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !log.tombstones_from(group.last_id) => read,
            _ => log.entries_read_at(group.last_id)?,
        };
        Some(log.entries_added.wrapping_sub(read) as i64)
    }

    /// An estimate of the heap bytes in use, in constant time.
    pub fn allocated_bytes(&self) -> usize {
        self.log.allocated_bytes() + self.group_bytes + self.groups.len() * size_of::<(Box<[u8]>, Group)>() * 3 / 2
    }
}
