//! Carrying out: a merge of memtables or tables into new tables, a bounded piece at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::super::blob::{Blob, BlobWriter, Pointer};
use super::super::disk::{Disk, Name};
use super::super::entries::Entries;
use super::super::events::Event;
use super::super::memtable::{MemCursor, Memtable};
use super::super::merge::{Merge, Source};
use super::super::ranges::Ranges;
use super::super::table::{Fill, Table, TableCursor, TableWriter};
use super::super::version::{Edit, LevelCursor, Version};
use super::super::{Kind, Seq};
use super::Retain;
use crate::{Error, Result};

/// About how many bytes of input one step takes.
const STEP: u64 = 256 << 10;

/// What goes in, and where the outcome goes.
#[derive(Debug)]
pub(in super::super) struct Plan {
    pub(in super::super) sources: Vec<Source>,
    pub(in super::super) ranges: Ranges,
    /// Tables that go when the outcome comes.
    pub(in super::super) remove: BTreeSet<u64>,
    pub(in super::super) to: usize,
    /// Bytes that go in, about.
    pub(in super::super) bytes: u64,
    /// When the youngest entry was flushed.
    pub(in super::super) created_ms: u64,
    /// Everything up to here is in tables afterwards: for a flush.
    pub(in super::super) flushed: Option<Seq>,
    /// Tables that are older than what goes in, and not among it, by level.
    older: Vec<Vec<Arc<Table>>>,
    /// Files of values to be emptied.
    relocate: BTreeSet<u64>,
}

impl Plan {
    /// Writes a memtable to level 0.
    pub(in super::super) fn flush(table: &Arc<Memtable>, last_seq: Seq, now_ms: u64, version: &Version) -> Plan {
        Plan {
            sources: vec![Source::Mem(MemCursor::new(table.clone()))],
            ranges: (*table.ranges()).clone(),
            remove: BTreeSet::new(),
            to: 0,
            bytes: table.bytes(),
            created_ms: now_ms,
            flushed: Some(last_seq),
            older: version.levels.iter().map(|level| level.to_vec()).collect(),
            relocate: BTreeSet::new(),
        }
    }

    /// Merges tables of a version.
    pub(in super::super) fn merge(version: &Version, tables: &[u64], to: usize, relocate: Vec<u64>) -> Result<Plan> {
        let chosen: BTreeSet<u64> = tables.iter().copied().collect();
        let (mut sources, mut deletes, mut older) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bytes, mut created_ms, mut passed) = (0, 0, false);
        for (number, level) in version.levels.iter().enumerate() {
            let inputs: Vec<Arc<Table>> =
                level.iter().filter(|table| chosen.contains(&table.info.id)).cloned().collect();
            for table in &inputs {
                bytes += table.info.bytes;
                created_ms = created_ms.max(table.info.created_ms);
                deletes.extend(table.ranges.deletes());
            }
            // In level 0, tables behind the first of the inputs are older; in others, all from the first input's level on.
            let mut rest = Vec::new();
            for table in level.iter() {
                let input = chosen.contains(&table.info.id);
                passed |= input;
                if !input && (passed || number > 0 && number >= to) {
                    rest.push(table.clone());
                }
            }
            older.push(rest);
            if number == 0 {
                for table in inputs {
                    sources.push(Source::Table(TableCursor::new(table, Fill::Bypass)?));
                }
            } else if !inputs.is_empty() {
                sources.push(Source::Level(LevelCursor::new(Arc::new(inputs), Fill::Bypass)));
            }
        }
        Ok(Plan {
            sources,
            ranges: Ranges::new(deletes),
            remove: chosen,
            to,
            bytes,
            created_ms,
            flushed: None,
            older,
            relocate: relocate.into_iter().collect(),
        })
    }
}

/// How a step of a [`Run`] ended.
#[derive(Debug)]
pub(in super::super) enum Step {
    /// There is more to do.
    More,
    /// The outcome is on the disk, names included: put this into the version.
    Done(Edit),
}

/// A merge under way.
#[derive(Debug)]
pub(in super::super) struct Run {
    disk: Arc<Disk>,
    version: Arc<Version>,
    merge: Merge,
    retain: Retain,
    to: usize,
    created_ms: u64,
    bytes: u64,
    done: u64,
    older: Vec<Vec<Arc<Table>>>,
    /// For each level of `older` but the first: tables in front of this one end before the key.
    older_at: Vec<usize>,
    relocate: BTreeSet<u64>,
    writer: Option<TableWriter>,
    blob: Option<BlobWriter>,
    /// The deleted ranges that go on, and from which key on they are not in a table yet.
    ranges: Ranges,
    cut: Option<Bytes>,
    edit: Edit,
    written: u64,
    started: bool,
    value: Vec<u8>,
    pointer: Vec<u8>,
}

impl Run {
    pub(in super::super) fn new(disk: Arc<Disk>, version: Arc<Version>, plan: Plan, snapshots: Vec<Seq>) -> Run {
        let retain = Retain::new(snapshots, plan.ranges);
        let older = plan.older;
        let ranges = retain.ranges(|piece| {
            let free =
                |table: &Arc<Table>| table.info.span.ends_before(&piece.start) || table.info.span.first >= piece.end;
            older.iter().flatten().all(free)
        });
        Run {
            disk,
            version,
            merge: Merge::new(plan.sources),
            retain,
            to: plan.to,
            created_ms: plan.created_ms,
            bytes: plan.bytes,
            done: 0,
            older_at: vec![0; older.len()],
            older,
            relocate: plan.relocate,
            writer: None,
            blob: None,
            ranges,
            cut: None,
            edit: Edit { remove: plan.remove, flushed: plan.flushed, ..Edit::default() },
            written: 0,
            started: false,
            value: Vec::new(),
            pointer: Vec::new(),
        }
    }

