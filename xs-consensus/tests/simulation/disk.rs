//! A node's log on a disk: one file of checksummed records, written again whole at every start.
//!
//! It is as simple as can be and right: what a crash tore off at the end was never synced, so it was never promised; and
//! a file whose sync has failed is not trusted again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_consensus::raft::{
    Bounds, Entry, HardState, Index, LogView, Lookup, Membership, NodeId, Payload, SnapshotMeta, Term,
};
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::common::bytes::{Reader, Writer};

const PATH: &str = "raft";

/// What is durable, in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct DiskLog {
    before: (Index, Term),
    /// The membership in force at `before`.
    pub(crate) front: Membership,
    entries: Vec<Entry>,
    pub(crate) snapshot: Option<(SnapshotMeta, Bytes)>,
    pub(crate) hard_state: HardState,
}

/// What a record says.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    HardState(HardState),
    Entries(Vec<Entry>),
    /// A snapshot came from elsewhere: the log begins behind it.
    Install(SnapshotMeta, Bytes),
    /// A snapshot was made: the log begins behind `before`.
    Compact(SnapshotMeta, Bytes, (Index, Term), Membership),
}

impl DiskLog {
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::HardState(state) => self.hard_state = state,
            Record::Entries(entries) => {
                let Some(first) = entries.first() else { return };
                self.entries.truncate(first.index.0.saturating_sub(self.before.0.0 + 1) as usize);
                self.entries.extend(entries);
            }
            Record::Install(meta, data) => {
                self.before = (meta.index, meta.term);
                self.front = (*meta.membership).clone();
                self.entries.clear();
                self.snapshot = Some((meta, data));
            }
            Record::Compact(meta, data, before, front) => {
                self.entries.drain(..(before.0.0 - self.before.0.0) as usize);
                self.before = before;
                self.front = front;
                self.snapshot = Some((meta, data));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The records that make this log out of nothing.
    fn records(&self) -> Vec<Record> {
        let mut records = vec![Record::HardState(self.hard_state)];
        if let Some((meta, data)) = &self.snapshot {
            // The entries between the front and the snapshot are kept by a front of their own.
            let meta = meta.clone();
            records.push(Record::Compact(meta, data.clone(), self.before, self.front.clone()));
        }
        records.push(Record::Entries(self.entries.clone()));
        records
    }
}

impl LogView for DiskLog {
    fn bounds(&self) -> Bounds {
        let last = self.entries.last().map_or(self.before, |entry| (entry.index, entry.term));
        Bounds { before: self.before, last }
    }

    fn term(&self, index: Index) -> Lookup<Term> {
        if index == self.before.0 {
            return Lookup::Found(self.before.1);
        }
        let place = index.0.checked_sub(self.before.0.0 + 1);
        let entry = place.and_then(|place| self.entries.get(place as usize));
        entry.map_or(Lookup::Compacted, |entry| Lookup::Found(entry.term))
    }

