use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::options::Compression;
use super::*;

/// Entries in the order of a table: by key, then the newest first.
fn entries() -> impl Strategy<Value = Vec<(Vec<u8>, u64, Vec<u8>)>> {
    let key = proptest::collection::vec(0..4_u8, 0..6);
    proptest::collection::btree_map((key, 0..200_u64), any::<Vec<u8>>(), 1..60).prop_map(|map| {
        let mut all: Vec<_> = map.into_iter().map(|((key, seq), value)| (key, seq << 2, value)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        all
    })
}

fn build(entries: &[(Vec<u8>, u64, Vec<u8>)], interval: usize) -> Arc<Block> {
    let mut builder = BlockBuilder::new(interval);
    entries.iter().for_each(|(key, tag, value)| builder.add(key, *tag, value));
    let len = builder.len();
    builder.finish(|bytes| {
        assert_eq!(bytes.len(), len);
        Arc::new(Block::new(Bytes::copy_from_slice(bytes)).unwrap())
    })
}

fn here(cursor: &BlockCursor) -> Option<(Vec<u8>, u64, Vec<u8>)> {
    cursor.valid().then(|| (cursor.key().to_vec(), cursor.tag(), cursor.value().to_vec()))
}

proptest! {
    #[test]
    fn a_cursor_finds_what_a_sorted_list_does(entries in entries(), interval in 1..9_usize, probes in proptest::collection::vec((proptest::collection::vec(0..4_u8, 0..6), 0..201_u64), 1..20)) {
        let mut cursor = BlockCursor::new(build(&entries, interval));
        cursor.first().unwrap();
        for entry in &entries {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.next().unwrap();
        }
        prop_assert_eq!(here(&cursor), None);
        cursor.last().unwrap();
        for entry in entries.iter().rev() {
            prop_assert_eq!(here(&cursor), Some(entry.clone()));
            cursor.prev().unwrap();
        }
        prop_assert_eq!(here(&cursor), None);
        for (key, seq) in probes {
            let at = entries.partition_point(|(known, tag, _)| *known < key || (*known == key && tag >> 2 > seq));
            cursor.seek(&key, seq).unwrap();
            prop_assert_eq!(here(&cursor), entries.get(at).cloned());
            let block = build(&entries, interval);
            let expected = match entries.get(at) {
                Some((known, tag, value)) if *known == key => Some((*tag, value.clone())),
                _ => None,
            };
            match block.find(&key, seq).unwrap() {
                Find::Entry { tag, value } => prop_assert_eq!(Some((tag, block.bytes()[value].to_vec())), expected),
                found => {
                    prop_assert_eq!(expected, None);
                    prop_assert_eq!(found == Find::BehindAll, at == entries.len());
                }
            }
            if at < entries.len() {
                cursor.prev().unwrap();
                prop_assert_eq!(here(&cursor), at.checked_sub(1).map(|at| entries[at].clone()));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_block_or_refused(bytes in any::<Vec<u8>>(), restarts in 0..3_u32, key in any::<Vec<u8>>()) {
        let mut bytes = bytes;
        bytes.extend_from_slice(&restarts.to_le_bytes());
        if let Some(block) = Block::new(Bytes::from(bytes)) {
            let _ = block.find(&key, 7);
            let mut cursor = BlockCursor::new(Arc::new(block));
            let _ = cursor.seek(&key, 7);
            let mut steps = 0;
            while cursor.valid() && steps < 1000 {
                if cursor.next().is_err() { break }
                steps += 1;
            }
            let _ = cursor.last();
            while cursor.valid() && steps < 2000 {
                if cursor.prev().is_err() { break }
                steps += 1;
            }
        }
    }

    #[test]
    fn a_frame_gives_back_what_it_closed_and_notices_each_flip(raw in any::<Vec<u8>>(), repeat in 1..40_usize, bit in any::<prop::sample::Index>()) {
        let raw = raw.repeat(repeat);
        for compression in Compression::known() {
            let mut framed = Vec::new();
            close(&raw, compression, &mut framed);
            prop_assert_eq!(&*open(&framed, Path::new("f"), 0).unwrap(), &raw[..]);
            let bit = bit.index(framed.len() * 8);
            framed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&framed, Path::new("f"), 0).is_err_and(|error| error.is_corrupt()));
        }
    }
}

/// A piece whose checksum fits, and whose length does not: by a bug, or on purpose.
#[test]
#[cfg(any(feature = "lz4", feature = "zstd"))]
fn a_length_that_cannot_be_is_refused_before_memory_is_taken_for_it() {
    for compression in Compression::known().skip(1) {
        let raw = [7; 100_000];
        let mut packed = Vec::new();
        compression.compress(&raw, &mut packed);
        let claim = |len: u64, packed: &[u8]| {
            let mut framed = Vec::new();
            crate::varint::put_varint(&mut framed, len);
            framed.extend_from_slice(packed);
            framed.push(compression.code());
            framed.extend_from_slice(&crc32c::crc32c(&framed).to_le_bytes());
            open(&framed, Path::new("f"), 0).map(|raw| raw.len())
        };
        assert_eq!(claim(raw.len() as u64, &packed).unwrap(), raw.len());
        // What few bytes cannot become, and what no block is long enough for, however many bytes there are.
        let most = compression.most_from(packed.len());
        for (len, packed) in [(most + 1, packed.clone()), (2 << 30, packed), (1200 << 20, vec![0; 5 << 20])] {
            let error = claim(len, &packed).unwrap_err();
            assert!(error.is_corrupt() && error.to_string().contains("which they cannot"), "{error}");
        }
    }
}
