//! The limits of a connection.

use std::time::Duration;

/// How a [`Session`](super::Session) behaves. Every limit is off or wide by default, as Redis has it for clients.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How much room a read has at least. Default 16 KiB: with less pipelined, one read takes everything.
    pub read_buffer: usize,
    /// How much room a read has at most, once the peer has shown that it sends large amounts. Default 1 MiB.
    pub read_buffer_max: usize,
    /// How many bytes may stay undecoded, which bounds the size of a single request. Default 1 GiB.
    pub max_unread: usize,
    /// Close the connection when the peer has neither sent nor taken anything for so long, and nothing is in flight.
    /// Default `None`. Coarse: up to a quarter longer, or a second if that is more (but never twice as long).
    pub idle_timeout: Option<Duration>,
    /// How much output may wait for a slow reader before it is cut off. Default: no limits.
    pub output: OutputLimits,
    /// Don't serve or read while more output than this waits. Default `None`: only [`output`](Self::output) bounds it.
    pub high_water: Option<usize>,
    /// How many bytes are read ahead while a request is in flight, in order to notice that the peer has left. Default
    /// 1 MiB. A peer that sends more and then leaves is noticed when the request ends.
    pub max_buffered_while_blocked: usize,
    /// What becomes of a request in flight when the peer closes its side. Default [`HalfClose::Cancel`].
    pub half_close: HalfClose,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions {
            read_buffer: 16 * 1024,
            read_buffer_max: 1024 * 1024,
            max_unread: 1024 * 1024 * 1024,
            idle_timeout: None,
            output: OutputLimits::NONE,
            high_water: None,
            max_buffered_while_blocked: 1024 * 1024,
            half_close: HalfClose::Cancel,
        }
    }
}

/// What the end of the peer's bytes means for a request in flight. A peer that still wants the answer and one that is
/// gone look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// The peer has left: the request's future is dropped.
    #[default]
    Cancel,
    /// The peer has only said all it had to say: the request is answered, then the connection closes.
    Answer,
}

/// How much output may wait for a slow reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// More than this ends the connection at once. `usize::MAX` is no limit.
    pub hard: usize,
    /// More than this ends the connection when it lasts [`soft_for`](Self::soft_for). `usize::MAX` is no limit.
    pub soft: usize,
    /// How long the soft limit may be exceeded without a break.
    pub soft_for: Duration,
}

impl OutputLimits {
    /// No limits.
    pub const NONE: OutputLimits = OutputLimits { hard: usize::MAX, soft: usize::MAX, soft_for: Duration::ZERO };

    /// A hard limit alone.
    pub const fn hard(hard: usize) -> Self {
        OutputLimits { hard, ..OutputLimits::NONE }
    }
}

impl Default for OutputLimits {
    fn default() -> Self {
        OutputLimits::NONE
    }
}
