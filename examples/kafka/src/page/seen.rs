//! What the page shows, as it is at one moment.

use bytestring::ByteString;

use crate::broker::Broker;
use crate::groups::{State, offsets};
use crate::traffic::{Counts, Rates};
use crate::transactions;

/// No page has more rows of one kind than this, and of groups it is the first ones that are shown: how many topics, groups
/// and offsets there are is the clients' affair.
pub(super) const ROWS: usize = 10_000;

/// A topic.
#[derive(Debug, Default)]
pub(super) struct TopicSeen {
    pub(super) name: ByteString,
    pub(super) partitions: usize,
    pub(super) stopped: usize,
    /// Offsets from the beginning to the end, of all partitions.
    pub(super) records: u64,
    pub(super) disk_bytes: u64,
    pub(super) counts: Counts,
    pub(super) rates: Rates,
}

/// How far a group has come in a partition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct OffsetSeen {
    pub(super) topic: ByteString,
    pub(super) partition: i32,
    pub(super) committed: i64,
    pub(super) end: i64,
}

impl OffsetSeen {
    /// Offsets that it has not read. Less than nothing is nothing: a topic may have been made again.
    pub(super) fn lag(&self) -> u64 {
        u64::try_from(self.end - self.committed).unwrap_or(0)
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct GroupSeen {
    pub(super) name: ByteString,
    pub(super) state: State,
    pub(super) generation: i32,
    pub(super) members: usize,
    pub(super) offsets: Vec<OffsetSeen>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) topics: Vec<TopicSeen>,
    pub(super) groups: Vec<GroupSeen>,
    /// Groups, and committed offsets, for which there was no room.
    pub(super) left_out: usize,
    pub(super) transactions: Vec<(&'static str, usize)>,
    /// For how long the oldest open transaction has been open.
    pub(super) oldest_ms: u64,
    /// Fetch sessions, and the partitions that they remember.
    pub(super) sessions: (usize, usize),
}

impl Seen {
    /// Looks. Reads the catalog, and so may wait for the disk.
    pub(super) fn look(broker: &Broker) -> xs_storage::Result<Seen> {
        let all = broker.topics.all();
        let mut seen = Seen { sessions: broker.sessions.count(), ..Seen::default() };
        for topic in all.iter().take(ROWS) {
            let mut row = TopicSeen {
                name: topic.name.clone(),
                partitions: topic.partitions.len(),
                counts: topic.traffic.counts(),
                rates: topic.traffic.rates(),
                ..TopicSeen::default()
            };
            for partition in &topic.partitions {
                let bounds = partition.bounds();
                row.records += bounds.high_watermark.0.saturating_sub(bounds.start.0);
                row.disk_bytes += partition.disk_bytes();
                row.stopped += usize::from(partition.stopped().is_some());
            }
            seen.topics.push(row);
        }
        seen.look_at_groups(broker)?;
        seen.look_at_transactions(broker);
        Ok(seen)
    }

    fn look_at_groups(&mut self, broker: &Broker) -> xs_storage::Result<()> {
        let catalog = broker.topics.catalog();
        let mut room = ROWS;
        let groups = broker.groups.each(|name, group| {
            Some(GroupSeen {
                name: name.clone(),
                state: group.state(),
                generation: group.generation(),
                members: group.members().len(),
                offsets: Vec::new(),
            })
        });
        for mut group in groups {
            if self.groups.len() == ROWS {
                self.left_out += 1;
                continue;
            }
            for ((topic, partition), offset) in offsets::of_group(&*catalog, &group.name)? {
                let there = broker.topics.get(&topic);
                let Some(there) = there.as_ref().and_then(|topic| topic.partition(partition)) else { continue };
                if room == 0 {
                    self.left_out += 1;
                    continue;
                }
                room -= 1;
                let end = there.bounds().high_watermark.0 as i64;
                group.offsets.push(OffsetSeen { topic, partition, committed: offset.offset, end });
            }
            self.groups.push(group);
        }
        Ok(())
    }

    fn look_at_transactions(&mut self, broker: &Broker) {
        let all = broker.transactions.each(|_, txn| Some((txn.state, txn.started_ms)));
        let count = |state| all.iter().filter(|(is, _)| *is == state).count();
        self.transactions = transactions::State::ALL.iter().map(|state| (state.name(), count(*state))).collect();
        let open = all.iter().filter(|(state, _)| *state == transactions::State::Ongoing);
        let oldest = open.map(|(_, started)| broker.now_ms().saturating_sub(*started)).max();
        self.oldest_ms = u64::try_from(oldest.unwrap_or(0)).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_ahead_of_the_end() {
        let at = |committed, end| OffsetSeen { committed, end, ..OffsetSeen::default() }.lag();
        assert_eq!((at(3, 10), at(10, 10), at(10, 0)), (7, 0, 0));
    }
}
