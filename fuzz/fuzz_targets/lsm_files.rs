//! Any file of a log-structured merge tree, changed anywhere: what is read is right or an error where checksums were not
//! mended, and nothing panics where they were.
#![no_main]

#[path = "stores/mod.rs"]
mod stores;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use stores::disk::SmallDisk;
use stores::session::{self, Known, Model};
use stores::{Base, Input, sums};
use xs_os::vfs::MemoryVfs;
use xs_storage::engine::{Durability, Engine, EngineExt, WriteBatch};
use xs_storage::lsm::{Compression, Lsm, Options};
use xs_storage::testing::Machine;

/// Two kinds: plain, and with values apart, compressed, by one codec and the other.
fn options(kind: usize, machine: &Machine) -> Options {
    let compression = Compression::known().nth(kind).unwrap();
    let separate_bytes = if kind == 1 { 64 } else { 2 << 10 };
    let Machine { vfs, jobs, clock, .. } = machine.clone();
    Options { vfs, jobs, clock, compression, separate_bytes, log_segment_bytes: 4 << 10, ..Options::tiny() }
}

fn open(kind: usize, machine: &Machine) -> xs_storage::Result<Lsm> {
    Lsm::open(Path::new("db"), options(kind, machine))
}

/// Several levels, deletes, a deleted range, values apart; the last writes in the log only. What it holds after each of
/// these: damage at the end of a log may read as torn.
fn made(kind: usize) -> (Base, Vec<Model>) {
    let disk = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(disk.clone()));
    let store = open(kind, &machine).unwrap();
    let mut model = Model::new();
    for round in 0..2_u8 {
        for n in 0..60_u32 {
            let (key, value) = ((n * 7 % 60).to_be_bytes(), vec![round; 24 + n as usize]);
            store.put(&key, &value).unwrap();
            model.insert(key.to_vec(), value);
        }
        store.put(b"large", &[round; 3000]).unwrap();
        model.insert(b"large".to_vec(), vec![round; 3000]);
        store.flush().unwrap();
        machine.run_until_idle(1000);
    }
    let range = (20_u32.to_be_bytes(), 30_u32.to_be_bytes());
    let mut batch = WriteBatch::new();
    batch.delete_range(&range.0, &range.1).delete(&5_u32.to_be_bytes());
    store.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    model.retain(|key, _| !(range.0[..] <= key[..] && key[..] < range.1[..]) && key[..] != 5_u32.to_be_bytes());
    store.put(&200_u32.to_be_bytes(), &[9; 100]).unwrap();
    model.insert(200_u32.to_be_bytes().to_vec(), vec![9; 100]);
    store.flush().unwrap();
    let mut states = vec![model.clone()];
    for n in 90..94_u32 {
        store.put(&n.to_be_bytes(), b"in the log").unwrap();
        model.insert(n.to_be_bytes().to_vec(), b"in the log".to_vec());
        states.push(model.clone());
    }
    drop(store);
    (Base::new(disk, sums::lsm), states)
}

static BASES: LazyLock<[(Base, Vec<Model>); 3]> = LazyLock::new(|| [made(0), made(1), made(2)]);

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let control = input.u8();
    let kind = usize::from(control >> 3 & 15) % 3;
    let (base, states) = &BASES[kind];
    let edited = base.edit(control, &mut input);
    let mut known = if edited.forged { Known::Nothing } else { Known::Same };
    for _ in 0..=(control >> 7) {
        let machine = Machine::stepped(Arc::new(SmallDisk(edited.disk.clone())));
        let Ok(store) = open(kind, &machine) else { return };
        let states_now: Vec<&Model> = match &known {
            Known::Nothing => vec![],
            Known::Same => states.iter().collect(),
            Known::Now(model) => vec![model],
        };
        known = session::run(&store, &machine, |store| store.check().map(drop), &states_now, &mut input);
        if input.u8() & 1 != 0 {
            let _ = store.compact_fully();
        }
    }
});
