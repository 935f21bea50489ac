//! The store against the suites of all engines, and what is its own.

mod own;
mod refused;
mod structure;

use std::path::Path;

use super::{BTree, Options};
use crate::Result;
use crate::testing::crash::{self, Crashes};
use crate::testing::failures::{self, Failures};
use crate::testing::rot::{self, Flips};
use crate::testing::{Machine, Subject, engine};

/// A store with small pages, so that little data makes a deep tree.
#[derive(Clone, Copy)]
struct Small {
    page_size: usize,
    log_bytes: u64,
}

/// With these a workload of some kilobytes splits, merges and checkpoints all the time.
const TINY: Small = Small { page_size: 512, log_bytes: 4 << 10 };

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

/// `XS_DISKS=100000 cargo test --release -p xs-storage --all-features btree::tests::it_stands_crashes -- --nocapture`
#[test]
fn it_stands_crashes() {
    println!("{}", crash::check(&TINY, &Crashes::from_env(2_000)));
}

#[test]
fn it_stands_failing_calls() {
    // Names whose sync failed are relied on when the store is opened again, as ext4 and XFS allow: a journal that cannot
    // be written makes the file system read-only. Pages that a failed sync has lost are stood.
    println!("{:?}", failures::check(&TINY, &Failures { lost_names: false, ..Failures::default() }));
}

#[test]
fn it_notices_rot() {
    for flush in [true, false] {
        println!("{:?}", rot::check(&TINY, &Flips { flush, bits: 1500, ..Flips::default() }));
    }
}
