//! The file of a B+tree, changed anywhere: what is read is right or an error where checksums were not mended, and nothing
//! panics where they were.
#![no_main]

#[path = "stores/mod.rs"]
mod stores;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use stores::disk::SmallDisk;
use stores::session::{self, Known, Model};
use stores::{Base, Input, sums};
use xs_os::vfs::{MemoryVfs, Vfs};
use xs_storage::btree::{BTree, Options};
use xs_storage::engine::{Engine, EngineExt};
use xs_storage::testing::Machine;

const PAGE: usize = 512;

fn open(machine: &Machine) -> xs_storage::Result<BTree> {
    let options = Options {
        vfs: machine.vfs.clone(),
        jobs: machine.jobs.clone(),
        clock: machine.clock.clone(),
        memory: 64 << 10,
        log_bytes: 8 << 10,
        page_size: PAGE,
        ..Options::default()
    };
    BTree::open(Path::new("db"), options)
}

fn on(disk: Arc<dyn Vfs>) -> Machine {
    Machine::stepped(disk)
}

/// Three levels, long keys, long values, free places; in the second, writes that only the log has.
fn made(in_log: bool) -> (Base, Model) {
    let disk = MemoryVfs::new();
    let machine = on(Arc::new(disk.clone()));
    let tree = open(&machine).unwrap();
    let mut model = Model::new();
    let mut put = |key: &[u8], value: &[u8]| {
        tree.put(key, value).unwrap();
        model.insert(key.to_vec(), value.to_vec());
    };
    for n in 0..120_u32 {
        put(&(n * 7 % 120).to_be_bytes(), &[n as u8; 24]);
    }
    put(b"long value", &[7; 1500]);
    put(b"longer value", &[8; 700]);
    put(&[b"long key".as_slice(), &[1; 900]].concat(), b"a");
    put(&[b"long key".as_slice(), &[1; 899], &[2]].concat(), &[9; 600]);
    tree.flush().unwrap();
    for n in (30..60_u32).step_by(2) {
        tree.delete(&n.to_be_bytes()).unwrap();
        model.remove(&n.to_be_bytes()[..]);
    }
    tree.flush().unwrap();
    if in_log {
        tree.put(&61_u32.to_be_bytes(), b"new").unwrap();
        model.insert(61_u32.to_be_bytes().to_vec(), b"new".to_vec());
        tree.delete(b"long value").unwrap();
        model.remove(&b"long value"[..]);
    }
    let image = disk.fork();
    drop(tree);
    (Base::new(image, |path, bytes| path.ends_with("data").then(|| sums::btree(bytes, PAGE))), model)
}

static BASES: LazyLock<[(Base, Model); 2]> = LazyLock::new(|| [made(false), made(true)]);

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let control = input.u8();
    let (base, model) = &BASES[usize::from(control >> 3 & 1)];
    let edited = base.edit(control, &mut input);
    let mut known = if edited.forged { Known::Nothing } else { Known::Same };
    // Twice, if asked to: what the first opening wrote is there for the second.
    for _ in 0..=(control >> 7) {
        let machine = on(Arc::new(SmallDisk(edited.disk.clone())));
        let Ok(tree) = open(&machine) else { return };
        let states = match &known {
            Known::Nothing => vec![],
            Known::Same => vec![model],
            Known::Now(model) => vec![model],
        };
        known = session::run(&tree, &machine, |tree| tree.check().map(drop), &states, &mut input);
    }
});
