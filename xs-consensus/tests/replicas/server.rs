//! A replica as an actor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use xs_consensus::raft::{Change, Membership, Message, NodeId, Rejected};
use xs_consensus::raft_store::{Error as StoreError, Identity, Start};
use xs_consensus::replica::{Event, OpenError, Outcome, Replica, ReplicaOptions, Stopped, Token};
use xs_os::{Rng, SteppedJobs, sim};

use super::common::client::{Protocol, Said};
use super::common::machine::{Command, Op, Ret};
use super::common::node;
use super::common::operator::Order;
use super::observer::Observer;
use super::run::Settings;
use super::state::State;

const DIR: &str = "node";

/// What nodes and clients send.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    /// Every message says who sends it, as a connection would once.
    Raft(Identity, Message),
    /// What is left of such a message that was damaged.
    Garbled(Vec<u8>),
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

    /// One byte is another. What clients say has no codec here: it is lost.
    fn garbled(message: Msg, rng: &mut Rng) -> Option<Msg> {
        let Msg::Raft(_, message) = message else { return None };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let at = rng.index(bytes.len());
        bytes[at] ^= 1 + rng.below(255) as u8;
        Some(Msg::Garbled(bytes))
    }
}

const TICK: sim::Timer = sim::Timer(0);
const JOBS: sim::Timer = sim::Timer(1);

pub(crate) struct Server {
    replica: Replica<State>,
    jobs: SteppedJobs,
    stepping: bool,
    settings: Settings,
    /// By token, which is also the number of the proposal: who asked, and which of his questions.
    waiting: BTreeMap<Token, (sim::NodeId, u64)>,
    reads: BTreeMap<Token, (sim::NodeId, u64, u8)>,
    next_token: u64,
    observer: Rc<RefCell<Observer>>,
}

pub(crate) fn raft_id(node: sim::NodeId) -> NodeId {
    NodeId(u64::from(node.0))
}

impl Server {
    pub(crate) fn start(cx: &mut Cx<'_>, settings: &Settings, observer: Rc<RefCell<Observer>>) -> Result<Self, String> {
        let me = raft_id(cx.node());
        let founders = Membership::of((0..settings.founders).map(NodeId).collect())?;
        let first = if me.0 < settings.founders { founders } else { Membership::default() };
        let (disk, jobs) = (cx.disk().clone(), SteppedJobs::new());
        let state = State::open(settings.keeps.then(|| disk.clone()), settings.ballast, observer.clone());
        let state = state.map_err(|error| {
            observer.borrow_mut().seen.refused_disks += u64::from(error.kind() == std::io::ErrorKind::InvalidData);
            error.to_string()
        })?;
        let options = ReplicaOptions {
            raft: settings.raft.clone(),
            compact_after_bytes: settings.compact_after_bytes,
            hold_bytes: settings.hold_bytes,
            keep_entries: settings.keep_entries,
            patience: Duration::from_secs(2),
            segment_bytes: 4096,
            jobs: Arc::new(jobs.clone()),
            ..ReplicaOptions::new(settings.raft.cluster, me)
        };
        let (rng, now) = (cx.rng().fork("replica"), cx.now());
        let opened =
            Replica::open(Arc::new(disk.clone()), Path::new(DIR), Start::OpenOrCreate(first), state, options, rng, now);
        let replica = opened.map_err(|error| {
            observer.borrow_mut().seen.refused_disks += u64::from(is_damage(&error));
            error.to_string()
        })?;
        cx.note(format_args!("finds {:?}", replica.status()));
        let mut server = Server {
            replica,
            jobs,
            stepping: false,
            settings: settings.clone(),
            waiting: BTreeMap::new(),
            reads: BTreeMap::new(),
            // No number is used in two lives.
            next_token: (me.0 << 40) | (u64::from(cx.life()) << 24),
            observer,
        };
        server.pump(cx);
        Ok(server)
    }

    fn step_later(&mut self, cx: &mut Cx<'_>) {
        self.stepping = true;
        let after = Duration::from_micros(cx.rng().below(self.settings.jobs_after.as_micros() as u64 + 1));
        cx.set_timer_after(JOBS, after);
    }

    fn pump(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.replica.poll(&mut Context::from_waker(Waker::noop()), now);
        let identity = self.replica.identity();
        while let Some(message) = self.replica.next_message() {
            cx.send(sim::NodeId(message.to.0 as u32), Msg::Raft(identity, message));
        }
        while let Some(event) = self.replica.next_event() {
            self.happened(event, cx);
        }
        self.observer.borrow_mut().looked_at(&self.replica.status());
        if let Some(why) = self.replica.stopped() {
            return cx.exit(why);
        }
        cx.set_timer(TICK, self.replica.next_deadline());
        if !self.stepping {
            self.step_later(cx);
        }
    }

