//! A group's entry in the catalog.

use std::time::Duration;

use super::{Client, Kept, KeptMember};
use crate::entry::{EntryError, EntryReader, EntryWriter};

const PREFIX: &[u8] = b"group/";

/// The keys of all groups begin so.
pub(crate) fn all() -> &'static [u8] {
    PREFIX
}

pub(crate) fn key(group: &str) -> Vec<u8> {
    [PREFIX, group.as_bytes()].concat()
}

/// The group that a key is of.
pub(crate) fn name(key: &[u8]) -> Result<bytestring::ByteString, EntryError> {
    let name = key.strip_prefix(PREFIX).ok_or(EntryError::Short)?;
    std::str::from_utf8(name).map(Into::into).map_err(|_| EntryError::Text)
}

/// The group, and when it was stored, in milliseconds since 1970.
pub(crate) fn write(kept: &Kept, now_ms: i64) -> Vec<u8> {
    let entry = EntryWriter::new(&[0]).i64(now_ms).i32(kept.generation);
    let entry = entry.option(kept.protocol_type.as_deref()).option(kept.protocol.as_deref());
    let entry = entry.option(kept.leader.as_deref()).i32(kept.members.len() as i32);
    let add = |entry: EntryWriter, member: &KeptMember| {
        let entry = entry.string(&member.id).option(member.instance.as_deref());
        let entry = entry.string(&member.client.id).string(&member.client.host);
        let entry = entry.i64(member.session.as_millis() as i64).i64(member.rebalance.as_millis() as i64);
        entry.bytes(&member.metadata).bytes(&member.assignment)
    };
    kept.members.iter().fold(entry, add).done()
}

pub(crate) fn read(entry: &[u8]) -> Result<(Kept, i64), EntryError> {
    let mut reader = EntryReader::new(entry);
    match reader.i8()? {
        0 => {}
        other => return Err(EntryError::Value(other.into(), "version")),
    }
    let stored_ms = reader.i64()?;
    let mut kept = Kept {
        generation: reader.i32()?,
        protocol_type: reader.option()?,
        protocol: reader.option()?,
        leader: reader.option()?,
        members: Vec::new(),
    };
    let millis = |number: i64| u64::try_from(number).map(Duration::from_millis);
    for _ in 0..reader.i32()? {
        kept.members.push(KeptMember {
            id: reader.string()?,
            instance: reader.option()?,
            client: Client { id: reader.string()?, host: reader.string()? },
            session: reader.i64().map(millis)?.map_err(|_| EntryError::Value(-1, "duration"))?,
            rebalance: reader.i64().map(millis)?.map_err(|_| EntryError::Value(-1, "duration"))?,
            metadata: reader.bytes()?,
            assignment: reader.bytes()?,
        });
    }
    reader.end()?;
    Ok((kept, stored_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let member = KeptMember {
            id: "m".into(),
            instance: Some("i".into()),
            client: Client { id: "c".into(), host: "/127.0.0.1".into() },
            session: Duration::from_secs(10),
            rebalance: Duration::from_millis(1),
            metadata: "said".into(),
            assignment: "read".into(),
        };
        let kept = Kept {
            generation: 3,
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            leader: Some("m".into()),
            members: vec![member.clone(), KeptMember { instance: None, ..member }],
        };
        let entry = write(&kept, 7);
        assert_eq!(read(&entry), Ok((kept, 7)));
        assert_eq!(read(&write(&Kept::default(), 8)), Ok((Kept::default(), 8)));
        assert!((0..entry.len()).all(|len| read(&entry[..len]).is_err()));
        assert_eq!(name(&key("a/b")).as_deref(), Ok("a/b"));
    }
}
