//! What goes wrong inside of a transaction, or lies damaged beside what passed the log by, changes nothing silently.

use std::path::Path;
use std::sync::Arc;

use xs_os::SteppedJobs;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{MemoryVfs, Open, Vfs};

use super::structure::{open, options};
use crate::Error;
use crate::btree::{BTree, Options, Transaction};
use crate::engine::{Durability, Engine, EngineExt, ReadView};

fn fill(txn: &mut Transaction<'_>, from: u32, value: u8) {
    (from..from + 100).for_each(|n| txn.put(&n.to_be_bytes(), &[value; 50]).unwrap());
}

#[test]
fn a_flipped_bit_does_not_undo_a_bulk_load() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    tree.put(b"before", b"").unwrap();
    tree.bulk_load((0..1000_u32).map(|n| (n.to_be_bytes(), b"value"))).unwrap();
    drop(tree);
    for at in (0..128).chain(4096..4096 + 128) {
        let vfs = vfs.fork();
        let file = vfs.open(Path::new("store/data"), Open::Write).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        let tree = BTree::open(Path::new("store"), options(&vfs, 512)).unwrap();
        assert_eq!(tree.check().unwrap().entries, 1001, "a bit of byte {at}");
    }
}

#[test]
fn a_savepoint_that_is_void_is_refused() {
    let tree = open(&MemoryVfs::new(), 512);
    let refused = |done: crate::Result<()>| assert!(matches!(done, Err(Error::Invalid(_))), "{done:?}");
    let write = |inner: &mut dyn FnMut(&mut Transaction<'_>) -> crate::Result<()>| {
        tree.write(Durability::Synced, |txn| inner(txn)).unwrap().1.wait().unwrap();
        tree.check().unwrap();
    };
    let mut kept = None;
    write(&mut |txn| {
        fill(txn, 0, 1);
        let first = txn.savepoint()?;
        fill(txn, 100, 2);
        let second = txn.savepoint()?;
        txn.go_back(&first)?;
        fill(txn, 1000, 3);
        refused(txn.go_back(&second));
        fill(txn, 2000, 4);
        txn.go_back(&first)?;
        fill(txn, 3000, 5);
        kept = Some(first);
        Ok(())
    });
    assert_eq!(tree.entries().unwrap(), 200);
    write(&mut |txn| {
        fill(txn, 500, 6);
        refused(txn.go_back(kept.as_ref().unwrap()));
        Ok(())
    });
    assert_eq!(tree.entries().unwrap(), 300);
}

/// Whoever goes on after an error must find the tree and the log in step.
#[test]
fn a_write_that_fails_half_way_cannot_be_committed() {
    for goes_back in [false, true] {
        for skipped in 0.. {
            let disk = FaultyVfs::new(1);
            let jobs = Arc::new(SteppedJobs::new());
            let vfs = Arc::new(disk.clone());
            let options = Options { vfs, jobs, page_size: 512, memory: 64 * 512, ..Options::default() };
            let tree = BTree::open(Path::new("db"), options).unwrap();
            tree.bulk_load((0..1000_u32).map(|n| (n.to_be_bytes(), [7; 30]))).unwrap();
            let mut failed = false;
            let done = tree.write(Durability::Synced, |txn| {
                txn.put(b"first", b"")?;
                let before = txn.savepoint()?;
                disk.fail(Fault::of(Operation::Read).after(skipped));
                failed = txn.delete_range(&200_u32.to_be_bytes(), &800_u32.to_be_bytes()).is_err();
                disk.heal();
                if failed {
                    assert!(txn.put(b"more", b"").is_err() && txn.get(b"first").is_err());
                }
                if goes_back {
                    txn.go_back(&before)?;
                }
                Ok(())
            });
            if !failed {
                break;
            }
            assert_eq!(done.is_ok(), goes_back, "read {skipped} failed");
            if let Ok(((), commit)) = done {
                commit.wait().unwrap();
            }
            assert_eq!(tree.check().unwrap().entries, 1000 + u64::from(goes_back), "read {skipped} failed");
            assert_eq!(tree.get(b"first").unwrap().is_some(), goes_back);
        }
    }
}

#[test]
fn figures_are_told_while_somebody_writes() {
    let tree = open(&MemoryVfs::new(), 512);
    tree.put(b"k", b"v").unwrap();
    let pages = |tree: &BTree| tree.stats().details.iter().find(|(name, _)| *name == "pages").unwrap().1;
    let before = pages(&tree);
    let written = tree.write(Durability::Synced, |txn| {
        fill(txn, 0, 1);
        assert_eq!(pages(&tree), before);
        Ok(())
    });
    written.unwrap().1.wait().unwrap();
    assert!(pages(&tree) > before);
}
