//! openraft in memory, on a runtime of one thread: its nodes are tasks, and a message is a call of the other's task.

use std::error::Error;
use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use openraft::error::{InstallSnapshotError, RPCError, RaftError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, ClientWriteResult, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse, responder::Responder,
};
use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage, RaftStateMachine, Snapshot};
use openraft::{
    Entry, EntryPayload, LogId, OptionalSend, Raft, RaftSnapshotBuilder, SnapshotMeta, SnapshotPolicy, StorageError,
    StoredMembership, Vote,
};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::{COMMAND, Cluster};

openraft::declare_raft_types!(
    /// The least that it asks for; a command is counted and not copied when an entry is.
    Types:
        D = Bytes,
        R = (),
        Node = openraft::EmptyNode,
        Responder = Nobody,
);

/// Nobody waits for the answer to a proposal: that all three nodes have applied it is seen from what they count.
struct Nobody;

impl Responder<Types> for Nobody {
    type Receiver = ();

    fn from_app_data(command: Bytes) -> (Bytes, Self, ()) {
        (command, Nobody, ())
    }

    fn send(self, _: ClientWriteResult<Types>) {}
}

type Failure = StorageError<u64>;

/// A log, as long as it gets.
#[derive(Clone, Debug, Default)]
struct Log {
    shared: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The entry at place 0 has index 0.
    entries: Vec<Entry<Types>>,
    vote: Option<Vote<u64>>,
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, Failure> {
        let kept = self.shared.lock();
        let len = kept.entries.len();
        let from = match range.start_bound() {
            Bound::Included(at) => *at as usize,
            Bound::Excluded(at) => *at as usize + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(at) => *at as usize + 1,
            Bound::Excluded(at) => *at as usize,
            Bound::Unbounded => len,
        };
        Ok(kept.entries.get(from.min(len)..to.min(len)).unwrap_or_default().to_vec())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failure> {
        let last_log_id = self.shared.lock().entries.last().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: None, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        self.shared.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        Ok(self.shared.lock().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.shared.lock().entries.extend(entries);
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), Failure> {
        self.shared.lock().entries.truncate(from.index as usize);
        Ok(())
    }

    async fn purge(&mut self, _: LogId<u64>) -> Result<(), Failure> {
        Ok(()) // without snapshots nothing is asked to go
    }
}

/// Counts the commands that were applied.
struct Counter {
    applied: Arc<Applied>,
    node: usize,
    last: Option<LogId<u64>>,
    membership: StoredMembership<u64, openraft::EmptyNode>,
}

#[derive(Debug, Default)]
struct Applied {
    nodes: [AtomicU64; 3],
    news: Notify,
}

impl Applied {
    fn least(&self) -> u64 {
        self.nodes.iter().map(|applied| applied.load(Ordering::Relaxed)).min().unwrap_or(0)
    }
}

/// Snapshots are switched off.
struct NoSnapshots;

#[allow(clippy::result_large_err, reason = "so large is the error that openraft wants")]
fn no_snapshots<T>() -> Result<T, Failure> {
    let why = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(openraft::StorageIOError::read_snapshot(None, &why).into())
}

impl RaftSnapshotBuilder<Types> for NoSnapshots {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        no_snapshots()
    }
}

impl RaftStateMachine<Types> for Counter {
    type SnapshotBuilder = NoSnapshots;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, openraft::EmptyNode>), Failure> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (mut replies, mut commands) = (Vec::new(), 0);
        for entry in entries {
            self.last = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(_) => commands += 1,
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
            replies.push(());
        }
        self.applied.nodes[self.node].fetch_add(commands, Ordering::Relaxed);
        self.applied.news.notify_one();
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshots {
        NoSnapshots
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        no_snapshots()
    }

