//! What a stranger may ask of us: the bounds of every length, with Redis' defaults.

/// Bounds on what is accepted from the other side. The defaults are those of Redis 7.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLimits {
    /// The longest bulk string, in bytes (`proto-max-bulk-len`).
    pub bulk: usize,
    /// The most arguments in a request.
    pub multibulk: usize,
    /// The longest line: an inline request, or the length in front of a bulk string or an aggregate.
    pub inline: usize,
    /// The longest request as a whole. What exceeds `u32::MAX` counts as `u32::MAX`.
    pub request: usize,
    /// The longest bulk string from a client that must authenticate first and has not done so.
    pub unauthenticated_bulk: usize,
    /// The most arguments from a client that must authenticate first and has not done so.
    pub unauthenticated_multibulk: usize,
    /// How deep aggregates of a frame may nest.
    pub depth: usize,
    /// How many elements all aggregates of one frame may have together.
    pub elements: usize,
}

impl InputLimits {
    /// The limits of Redis 7.0 with their defaults there.
    pub const REDIS: InputLimits = InputLimits {
        bulk: 512 * 1024 * 1024,
        multibulk: i32::MAX as usize,
        inline: 64 * 1024,
        request: u32::MAX as usize,
        unauthenticated_bulk: 16 * 1024,
        unauthenticated_multibulk: 10,
        depth: 128,
        elements: 16 * 1024 * 1024,
    };
}

impl Default for InputLimits {
    fn default() -> Self {
        InputLimits::REDIS
    }
}
