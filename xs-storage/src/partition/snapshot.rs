//! What was derived from the log up to some offset, in a file: so that opening reads the log from there, and not from
//! its front.
//!
//! `OFFSET.state`, where `OFFSET` is sixteen hexadecimal digits. A file comes into being whole or not at all. Two are
//! kept. One that speaks of more than the log has is removed, durably, before anything is appended: what will stand there
//! is not what it speaks of.
//!
//! ```text
//!  0  "xs-part\n"
//!  8  format u32 = 1
//! 12  end    u64
//! 20  n u32, epochs:       epoch i32, first u64
//!     n u32, producers:    id i64, epoch i16, coordinator i32, seen i64, open u64 (all ones: none), since i64,
//!                          n u8, batches: first i32, last i32, base u64, end u64, time i64
//!     n u32, aborted:      producer i64, first u64, last u64
//!     crc u32  CRC32C of all in front
//! ```
//!
//! All little-endian.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use xs_os::vfs::{Vfs, VfsExt};

use super::producers::{Open, Producer, Sent, WINDOW};
use super::state::Derived;
use super::transactions::Aborted;
use crate::log::Index;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"xs-part\n";
const VERSION: u32 = 1;
const EXTENSION: &str = "state";
/// The longest that is read, in bytes.
const MAX: usize = 1 << 28;
/// So many are kept: if the newest is damaged, the other serves.
const KEPT: usize = 2;
const NONE: u64 = u64::MAX;

fn encode(derived: &Derived) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(derived.end.0.to_le_bytes());
    let epochs = derived.lineage.entries();
    out.extend((epochs.len() as u32).to_le_bytes());
    for (epoch, first) in epochs {
        out.extend(epoch.to_le_bytes());
        out.extend(first.0.to_le_bytes());
    }
    out.extend((derived.producers.0.len() as u32).to_le_bytes());
    for (id, producer) in &derived.producers.0 {
        out.extend(id.to_le_bytes());
        out.extend(producer.epoch.to_le_bytes());
        out.extend(producer.coordinator.to_le_bytes());
        out.extend(producer.seen.to_le_bytes());
        let Open { first, since } = producer.open.unwrap_or(Open { first: Index(NONE), since: 0 });
        out.extend(first.0.to_le_bytes());
        out.extend(since.to_le_bytes());
        out.push(producer.sent.len() as u8);
        for sent in &producer.sent {
            out.extend(sent.first.to_le_bytes());
            out.extend(sent.last.to_le_bytes());
            out.extend(sent.base.0.to_le_bytes());
            out.extend(sent.end.0.to_le_bytes());
            out.extend(sent.time.to_le_bytes());
        }
    }
    let aborted = derived.transactions.all_aborted();
    out.extend((aborted.len() as u32).to_le_bytes());
    for Aborted { producer, first, last } in aborted {
        out.extend(producer.to_le_bytes());
        out.extend(first.0.to_le_bytes());
        out.extend(last.0.to_le_bytes());
    }
    let sum = crc32c::crc32c(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn index(&mut self) -> Option<Index> {
        self.take().map(|bytes| Index(u64::from_le_bytes(bytes)))
    }
}

fn decode(bytes: &[u8]) -> Option<Derived> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = Rest(body.strip_prefix(MAGIC)?);
    if rest.u32()? != VERSION {
        return None;
    }
    let mut derived = Derived { end: rest.index()?, ..Derived::default() };
    for _ in 0..rest.u32()? {
        let (epoch, first) = (rest.i32()?, rest.index()?);
        derived.lineage.appended(epoch, first);
    }
    for _ in 0..rest.u32()? {
        let id = rest.i64()?;
        let epoch = rest.take().map(i16::from_le_bytes)?;
        let (coordinator, seen) = (rest.i32()?, rest.i64()?);
        let (first, since) = (rest.index()?, rest.i64()?);
        let open = (first.0 != NONE).then_some(Open { first, since });
        let mut sent = VecDeque::new();
        for _ in 0..usize::from(rest.take::<1>()?[0]).min(WINDOW) {
            let (first, last, base, end) = (rest.i32()?, rest.i32()?, rest.index()?, rest.index()?);
            sent.push_back(Sent { first, last, base, end, time: rest.i64()? });
        }
        if let Some(open) = open {
            derived.transactions.begun(open.first, id);
        }
        derived.producers.0.insert(id, Producer { epoch, sent, open, coordinator, seen });
    }
    for _ in 0..rest.u32()? {
        let (producer, first, last) = (rest.i64()?, rest.index()?, rest.index()?);
        derived.transactions.restore([Aborted { last, first, producer }]);
    }
    rest.0.is_empty().then_some(derived)
}