    async fn install_snapshot(
        &mut self,
        _: &SnapshotMeta<u64, openraft::EmptyNode>,
        _: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        no_snapshots()
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failure> {
        Ok(None)
    }
}

/// All nodes, once they are there, and the messages between them, counted.
#[derive(Clone, Default)]
struct Net {
    nodes: Arc<Mutex<Vec<Raft<Types>>>>,
    messages: Arc<AtomicU64>,
}

struct Peer {
    net: Net,
    to: Option<Raft<Types>>,
    target: u64,
}

impl RaftNetworkFactory<Types> for Net {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &openraft::EmptyNode) -> Peer {
        Peer { net: self.clone(), to: None, target }
    }
}

type Unreachable<E = openraft::error::Infallible> = RPCError<u64, openraft::EmptyNode, RaftError<u64, E>>;

impl Peer {
    /// The other node; a question to it and its answer are two messages.
    fn ask(&mut self) -> &Raft<Types> {
        self.net.messages.fetch_add(2, Ordering::Relaxed);
        let (net, target) = (&self.net, self.target as usize);
        self.to.get_or_insert_with(|| net.nodes.lock()[target - 1].clone())
    }

    fn failed<E: std::error::Error + 'static>(&self, error: E) -> RPCError<u64, openraft::EmptyNode, E> {
        RPCError::RemoteError(openraft::error::RemoteError::new(self.target, error))
    }
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Unreachable> {
        let answer = self.ask().append_entries(request).await;
        answer.map_err(|error| self.failed(error))
    }

    async fn vote(&mut self, request: VoteRequest<u64>, _: RPCOption) -> Result<VoteResponse<u64>, Unreachable> {
        let answer = self.ask().vote(request).await;
        answer.map_err(|error| self.failed(error))
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Unreachable<InstallSnapshotError>> {
        let answer = self.ask().install_snapshot(request).await;
        answer.map_err(|error| self.failed(error))
    }
}

struct Theirs {
    runtime: Runtime,
    leader: Raft<Types>,
    net: Net,
    applied: Arc<Applied>,
    last: u64,
}

pub(super) fn start() -> Result<Box<dyn Cluster>, Box<dyn Error>> {
    // Its timers are needed for the deadlines of its calls. Nothing ticks: no heartbeat and no election comes between.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let config = openraft::Config {
        enable_tick: false,
        max_payload_entries: 4096,
        snapshot_policy: SnapshotPolicy::Never,
        ..openraft::Config::default()
    };
    let config = Arc::new(config.validate()?);
    let (net, applied) = (Net::default(), Arc::new(Applied::default()));
    let leader = runtime.block_on(async {
        for id in 1..=3 {
            let machine = Counter {
                applied: applied.clone(),
                node: id as usize - 1,
                last: None,
                membership: StoredMembership::default(),
            };
            let node = Raft::new(id, config.clone(), net.clone(), Log::default(), machine).await?;
            net.nodes.lock().push(node);
        }
        let leader = net.nodes.lock()[0].clone();
        leader.initialize(std::collections::BTreeSet::from([1, 2, 3])).await?;
        leader.wait(None).current_leader(1, "the first to be told of the others leads").await?;
        Ok::<_, Box<dyn Error>>(leader)
    })?;
    Ok(Box::new(Theirs { runtime, leader, net, applied, last: 0 }))
}

impl Cluster for Theirs {
    fn propose(&mut self, batch: usize) -> Result<(), Box<dyn Error>> {
        let Theirs { runtime, leader, applied, last, .. } = self;
        let until = applied.least() + batch as u64;
        runtime.block_on(async {
            for _ in 0..batch {
                *last += 1;
                let mut command = vec![0; COMMAND];
                command[..8].copy_from_slice(&last.to_le_bytes());
                leader.client_write_ff(command.into()).await?;
            }
            while applied.least() < until {
                applied.news.notified().await;
            }
            Ok(())
        })
    }

    fn messages(&self) -> u64 {
        self.net.messages.load(Ordering::Relaxed)
    }

    fn applied(&self) -> u64 {
        self.applied.least()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // Each node holds the others, through the network.
        let nodes = std::mem::take(&mut *self.net.nodes.lock());
        self.runtime.block_on(async {
            for node in nodes {
                // A task that has panicked has said so.
                let _ = node.shutdown().await;
            }
        });
    }
}
