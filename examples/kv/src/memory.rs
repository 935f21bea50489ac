//! The engine in memory with a file: a dump, read when the store is opened, and replaced when it is closed. What lies
//! between is lost if the process is killed, which is what the other engines are for.

use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use xs_os::vfs::{File, Open, Vfs, VfsExt};
use xs_storage::dump::{self, DumpError};
use xs_storage::engine::{Engine, MemoryEngine};
use xs_storage::{Error, Result, lock};

use crate::{Admin, FileReader, FileWriter, Opening, Progress, Store, check_by_reading};

const DUMP: &str = "memory.dump";
const FRESH: &str = "memory.dump.new";
const LOCK: &str = "LOCK";

struct Loaded {
    engine: MemoryEngine,
    home: Option<Home>,
}

struct Home {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    /// Bytes written to the engine when its file was last up to date.
    saved: Mutex<Option<u64>>,
    /// Held for as long as the store is open.
    _lock: Arc<dyn File>,
}

pub(crate) fn open(dir: Option<&Path>, opening: Opening, vfs: &Arc<dyn Vfs>) -> Result<Store> {
    let engine = MemoryEngine::new();
    let home = dir.map(|dir| load(&engine, dir, opening, vfs)).transpose()?;
    Ok(Store { engine: Arc::new(engine.clone()), admin: Arc::new(Loaded { engine, home }) })
}

fn load(engine: &MemoryEngine, dir: &Path, opening: Opening, vfs: &Arc<dyn Vfs>) -> Result<Home> {
    let path = dir.join(DUMP);
    let exists = vfs.exists(&path).map_err(Error::io("open", &path))?;
    if !exists {
        if opening == Opening::Existing {
            return Err(Error::Invalid(format!("{}: no store in memory was kept here", dir.display())));
        }
        vfs.make_dir(dir).map_err(Error::io("create", dir))?;
        let names = vfs.list(dir).map_err(Error::io("list", dir))?;
        if let Some(name) = names.iter().find(|name| *name != LOCK && *name != FRESH) {
            let what = format!("it holds {}", name.display());
            return Err(Error::NotOurs { path: dir.to_owned(), expected: "store", what });
        }
    }
    let lock = lock(&**vfs, &dir.join(LOCK))?;
    let mut saved = None;
    if exists {
        let file = vfs.open(&path, Open::Read).map_err(Error::io("open", &path))?;
        let mut from = BufReader::with_capacity(1 << 16, FileReader::new(file));
        dump::restore(engine, &mut from, &mut |_| {}).map_err(|error| explain(error, &path))?;
        saved = Some(engine.stats().user_bytes_written);
    }
    Ok(Home { vfs: vfs.clone(), dir: dir.to_owned(), saved: Mutex::new(saved), _lock: lock })
}

/// The dump's complaint as one about the store's file.
fn explain(error: DumpError, path: &Path) -> Error {
    let path = path.to_owned();
    match error {
        DumpError::NotADump => Error::NotOurs { path, expected: "dump", what: "it begins otherwise".into() },
        DumpError::NewerFormat { found, known } => Error::NewerFormat { path, found, known },
        DumpError::CutOff(so_far) => Error::Corrupt { path, offset: so_far.bytes, what: "it ends here".into() },
        DumpError::Damaged { block, offset, what } => {
            Error::Corrupt { path, offset, what: format!("in block {block}, {what}") }
        }
        DumpError::Read(source) => Error::io("read", &path)(source),
        DumpError::Write(source) => Error::io("write", &path)(source),
        DumpError::Store(error) => error,
        other => Error::Invalid(format!("{}: {other}", path.display())),
    }
}

impl Admin for Loaded {
    fn check(&self, told: &mut dyn FnMut(Progress)) -> Result<u64> {
        check_by_reading(&*self.engine.snapshot()?, self.engine.stats().entries, told)
    }

    fn compact(&self, _: &mut dyn FnMut(Progress)) -> Result<()> {
        // Versions go with their last reader: there is never anything to give back.
        Ok(())
    }

    fn close(&self) -> Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let mut saved = home.saved.lock();
        let written = self.engine.stats().user_bytes_written;
        if *saved == Some(written) {
            return Ok(());
        }
        let (fresh, path) = (home.dir.join(FRESH), home.dir.join(DUMP));
        let file = home.vfs.open(&fresh, Open::Create).map_err(Error::io("open", &fresh))?;
        file.set_len(0).map_err(Error::io("write", &fresh))?;
        let mut to = BufWriter::with_capacity(1 << 16, FileWriter::new(file.clone()));
        dump::save(&*self.engine.snapshot()?, &mut to, &mut |_| {}).map_err(|error| explain(error, &fresh))?;
        file.sync().map_err(Error::io("sync", &fresh))?;
        home.vfs.rename(&fresh, &path).map_err(Error::io("rename", &path))?;
        home.vfs.sync_dir(&home.dir).map_err(Error::io("sync", &home.dir))?;
        *saved = Some(written);
        Ok(())
    }
}
