//! The loop over events in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::time::{Duration, Instant};

use super::actor::{Actor, Context, Effect, NodeId, Timer};
use super::campaign::{Report, Tally};
use super::link::{Link, Links, Weather, Why};
use super::node::{Input, Slot};
use super::trace::{Keep, Trace, What};
use super::{Episode, Fault};
use crate::clock::VirtualClock;
use crate::vfs::faulty::{self, Operation, Pace};
use crate::{Clock, Rng};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes there are, clients too.
    pub nodes: u32,
    /// What all links are like, unless one is made different.
    pub link: Link,
    /// What calls of a disk cost.
    pub pace: Pace,
    /// The most that a clock runs fast or slow from the beginning, in millionths; each node draws its own.
    pub drift: u32,
    /// After what time a process that ended by itself is started again.
    pub respawn: Duration,
    /// Whether events of one moment happen in an order drawn from the seed, instead of that in which they were made.
    pub shuffle: bool,
    /// What waits at most on a paused or busy node; more is lost.
    pub backlog: usize,
    /// How much of the trace is kept.
    pub keep: Keep,
}

impl Options {
    /// Nodes that are joined by datagrams and have disks that cost no time.
    pub fn new(nodes: u32) -> Self {
        Options {
            nodes,
            link: Link::datagrams(),
            pace: Pace::default(),
            drift: 200,
            respawn: Duration::from_millis(100),
            shuffle: true,
            backlog: 10_000,
            keep: Keep::Hash,
        }
    }
}

/// What a step of the world was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// This node has done something, or was started or ended.
    Node(NodeId),
    /// Something went wrong or was healed, or a message was lost.
    Else,
}

enum Event<M> {
    Deliver {
        id: u64,
        from: NodeId,
        to: NodeId,
        message: M,
    },
    Timer {
        node: NodeId,
        life: u32,
        timer: Timer,
        generation: u64,
    },
    Start {
        node: NodeId,
        life: u32,
    },
    /// A busy node is free again.
    Free {
        node: NodeId,
        life: u32,
    },
    Begin(usize),
    End(usize),
}

struct Scheduled<M> {
    key: (Duration, u64, u64),
    event: Event<M>,
}

