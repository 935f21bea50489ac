//! The log-structured merge tree.

use std::path::Path;
use std::sync::Arc;

use xs_storage::Result;
use xs_storage::engine::Engine;
use xs_storage::lsm::{Lsm, Options};

use crate::{Admin, Machine, Opening, Progress, Store, check_by_reading};

pub(crate) fn open(dir: &Path, opening: Opening, machine: &Machine) -> Result<Store> {
    let options = Options {
        vfs: machine.vfs.clone(),
        jobs: machine.jobs.clone(),
        clock: machine.clock.clone(),
        must_exist: opening == Opening::Existing,
        ..Options::default()
    };
    let tree = Arc::new(Lsm::open(dir, options)?);
    Ok(Store { engine: tree.clone(), admin: Arc::new(Tree(tree)) })
}

struct Tree(Arc<Lsm>);

impl Admin for Tree {
    fn check(&self, told: &mut dyn FnMut(Progress)) -> Result<u64> {
        self.0.check_with(&mut Progress::of("looking at tables", told))?;
        check_by_reading(&*self.0.snapshot()?, self.0.stats().entries, told)
    }

    fn compact(&self, told: &mut dyn FnMut(Progress)) -> Result<()> {
        self.0.compact_fully_with(&mut Progress::of("merging", told))
    }

    fn close(&self) -> Result<()> {
        self.0.flush()
    }
}
