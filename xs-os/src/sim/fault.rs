//! What goes wrong in a world, from when to when.

use std::fmt;
use std::time::Duration;

use super::NodeId;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies. What it had written is still in the page cache of its machine.
    Kill {
        /// Where.
        node: NodeId,
    },
    /// The power goes between two steps: of what was not synced, anything may be lost.
    Crash {
        /// Where.
        node: NodeId,
    },
    /// The power goes in the middle of a step, behind so many calls of the disk.
    CrashInStep {
        /// Where.
        node: NodeId,
        /// Calls that still succeed.
        calls: u64,
    },
    /// The process stands still (SIGSTOP, a long collection of garbage, a moved virtual machine) and goes on later, with
    /// all that has arrived meanwhile.
    Pause {
        /// Where.
        node: NodeId,
    },
    /// Messages from some nodes to others are lost: one direction of a partition.
    Cut {
        /// Senders.
        from: Vec<NodeId>,
        /// Those who don't hear them.
        to: Vec<NodeId>,
    },
    /// Messages between two groups are lost, both ways. A node in neither group hears both: a partial partition.
    Split {
        /// One side.
        one: Vec<NodeId>,
        /// The other side.
        other: Vec<NodeId>,
    },
    /// All links lose, double and hold up messages, by so many in a thousand each.
    Lossy {
        /// Lost.
        loss: u32,
        /// Doubled.
        duplicate: u32,
        /// Held up, so that others overtake them.
        reorder: u32,
    },
    /// All links damage messages, so many in a thousand. What then arrives says [`Actor::garbled`](super::Actor::garbled).
    Garbled {
        /// In a thousand.
        per_mille: u32,
    },
    /// All links of a node take longer and pass less.
    Slow {
        /// Whose.
        node: NodeId,
        /// On top of what they take.
        extra: Duration,
        /// Bytes a second.
        bandwidth: u64,
    },
    /// A node's clock runs faster (or slower, if negative) by so many millionths.
    Drift {
        /// Whose.
        node: NodeId,
        /// Millionths.
        ppm: i32,
    },
    /// A node's calendar is set, by so many milliseconds.
    Step {
        /// Whose.
        node: NodeId,
        /// Milliseconds.
        by: i64,
    },
    /// A node's disk takes so many times as long, and at least this for a sync.
    SlowDisk {
        /// Whose.
        node: NodeId,
        /// For each sync and change of names.
        sync: Duration,
    },
    /// A node's disk has so much room left.
    FullDisk {
        /// Whose.
        node: NodeId,
        /// Bytes.
        room: u64,
    },
    /// Calls of a node's disk fail, by so many in a thousand: writes, syncs and changes of names.
    FailingDisk {
        /// Whose.
        node: NodeId,
        /// In a thousand.
        per_mille: u32,
    },
    /// Bits flip at rest on a node's disk, at once and anywhere: in the middle of a log, in a snapshot, in a part of a file
    /// that nobody reads. How many nodes a system stands this on is its own to say; it is drawn only when asked for, from
    /// [`Nemesis::frail`](super::Nemesis::frail).
    RottenDisk {
        /// Whose.
        node: NodeId,
        /// How many.
        bits: u32,
    },
    /// A node's disk says that it synced, and did not. Few systems promise anything then; it is drawn only when asked for.
    LyingDisk {
        /// Whose.
        node: NodeId,
    },
}

/// What kinds of faults there are: to switch them on and off, and to count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are those of `Fault`")]
pub enum Kind {
    Kill,
    Crash,
    CrashInStep,
    Pause,
    Cut,
    Split,
    Lossy,
    Slow,
    Drift,
    Step,
    SlowDisk,
    FullDisk,
    FailingDisk,
    Garbled,
    RottenDisk,
    LyingDisk,
}

impl Kind {
    /// All of them; those that are drawn only when asked for come last.
    pub const ALL: [Kind; 16] = [
        Kind::Kill,
        Kind::Crash,
        Kind::CrashInStep,
        Kind::Pause,
        Kind::Cut,
        Kind::Split,
        Kind::Lossy,
        Kind::Slow,
        Kind::Drift,
        Kind::Step,
        Kind::SlowDisk,
        Kind::FullDisk,
        Kind::FailingDisk,
        Kind::Garbled,
        Kind::RottenDisk,
        Kind::LyingDisk,
    ];

