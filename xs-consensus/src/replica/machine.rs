//! What is replicated: a state machine, as the replica sees it.

use std::io::{self, Read};

use bytes::Bytes;

use crate::raft::{Index, Term};

/// A committed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its place in the log: the same on every node, ever rising, each once. It serves as a revision.
    pub index: Index,
    /// The term of the leader that took it.
    pub term: Term,
    /// What was proposed.
    pub bytes: Bytes,
}

/// Commands to be applied one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The commands, in order. Indexes may be missing in between: not every entry is a command.
    pub commands: &'a [Command],
    /// How far the log is applied when all of them are: what a state machine that keeps itself writes down with them.
    pub last: Index,
}

/// A state machine: a function from a state and a command to a state and a reply, and nothing else. No clock, no chance and
/// no order that comes from a hash may decide what a command does, or nodes drift apart.
///
/// There are two kinds. One *in memory* answers `None` to [`StateMachine::durable`]: its snapshots are all of it that
/// survives, and the log keeps what is behind them. One that *keeps itself*, on an engine say, writes the applied index in
/// the same batch as the effects, and says how far a crash can't throw it back: nothing is written twice then, the log
/// goes up to there, and snapshots are only made when a follower needs one.
///
/// An error of any method stops the replica: a node that could not apply what is committed has nothing more to say.
pub trait StateMachine {
    /// The answer to a command, for whoever proposed it here.
    type Reply;

    /// Applies commands, and puts one reply for each into `replies`, also for commands that make no sense: whatever bytes a
    /// command has, it is committed, and every node must make the same of it.
    ///
    /// # Errors
    /// The state can't be changed any more.
    fn apply(&mut self, batch: Batch<'_>, replies: &mut Vec<Self::Reply>) -> io::Result<()>;

    /// Up to where the state survives a crash by itself, now: commands behind it will be applied again after one. `None` if
    /// it does not survive at all.
    fn durable(&self) -> Option<Index>;

    /// The log would like to let go of entries: make the state durable soon, and say so in [`StateMachine::durable`]. It
    /// may begin in the background and return at once.
    ///
    /// # Errors
    /// It will never be.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The state as it is now, as bytes that are read later, in a job, while the state goes on changing: take a snapshot of
    /// the engine, share what is immutable, or copy. One is read at a time.
    ///
    /// # Errors
    /// It can't be read.
    fn snapshot(&self) -> io::Result<Box<dyn Read + Send>>;

    /// Becomes the state that a [`StateMachine::snapshot`] of this or another node gave, in which everything up to `index`
    /// is applied. One that keeps itself is durable when it returns, and is either whole or says in
    /// [`StateMachine::durable`] at the next opening that it is at 0: then it is given the snapshot again. The bytes were
    /// checked on their way. It is waited for: nothing else goes on in this node meanwhile.
    ///
    /// # Errors
    /// The bytes are no snapshot of this state machine, or can't be kept.
    fn restore(&mut self, index: Index, snapshot: &mut dyn Read) -> io::Result<()>;
}
