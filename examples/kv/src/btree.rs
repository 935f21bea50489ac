//! The B+tree.

use std::path::Path;
use std::sync::Arc;

use xs_storage::Result;
use xs_storage::btree::{BTree, Options};
use xs_storage::engine::Engine;

use crate::{Admin, Machine, Opening, Progress, Store, check_by_reading};

pub(crate) fn open(dir: &Path, opening: Opening, machine: &Machine) -> Result<Store> {
    let options = Options {
        vfs: machine.vfs.clone(),
        jobs: machine.jobs.clone(),
        must_exist: opening == Opening::Existing,
        ..Options::default()
    };
    let tree = Arc::new(BTree::open(dir, options)?);
    Ok(Store { engine: tree.clone(), admin: Arc::new(Tree(tree)) })
}

struct Tree(Arc<BTree>);

impl Admin for Tree {
    fn check(&self, told: &mut dyn FnMut(Progress)) -> Result<u64> {
        self.0.check_with(&mut Progress::of("looking at pages", told))?;
        check_by_reading(&*self.0.snapshot()?, self.0.stats().entries, told)
    }

    fn compact(&self, told: &mut dyn FnMut(Progress)) -> Result<()> {
        self.0.compact_with(&mut Progress::of("moving pages", told)).map(drop)
    }

    fn close(&self) -> Result<()> {
        self.0.flush()
    }
}
