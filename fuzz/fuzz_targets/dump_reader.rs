//! Dumps: no bytes panic, what is read is in order and writes the same dump again, and a dump that differs in anything is
//! refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_storage::dump::{self, Reader};
use xs_storage::engine::{Durability, Engine, MemoryEngine, Op, WriteBatch};

const HEADER: &[u8] = b"xs-dump\n\x01\0\0\0";

/// Reads a dump to its end or its first error; what came whole, and whether the end came.
fn read(bytes: &[u8]) -> (Vec<WriteBatch>, bool) {
    let mut batches = Vec::new();
    let Ok(mut reader) = Reader::new(bytes) else { return (batches, false) };
    loop {
        match reader.next() {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => {
                assert_eq!(reader.summary().bytes, bytes.len() as u64);
                assert_eq!(reader.summary().blocks, batches.len() as u64);
                return (batches, true);
            }
            Err(_) => return (batches, false),
        }
    }
}

/// What the page promises of blocks that came: puts alone, ascending over all of them. Gives them to a store.
fn stored(batches: Vec<WriteBatch>) -> MemoryEngine {
    let store = MemoryEngine::new();
    let mut last: Option<Vec<u8>> = None;
    for batch in batches {
        for op in batch.iter() {
            let Op::Put(key, _) = op else { panic!("{op:?} in a dump") };
            assert!(last.as_deref().is_none_or(|last| last < key), "keys ascend");
            last = Some(key.to_vec());
        }
        drop(store.submit(batch, Durability::Buffered).unwrap());
    }
    store
}

fn save(store: &MemoryEngine) -> Vec<u8> {
    let mut out = Vec::new();
    dump::save(store, &mut out, &mut |_| {}).unwrap();
    out
}

/// A block around bytes that may be anything, with the checksum that they should have.
fn framed(block: u64, bytes: &[u8], out: &mut Vec<u8>) {
    let length = if bytes.len() == 16 && block % 2 == 1 { 0 } else { bytes.len() as u32 };
    let sum = crc32c::crc32c(&block.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(sum, &length.to_le_bytes()), bytes);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&sum.to_le_bytes());
}

fuzz_target!(|data: &[u8]| {
    let Some((&control, input)) = data.split_first() else { return };
    match control % 4 {
        // As it is.
        0 => drop(stored(read(input).0)),
        // Behind a header.
        1 => drop(stored(read(&[HEADER, input].concat()).0)),
        // Blocks with checksums that are right, so that what is in them is looked at.
        2 => {
            let mut bytes = HEADER.to_vec();
            let step = usize::from(control / 4) + 1;
            input.chunks(step).enumerate().for_each(|(block, part)| framed(block as u64, part, &mut bytes));
            stored(read(&bytes).0);
        }
        // A dump of what the input says, which comes back; and changed in one place, which is noticed.
        _ => {
            let store = MemoryEngine::new();
            for part in input.chunks(usize::from(control / 4) + 1) {
                let mut batch = WriteBatch::new();
                let (key, value) = part.split_at(part.len().div_ceil(2));
                batch.put(key, &value.repeat(40));
                drop(store.submit(batch, Durability::Buffered).unwrap());
            }
            let whole = save(&store);
            let (batches, ended) = read(&whole);
            assert!(ended);
            assert_eq!(save(&stored(batches)), whole);
            let place = input.iter().fold(0_usize, |place, &byte| place.wrapping_mul(31).wrapping_add(byte.into()));
            let mut changed = whole.clone();
            changed[place % whole.len()] ^= 1 << (place / whole.len() % 8);
            assert!(!read(&changed).1, "a flipped bit at {}", place % whole.len());
            assert!(!read(&whole[..place % whole.len()]).1, "cut off at {}", place % whole.len());
        }
    }
});