fn path(dir: &Path, end: Index) -> PathBuf {
    dir.join(format!("{:016x}.{EXTENSION}", end.0))
}

/// The snapshots of a directory, oldest first.
fn list(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<Index>> {
    let names = vfs.list(dir).map_err(Error::io("list", dir))?;
    let end = |name: &str| u64::from_str_radix(name.strip_suffix(EXTENSION)?.strip_suffix('.')?, 16).ok();
    let ends = names.iter().filter_map(|name| end(&name.to_string_lossy()).map(Index));
    let mut ends: Vec<_> = ends
        .filter(|end| path(dir, *end).file_name().is_some_and(|ours| names.iter().any(|name| name == ours)))
        .collect();
    ends.sort_unstable();
    Ok(ends)
}

/// Reads one: `None` if it is damaged.
pub(super) fn read(vfs: &dyn Vfs, dir: &Path, end: Index) -> Result<Option<Derived>> {
    let path = path(dir, end);
    match vfs.read(&path, MAX) {
        Ok(bytes) => Ok(decode(&bytes).filter(|derived| derived.end == end)),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// The newest that is whole and speaks of no more than `upto`. Those that speak of more are removed for good.
pub(super) fn newest(vfs: &dyn Vfs, dir: &Path, upto: Index) -> Result<Option<Derived>> {
    let ends = list(vfs, dir)?;
    let (fit, ahead) = ends.split_at(ends.partition_point(|end| *end <= upto));
    remove(vfs, dir, ahead)?;
    for end in fit.iter().rev() {
        if let Some(derived) = read(vfs, dir, *end)? {
            return Ok(Some(derived));
        }
    }
    Ok(None)
}

fn remove(vfs: &dyn Vfs, dir: &Path, ends: &[Index]) -> Result<()> {
    for end in ends {
        let path = path(dir, *end);
        vfs.remove(&path).map_err(Error::io("remove", &path))?;
    }
    if ends.is_empty() { Ok(()) } else { vfs.sync_dir(dir).map_err(Error::io("sync", dir)) }
}

/// Writes one, and removes all but the newest.
pub(super) fn write(vfs: &dyn Vfs, dir: &Path, derived: &Derived) -> Result<()> {
    let path = path(dir, derived.end);
    vfs.replace(&path, &encode(derived)).map_err(Error::io("write", &path))?;
    let ends = list(vfs, dir)?;
    remove(vfs, dir, &ends[..ends.len().saturating_sub(KEPT)])
}

/// Looks at all of them.
pub(super) fn check(vfs: &dyn Vfs, dir: &Path) -> Result<usize> {
    let ends = list(vfs, dir)?;
    for end in &ends {
        if read(vfs, dir, *end)?.is_none() {
            return Err(Error::corrupt(&path(dir, *end), 0, "a snapshot that is damaged"));
        }
    }
    Ok(ends.len())
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written_and_no_flipped_bit_passes() {
        let mut derived = Derived { end: Index(90), ..Derived::default() };
        derived.lineage.appended(0, Index(0));
        derived.lineage.appended(3, Index(40));
        for id in 0..20 {
            let sent =
                (0..id % 6).map(|n| Sent { first: n, last: n, base: Index(7), end: Index(8), time: -1 }).collect();
            let open = (id % 3 == 0).then_some(Open { first: Index(id as u64), since: 77 });
            open.into_iter().for_each(|open| derived.transactions.begun(open.first, i64::from(id)));
            let producer = Producer { epoch: id as i16, sent, open, coordinator: -1, seen: 5 };
            derived.producers.0.insert(i64::from(id), producer);
        }
        derived.transactions.restore((0..9).map(|n| Aborted { producer: n, first: Index(n as u64), last: Index(50) }));
        let bytes = encode(&derived);
        assert_eq!(decode(&bytes), Some(derived));
        for at in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[at / 8] ^= 1 << (at % 8);
            assert_eq!(decode(&wrong), None);
        }
        (0..bytes.len()).for_each(|len| assert_eq!(decode(&bytes[..len]), None));
        // Counts that claim what is not there, under a right checksum.
        for at in 20..bytes.len() - 4 {
            let mut forged = bytes[..bytes.len() - 4].to_vec();
            forged[at] = 0xff;
            let sum = crc32c::crc32c(&forged);
            forged.extend(sum.to_le_bytes());
            drop(decode(&forged));
        }
    }
}
