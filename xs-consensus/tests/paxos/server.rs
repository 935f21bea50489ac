//! A replica as an actor: the driver between the core, the disk, the network and the state machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::paxos::NodeId;
use xs_consensus::paxos::multi::{Message, Persist, Ready, Record, Replica, RoleName, Slot, Value};
use xs_os::sim;

use super::common::client::{Protocol, Said};
use super::common::machine::{Command, Machine, Ret};
use super::common::node;
use super::common::operator::Order;
use super::disk::Store;
use super::observer::Observer;
use super::run::Settings;

/// What nodes and clients send.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Paxos(Message),
    /// Everything goes through the log, reads too.
    Do(Command),
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

/// How clients speak.
pub(crate) struct Speech;

impl Protocol for Speech {
    type Message = Msg;

    fn ask(command: Command) -> Msg {
        Msg::Do(command)
    }

    fn said(message: Msg) -> Option<Said> {
        match message {
            Msg::Answer { seq, ret } => Some(Said::Answer { seq, ret }),
            Msg::Elsewhere { seq, hint } => Some(Said::Elsewhere { seq, hint: hint.map(|node| node.0) }),
            _ => None,
        }
    }

    fn order(_: Order) -> Option<Msg> {
        None
    }
}

const TICK: sim::Timer = sim::Timer(0);
const SYNC: sim::Timer = sim::Timer(1);
const CURSE: sim::Timer = sim::Timer(2);

pub(crate) struct Server {
    pub(crate) replica: Replica,
    store: Store,
    machine: Machine,
    /// Written, and not synced yet.
    unsynced: VecDeque<Persist>,
    waiting: BTreeMap<(u64, u64), sim::NodeId>,
    settings: Settings,
    observer: Rc<RefCell<Observer>>,
    role: RoleName,
}

pub(crate) fn paxos_id(node: sim::NodeId) -> NodeId {
    NodeId(u64::from(node.0))
}

fn sim_id(node: NodeId) -> sim::NodeId {
    sim::NodeId(node.0 as u32)
}

impl Server {
    pub(crate) fn start(cx: &mut Cx<'_>, settings: &Settings, observer: Rc<RefCell<Observer>>) -> Result<Self, String> {
        let (store, kept) = Store::open(cx.disk()).map_err(|error| error.to_string())?;
        cx.note(format_args!("finds promise {}, {} votes, commit {}", kept.promised, kept.votes.len(), kept.commit));
        // What a killed process had written and not synced is there all the same, and it is durable by now.
        for (slot, vote) in &kept.votes {
            observer.borrow_mut().durable(paxos_id(cx.node()), &Record::Voted(*slot, vote.clone()));
        }
        let (options, rng, now) = (settings.paxos.clone(), cx.rng().fork("paxos"), cx.now());
        let replica = Replica::new(paxos_id(cx.node()), settings.cluster.clone(), kept, options, rng, now);
        let replica = replica.map_err(|error| error.to_string())?;
        let mut server = Server {
            replica,
            store,
            machine: Machine::default(),
            unsynced: VecDeque::new(),
            waiting: BTreeMap::new(),
            settings: settings.clone(),
            observer,
            role: RoleName::Follower,
        };
        server.pump(cx);
        Ok(server)
    }

    /// Does all that the core wants done.
    fn pump(&mut self, cx: &mut Cx<'_>) {
        while let Some(ready) = self.replica.ready() {
            if let Err(error) = self.take(ready, cx) {
                // Whatever was written may be there or not: the next life reads it.
                return cx.exit(error);
            }
        }
        let status = self.replica.status();
        if status.role != self.role {
            self.role = status.role;
            cx.note(format_args!("is {:?} in {}", status.role, status.promised));
            if let Some(most) = self.settings.cursed
                && self.role == RoleName::Leader
                && cx.world_time() < self.settings.faults_until
            {
                let after = Duration::from_micros(cx.rng().below(most.as_micros() as u64));
                cx.set_timer_after(CURSE, after);
            }
        }
        cx.set_timer(TICK, self.replica.next_deadline());
    }

    fn take(&mut self, ready: Ready, cx: &mut Cx<'_>) -> std::io::Result<()> {
        for message in ready.send {
            cx.send(sim_id(message.to), Msg::Paxos(message));
        }
        if let Some(persist) = ready.persist {
            self.store.write(persist.records())?;
            self.unsynced.push_back(persist);
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
        for (slot, value) in ready.apply {
            self.apply(slot, &value, cx);
        }
        Ok(())
    }

    /// Makes everything durable that was written, and tells the core.
    fn sync(&mut self) -> std::io::Result<()> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        self.store.sync()?;
        for persist in std::mem::take(&mut self.unsynced) {
            let mut observer = self.observer.borrow_mut();
            persist.records().iter().for_each(|record| observer.durable(self.replica.id(), record));
            self.replica.persisted(persist.done()).map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    fn apply(&mut self, slot: Slot, value: &Value, cx: &mut Cx<'_>) {
        self.observer.borrow_mut().applied(self.replica.id(), slot, value);
        let Value::Command(bytes) = value else { return };
        let Some(command) = Command::decode(bytes) else { return };
        let answer = self.machine.apply(&command);
        if let Some(client) = self.waiting.remove(&(command.client, command.seq))
            && let Some(ret) = answer
        {
            cx.send(client, Msg::Answer { seq: command.seq, ret });
        }
    }
}

impl node::Server for Server {
    type Protocol = Speech;

    fn message(&mut self, from: sim::NodeId, message: Msg, cx: &mut Cx<'_>) {
        let now = cx.now();
        match message {
            // Nobody here is a stranger: what is refused is a claim broken, which the observer sees by itself.
            Msg::Paxos(message) => drop(self.replica.step(now, message)),
            Msg::Do(command) => {
                let seq = command.seq;
                match self.replica.propose(now, command.encode()) {
                    Ok(_) => drop(self.waiting.insert((command.client, seq), from)),
                    Err(_) => {
                        let hint = self.replica.status().leader.filter(|leader| *leader != self.replica.id());
                        cx.send(from, Msg::Elsewhere { seq, hint });
                    }
                }
            }
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
            self.replica.tick(cx.now());
        }
        self.pump(cx);
    }

    fn told(&self) -> String {
        format!("{:?}", self.replica.status())
    }
}
