//! What waits for the disk and isn't the log: snapshots are made, received, read for others and removed by one job, a piece
//! at a time, while the replica goes on.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;
use xs_os::jobs::JobHandle;
use xs_os::{Jobs, Progress};
use xs_storage::Error as StorageError;

use crate::raft::{ChunkReceived, ChunkWanted, SnapshotMeta};
use crate::raft_store::{Garbage, SnapshotDir, SnapshotFile, SnapshotWriter};

/// Bytes of a snapshot that one step makes.
const SLICE: usize = 256 << 10;

pub(super) enum Task {
    Make { source: Box<dyn Read + Send>, meta: SnapshotMeta },
    Receive(ChunkReceived),
    Read(ChunkWanted, SnapshotFile),
    Collect(Garbage),
}

#[derive(Debug)]
pub(super) enum Done {
    Made(Result<SnapshotFile, StorageError>),
    /// A piece was written; the whole, if it was the last.
    Received(ChunkReceived, Result<Option<SnapshotFile>, StorageError>),
    Read(ChunkWanted, Result<Bytes, StorageError>),
    Collected(Result<(), StorageError>),
}

/// A snapshot of our own that is being made.
struct Making {
    source: Box<dyn Read + Send>,
    meta: SnapshotMeta,
    writer: Option<SnapshotWriter>,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    making: Option<Making>,
    done: VecDeque<Done>,
    waker: Option<Waker>,
}

pub(super) struct Worker {
    state: Arc<Mutex<State>>,
    job: JobHandle,
}

impl Worker {
    pub(super) fn start(jobs: &dyn Jobs, dir: SnapshotDir) -> Worker {
        let state = Arc::new(Mutex::new(State::default()));
        let (theirs, mut receiving) = (state.clone(), None);
        let job = jobs.spawn("raft snapshots", Box::new(move || step(&theirs, &dir, &mut receiving)));
        Worker { state, job }
    }

    pub(super) fn submit(&self, task: Task) {
        let mut state = self.state.lock();
        match task {
            Task::Make { source, meta } => state.making = Some(Making { source, meta, writer: None }),
            task => state.tasks.push_back(task),
        }
        drop(state);
        self.job.poke();
    }

    /// What is done; and whom to wake when more is.
    pub(super) fn take_done(&self, waker: &Waker) -> Option<Done> {
        let mut state = self.state.lock();
        if state.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        state.done.pop_front()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.job.finish();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Worker")
            .field("tasks", &state.tasks.len())
            .field("making", &state.making.as_ref().map(|making| &making.meta))
            .field("done", &state.done.len())
            .finish()
    }
}

type Receiving = Option<(SnapshotMeta, SnapshotWriter)>;

fn step(state: &Mutex<State>, dir: &SnapshotDir, receiving: &mut Receiving) -> Progress {
    // What others wait for goes before what only this node wants.
    let (task, making) = {
        let mut state = state.lock();
        let task = state.tasks.pop_front();
        let making = if task.is_none() { state.making.take() } else { None };
        (task, making)
    };
    let done = match (task, making) {
        (Some(Task::Receive(received)), _) => {
            let written = receive(dir, receiving, &received);
            Some(Done::Received(received, written))
        }
        (Some(Task::Read(wanted, file)), _) => {
            let read = file.read_at(wanted.offset, wanted.len);
            Some(Done::Read(wanted, read))
        }
        (Some(Task::Collect(garbage)), _) => Some(Done::Collected(garbage.collect())),
        (Some(Task::Make { source, meta }), _) => {
            state.lock().making = Some(Making { source, meta, writer: None });
            None
        }
        (None, Some(mut making)) => match make(dir, &mut making) {
            Ok(false) => {
                state.lock().making = Some(making);
                None
            }
            Ok(true) => {
                let Making { meta, writer, .. } = making;
                let whole = writer.ok_or_else(|| StorageError::Invalid("nothing was written".into()));
                Some(Done::Made(whole.and_then(|writer| writer.finish(meta))))
            }
            Err(error) => {
                if let Some(writer) = making.writer {
                    writer.abandon();
                }
                Some(Done::Made(Err(error)))
            }
        },
        (None, None) => return Progress::Idle,
    };
    let mut state = state.lock();
    if let Some(done) = done {
        state.done.push_back(done);
    }
    let waker = if state.done.is_empty() { None } else { state.waker.take() };
    let more = !state.tasks.is_empty() || state.making.is_some();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
    if more { Progress::Busy } else { Progress::Idle }
}

/// Writes a slice; whether that was the last.
fn make(dir: &SnapshotDir, making: &mut Making) -> Result<bool, StorageError> {
    let writer = match &mut making.writer {
        Some(writer) => writer,
        None => making.writer.insert(dir.begin_own(making.meta.index, making.meta.term)?),
    };
    let mut buffer = vec![0; SLICE];
    let read = making.source.read(&mut buffer);
    let read = read.map_err(StorageError::io("read a snapshot of the state machine for", dir.path()))?;
    writer.write(&buffer[..read])?;
    Ok(read == 0)
}

/// Writes a piece that came, and finishes the whole with the last.
fn receive(
    dir: &SnapshotDir,
    receiving: &mut Receiving,
    received: &ChunkReceived,
) -> Result<Option<SnapshotFile>, StorageError> {
    if received.offset == 0 {
        // What another snapshot has come to is of no use any more. It goes first: both may have the same name.
        if let Some((_, writer)) = receiving.take() {
            writer.abandon();
        }
        let writer = dir.begin_received(received.meta.index, received.meta.term)?;
        *receiving = Some((received.meta.clone(), writer));
    }
    let fits =
        |(meta, writer): &(SnapshotMeta, SnapshotWriter)| *meta == received.meta && writer.written() == received.offset;
    let Some((meta, mut writer)) = receiving.take_if(|current| fits(current)) else {
        return Err(StorageError::Invalid("a piece of a snapshot that does not follow the last".into()));
    };
    if let Err(error) = writer.write(&received.data) {
        writer.abandon();
        return Err(error);
    }
    if writer.written() < meta.bytes {
        *receiving = Some((meta, writer));
        return Ok(None);
    }
    writer.finish(meta).map(Some)
}
