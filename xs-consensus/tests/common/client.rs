//! Clients: each asks one thing after another, and again when no answer comes, and records what it asked and was told.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::{Call, History};
use xs_consensus::check::linearizability::MapOp;
use xs_os::{Rng, sim};

use super::machine::{Command, Op, Ret};
use super::operator::Order;

const NEXT: sim::Timer = sim::Timer(0);
const RETRY: sim::Timer = sim::Timer(1);
const GIVE_UP: sim::Timer = sim::Timer(2);

pub(crate) type Recorder = Rc<RefCell<History<Op, Ret>>>;

/// What servers say to clients.
pub(crate) enum Said {
    /// The answer to what was asked with this number.
    Answer { seq: u64, ret: Ret },
    /// Not here; there, perhaps.
    Elsewhere { seq: u64, hint: Option<u64> },
}

/// The messages of a simulation, as those see them who use its servers.
pub(crate) trait Protocol: 'static {
    type Message: Clone + fmt::Debug;

    /// Asks for an operation: a command, or a read that is none.
    fn ask(command: Command) -> Self::Message;

    /// What a message says to a client.
    fn said(message: Self::Message) -> Option<Said>;

    /// What an operator wants, where there is one.
    fn order(order: Order) -> Option<Self::Message>;

    /// What arrives of a message that was damaged; nothing, unless its codec is to refuse it.
    fn garbled(message: Self::Message, rng: &mut Rng) -> Option<Self::Message> {
        let _ = (message, rng);
        None
    }
}

/// One client.
pub(crate) struct Client<P> {
    name: u64,
    seq: u64,
    /// What is asked now.
    asked: Option<(Op, Call)>,
    target: u32,
    servers: u32,
    /// The most between an answer and the next question.
    pause: Duration,
    history: Recorder,
    /// When the operations that were answered began.
    pub(crate) answered: Vec<Duration>,
    began: Duration,
    /// Names are never used again by one who does not know how his last operation ended.
    lives: u64,
    protocol: std::marker::PhantomData<P>,
}

type Cx<'a, P> = sim::Context<'a, <P as Protocol>::Message>;

impl<P: Protocol> Client<P> {
    pub(crate) fn start(cx: &mut Cx<'_, P>, servers: u32, pause: Duration, history: Recorder) -> Self {
        cx.set_timer_after(NEXT, Duration::from_millis(1));
        Client {
            name: u64::from(cx.node().0),
            seq: 0,
            asked: None,
            target: cx.rng().below(u64::from(servers)) as u32,
            servers,
            pause,
            history,
            answered: Vec::new(),
            began: Duration::ZERO,
            lives: 0,
            protocol: std::marker::PhantomData,
        }
    }

    pub(crate) fn message(&mut self, message: P::Message, cx: &mut Cx<'_, P>) {
        match P::said(message) {
            Some(Said::Answer { seq, ret }) if seq == self.seq => {
                let Some((_, call)) = self.asked.take() else { return };
                self.history.borrow_mut().returned(call, cx.world_time().as_nanos() as u64, ret);
                self.answered.push(self.began);
                self.pause(cx);
            }
            Some(Said::Elsewhere { seq, hint }) if seq == self.seq && self.asked.is_some() => {
                self.target = match hint {
                    Some(node) if node < u64::from(self.servers) => node as u32,
                    _ => self.any(cx),
                };
                cx.set_timer_after(RETRY, Duration::from_millis(5));
            }
            _ => {}
        }
    }

    fn any(&self, cx: &mut Cx<'_, P>) -> u32 {
        cx.rng().below(u64::from(self.servers)) as u32
    }

    fn pause(&mut self, cx: &mut Cx<'_, P>) {
        cx.cancel_timer(RETRY);
        cx.cancel_timer(GIVE_UP);
        let pause = Duration::from_micros(cx.rng().below(self.pause.as_micros() as u64));
        cx.set_timer_after(NEXT, pause);
    }

    pub(crate) fn timer(&mut self, timer: sim::Timer, cx: &mut Cx<'_, P>) {
        match timer {
            NEXT => self.ask(cx),
            RETRY => self.send(cx),
            _ => {
                // How it ended is unknown, and stays so.
                if self.asked.take().is_some() {
                    self.lives += 1;
                    self.name = u64::from(cx.node().0) + 1000 * self.lives;
                    self.target = self.any(cx);
                    self.pause(cx);
                }
            }
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_, P>) {
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
            self.target = self.any(cx);
        }
        cx.set_timer_after(GIVE_UP, Duration::from_millis(700));
        self.send(cx);
    }

    fn send(&mut self, cx: &mut Cx<'_, P>) {
        let Some((op, _)) = &self.asked else { return };
        let command = Command { client: self.name, seq: self.seq, op: op.clone() };
        cx.send(sim::NodeId(self.target), P::ask(command));
        // Nobody there, or it got lost: ask somebody else then.
        cx.set_timer_after(RETRY, Duration::from_millis(80));
        self.target = (self.target + u32::from(cx.rng().chance(0.3))) % self.servers;
    }
}
