//! Tables that are made elsewhere, and taken in whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::Open;

use super::Kind;
use super::checkpoint::copy;
use super::compaction::Policy;
use super::core::Core;
use super::disk::{Doomed, Name};
use super::events::Event;
use super::options::Options;
use super::ranges::Ranges;
use super::span::Span;
use super::table::{Table, TableWriter};
use super::version::{Edit, Version};
use crate::{Error, Result};

/// Writes a table that a tree can [take in](super::Lsm::ingest): sorted, once, past log and memtable.
///
/// It is built beside its name, with `.new` behind it, and gets the name at the end: a file that has it already may be a
/// tree's, which shares the bytes of what it took in. One that is given up leaves nothing.
#[derive(Debug)]
pub struct TableBuilder {
    writer: TableWriter,
    fresh: Doomed,
    path: PathBuf,
    vfs: Arc<dyn xs_os::vfs::Vfs>,
    now_ms: u64,
}

impl TableBuilder {
    /// A table in a new file; an old one of the name is replaced when this one [ends](TableBuilder::finish). Block size,
    /// filter and compression are the options'.
    ///
    /// # Errors
    /// [`Error::Io`] from the disk, [`Error::Invalid`] for options that make no sense.
    pub fn new(path: &Path, options: &Options) -> Result<Self> {
        options.check()?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = Doomed::new(options.vfs.clone(), fresh.into());
        let writer = TableWriter::new(&*options.vfs, fresh.path.clone(), 0, options)?;
        fresh.doom();
        let (path, vfs) = (path.to_owned(), options.vfs.clone());
        Ok(TableBuilder { writer, fresh, path, vfs, now_ms: options.now_ms() })
    }

    /// Adds an entry, whose key is greater than all before.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not, [`Error::TooLarge`], [`Error::Io`] from the disk.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key.len() > Options::MAX_KEY {
            return Err(Error::TooLarge { what: "key", len: key.len() as u64, limit: Options::MAX_KEY as u64 });
        }
        if value.len() > Options::MAX_VALUE {
            return Err(Error::TooLarge { what: "value", len: value.len() as u64, limit: Options::MAX_VALUE as u64 });
        }
        if !self.writer.is_empty() && self.writer.last_key() >= key {
            return Err(Error::Invalid(format!(
                "{}: keys must be added in ascending order, each once",
                self.path.display()
            )));
        }
        self.writer.add(key, Kind::Put.tag(0), value)
    }

    /// About how many bytes the file has by now.
    pub fn len(&self) -> u64 {
        self.writer.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    /// Ends the table; it is durable when this returns. Returns the length of its file.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no entry, [`Error::Io`] from the disk.
    pub fn finish(self) -> Result<u64> {
        if self.writer.is_empty() {
            return Err(Error::Invalid("a table of no entry: add some, or leave it out".into()));
        }
        let TableBuilder { writer, fresh, path, vfs, now_ms } = self;
        let bytes = writer.finish(&Ranges::default(), now_ms)?.bytes;
        vfs.rename(&fresh.path, &path).map_err(Error::io("rename", &fresh.path))?;
        fresh.spare();
        let dir = xs_os::vfs::parent(&path);
        vfs.sync_dir(dir).map_err(Error::io("sync", dir))?;
        Ok(bytes)
    }
}

/// The level for a table that is newer than all that is there: as deep as nothing stands in its way, so that it is nobody's
/// burden, and of tables that come by the dozen only those that overlap make writers wait for merges.
fn place(version: &Version, placed: &[(usize, Arc<Table>)], span: &Span, deepest: usize) -> usize {
    let is_free = |level: &usize| {
        let placed = placed.iter().filter(|(to, _)| to == level).map(|(_, table)| table);
        version.levels[*level].iter().chain(placed).all(|table| !table.info.span.overlaps(span))
    };
    (0..=deepest).take_while(is_free).last().unwrap_or(0)
}