    fn entries(&self, from: Index, to: Index, max_bytes: usize, into: &mut Vec<Entry>) -> Lookup<()> {
        let Some(place) = from.0.checked_sub(self.before.0.0 + 1) else { return Lookup::Compacted };
        let mut bytes = 0;
        for entry in self.entries.iter().skip(place as usize).take_while(|entry| entry.index <= to) {
            bytes += entry.size();
            if bytes > max_bytes && entry.index > from {
                break;
            }
            into.push(entry.clone());
        }
        Lookup::Found(())
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        self.snapshot.as_ref().map(|(meta, _)| meta.clone())
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct Store {
    file: Arc<dyn File>,
    end: u64,
}

impl Store {
    /// What is on the disk, and the file to go on with.
    pub(crate) fn open(disk: &FaultyVfs, front: Membership) -> io::Result<(Store, DiskLog)> {
        let bytes = match disk.read(Path::new(PATH), 1 << 30) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut log = DiskLog { front, ..DiskLog::default() };
        let mut rest = &bytes[..];
        while let Some((record, behind)) = decode(rest) {
            // The first record of a file that was written anew replaces everything.
            if let (Record::Compact(_, _, before, _), 0) = (&record, log.entries.len()) {
                log.before = *before;
            }
            log.apply(record);
            rest = behind;
        }
        let mut fresh = Vec::new();
        log.records().iter().for_each(|record| encode(record, &mut fresh));
        disk.replace(Path::new(PATH), &fresh)?;
        let file = disk.open(Path::new(PATH), Open::Write)?;
        Ok((Store { file, end: fresh.len() as u64 }, log))
    }

    pub(crate) fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| encode(record, &mut bytes));
        self.file.write_all_at(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

fn encode(record: &Record, out: &mut Vec<u8>) {
    let mut body = Writer(Vec::new());
    match record {
        Record::HardState(state) => {
            body.number(0);
            body.number(state.term.0);
            body.number(state.vote.map_or(u64::MAX, |vote| vote.0));
            body.number(state.commit.0);
        }
        Record::Entries(entries) => {
            body.number(1);
            body.number(entries.len() as u64);
            for entry in entries {
                body.number(entry.index.0);
                body.number(entry.term.0);
                match &entry.payload {
                    Payload::Noop => body.number(0),
                    Payload::Command(bytes) => {
                        body.number(1);
                        body.bytes(bytes);
                    }
                    Payload::Membership(membership) => {
                        body.number(2);
                        put_membership(&mut body, membership);
                    }
                }
            }
        }
        Record::Install(meta, data) => {
            body.number(2);
            put_meta(&mut body, meta, data);
        }
        Record::Compact(meta, data, before, front) => {
            body.number(3);
            put_meta(&mut body, meta, data);
            body.number(before.0.0);
            body.number(before.1.0);
            put_membership(&mut body, front);
        }
    }
    body.put(out);
}

/// The first record, and what stands behind it; none at the end, or where a crash has torn.
fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (mut body, rest) = Reader::record(bytes)?;
    let record = match body.number()? {
        0 => {
            let (term, vote, commit) = (Term(body.number()?), body.number()?, Index(body.number()?));
            Record::HardState(HardState { term, vote: (vote != u64::MAX).then_some(NodeId(vote)), commit })
        }
        1 => {
            let mut entries = Vec::new();
            for _ in 0..body.number()? {
                let (index, term) = (Index(body.number()?), Term(body.number()?));
                let payload = match body.number()? {
                    0 => Payload::Noop,
                    1 => Payload::Command(body.bytes()?),
                    _ => Payload::Membership(Arc::new(membership(&mut body)?)),
                };
                entries.push(Entry { index, term, payload });
            }
            Record::Entries(entries)
        }
        2 => {
            let (meta, data) = meta(&mut body)?;
            Record::Install(meta, data)
        }
        _ => {
            let (meta, data) = meta(&mut body)?;
            let before = (Index(body.number()?), Term(body.number()?));
            Record::Compact(meta, data, before, membership(&mut body)?)
        }
    };
    Some((record, rest))
}

fn put_membership(out: &mut Writer, membership: &Membership) {
    for list in [membership.voters(), membership.outgoing(), membership.learners(), membership.witnesses()] {
        out.number(list.len() as u64);
        list.iter().for_each(|node| out.number(node.0));
    }
}

fn put_meta(out: &mut Writer, meta: &SnapshotMeta, data: &[u8]) {
    out.number(meta.index.0);
    out.number(meta.term.0);
    put_membership(out, &meta.membership);
    out.bytes(data);
}

fn membership(from: &mut Reader<'_>) -> Option<Membership> {
    let mut lists: [Vec<NodeId>; 4] = Default::default();
    for list in &mut lists {
        for _ in 0..from.number()? {
            list.push(NodeId(from.number()?));
        }
    }
    let [voters, outgoing, learners, witnesses] = lists;
    if voters.is_empty() {
        return Some(Membership::default());
    }
    Membership::from_parts(voters, outgoing, learners, witnesses).ok()
}

fn meta(from: &mut Reader<'_>) -> Option<(SnapshotMeta, Bytes)> {
    let (index, term) = (Index(from.number()?), Term(from.number()?));
    let membership = Arc::new(membership(from)?);
    let data = from.bytes()?;
    Some((SnapshotMeta { index, term, membership, bytes: data.len() as u64 }, data))
}
