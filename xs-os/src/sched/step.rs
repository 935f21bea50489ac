//! What a task does when it has a CPU: one instruction of its program after the other.

use std::collections::VecDeque;

use super::core::Core;
use super::program::Op;
use super::sync::Synced;
use super::trace::Outcome;
use super::workload::Span;
use super::{TaskId, Time};

/// What a task does next, as far as its scheduler is concerned.
pub(super) enum Act {
    /// Nothing that concerns anybody: ask again.
    Passed,
    /// It computes: `left` is set.
    Compute,
    /// It waits for a time.
    Sleep(Time),
    Io(Time),
    Syscall(Time),
    /// It waits for another task.
    Parked,
    /// It goes on, and so does this one.
    Woke(TaskId),
    /// It goes on, and so do these.
    WokeAll(VecDeque<TaskId>),
    /// It goes on, and this one has come.
    Spawned(TaskId),
    Yield,
    Exit,
    /// The run is over.
    Stop,
}

impl<E> Core<E> {
    fn draw(&mut self, task: TaskId, span: Span) -> Time {
        let rng = &mut self.tasks[task.index()].rng;
        span.min + rng.below((span.max - span.min).saturating_add(1))
    }

    /// Lets a task that has a CPU and nothing left to compute do its next instruction.
    pub(super) fn step(&mut self, id: TaskId) -> Act {
        if !self.count() {
            return Act::Stop;
        }
        let task = &mut self.tasks[id.index()];
        let Some(op) = task.cursor.op(&self.plan.kinds[task.kind as usize].ops) else { return Act::Exit };
        match op {
            Op::Compute(span) => {
                let length = self.draw(id, span);
                let task = &mut self.tasks[id.index()];
                task.cursor.pass();
                task.left = length;
                task.record.asked += length;
                if length == 0 { Act::Passed } else { Act::Compute }
            }
            Op::Sleep(span) => self.timed(id, span, Act::Sleep),
            Op::Io(span) => self.timed(id, span, Act::Io),
            Op::Syscall(span) => self.timed(id, span, Act::Syscall),
            Op::Send(channel) => {
                let synced = self.sync.send(channel, id);
                self.synced(id, synced)
            }
            Op::Receive(channel) | Op::Range { channel, .. } => {
                let synced = self.sync.receive(channel, id);
                self.synced(id, synced)
            }
            Op::Close(channel) => match self.sync.close(channel) {
                Ok(woken) => {
                    task.cursor.pass();
                    for receiver in &woken {
                        self.learn_closed(*receiver);
                    }
                    Act::WokeAll(woken)
                }
                Err(what) => self.fault(id, what),
            },
            Op::Lock(lock) => {
                let synced = self.sync.lock(lock, id);
                self.synced(id, synced)
            }
            Op::Unlock(lock) => {
                let synced = self.sync.unlock(lock, id);
                self.synced(id, synced)
            }
            Op::Spawn(kind) => {
                task.cursor.pass();
                if self.tasks.len() as u64 >= self.options.tasks {
                    return self.fault(id, "more tasks than are allowed");
                }
                let new = self.make(kind);
                self.arrive(new);
                Act::Spawned(new)
            }
            Op::Yield => {
                task.cursor.pass();
                Act::Yield
            }
            Op::Loop(rounds) => {
                task.cursor.enter(rounds);
                Act::Passed
            }
            Op::Again { start } => {
                task.cursor.again(start);
                Act::Passed
            }
            Op::Jump(to) => {
                task.cursor.jump(to);
                Act::Passed
            }
        }
    }

    fn timed(&mut self, id: TaskId, span: Span, act: impl Fn(Time) -> Act) -> Act {
        let length = self.draw(id, span);
        self.tasks[id.index()].cursor.pass();
        act(length)
    }

    fn synced(&mut self, id: TaskId, synced: Synced) -> Act {
        match synced {
            Synced::Done => {
                self.tasks[id.index()].cursor.pass();
                Act::Passed
            }
            Synced::Woke(other) => {
                self.tasks[id.index()].cursor.pass();
                // It stands at the instruction that it waited in, which is done now.
                self.tasks[other.index()].cursor.pass();
                self.wake(other);
                Act::Woke(other)
            }
            Synced::Parked => Act::Parked,
            Synced::Closed => {
                self.past_closed(id);
                Act::Passed
            }
            Synced::Fault(what) => self.fault(id, what),
        }
    }

    fn past_closed(&mut self, id: TaskId) {
        let task = &mut self.tasks[id.index()];
        match task.cursor.op(&self.plan.kinds[task.kind as usize].ops) {
            Some(Op::Range { end, .. }) => task.cursor.jump(end),
            _ => task.cursor.pass(),
        }
    }

    fn learn_closed(&mut self, id: TaskId) {
        self.past_closed(id);
        self.wake(id);
    }

    pub(super) fn fault(&mut self, id: TaskId, what: &str) -> Act {
        let task = self.tasks[id.index()].record.name.clone();
        self.outcome = Some(Outcome::Fault { task, what: what.into() });
        Act::Stop
    }
}