impl Core {
    /// Takes tables in as if all their entries were written in one batch, one table after the other.
    pub(super) fn ingest(&self, paths: &[&Path]) -> Result<()> {
        self.check_stopped()?;
        if paths.is_empty() {
            return Ok(());
        }
        // Whoever brings tables that overlap waits for their merges like every writer, and not only all the others.
        self.wait_while_stopped();
        let mut numbers = Vec::new();
        for (done, path) in paths.iter().enumerate() {
            let number = self.disk.new_number();
            numbers.push((number, 0));
            match self.bring(path, number) {
                Ok(bytes) => numbers[done].1 = bytes,
                Err(error) => {
                    let names = numbers.iter().map(|(number, _)| self.disk.path(Name::Table(*number)));
                    names.for_each(|name| drop(self.disk.vfs().remove(&name)));
                    return Err(error);
                }
            }
            self.disk.options.tell(Event::Progress { done: done as u64 + 1, of: paths.len() as u64 });
        }
        self.disk.sync_dir().map_err(|error| self.stop(error))?;
        // Everything that was written before must be in tables, and no flush may come in between: what comes in is newer
        // than all of it, and stands above it. Most of it goes while others write on; they wait for the little that they
        // have added by then, or under steady writes this would never end.
        self.rotate(&mut self.write.lock());
        self.flush_waiting()?;
        let mut writer = self.write.lock();
        self.check_stopped()?;
        self.rotate(&mut writer);
        self.flush_waiting()?;
        let merging = self.install.lock();
        let version = self.state.load().version.clone();
        let deepest = match (&self.disk.options.policy, *merging) {
            (Policy::Leveled(_), None) => version.shape().deepest().max(1),
            // The outcome of a merge may stretch over gaps that are to be seen now.
            (Policy::Leveled(_), Some(to)) => to.saturating_sub(1),
            // Others go by level 0.
            _ => 0,
        };
        let mut add = Vec::new();
        let mut seq = writer.last;
        for (number, bytes) in numbers {
            seq += 1;
            let table = Table::open(&self.disk, number, bytes, Some(seq))?;
            add.insert(0, (place(&version, &add, &table.info.span, deepest), table));
        }
        add.iter().for_each(|(level, table)| self.traffic.moved(*level, table.info.bytes));
        let edit = Edit { add, flushed: Some(seq), ..Edit::default() };
        self.install_under(merging, &edit, None).map_err(|error| self.stop(error))?;
        writer.last = seq;
        self.visible.store(seq, std::sync::atomic::Ordering::Release);
        drop(writer);
        self.poke(1);
        Ok(())
    }

    /// Gives a table a name of ours, makes its bytes durable, and looks whether it is one to take in. Returns its length.
    fn bring(&self, path: &Path, number: u64) -> Result<u64> {
        let (vfs, to) = (self.disk.vfs(), self.disk.path(Name::Table(number)));
        if vfs.hard_link(path, &to).is_ok() {
            // Whoever brought the file here may not have synced it. Some systems sync only what may be written, and some
            // files may only be read.
            let file = vfs.open(&to, Open::Write).or_else(|_| vfs.open(&to, Open::Read));
            file.map_err(Error::io("open", &to))?.sync().map_err(Error::io("sync", &to))?;
            self.disk.count_sync();
        } else {
            self.disk.count_written(copy(vfs, path, &to)?);
        }
        let file = vfs.open(&to, Open::Read).map_err(Error::io("open", &to))?;
        let bytes = file.len().map_err(Error::io("read", &to))?;
        // Looks at header, end and properties.
        let table = Table::open(&self.disk, number, bytes, None)?;
        let info = &table.info;
        // All entries of a table that is taken in get one number in the place of those in the file. A tree's own may have
        // several, and deletes, and values elsewhere.
        let plain = info.seqs == (0, 0) && info.deletes == 0 && info.range_deletes == 0 && info.blobs.is_empty();
        match plain {
            true => Ok(bytes),
            false => Err(Error::NotOurs {
                path: path.to_owned(),
                expected: "table of a TableBuilder",
                what: "a tree wrote it for itself".into(),
            }),
        }
    }
}
