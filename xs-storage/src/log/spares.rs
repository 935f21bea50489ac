//! Files that are ready to become segments: made ahead in the background, or left by segments that were trimmed.
//!
//! A spare has a segment's header and length. Nothing in it is ever taken for an entry of the segment that it becomes:
//! either it is zeros, or its entries belong to an epoch that has passed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use xs_os::Progress;
use xs_os::vfs::{File, Open};

use super::framing::Framing;
use super::segment::{Segment, check_header, header};
use super::shared::Shared;
use crate::{Error, Result};

/// How much the background writes at once, in bytes: commits wait no longer than that for the disk.
const FILL: usize = 256 << 10;
const ZEROS: &[u8; FILL] = &[0; FILL];

/// From so many syncs on that somebody waited for, within a quarter of a segment, the next one is filled with zeros.
const WAITED: u32 = 8;

/// Whether a file of this name is a spare.
pub(super) fn is_spare(name: &str) -> bool {
    name.strip_prefix("spare-").is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Removes the spares of a log that nobody has open: for who finds the disk full before it can be opened.
#[cfg(feature = "lsm")]
pub(crate) fn remove_spares(vfs: &dyn xs_os::vfs::Vfs, dir: &std::path::Path) -> Result<()> {
    let names = match vfs.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(Error::io("list", dir))?,
    };
    for name in names.iter().filter(|name| is_spare(&name.to_string_lossy())) {
        let path = dir.join(name);
        vfs.remove(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    len: u64,
}

#[derive(Default)]
pub(super) struct Spares {
    ready: Vec<Spare>,
    /// One that is being filled with zeros, and how far it is.
    filling: Option<(Spare, u64)>,
    count: u64,
    /// The disk was full: none is made ahead any more.
    given_up: bool,
}

impl<F: Framing> Shared<F> {
    /// Gives a segment its file: the last step, a rename, makes it a part of the log.
    pub(super) fn begin(&self, segment: &Segment, reserve: u64) -> Result<()> {
        let ready = {
            let mut spares = self.spares.lock();
            let at = spares.ready.iter().position(|spare| spare.len >= reserve);
            at.map(|at| spares.ready.remove(at))
        };
        let spare = match ready {
            Some(spare) => spare,
            None => match self.make(reserve) {
                // What the spares take is more than is missing, maybe.
                Err(error) if error.is_full() && self.drop_spares() => self.make(reserve)?,
                made => made?,
            },
        };
        self.vfs.rename(&spare.path, &segment.path).map_err(Error::io("rename", &spare.path))?;
        self.sync_dir()?;
        segment.begin(spare.file);
        Ok(())
    }

    /// How much of a segment of `whole` bytes is set aside, when so many are written.
    pub(super) fn share(&self, written: u64, whole: u64) -> u64 {
        if F::MARK_LEN > 0 {
            // Its file is a spare later.
            return whole;
        }
        let mut share = self.options.reserve_bytes;
        while share < written {
            share = share.saturating_mul(2);
        }
        share.min(whole)
    }

    /// Sets aside what is needed for a segment that will be written up to `end`, and some more.
    pub(super) fn reserve(&self, segment: &Segment, end: u64, whole: u64) -> Result<()> {
        let file = segment.begun().expect("it is about to be written to");
        if F::BARE || end <= segment.reserved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let len = file.len().map_err(Error::io("measure", &segment.path))?;
        let share = if end <= len { len } else { self.share(end, whole) };
        if len < share {
            let allocate = || file.allocate(share).map_err(Error::io("allocate", &segment.path));
            match allocate() {
                Err(error) if error.is_full() && self.drop_spares() => allocate()?,
                allocated => allocated?,
            }
        }
        segment.reserved.store(share, Ordering::Relaxed);
        Ok(())
    }

    /// A new file, with its space set aside.
    fn make(&self, len: u64) -> Result<Spare> {
        let spare = self.start(len)?;
        let allocated = if F::BARE { Ok(()) } else { spare.file.allocate(self.share(0, len)) };
        let synced = allocated
            .map_err(Error::io("allocate", &spare.path))
            .and_then(|()| spare.file.sync().map_err(Error::io("sync", &spare.path)));
        // A part of one would only be in the way of what follows on a full disk.
        synced.inspect_err(|_| drop(self.vfs.remove(&spare.path)))?;
        Ok(spare)
    }

    pub(super) fn start(&self, len: u64) -> Result<Spare> {
        let path = self.spare_path();
        let file = self.vfs.open(&path, Open::New).map_err(Error::io("create", &path))?;
        let written = file.write_all_at(&header::<F>(), 0).map_err(Error::io("write", &path));
        written.inspect_err(|_| drop(self.vfs.remove(&path)))?;
        Ok(Spare { path, file, len })
    }

    /// Removes the spares; whether there were any.
    pub(super) fn drop_spares(&self) -> bool {
        let mut spares = self.spares.lock();
        spares.given_up = true;
        let filling = spares.filling.take().map(|(spare, _)| spare);
        let gone: Vec<_> = spares.ready.drain(..).chain(filling).collect();
        // What stays for now is adopted or removed by the next opening.
        gone.iter().for_each(|spare| drop(self.vfs.remove(&spare.path)));
        !gone.is_empty()
    }

    fn spare_path(&self) -> PathBuf {
        let mut spares = self.spares.lock();
        spares.count += 1;
        self.dir.join(format!("spare-{}", spares.count))
    }

    /// Takes in a file that an earlier opening left. Its entries are of epochs that have passed.
    pub(super) fn adopt(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        let file = self.vfs.open(&path, Open::Write).map_err(Error::io("open", &path))?;
        let len = file.len().map_err(Error::io("measure", &path))?;
        let usable = F::MARK_LEN > 0 && len == self.options.segment_bytes && check_header::<F>(&*file, &path).is_ok();
        let mut spares = self.spares.lock();
        if usable && spares.ready.len() < self.options.spares {
            // A name of this opening, so that none is given twice.
            spares.count += 1;
            let fresh = self.dir.join(format!("spare-{}", spares.count));
            if fresh != path {
                self.vfs.rename(&path, &fresh).map_err(Error::io("rename", &path))?;
            }
            spares.ready.push(Spare { path: fresh, file, len });
            return Ok(());
        }
        self.vfs.remove(&path).map_err(Error::io("remove", &path))
    }

    /// Bytes that spares take on the disk.
    fn spare_bytes(&self) -> u64 {
        let spares = self.spares.lock();
        let filling = spares.filling.iter().map(|(spare, _)| spare);
        spares.ready.iter().chain(filling).filter_map(|spare| spare.file.len().ok()).sum()
    }

    /// Bytes that all files of the log take on the disk. What cannot be measured counts as nothing.
    pub(super) fn disk_bytes(&self) -> u64 {
        let segments = self.tail.lock().segments.clone();
        let mut segments = segments.iter().filter_map(|segment| segment.len(&*self.vfs)).sum::<u64>();
        if let Some(trimmed) = self.trimming.try_lock() {
            segments += trimmed.iter().filter_map(|segment| segment.len(&*self.vfs)).sum::<u64>();
        }
        let watermark = self.watermark.as_ref().map_or(0, |watermark| watermark.lock().len());
        segments + self.spare_bytes() + watermark + self.index_bytes()
    }

    /// From where on in a segment the next one is made ready: a log that stays short never needs it.
    pub(super) fn prepare_from(&self) -> u64 {
        self.options.segment_bytes / 4
    }

    /// One step towards the next spare. A failure here stops nobody: who needs a segment makes one, and sees for itself.
    pub(super) fn prepare(&self) -> Progress {
        if self.stopped.get().is_some() {
            return Progress::Idle;
        }
        if self.options.warm_bytes > 0 && !F::BARE {
            return self.warm();
        }
        if F::MARK_LEN == 0 || self.options.spares == 0 {
            return Progress::Idle;
        }
        if self.tail.lock().pos < self.prepare_from() {
            return Progress::Idle;
        }
        let under_way = {
            let mut spares = self.spares.lock();
            if spares.filling.is_none() && !spares.ready.is_empty() {
                return Progress::Idle;
            }
            spares.filling.take()
        };
        if under_way.is_none() && self.io.lock().waited < WAITED {
            // Nobody waits for syncs, so nobody gains by zeros, and they would double what is written.
            if let Ok(spare) = self.make(self.options.segment_bytes) {
                self.spares.lock().ready.push(spare);
            }
            return Progress::Idle;
        }
        self.fill_on(under_way).unwrap_or(Progress::Idle)
    }

    /// One step towards as many segments of zeros as are wanted.
    fn warm(&self) -> Progress {
        let wanted = self.options.warm_bytes.div_ceil(self.options.segment_bytes);
        if self.tail.lock().is_new() {
            // Who writes nothing needs nothing; the first segment pokes.
            return Progress::Idle;
        }
        let under_way = {
            let mut spares = self.spares.lock();
            if spares.given_up || spares.filling.is_none() && spares.ready.len() as u64 >= wanted {
                return Progress::Idle;
            }
            spares.filling.take()
        };
        // When this one is full, the next step sees whether there is another to be made.
        self.fill_on(under_way).map_or(Progress::Idle, |_| Progress::Busy)
    }

    fn fill_on(&self, under_way: Option<(Spare, u64)>) -> Result<Progress> {
        let (spare, at) = under_way.map_or_else(|| Ok((self.start(self.options.segment_bytes)?, 0)), Ok)?;
        self.fill(spare, at)
    }

    fn fill(&self, spare: Spare, at: u64) -> Result<Progress> {
        let at = if at == 0 { header::<F>().len() as u64 } else { at };
        let step = (spare.len - at.min(spare.len)).min(FILL as u64);
        let zeros = &ZEROS[..step as usize];
        let written = spare.file.write_all_at(zeros, at).and_then(|()| spare.file.sync());
        if let Err(error) = written.map_err(Error::io("write", &spare.path)) {
            let _ = self.vfs.remove(&spare.path);
            return Err(error);
        }
        let mut spares = self.spares.lock();
        if at + step < spare.len {
            spares.filling = Some((spare, at + step));
            return Ok(Progress::Busy);
        }
        spares.ready.push(spare);
        Ok(Progress::Idle)
    }

    /// Takes segments out of the directory, or keeps their files for others. Durable when this returns.
    ///
    /// One whose file cannot be opened for those who still read it stays, and with it all behind: what is in the directory
    /// must have no gap. Whoever trims next tries again.
    pub(super) fn discard(&self, segments: &mut VecDeque<Arc<Segment>>) -> Result<()> {
        self.places.lock().forget(segments.make_contiguous());
        while let Some(segment) = segments.pop_front() {
            let path = segment.path.clone();
            let index = segment.index_path();
            match Arc::try_unwrap(segment) {
                Ok(segment) => {
                    if self.recycle(&segment)? {
                        self.drop_index(&index)?;
                        continue;
                    }
                }
                // Whoever else has the segment reads it, and its bytes must stay.
                Err(shared) => {
                    if shared.open::<F>(&*self.vfs, Open::Read).is_err() {
                        segments.push_front(shared);
                        return Ok(());
                    }
                }
            }
            self.vfs.remove(&path).map_err(Error::io("remove", &path))?;
            self.drop_index(&index)?;
            self.sync_dir()?;
        }
        Ok(())
    }

    /// Makes a spare of a segment that nobody has, if one is wanted. One that cannot be opened is none.
    fn recycle(&self, segment: &Segment) -> Result<bool> {
        if F::MARK_LEN == 0 || self.spares.lock().ready.len() >= self.options.spares {
            return Ok(false);
        }
        let Ok(file) = self.vfs.open(&segment.path, Open::Write) else { return Ok(false) };
        let len = file.len().map_err(Error::io("measure", &segment.path))?;
        if len != self.options.segment_bytes {
            return Ok(false);
        }
        let path = self.spare_path();
        self.vfs.rename(&segment.path, &path).map_err(Error::io("rename", &segment.path))?;
        self.spares.lock().ready.push(Spare { path, file, len });
        self.sync_dir().map(|()| true)
    }
}
