//! A program as flat instructions, and the place that a task has come to in it.

use super::workload::Span;

/// One instruction. Numbers are indices into the plan's channels, locks and templates, or into the instructions themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Compute(Span),
    Sleep(Span),
    Io(Span),
    Syscall(Span),
    Send(u32),
    Receive(u32),
    Close(u32),
    /// Receives; goes to `end` when the channel is closed and empty.
    Range {
        channel: u32,
        end: u32,
    },
    Spawn(u32),
    Yield,
    Lock(u32),
    Unlock(u32),
    /// So many rounds of what follows.
    Loop(u64),
    /// The end of a round.
    Again {
        start: u32,
    },
    Jump(u32),
}

/// Where a task is in its program.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    at: u32,
    /// Rounds that are left of each loop that it is in.
    rounds: Vec<u64>,
}

impl Cursor {
    pub(super) fn op(&self, program: &[Op]) -> Option<Op> {
        program.get(self.at as usize).copied()
    }

    /// Past an instruction that is done.
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    pub(super) fn jump(&mut self, to: u32) {
        self.at = to;
    }

    pub(super) fn enter(&mut self, rounds: u64) {
        self.rounds.push(rounds);
        self.pass();
    }

    pub(super) fn again(&mut self, start: u32) {
        match self.rounds.last_mut() {
            Some(&mut u64::MAX) => self.at = start,
            Some(left) if *left > 1 => {
                *left -= 1;
                self.at = start;
            }
            _ => {
                self.rounds.pop();
                self.pass();
            }
        }
    }
}
