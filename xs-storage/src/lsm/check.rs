//! Looking at everything: that each file is what the manifest says, each table sorted, complete and where it belongs.
//!
//! Everything is read twice, in the order of the tables and in that of the keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blob::Pointer;
use super::core::{Core, Super};
use super::disk::Name;
use super::entries::Entries;
use super::events::Event;
use super::manifest::Manifest;
use super::merge::{Merge, Source};
use super::table::{Fill, Table, TableCursor, hash};
use super::version::{LevelCursor, Version};
use super::{Kind, Seq};
use crate::{Error, Result};

/// Entries from one word about the progress to the next.
const TOLD: u64 = 4096;

/// What a check has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Tables.
    pub tables: usize,
    /// Their entries, old versions and deletes included.
    pub entries: u64,
    /// Values in files of their own that entries refer to.
    pub values: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Records of the log.
    pub records: u64,
}

/// So many bytes as `done` of `of` entries have of all.
fn share(bytes: u64, done: u64, of: u64) -> u64 {
    (u128::from(bytes) * u128::from(done.min(of)) / u128::from(of.max(1))) as u64
}

impl Core {
    pub(super) fn check(&self, told: &mut dyn FnMut(u64, u64)) -> Result<Checked> {
        let state = self.state.load_full();
        let mut checked = Checked::default();
        let bytes: u64 = state.version.tables().map(|table| table.info.bytes).sum();
        let mut tell = |done: u64| {
            told(done, 2 * bytes);
            self.disk.options.tell(Event::Progress { done, of: 2 * bytes });
        };
        state.version.check_levels(&self.disk)?;
        for table in state.version.tables() {
            let before = checked.bytes;
            self.check_table(&state, table, &mut checked, &mut |part| tell(before + part))?;
            checked.tables += 1;
            checked.bytes += table.info.bytes;
            tell(checked.bytes);
        }
        let entries = checked.entries;
        self.check_order(&state.version, &mut |done| tell(bytes + share(bytes, done, entries)))?;
        tell(2 * bytes);
        self.check_live_values(&state.version)?;
        self.check_manifest()?;
        let log = self.log.lock().clone();
        if let Some(log) = log {
            checked.records = log.check()?;
        }
        Ok(checked)
    }

    /// `told` hears how many of the table's bytes are done, about.
    fn check_table(
        &self,
        state: &Super,
        table: &Arc<Table>,
        checked: &mut Checked,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let wrong = |what: String| table.corrupt(0, &what);
        let mut cursor = TableCursor::new(table.clone(), Fill::Fresh)?;
        let (mut entries, mut deletes, mut seqs) = (0, 0, (Seq::MAX, 0));
        let mut last: Option<(Vec<u8>, Seq)> = None;
        let mut blobs: BTreeMap<u64, u64> = BTreeMap::new();
        let mut value = Vec::new();
        cursor.first()?;
        while cursor.valid() {
            let (key, seq) = (cursor.key(), cursor.tag() >> 2);
            if let Some((last, last_seq)) = &last
                && (&last[..], u64::MAX - last_seq) >= (key, u64::MAX - seq)
            {
                return Err(wrong(format!("entry {entries} is not behind the one before")));
            }
            if !table.info.span.contains(key) {
                return Err(wrong(format!("entry {entries} lies outside of the table's first and last key")));
            }
            if !table.filter_passes(hash(key))? {
                return Err(wrong(format!("the filter denies the key of entry {entries}")));
            }
            match Kind::of(cursor.tag()) {
                Some(Kind::Delete) => deletes += 1,
                Some(Kind::Put) => {}
                Some(Kind::Blob) => {
                    let pointer = Pointer::decode(cursor.value())
                        .ok_or_else(|| wrong(format!("entry {entries} points nowhere")))?;
                    let blob = state.version.blobs.get(&pointer.file);
                    let blob =
                        blob.ok_or_else(|| wrong(format!("entry {entries} points to a file that is missing")))?;
                    blob.read(pointer, &mut value)?;
                    *blobs.entry(pointer.file).or_default() += pointer.bytes();
                    checked.values += 1;
                }
                None => return Err(wrong(format!("entry {entries} is of a kind that there is not"))),
            }
            entries += 1;
            if entries % TOLD == 0 {
                told(share(table.info.bytes, entries, table.info.entries));
            }
            seqs = (seqs.0.min(seq), seqs.1.max(seq));
            last = Some((key.to_vec(), seq));
            cursor.next()?;
        }
        for seq in table.ranges.pieces().iter().flat_map(|piece| &piece.seqs) {
            seqs = (seqs.0.min(*seq), seqs.1.max(*seq));
        }
        let info = &table.info;
        let blobs: Vec<_> = blobs.into_iter().collect();
        let counts = (entries, deletes, table.ranges.pieces().len() as u64, seqs, blobs);
        let noted = (info.entries, info.deletes, info.range_deletes, info.seqs, info.blobs.clone());
        if counts != noted {
            return Err(wrong(format!("the table notes {noted:?}, and has {counts:?}")));
        }
        checked.entries += entries;
        Ok(())
    }

    /// Of each key, what stands higher is newer: a read stops at the first answer. `told` hears how many entries are done.
    pub(super) fn check_order(&self, version: &Version, told: &mut dyn FnMut(u64)) -> Result<()> {
        let mut children = Vec::new();
        for (number, level) in version.levels.iter().enumerate() {
            match number {
                0 => {
                    for table in level.iter() {
                        children.push(Source::Table(TableCursor::new(table.clone(), Fill::Bypass)?));
                    }
                }
                _ => children.push(Source::Level(LevelCursor::new(level.clone(), Fill::Bypass))),
            }
        }
        let mut merge = Merge::new(children);
        let (mut key, mut at): (Vec<u8>, _) = (Vec::new(), None);
        let mut entries = 0;
        merge.first()?;
        while merge.valid() {
            let top = merge.top();
            match at {
                Some(above) if merge.key() == key => {
                    if above > top {
                        let what = format!("tables hold an older entry of a key above a newer one: {:?}", merge.key());
                        return Err(Error::corrupt(&self.disk.dir, 0, what));
                    }
                }
                _ => {
                    key.clear();
                    key.extend_from_slice(merge.key());
                }
            }
            at = Some(top);
            entries += 1;
            if entries % TOLD == 0 {
                told(entries);
            }
            merge.next()?;
        }
        Ok(())
    }

    /// No file of values has more that is referred to than it has.
    fn check_live_values(&self, version: &Version) -> Result<()> {
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        for (blob, bytes) in version.tables().flat_map(|table| &table.info.blobs) {
            *live.entry(*blob).or_default() += bytes;
        }
        for (id, bytes) in live {
            let has = version.blobs.get(&id).map_or(0, |blob| blob.bytes);
            if bytes > has {
                let what = format!("tables refer to {bytes} bytes, and it has {has}");
                return Err(Error::corrupt(&self.disk.path(Name::Blob(id)), 0, what));
            }
        }
        Ok(())
    }

    /// The manifest says what is open.
    fn check_manifest(&self) -> Result<()> {
        let _no_edit = self.install.lock();
        let found = Manifest::read(self.disk.vfs(), &self.disk.dir)?;
        let path = Manifest::path(&self.disk.dir);
        let Some(found) = found else { return Err(Error::corrupt(&path, 0, "the manifest is missing")) };
        let expected = Manifest::of(&self.state.load().version, found.next_file);
        if found == expected && found.next_file <= self.disk.next_number() {
            Ok(())
        } else {
            Err(Error::corrupt(&path, 0, "the manifest names other files than are open"))
        }
    }
}