impl<M> PartialEq for Scheduled<M> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl<M> Eq for Scheduled<M> {}
impl<M> PartialOrd for Scheduled<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<M> Ord for Scheduled<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// How a node's process is made, at the beginning and after every crash, from what its disk holds. An error is a process
/// that ended at once.
pub type Start<A> = Box<dyn FnMut(&mut Context<'_, <A as Actor>::Message>) -> Result<A, String>>;

/// A world of nodes, links and faults that follows from a seed. See the [module page](super).
pub struct World<A: Actor> {
    seed: u64,
    anchor: Instant,
    now: Duration,
    queue: BinaryHeap<Reverse<Scheduled<A::Message>>>,
    made: u64,
    messages: u64,
    ties: Option<Rng>,
    chance: Rng,
    slots: Vec<Slot<A>>,
    links: Links,
    plan: Vec<Episode>,
    start: Start<A>,
    options: Options,
    trace: Trace,
    tally: Tally,
}

impl<A: Actor> World<A> {
    /// A world whose nodes start at time zero, in a random order.
    pub fn new(
        seed: u64,
        options: Options,
        start: impl FnMut(&mut Context<'_, A::Message>) -> Result<A, String> + 'static,
    ) -> Self {
        let root = Rng::from_seed(seed);
        let anchor = VirtualClock::new().now();
        let slots = (0..options.nodes).map(|n| Slot::new(NodeId(n), &root, anchor, &options)).collect();
        let mut world = World {
            seed,
            anchor,
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            made: 0,
            messages: 0,
            ties: options.shuffle.then(|| root.fork("ties")),
            chance: root.fork("world"),
            slots,
            links: Links::new(root.fork("links"), options.link),
            plan: Vec::new(),
            start: Box::new(start),
            trace: Trace::new(seed, options.keep),
            options,
            tally: Tally::default(),
        };
        for n in 0..world.options.nodes {
            world.schedule(Duration::ZERO, Event::Start { node: NodeId(n), life: 0 });
        }
        world
    }

    /// Adds faults to what will happen.
    pub fn plan(&mut self, episodes: impl IntoIterator<Item = Episode>) {
        for episode in episodes {
            let nth = self.plan.len();
            self.schedule(episode.at, Event::Begin(nth));
            self.schedule(episode.at + episode.lasts, Event::End(nth));
            self.plan.push(episode);
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The process on a node; none while it is down.
    pub fn actor(&self, node: NodeId) -> Option<&A> {
        self.slots.get(node.0 as usize)?.actor.as_ref()
    }

    /// All processes that are up.
    pub fn actors(&self) -> impl Iterator<Item = (NodeId, &A)> {
        self.slots.iter().filter_map(|slot| Some((slot.node, slot.actor.as_ref()?)))
    }

    /// A node's disk.
    pub fn disk(&self, node: NodeId) -> Option<&faulty::FaultyVfs> {
        self.slots.get(node.0 as usize).map(|slot| &slot.disk)
    }

    /// The links, to change them by hand.
    pub fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What went wrong so far, counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A number over everything that happened in the world and on its disks.
    pub fn digest(&self) -> u64 {
        self.slots.iter().fold(self.trace.hash(), |sum, slot| faulty::disk::mix(sum ^ slot.disk.digest()))
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.trace.add(self.now, &text, |text| What::Note { node: None, text }, [1, 0, 0, 0]);
    }

    /// What a campaign wants to know of a run.
    pub fn report(&self, result: Result<(), String>) -> Report {
        Report {
            digest: self.digest(),
            events: self.trace.count(),
            simulated: self.now,
            tally: self.tally.clone(),
            result,
            text: if self.options.keep == Keep::Hash { String::new() } else { self.timeline() },
            html: if self.options.keep == Keep::Hash { String::new() } else { self.diagram() },
        }
    }

    /// What was kept of the trace, as text: an entry a line.
    pub fn timeline(&self) -> String {
        super::timeline::text(self.trace.entries())
    }

    /// What was kept of the trace, as a sequence diagram: an HTML page with an SVG drawing, which needs nothing else.
    pub fn diagram(&self) -> String {
        let title = format!("seed {}", self.seed);
        super::timeline::html(&title, self.options.nodes, self.trace.entries())
    }

    /// Lets time pass until a moment, and asks behind every step whether all is well.
    pub fn run_until(
        &mut self,
        until: Duration,
        mut check: impl FnMut(&Self, Happened) -> Result<(), String>,
    ) -> Result<(), String> {
        while self.queue.peek().is_some_and(|Reverse(next)| next.key.0 <= until) {
            if let Some(happened) = self.step() {
                check(self, happened)?;
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Lets time pass until something is so; false if it isn't by then.
    pub fn run_while(
        &mut self,
        until: Duration,
        mut check: impl FnMut(&Self, Happened) -> Result<(), String>,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, String> {
        while !done(self) {
            match self.queue.peek() {
                Some(Reverse(next)) if next.key.0 <= until => {}
                _ => return Ok(false),
            }
            if let Some(happened) = self.step() {
                check(self, happened)?;
            }
        }
        Ok(true)
    }

    /// Does the next thing; none when nothing will ever happen again.
    pub fn step(&mut self) -> Option<Happened> {
        let Reverse(next) = self.queue.pop()?;
        self.now = next.key.0;
        Some(match next.event {
            Event::Begin(nth) => self.begin(nth),
            Event::End(nth) => self.end(nth),
            Event::Start { node, life } => {
                let slot = &self.slots[node.0 as usize];
                if slot.life == life && slot.actor.is_none() && slot.down == 0 {
                    self.start(node);
                }
                Happened::Node(node)
            }
            Event::Deliver { id, from, to, message } => {
                if self.links.is_cut(from, to) {
                    self.lose(id, from, to, Why::Cut);
                    return Some(Happened::Else);
                }
                self.give(to, Input::Message { id, from, message })
            }
            Event::Timer { node, life, timer, generation } => {
                let slot = &mut self.slots[node.0 as usize];
                if slot.life != life || !slot.is_due(timer, generation) {
                    return Some(Happened::Else);
                }
                self.give(node, Input::Timer(timer))
            }
            Event::Free { node, life } => {
                let slot = &mut self.slots[node.0 as usize];
                if slot.life == life {
                    slot.waking = false;
                    self.drain(node);
                }
                Happened::Node(node)
            }
        })
    }

    fn schedule(&mut self, at: Duration, event: Event<A::Message>) {
        self.made += 1;
        let tie = self.ties.as_mut().map_or(0, Rng::next_u64);
        self.queue.push(Reverse(Scheduled { key: (at.max(self.now), tie, self.made), event }));
    }

    fn lose(&mut self, id: u64, from: NodeId, to: NodeId, why: Why) {
        self.tally.lost += 1;
        let what = |_| What::Lose { id, from, to, why };
        self.trace.add(self.now, &"", what, [2, id, u64::from(to.0), why as u64]);
    }

    /// Hands something to a node now, or once it can take it.
    fn give(&mut self, node: NodeId, input: Input<A::Message>) -> Happened {
        let now = self.now;
        let slot = &mut self.slots[node.0 as usize];
        if slot.actor.is_none() {
            if let Input::Message { id, from, .. } = input {
                self.lose(id, from, node, Why::Down);
            }
            return Happened::Else;
        }
        if slot.paused == 0 && slot.busy_until <= now && slot.backlog.is_empty() {
            self.run(node, input);
            return Happened::Node(node);
        }
        if slot.backlog.len() >= self.options.backlog {
            if let Input::Message { id, from, .. } = input {
                self.lose(id, from, node, Why::Full);
            }
            return Happened::Else;
        }
        slot.backlog.push_back(input);
        self.wake(node);
        Happened::Else
    }

    /// Sees to it that a node that is busy goes on when it is free.
    fn wake(&mut self, node: NodeId) {
        let slot = &mut self.slots[node.0 as usize];
        if slot.paused == 0 && !slot.waking && !slot.backlog.is_empty() {
            slot.waking = true;
            let (at, life) = (slot.busy_until, slot.life);
            self.schedule(at, Event::Free { node, life });
        }
    }

    /// Hands over the first thing that waited.
    fn drain(&mut self, node: NodeId) {
        let slot = &mut self.slots[node.0 as usize];
        if slot.actor.is_none() || slot.paused > 0 {
            return;
        }
        if slot.busy_until <= self.now
            && let Some(input) = slot.backlog.pop_front()
        {
            self.run(node, input);
        }
        self.wake(node);
    }

    fn start(&mut self, node: NodeId) {
        let slot = &mut self.slots[node.0 as usize];
        slot.catch_up(self.now);
        let life = slot.life;
        self.trace.add(self.now, &"", |_| What::Start { node, life }, [3, node.0.into(), life.into(), 0]);
        self.tally.starts += 1;
        let spent = slot.disk.spent();
        let mut cx = slot.context(self.options.nodes);
        let started = (self.start)(&mut cx);
        let effects = cx.effects;
        match started {
            Ok(actor) => slot.actor = Some(actor),
            Err(why) if slot.disk.is_off() => drop(why),
            Err(why) => {
                self.finish(node, spent, effects.into());
                return self.exit(node, &why);
            }
        }
        self.finish(node, spent, effects.into());
    }

    fn run(&mut self, node: NodeId, input: Input<A::Message>) {
        let slot = &mut self.slots[node.0 as usize];
        slot.catch_up(self.now);
        if let Input::Timer(timer) = input
            && !slot.take_timer(timer)
        {
            return self.requeue(node, timer);
        }
        let Some(mut actor) = slot.actor.take() else { return };
        let spent = slot.disk.spent();
        let mut cx = slot.context(self.options.nodes);
        match input {
            Input::Message { id, from, message } => {
                let what = |_| What::Deliver { id, from, to: node };
                self.trace.add(self.now, &"", what, [4, id, node.0.into(), 0]);
                actor.message(from, message, &mut cx);
            }
            Input::Timer(timer) => {
                self.trace.add(self.now, &"", |_| What::Timer { node, timer }, [5, node.0.into(), timer.0, 0]);
                actor.timer(timer, &mut cx);
            }
        }
        let effects = cx.effects;
        slot.actor = Some(actor);
        self.finish(node, spent, effects.into());
    }

    /// Does what a step asked for, once its calls of the disk have taken their time.
    fn finish(&mut self, node: NodeId, spent: Duration, effects: Vec<Effect<A::Message>>) {
        let slot = &mut self.slots[node.0 as usize];
        if slot.actor.is_some() {
            slot.jobs.poke_all();
            slot.jobs.run_until_idle(64);
        }
        let at = self.now + (slot.disk.spent() - spent);
        slot.busy_until = at;
        let off = slot.disk.is_off();
        let mut exit = None;
        for effect in effects {
            match effect {
                Effect::Send(to, message) => self.send(node, to, message, at),
                Effect::Set(timer, deadline) => {
                    self.slots[node.0 as usize].set_timer(timer, deadline.saturating_duration_since(self.anchor));
                    self.requeue(node, timer);
                }
                Effect::Cancel(timer) => self.slots[node.0 as usize].cancel_timer(timer),
                Effect::Note(text) => {
                    let what = |text| What::Note { node: Some(node), text };
                    self.trace.add(self.now, &text, what, [6, node.0.into(), 0, 0]);
                }
                Effect::Exit(why) => exit = Some(why),
            }
        }
        if off {
            self.power_off(node, "the power went in a step");
        } else if let Some(why) = exit {
            self.exit(node, &why);
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: A::Message, at: Duration) {
        self.messages += 1;
        let id = self.messages;
        self.tally.sent += 1;
        let what = |text| What::Send { id, from, to, text };
        let words = [7, id, u64::from(from.0), u64::from(to.0)];
        self.trace.add(self.now, &format_args!("{message:?}"), what, words);
        if to.0 >= self.options.nodes {
            return self.lose(id, from, to, Why::Down);
        }
        match self.links.fate(from, to, A::size(&message), at) {
            Err(why) => self.lose(id, from, to, why),
            Ok((arrival, second)) => {
                if let Some(second) = second {
                    self.tally.doubled += 1;
                    self.schedule(second, Event::Deliver { id, from, to, message: message.clone() });
                }
                let mut message = message;
                if let Some(mut rng) = self.links.garbles(from, to) {
                    self.tally.garbled += 1;
                    match A::garbled(message, &mut rng) {
                        Some(garbled) => message = garbled,
                        None => return self.lose(id, from, to, Why::Garbled),
                    }
                    self.note(format_args!("message {id} is damaged on its way"));
                }
                self.schedule(arrival, Event::Deliver { id, from, to, message });
            }
        }
    }

    /// Puts an event for a timer into the queue, unless one that comes soon enough is there.
    fn requeue(&mut self, node: NodeId, timer: Timer) {
        let slot = &mut self.slots[node.0 as usize];
        let life = slot.life;
        if let Some((at, generation)) = slot.queue_timer(timer, self.now) {
            self.schedule(at, Event::Timer { node, life, timer, generation });
        }
    }

    /// A process ends and its machine goes on.
    fn exit(&mut self, node: NodeId, why: &str) {
        let slot = &mut self.slots[node.0 as usize];
        let at = slot.busy_until.max(self.now);
        let (actor, disk) = (slot.actor.take(), slot.disk.clone());
        let mut cx = slot.context(self.options.nodes);
        if let Some(actor) = actor {
            disk.freeze(true);
            actor.killed(&mut cx);
        }
        let last = cx.effects;
        slot.end();
        let life = slot.life;
        self.trace.add(self.now, &why, |why| What::End { node, why }, [8, node.0.into(), 0, 0]);
        self.tally.exits += 1;
        for effect in last {
            if let Effect::Send(to, message) = effect {
                self.send(node, to, message, at);
            }
        }
        self.schedule(self.now + self.options.respawn, Event::Start { node, life });
    }

    /// A machine loses its power: its disk is found as a crash leaves it.
    fn power_off(&mut self, node: NodeId, why: &str) {
        let slot = &mut self.slots[node.0 as usize];
        slot.lose_power(&mut self.chance, self.options.pace);
        let life = slot.life;
        self.trace.add(self.now, &why, |why| What::End { node, why }, [9, node.0.into(), 0, 0]);
        self.schedule(self.now + self.options.respawn, Event::Start { node, life });
    }

    fn begin(&mut self, nth: usize) -> Happened {
        let fault = self.plan[nth].fault.clone();
        let kind = fault.kind();
        let what = |text| What::Begin { text, node: fault.node() };
        self.trace.add(self.now, &fault, what, [10, nth as u64, 0, 0]);
        *self.tally.faults.entry(kind).or_default() += 1;
        let at = fault.node().map_or(0, |node| node.0 as usize);
        if at >= self.slots.len() {
            return Happened::Else;
        }
        let slot = &mut self.slots[at];
        match &fault {
            Fault::Kill { .. } => {
                slot.down += 1;
                if slot.actor.is_some() {
                    self.exit(NodeId(at as u32), "killed");
                }
            }
            Fault::Crash { .. } => {
                slot.down += 1;
                self.power_off(NodeId(at as u32), "the power went");
            }
            Fault::CrashInStep { calls, .. } => slot.disk.power_off_after(Some(*calls)),
            Fault::Pause { node } => {
                slot.paused += 1;
                self.trace.add(self.now, &"", |_| What::Pause { node: *node }, [11, at as u64, 0, 0]);
            }
            Fault::Cut { from, to } => pairs(from, to).for_each(|(from, to)| self.links.cut(from, to)),
            Fault::Split { one, other } => pairs(one, other).for_each(|(one, other)| {
                self.links.cut(one, other);
                self.links.cut(other, one);
            }),
            Fault::Lossy { loss, duplicate, reorder } => {
                let part = |n: u32| f64::from(n) / 1000.0;
                let straggler = (part(*reorder), Duration::from_millis(100));
                let weather = Weather::Lossy { loss: part(*loss), duplicate: part(*duplicate), straggler };
                self.links.add_weather(nth, weather);
            }
            Fault::Slow { node, extra, bandwidth } => {
                let weather = Weather::Slow { node: *node, extra: *extra, bandwidth: *bandwidth };
                self.links.add_weather(nth, weather);
            }
            Fault::Garbled { per_mille } => {
                self.links.add_weather(nth, Weather::Garbled { chance: f64::from(*per_mille) / 1000.0 });
            }
            Fault::Drift { ppm, .. } => slot.set_drift(*ppm, self.now),
            Fault::Step { by, .. } => slot.step_wall(*by, self.now),
            Fault::SlowDisk { sync, .. } => {
                let mut pace = self.options.pace;
                pace.sync.call = pace.sync.call.max(*sync);
                pace.names.call = pace.names.call.max(*sync);
                slot.disk.set_pace(pace, None);
            }
            Fault::FullDisk { room, .. } => slot.disk.set_capacity(Some(slot.disk.used() + room)),
            Fault::FailingDisk { per_mille, .. } => {
                for operation in [Operation::Write, Operation::Sync, Operation::SyncDir, Operation::Rename] {
                    let chance = f64::from(*per_mille) / 1000.0;
                    slot.disk.fail(faulty::Fault::of(operation).chance(chance).forever());
                }
            }
            Fault::RottenDisk { node, bits } => {
                let flipped = slot.disk.rot_at_random(*bits as usize).unwrap_or_default();
                let what = |text| What::Note { node: Some(*node), text };
                self.trace.add(self.now, &format_args!("rotten: {flipped:?}"), what, [14, at as u64, 0, 0]);
            }
            Fault::LyingDisk { .. } => {
                slot.lies += 1;
                slot.disk.lie(true);
            }
        }
        fault.node().map_or(Happened::Else, Happened::Node)
    }

    fn end(&mut self, nth: usize) -> Happened {
        let fault = self.plan[nth].fault.clone();
        let what = |text| What::Heal { text, node: fault.node() };
        self.trace.add(self.now, &fault, what, [12, nth as u64, 0, 0]);
        let at = fault.node().map_or(0, |node| node.0 as usize);
        if at >= self.slots.len() {
            return Happened::Else;
        }
        let slot = &mut self.slots[at];
        match &fault {
            Fault::Kill { node } | Fault::Crash { node } => {
                slot.down -= 1;
                let life = slot.life;
                self.schedule(self.now, Event::Start { node: *node, life });
            }
            Fault::CrashInStep { .. } => slot.disk.power_off_after(None),
            Fault::Pause { node } => {
                slot.paused -= 1;
                self.trace.add(self.now, &"", |_| What::Resume { node: *node }, [13, at as u64, 0, 0]);
                self.wake(*node);
            }
            Fault::Cut { from, to } => pairs(from, to).for_each(|(from, to)| self.links.mend(from, to)),
            Fault::Split { one, other } => pairs(one, other).for_each(|(one, other)| {
                self.links.mend(one, other);
                self.links.mend(other, one);
            }),
            Fault::Lossy { .. } | Fault::Slow { .. } | Fault::Garbled { .. } => self.links.end_weather(nth),
            // What is rotten stays so.
            Fault::RottenDisk { .. } => {}
            Fault::Drift { .. } => slot.set_drift(slot.own_drift, self.now),
            Fault::Step { by, .. } => slot.step_wall(-by, self.now),
            Fault::SlowDisk { .. } => slot.disk.set_pace(self.options.pace, None),
            Fault::FullDisk { .. } => slot.disk.set_capacity(None),
            Fault::FailingDisk { .. } => slot.disk.heal(),
            Fault::LyingDisk { .. } => {
                slot.lies -= 1;
                slot.disk.lie(slot.lies > 0);
            }
        }
        fault.node().map_or(Happened::Else, Happened::Node)
    }
}

impl<A: Actor> fmt::Debug for World<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queue.len();
        f.debug_struct("World").field("seed", &self.seed).field("now", &self.now).field("queued", &queued).finish()
    }
}

fn pairs<'a>(one: &'a [NodeId], other: &'a [NodeId]) -> impl Iterator<Item = (NodeId, NodeId)> + 'a {
    one.iter().flat_map(move |a| other.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b)
}

/// Timers of one node, by name.
pub(super) type Timers = BTreeMap<Timer, super::node::Armed>;
