//! A transaction's entry in the catalog.

use bytestring::ByteString;

use super::{State, Transaction};
use crate::entry::{EntryError, EntryReader, EntryWriter};

/// The keys of all transactions begin so.
pub(super) const PREFIX: &[u8] = b"transaction/";

pub(super) fn key(id: &str) -> Vec<u8> {
    [PREFIX, id.as_bytes()].concat()
}

pub(super) fn id(key: &[u8]) -> Result<ByteString, EntryError> {
    let id = key.strip_prefix(PREFIX).ok_or(EntryError::Short)?;
    std::str::from_utf8(id).map(Into::into).map_err(|_| EntryError::Text)
}

pub(super) fn write(txn: &Transaction) -> Vec<u8> {
    let state = State::ALL.iter().position(|state| *state == txn.state).unwrap_or_default();
    let mut entry = EntryWriter::new(&[0])
        .i64(txn.producer)
        .i16(txn.epoch)
        .i64(txn.last.0)
        .i16(txn.last.1)
        .i32(txn.timeout_ms)
        .i8(state as i8)
        .i64(txn.started_ms)
        .i64(txn.updated_ms)
        .i32(txn.partitions.len() as i32);
    for (topic, partition) in &txn.partitions {
        entry = entry.string(topic).i32(*partition);
    }
    entry = entry.i32(txn.groups.len() as i32);
    txn.groups.iter().fold(entry, |entry, group| entry.string(group)).done()
}

pub(super) fn read(entry: &[u8]) -> Result<Transaction, EntryError> {
    let mut reader = EntryReader::new(entry);
    match reader.i8()? {
        0 => {}
        other => return Err(EntryError::Value(other.into(), "version")),
    }
    let mut txn = Transaction::new(reader.i64()?, 0);
    txn.epoch = reader.i16()?;
    txn.last = (reader.i64()?, reader.i16()?);
    txn.timeout_ms = reader.i32()?;
    let state = reader.i8()?;
    let known = usize::try_from(state).ok().and_then(|state| State::ALL.get(state));
    txn.state = *known.ok_or(EntryError::Value(state.into(), "state"))?;
    (txn.started_ms, txn.updated_ms) = (reader.i64()?, reader.i64()?);
    for _ in 0..reader.i32()? {
        txn.partitions.insert((reader.string()?, reader.i32()?));
    }
    for _ in 0..reader.i32()? {
        txn.groups.insert(reader.string()?);
    }
    reader.end()?;
    Ok(txn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        for state in State::ALL {
            let txn = Transaction {
                epoch: 3,
                last: (6, 2),
                timeout_ms: 60_000,
                state,
                partitions: [("t".into(), 0), ("t".into(), 1)].into(),
                groups: ["g".into()].into(),
                started_ms: 4,
                ..Transaction::new(7, 5)
            };
            let entry = write(&txn);
            assert_eq!(read(&entry), Ok(txn));
            assert!((0..entry.len()).all(|len| read(&entry[..len]).is_err()));
        }
        assert_eq!(id(&key("id")).as_deref(), Ok("id"));
    }
}
