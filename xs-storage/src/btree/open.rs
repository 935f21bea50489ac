//! Opening a store: whose directory it is, the last checkpoint, and the batches that the log has beyond it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::checkpoint::Checkpoint;
use super::header::{self, Header};
use super::node::RunRef;
use super::options::Options;
use super::page::{HEADER, NONE};
use super::recovered::{Fold, Recovered};
use super::space::Space;
use super::store::{Counters, Store, Version};
use super::table::Table;
use super::write::Writer;
use crate::log::{Index, Log, LogOptions};
use crate::{Error, Result, lock};

/// The names in a store's directory.
const DATA: &str = "data";
const FRESH: &str = "data.new";
const LOCK: &str = "LOCK";
const LOG: &str = "log";

/// Opens a store, and answers the lock that is to be held as long as anybody reads it.
pub(super) fn open(dir: &Path, options: Options) -> Result<(Store, Arc<dyn File>)> {
    options.check()?;
    let began = options.clock.now();
    let vfs = options.vfs.clone();
    let path = dir.join(DATA);
    let there = vfs.exists(&path).map_err(Error::io("open", &path))?;
    if !there && options.must_exist {
        let what = "there is none in it".to_owned();
        return Err(Error::NotOurs { path: dir.to_owned(), expected: "B+tree store", what });
    }
    vfs.make_dir(dir).map_err(Error::io("create", dir))?;
    let names = vfs.list(dir).map_err(Error::io("list", dir))?;
    let is_strange = |name: &OsString| ![DATA, FRESH, LOCK, LOG].iter().any(|ours| name.as_os_str() == *ours);
    // Whose directory it is, is the question only as long as it holds no store.
    if let Some(strange) = names.iter().find(|name| !there && is_strange(name)) {
        let what = format!("`{}` is none of its files", strange.to_string_lossy());
        return Err(Error::NotOurs { path: dir.to_owned(), expected: "B+tree store", what });
    }
    let lock = lock(&*vfs, &dir.join(LOCK))?;
    if !there {
        if names.iter().any(|name| *name == LOG) {
            return Err(Error::corrupt(&path, 0, "the file is missing, and its log is not"));
        }
        create(&*vfs, dir, &path, &options)?;
    } else {
        // A name that was found may not be durable, if an earlier life failed to sync it.
        vfs.sync_dir(dir).map_err(Error::io("sync", dir))?;
    }
    let file = vfs.open(&path, Open::Write).map_err(Error::io("open", &path))?;
    let header = Header::read(&*file, &path)?;
    let log_options =
        LogOptions { segment_bytes: options.segment_bytes(), jobs: options.jobs.clone(), ..LogOptions::default() };
    let log = Log::open(vfs, &dir.join(LOG), log_options)?;
    let bounds = log.bounds();
    if header.log < bounds.start.0 || header.log > bounds.end.0 {
        let what =
            format!("goes on with entry {} of the log, which has {} to {}", header.log, bounds.start, bounds.end);
        return Err(Error::corrupt(&path, 0, what));
    }
    let mut store = load(path, file, log, options, &header)?;
    let bytes = recover(&store, Index(header.log), bounds.end)?;
    store.opening = (store.options.clock.now().saturating_duration_since(began), bytes);
    store.figures();
    Ok((store, lock))
}

/// Makes an empty store; a crash leaves none or this.
fn create(vfs: &dyn Vfs, dir: &Path, path: &Path, options: &Options) -> Result<()> {
    let page_size = options.page_size as u32;
    let end = header::first_page(page_size);
    let header = Header { page_size, epoch: 1, log: 0, entries: 0, root: NONE, end, free: NONE, free_len: 0 };
    let fresh = dir.join(FRESH);
    let made = || {
        let file = vfs.open(&fresh, Open::Create)?;
        file.set_len(0)?;
        file.set_len(header::AREA)?;
        header.write(&*file)?;
        file.sync()?;
        vfs.rename(&fresh, path)?;
        vfs.sync_dir(dir)
    };
    made().map_err(Error::io("create", path))
}

/// The store as of its last checkpoint.
fn load(path: PathBuf, file: Arc<dyn File>, log: Log, options: Options, header: &Header) -> Result<Store> {
    let page_size = header.page_size as usize;
    let first = header::first_page(header.page_size);
    let version = Version { seq: 0, root: header.root, entries: header.entries, recovered: None };
    let store = Store {
        file,
        path,
        page_size,
        table: Table::new(options.memory.max(64 * page_size as u64)),
        options,
        version: ArcSwap::from_pointee(version),
        writer: Mutex::new(Writer::new(Space::new(first), header.epoch, header.log, None)),
        checkpoint: Mutex::new(Checkpoint::default()),
        log,
        end: AtomicU32::new(header.end),
        opened_epoch: header.epoch,
        unconfirmed: Mutex::new(Some(header.clone())),
        opening: (Duration::ZERO, 0),
        stopped: OnceLock::new(),
        closed: AtomicBool::new(false),
        counters: Counters::default(),
        figures: Mutex::default(),
    };
    let mut free_run = None;
    let space = if header.free == NONE {
        Space::decode(first, header.end, &[])
    } else {
        let run = RunRef { id: header.free, len: header.free_len };
        free_run = Some((run.id, store.check_run(run)?));
        Space::decode(first, header.end, &store.run_page(run)?.bytes()[HEADER..])
    };
    let space = space.ok_or_else(|| store.corrupt(header.free, "a free list that makes no sense"))?;
    *store.writer.lock() = Writer::new(space, header.epoch, header.log, free_run);
    Ok(store)
}

/// Reads what the log has and the pages have not, and lays it over the tree: no page is looked at. Answers how many bytes
/// it were.
fn recover(store: &Store, from: Index, end: Index) -> Result<u64> {
    let mut reader = store.log.reader(from);
    let mut writer = store.writer.lock();
    let mut recovered = Recovered::default();
    while let Some(entry) = reader.next()? {
        recovered
            .add(entry.payload)
            .map_err(|error| Error::corrupt(&store.path, 0, format!("entry {} of the log: {error}", entry.index)))?;
        writer.next = entry.end.0;
    }
    if writer.next != end.0 {
        return Err(Error::corrupt(&store.path, 0, format!("the log ends at {} and should at {end}", writer.next)));
    }
    let bytes = recovered.bytes();
    writer.logged = bytes;
    if !recovered.is_empty() {
        recovered.sort();
        let recovered = Arc::new(recovered);
        writer.fold = Some(Fold::new(recovered.clone()));
        let before = store.version.load();
        let version = Version { recovered: Some(recovered), ..Version { recovered: None, ..**before } };
        store.version.store(Arc::new(version));
    }
    Ok(bytes)
}
