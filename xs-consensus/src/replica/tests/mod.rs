//! Replicas in one thread: what comes in, what comes out, and what the disk has to do with it.

mod cluster;
mod disks;
mod driving;
mod logs;
mod outcomes;

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Batch, StateMachine};
use crate::raft::Index;

/// What an engine would have on its disk.
#[derive(Debug, Default, Clone)]
struct Kept {
    items: Vec<Bytes>,
    index: Index,
}

/// A list of all commands, in memory or keeping itself. The reply is the number of items.
#[derive(Debug, Default)]
struct List {
    items: Vec<Bytes>,
    index: Index,
    kept: Option<Arc<Mutex<Kept>>>,
    fails: bool,
}

impl List {
    fn kept(by: &Arc<Mutex<Kept>>) -> List {
        let Kept { items, index } = by.lock().clone();
        List { items, index, kept: Some(by.clone()), fails: false }
    }
}

impl StateMachine for List {
    type Reply = usize;

    fn apply(&mut self, batch: Batch<'_>, replies: &mut Vec<usize>) -> io::Result<()> {
        if self.fails {
            return Err(io::Error::other("told to fail"));
        }
        for command in batch.commands {
            assert!(command.index > self.index, "each once, in order");
            self.index = command.index;
            self.items.push(command.bytes.clone());
            replies.push(self.items.len());
        }
        self.index = batch.last;
        Ok(())
    }

    fn durable(&self) -> Option<Index> {
        self.kept.as_ref().map(|kept| kept.lock().index)
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(kept) = &self.kept {
            *kept.lock() = Kept { items: self.items.clone(), index: self.index };
        }
        Ok(())
    }

    fn snapshot(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut bytes = Vec::new();
        for item in &self.items {
            bytes.extend((item.len() as u32).to_le_bytes());
            bytes.extend_from_slice(item);
        }
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn restore(&mut self, index: Index, snapshot: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        snapshot.read_to_end(&mut bytes)?;
        let mut bytes = Bytes::from(bytes);
        self.items.clear();
        while !bytes.is_empty() {
            let len = bytes.split_to(4);
            let len = u32::from_le_bytes(len[..].try_into().map_err(io::Error::other)?) as usize;
            self.items.push(bytes.split_to(len));
        }
        self.index = index;
        self.flush()
    }
}
