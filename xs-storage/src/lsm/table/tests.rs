use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use xs_os::vfs::{MemoryVfs, Open};

use super::super::disk::{Disk, Name};
use super::super::entries::Entries;
use super::super::options::{Compression, Options};
use super::super::ranges::Ranges;
use super::*;

type Entry = (Vec<u8>, u64, Vec<u8>);

/// Entries in the order of a table: by key, then the newest first. Some keys have many versions.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let key = prop_oneof![
        proptest::collection::vec(0..3_u8, 0..4),
        (0..300_u16).prop_map(|n| [&b"prefix/"[..], &n.to_be_bytes()].concat())
    ];
    proptest::collection::btree_map((key, 0..40_u64), proptest::collection::vec(any::<u8>(), 0..40), 1..300).prop_map(
        |map| {
            let mut all: Vec<_> = map.into_iter().map(|((key, seq), value)| (key, seq << 2 | 1, value)).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            all
        },
    )
}

fn build(entries: &[Entry], options: Options) -> (Arc<Disk>, Arc<Table>) {
    options.vfs.create_dir("d".as_ref()).unwrap();
    let disk = Arc::new(Disk::new(options, "d".into(), 7));
    let mut writer = TableWriter::new(disk.vfs(), disk.path(Name::Table(1)), 1, &disk.options).unwrap();
    entries.iter().for_each(|(key, tag, value)| writer.add(key, *tag, value).unwrap());
    let ranges = Ranges::new(vec![(Bytes::from_static(b"p"), Bytes::from_static(b"q"), 3)]);
    let info = writer.finish(&ranges, 5).unwrap();
    let table = Table::open(&disk, 1, info.bytes, None).unwrap();
    assert_eq!(*table.info, info);
    assert_eq!(*table.ranges, ranges);
    (disk, table)
}

fn options(block_bytes: usize, compression: Compression) -> Options {
    Options { vfs: Arc::new(MemoryVfs::new()), block_bytes, compression, ..Options::tiny() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_table_holds_what_a_sorted_list_holds(entries in entries(), block in 1..600_usize, how in any::<prop::sample::Index>(), fill in prop_oneof![Just(Fill::Keep), Just(Fill::Bypass), Just(Fill::Fresh)], probes in proptest::collection::vec((proptest::collection::vec(0..3_u8, 0..4), 0..41_u64), 1..30)) {
        let known: Vec<_> = Compression::known().collect();
        let (_disk, table) = build(&entries, options(block, *how.get(&known)));
        let mut cursor = TableCursor::new(table.clone(), fill).unwrap();
        let here = |cursor: &TableCursor| cursor.valid().then(|| (cursor.key().to_vec(), cursor.tag(), cursor.value().to_vec()));
        cursor.first().unwrap();
        for entry in &entries {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.next().unwrap();
        }
        prop_assert!(!cursor.valid());
        cursor.last().unwrap();
        for entry in entries.iter().rev() {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.prev().unwrap();
        }
        prop_assert!(!cursor.valid());
        let known = entries.iter().map(|(key, tag, _)| (key.clone(), tag >> 2));
        for (key, seq) in probes.into_iter().chain(known) {
            let at = entries.partition_point(|(known, tag, _)| *known < key || (*known == key && tag >> 2 > seq));
            cursor.seek(&key, seq).unwrap();
            prop_assert_eq!(here(&cursor), entries.get(at).cloned());
            cursor.seek_before(&key, seq).unwrap();
            prop_assert_eq!(here(&cursor), at.checked_sub(1).map(|at| entries[at].clone()));
            let newest = entries.get(at).filter(|(known, ..)| *known == key);
            let got = table.get(&key, hash(&key), seq, |found| (found.tag, found.block[found.value].to_vec())).unwrap();
            prop_assert_eq!(got, newest.map(|(_, tag, value)| (*tag, value.clone())));
        }
    }
}

#[test]
fn entries_out_of_order_end_a_walk_and_never_send_it_back() {
    let entry = |n: usize| (vec![b'k', n as u8 / 3], (9 - n as u64 % 3) << 2 | 1, vec![0; 20]);
    for block in [1, 100, 10_000] {
        for (a, b) in (0..30).flat_map(|a| (0..30).map(move |b| (a, b))).filter(|(a, b)| a != b) {
            let mut entries: Vec<Entry> = (0..30).map(entry).collect();
            entries.swap(a, b);
            let (_disk, table) = build(&entries, options(block, Compression::None));
            // Where there are several blocks, the index may show it already.
            let Ok(mut cursor) = TableCursor::new(table, Fill::Keep) else {
                assert!(block < 10_000);
                continue;
            };
            for back in [false, true] {
                let mut last: Option<(Vec<u8>, u64)> = None;
                let mut at = if back { cursor.last() } else { cursor.first() };
                while at.is_ok() && cursor.valid() {
                    let here = (cursor.key().to_vec(), u64::MAX - cursor.tag());
                    assert!(
                        last.is_none_or(|last| if back { here < last } else { here > last }),
                        "{a} and {b} swapped"
                    );
                    last = Some(here);
                    at = if back { cursor.prev() } else { cursor.next() };
                }
                assert!(at.is_err() && !cursor.valid(), "{a} and {b} swapped, back: {back}");
            }
            for n in 0..31 {
                let key = [b'k', n as u8];
                if cursor.seek(&key, 8).is_ok() && cursor.valid() {
                    assert!((cursor.key(), 8) >= (&key[..], cursor.tag() >> 2) || cursor.key() > &key[..]);
                }
                if cursor.seek_before(&key, 8).is_ok() && cursor.valid() {
                    assert!(cursor.key() < &key[..] || cursor.key() == key && cursor.tag() >> 2 > 8);
                }
            }
        }
    }
}

#[test]
fn random_bytes_as_a_table_are_refused() {
    let options = options(100, Compression::None);
    let vfs = options.vfs.clone();
    let (disk, _) = build(&[(b"k".to_vec(), 5, b"v".to_vec())], options);
    let path = disk.path(Name::Table(2));
    for seed in 0..500_u64 {
        let file = vfs.open(&path, Open::Create).unwrap();
        let mut rng = xs_os::Rng::from_seed(seed);
        let len = rng.below(300);
        let bytes: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
        file.set_len(0).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        assert!(Table::open(&disk, 2, len, None).is_err());
    }
}

#[test]
fn a_small_cache_lets_blocks_go_and_keeps_its_books() {
    let entries: Vec<Entry> = (0..2_000_u32).map(|n| (n.to_be_bytes().to_vec(), 5, vec![0; 50])).collect();
    let (disk, table) = build(&entries, Options { memory: 64 << 10, ..options(512, Compression::None) });
    let total = || disk.cache.memory().iter().map(|(_, bytes)| bytes).sum::<u64>();
    for round in 0..3 {
        for n in (0..2_000_u32).step_by(7) {
            let key = (n * (round + 1) % 2_000).to_be_bytes();
            assert!(table.get(&key, hash(&key), 9, |_| ()).unwrap().is_some());
            assert!(total() <= 32 << 10);
        }
    }
    drop(table);
    assert_eq!(total(), 0);
}
