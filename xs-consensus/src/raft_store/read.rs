//! Reading entries back. The core keeps the recent ones itself, so this is for a follower that is behind, and for a start.
//!
//! A read waits for the disk. The alternative would be to answer "not at hand" and fetch in the background; but whoever
//! asks reads on in order, so what it gets next is nearly always in the page cache, each call is bounded by the length of
//! one message, and entries that are asked for twice as often would need a cache of their own beside the core's.

use std::fmt;

use xs_storage::log::{Index as Position, Log, Reader};

use super::error::{Error, damaged, undecodable};
use super::places::Places;
use super::record::Record;
use crate::raft::{Entry, Index};

/// Readers that are kept where they stand: one for each of so many followers that are behind.
const KEPT: usize = 4;
/// A reader goes on over so many records that are not asked for, instead of being placed anew.
const SKIPPED: u64 = 64;

/// Readers, the one that was used last in front.
#[derive(Default)]
pub(super) struct Readers(Vec<Placed>);

struct Placed {
    next: u64,
    reader: Reader,
}

impl Readers {
    /// Lets go of all: they would keep segments that were trimmed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Puts entries into `into`, in order: one, and then more while all together count no more than `max_bytes`.
    pub(super) fn entries(
        &mut self,
        log: &Log,
        dir: &std::path::Path,
        places: &Places,
        (from, to): (Index, Index),
        max_bytes: usize,
        into: &mut Vec<Entry>,
    ) -> Result<(), Error> {
        let (mut index, mut bytes) = (from, 0);
        while let Some((term, position)) = places.find(index).filter(|_| index <= to) {
            let payload = self.record(log, position).map_err(Error::Storage)?;
            let Some(payload) = payload else { return Err(damaged(dir, position, "it is gone")) };
            let entry = match Record::decode(payload).map_err(undecodable(dir, position))? {
                Record::Entry(entry) if (entry.index, entry.term) == (index, term) => entry,
                _ => return Err(damaged(dir, position, format_args!("it is not entry {index} of {term}"))),
            };
            bytes += entry.size();
            if bytes > max_bytes && index > from {
                // It is asked for next: the reader stays in front of it by being placed anew.
                self.0.remove(0);
                break;
            }
            into.push(entry);
            index = index.next();
        }
        Ok(())
    }

    /// The record at a position.
    fn record(&mut self, log: &Log, position: u64) -> xs_storage::Result<Option<bytes::Bytes>> {
        let near = |placed: &Placed| placed.next <= position && position - placed.next <= SKIPPED;
        let mut placed = match self.0.iter().position(near) {
            Some(at) => self.0.remove(at),
            None => Placed { next: position, reader: log.reader(Position(position)) },
        };
        let found = loop {
            match placed.reader.next()? {
                Some(entry) if entry.index.0 < position => {}
                Some(entry) if entry.index.0 == position => break Some(entry.payload),
                _ => return Ok(None),
            }
        };
        placed.next = position + 1;
        self.0.insert(0, placed);
        self.0.truncate(KEPT);
        Ok(found)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|placed| placed.next)).finish()
    }
}
