//! One node's machine: what outlives its process, and what doesn't.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use super::actor::{Actor, Context, NodeId, Timer};
use super::world::{Options, Timers};
use crate::clock::{Clock, VIRTUAL_EPOCH};
use crate::vfs::faulty::{FaultyVfs, Pace, disk::mix};
use crate::{Rng, SteppedJobs, VirtualClock};

/// What a process is given.
pub(super) enum Input<M> {
    Message { id: u64, from: NodeId, message: M },
    Timer(Timer),
}

/// A timer that was set: when it is due by the node's clock, and the event that stands for it in the queue.
#[derive(Debug, Default)]
pub(super) struct Armed {
    deadline: Duration,
    queued: Option<(Duration, u64)>,
}

pub(super) struct Slot<A: Actor> {
    pub(super) node: NodeId,
    pub(super) actor: Option<A>,
    /// How often a process has ended here: what is on its way for an earlier one is void.
    pub(super) life: u32,
    /// Faults that keep it down, make it stand still, make its disk lie.
    pub(super) down: u32,
    pub(super) paused: u32,
    pub(super) lies: u32,
    pub(super) busy_until: Duration,
    pub(super) waking: bool,
    pub(super) backlog: VecDeque<Input<A::Message>>,
    pub(super) disk: FaultyVfs,
    pub(super) jobs: SteppedJobs,
    pub(super) own_drift: i32,
    timers: Timers,
    generation: u64,
    rng: Rng,
    seed: u64,
    clock: VirtualClock,
    /// The node's clock showed `local` when the world's showed `true_time`, and has run by `drift` since.
    local: Duration,
    true_time: Duration,
    drift: i32,
}

impl<A: Actor> Slot<A> {
    pub(super) fn new(node: NodeId, root: &Rng, anchor: Instant, options: &Options) -> Self {
        let mut rng = root.fork(&format!("node {}", node.0));
        let seed = rng.next_u64();
        let bound = u64::from(options.drift);
        let own_drift = (rng.below(2 * bound + 1) as i64 - bound as i64) as i32;
        let disk = FaultyVfs::new(seed);
        disk.set_pace(options.pace, None);
        Slot {
            node,
            actor: None,
            life: 0,
            down: 0,
            paused: 0,
            lies: 0,
            busy_until: Duration::ZERO,
            waking: false,
            backlog: VecDeque::new(),
            disk,
            jobs: SteppedJobs::new(),
            own_drift,
            timers: BTreeMap::new(),
            generation: 0,
            rng,
            seed,
            clock: VirtualClock::starting_at(anchor, SystemTime::UNIX_EPOCH + VIRTUAL_EPOCH),
            local: Duration::ZERO,
            true_time: Duration::ZERO,
            drift: own_drift,
        }
    }

    pub(super) fn context(&mut self, nodes: u32) -> Context<'_, A::Message> {
        Context {
            node: self.node,
            nodes,
            life: self.life,
            world_time: self.true_time,
            clock: &self.clock,
            rng: &mut self.rng,
            disk: &self.disk,
            jobs: &self.jobs,
            effects: VecDeque::new(),
        }
    }

    /// Moves the node's clock to what it shows at a moment of the world.
    pub(super) fn catch_up(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.true_time).as_nanos() as i128;
        let local = passed + passed * i128::from(self.drift) / 1_000_000;
        let local = Duration::from_nanos(local.max(0) as u64);
        self.clock.advance(local);
        self.local += local;
        self.true_time = now;
    }

    pub(super) fn set_drift(&mut self, ppm: i32, now: Duration) {
        self.catch_up(now);
        self.drift = ppm.max(-900_000);
    }

    pub(super) fn step_wall(&mut self, by: i64, now: Duration) {
        self.catch_up(now);
        let by_millis = Duration::from_millis(by.unsigned_abs());
        let wall = self.clock.wall();
        let stepped = if by < 0 { wall.checked_sub(by_millis) } else { wall.checked_add(by_millis) };
        self.clock.set_wall(stepped.unwrap_or(wall));
    }

    pub(super) fn set_timer(&mut self, timer: Timer, deadline: Duration) {
        self.timers.entry(timer).or_default().deadline = deadline;
    }

    pub(super) fn cancel_timer(&mut self, timer: Timer) {
        self.timers.remove(&timer);
    }

    /// When an event for a timer should be put into the queue, unless one is there that comes no later.
    pub(super) fn queue_timer(&mut self, timer: Timer, now: Duration) -> Option<(Duration, u64)> {
        let armed = self.timers.get_mut(&timer)?;
        let left = armed.deadline.saturating_sub(self.local).as_nanos();
        let rate = (1_000_000 + i64::from(self.drift)) as u128;
        // Rounded up, so that the node's clock has come to it.
        let real = (left * 1_000_000).div_ceil(rate);
        let at = self.true_time.max(now) + Duration::from_nanos(real as u64);
        if armed.queued.is_some_and(|(queued, _)| queued <= at) {
            return None;
        }
        self.generation += 1;
        armed.queued = Some((at, self.generation));
        armed.queued
    }

    /// Whether an event of the queue is the one that stands for a timer; it stands for it no longer.
    pub(super) fn is_due(&mut self, timer: Timer, generation: u64) -> bool {
        let Some(armed) = self.timers.get_mut(&timer) else { return false };
        let is_it = armed.queued.is_some_and(|(_, queued)| queued == generation);
        if is_it {
            armed.queued = None;
        }
        is_it
    }

    /// Takes a timer away if the node's clock has come to it.
    pub(super) fn take_timer(&mut self, timer: Timer) -> bool {
        let due = self.timers.get(&timer).is_some_and(|armed| armed.deadline <= self.local);
        if due {
            self.timers.remove(&timer);
        }
        due
    }

    /// The process is gone, and all that waited for it. One that died runs no destructors; those that run here find a disk
    /// that does nothing.
    pub(super) fn end(&mut self) {
        self.disk.freeze(true);
        self.actor = None;
        self.life += 1;
        self.waking = false;
        self.busy_until = Duration::ZERO;
        self.backlog.clear();
        self.timers.clear();
        self.jobs = SteppedJobs::new();
        self.disk.freeze(false);
    }

    /// The process is gone, and the disk is what a crash left of it.
    pub(super) fn lose_power(&mut self, chance: &mut Rng, pace: Pace) {
        let found = self.disk.crash(chance);
        self.end();
        // The digest of the old disk goes on in the new one's seed.
        self.disk = FaultyVfs::over(&found, mix(self.seed ^ u64::from(self.life)) ^ self.disk.digest());
        self.disk.set_pace(pace, None);
        self.disk.lie(self.lies > 0);
    }
}
