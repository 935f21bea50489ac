//! What happened in a world, as a number and as a list.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

use super::link::Why;
use super::{NodeId, Timer};
use crate::vfs::faulty::disk::mix;

/// How much of a run is kept. The hash is the same in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The hash alone: for campaigns.
    #[default]
    Hash,
    /// The last entries too.
    Last(usize),
    /// Everything.
    All,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, since the beginning of the world.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can happen. Messages carry a number, by which their arrival finds their departure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the fields say it all, and they are the same throughout")]
pub enum What {
    /// A message left.
    Send { id: u64, from: NodeId, to: NodeId, text: String },
    /// A message arrived and was handled.
    Deliver { id: u64, from: NodeId, to: NodeId },
    /// A message did not arrive.
    Lose { id: u64, from: NodeId, to: NodeId, why: Why },
    /// A timer was due.
    Timer { node: NodeId, timer: Timer },
    /// A process began.
    Start { node: NodeId, life: u32 },
    /// A process ended, by itself or not.
    End { node: NodeId, why: String },
    /// A process stands still.
    Pause { node: NodeId },
    /// A process goes on.
    Resume { node: NodeId },
    /// A fault began.
    Begin { text: String, node: Option<NodeId> },
    /// A fault ended.
    Heal { text: String, node: Option<NodeId> },
    /// A process, or the run's own checks, wrote a line.
    Note { node: Option<NodeId>, text: String },
}

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    keep: Keep,
    hash: u64,
    count: u64,
    entries: VecDeque<Entry>,
}

/// Hashes text as it is written, without keeping it.
struct Hasher(u64);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
        Ok(())
    }
}

impl Hasher {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9FB2_1C65_1E98_DF25).rotate_left(29);
    }
}

impl Trace {
    pub(super) fn new(seed: u64, keep: Keep) -> Self {
        Trace { keep, hash: mix(seed), count: 0, entries: VecDeque::new() }
    }

    /// Hashes what happened, and keeps it if it should be kept: `text` is then written for real.
    pub(super) fn add(
        &mut self,
        at: Duration,
        text: &dyn fmt::Display,
        what: impl FnOnce(String) -> What,
        words: [u64; 4],
    ) {
        let mut hasher = Hasher(self.hash);
        words.into_iter().chain([at.as_nanos() as u64]).for_each(|word| hasher.word(word));
        // Writing to a hasher cannot fail, and a Display that fails has written the same each time.
        let _ = write!(hasher, "{text}");
        self.hash = mix(hasher.0);
        self.count += 1;
        if self.keep == Keep::Hash {
            return;
        }
        if let Keep::Last(most) = self.keep
            && self.entries.len() >= most
        {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, what: what(text.to_string()) });
    }

    /// A number over everything that happened, kept or not.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How much happened.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What was kept.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_micros();
        write!(f, "{:>6}.{:03} ms  ", micros / 1000, micros % 1000)?;
        match &self.what {
            What::Send { id, from, to, text } => write!(f, "{from} → {to}  #{id} {text}"),
            What::Deliver { id, from, to } => write!(f, "{to} ← {from}  #{id}"),
            What::Lose { id, from, to, why } => write!(f, "{from} ✗ {to}  #{id} {why:?}"),
            What::Timer { node, timer } => write!(f, "{node} timer {}", timer.0),
            What::Start { node, life } => write!(f, "{node} starts, life {life}"),
            What::End { node, why } => write!(f, "{node} ends: {why}"),
            What::Pause { node } => write!(f, "{node} stands still"),
            What::Resume { node } => write!(f, "{node} goes on"),
            What::Begin { text, .. } => write!(f, "▼ {text}"),
            What::Heal { text, .. } => write!(f, "▲ {text}"),
            What::Note { node: Some(node), text } => write!(f, "{node} · {text}"),
            What::Note { node: None, text } => write!(f, "· {text}"),
        }
    }
}
