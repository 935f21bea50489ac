//! The replicated state: a map, and for each client the last thing that was done for it, so that a command that comes
//! twice is done once.

use std::collections::BTreeMap;

use bytes::Bytes;
use xs_consensus::check::linearizability::{MapOp, MapRet};

use super::bytes::{Reader, Writer};

pub(crate) type Op = MapOp<u8, u64>;
pub(crate) type Ret = MapRet<u8, u64>;

/// A command, as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) client: u64,
    pub(crate) seq: u64,
    pub(crate) op: Op,
}

const NONE: u64 = u64::MAX;

impl Command {
    pub(crate) fn encode(&self) -> Bytes {
        let (kind, key, from, to) = match &self.op {
            MapOp::Get(key) => (0, *key, NONE, NONE),
            MapOp::Put(key, value) => (1, *key, NONE, *value),
            MapOp::Delete(key) => (2, *key, NONE, NONE),
            MapOp::CompareAndSet(key, from, to) => (3, *key, from.unwrap_or(NONE), *to),
            MapOp::All => unreachable!("clients do not ask for it"),
        };
        let mut out = Writer(Vec::new());
        [self.client, self.seq, kind, u64::from(key), from, to].into_iter().for_each(|n| out.number(n));
        out.0.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Command> {
        let mut body = Reader(bytes);
        let (client, seq, kind) = (body.number()?, body.number()?, body.number()?);
        let (key, from, to) = (body.number()? as u8, body.number()?, body.number()?);
        let op = match kind {
            0 => MapOp::Get(key),
            1 => MapOp::Put(key, to),
            2 => MapOp::Delete(key),
            _ => MapOp::CompareAndSet(key, (from != NONE).then_some(from), to),
        };
        Some(Command { client, seq, op })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    map: BTreeMap<u8, u64>,
    sessions: BTreeMap<u64, (u64, Ret)>,
}

impl Machine {
    pub(crate) fn get(&self, key: u8) -> Ret {
        MapRet::Value(self.map.get(&key).copied())
    }

    /// The answer, unless the client has gone on to something later.
    pub(crate) fn apply(&mut self, command: &Command) -> Option<Ret> {
        if let Some((seq, ret)) = self.sessions.get(&command.client)
            && *seq >= command.seq
        {
            return (*seq == command.seq).then(|| ret.clone());
        }
        let ret = match &command.op {
            MapOp::Get(key) => self.get(*key),
            MapOp::Put(key, value) => {
                self.map.insert(*key, *value);
                MapRet::Done
            }
            MapOp::Delete(key) => MapRet::Value(self.map.remove(key)),
            MapOp::CompareAndSet(key, from, to) => {
                let fits = self.map.get(key).copied() == *from;
                if fits {
                    self.map.insert(*key, *to);
                }
                MapRet::Swapped(fits)
            }
            MapOp::All => unreachable!("clients do not ask for it"),
        };
        self.sessions.insert(command.client, (command.seq, ret.clone()));
        Some(ret)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer(Vec::new());
        out.number(self.map.len() as u64);
        for (key, value) in &self.map {
            out.number(u64::from(*key));
            out.number(*value);
        }
        out.number(self.sessions.len() as u64);
        for (client, (seq, ret)) in &self.sessions {
            let (kind, value) = match ret {
                MapRet::Done => (0, 0),
                MapRet::Value(value) => (1, value.unwrap_or(NONE)),
                MapRet::Swapped(swapped) => (2, u64::from(*swapped)),
                MapRet::All(_) => unreachable!("clients do not ask for it"),
            };
            [*client, *seq, kind, value].into_iter().for_each(|n| out.number(n));
        }
        out.0.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Machine> {
        let mut body = Reader(bytes);
        let mut machine = Machine::default();
        for _ in 0..body.number()? {
            let key = body.number()? as u8;
            machine.map.insert(key, body.number()?);
        }
        for _ in 0..body.number()? {
            let (client, seq, kind, value) = (body.number()?, body.number()?, body.number()?, body.number()?);
            let ret = match kind {
                0 => MapRet::Done,
                1 => MapRet::Value((value != NONE).then_some(value)),
                _ => MapRet::Swapped(value == 1),
            };
            machine.sessions.insert(client, (seq, ret));
        }
        Some(machine)
    }
}
