//! Every crash around what passes the log by: bulk loads and compactions of a B+tree, tables that an LSM tree takes in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use xs_os::SteppedJobs;
use xs_os::vfs::Vfs;
use xs_os::vfs::explore::Explorer;
use xs_os::vfs::faulty::FaultyVfs;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Durability, Engine, KeyRange, ReadView, WriteBatch};
use xs_storage::lsm::{self, Lsm, TableBuilder};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const STEPS: u32 = 8;

/// What a step puts, whichever way it does.
fn entries(step: u32) -> Model {
    let keys = (0..40_u32).map(|n| (n * (step + 1) * 7 % 100).to_be_bytes().to_vec());
    keys.map(|key| (key, vec![step as u8; 30 + step as usize * 40])).collect()
}

fn put(store: &dyn Engine, step: u32) {
    let mut batch = WriteBatch::new();
    entries(step).iter().for_each(|(key, value)| _ = batch.put(key, value));
    store.submit(batch, Durability::Synced).unwrap().wait().unwrap();
}

fn all(view: &dyn ReadView) -> Result<Model, String> {
    let mut cursor = view.cursor(KeyRange::all()).map_err(|error| error.to_string())?;
    let mut found = Model::new();
    while cursor.next().map_err(|error| error.to_string())? {
        found.insert(cursor.key().to_vec(), cursor.value().map_err(|error| error.to_string())?.to_vec());
    }
    Ok(found)
}

/// Runs the steps on a disk that records, and looks at what crashes leave: what was there after the last step that was
/// acknowledged, or after the next.
fn explore<S>(
    open: impl Fn(Arc<dyn Vfs>) -> Result<S, String>,
    run: impl Fn(&S, &dyn Vfs, u32),
    check: impl Fn(&S) -> Result<Model, String>,
) {
    let disks = std::env::var("XS_DISKS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    let disk = FaultyVfs::new(1);
    disk.record();
    let mut states = vec![Model::new()];
    let store = open(Arc::new(disk.clone())).unwrap();
    for step in 0..STEPS {
        disk.mark(u64::from(step));
        run(&store, &disk, step);
        let mut state = states[step as usize].clone();
        state.extend(entries(step));
        assert_eq!(check(&store).unwrap(), state);
        states.push(state);
    }
    disk.mark(u64::from(STEPS));
    drop(store);
    let recording = disk.recorded();
    let points = 2 * recording.syncs() + 1;
    let mut explorer = Explorer::new(1).per_point((disks / points).max(4));
    let explored = explorer.explore(&recording, &mut |crash| {
        let store = open(Arc::new(crash.disk.clone()))?;
        let found = check(&store)?;
        let last = crash.mark as usize;
        let fits = states[last..].iter().take(2).any(|state| *state == found);
        if fits {
            Ok(())
        } else {
            Err(format!("after step {last} there are {} entries, of none of the states", found.len()))
        }
    });
    if let Err(failure) = explored {
        panic!("crash {}: {}", failure.line, failure.what);
    }
    println!("{}", explorer.report());
}

#[test]
fn crashes_around_bulk_loads() {
    explore(
        |vfs| {
            let jobs = Arc::new(SteppedJobs::new());
            let options = btree::Options {
                vfs,
                jobs,
                page_size: 512,
                log_bytes: 8 << 10,
                memory: 64 << 10,
                ..Default::default()
            };
            BTree::open(Path::new("db"), options).map_err(|error| error.to_string())
        },
        |store: &BTree, _, step| {
            if step % 2 == 0 {
                put(store, step);
            } else {
                store.bulk_load(entries(step)).unwrap();
            }
            if step % 3 == 2 {
                store.compact().unwrap();
            }
        },
        |store| {
            store.check().map_err(|error| error.to_string())?;
            all(store)
        },
    );
}

#[test]
fn crashes_around_tables_that_are_taken_in() {
    fn options(vfs: Arc<dyn Vfs>) -> lsm::Options {
        lsm::Options { vfs, jobs: Arc::new(SteppedJobs::new()), separate_bytes: 200, ..lsm::Options::tiny() }
    }
    let disk_of = std::sync::Mutex::new(None::<Arc<dyn Vfs>>);
    explore(
        |vfs| {
            *disk_of.lock().unwrap() = Some(vfs.clone());
            Lsm::open(Path::new("db"), options(vfs)).map_err(|error| error.to_string())
        },
        |store: &Lsm, _, step| {
            if step % 2 == 0 {
                put(store, step);
            } else {
                let name = format!("incoming-{step}");
                let options = options(disk_of.lock().unwrap().clone().unwrap());
                let mut builder = TableBuilder::new(Path::new(&name), &options).unwrap();
                entries(step).iter().for_each(|(key, value)| builder.put(key, value).unwrap());
                builder.finish().unwrap();
                store.ingest(&[Path::new(&name)]).unwrap();
            }
            if step % 3 == 2 {
                store.compact_fully().unwrap();
            }
        },
        |store| {
            store.check().map_err(|error| error.to_string())?;
            all(store)
        },
    );
}