    /// How many of them [`Nemesis::new`](super::Nemesis::new) draws.
    pub const USUAL: usize = 13;
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Fault::Kill { .. } => Kind::Kill,
            Fault::Crash { .. } => Kind::Crash,
            Fault::CrashInStep { .. } => Kind::CrashInStep,
            Fault::Pause { .. } => Kind::Pause,
            Fault::Cut { .. } => Kind::Cut,
            Fault::Split { .. } => Kind::Split,
            Fault::Lossy { .. } => Kind::Lossy,
            Fault::Slow { .. } => Kind::Slow,
            Fault::Drift { .. } => Kind::Drift,
            Fault::Step { .. } => Kind::Step,
            Fault::SlowDisk { .. } => Kind::SlowDisk,
            Fault::FullDisk { .. } => Kind::FullDisk,
            Fault::FailingDisk { .. } => Kind::FailingDisk,
            Fault::Garbled { .. } => Kind::Garbled,
            Fault::RottenDisk { .. } => Kind::RottenDisk,
            Fault::LyingDisk { .. } => Kind::LyingDisk,
        }
    }

    /// The node that it strikes, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Fault::Kill { node }
            | Fault::Crash { node }
            | Fault::CrashInStep { node, .. }
            | Fault::Pause { node }
            | Fault::Slow { node, .. }
            | Fault::Drift { node, .. }
            | Fault::Step { node, .. }
            | Fault::SlowDisk { node, .. }
            | Fault::FullDisk { node, .. }
            | Fault::FailingDisk { node, .. }
            | Fault::RottenDisk { node, .. }
            | Fault::LyingDisk { node } => Some(*node),
            Fault::Cut { .. } | Fault::Split { .. } | Fault::Lossy { .. } | Fault::Garbled { .. } => None,
        }
    }
}

struct Group<'a>(&'a [NodeId]);

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, node) in self.0.iter().enumerate() {
            write!(f, "{}{node}", if nth == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill { node } => write!(f, "kill {node}"),
            Fault::Crash { node } => write!(f, "crash {node}"),
            Fault::CrashInStep { node, calls } => write!(f, "crash {node} after {calls} calls of its disk"),
            Fault::Pause { node } => write!(f, "pause {node}"),
            Fault::Cut { from, to } => write!(f, "cut {} → {}", Group(from), Group(to)),
            Fault::Split { one, other } => write!(f, "split {} | {}", Group(one), Group(other)),
            Fault::Lossy { loss, duplicate, reorder } => {
                write!(f, "lose {loss}‰, double {duplicate}‰, hold up {reorder}‰")
            }
            Fault::Slow { node, extra, bandwidth } => write!(f, "slow {node} by {extra:?}, {bandwidth} B/s"),
            Fault::Drift { node, ppm } => write!(f, "drift {node} by {ppm} ppm"),
            Fault::Step { node, by } => write!(f, "step the calendar of {node} by {by} ms"),
            Fault::SlowDisk { node, sync } => write!(f, "slow disk of {node}, {sync:?} a sync"),
            Fault::FullDisk { node, room } => write!(f, "full disk of {node}, {room} bytes left"),
            Fault::FailingDisk { node, per_mille } => write!(f, "failing disk of {node}, {per_mille}‰"),
            Fault::Garbled { per_mille } => write!(f, "garble {per_mille}‰"),
            Fault::RottenDisk { node, bits } => write!(f, "{bits} bits rot on the disk of {node}"),
            Fault::LyingDisk { node } => write!(f, "lying disk of {node}"),
        }
    }
}

/// A fault with its beginning and end: what a run's plan is made of. Taking one out leaves the others as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When it begins, since the beginning of the world.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

impl fmt::Display for Episode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?} for {:?}: {}", self.at, self.lasts, self.fault)
    }
}
