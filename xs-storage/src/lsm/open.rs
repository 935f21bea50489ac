//! Opening: what the manifest names, and what the log has beyond it.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::{Open, Vfs, VfsExt};

use super::background::job;
use super::core::Core;
use super::disk::{Disk, Name};
use super::manifest::Manifest;
use super::options::Options;
use super::version::Version;
use crate::engine::WriteBatch;
use crate::log::{Index, Log, LogOptions, remove_spares};
use crate::{Error, Result, lock};

const LOG: &str = "wal";
const LOCK: &str = "LOCK";
const OLD_LOCK: &str = "lock";

/// A store in a directory.
const EXPECTED: &str = "store of this kind";

pub(super) fn open(dir: &Path, options: Options) -> Result<Arc<Core>> {
    options.check()?;
    let vfs = options.vfs.clone();
    if options.must_exist {
        let path = Manifest::path(dir);
        vfs.open(&path, Open::Read).map_err(Error::io("open", &path))?;
    }
    vfs.make_dir(dir).map_err(Error::io("create", dir))?;
    let found = Manifest::read(&*vfs, dir)?;
    if found.is_none() {
        check_empty(&*vfs, dir)?;
    }
    let lock = lock(&*vfs, &dir.join(lock_name(&*vfs, dir)?))?;
    // Read again: whoever had the lock may have made it, or changed it.
    let (manifest, exists) = match Manifest::read(&*vfs, dir)? {
        Some(manifest) => (manifest, true),
        None => (Manifest::of(&Version::empty(), 1), false),
    };
    let disk = Arc::new(Disk::new(options, dir.to_owned(), manifest.next_file));
    let full = confirm(&disk, &manifest, exists)?;
    let version = manifest.open(&disk)?;
    if full.is_none() {
        remove_strays(&disk, &manifest, 0)?;
    }
    let log_options = LogOptions {
        segment_bytes: disk.options.log_segment_bytes.max(4 << 10),
        jobs: disk.options.jobs.clone(),
        // Many segments go at once when a memtable is flushed; kept, they would be space that never comes back.
        spares: 1,
        ..LogOptions::default()
    };
    let log = Log::open(disk.options.vfs.clone(), &dir.join(LOG), log_options)?;
    let core = Arc::new(Core::new(disk, version, log, lock));
    if let Some(error) = full {
        core.stop(error);
    }
    if let Err(error) = replay(&core) {
        core.close();
        return Err(error);
    }
    core.look_at_pressure(&core.state.load().version.clone());
    let jobs = &core.disk.options.jobs;
    let handles = [
        jobs.spawn("lsm-flush", job(Arc::downgrade(&core), Core::flush_step)),
        jobs.spawn("lsm-compact", job(Arc::downgrade(&core), Core::compaction_step)),
    ];
    let _ = core.jobs.set(handles);
    Ok(core)
}

/// The name of the file that is locked. Stores of the first days have it in small letters: they keep it, so that builds
/// of these days and this one keep each other out.
fn lock_name(vfs: &dyn Vfs, dir: &Path) -> Result<&'static str> {
    let names = vfs.list(dir).map_err(Error::io("list", dir))?;
    Ok(if names.iter().any(|name| name == OLD_LOCK) { OLD_LOCK } else { LOCK })
}

/// A directory without a manifest must be empty but for what an interrupted first opening leaves.
pub(super) fn check_empty(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    let names = vfs.list(dir).map_err(Error::io("list", dir))?;
    let ours = [LOCK, OLD_LOCK, "manifest.new"];
    match names.iter().find(|name| !ours.iter().any(|ours| *name == ours)) {
        None => Ok(()),
        Some(name) => Err(Error::NotOurs {
            path: dir.to_owned(),
            expected: EXPECTED,
            what: format!("it has no manifest, and is not empty: there is {}", Path::new(name).display()),
        }),
    }
}

/// Makes sure that the manifest stays. The last one who wrote it may have failed in the middle: it can be read, and be gone
/// after a crash. What it does not name goes only when it is sure to stay.
///
/// A disk that is full even without what is of no use is an answer and no failure: what is there can be read.
fn confirm(disk: &Disk, manifest: &Manifest, exists: bool) -> Result<Option<Error>> {
    match manifest.write(disk.vfs(), &disk.dir) {
        Err(error) if exists && error.is_full() => {}
        written => return written.map(|_| None),
    }
    // A file that nobody came to name has a number that the manifests up to this one had not given yet.
    remove_strays(disk, manifest, manifest.next_file)?;
    remove_spares(disk.vfs(), &disk.dir.join(LOG))?;
    match manifest.write(disk.vfs(), &disk.dir) {
        Err(error) if error.is_full() => Ok(Some(error)),
        written => written.map(|_| None),
    }
}

/// Removes tables and files of values, from a number on, that a crash left and the manifest does not name.
fn remove_strays(disk: &Disk, manifest: &Manifest, from: u64) -> Result<()> {
    for name in disk.vfs().list(&disk.dir).map_err(Error::io("list", &disk.dir))? {
        let stray = match Name::parse(Path::new(&name)) {
            Some(Name::Table(n) | Name::Blob(n)) if n < from => false,
            Some(Name::Table(n)) => !manifest.levels.iter().flatten().any(|(id, ..)| *id == n),
            Some(Name::Blob(n)) => !manifest.blobs.iter().any(|(id, _)| *id == n),
            None => false,
        };
        if stray {
            let path = disk.dir.join(&name);
            disk.vfs().remove(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Puts into memtables what the log has and the tables have not.
fn replay(core: &Core) -> Result<()> {
    let log = core.write.lock().log.clone();
    let Some(log) = log else { return Ok(()) };
    let flushed = core.state.load().version.flushed;
    let mut reader = log.reader(Index(0));
    // Where the numbers of the next record must begin; unknown in front of the first that counts.
    let mut next = None;
    while let Some(entry) = reader.next()? {
        let corrupt =
            |what: &str| Error::corrupt(&core.disk.dir.join(LOG), 0, format!("record {}: {what}", entry.index));
        let Some((seq, bytes)) = entry.payload.split_first_chunk::<8>() else { return Err(corrupt("it is too short")) };
        let seq = u64::from_le_bytes(*seq);
        let batch = WriteBatch::from_bytes(bytes).map_err(|malformed| corrupt(&malformed.to_string()))?;
        let end = seq.checked_add(batch.len() as u64).ok_or_else(|| corrupt("a wild sequence number"))?;
        // What was flushed may be missing in the log: it need not have been durable there.
        let follows = next.is_none_or(|next| seq == next || seq > next && seq <= flushed + 1);
        if !follows || end > u64::MAX >> 3 {
            return Err(corrupt("its sequence number does not follow that of the record before"));
        }
        next = Some(end);
        let mut writer = core.write.lock();
        if batch.is_empty() || end <= flushed + 1 {
            continue;
        }
        if seq != writer.last + 1 {
            return Err(corrupt("its sequence number does not follow that of the last one in a table"));
        }
        if core.is_full(&writer, batch.len()) {
            core.rotate(&mut writer);
            drop(writer);
            match core.flush_waiting() {
                // Then the rest of the log comes to lie in memory as well: it can be read, and writing has stopped.
                Err(error) if error.is_full() => {}
                flushed => flushed?,
            }
            writer = core.write.lock();
        }
        writer.log_end = Index(entry.index.0 + 1);
        core.apply(&mut writer, batch);
    }
    Ok(())
}
