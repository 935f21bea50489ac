//! How far groups have come: entries of the catalog.
//!
//! ```text
//!   offset/      group, topic, partition             ─▶ offset, leader epoch, metadata, when
//!   txn-offset/  group, producer, topic, partition   ─▶ the same, for as long as the transaction is open
//! ```
//!
//! The end of a transaction moves or removes its entries in the batch that says that it has ended.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use xs_storage::Result;
use xs_storage::engine::{KeyRange, ReadView, WriteBatch};

use crate::entry::{EntryError, EntryReader, EntryWriter};

const COMMITTED: &[u8] = b"offset/";
const PENDING: &[u8] = b"txn-offset/";

/// A place in a partition that a group has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: ByteString,
    pub(crate) committed_ms: i64,
    /// When it is forgotten, if the client said so: since Kafka 2.1 none does.
    pub(crate) expires_ms: Option<i64>,
}

/// A topic's name, and a partition.
pub(crate) type At = (ByteString, i32);

impl Offset {
    fn write(&self) -> Vec<u8> {
        let entry = EntryWriter::new(&[u8::from(self.expires_ms.is_some())]).i64(self.offset).i32(self.leader_epoch);
        let entry = entry.string(&self.metadata).i64(self.committed_ms);
        match self.expires_ms {
            Some(expires_ms) => entry.i64(expires_ms).done(),
            None => entry.done(),
        }
    }

    fn read(entry: &[u8]) -> std::result::Result<Offset, EntryError> {
        let mut reader = EntryReader::new(entry);
        let version = match reader.i8()? {
            version @ (0 | 1) => version,
            other => return Err(EntryError::Value(other.into(), "version")),
        };
        let offset = Offset {
            offset: reader.i64()?,
            leader_epoch: reader.i32()?,
            metadata: reader.string()?,
            committed_ms: reader.i64()?,
            expires_ms: if version == 1 { Some(reader.i64()?) } else { None },
        };
        reader.end()?;
        Ok(offset)
    }
}

fn committed(group: &str) -> EntryWriter {
    EntryWriter::new(COMMITTED).string(group)
}

fn key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    committed(group).string(topic).i32(partition).done()
}

fn pending(group: &str) -> EntryWriter {
    EntryWriter::new(PENDING).string(group)
}

/// Adds an offset to what is to be written.
pub(crate) fn commit(batch: &mut WriteBatch, group: &str, (topic, partition): &At, offset: &Offset) {
    batch.put(&key(group, topic, *partition), &offset.write());
}

/// Takes an offset back.
pub(crate) fn remove(batch: &mut WriteBatch, group: &str, (topic, partition): &At) {
    batch.delete(&key(group, topic, *partition));
}

/// Adds an offset of a transaction.
pub(crate) fn commit_later(
    batch: &mut WriteBatch,
    group: &str,
    producer: i64,
    (topic, partition): &At,
    offset: &Offset,
) {
    batch.put(&pending(group).i64(producer).string(topic).i32(*partition).done(), &offset.write());
}

/// Ends what a producer has pending in a group: its offsets count, or are gone.
pub(crate) fn end(
    view: &dyn ReadView,
    batch: &mut WriteBatch,
    group: &str,
    producer: i64,
    commits: bool,
) -> Result<()> {
    let prefix = pending(group).i64(producer).done();
    let mut cursor = view.cursor(KeyRange::prefix(&prefix))?;
    while cursor.next()? {
        if commits {
            let at = read_at(&cursor.key()[prefix.len()..])?;
            batch.put(&key(group, &at.0, at.1), cursor.value()?);
        }
        batch.delete(cursor.key());
    }
    Ok(())
}

fn read_at(key: &[u8]) -> std::result::Result<At, EntryError> {
    let mut reader = EntryReader::new(key);
    let at = (reader.string()?, reader.i32()?);
    reader.end()?;
    Ok(at)
}

/// One offset of a group.
pub(crate) fn get(view: &dyn ReadView, group: &str, topic: &str, partition: i32) -> Result<Option<Offset>> {
    let entry = view.get(&key(group, topic, partition))?;
    entry.map(|entry| Offset::read(&entry).map_err(Into::into)).transpose()
}

/// All offsets of a group.
pub(crate) fn of_group(view: &dyn ReadView, group: &str) -> Result<BTreeMap<At, Offset>> {
    let prefix = committed(group).done();
    let mut cursor = view.cursor(KeyRange::prefix(&prefix))?;
    let mut all = BTreeMap::new();
    while cursor.next()? {
        all.insert(read_at(&cursor.key()[prefix.len()..])?, Offset::read(cursor.value()?)?);
    }
    Ok(all)
}

