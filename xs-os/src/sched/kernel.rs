//! The machine under a [`Policy`]: does what it decides, and tells it what came of that.

use super::core::Core;
use super::policy::{Cpus, Hints, Machine, Policy, Ready, Stop, Turn};
use super::step::Act;
use super::trace::{End, Run};
use super::workload::{Workload, WorkloadError};
use super::{CpuId, Options, TaskId, Time};

#[derive(Debug, Clone, Copy)]
enum Event {
    Arrive(TaskId),
    Wake(TaskId),
    /// The switch is over. Good if nothing else has happened on the CPU since.
    Begin(CpuId, u64),
    /// The task has computed what it had to, or its quantum is over.
    Due(CpuId, u64),
    Tick,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cpu {
    /// Counts what makes planned events void.
    epoch: u64,
    /// Up to when its task's computing has been counted.
    mark: Time,
    /// What it has computed since the policy gave it the CPU.
    ran: Time,
    quantum: Option<Time>,
}

struct Kernel<'a> {
    core: Core<Event>,
    policy: &'a mut dyn Policy,
    cpus: Vec<Cpu>,
    running: Vec<Option<TaskId>>,
    idle: Cpus,
    switch: Time,
}

/// Runs a workload under a policy.
///
/// # Errors
///
/// What is wrong with the workload. What its tasks do wrong is the run's [`Outcome`](super::Outcome).
pub fn simulate(workload: &Workload, policy: &mut dyn Policy, options: &Options) -> Result<Run, WorkloadError> {
    let options = options.bounded();
    let core = Core::new(workload, &options, Event::Arrive)?;
    let cpus = usize::from(options.cpus);
    let mut kernel = Kernel {
        core,
        policy,
        cpus: vec![Cpu::default(); cpus],
        running: vec![None; cpus],
        idle: Cpus::first(options.cpus),
        switch: options.switch,
    };
    kernel.run();
    let name = kernel.policy.name().to_owned();
    Ok(kernel.core.finish(name))
}

