//! Versions: which tables there are, and where. A version never changes; an edit makes the next one.
//!
//! ```text
//!   level 0   c  b  a          newest first; they may overlap
//!   level 1   [ d ][ e ][ f ]  in order, disjoint; older than all above
//!   level 2   [   g   ][  h ]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::blob::Blob;
use super::compaction::{BlobInfo, Shape};
use super::disk::{Disk, Name};
use super::entries::Entries;
use super::table::{Fill, Table, TableCursor};
use super::{LEVELS, Seq};
use crate::{Error, Result};

/// See the [page](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Version {
    /// Always [`LEVELS`] of them.
    pub(super) levels: Vec<Level>,
    pub(super) blobs: BTreeMap<u64, Arc<Blob>>,
    /// All writes up to here are in tables.
    pub(super) flushed: Seq,
}

/// The tables of one level. Shared, so that an edit of one level leaves the others as they are.
pub(super) type Level = Arc<Vec<Arc<Table>>>;

/// What changes from one version to the next.
#[derive(Debug, Default)]
pub(super) struct Edit {
    /// Tables that go, by number.
    pub(super) remove: BTreeSet<u64>,
    /// Tables that come, and to which level. Those of level 0 are given newest first.
    pub(super) add: Vec<(usize, Arc<Table>)>,
    pub(super) add_blobs: Vec<Arc<Blob>>,
    pub(super) flushed: Option<Seq>,
}

impl Version {
    pub(super) fn empty() -> Self {
        Version { levels: vec![Level::default(); LEVELS], ..Version::default() }
    }

    /// The version after an edit. Files of values that no table refers to are left out.
    pub(super) fn apply(&self, edit: &Edit) -> Version {
        let mut levels = self.levels.clone();
        for (number, level) in levels.iter_mut().enumerate() {
            let comes: Vec<_> =
                edit.add.iter().filter(|(to, _)| *to == number).map(|(_, table)| table.clone()).collect();
            let goes = |table: &Arc<Table>| edit.remove.contains(&table.info.id);
            // In level 0 what comes takes the place of the newest that goes, or is newest itself.
            let place = level.iter().position(goes).unwrap_or(0);
            if comes.is_empty() && !level.iter().any(goes) {
                continue;
            }
            let mut tables: Vec<_> = level[..place].to_vec();
            tables.extend(comes);
            tables.extend(level[place..].iter().filter(|table| !goes(table)).cloned());
            if number > 0 {
                tables.sort_by(|a, b| a.info.span.first.cmp(&b.info.span.first));
            }
            *level = Arc::new(tables);
        }
        let mut blobs = self.blobs.clone();
        blobs.extend(edit.add_blobs.iter().map(|blob| (blob.id, blob.clone())));
        let used: BTreeSet<u64> = levels
            .iter()
            .flat_map(|level| level.iter())
            .flat_map(|table| &table.info.blobs)
            .map(|(id, _)| *id)
            .collect();
        blobs.retain(|id, _| used.contains(id));
        Version { levels, blobs, flushed: edit.flushed.unwrap_or(self.flushed) }
    }

    /// Whether sorted levels are sorted, and their tables disjoint: who reads relies on it.
    pub(super) fn check_levels(&self, disk: &Disk) -> Result<()> {
        for (number, level) in self.levels.iter().enumerate().skip(1) {
            for pair in level.windows(2) {
                if !pair[0].info.span.ends_before(&pair[1].info.span.first) {
                    let what = format!("overlaps table {} of the same level {number}", pair[0].info.id);
                    return Err(Error::corrupt(&disk.path(Name::Table(pair[1].info.id)), 0, what));
                }
            }
        }
        Ok(())
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.levels.iter().flat_map(|level| level.iter())
    }

