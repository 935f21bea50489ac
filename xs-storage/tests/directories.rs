//! Opening makes the directories above a store as well, and a name is lost with the directory that it stands in.

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::Vfs;
use xs_os::vfs::faulty::FaultyVfs;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Engine, EngineExt};
use xs_storage::log::{Index, Log, LogOptions};
use xs_storage::lsm::{self, Lsm};

const DIR: &str = "new/own/store";

fn survives<E: Engine>(open: impl Fn(Arc<dyn Vfs>) -> E) {
    let disk = FaultyVfs::new(1);
    open(Arc::new(disk.clone())).put(b"k", b"v").unwrap();
    let after = open(Arc::new(disk.durable()));
    assert_eq!(after.get(b"k").unwrap().as_deref(), Some(&b"v"[..]), "acknowledged as durable");
}

#[test]
fn a_store_in_a_directory_of_a_new_directory_survives() {
    survives(|vfs| BTree::open(Path::new(DIR), btree::Options { vfs, ..Default::default() }).unwrap());
    survives(|vfs| Lsm::open(Path::new(DIR), lsm::Options { vfs, ..Default::default() }).unwrap());
}

#[test]
fn so_does_a_log() {
    let disk = FaultyVfs::new(1);
    let open = |vfs| Log::open(vfs, Path::new(DIR), LogOptions::default()).unwrap();
    open(Arc::new(disk.clone())).append(&[b"entry"]).unwrap().1.wait().unwrap();
    let after = open(Arc::new(disk.durable()));
    assert_eq!(after.reader(Index(0)).next().unwrap().unwrap().payload, &b"entry"[..]);
}
