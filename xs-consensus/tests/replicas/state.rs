//! The state machine of these replicas: that of the other simulation, in memory or kept in a file.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use xs_consensus::raft::Index;
use xs_consensus::replica::{Batch, StateMachine};
use xs_os::vfs::VfsExt;
use xs_os::vfs::faulty::FaultyVfs;

use super::common::bytes::{Reader, Writer};
use super::common::machine::{Command, Machine, Ret};
use super::observer::Observer;

const PATH: &str = "state";

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) machine: Machine,
    applied: Index,
    /// Where it keeps itself, and how far it has.
    kept: Option<(FaultyVfs, Index)>,
    /// Bytes that make snapshots larger.
    ballast: usize,
    observer: Rc<RefCell<Observer>>,
}

impl State {
    pub(crate) fn open(
        keep_on: Option<FaultyVfs>,
        ballast: usize,
        observer: Rc<RefCell<Observer>>,
    ) -> io::Result<State> {
        let mut state = State { machine: Machine::default(), applied: Index(0), kept: None, ballast, observer };
        if let Some(disk) = keep_on {
            match disk.read(Path::new(PATH), 1 << 20) {
                Ok(bytes) => {
                    let (mut kept, _) = Reader::record(&bytes).ok_or(io::ErrorKind::InvalidData)?;
                    state.applied = Index(kept.number().ok_or(io::ErrorKind::InvalidData)?);
                    state.machine = Machine::decode(kept.0).ok_or(io::ErrorKind::InvalidData)?;
                    state.observer.borrow_mut().restored(state.applied, &state.machine.encode());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            state.kept = Some((disk, state.applied));
        }
        Ok(state)
    }
}

/// A command's bytes end with the number of its proposal.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    bytes.last_chunk().map_or(0, |number| u64::from_le_bytes(*number))
}

impl StateMachine for State {
    type Reply = Option<Ret>;

    fn apply(&mut self, batch: Batch<'_>, replies: &mut Vec<Option<Ret>>) -> io::Result<()> {
        for command in batch.commands {
            let decoded = Command::decode(&command.bytes).ok_or(io::ErrorKind::InvalidData)?;
            replies.push(self.machine.apply(&decoded));
            let (number, state) = (number_of(&command.bytes), self.machine.encode());
            self.observer.borrow_mut().applied(command.index, command.term, number, &command.bytes, state);
        }
        self.applied = batch.last;
        Ok(())
    }

    fn durable(&self) -> Option<Index> {
        self.kept.as_ref().map(|(_, index)| *index)
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some((disk, index)) = &mut self.kept {
            let (mut kept, mut bytes) = (Writer(Vec::new()), Vec::new());
            kept.number(self.applied.0);
            kept.0.extend(self.machine.encode());
            kept.put(&mut bytes);
            disk.replace(Path::new(PATH), &bytes)?;
            *index = self.applied;
        }
        Ok(())
    }

    fn snapshot(&self) -> io::Result<Box<dyn Read + Send>> {
        let bytes = [vec![7; self.ballast], self.machine.encode().to_vec()].concat();
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn restore(&mut self, index: Index, snapshot: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        snapshot.read_to_end(&mut bytes)?;
        let machine = bytes.get(self.ballast..).and_then(Machine::decode);
        self.machine = machine.ok_or(io::ErrorKind::InvalidData)?;
        self.applied = index;
        let state: Bytes = self.machine.encode();
        self.observer.borrow_mut().restored(index, &state);
        self.flush()
    }
}
