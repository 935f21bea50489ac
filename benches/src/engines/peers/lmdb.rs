//! LMDB through heed: a memory-mapped copy-on-write B+tree. Reads go to the map; there is no cache to size.
#![allow(unsafe_code)] // the memory map is sound as long as nothing else writes to the file: the directory is ours

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, WithoutTls};

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

type Tree = Database<Bytes, Bytes>;

struct Lmdb {
    env: Env<WithoutTls>,
    tree: Tree,
    syncs: AtomicBool,
}

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(16 << 30).max_readers(128);
    // SAFETY: the directory belongs to this process for the run, and its file is opened once.
    let env = unsafe { options.open(setup.dir)? };
    let mut txn = env.write_txn()?;
    let tree = env.create_database(&mut txn, None)?;
    txn.commit()?;
    Ok(Box::new(Lmdb { env, tree, syncs: AtomicBool::new(true) }))
}

impl Subject for Lmdb {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        if self.syncs.swap(durable, Ordering::Relaxed) != durable {
            let mode = if durable { FlagSetMode::Disable } else { FlagSetMode::Enable };
            // SAFETY: what a crash may cost without syncs is the benchmark's own data.
            unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode)? };
        }
        let mut txn = self.env.write_txn()?;
        for (key, value) in writes {
            match value {
                Some(value) => self.tree.put(&mut txn, key, value)?,
                None => drop(self.tree.delete(&mut txn, key)?),
            }
        }
        Ok(txn.commit()?)
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View { txn: self.env.read_txn()?, tree: self.tree })
    }

    fn settle(&self) -> Fallible<()> {
        Ok(self.env.force_sync()?)
    }
}

struct View<'a> {
    txn: RoTxn<'a, WithoutTls>,
    tree: Tree,
}

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        Ok(self.tree.get(&self.txn, key)?.map(touch))
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let (mut count, mut sum) = (0, 0);
        for entry in self
            .tree
            .range::<(Bound<&[u8]>, Bound<&[u8]>)>(&self.txn, &(Bound::Included(from), Bound::Unbounded))?
            .take(limit)
        {
            let (key, value) = entry?;
            sum += key.len() + touch(value);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
