//! How long a driver waits, and how much room it gives.

use std::time::Duration;

/// How a [`Driver`](super::Driver) behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How much room a read has at first, in bytes. Default 16 KiB.
    pub read_buffer: usize,
    /// How much room a read has at most, once the peer has shown that it sends large amounts. Default 256 KiB.
    pub read_buffer_max: usize,
    /// How long the peer may take nothing of what waits to be written. `None` is for ever. Default 30 s.
    pub write_timeout: Option<Duration>,
    /// How fast the peer must take what is sent, in bytes a second; 0: as slowly as it likes. It is the average over the
    /// time for which the peer is waited for, with a credit of the length of `write_timeout` (30 s where that is `None`),
    /// which what is taken fills up again. Default 240: a phone on the slowest network that there is takes ten times that,
    /// and a stream of rare events is not waited for.
    pub write_rate: u32,
    /// How long a transport may take to say the end; and how long nothing may come after that until the connection is let
    /// go. What comes meanwhile is read and dropped, so that the peer gets to read what was written last. Default 1 s.
    pub linger: Duration,
    /// For how long in all. Default 30 s, as in Apache's and nginx's lingering close.
    pub linger_most: Duration,
    /// How many bytes are read and dropped at most. Default 32 MiB.
    pub linger_bytes: usize,
}

impl Options {
    /// The defaults.
    pub const DEFAULT: Options = Options {
        read_buffer: 16 * 1024,
        read_buffer_max: 256 * 1024,
        write_timeout: Some(Duration::from_secs(30)),
        write_rate: 240,
        linger: Duration::from_secs(1),
        linger_most: Duration::from_secs(30),
        linger_bytes: 32 << 20,
    };
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}
