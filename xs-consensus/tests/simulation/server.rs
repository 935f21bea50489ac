//! A Raft node as an actor: the driver between the core, the disk, the network and the state machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use xs_consensus::raft::{
    Change, ChunkReceived, ChunkWanted, Entry, Index, Initial, LogView, Lookup, Membership, Message, NodeId, Options,
    Payload, Persist, Raft, ReadAnswer, ReadId, Ready, Rejected,
};
use xs_os::sim;

use super::common::client::{Protocol, Said};
use super::common::machine::{Command, Machine, Op, Ret};
use super::common::node;
use super::common::operator::Order;
use super::disk::{DiskLog, Record, Store};
use super::observer::Observer;
use super::run::Settings;

/// What nodes and clients send.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Raft(Message),
    Write(Command),
    Read {
        seq: u64,
        key: u8,
    },
    Change(Vec<Change>),
    Transfer(NodeId),
    /// The answer to what the client asked with this number.
    Answer {
        seq: u64,
        ret: Ret,
    },
    /// Not here; there, perhaps.
    Elsewhere {
        seq: u64,
        hint: Option<NodeId>,
    },
}

pub(crate) type Cx<'a> = sim::Context<'a, Msg>;

/// How clients and the operator speak.
pub(crate) struct Speech;

impl Protocol for Speech {
    type Message = Msg;

    fn ask(command: Command) -> Msg {
        match command.op {
            Op::Get(key) => Msg::Read { seq: command.seq, key },
            _ => Msg::Write(command),
        }
    }

    fn said(message: Msg) -> Option<Said> {
        match message {
            Msg::Answer { seq, ret } => Some(Said::Answer { seq, ret }),
            Msg::Elsewhere { seq, hint } => Some(Said::Elsewhere { seq, hint: hint.map(|node| node.0) }),
            _ => None,
        }
    }

    fn order(order: Order) -> Option<Msg> {
        Some(match order {
            Order::Change(changes) => Msg::Change(changes),
            Order::Transfer(node) => Msg::Transfer(node),
        })
    }
}

const TICK: sim::Timer = sim::Timer(0);
const SYNC: sim::Timer = sim::Timer(1);
const CURSE: sim::Timer = sim::Timer(2);

pub(crate) struct Server {
    pub(crate) raft: Raft<DiskLog>,
    store: Store,
    pub(crate) machine: Machine,
    /// Written, and not synced yet.
    unsynced: VecDeque<(Persist, Vec<Record>)>,
    /// A snapshot that is being received.
    receiving: Vec<u8>,
    waiting: BTreeMap<(u64, u64), sim::NodeId>,
    reads: BTreeMap<ReadId, (sim::NodeId, u64, u8)>,
    next_read: u64,
    settings: Settings,
    observer: Rc<RefCell<Observer>>,
}

pub(crate) fn raft_id(node: sim::NodeId) -> NodeId {
    NodeId(u64::from(node.0))
}

fn sim_id(node: NodeId) -> sim::NodeId {
    sim::NodeId(node.0 as u32)
}

impl Server {
    pub(crate) fn start(cx: &mut Cx<'_>, settings: &Settings, observer: Rc<RefCell<Observer>>) -> Result<Self, String> {
        let me = raft_id(cx.node());
        let founders = Membership::of((0..settings.founders).map(NodeId).collect())?;
        let front = if me.0 < settings.founders { founders } else { Membership::default() };
        let (store, log) = Store::open(cx.disk(), front).map_err(|error| error.to_string())?;
        let mut machine = Machine::default();
        let mut applied = log.bounds().before.0;
        if let Some((meta, data)) = &log.snapshot {
            machine = Machine::decode(data).ok_or("a snapshot that was synced is damaged")?;
            applied = meta.index;
        }
        cx.note(format_args!("finds {:?}, log {:?}", log.hard_state, log.bounds()));
        let initial = Initial { hard_state: log.hard_state, membership: log.front.clone(), applied };
        let rng = cx.rng().fork("raft");
        let options = Options { ..settings.raft.clone() };
        let now = cx.now();
        let raft = Raft::new(me, log, initial, options, rng, now).map_err(|error| error.to_string())?;
        let mut server = Server {
            raft,
            store,
            machine,
            unsynced: VecDeque::new(),
            receiving: Vec::new(),
            waiting: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            settings: settings.clone(),
            observer,
        };
        server.pump(cx);
        Ok(server)
    }

