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

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
    })
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
    out.extend((body.0.len() as u64).to_le_bytes());
    out.extend(sum(&body.0).to_le_bytes());
    out.extend(body.0);
}

/// The first record, and what stands behind it; none at the end, or where a crash has torn.
fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let mut head = Reader(bytes);
    let (len, expected) = (head.number()? as usize, head.number()?);
    let body = head.0.get(..len).filter(|body| sum(body) == expected)?;
    let rest = &head.0[len..];
    let mut body = Reader(body);
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

pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }
}

pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }
}
