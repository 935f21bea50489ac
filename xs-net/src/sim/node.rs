//! What a program has of its node.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use xs_os::sim::NodeId;
use xs_os::vfs::Vfs;
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::{Clock, Jobs, Rng, SteppedJobs, VirtualClock};

use super::stack::Stack;
use super::stream::{SimListener, SimStream};
use crate::{Bridge, Timer};

/// Where the addresses begin: the nodes are 10.1.0.0, 10.1.0.1 and so on.
const NET: u32 = u32::from_be_bytes([10, 1, 0, 0]);

/// The address by which programs that want one know a node: n3 is 10.1.0.3.
pub fn address(node: NodeId, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(NET.wrapping_add(node.0))), port)
}

/// The node that has an address; `None` if it can't be one's.
pub fn node_at(addr: SocketAddr) -> Option<NodeId> {
    match addr.ip() {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(NET).map(NodeId),
        IpAddr::V6(_) => None,
    }
}

/// What host and program share.
pub(super) struct Shared {
    pub(super) id: NodeId,
    stack: Mutex<Stack>,
    pub(super) told: Mutex<Told>,
}

/// What a program said that the host passes on.
#[derive(Default)]
pub(super) struct Told {
    pub(super) world_time: Duration,
    pub(super) notes: Vec<String>,
    pub(super) exit: Option<String>,
    pub(super) ended: bool,
    pub(super) panic: Option<Box<dyn std::any::Any + Send>>,
}

impl Shared {
    pub(super) fn new(id: NodeId, stack: Stack) -> Self {
        Shared { id, stack: Mutex::new(stack), told: Mutex::default() }
    }

    /// Uses the stack, and wakes behind it who is to be woken: a waker may drop a stream, which uses the stack.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Stack) -> T) -> T {
        let (result, wakers) = {
            let mut stack = self.stack.lock();
            let result = work(&mut stack);
            (result, std::mem::take(&mut stack.wakers))
        };
        wakers.into_iter().for_each(std::task::Waker::wake);
        result
    }
}

/// A program's node: its network, clock, chance, disk and background work. Clones are the same node.
///
/// All of it ends with the life of the process: a program that keeps it for longer reaches nobody.
#[derive(Clone)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) nodes: u32,
    pub(super) life: u32,
    pub(super) clock: VirtualClock,
    pub(super) rng: Arc<Mutex<Rng>>,
    pub(super) disk: FaultyVfs,
    pub(super) jobs: SteppedJobs,
    pub(super) tasks: Handle,
}

impl Node {
    /// Which one it is.
    pub fn id(&self) -> NodeId {
        self.shared.id
    }

    /// All nodes of the world.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes).map(NodeId)
    }

    /// How often the node was started before: 0 in its first life.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Listens on a port; 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` if the program listens there already.
    pub fn listen(&self, port: u16) -> io::Result<SimListener> {
        SimListener::bind(&self.shared, port)
    }

    /// Opens a connection to a port of a node, which may be this one. Dropping the future takes it back.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there, `TimedOut` if nobody answers for
    /// [`Limits::connect_patience`](super::Limits::connect_patience), `AddrNotAvailable` if this node has as many connections as
    /// it may.
    pub async fn connect(&self, node: NodeId, port: u16) -> io::Result<SimStream> {
        SimStream::connect(&self.shared, node, port).await
    }

    /// [`Node::connect`] for who has an [`address`].
    ///
    /// # Errors
    /// The same, and `AddrNotAvailable` if it is no node's.
    pub async fn connect_to(&self, addr: SocketAddr) -> io::Result<SimStream> {
        let node = node_at(addr).filter(|node| node.0 < self.nodes).ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.connect(node, addr.port()).await
    }

    /// The node's clock, which drifts, and whose calendar may be stepped.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    /// Sleeps by the node's clock.
    pub fn timer(&self) -> Timer {
        Timer::new(self.clock())
    }

    /// A generator of its own, of the node's chance.
    pub fn rng(&self) -> Rng {
        Rng::from_seed(self.rng.lock().next_u64())
    }

    /// The node's disk.
    pub fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.disk.clone())
    }

    /// The node's background work: its jobs take their steps between those of the tasks.
    pub fn jobs(&self) -> Arc<dyn Jobs> {
        Arc::new(self.jobs.clone())
    }

    /// The way to calls of the disk: they are made at once, and their results come when the disk's time has passed.
    pub fn bridge(&self) -> Bridge {
        let disk = self.disk.clone();
        Bridge::inline(self.clock(), move || disk.spent())
    }

    /// Runs a task beside the others. If it panics, so does the world: a test's assertion counts wherever it stands. A task
    /// that `tokio::spawn` starts answers for its panics itself, as outside.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(output) => Some(output),
                Err(panic) => {
                    shared.told.lock().panic.get_or_insert(panic);
                    None
                }
            }
        })
    }

    /// The time since the beginning of the world, by no node's clock: for histories. A program that acts by it knows what
    /// no program can.
    pub fn world_time(&self) -> Duration {
        self.shared.told.lock().world_time
    }

    /// Writes a line into the world's trace.
    pub fn note(&self, text: impl fmt::Display) {
        self.shared.told.lock().notes.push(text.to_string());
    }

    /// Ends the process once nothing else can go on at this moment, as one that gives up should. The world starts it again.
    pub fn exit(&self, why: impl fmt::Display) {
        self.shared.told.lock().exit.get_or_insert_with(|| why.to_string());
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id()).field("life", &self.life).finish()
    }
}