    fn elsewhere(&mut self, client: sim::NodeId, seq: u64, rejected: Rejected, cx: &mut Cx<'_>) {
        let hint = match rejected {
            Rejected::NotLeader { hint } => hint,
            Rejected::Transferring(to) => Some(to),
            _ => None,
        };
        cx.send(client, Msg::Elsewhere { seq, hint });
    }

    /// Does all that the core wants done.
    fn pump(&mut self, cx: &mut Cx<'_>) {
        while let Some(ready) = self.raft.ready() {
            if let Err(error) = self.take(ready, cx) {
                // Whatever was written may be there or not: the next life reads it.
                return cx.exit(error);
            }
        }
        if let Err(error) = self.snapshot() {
            return cx.exit(error);
        }
        let elected = self.observer.borrow_mut().looked_at(&self.raft);
        if let Some(most) = self.settings.cursed
            && elected
            && cx.world_time() < self.settings.faults_until
        {
            let after = Duration::from_micros(cx.rng().below(most.as_micros() as u64));
            cx.set_timer_after(CURSE, after);
        }
        cx.set_timer(TICK, self.raft.next_deadline());
    }

    fn take(&mut self, ready: Ready, cx: &mut Cx<'_>) -> std::io::Result<()> {
        let Ready { persist, send, apply, reads, chunks_wanted, chunks_received } = ready;
        let now = cx.now();
        for message in send {
            cx.send(sim_id(message.to), Msg::Raft(message));
        }
        chunks_wanted.into_iter().for_each(|wanted| self.read_chunk(now, wanted));
        chunks_received.into_iter().for_each(|received| self.write_chunk(now, &received));
        if let Some(persist) = persist {
            let records = self.records(&persist);
            self.store.write(&records)?;
            self.unsynced.push_back((persist, records));
            match self.settings.sync_after {
                Some(most) => {
                    let after = Duration::from_micros(cx.rng().below(most.as_micros() as u64));
                    if self.unsynced.len() == 1 {
                        cx.set_timer_after(SYNC, after);
                    }
                }
                None => self.sync()?,
            }
        }
        if let Some(last) = apply.last() {
            let index = last.index;
            cx.note(format_args!("applies up to {index} of {}", last.term));
            apply.iter().for_each(|entry| self.apply(entry, cx));
            self.raft.applied(index);
        }
        reads.into_iter().for_each(|answer| self.answer_read(answer, cx));
        Ok(())
    }

