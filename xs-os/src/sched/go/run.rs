//! The events, and what a goroutine that runs does.

use super::super::step::Act;
use super::super::trace::End;
use super::super::{TaskId, Time};
use super::machine::{Go, Status};

#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Arrive(TaskId),
    /// The switch is over.
    Begin(usize, u64),
    /// A goroutine has computed what it had to.
    Due(usize, u64),
    /// A thread is awake, and has this P.
    Thread(usize),
    /// It has waited for another P's runnext.
    Patient(usize),
    Ready(TaskId),
    Timer,
    /// The thread that waited in netpoll is awake.
    Poller,
    Returned {
        task: TaskId,
        m: usize,
        p: usize,
        calls: u32,
    },
    Sysmon,
}

impl Go {
    pub(super) fn run(&mut self) {
        while let Some(event) = self.core.next() {
            match event {
                Event::Arrive(task) => {
                    self.core.promised -= 1;
                    self.core.arrive(task);
                    self.inject([task].into(), None);
                }
                Event::Begin(p, epoch) | Event::Due(p, epoch) => {
                    if self.ps[p].epoch == epoch
                        && self.ps[p].status == Status::Running
                        && let Some(task) = self.ps[p].current
                    {
                        self.account(p, task);
                        self.go_on(p, task);
                    }
                }
                Event::Thread(p) => self.schedule(p, false),
                Event::Patient(p) => self.schedule(p, true),
                Event::Ready(task) => {
                    self.net.push_back((self.core.now, task));
                    self.wake_poller();
                }
                Event::Timer => self.wake_poller(),
                Event::Poller => self.polled(),
                Event::Returned { task, m, p, calls } => self.returned(task, m, p, calls),
                Event::Sysmon => self.look(),
            }
        }
        for p in 0..self.ps.len() {
            if self.ps[p].status == Status::Running
                && let Some(task) = self.ps[p].current
            {
                self.account(p, task);
            }
        }
    }

    pub(super) fn account(&mut self, p: usize, task: TaskId) {
        let at = &mut self.ps[p];
        let ran = self.core.now.saturating_sub(at.mark).min(self.core.left(task));
        at.mark = at.mark.max(self.core.now);
        self.core.ran(task, ran);
    }

    /// Gives a goroutine the P. Go: execute.
    pub(super) fn execute(&mut self, p: usize, task: TaskId, inherit: bool) {
        let from = self.core.start(Go::cpu(p), task, self.switch);
        let at = &mut self.ps[p];
        at.turns = at.turns.wrapping_add(u32::from(!inherit));
        at.current = Some(task);
        at.epoch += 1;
        at.mark = from;
        let epoch = at.epoch;
        self.core.at(from, Event::Begin(p, epoch));
    }

    fn go_on(&mut self, p: usize, task: TaskId) {
        let cpu = Go::cpu(p);
        let end = loop {
            let left = self.core.left(task);
            if left > 0 {
                let at = &mut self.ps[p];
                at.epoch += 1;
                let epoch = at.epoch;
                return self.core.at(self.core.now.saturating_add(left), Event::Due(p, epoch));
            }
            match self.core.step(task) {
                Act::Passed | Act::Compute => {}
                Act::Woke(other) | Act::Spawned(other) => self.ready(p, other),
                Act::WokeAll(others) => others.into_iter().for_each(|other| self.ready(p, other)),
                Act::Yield => {
                    self.core.release(cpu, task, End::Yielded);
                    self.global.push_back(task);
                    self.ps[p].current = None;
                    return self.schedule(p, false);
                }
                Act::Sleep(time) => {
                    self.add_timer(p, self.core.now.saturating_add(time), task);
                    break End::Slept;
                }
                Act::Io(time) => {
                    self.net_waiting += 1;
                    self.core.promised += 1;
                    self.core.at(self.core.now.saturating_add(time), Event::Ready(task));
                    break End::Io;
                }
                Act::Syscall(time) => return self.call(p, task, time),
                Act::Parked => break End::Blocked,
                Act::Exit => break End::Exited,
                Act::Stop => return,
            }
        };
        self.core.block(cpu, task, end);
        self.ps[p].current = None;
        self.schedule(p, false);
    }

    /// Go: entersyscall. The P stays, for a call that is short.
    fn call(&mut self, p: usize, task: TaskId, time: Time) {
        self.core.hold(Go::cpu(p), task);
        let at = &mut self.ps[p];
        at.status = Status::Syscall;
        at.epoch += 1;
        let (m, calls) = (at.m, at.calls);
        self.core.promise(self.core.now.saturating_add(time), Event::Returned { task, m, p, calls });
    }

    /// Go: exitsyscall.
    fn returned(&mut self, task: TaskId, m: usize, p: usize, calls: u32) {
        self.core.promised -= 1;
        let at = &mut self.ps[p];
        if at.status == Status::Syscall && at.m == m && at.calls == calls {
            at.status = Status::Running;
            at.calls = at.calls.wrapping_add(1);
            at.mark = self.core.now;
            self.core.resume(Go::cpu(p), task);
            return self.go_on(p, task);
        }
        self.core.wake(task);
        match self.acquire() {
            Some(p) => {
                self.ps[p].m = m;
                self.ps[p].calls = self.ps[p].calls.wrapping_add(1);
                self.execute(p, task, true);
            }
            None => {
                self.global.push_back(task);
                self.idle_ms.push(m);
            }
        }
    }

    /// The thread in netpoll, if there is one, learns that something has happened.
    pub(super) fn wake_poller(&mut self) {
        if self.poller.is_some() && !self.poller_wakes {
            self.poller_wakes = true;
            self.core.at(self.core.now.saturating_add(self.tuning.thread_wake), Event::Poller);
        }
    }

    /// Go: the end of findRunnable, behind netpoll.
    fn polled(&mut self) {
        self.poller_wakes = false;
        let Some(m) = self.poller.take() else { return };
        self.last_poll = self.core.now;
        let mut tasks = self.take_net();
        let Some(p) = self.acquire() else {
            self.idle_ms.push(m);
            return self.inject(tasks, None);
        };
        self.ps[p].m = m;
        match tasks.pop_front() {
            Some(first) => {
                self.inject(tasks, Some(p));
                self.execute(p, first, false);
            }
            None => {
                self.ms[m].spinning = self.ms[m].was_spinning;
                self.spinning += usize::from(self.ms[m].was_spinning);
                self.schedule(p, false);
            }
        }
    }
}
