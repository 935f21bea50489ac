//! Those who use the cluster: clients, which record what they asked and were told, and an operator, who moves it about.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::{Call, History};
use xs_consensus::check::linearizability::MapOp;
use xs_consensus::raft::{Change, NodeId};
use xs_os::sim;

use super::machine::{Command, Op, Ret};
use super::run::Settings;
use super::server::{Cx, Msg};

const NEXT: sim::Timer = sim::Timer(0);
const RETRY: sim::Timer = sim::Timer(1);
const GIVE_UP: sim::Timer = sim::Timer(2);

pub(crate) type Recorder = Rc<RefCell<History<Op, Ret>>>;

/// Asks one thing after another, and again when no answer comes.
pub(crate) struct Client {
    name: u64,
    seq: u64,
    /// What is asked now.
    asked: Option<(Op, Call)>,
    target: u32,
    settings: Settings,
    history: Recorder,
    /// When the operations that were answered began.
    pub(crate) answered: Vec<Duration>,
    began: Duration,
    /// Names are never used again by one who does not know how his last operation ended.
    lives: u64,
}

impl Client {
    pub(crate) fn start(cx: &mut Cx<'_>, settings: &Settings, history: Recorder) -> Self {
        cx.set_timer_after(NEXT, Duration::from_millis(1));
        Client {
            name: u64::from(cx.node().0),
            seq: 0,
            asked: None,
            target: cx.rng().below(u64::from(settings.servers)) as u32,
            settings: settings.clone(),
            history,
            answered: Vec::new(),
            began: Duration::ZERO,
            lives: 0,
        }
    }

    pub(crate) fn message(&mut self, message: Msg, cx: &mut Cx<'_>) {
        match message {
            Msg::Answer { seq, ret } if seq == self.seq => {
                let Some((_, call)) = self.asked.take() else { return };
                self.history.borrow_mut().returned(call, cx.world_time().as_nanos() as u64, ret);
                self.answered.push(self.began);
                self.pause(cx);
            }
            Msg::Elsewhere { seq, hint } if seq == self.seq && self.asked.is_some() => {
                self.target = match hint {
                    Some(node) if node.0 < u64::from(self.settings.servers) => node.0 as u32,
                    _ => cx.rng().below(u64::from(self.settings.servers)) as u32,
                };
                cx.set_timer_after(RETRY, Duration::from_millis(5));
            }
            _ => {}
        }
    }

    fn pause(&mut self, cx: &mut Cx<'_>) {
        cx.cancel_timer(RETRY);
        cx.cancel_timer(GIVE_UP);
        let pause = Duration::from_micros(cx.rng().below(30_000));
        cx.set_timer_after(NEXT, pause);
    }

    pub(crate) fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_>) {
        match timer {
            NEXT => self.ask(cx),
            RETRY => self.send(cx),
            _ => {
                // How it ended is unknown, and stays so.
                if self.asked.take().is_some() {
                    self.lives += 1;
                    self.name = u64::from(cx.node().0) + 1000 * self.lives;
                    self.target = cx.rng().below(u64::from(self.settings.servers)) as u32;
                    self.pause(cx);
                }
            }
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        self.seq += 1;
        let (client, seq) = (u64::from(cx.node().0), self.seq);
        let rng = cx.rng();
        let key = rng.below(3) as u8;
        // Every value is written once, so that a read tells whose it was.
        let value = client * 1_000_000 + seq;
        let op = match rng.below(10) {
            0..5 => MapOp::Get(key),
            5..8 => MapOp::Put(key, value),
            8 => MapOp::Delete(key),
            _ => MapOp::CompareAndSet(key, None, value),
        };
        self.began = cx.world_time();
        let call = self.history.borrow_mut().invoke(self.name, self.began.as_nanos() as u64, op.clone());
        self.asked = Some((op, call));
        // Some ask a follower.
        if cx.rng().chance(0.1) {
            self.target = cx.rng().below(u64::from(self.settings.servers)) as u32;
        }
        cx.set_timer_after(GIVE_UP, Duration::from_millis(700));
        self.send(cx);
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        let Some((op, _)) = &self.asked else { return };
        let seq = self.seq;
        let message = match op {
            MapOp::Get(key) => Msg::Read { seq, key: *key },
            op => Msg::Write(Command { client: self.name, seq, op: op.clone() }),
        };
        cx.send(sim::NodeId(self.target), message);
        // Nobody there, or it got lost: ask somebody else then.
        cx.set_timer_after(RETRY, Duration::from_millis(80));
        self.target = (self.target + u32::from(cx.rng().chance(0.3))) % self.settings.servers;
    }
}

/// Changes who belongs to the cluster, and who leads, until a moment.
pub(crate) struct Operator {
    settings: Settings,
}

impl Operator {
    pub(crate) fn start(cx: &mut Cx<'_>, settings: &Settings) -> Self {
        cx.set_timer_after(NEXT, Duration::from_millis(500));
        Operator { settings: settings.clone() }
    }

    pub(crate) fn timer(&mut self, cx: &mut Cx<'_>) {
        if cx.world_time() > self.settings.faults_until {
            return;
        }
        let servers = u64::from(self.settings.servers);
        let node = NodeId(cx.rng().below(servers));
        let message = match cx.rng().below(4) {
            0 => Msg::Transfer(node),
            _ if !self.settings.changes => Msg::Transfer(node),
            _ => {
                let mut changes = Vec::new();
                for _ in 0..1 + cx.rng().below(3) {
                    let node = NodeId(cx.rng().below(servers));
                    changes.push(match cx.rng().below(5) {
                        0..2 => Change::AddVoter(node),
                        2 => Change::AddLearner(node),
                        _ => Change::Remove(node),
                    });
                }
                Msg::Change(changes)
            }
        };
        // Whoever leads takes it; the others refuse.
        for server in 0..self.settings.servers {
            cx.send(sim::NodeId(server), message.clone());
        }
        let next = Duration::from_millis(50 + cx.rng().below(400));
        cx.set_timer_after(NEXT, next);
    }
}