    /// Bytes that went in so far, and all of them, about.
    pub(in super::super) fn progress(&self) -> (u64, u64) {
        (self.done.min(self.bytes), self.bytes)
    }

    /// Bytes of what goes in.
    pub(in super::super) fn reads(&self) -> u64 {
        self.bytes
    }

    pub(in super::super) fn written(&self) -> u64 {
        self.written
    }

    pub(in super::super) fn to(&self) -> usize {
        self.to
    }

    /// Does a piece of the work. After an error the run is to be given up: its files are removed at the next opening.
    pub(in super::super) fn step(&mut self) -> Result<Step> {
        if !self.started {
            self.started = true;
            self.merge.first()?;
        }
        let until = self.done + STEP;
        while self.merge.valid() && self.done < until {
            let (key, tag) = (self.merge.key(), self.merge.tag());
            self.done += (key.len() + self.merge.value().len()) as u64 + 8;
            let (older, older_at) = (&self.older, &mut self.older_at);
            if let Some(tag) = self.retain.keep(key, tag, || is_bottom(older, older_at, key)) {
                self.add(tag)?;
            }
            self.merge.next()?;
        }
        if self.merge.valid() {
            let (done, of) = self.progress();
            if self.edit.flushed.is_none() {
                self.disk.options.tell(Event::CompactionGoesOn { done, of });
            }
            return Ok(Step::More);
        }
        self.finish()
    }

    /// Adds the entry that the merge is on.
    fn add(&mut self, tag: u64) -> Result<()> {
        let full = self.to > 0
            && self.writer.as_ref().is_some_and(|writer| {
                writer.len() >= self.disk.options.table_bytes && writer.last_key() != self.merge.key()
            });
        if full {
            let next = Bytes::copy_from_slice(self.merge.key());
            self.end_table(Some(next))?;
        }
        if self.writer.is_none() {
            self.writer = Some(self.new_writer()?);
        }
        let key = self.merge.key();
        let separate = self.disk.options.separate_bytes;
        let moved = match Kind::of(tag) {
            Some(Kind::Put) if self.merge.value().len() >= separate => {
                add_value(&self.disk, &mut self.blob, self.merge.value(), &mut self.pointer)?;
                true
            }
            Some(Kind::Blob) => {
                let pointer = Pointer::decode(self.merge.value()).ok_or_else(|| self.lost_value())?;
                let moves = self.relocate.contains(&pointer.file);
                if moves {
                    let blob: &Arc<Blob> = self.version.blobs.get(&pointer.file).ok_or_else(|| self.lost_value())?;
                    blob.read(pointer, &mut self.value)?;
                    add_value(&self.disk, &mut self.blob, &self.value, &mut self.pointer)?;
                }
                moves
            }
            Some(_) => false,
            None => return Err(Error::corrupt(&self.disk.dir, 0, "an entry of a kind that there is not")),
        };
        let writer = self.writer.as_mut().expect("it was just made");
        if moved {
            writer.add(key, tag & !3 | Kind::Blob as u64, &self.pointer)
        } else {
            writer.add(key, tag, self.merge.value())
        }
    }

    fn lost_value(&self) -> Error {
        Error::corrupt(&self.disk.dir, 0, "an entry refers to a value that is nowhere")
    }

    fn new_writer(&self) -> Result<TableWriter> {
        let id = self.disk.new_number();
        TableWriter::new(self.disk.vfs(), self.disk.path(Name::Table(id)), id, &self.disk.options)
    }

    /// Ends the table; the deleted ranges in front of `next`, the first key of the next table, go with it.
    fn end_table(&mut self, next: Option<Bytes>) -> Result<()> {
        let ranges = self.ranges.clip(self.cut.as_ref(), next.as_ref());
        self.cut = next;
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None if ranges.is_empty() => return Ok(()),
            None => self.new_writer()?,
        };
        let info = writer.finish(&ranges, self.created_ms)?;
        self.disk.count_written(info.bytes);
        self.disk.count_sync();
        self.written += info.bytes;
        let table = Table::open(&self.disk, info.id, info.bytes, None)?;
        self.edit.add.push((self.to, table));
        Ok(())
    }

    fn finish(&mut self) -> Result<Step> {
        self.end_table(None)?;
        if let Some(blob) = self.blob.take() {
            let (id, bytes) = blob.finish()?;
            self.disk.count_written(bytes);
            self.disk.count_sync();
            self.written += bytes;
            self.edit.add_blobs.push(Blob::open(&self.disk, id, bytes)?);
        }
        self.disk.sync_dir()?;
        Ok(Step::Done(std::mem::take(&mut self.edit)))
    }
}

/// Puts a value into the file of values, and into `pointer` where it is.
fn add_value(disk: &Disk, blob: &mut Option<BlobWriter>, value: &[u8], pointer: &mut Vec<u8>) -> Result<()> {
    let writer = match blob {
        Some(writer) => writer,
        None => blob.insert(BlobWriter::new(disk)?),
    };
    let place = writer.add(value)?;
    pointer.clear();
    place.encode(pointer);
    Ok(())
}

/// Whether no older table can have a key. Keys come in order.
fn is_bottom(older: &[Vec<Arc<Table>>], at: &mut [usize], key: &[u8]) -> bool {
    for (number, level) in older.iter().enumerate() {
        if number == 0 {
            if level.iter().any(|table| table.info.span.contains(key)) {
                return false;
            }
            continue;
        }
        while level.get(at[number]).is_some_and(|table| table.info.span.ends_before(key)) {
            at[number] += 1;
        }
        if level.get(at[number]).is_some_and(|table| table.info.span.contains(key)) {
            return false;
        }
    }
    true
}