impl Kernel<'_> {
    fn run(&mut self) {
        if let Some(period) = self.policy.period() {
            self.core.at(period.max(1), Event::Tick);
        }
        while let Some(event) = self.core.next() {
            match event {
                Event::Arrive(task) => {
                    self.core.promised -= 1;
                    self.core.arrive(task);
                    self.admit(task, None);
                }
                Event::Wake(task) => {
                    self.core.promised -= 1;
                    self.core.wake(task);
                    self.ready(task, Ready::Woken, None);
                }
                Event::Begin(cpu, epoch) => {
                    if let Some(task) = self.current(cpu, epoch) {
                        self.go_on(cpu, task);
                    }
                }
                Event::Due(cpu, epoch) => {
                    if let Some(task) = self.current(cpu, epoch) {
                        self.account(cpu, task);
                        self.go_on(cpu, task);
                    }
                }
                Event::Tick => {
                    for cpu in self.ask(|policy, machine| policy.tick(machine)).each() {
                        self.resched(cpu);
                    }
                    let period = self.policy.period().unwrap_or(Time::MAX).max(1);
                    self.core.at(self.core.now.saturating_add(period), Event::Tick);
                }
            }
        }
        for cpu in 0..self.running.len() {
            if let Some(task) = self.running[cpu] {
                self.account(CpuId(cpu as u16), task);
            }
        }
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut dyn Policy, Machine<'_>) -> T) -> T {
        let machine = Machine { now: self.core.now, idle: self.idle, running: &self.running };
        question(self.policy, machine)
    }

    /// Who runs there, if the event is not void.
    fn current(&self, cpu: CpuId, epoch: u64) -> Option<TaskId> {
        self.running[cpu.index()].filter(|_| self.cpus[cpu.index()].epoch == epoch)
    }

    /// Says whether `own`, the CPU on which this happens, must choose anew.
    fn admit(&mut self, task: TaskId, own: Option<CpuId>) -> bool {
        let hints = Hints { weight: self.core.weight(task), slice: self.core.slice(task) };
        self.policy.admit(task, hints);
        self.ready(task, Ready::New, own)
    }

    fn ready(&mut self, task: TaskId, why: Ready, own: Option<CpuId>) -> bool {
        // What runs is not charged in between: the policy knows since when it runs.
        match self.ask(|policy, machine| policy.ready(task, why, machine)) {
            cpu if cpu.is_some() && cpu == own => true,
            Some(cpu) => {
                self.resched(cpu);
                false
            }
            None => false,
        }
    }

    /// Lets a CPU choose anew.
    fn resched(&mut self, cpu: CpuId) {
        match self.running.get(cpu.index()) {
            Some(Some(task)) => {
                let task = *task;
                self.account(cpu, task);
                self.give_up(cpu, task, Stop::Preempted);
            }
            Some(None) => self.dispatch(cpu),
            None => {}
        }
    }

    fn account(&mut self, cpu: CpuId, task: TaskId) {
        let at = &mut self.cpus[cpu.index()];
        let ran = self.core.now.saturating_sub(at.mark).min(self.core.left(task));
        at.mark = at.mark.max(self.core.now);
        at.ran += ran;
        self.core.ran(task, ran);
    }

    fn used_up(&self, cpu: CpuId) -> bool {
        let at = &self.cpus[cpu.index()];
        at.quantum.is_some_and(|quantum| at.ran >= quantum)
    }

    /// A task that could go on leaves, unless it is chosen again.
    fn give_up(&mut self, cpu: CpuId, task: TaskId, why: Stop) {
        self.stop(cpu, task, why);
        let turn = self.ask(|policy, machine| policy.next(cpu, machine));
        match turn {
            Some(turn) if turn.task == task => {
                self.running[cpu.index()] = Some(task);
                self.idle.set(cpu, false);
                let at = &mut self.cpus[cpu.index()];
                at.epoch += 1;
                at.ran = 0;
                at.quantum = turn.quantum;
                let (epoch, mark) = (at.epoch, at.mark);
                self.core.at(mark.max(self.core.now), Event::Begin(cpu, epoch));
            }
            turn => {
                let end = match why {
                    Stop::Yielded => End::Yielded,
                    Stop::Preempted => End::Preempted,
                    _ => End::Expired,
                };
                self.core.release(cpu, task, end);
                self.take_up(cpu, turn);
            }
        }
    }

    /// Tells the policy that the CPU is free.
    fn stop(&mut self, cpu: CpuId, task: TaskId, why: Stop) {
        let at = &mut self.cpus[cpu.index()];
        at.epoch += 1;
        let ran = std::mem::take(&mut at.ran);
        self.running[cpu.index()] = None;
        self.idle.set(cpu, true);
        self.ask(|policy, machine| policy.stop(task, cpu, ran, why, machine));
    }

    fn dispatch(&mut self, cpu: CpuId) {
        let turn = self.ask(|policy, machine| policy.next(cpu, machine));
        self.take_up(cpu, turn);
    }

    fn take_up(&mut self, cpu: CpuId, turn: Option<Turn>) {
        let Some(turn) = turn else { return };
        self.running[cpu.index()] = Some(turn.task);
        self.idle.set(cpu, false);
        let from = self.core.start(cpu, turn.task, self.switch);
        let at = &mut self.cpus[cpu.index()];
        *at = Cpu { epoch: at.epoch + 1, mark: from, ran: 0, quantum: turn.quantum };
        let epoch = at.epoch;
        self.core.at(from, Event::Begin(cpu, epoch));
    }

    /// Lets the CPU's task do what it does until it needs time.
    fn go_on(&mut self, cpu: CpuId, task: TaskId) {
        let mut again = false;
        loop {
            if again {
                self.give_up(cpu, task, Stop::Preempted);
                return;
            }
            let left = self.core.left(task);
            if left > 0 {
                // Who ends or waits just when its quantum does is not made to queue for that.
                if self.used_up(cpu) {
                    return self.give_up(cpu, task, Stop::Expired);
                }
                let at = &mut self.cpus[cpu.index()];
                at.epoch += 1;
                let until = at.quantum.map_or(left, |quantum| left.min(quantum.saturating_sub(at.ran).max(1)));
                let epoch = at.epoch;
                self.core.at(self.core.now.saturating_add(until), Event::Due(cpu, epoch));
                return;
            }
            match self.core.step(task) {
                Act::Passed | Act::Compute => {}
                Act::Woke(other) => again = self.ready(other, Ready::Woken, Some(cpu)),
                Act::WokeAll(others) => {
                    for other in others {
                        again |= self.ready(other, Ready::Woken, Some(cpu));
                    }
                }
                Act::Spawned(other) => again = self.admit(other, Some(cpu)),
                Act::Yield => return self.give_up(cpu, task, Stop::Yielded),
                Act::Sleep(time) => return self.wait(cpu, task, time, End::Slept),
                Act::Io(time) => return self.wait(cpu, task, time, End::Io),
                Act::Syscall(time) => return self.wait(cpu, task, time, End::Syscall),
                Act::Parked => return self.leave(cpu, task, Stop::Blocked, End::Blocked),
                Act::Exit => return self.leave(cpu, task, Stop::Exited, End::Exited),
                Act::Stop => return,
            }
        }
    }

    fn wait(&mut self, cpu: CpuId, task: TaskId, time: Time, end: End) {
        self.core.promise(self.core.now.saturating_add(time), Event::Wake(task));
        self.leave(cpu, task, Stop::Blocked, end);
    }

    fn leave(&mut self, cpu: CpuId, task: TaskId, why: Stop, end: End) {
        self.stop(cpu, task, why);
        self.core.block(cpu, task, end);
        self.dispatch(cpu);
    }
}