/// Where a transaction that is open may still move a group.
pub(crate) fn unstable(view: &dyn ReadView, group: &str) -> Result<BTreeSet<At>> {
    let prefix = pending(group).done();
    let mut cursor = view.cursor(KeyRange::prefix(&prefix))?;
    let mut all = BTreeSet::new();
    while cursor.next()? {
        let producer = size_of::<i64>();
        let at = cursor.key().get(prefix.len() + producer..).ok_or(EntryError::Short)?;
        all.insert(read_at(at)?);
    }
    Ok(all)
}

/// Forgets all offsets in a topic, of every group.
pub(crate) fn forget_topic(view: &dyn ReadView, batch: &mut WriteBatch, topic: &str) -> Result<()> {
    for (prefix, producer) in [(COMMITTED, 0), (PENDING, size_of::<i64>())] {
        let mut cursor = view.cursor(KeyRange::prefix(prefix))?;
        while cursor.next()? {
            let mut reader = EntryReader::new(&cursor.key()[prefix.len()..]);
            reader.string()?;
            if producer > 0 {
                reader.i64()?;
            }
            if reader.string()? == topic {
                batch.delete(cursor.key());
            }
        }
    }
    Ok(())
}

/// Forgets a group with all that it has committed.
pub(crate) fn forget_group(batch: &mut WriteBatch, view: &dyn ReadView, group: &str) -> Result<()> {
    for prefix in [committed(group).done(), pending(group).done()] {
        let mut cursor = view.cursor(KeyRange::prefix(&prefix))?;
        while cursor.next()? {
            batch.delete(cursor.key());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xs_storage::engine::{Durability, Engine, MemoryEngine};

    use super::*;

    fn offset(offset: i64) -> Offset {
        Offset {
            offset,
            leader_epoch: -1,
            metadata: "said".into(),
            committed_ms: 1,
            expires_ms: (offset % 2 == 0).then_some(2),
        }
    }

    fn at(topic: &str, partition: i32) -> At {
        (topic.into(), partition)
    }

    fn write(engine: &MemoryEngine, fill: impl FnOnce(&mut WriteBatch)) {
        let mut batch = WriteBatch::new();
        fill(&mut batch);
        engine.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    }

    #[test]
    fn groups_and_topics_with_names_in_each_other_stay_apart() {
        let engine = MemoryEngine::new();
        write(&engine, |batch| {
            commit(batch, "g", &at("t", 0), &offset(1));
            commit(batch, "gt", &at("t", 0), &offset(2));
            commit(batch, "g", &at("tt", 1), &offset(3));
        });
        let all = of_group(&engine, "g").unwrap();
        assert_eq!(
            all.into_iter().map(|(at, o)| (at, o.offset)).collect::<Vec<_>>(),
            [(at("t", 0), 1), (at("tt", 1), 3)]
        );
        write(&engine, |batch| forget_topic(&engine, batch, "t").unwrap());
        assert_eq!(get(&engine, "g", "t", 0).unwrap(), None);
        assert_eq!(get(&engine, "gt", "t", 0).unwrap(), None);
        assert_eq!(get(&engine, "g", "tt", 1).unwrap(), Some(offset(3)));
        write(&engine, |batch| forget_group(batch, &engine, "g").unwrap());
        assert!(of_group(&engine, "g").unwrap().is_empty());
    }

    #[test]
    fn a_transactions_offsets_count_when_it_ends_well() {
        let engine = MemoryEngine::new();
        write(&engine, |batch| {
            commit(batch, "g", &at("t", 0), &offset(1));
            commit_later(batch, "g", 7, &at("t", 0), &offset(10));
            commit_later(batch, "g", 8, &at("t", 1), &offset(20));
        });
        assert_eq!(get(&engine, "g", "t", 0).unwrap(), Some(offset(1)));
        assert_eq!(unstable(&engine, "g").unwrap(), [at("t", 0), at("t", 1)].into());
        write(&engine, |batch| end(&engine, batch, "g", 7, true).unwrap());
        write(&engine, |batch| end(&engine, batch, "g", 8, false).unwrap());
        assert_eq!(get(&engine, "g", "t", 0).unwrap(), Some(offset(10)));
        assert_eq!(get(&engine, "g", "t", 1).unwrap(), None);
        assert!(unstable(&engine, "g").unwrap().is_empty());
    }
}
