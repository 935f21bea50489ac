//! The sentences of the contract about writing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::store::Store;
use crate::Result;
use crate::engine::{Durability, Engine, EngineExt, KeyRange, ReadView, WriteBatch};
use crate::testing::Subject;

pub(super) fn empty<S: Subject>(store: &mut Store<S>) -> Result<()> {
    store.compare("empty");
    assert_eq!(store.engine().get(b"")?, None);
    assert!(!store.engine().get_with(b"k", &mut |_| panic!("shown a value that is not there"))?);
    store.write(WriteBatch::new())?;
    store.delete_range(b"a", b"z")?;
    store.engine().delete(b"not there")?;
    store.compare("still empty");
    store.reopen()?;
    store.compare("empty, opened again");
    Ok(())
}

pub(super) fn single_entries<S: Subject>(store: &mut Store<S>) -> Result<()> {
    for (key, value) in
        [(&b""[..], &b"empty key"[..]), (b"empty value", b""), (b"k", b"v"), (b"k", b"w"), (b"\0", b"\0")]
    {
        store.put(key, value)?;
        let mut shown = None;
        assert!(store.engine().get_with(key, &mut |value| {
            assert!(shown.replace(value.to_vec()).is_none(), "get_with shows a value once");
        })?);
        assert_eq!(shown.as_deref(), Some(value));
        store.compare("after a put");
    }
    for key in [&b"k"[..], b"", b"empty value"] {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        store.write(batch)?;
        assert_eq!(store.engine().get(key)?, None, "deleted");
        store.compare("after a delete");
    }
    store.put(b"k", b"again")?;
    store.compare("after putting back what was deleted");
    Ok(())
}

pub(super) fn byte_order<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let long = [b'p'; 300];
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for a in [0, 1, b'a', 0x7F, 0x80, 0xFE, 0xFF] {
        keys.push(vec![a]);
        for b in [0, b'a', 0xFF] {
            keys.push(vec![a, b]);
            keys.push([&long[..], &[a, b]].concat());
        }
    }
    keys.extend([vec![], long.to_vec(), long[..299].to_vec(), b"a\0\0".to_vec(), b"a\0b".to_vec()]);
    // Neither in order nor in reverse.
    for stride in 0..7 {
        for key in keys.iter().skip(stride).step_by(7) {
            store.put(key, &[key.len() as u8])?;
        }
    }
    assert_eq!(store.model.len(), keys.len());
    store.compare("keys with every kind of byte");
    store.engine().flush()?;
    store.compare("flushed");
    store.reopen()?;
    store.compare("opened again");
    Ok(())
}

pub(super) fn batch_order<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"1").delete(b"a").put(b"a", b"2");
    batch.put(b"b", b"1").put(b"b", b"2").delete(b"b");
    batch.put(b"c", b"1").delete_range(b"b", b"d").put(b"d", b"kept");
    batch.delete_range(b"e", b"g").put(b"f", b"put behind a range delete");
    store.write(batch)?;
    assert_eq!(store.engine().get(b"a")?.as_deref(), Some(&b"2"[..]), "the last write of a key counts");
    assert_eq!(store.engine().get(b"c")?, None, "a range delete removes what the batch put before it");
    assert!(store.engine().get(b"f")?.is_some(), "and not what it puts behind it");
    store.compare("after a batch that contradicts itself");
    store.reopen()?;
    store.compare("opened again");
    Ok(())
}

pub(super) fn range_deletes<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let fill = |store: &mut Store<S>, value: &[u8]| {
        let mut batch = WriteBatch::new();
        for n in 0..100 {
            batch.put(format!("k{n:02}").as_bytes(), value);
        }
        batch.put(b"", value);
        store.write(batch)
    };
    fill(store, b"first")?;
    let ranges: [(&[u8], &[u8], &str); 8] = [
        (b"k10", b"k20", "the start is in it, the end is not"),
        (b"k30", b"k30", "empty"),
        (b"k50", b"k40", "inverted"),
        (b"k15", b"k25", "overlaps the first"),
        (b"k10", b"k20", "where nothing is left"),
        (b"k60\0", b"k62\0", "bounds between keys"),
        (b"k95", b"\xFF\xFF", "beyond the end"),
        (b"", b"k01", "from the empty key on"),
    ];
    for (start, end, what) in ranges {
        store.delete_range(start, end)?;
        store.compare(what);
    }
    store.engine().flush()?;
    store.compare("range deletes that were flushed");
    store.put(b"k12", b"again")?;
    store.compare("an entry put into a deleted range");
    store.engine().flush()?;
    store.reopen()?;
    store.compare("opened again");
    fill(store, b"second")?;
    store.delete_range(b"", b"l")?;
    store.compare("everything deleted");
    assert!(store.model.is_empty());
    store.machine().run_until_idle(super::store::MANY_STEPS);
    store.reopen()?;
    store.compare("everything deleted, opened again");
    fill(store, b"third")?;
    store.compare("filled again");
    Ok(())
}