    fn records(&mut self, persist: &Persist) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(persist.hard_state().map(Record::HardState));
        if let Some(meta) = persist.install() {
            records.push(Record::Install(meta.clone(), std::mem::take(&mut self.receiving).into()));
        }
        if let Some(first) = persist.entries().first() {
            let before = self.raft.term_at(first.index.before());
            if let Some(before) = before {
                self.observer.borrow_mut().logged(self.raft.status().id, before, persist.entries());
            }
            records.push(Record::Entries(persist.entries().to_vec()));
        }
        records
    }

    /// Makes everything durable that was written, and tells the core.
    fn sync(&mut self) -> std::io::Result<()> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        self.store.sync()?;
        for (persist, records) in std::mem::take(&mut self.unsynced) {
            for record in records {
                if let Record::Install(meta, data) = &record {
                    self.machine = Machine::decode(data).ok_or(std::io::ErrorKind::InvalidData)?;
                    let status = self.raft.status();
                    self.observer.borrow_mut().installed(status.id, status.applied, meta.index, data);
                }
                self.raft.view_mut().apply(record);
            }
            self.raft.persisted(persist.done()).map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry, cx: &mut Cx<'_>) {
        if let Payload::Command(bytes) = &entry.payload
            && let Some(command) = Command::decode(bytes)
        {
            let answer = self.machine.apply(&command);
            if let Some(client) = self.waiting.remove(&(command.client, command.seq))
                && let Some(ret) = answer
            {
                cx.send(client, Msg::Answer { seq: command.seq, ret });
            }
        }
        let status = self.raft.status();
        self.observer.borrow_mut().applied(status.id, status.term, entry, self.machine.encode());
    }

    fn answer_read(&mut self, answer: ReadAnswer, cx: &mut Cx<'_>) {
        let Some((client, seq, key)) = self.reads.remove(&answer.id) else { return };
        match answer.outcome {
            Ok(_) => cx.send(client, Msg::Answer { seq, ret: self.machine.get(key) }),
            Err(_) => cx.send(client, Msg::Elsewhere { seq, hint: None }),
        }
    }

    fn read_chunk(&mut self, now: std::time::Instant, wanted: ChunkWanted) {
        let Some((meta, data)) = &self.raft.view().snapshot else { return };
        if *meta == wanted.meta {
            let from = wanted.offset as usize;
            let piece = data.slice(from..from + wanted.len);
            self.raft.snapshot_chunk(now, wanted, piece);
        }
    }

    fn write_chunk(&mut self, now: std::time::Instant, received: &ChunkReceived) {
        if received.offset == 0 {
            self.receiving.clear();
        }
        if self.receiving.len() as u64 == received.offset {
            self.receiving.extend_from_slice(&received.data);
            self.raft.snapshot_written(now, received);
        }
    }

    /// Makes a snapshot once the log is long enough.
    fn snapshot(&mut self) -> std::io::Result<()> {
        let Some(most) = self.settings.snapshot_at else { return Ok(()) };
        if !self.unsynced.is_empty() || self.raft.view().len() < most {
            return Ok(());
        }
        let data = self.machine.encode();
        let Some(meta) = self.raft.snapshot_meta(data.len() as u64) else { return Ok(()) };
        let bounds = self.raft.view().bounds();
        // Some entries stay, for followers that are a little behind.
        let before = Index(meta.index.0.saturating_sub(most as u64 / 4)).max(bounds.before.0);
        let Lookup::Found(term) = self.raft.view().term(before) else { return Ok(()) };
        if before <= bounds.before.0 {
            return Ok(());
        }
        let front = (*self.raft.membership_at(before)).clone();
        let record = Record::Compact(meta, Bytes::clone(&data), (before, term), front);
        self.store.write(std::slice::from_ref(&record))?;
        self.store.sync()?;
        self.raft.view_mut().apply(record);
        self.raft.compacted();
        Ok(())
    }
}

impl node::Server for Server {
    type Protocol = Speech;

    fn message(&mut self, from: sim::NodeId, message: Msg, cx: &mut Cx<'_>) {
        let now = cx.now();
        match message {
            // What is refused was said by a stranger or in an earlier life; nothing else follows from it.
            Msg::Raft(message) => drop(self.raft.step(now, message)),
            Msg::Write(command) => {
                let seq = command.seq;
                match self.raft.propose(now, command.encode()) {
                    Ok(_) => drop(self.waiting.insert((command.client, seq), from)),
                    Err(rejected) => self.elsewhere(from, seq, rejected, cx),
                }
            }
            Msg::Read { seq, key } => {
                let id = ReadId(self.next_read);
                self.next_read += 1;
                match self.raft.read(now, id) {
                    Ok(()) => drop(self.reads.insert(id, (from, seq, key))),
                    Err(rejected) => self.elsewhere(from, seq, rejected, cx),
                }
            }
            Msg::Change(changes) => {
                if self.raft.propose_membership(now, &changes).is_ok() {
                    cx.note(format_args!("proposes {changes:?}"));
                }
            }
            Msg::Transfer(to) => drop(self.raft.transfer(now, to)),
            Msg::Answer { .. } | Msg::Elsewhere { .. } => {}
        }
        self.pump(cx);
    }

    fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_>) {
        if timer == CURSE {
            return cx.exit("the curse of leaders");
        }
        if timer == SYNC {
            if let Err(error) = self.sync() {
                return cx.exit(error);
            }
        } else {
            self.raft.tick(cx.now());
        }
        self.pump(cx);
    }

    fn told(&self) -> String {
        format!("{:?}", self.raft.status())
    }
}
