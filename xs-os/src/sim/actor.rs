//! What runs on a node, and what it may do there.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::vfs::faulty::FaultyVfs;
use crate::{Clock, Rng, SteppedJobs, VirtualClock};

/// A node of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A timer of a node, by a name of the node's choice. Setting it again moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer(pub u64);

/// A process on a node: a state machine that messages and timers drive. A crash drops it. One that dies, in whatever way,
/// closes nothing: while it is dropped its disk does nothing and leaves no trace.
///
/// It must draw on nothing but its [`Context`]: no time, chance, thread or hash-seed order of its own.
pub trait Actor: Sized {
    /// What nodes send to one another. Its `Debug` form is what traces show and hash, so it must say all that matters.
    type Message: Clone + fmt::Debug;

    /// A message has arrived.
    fn message(&mut self, from: NodeId, message: Self::Message, cx: &mut Context<'_, Self::Message>);

    /// A timer is due, or long past it if the node was paused.
    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, Self::Message>);

    /// The process was killed or exits, and its machine goes on: what the machine still sends for it, as a kernel does that
    /// closes its connections. Timers and exits that are asked for here come to nothing.
    fn killed(self, cx: &mut Context<'_, Self::Message>) {
        let _ = cx;
    }

    /// What arrives of a message whose bytes were damaged on the way: the receiver's codec must refuse it. None if there is
    /// nothing left to hand over, as with links whose own checksums throw such packets away.
    fn garbled(message: Self::Message, rng: &mut Rng) -> Option<Self::Message> {
        let _ = (message, rng);
        None
    }

    /// How many bytes a message would have on the wire: what a slow link charges for.
    fn size(message: &Self::Message) -> usize {
        let _ = message;
        128
    }
}

/// What a step asked for, in order.
#[derive(Debug)]
pub(super) enum Effect<M> {
    Send(NodeId, M),
    Set(Timer, Instant),
    Cancel(Timer),
    Note(String),
    Exit(String),
}

/// A node's machine, for the length of one step: its clock, chance, disk, jobs, timers and network.
#[derive(Debug)]
pub struct Context<'a, M> {
    pub(super) node: NodeId,
    pub(super) nodes: u32,
    pub(super) life: u32,
    pub(super) world_time: Duration,
    pub(super) clock: &'a VirtualClock,
    pub(super) rng: &'a mut Rng,
    pub(super) disk: &'a FaultyVfs,
    pub(super) jobs: &'a SteppedJobs,
    pub(super) effects: VecDeque<Effect<M>>,
}

impl<M> Context<'_, M> {
    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// All nodes of the world.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<M> {
        (0..self.nodes).map(NodeId)
    }

    /// How often the node was started before: 0 in its first life.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// The node's monotonic clock, which drifts. It stands still during a step.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The node's calendar, which may be stepped.
    pub fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    /// The time since the beginning of the world, by no node's clock: for those who watch and record. A program that acts
    /// by it knows what no program can.
    pub fn world_time(&self) -> Duration {
        self.world_time
    }

    /// The node's clock, for blocks that take one.
    pub fn clock(&self) -> &VirtualClock {
        self.clock
    }

    /// The node's chance.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }

    /// The node's disk. What its calls cost in virtual time passes before anything else happens on the node, and before
    /// what this step sends is on its way.
    pub fn disk(&self) -> &FaultyVfs {
        self.disk
    }

    /// The node's background work: it is stepped behind every step of the node.
    pub fn jobs(&self) -> &SteppedJobs {
        self.jobs
    }

    /// Sends a message. It may arrive, late, twice or never.
    pub fn send(&mut self, to: NodeId, message: M) {
        self.push(Effect::Send(to, message));
    }

    /// Asks for [`Actor::timer`] once the node's clock has come to this.
    pub fn set_timer(&mut self, timer: Timer, at: Instant) {
        self.push(Effect::Set(timer, at));
    }

    /// Asks for [`Actor::timer`] once this much time has passed on the node's clock.
    pub fn set_timer_after(&mut self, timer: Timer, after: Duration) {
        self.set_timer(timer, self.now() + after);
    }

    /// Forgets a timer.
    pub fn cancel_timer(&mut self, timer: Timer) {
        self.push(Effect::Cancel(timer));
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.push(Effect::Note(text.to_string()));
    }

    /// Ends the process behind this step, as one that gives up after an I/O error should. The world starts it again
    /// after [`Options::respawn`](super::Options::respawn).
    pub fn exit(&mut self, why: impl fmt::Display) {
        self.push(Effect::Exit(why.to_string()));
    }

    /// A machine whose power has gone does nothing any more, although its program is still running here.
    fn push(&mut self, effect: Effect<M>) {
        if !self.disk.is_off() {
            self.effects.push_back(effect);
        }
    }
}
