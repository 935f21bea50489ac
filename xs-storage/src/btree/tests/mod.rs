//! The store against the suite of all engines, and what is its own.

use std::path::Path;

use super::{BTree, Options};
use crate::Result;
use crate::testing::{Machine, Subject, engine};

/// A store with small pages, so that little data makes a deep tree.
#[derive(Clone, Copy)]
struct Small {
    page_size: usize,
    log_bytes: u64,
}

impl Subject for Small {
    type Engine = BTree;

    fn open(&self, machine: &Machine) -> Result<BTree> {
        let options = Options {
            vfs: machine.vfs.clone(),
            jobs: machine.jobs.clone(),
            page_size: self.page_size,
            log_bytes: self.log_bytes,
            ..Options::default()
        };
        BTree::open(Path::new("store"), options)
    }

    fn check(&self, engine: &BTree) -> Result<(), String> {
        engine.check().map(drop).map_err(|error| error.to_string())
    }
}

#[test]
fn it_keeps_the_contract() {
    engine::check(&|| Small { page_size: 512, log_bytes: 64 << 10 });
}

#[test]
fn it_keeps_the_contract_with_its_own_defaults() {
    engine::check(&|| Small { page_size: 4096, log_bytes: 16 << 20 });
}