pub(super) fn large_entries<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let value = |len: usize| (0..len).map(|n| ((n * 31) >> 3) as u8).collect::<Vec<u8>>();
    let key = |len: usize| [&b"long/"[..], &vec![b'x'; len - 5]].concat();
    for len in [1000, 4095, 4096, 4097, 65_536, 1 << 20] {
        store.put(format!("value/{len:07}").as_bytes(), &value(len))?;
        store.put(format!("value/{len:07}/then").as_bytes(), b"small")?;
    }
    for len in [255, 256, 1000, 8000] {
        store.put(&key(len), &value(len))?;
    }
    store.compare("values up to 1 MiB, keys up to 8000 bytes");
    // Past 8000 bytes an engine may refuse a key; then nothing of its batch is written.
    let mut batch = WriteBatch::new();
    batch.put(b"beside a long key", b"1").put(&key(65_535), b"2");
    match store.engine().submit(batch.clone(), Durability::Synced) {
        Ok(commit) => {
            commit.wait()?;
            store.model.apply(batch.iter());
        }
        Err(crate::Error::TooLarge { .. }) => {}
        Err(error) => return Err(error),
    }
    store.compare("a key of 65,535 bytes, taken or refused");
    store.put(b"value/0065536", b"short now")?;
    store.put(b"value/0004096", &value(300_000))?;
    store.compare("a large value overwritten by a small one, and the other way round");
    store.engine().flush()?;
    store.reopen()?;
    store.compare("opened again");
    store.delete_range(b"value/", b"value/~")?;
    store.compare("large values deleted");
    Ok(())
}

pub(super) fn commits<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let batch = |n: u32| {
        let mut batch = WriteBatch::new();
        batch.put(&n.to_be_bytes(), b"value");
        batch
    };
    let dropped = store.submit(batch(0), Durability::Synced)?;
    drop(dropped);
    store.compare("visible before it is durable");
    let (first, second) = (store.submit(batch(1), Durability::Synced)?, store.submit(batch(2), Durability::Synced)?);
    second.wait()?;
    first.wait()?;
    let (first, second) = (store.submit(batch(3), Durability::Synced)?, store.submit(batch(4), Durability::Synced)?);
    store.block_on(first)?;
    store.block_on(second)?;
    let first = store.submit(batch(5), Durability::Synced)?;
    let second = store.submit(batch(6), Durability::Synced)?;
    store.block_on(second)?;
    first.wait()?;
    store.submit(batch(7), Durability::Buffered)?.wait()?;
    store.compare("buffered");
    let (first, all) =
        (store.submit(batch(8), Durability::Buffered)?, store.submit(WriteBatch::new(), Durability::Synced)?);
    store.block_on(all)?;
    store.block_on(first)?;
    // A commit may outlive what it belongs to: it was settled, or says why not, but it ends.
    let last = store.submit(batch(9), Durability::Synced)?;
    store.close();
    let settled = last.wait();
    store.reopen()?;
    let there = store.engine().get(&9_u32.to_be_bytes())?.is_some();
    assert!(there || settled.is_err(), "a commit that was waited for without an error is not there");
    if !there {
        let mut batch = WriteBatch::new();
        batch.delete(&9_u32.to_be_bytes());
        store.model.apply(batch.iter());
    }
    store.compare("opened again");
    Ok(())
}

pub(super) fn reopening<S: Subject>(store: &mut Store<S>) -> Result<()> {
    for round in 0..6_u32 {
        for n in 0..50_u32 {
            let mut batch = WriteBatch::new();
            batch.put(format!("{}", (n * 7 + round) % 90).as_bytes(), format!("{round}/{n}").as_bytes());
            if n % 5 == 0 {
                batch.delete(format!("{}", n + round).as_bytes());
            }
            store.submit(batch, Durability::Buffered)?.wait()?;
        }
        match round % 3 {
            0 => store.submit(WriteBatch::new(), Durability::Synced)?.wait()?, // an empty batch covers all before it
            1 => store.engine().flush()?,
            _ => store.put(b"last", b"covers the rest")?,
        }
        if round % 2 == 0 {
            store.machine().run_until_idle(super::store::MANY_STEPS);
        }
        store.reopen()?;
        store.compare(&format!("opened again, round {round}"));
        store.reopen()?;
        store.compare("opened again without a write in between");
    }
    Ok(())
}

pub(super) fn flushing<S: Subject>(store: &mut Store<S>) -> Result<()> {
    store.engine().flush()?;
    for round in 0..5_u8 {
        for n in 0..40_u8 {
            store.submit(WriteBatch::from_iter([put(&[n, round % 2], &[round])]), Durability::Buffered)?.wait()?;
        }
        store.engine().flush()?;
        store.engine().flush()?;
        store.compare("flushed");
        store.machine().run_until_idle(super::store::MANY_STEPS);
        store.compare("after background work");
    }
    store.reopen()?;
    store.compare("opened again after a flush");
    Ok(())
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> crate::engine::Op<'a> {
    crate::engine::Op::Put(key, value)
}

