//! Whole servers on the nodes of a simulated world.

#[path = "../common/mod.rs"]
mod common;

mod bytes;
mod faults;
mod http;
mod server;
mod speed;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xs_net::sim::{Host, Limits, Node, Packet};
use xs_os::sim::{Context, Episode, Fault, Link, NodeId, Options, World};

pub(crate) const SERVER: NodeId = NodeId(0);
pub(crate) const CLIENT: NodeId = NodeId(1);
pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const PORT: u16 = 7;

/// Something that goes wrong.
pub(crate) fn episode(at: u32, lasts: u32, fault: Fault) -> Episode {
    Episode { at: at * MS, lasts: lasts * MS, fault }
}

/// A world of a server and a client, with all of its trace.
pub(crate) fn pair<S, C, SF, CF>(seed: u64, link: Link, server: S, client: C) -> World<Host>
where
    S: Fn(Node) -> SF + 'static,
    C: Fn(Node) -> CF + 'static,
    SF: Future<Output = io::Result<()>> + Send + 'static,
    CF: Future<Output = io::Result<()>> + Send + 'static,
{
    let options = Options { link, keep: xs_os::sim::Keep::All, ..Options::new(2) };
    World::new(seed, options, move |cx: &mut Context<'_, Packet>| {
        Ok(if cx.node() == SERVER { Host::new(cx, &server) } else { Host::new(cx, &client) })
    })
}

/// Runs a world until its client has ended, and no longer than a while.
#[track_caller]
pub(crate) fn run(world: &mut World<Host>, until: u32) {
    let done = |world: &World<Host>| world.actor(CLIENT).is_some_and(Host::has_ended);
    let ended = world.run_while(until * MS, |_, _| Ok(()), done).unwrap();
    assert!(ended, "the client has not ended:\n{}", world.timeline());
}

/// What a client saw, in order, with the milliseconds of the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, node: &Node, what: impl fmt::Display) {
        node.note(&what);
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Small sizes, so that a test meets all of them.
pub(crate) fn small() -> Limits {
    Limits { segment: 7, send_buffer: 40, receive_buffer: 30, ..Limits::default() }
}
