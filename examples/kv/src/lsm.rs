//! The log-structured merge tree.

use std::path::Path;
use std::sync::Arc;

use xs_storage::Result;
use xs_storage::engine::Engine;
use xs_storage::lsm::{Lsm, Options};

use crate::{Admin, Machine, Opening, Store, check_by_reading};

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
    fn check(&self, told: &mut dyn FnMut(u64)) -> Result<u64> {
        self.0.check()?;
        check_by_reading(&*self.0.snapshot()?, told)
    }

    fn compact(&self, _: &mut dyn FnMut(u64)) -> Result<()> {
        self.0.compact_fully()
    }

    fn close(&self) -> Result<()> {
        self.0.flush()
    }
}
