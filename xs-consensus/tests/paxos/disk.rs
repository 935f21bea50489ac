//! A replica's log on a disk: one file of checksummed records. What a crash tore off at the end was never synced, so it
//! was never promised.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_consensus::paxos::multi::{Kept, Record, Slot, Value};
use xs_consensus::paxos::{Ballot, NodeId, Vote};
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::common::bytes::{Reader, Writer};

const PATH: &str = "paxos";

/// The file.
#[derive(Debug)]
pub(crate) struct Store {
    file: Arc<dyn File>,
    end: u64,
}

impl Store {
    /// What is on the disk, and the file to go on with, written again whole: behind a torn record nothing may follow.
    pub(crate) fn open(disk: &FaultyVfs) -> io::Result<(Store, Kept)> {
        let bytes = match disk.read(Path::new(PATH), 1 << 30) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (mut kept, mut rest) = (Kept::default(), &bytes[..]);
        while let Some((record, behind)) = decode(rest) {
            kept.apply(record);
            rest = behind;
        }
        let fresh = &bytes[..bytes.len() - rest.len()];
        disk.replace(Path::new(PATH), fresh)?;
        let file = disk.open(Path::new(PATH), Open::Write)?;
        Ok((Store { file, end: fresh.len() as u64 }, kept))
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
    let (kind, slot, ballot) = match record {
        Record::Promised(ballot) => (0, Slot(0), *ballot),
        Record::Commit(slot) => (1, *slot, Ballot::NONE),
        Record::Voted(slot, vote) => (if vote.value == Value::Noop { 2 } else { 3 }, *slot, vote.ballot),
    };
    [kind, slot.0, ballot.round, ballot.node.0].into_iter().for_each(|number| body.number(number));
    if let Record::Voted(_, Vote { value: Value::Command(command), .. }) = record {
        body.0.extend(command);
    }
    body.put(out);
}

/// The first record, and what stands behind it; none at the end, or where a crash has torn.
fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (mut body, rest) = Reader::record(bytes)?;
    let (kind, slot) = (body.number()?, Slot(body.number()?));
    let ballot = Ballot { round: body.number()?, node: NodeId(body.number()?) };
    let record = match kind {
        0 => Record::Promised(ballot),
        1 => Record::Commit(slot),
        2 => Record::Voted(slot, Vote { ballot, value: Value::Noop }),
        _ => Record::Voted(slot, Vote { ballot, value: Value::Command(Bytes::copy_from_slice(body.0)) }),
    };
    Some((record, rest))
}
