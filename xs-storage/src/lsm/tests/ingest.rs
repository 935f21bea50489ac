//! What is taken in, and what it shares with its maker.

use xs_os::vfs::{MemoryVfs, Vfs};

use super::*;

fn options(vfs: &MemoryVfs) -> Options {
    Options { vfs: Arc::new(vfs.clone()), ..Options::default() }
}

/// A table of a hundred keys from a number on.
fn build(path: &Path, from: u32, options: &Options) {
    let mut builder = TableBuilder::new(path, options).unwrap();
    (from..from + 100).for_each(|n| builder.put(&n.to_be_bytes(), b"value").unwrap());
    builder.finish().unwrap();
}

/// "The given names stay the caller's", and "an old one of the name is replaced": so a name may be used for one table
/// after the other.
#[test]
fn a_name_can_be_built_under_again_after_an_ingest() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let incoming = Path::new("incoming.table");
    for round in 0..2 {
        build(incoming, round * 1000, &options);
        store.ingest(&[incoming]).unwrap();
    }
    assert_eq!(store.get(&7_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(store.get(&1007_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    store.check().unwrap();
}

#[test]
fn a_table_that_is_given_up_leaves_the_one_of_its_name() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let incoming = Path::new("incoming.table");
    build(incoming, 0, &options);
    let before = vfs.files();
    let mut builder = TableBuilder::new(incoming, &options).unwrap();
    builder.put(b"key", b"value").unwrap();
    drop(builder);
    assert!(TableBuilder::new(incoming, &options).unwrap().finish().is_err(), "no entry");
    assert!(vfs.files() == before);
}
