//! Trees of small pages against a `BTreeMap`: splits, merges, borrowing, long keys, runs, ranges, savepoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use xs_os::SteppedJobs;
use xs_os::vfs::MemoryVfs;

use crate::btree::{BTree, Options};
use crate::engine::{Durability, Engine, KeyRange, ReadView, WriteBatch};

pub(super) fn options(vfs: &MemoryVfs, page_size: usize) -> Options {
    Options {
        vfs: Arc::new(vfs.clone()),
        jobs: Arc::new(SteppedJobs::new()),
        page_size,
        log_bytes: 16 << 10,
        ..Options::default()
    }
}

pub(super) fn open(vfs: &MemoryVfs, page_size: usize) -> BTree {
    BTree::open(Path::new("store"), options(vfs, page_size)).unwrap()
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) fn same(tree: &dyn ReadView, model: &Model) {
    let mut cursor = tree.cursor(KeyRange::all()).unwrap();
    for (key, value) in model {
        assert!(cursor.next().unwrap(), "the tree ends before {key:?}");
        assert_eq!((cursor.key(), cursor.value().unwrap()), (&key[..], &value[..]));
    }
    assert!(!cursor.next().unwrap(), "the tree goes on with {:?}", cursor.key());
    for (key, value) in model.iter().rev() {
        assert!(cursor.prev().unwrap());
        assert_eq!((cursor.key(), cursor.value().unwrap()), (&key[..], &value[..]));
    }
    assert!(!cursor.prev().unwrap());
}

/// Keys that share prefixes of every length, some long enough to stand in runs, some different only at their ends.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let stem = prop_oneof![
        3 => Just(Vec::new()),
        3 => Just(b"user/account/".to_vec()),
        1 => (20..70_usize).prop_map(|n| vec![b'x'; n]),
        1 => prop_oneof![Just(300_usize), Just(3000)].prop_map(|n| vec![b'y'; n]),
    ];
    let end = proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'x'), Just(b'y'), Just(255)], 0..4);
    (stem, end).prop_map(|(mut stem, end)| {
        stem.extend(end);
        stem
    })
}

#[derive(Clone, Debug)]
enum Act {
    Put(Vec<u8>, usize),
    Delete(prop::sample::Index),
    Range(Vec<u8>, Vec<u8>),
    Fill(u16, u16),
    Empty(u16, u16),
    Back,
    Commit,
    Flush,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let len = prop_oneof![6 => 0..60_usize, 2 => 60..400_usize, 1 => Just(5000_usize)];
    prop_oneof![
        8 => (key(), len).prop_map(|(key, len)| Act::Put(key, len)),
        4 => any::<prop::sample::Index>().prop_map(Act::Delete),
        1 => (key(), key()).prop_map(|(a, b)| Act::Range(a, b)),
        1 => (0..2000_u16, 1..300_u16).prop_map(|(from, n)| Act::Fill(from, n)),
        1 => (0..2000_u16, 1..300_u16).prop_map(|(from, n)| Act::Empty(from, n)),
        1 => Just(Act::Back),
        2 => Just(Act::Commit),
        1 => Just(Act::Flush),
        1 => Just(Act::Reopen),
    ]
}

