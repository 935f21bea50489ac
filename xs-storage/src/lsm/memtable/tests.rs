use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::super::entries::Entries;
use super::*;

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(0..3_u8, 0..5),
        (0..400_u16).prop_map(|n| [&b"a/long/common/prefix/"[..], &n.to_be_bytes()].concat()),
        (0..4000_u16).prop_map(|n| n.to_be_bytes().to_vec()),
    ]
}

fn batch_of(key: &[u8], value: &[u8]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(key, value);
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_holds_what_a_sorted_map_holds(keys in proptest::collection::vec(key(), 1..600), sorted in any::<bool>(), probes in proptest::collection::vec((key(), 0..700_u64), 1..50)) {
        let mut keys = keys;
        if sorted { keys.sort() }
        let (table, mut writer) = Memtable::new(64 << 10);
        let mut model = BTreeMap::new();
        for (key, seq) in keys.iter().zip(1..) {
            table.insert(&mut writer, batch_of(key, &key[..key.len() / 2]), seq);
            model.insert((key.clone(), u64::MAX - seq), key[..key.len() / 2].to_vec());
        }
        let expected: Vec<_> = model.iter().map(|((key, not), value)| (key.clone(), u64::MAX - not, value.clone())).collect();
        let mut cursor = MemCursor::new(table.clone());
        let here = |cursor: &MemCursor| (cursor.key().to_vec(), cursor.tag() >> 2, cursor.value().to_vec());
        cursor.first().unwrap();
        for entry in &expected {
            prop_assert!(cursor.valid());
            prop_assert_eq!(&here(&cursor), entry);
            cursor.next().unwrap();
        }
        prop_assert!(!cursor.valid());
        cursor.last().unwrap();
        for entry in expected.iter().rev() {
            prop_assert_eq!(&here(&cursor), entry);
            cursor.prev().unwrap();
        }
        prop_assert!(!cursor.valid());
        for (key, seq) in probes {
            let at = expected.partition_point(|(known, known_seq, _)| (known, u64::MAX - known_seq) < (&key, u64::MAX - seq));
            cursor.seek(&key, seq).unwrap();
            prop_assert_eq!(cursor.valid().then(|| here(&cursor)), expected.get(at).cloned());
            cursor.seek_before(&key, seq).unwrap();
            prop_assert_eq!(cursor.valid().then(|| here(&cursor)), at.checked_sub(1).map(|at| expected[at].clone()));
            let newest = expected.get(at).filter(|(known, ..)| *known == key).map(|(_, seq, _)| *seq);
            prop_assert_eq!(table.get(&key, hash(&key), seq).map(|found| found.tag >> 2), newest);
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // threads are what is tested
fn readers_see_order_and_all_that_was_there_while_the_writer_goes_on() {
    const COUNT: u32 = 60_000;
    let (table, mut writer) = Memtable::new(16 << 20);
    let scramble = |n: u32| n.wrapping_mul(0x9E37_79B1).to_be_bytes();
    let done = Arc::new(AtomicBool::new(false));
    let visible = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..2)
        .map(|reader| {
            let (table, done, visible) = (table.clone(), done.clone(), visible.clone());
            std::thread::spawn(move || {
                let mut rounds = 0;
                while !done.load(Ordering::Relaxed) || rounds < 2 {
                    rounds += 1;
                    let known = visible.load(Ordering::Acquire);
                    let mut cursor = MemCursor::new(table.clone());
                    let (mut last, mut seen): (Option<Vec<u8>>, u64) = (None, 0);
                    if reader == 0 {
                        cursor.first().unwrap()
                    } else {
                        cursor.last().unwrap()
                    }
                    while cursor.valid() {
                        if let Some(last) = &last {
                            assert!(if reader == 0 { &last[..] < cursor.key() } else { &last[..] > cursor.key() });
                        }
                        seen += u64::from(cursor.tag() >> 2 <= known);
                        last = Some(cursor.key().to_vec());
                        if reader == 0 { cursor.next().unwrap() } else { cursor.prev().unwrap() }
                    }
                    assert_eq!(seen, known, "an entry was overlooked");
                    for n in (1..=known as u32).step_by(997) {
                        assert!(table.get(&scramble(n), hash(&scramble(n)), u64::from(n)).is_some());
                    }
                }
            })
        })
        .collect();
    for n in 1..=COUNT {
        table.insert(&mut writer, batch_of(&scramble(n), b"v"), u64::from(n));
        visible.store(u64::from(n), Ordering::Release);
    }
    done.store(true, Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}
