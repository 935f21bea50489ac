//! Every byte of a dump matters.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use xs_os::vfs::{SystemVfs, Vfs, VfsExt};

use super::*;
use crate::engine::{Engine, EngineExt, KeyRange, MemoryEngine, ReadView, WriteBatch};

fn store(entries: &[(Vec<u8>, Vec<u8>)]) -> MemoryEngine {
    let store = MemoryEngine::new();
    entries.iter().for_each(|(key, value)| store.put(key, value).unwrap());
    store
}

fn content(view: &dyn ReadView) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    let mut found = Vec::new();
    while cursor.next().unwrap() {
        found.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
    }
    found
}

fn saved(view: &dyn ReadView) -> Vec<u8> {
    let mut out = Vec::new();
    let summary = save(view, &mut out, &mut |_| {}).unwrap();
    assert_eq!(summary.bytes, out.len() as u64);
    out
}

fn sample() -> Vec<u8> {
    let entries: Vec<_> = (0..40_u8).map(|n| (vec![n], vec![n; usize::from(n) * 100])).collect();
    saved(&store(&entries))
}

fn check(bytes: &[u8]) -> Result<Summary, DumpError> {
    verify(&mut &bytes[..], &mut |_| {})
}

proptest! {
    #[test]
    fn what_was_saved_comes_back(
        entries in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..5), 0_usize..30_000), 0..20),
    ) {
        let entries: Vec<_> = entries.into_iter().map(|(key, len)| (key, vec![7; len])).collect();
        let (from, to) = (store(&entries), MemoryEngine::new());
        let mut told = Summary::default();
        let done = restore(&to, &mut &saved(&from)[..], &mut |summary| told = summary).unwrap();
        prop_assert_eq!(content(&from), content(&to));
        prop_assert_eq!(done.entries, content(&from).len() as u64);
        prop_assert_eq!((told.entries, told.blocks), (done.entries, done.blocks));
    }

    #[test]
    fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let header = if headed { [&MAGIC[..], &VERSION.to_le_bytes()].concat() } else { Vec::new() };
        prop_assert!(check(&[header, bytes].concat()).is_err());
    }
}

#[test]
fn every_cut_is_named() {
    let bytes = sample();
    assert!(check(&bytes).unwrap().blocks > 1);
    for len in (0..bytes.len()).filter(|len| *len < 200 || len % 97 == 0 || *len > bytes.len() - 100) {
        match check(&bytes[..len]) {
            Err(DumpError::CutOff(_)) => assert!(len >= MAGIC.len()),
            Err(DumpError::NotADump) => assert!(len < MAGIC.len()),
            other => panic!("cut at {len}: {other:?}"),
        }
    }
    assert!(matches!(
        check(&[&bytes[..], b"x"].concat()),
        Err(DumpError::Damaged { what: "something follows the end", .. })
    ));
}

#[test]
fn blocks_out_of_place_are_noticed() {
    let bytes = sample();
    let block = |at: usize| 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let second = 12 + block(12);
    let (head, first, rest) = (&bytes[..12], &bytes[12..second], &bytes[second..]);
    let twice = check(&[head, first, first, rest].concat());
    assert!(matches!(twice, Err(DumpError::Damaged { block: 1, .. })), "{twice:?}");
    let missing = check(&[head, rest].concat());
    assert!(matches!(missing, Err(DumpError::Damaged { block: 0, .. })), "{missing:?}");
}

/// A dump whose checksums are right, so that what is in it is looked at.
fn forged(batches: &[WriteBatch], entries: u64) -> Vec<u8> {
    let mut out = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
    let mut block = 0;
    let mut add = |parts: [&[u8]; 2]| {
        out.extend_from_slice(&[parts[0], parts[1], &checksum(block, parts).to_le_bytes()].concat());
        block += 1;
    };
    for batch in batches {
        add([&(batch.as_bytes().len() as u32).to_le_bytes(), batch.as_bytes()]);
    }
    add([&[0; 4], &[(batches.len() as u64).to_le_bytes(), entries.to_le_bytes()].concat()]);
    out
}

#[test]
fn what_no_save_writes_is_refused() {
    let put = |key: &[u8]| WriteBatch::new().put(key, b"").clone();
    assert!(check(&forged(&[put(b"a"), put(b"b")], 2)).is_ok());
    for (batches, entries, why) in [
        (vec![put(b"b"), put(b"a")], 2, "its keys are out of order"),
        (vec![put(b"a"), put(b"a")], 2, "its keys are out of order"),
        (vec![WriteBatch::new().delete(b"a").clone()], 1, "it removes something"),
        (vec![WriteBatch::new().delete_range(b"a", b"b").clone()], 1, "it removes something"),
        (vec![put(b"a")], 2, "the end counts other blocks or entries than came"),
    ] {
        match check(&forged(&batches, entries)) {
            Err(DumpError::Damaged { what, .. }) => assert_eq!(what, why),
            other => panic!("{why}: {other:?}"),
        }
    }
    let mut newer = forged(&[], 0);
    newer[8] = 2;
    assert!(matches!(check(&newer), Err(DumpError::NewerFormat { found: 2, known: 1 })));
    let mut huge = forged(&[], 0);
    huge[12..16].fill(0xFF);
    assert!(matches!(check(&huge), Err(DumpError::Damaged { what: "its length is beyond all bounds", .. })));
}

#[test]
fn a_dump_is_one_moment_of_a_store_that_goes_on() {
    let store =
        store(&[(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), vec![0; 100_000]), (b"c".to_vec(), b"1".to_vec())]);
    let mut out = Vec::new();
    save(&store, &mut out, &mut |_| store.put(b"c", b"2").unwrap()).unwrap();
    let other = MemoryEngine::new();
    restore(&other, &mut &out[..], &mut |_| {}).unwrap();
    assert_eq!(other.get(b"c").unwrap().unwrap(), "1");
    assert_eq!(other.stats().entries, Some(3));
}

/// Several blocks, an empty key, an empty value, a value larger than a block.
fn kept() -> MemoryEngine {
    let mut entries: Vec<_> = (0..40_u8).map(|n| (vec![n], vec![n; usize::from(n) * 30])).collect();
    entries.push((Vec::new(), b"under no key".to_vec()));
    entries.push((b"large".to_vec(), vec![1; 70_000]));
    entries.push((b"larger".to_vec(), vec![2; 70_000]));
    store(&entries)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dump-1/dump")
}

/// As it was written on the day that the format was settled.
#[test]
fn a_dump_of_format_1_stays_readable() {
    let bytes = SystemVfs.read(&fixture(), 1 << 20).expect("the fixture is part of the source");
    let store = MemoryEngine::new();
    let summary = restore(&store, &mut &bytes[..], &mut |_| {}).unwrap();
    assert!(summary.blocks > 1);
    assert_eq!(content(&store), content(&kept()));
    assert_eq!(VERSION, 1, "a new format gets a fixture of its own");
}

#[test]
#[ignore = "writes the fixture, which stays as it is until there is a format 2"]
fn write_the_fixture_of_format_1() {
    SystemVfs.create_dir(fixture().parent().unwrap()).unwrap();
    SystemVfs.replace(&fixture(), &saved(&kept())).unwrap();
}