fn filler(n: u16) -> Vec<u8> {
    format!("user/filler/{:04}", n.wrapping_mul(7919) % 2300).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 500 }))]
    #[test]
    fn a_tree_is_a_map(acts in proptest::collection::vec(act(), 1..60), page in prop_oneof![Just(512), Just(1024)]) {
        let vfs = MemoryVfs::new();
        let mut tree = Some(open(&vfs, page));
        let mut model = Model::new();
        // Transactions: what is done up to the next commit, with a savepoint in the middle.
        for part in acts.split_inclusive(|act| matches!(act, Act::Commit | Act::Flush | Act::Reopen)) {
            let store = tree.as_ref().unwrap();
            let ((), commit) = store.write(Durability::Synced, |txn| {
                let mut saved = (txn.savepoint()?, model.clone());
                for act in part {
                    match act {
                        Act::Put(key, len) => {
                            let value = vec![*len as u8; *len];
                            txn.put(key, &value)?;
                            model.insert(key.clone(), value);
                        }
                        Act::Delete(which) if !model.is_empty() => {
                            let key = model.keys().nth(which.index(model.len())).unwrap().clone();
                            txn.delete(&key)?;
                            model.remove(&key);
                        }
                        Act::Range(from, to) => {
                            txn.delete_range(from, to)?;
                            model.retain(|key, _| !(from <= key && key < to));
                        }
                        Act::Fill(from, n) => for n in *from..from + n {
                            txn.put(&filler(n), b"filler")?;
                            model.insert(filler(n), b"filler".to_vec());
                        },
                        Act::Empty(from, n) => for n in *from..from + n {
                            txn.delete(&filler(n))?;
                            model.remove(&filler(n));
                        },
                        Act::Back => {
                            if model.len().is_multiple_of(2) {
                                txn.go_back(&saved.0)?;
                                model.clone_from(&saved.1);
                            }
                            saved = (txn.savepoint()?, model.clone());
                        }
                        _ => {}
                    }
                    assert_eq!(txn.entries(), model.len() as u64);
                }
                Ok(())
            }).unwrap();
            commit.wait().unwrap();
            store.check().unwrap();
            same(store, &model);
            match part.last() {
                Some(Act::Flush) => {
                    store.flush().unwrap();
                    store.check().unwrap();
                }
                Some(Act::Reopen) => {
                    tree = None;
                    tree.get_or_insert_with(|| open(&vfs, page)).check().unwrap();
                }
                _ => {}
            }
        }
        let store = tree.unwrap();
        store.compact().unwrap();
        store.check().unwrap();
        same(&store, &model);
    }

    #[test]
    fn a_bulk_load_is_the_same_as_puts(keys in proptest::collection::btree_set(key(), 0..300)) {
        let vfs = MemoryVfs::new();
        let model: Model = keys.into_iter().map(|key| { let value = key.clone(); (key, value) }).collect();
        let tree = open(&vfs, 512);
        prop_assert_eq!(tree.bulk_load(&model).unwrap(), model.len() as u64);
        tree.check().unwrap();
        same(&tree, &model);
        drop(tree);
        let tree = open(&vfs, 512);
        tree.check().unwrap();
        same(&tree, &model);
    }
}

#[test]
fn sequential_keys_fill_their_pages() {
    let tree = open(&MemoryVfs::new(), 512);
    let mut batch = WriteBatch::new();
    for n in 0..5000_u32 {
        batch.put(&n.to_be_bytes(), b"twelve bytes");
    }
    drop(tree.submit(batch, Durability::Buffered).unwrap());
    let report = tree.check().unwrap();
    assert!(report.fill_percent >= 90, "{report:?}");
}

#[test]
fn random_keys_fill_two_thirds_of_their_pages() {
    let tree = open(&MemoryVfs::new(), 512);
    let mut rng = xs_os::Rng::from_seed(1);
    for _ in 0..50 {
        let mut batch = WriteBatch::new();
        (0..100).for_each(|_| {
            batch.put(&rng.next_u64().to_be_bytes(), b"twelve bytes");
        });
        drop(tree.submit(batch, Durability::Buffered).unwrap());
    }
    let report = tree.check().unwrap();
    assert!((60..80).contains(&report.fill_percent), "{report:?}");
    // And stay that full when most of it goes.
    let keys: Vec<Vec<u8>> = {
        let mut cursor = tree.cursor(KeyRange::all()).unwrap();
        std::iter::from_fn(|| cursor.next().unwrap().then(|| cursor.key().to_vec())).collect()
    };
    for key in keys.iter().enumerate().filter(|(n, _)| n % 10 != 0).map(|(_, key)| key) {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        drop(tree.submit(batch, Durability::Buffered).unwrap());
    }
    let report = tree.check().unwrap();
    assert!(report.fill_percent >= 35, "{report:?}");
}