    fn happened(&mut self, event: Event<Option<Ret>>, cx: &mut Cx<'_>) {
        match event {
            Event::Proposed { token, outcome } => {
                let asked = self.waiting.remove(&token);
                let mut observer = self.observer.borrow_mut();
                match outcome {
                    Outcome::Applied { reply, .. } => {
                        observer.answered(token.0);
                        if let (Some((client, seq)), Some(ret)) = (asked, reply) {
                            cx.send(client, Msg::Answer { seq, ret });
                        }
                    }
                    Outcome::NotApplied => {
                        observer.never(token.0);
                        if let Some((client, seq)) = asked {
                            cx.send(client, Msg::Elsewhere { seq, hint: None });
                        }
                    }
                    Outcome::Unknown(_) => observer.seen.unknown += 1,
                    _ => {}
                }
            }
            Event::Read { token, outcome } => {
                let Some((client, seq, key)) = self.reads.remove(&token) else { return };
                match outcome {
                    Ok(_) => cx.send(client, Msg::Answer { seq, ret: self.replica.machine().machine.get(key) }),
                    Err(_) => cx.send(client, Msg::Elsewhere { seq, hint: None }),
                }
            }
            Event::Installed(meta) => {
                cx.note(format_args!("installs {meta:?}"));
                self.observer.borrow_mut().seen.installed += 1;
            }
            Event::SnapshotMade(meta) => {
                cx.note(format_args!("makes {meta:?}"));
                self.observer.borrow_mut().seen.made += 1;
            }
            Event::SnapshotFailed(error) => {
                cx.note(error);
                self.observer.borrow_mut().seen.failed += 1;
            }
            Event::Stopped(why) => {
                let seen = &mut self.observer.borrow_mut().seen;
                seen.stopped += 1;
                seen.stopped_by_rot += u64::from(matches!(why, Stopped::Store(error) if is_corrupt(&error)));
            }
            Event::Leader { .. } | Event::Membership(_) | Event::Applied(_) => {}
            _ => {}
        }
    }
}

fn elsewhere(client: sim::NodeId, seq: u64, rejected: &Rejected, cx: &mut Cx<'_>) {
    let hint = match rejected {
        Rejected::NotLeader { hint } => *hint,
        Rejected::Transferring(to) => Some(*to),
        _ => None,
    };
    cx.send(client, Msg::Elsewhere { seq, hint });
}

fn is_corrupt(error: &StoreError) -> bool {
    matches!(error, StoreError::Storage(error) if error.is_corrupt())
}

/// Whether a node is refused for what has become of its disk.
fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::Store(StoreError::Incomplete { .. }) | OpenError::Behind { .. } => true,
        OpenError::Store(error) => is_corrupt(error),
        // A snapshot's reader tells by this what it has found.
        OpenError::Machine(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<xs_storage::Error>());
            inner.is_some_and(xs_storage::Error::is_corrupt)
        }
        _ => false,
    }
}

impl node::Server for Server {
    type Protocol = Speech;

    fn message(&mut self, from: sim::NodeId, message: Msg, cx: &mut Cx<'_>) {
        let now = cx.now();
        let token = Token(self.next_token);
        match message {
            Msg::Raft(identity, message) => {
                if let Err(error) = self.replica.meet(identity) {
                    self.observer.borrow_mut().broken.get_or_insert(error.to_string());
                }
                drop(self.replica.handle_message(now, message));
            }
            Msg::Garbled(bytes) => match Message::decode(bytes.into()) {
                Ok(message) => self.observer.borrow_mut().breaks(format!("damaged, and taken: {message:?}")),
                Err(_) => self.observer.borrow_mut().seen.refused_messages += 1,
            },
            Msg::Write(command) => {
                let seq = command.seq;
                let bytes = [&command.encode()[..], &token.0.to_le_bytes()].concat();
                match self.replica.propose(now, token, bytes.into()) {
                    Ok(()) => {
                        self.next_token += 1;
                        self.waiting.insert(token, (from, seq));
                    }
                    Err(rejected) => elsewhere(from, seq, &rejected, cx),
                }
            }
            Msg::Read { seq, key } => match self.replica.read(now, token) {
                Ok(()) => {
                    self.next_token += 1;
                    self.reads.insert(token, (from, seq, key));
                }
                Err(rejected) => elsewhere(from, seq, &rejected, cx),
            },
            Msg::Change(changes) => {
                if self.replica.change(now, token, &changes).is_ok() {
                    self.next_token += 1;
                    cx.note(format_args!("proposes {changes:?}"));
                }
            }
            Msg::Transfer(to) => drop(self.replica.transfer(now, to)),
            Msg::Answer { .. } | Msg::Elsewhere { .. } => {}
        }
        self.pump(cx);
    }

    fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_>) {
        if timer == TICK {
            return self.pump(cx);
        }
        // A few steps, and the rest later; no more if there is nothing to do, also behind a poll.
        let stepped = (0..1 + cx.rng().index(3)).filter(|_| self.jobs.step()).count() > 0;
        self.stepping = true;
        self.pump(cx);
        self.stepping = false;
        if stepped || self.jobs.step() {
            self.step_later(cx);
        }
    }

    fn told(&self) -> String {
        format!("{:?}", self.replica)
    }
}