pub(super) fn many_entries<S: Subject>(store: &mut Store<S>) -> Result<()> {
    const ENTRIES: u64 = 20_000;
    let key = |n: u64| format!("user{:08}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
    for chunk in 0..100 {
        let mut batch = WriteBatch::new();
        for n in chunk * ENTRIES / 100..(chunk + 1) * ENTRIES / 100 {
            batch.put(key(n).as_bytes(), format!("value {n:050}").as_bytes());
        }
        store.submit(batch, Durability::Buffered)?.wait()?;
        store.machine().run_until_idle(4);
    }
    store.compare("20,000 entries in random order");
    store.machine().run_until_idle(super::store::MANY_STEPS);
    let mut batch = WriteBatch::new();
    for n in (0..ENTRIES).filter(|n| n % 3 > 0) {
        batch.delete(key(n).as_bytes());
    }
    batch.delete_range(b"user04", b"user08");
    store.write(batch)?;
    store.compare("two thirds deleted, and a range");
    store.engine().flush()?;
    store.machine().run_until_idle(super::store::MANY_STEPS);
    store.compare("after background work");
    store.reopen()?;
    store.compare("opened again");
    store.delete_range(b"", b"v")?;
    store.compare("all deleted");
    Ok(())
}

pub(super) fn figures<S: Subject>(store: &mut Store<S>) -> Result<()> {
    let before = store.engine().stats();
    store.put(b"key", &[7; 1000])?;
    let after = store.engine().stats();
    assert_eq!(after.user_bytes_written - before.user_bytes_written, 1003, "bytes that callers handed in");
    assert!(after.memory_bytes() > 0, "an engine that holds an entry holds memory");
    assert!(after.disk_bytes_written >= before.disk_bytes_written);
    assert!(after.syncs >= before.syncs);
    Ok(())
}

/// Writers and readers at once: batches are seen whole and in order, and nobody waits for ever.
pub(super) fn threads<S: Subject>(store: &Store<S>) -> Result<()> {
    const WRITERS: u8 = 3;
    const BATCHES: u32 = 150;
    let (engine, machine) = (store.engine(), store.machine());
    let writing = AtomicBool::new(true);
    let write = |writer: u8| {
        for n in 1..=BATCHES {
            let mut batch = WriteBatch::new();
            for place in [&b"a"[..], b"m", b"z"] {
                batch.put(&[place, &[writer]].concat(), &n.to_be_bytes());
            }
            batch.put(&[&b"n"[..], &[writer], &n.to_be_bytes()].concat(), &[0; 100]);
            let commit = engine.submit(batch, if n % 8 == 0 { Durability::Synced } else { Durability::Buffered })?;
            assert_eq!(engine.get(&[b'm', writer])?.as_deref(), Some(&n.to_be_bytes()[..]), "own write");
            if n % 16 == 0 { super::store::block_on(commit, machine)? } else { commit.wait()? }
        }
        Ok(())
    };
    let read = || {
        let mut last = [0; WRITERS as usize];
        while writing.load(Ordering::Acquire) {
            let view = engine.snapshot()?;
            for writer in 0..WRITERS {
                let mut seen = Vec::new();
                for place in [&b"z"[..], b"a", b"m"] {
                    let value = view.get(&[place, &[writer]].concat())?;
                    seen.push(value.map_or(0, |value| u32::from_be_bytes(value[..].try_into().unwrap_or_default())));
                }
                assert!(seen.iter().all(|n| *n == seen[0]), "a batch is seen whole: {seen:?}");
                assert!(seen[0] >= last[writer as usize], "batches are seen in order");
                last[writer as usize] = seen[0];
                let mut cursor = view.cursor(KeyRange::prefix(&[b'n', writer]))?;
                let mut count = 0;
                while cursor.next()? {
                    count += 1;
                }
                assert_eq!(count, seen[0], "as many entries as batches in the same view");
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        let end =
            |ended: std::thread::Result<Result<()>>| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Readers must end also when a writer panicked, or the scope never does.
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        writing.store(false, Ordering::Release);
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        written.into_iter().chain(read).try_for_each(end)
    })?;
    let mut expected = super::Model::new();
    for writer in 0..WRITERS {
        for place in [&b"a"[..], b"m", b"z"] {
            expected.apply([put(&[place, &[writer]].concat(), &BATCHES.to_be_bytes())]);
        }
        for n in 1..=BATCHES {
            expected.apply([put(&[&b"n"[..], &[writer], &n.to_be_bytes()].concat(), &[0; 100])]);
        }
    }
    expected.compare(engine).unwrap_or_else(|what| panic!("threads, afterwards: {what}"));
    Ok(())
}
