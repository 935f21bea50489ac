//! The account of what was written where.

use std::sync::Arc;

use xs_os::vfs::MemoryVfs;

use super::super::compaction::Leveled;
use super::*;

#[test]
fn every_byte_that_was_written_is_in_the_account() {
    let machine = Machine::stepped(Arc::new(MemoryVfs::new()));
    let policy = Policy::Leveled(Leveled { top_percent: 0, ..Leveled::default() });
    let store = Lsm::open(Path::new("db"), on(&machine, Options { policy, ..Options::tiny() })).unwrap();
    let fill = |keys: std::ops::Range<u32>| {
        let mut batch = WriteBatch::new();
        keys.for_each(|n| _ = batch.put(&n.to_be_bytes(), &[1; 50]));
        store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
        store.flush().unwrap();
    };
    let detail = |name: &str| store.stats().details.iter().find(|(known, _)| *known == name).unwrap().1;
    // Four tables apart from each other go down as they are.
    (0..4).for_each(|part| fill(part * 50..part * 50 + 50));
    store.compact().unwrap();
    let [top, first, ..] = store.levels();
    assert_eq!((top.jobs, top.tables, first.jobs, first.tables, first.entries), (4, 0, 0, 4, 200));
    assert!(top.written > 200 * 54 && first.moved == top.written && first.bytes == first.moved);
    // Four that overlap are merged with them.
    (0..4).for_each(|_| fill(0..200));
    store.compact().unwrap();
    let [top, first, ..] = store.levels();
    assert_eq!((top.jobs, top.tables, first.jobs, first.entries, first.deletes), (8, 0, 1, 200, 0));
    assert_eq!(first.read, top.written);
    assert_eq!(first.written, first.bytes);
    assert_eq!((detail("bytes written by flushes"), detail("bytes written by merges")), (top.written, first.written));
    // What is left is manifests.
    let rest = store.stats().disk_bytes_written - detail("bytes written to the log") - top.written - first.written;
    assert!((1..20_000).contains(&rest), "{rest}");
}
