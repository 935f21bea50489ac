//! What tasks wait for each other on: channels and locks. Values are counted, not carried.

use std::collections::VecDeque;

use super::TaskId;

/// What a call of a channel or lock came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Synced {
    /// Done, and nobody else is concerned.
    Done,
    /// Done, and this task has what it waited for.
    Woke(TaskId),
    /// The caller waits.
    Parked,
    /// A receive found the channel closed and empty.
    Closed,
    /// It is a mistake to ask.
    Fault(&'static str),
}

#[derive(Debug, Default)]
struct Chan {
    capacity: u32,
    values: u32,
    closed: bool,
    senders: VecDeque<TaskId>,
    receivers: VecDeque<TaskId>,
}

#[derive(Debug, Default)]
struct Lock {
    owner: Option<TaskId>,
    waiting: VecDeque<TaskId>,
}

#[derive(Debug)]
pub(super) struct Sync {
    channels: Vec<Chan>,
    locks: Vec<Lock>,
}

impl Sync {
    pub(super) fn new(capacities: &[u32], locks: usize) -> Self {
        let channels = capacities.iter().map(|&capacity| Chan { capacity, ..Chan::default() }).collect();
        Sync { channels, locks: (0..locks).map(|_| Lock::default()).collect() }
    }

    pub(super) fn send(&mut self, channel: u32, task: TaskId) -> Synced {
        let channel = &mut self.channels[channel as usize];
        if channel.closed {
            return Synced::Fault("send on closed channel");
        }
        // A receiver that waits has found the buffer empty: the value goes past it, from hand to hand.
        if let Some(receiver) = channel.receivers.pop_front() {
            return Synced::Woke(receiver);
        }
        if channel.values < channel.capacity {
            channel.values += 1;
            return Synced::Done;
        }
        channel.senders.push_back(task);
        Synced::Parked
    }

    pub(super) fn receive(&mut self, channel: u32, task: TaskId) -> Synced {
        let channel = &mut self.channels[channel as usize];
        // The longest waiting sender's value takes the place of the one that leaves.
        if let Some(sender) = channel.senders.pop_front() {
            return Synced::Woke(sender);
        }
        if channel.values > 0 {
            channel.values -= 1;
            return Synced::Done;
        }
        if channel.closed {
            return Synced::Closed;
        }
        channel.receivers.push_back(task);
        Synced::Parked
    }

    /// The receivers that learn of it.
    pub(super) fn close(&mut self, channel: u32) -> Result<VecDeque<TaskId>, &'static str> {
        let channel = &mut self.channels[channel as usize];
        if channel.closed {
            return Err("close of closed channel");
        }
        if !channel.senders.is_empty() {
            // Go panics in the sender; one fault ends the run either way.
            return Err("close of a channel that others are sending to");
        }
        channel.closed = true;
        Ok(std::mem::take(&mut channel.receivers))
    }

    pub(super) fn lock(&mut self, lock: u32, task: TaskId) -> Synced {
        let lock = &mut self.locks[lock as usize];
        match lock.owner {
            None => {
                lock.owner = Some(task);
                Synced::Done
            }
            // Its own as well: nobody else could let it go on.
            Some(_) => {
                lock.waiting.push_back(task);
                Synced::Parked
            }
        }
    }

    pub(super) fn unlock(&mut self, lock: u32, task: TaskId) -> Synced {
        let lock = &mut self.locks[lock as usize];
        if lock.owner != Some(task) {
            return Synced::Fault("unlock of a lock that it does not hold");
        }
        lock.owner = lock.waiting.pop_front();
        lock.owner.map_or(Synced::Done, Synced::Woke)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TaskId = TaskId(0);
    const B: TaskId = TaskId(1);

    #[test]
    fn values_pass_in_the_order_of_those_who_wait() {
        let mut sync = Sync::new(&[1], 0);
        assert_eq!(sync.send(0, A), Synced::Done);
        assert_eq!(sync.send(0, A), Synced::Parked);
        assert_eq!(sync.receive(0, B), Synced::Woke(A));
        assert_eq!(sync.receive(0, B), Synced::Done);
        assert_eq!(sync.receive(0, B), Synced::Parked);
        assert_eq!(sync.send(0, A), Synced::Woke(B));
    }

    #[test]
    fn a_closed_channel_gives_what_it_has_and_takes_nothing() {
        let mut sync = Sync::new(&[2], 0);
        assert_eq!(sync.send(0, A), Synced::Done);
        assert!(sync.close(0).unwrap().is_empty());
        assert_eq!(sync.receive(0, B), Synced::Done);
        assert_eq!(sync.receive(0, B), Synced::Closed);
        assert!(matches!(sync.send(0, A), Synced::Fault(_)));
        assert!(sync.close(0).is_err());
    }

    #[test]
    fn a_lock_goes_to_who_waits_longest() {
        let mut sync = Sync::new(&[], 1);
        assert_eq!(sync.lock(0, A), Synced::Done);
        assert_eq!(sync.lock(0, B), Synced::Parked);
        assert!(matches!(sync.unlock(0, B), Synced::Fault(_)));
        assert_eq!(sync.unlock(0, A), Synced::Woke(B));
        assert_eq!(sync.unlock(0, B), Synced::Done);
    }
}
