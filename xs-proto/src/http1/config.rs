//! The bounds of a connection: what a peer may send, and how long it may take.

use std::time::Duration;

/// Bounds on what is accepted from the peer, and on what is held for it. All in bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The first line of a head, its end included. Counts within `head`. Beyond it a server answers 414.
    pub start_line: usize,
    /// A head from its first byte to the empty line. Beyond it a server answers 431.
    pub head: usize,
    /// How many fields a head may have, and a trailer section. At most 16,384, which a `HeaderMap` can hold.
    pub fields: usize,
    /// The line in front of a chunk, its extensions and end included.
    pub chunk_line: usize,
    /// All chunk extensions of one body together: nobody reads them, and they can make a body of a few bytes endless.
    pub extensions: usize,
    /// The trailer section, to its empty line.
    pub trailers: usize,
    /// A body. Beyond it a server answers 413.
    pub body: u64,
    /// How much of a body may be with the user, unconsumed, before the peer must wait. At least one, as the next two are.
    pub receive_window: usize,
    /// How much may wait in the machine to be sent before [`window`](crate::Machine::window) is zero.
    pub send_window: usize,
    /// How many exchanges may be under way at once. A server parses no further request beyond it, a client begins none.
    pub pipeline: usize,
    /// How much of a request's body a server reads and drops, when the response is complete and the body is not, to keep
    /// the connection; what is longer costs the connection.
    pub drain: u64,
}

impl Limits {
    /// For a server that talks to strangers: heads of 32 KiB with 100 fields, bodies of 1 GiB, 16 pipelined requests.
    pub const SERVER: Limits = Limits {
        start_line: 8 * 1024,
        head: 32 * 1024,
        fields: 100,
        chunk_line: 256,
        extensions: 16 * 1024,
        trailers: 8 * 1024,
        body: 1 << 30,
        receive_window: 256 * 1024,
        send_window: 256 * 1024,
        pipeline: 16,
        drain: 64 * 1024,
    };

    /// For a client: as for a server, but bodies of any length (they are streamed, and the user asked for them), and one
    /// request at a time: a pipelined request behind one that fails cannot be told from one that was executed.
    pub const CLIENT: Limits = Limits { body: u64::MAX, pipeline: 1, ..Limits::SERVER };
}

impl Limits {
    /// With a window of nothing, nothing would ever move: these are at least one. And a `HeaderMap` that cannot hold all
    /// fields would panic.
    pub(super) fn sane(self) -> Limits {
        Limits {
            fields: self.fields.min(1 << 14),
            receive_window: self.receive_window.max(1),
            send_window: self.send_window.max(1),
            pipeline: self.pipeline.max(1),
            ..self
        }
    }
}

/// How long the peer may take. `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head to its last; for a client from the end of its request to the end of the response's
    /// head. A server answers 408.
    pub head: Option<Duration>,
    /// Between two pieces of a body, counted only while the machine wants them.
    pub body: Option<Duration>,
    /// How fast a request's body must come to a server at least, in bytes a second; 0: as slowly as it likes. It is the
    /// average over the time for which the server waits, and each body has a credit of the length of `body` (30 s where
    /// that is `None`), which what comes faster fills up again. Clients don't ask it of responses, some of which are
    /// streams of rare events.
    pub body_rate: u32,
    /// Between two exchanges, and before the first one.
    pub idle: Option<Duration>,
}

impl Timeouts {
    /// Heads within 30 s, a piece of a body each 30 s and 240 bytes of it a second, and 75 s between exchanges.
    pub const DEFAULT: Timeouts = Timeouts {
        head: Some(Duration::from_secs(30)),
        body: Some(Duration::from_secs(30)),
        body_rate: 240,
        idle: Some(Duration::from_secs(75)),
    };

    /// For ever, for a driver that has deadlines of its own.
    pub const NONE: Timeouts = Timeouts { head: None, body: None, body_rate: 0, idle: None };
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts::DEFAULT
    }
}