    /// What a policy decides by.
    pub(super) fn shape(&self) -> Shape {
        let levels = self.levels.iter().map(|level| level.iter().map(|table| table.info.clone()).collect()).collect();
        let blobs = self.blobs.values().map(|blob| BlobInfo { id: blob.id, bytes: blob.bytes }).collect();
        Shape { levels, blobs }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let tables: u64 = self.tables().map(|table| table.info.bytes).sum();
        tables + self.blobs.values().map(|blob| blob.bytes).sum::<u64>()
    }

    /// Tables and files of values that the other version has and this one has not go with their last reader.
    pub(super) fn doom_what_left(&self, before: &Version) {
        let here: BTreeSet<u64> = self.tables().map(|table| table.info.id).collect();
        before.tables().filter(|table| !here.contains(&table.info.id)).for_each(|table| table.doom());
        before.blobs.values().filter(|blob| !self.blobs.contains_key(&blob.id)).for_each(|blob| blob.doom());
    }
}

/// The table of a sorted level that may hold a key.
#[inline]
pub(super) fn table_for<'a>(level: &'a [Arc<Table>], key: &[u8]) -> Option<&'a Arc<Table>> {
    let at = level.partition_point(|table| table.info.span.ends_before(key));
    level.get(at).filter(|table| table.info.span.first[..] <= *key)
}

/// Walks through the tables of a sorted level, one behind the other.
#[derive(Debug)]
pub(super) struct LevelCursor {
    level: Level,
    at: usize,
    table: Option<TableCursor>,
    fill: Fill,
}

impl LevelCursor {
    pub(super) fn new(level: Level, fill: Fill) -> Self {
        LevelCursor { level, at: 0, table: None, fill }
    }

    /// Opens a table, or leaves all if there is none.
    fn enter(&mut self, at: usize) -> Result<Option<&mut TableCursor>> {
        if self.table.is_none() || self.at != at {
            self.table = match self.level.get(at) {
                Some(table) => Some(TableCursor::new(table.clone(), self.fill)?),
                None => None,
            };
            self.at = at;
        }
        Ok(self.table.as_mut())
    }

    /// From the end of a table to the next one's first entry. Tables of nothing but deleted ranges are passed over.
    fn forward(&mut self) -> Result<()> {
        while self.table.as_ref().is_some_and(|table| !table.valid()) {
            if let Some(table) = self.enter(self.at + 1)? {
                table.first()?;
            }
        }
        Ok(())
    }

    fn backward(&mut self) -> Result<()> {
        while self.table.as_ref().is_some_and(|table| !table.valid()) {
            let Some(at) = self.at.checked_sub(1) else {
                self.table = None;
                return Ok(());
            };
            if let Some(table) = self.enter(at)? {
                table.last()?;
            }
        }
        Ok(())
    }
}

impl Entries for LevelCursor {
    fn first(&mut self) -> Result<()> {
        if let Some(table) = self.enter(0)? {
            table.first()?;
        }
        self.forward()
    }

    fn last(&mut self) -> Result<()> {
        self.table = None;
        if let Some(at) = self.level.len().checked_sub(1)
            && let Some(table) = self.enter(at)?
        {
            table.last()?;
        }
        self.backward()
    }

    fn seek(&mut self, key: &[u8], seq: Seq) -> Result<()> {
        let at = self.level.partition_point(|table| table.info.span.ends_before(key));
        if let Some(table) = self.enter(at)? {
            table.seek(key, seq)?;
        }
        self.forward()
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        let Some(table) = &mut self.table else { return Ok(()) };
        table.next()?;
        if table.valid() { Ok(()) } else { self.forward() }
    }

    fn prev(&mut self) -> Result<()> {
        let Some(table) = &mut self.table else { return Ok(()) };
        table.prev()?;
        self.backward()
    }

    #[inline]
    fn valid(&self) -> bool {
        self.table.as_ref().is_some_and(Entries::valid)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.table.as_ref().map_or(b"", Entries::key)
    }

    #[inline]
    fn tag(&self) -> u64 {
        self.table.as_ref().map_or(0, Entries::tag)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.table.as_ref().map_or(b"", Entries::value)
    }
}
