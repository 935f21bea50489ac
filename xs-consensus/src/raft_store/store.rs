//! The store: what a node writes, and what it reads back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use xs_os::vfs::{Vfs, VfsExt};
use xs_os::{Jobs, Rng, ThreadJobs};
use xs_storage::Error as StorageError;
use xs_storage::engine::Commit;
use xs_storage::log::{Index as Position, Log, LogOptions};

use super::error::{Error, Impostor};
use super::garbage::Garbage;
use super::identity::Identity;
use super::places::Places;
use super::read::Readers;
use super::record::{Front, encode_hard_state, encode_life, encode_peer, entry_head};
use super::recover::{Recovered, Snapshots, recover, snapshots};
use super::snapshot_file::{SnapshotFile, SnapshotWriter};
use crate::raft::{
    Bounds, ClusterId, Entry, HardState, Index, Initial, LogView, Lookup, Membership, NodeId, Payload, Persist,
    SnapshotMeta, Term,
};

/// Peers that are remembered for their own sake; beyond, only members of the cluster are.
const MAX_PEERS: usize = 1024;

/// Whether there should be a node in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// There is one: it has run before. [`Error::NoNode`] if there is none.
    Open,
    /// There is none: it is created now, with the cluster's first membership (equal on all of its first nodes), or with an
    /// empty one if it is to be added to a cluster that runs. [`Error::AlreadyThere`] if there is one.
    Create(Membership),
    /// The one or the other. It can't tell a node that lost its disk from a new one; the other nodes can
    /// ([`RaftStore::meet`]).
    OpenOrCreate(Membership),
}

/// Whose store it is, and how it is to work.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The cluster's name.
    pub cluster: ClusterId,
    /// The node's name in it.
    pub node: NodeId,
    /// The length of a segment of the log, in bytes: what is let go of goes in such pieces. 16 MiB by default.
    pub segment_bytes: u64,
    /// Where the log syncs what is awaited. By default a thread of its own.
    pub jobs: Arc<dyn Jobs>,
}

impl StoreOptions {
    /// Those of a node, with defaults for the rest.
    pub fn new(cluster: ClusterId, node: NodeId) -> Self {
        StoreOptions { cluster, node, segment_bytes: 16 << 20, jobs: Arc::new(ThreadJobs::new()) }
    }
}

/// The durable half of a node. It is the [`LogView`] that the core reads, and the [page](super) tells the rest.
#[derive(Debug)]
pub struct RaftStore {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    log: Log,
    identity: Identity,
    lives: u64,
    hard_state: HardState,
    places: Places,
    /// Where the last front stands.
    front: u64,
    peers: BTreeMap<NodeId, u64>,
    snapshot: Option<SnapshotFile>,
    /// One that came from a leader and waits for the persist that installs it.
    staged: Option<SnapshotFile>,
    damaged: Option<StorageError>,
    garbage: Vec<PathBuf>,
    readers: Mutex<Readers>,
    failed: OnceLock<Error>,
    buffer: Vec<u8>,
}

impl RaftStore {
    /// Opens or creates the store in `dir`, and says what the node was when it ended. [`Initial::applied`] is the front of
    /// the log: a caller whose state machine has come further says so. The incarnation of a new directory is the first that
    /// `rng` draws: one that takes the place of a lost one must be given other chance, or nobody can tell them apart.
    ///
    /// # Errors
    /// Why not: the directory is another's, has lost something, is damaged or in use; or the disk has failed.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        start: Start,
        options: StoreOptions,
        rng: &mut Rng,
    ) -> Result<(RaftStore, Initial), Error> {
        let StoreOptions { cluster, node, segment_bytes, jobs } = options;
        let known = Identity::read(&*vfs, dir)?;
        let first = match (&known, start) {
            (Some(known), _) if known.cluster != cluster => {
                return Err(Error::OtherCluster { dir: dir.to_owned(), expected: cluster, found: known.cluster });
            }
            (Some(known), _) if known.node != node => {
                return Err(Error::OtherNode { dir: dir.to_owned(), expected: node, found: known.node });
            }
            (Some(_), Start::Create(_)) => return Err(Error::AlreadyThere { dir: dir.to_owned() }),
            (Some(_), _) => None,
            (None, Start::Open) => return Err(Error::NoNode { dir: dir.to_owned(), node }),
            (None, Start::Create(first) | Start::OpenOrCreate(first)) => Some(first),
        };
        vfs.make_dir(dir).map_err(StorageError::io("create", dir))?;
        let options = LogOptions { segment_bytes, jobs, ..LogOptions::default() };
        let log = Log::open(vfs.clone(), &dir.join("log"), options)?;
        let identity = match (known, first) {
            (Some(known), _) => known,
            (None, first) => {
                let identity = Identity { cluster, node, incarnation: rng.next_u64() };
                create(&*vfs, dir, &log, identity, first.unwrap_or_default())?;
                identity
            }
        };
        let gone = |what| Error::Incomplete { dir: dir.to_owned(), what };
        let found = recover(&log, dir)?.ok_or_else(|| gone("the log is gone"))?;
        if found.identity != identity {
            return Err(gone("the log in it is not this node's"));
        }
        let Recovered { lives, hard_state, membership, places, peers, front, .. } = found;
        let Snapshots { current: snapshot, damaged, garbage } = snapshots(&*vfs, dir, &places)?;
        let applied = places.bounds().before.0;
        let mut store = RaftStore {
            vfs,
            dir: dir.to_owned(),
            log,
            identity,
            lives: lives + 1,
            hard_state,
            places,
            front,
            peers,
            snapshot,
            staged: None,
            damaged,
            garbage,
            readers: Mutex::default(),
            failed: OnceLock::new(),
            buffer: Vec::new(),
        };
        // Durable before anybody is told, so that no two lives have the same number.
        encode_life(store.lives, &mut store.buffer);
        store.append(&[])?.1.wait()?;
        Ok((store, Initial { hard_state, membership, applied }))
    }

    /// Who the node is: what it tells others when it meets them.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// How often the node was opened, this time included. With its name and incarnation it is a name for what only this
    /// life knows, like sessions: no other life of any node has it.
    pub fn life(&self) -> u64 {
        self.lives
    }

    /// Why the store takes nothing more, if the disk has failed or gave back something else than was written.
    pub fn failed(&self) -> Option<Error> {
        self.failed.get().cloned().or_else(|| self.log.stopped().map(Error::Storage))
    }

    /// Hands what a [`Persist`] asks for to the log. It is durable when the commit says so, and with it everything that was
    /// written before. A snapshot that it installs must have been [staged](RaftStore::stage).
    ///
    /// # Errors
    /// From the disk: the store has failed then, and the persist must not be called done.
    pub fn write(&mut self, persist: &Persist) -> Result<Commit, Error> {
        let mut commit = Commit::done();
        if let Some(state) = persist.hard_state() {
            self.hard_state = state;
            self.buffer.clear();
            encode_hard_state(&state, &mut self.buffer);
            commit = self.append(&[])?.1;
        }
        if let Some(meta) = persist.install() {
            let staged = self.staged.take().filter(|file| file.meta() == meta);
            let Some(file) = staged else {
                return Err(StorageError::Invalid("a snapshot is installed that was not staged".into()).into());
            };
            let before = (meta.index, meta.term);
            commit = self.write_front(before, false, (*meta.membership).clone())?;
            self.places = Places::behind(before);
            self.supersede(file);
        }
        for entry in persist.entries() {
            self.buffer.clear();
            entry_head(entry, &mut self.buffer);
            let command = match &entry.payload {
                Payload::Command(command) => &command[..],
                Payload::Noop | Payload::Membership(_) => &[],
            };
            let bytes = (self.buffer.len() + command.len()) as u64;
            let (position, appended) = self.append(command)?;
            commit = appended;
            if !self.places.put(entry.index, entry.term, position, bytes) {
                let what = format!("entry {} does not follow the log", entry.index);
                return Err(StorageError::Invalid(what).into());
            }
        }
        Ok(commit)
    }

    /// Appends what is in the buffer, and some bytes behind it, as one record.
    fn append(&mut self, rest: &[u8]) -> Result<(u64, Commit), Error> {
        let (position, commit) = self.log.append(&[&self.buffer, rest])?;
        Ok((position.0, commit))
    }

    fn write_front(
        &mut self,
        before: (Index, Term),
        keeps_entries: bool,
        membership: Membership,
    ) -> Result<Commit, Error> {
        if self.peers.len() > MAX_PEERS {
            self.peers.retain(|node, _| membership.contains(*node));
        }
        let peers = self.peers.iter().map(|(node, incarnation)| (*node, *incarnation)).collect();
        let (identity, lives, hard_state) = (self.identity, self.lives, self.hard_state);
        self.buffer.clear();
        Front { identity, before, keeps_entries, lives, hard_state, membership, peers }.encode(&mut self.buffer);
        let (position, commit) = self.append(&[])?;
        self.front = position;
        self.readers.lock().clear();
        Ok(commit)
    }

    /// Lets go of the entries up to `to`, where `membership` was in force. The state machine must be durable up to there,
    /// by itself or in a [snapshot](RaftStore::keep). Their space comes back with the [garbage](RaftStore::garbage).
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if the log has no such entry; from the disk.
    pub fn compact(&mut self, to: Index, membership: &Membership) -> Result<Commit, Error> {
        let Some((term, _)) = self.places.find(to) else {
            return Err(StorageError::Invalid(format!("the log has no entry {to} to begin behind")).into());
        };
        let commit = self.write_front((to, term), true, membership.clone())?;
        self.places.compact(to);
        Ok(commit)
    }

    /// Bytes of the log's entries behind an index, roughly: what opening applies again, or what letting go would free.
    pub fn bytes_behind(&self, index: Index) -> u64 {
        self.places.bytes_behind(index)
    }

    /// What is not needed any more: old records, old snapshots.
    pub fn garbage(&mut self) -> Garbage {
        let first = self.places.first_position().unwrap_or(u64::MAX).min(self.front);
        Garbage {
            vfs: self.vfs.clone(),
            dir: self.dir.clone(),
            log: self.log.clone(),
            to: Position(first),
            snapshots: std::mem::take(&mut self.garbage),
        }
    }

    /// Where snapshots are written: by a job, as a rule, which has no store.
    pub fn snapshots(&self) -> SnapshotDir {
        SnapshotDir { vfs: self.vfs.clone(), dir: self.dir.clone() }
    }

    /// A snapshot of the node's own is whole: it is shown to the core and takes an older one's place.
    pub fn keep(&mut self, file: SnapshotFile) {
        if self.snapshot.as_ref().is_none_or(|current| current.meta().index <= file.meta().index) {
            self.supersede(file);
        } else {
            self.garbage.push(file.path().to_owned());
        }
    }

    fn supersede(&mut self, file: SnapshotFile) {
        if let Some(old) = self.snapshot.replace(file)
            && self.snapshot.as_ref().is_some_and(|new| new.path() != old.path())
        {
            self.garbage.push(old.path().to_owned());
        }
        self.damaged = None;
    }

    /// A snapshot from a leader is whole: it waits for the persist that installs it.
    pub fn stage(&mut self, file: SnapshotFile) {
        if let Some(old) = self.staged.replace(file) {
            let in_use = |file: &Option<SnapshotFile>| file.as_ref().is_some_and(|file| file.path() == old.path());
            if !in_use(&self.staged) && !in_use(&self.snapshot) {
                self.garbage.push(old.path().to_owned());
            }
        }
    }

    /// The snapshot turned out to be damaged: it is sent to nobody any more. It stays on the disk until a newer one takes
    /// its place, for it may be all that there is.
    pub fn refuse_snapshot(&mut self, why: StorageError) {
        if let Some(file) = self.snapshot.take() {
            self.garbage.retain(|path| path != file.path());
        }
        self.damaged = Some(why);
    }

    /// The snapshot is not needed: the state machine keeps itself, and nobody wants to be sent it.
    pub fn drop_snapshot(&mut self) {
        self.garbage.extend(self.snapshot.take().map(|file| file.path().to_owned()));
    }

    /// The newest snapshot, to be read.
    pub fn snapshot_file(&self) -> Option<&SnapshotFile> {
        self.snapshot.as_ref()
    }

    /// Why the snapshot that is on the disk can't be used.
    pub fn damaged_snapshot(&self) -> Option<&StorageError> {
        self.damaged.as_ref()
    }

    /// Another node has said who it is. The first one of a name is remembered, if that is asked for; the record goes ahead
    /// of everything that is written later, so what follows from its votes is never durable without it.
    ///
    /// # Errors
    /// It is not who it was: nothing that it says may be listened to.
    pub fn meet(&mut self, other: Identity, remember: bool) -> Result<(), Impostor> {
        let Identity { cluster, node, incarnation } = other;
        if cluster != self.identity.cluster {
            return Err(Impostor::OtherCluster { node, expected: self.identity.cluster, found: cluster });
        }
        if node == self.identity.node {
            return Err(Impostor::Ourselves(node));
        }
        match self.peers.get(&node) {
            Some(known) if *known == incarnation => Ok(()),
            Some(_) => Err(Impostor::Reborn { node }),
            None => {
                if remember {
                    self.buffer.clear();
                    encode_peer(node, incarnation, &mut self.buffer);
                    match self.append(&[]) {
                        Ok((_, commit)) => drop(commit),
                        Err(error) => drop(self.failed.set(error)),
                    }
                    self.peers.insert(node, incarnation);
                }
                Ok(())
            }
        }
    }

    /// Makes everything durable that was written: for drivers without tasks.
    ///
    /// # Errors
    /// From the disk.
    pub fn sync(&self) -> Result<(), Error> {
        Ok(self.log.sync()?)
    }
}

/// Where snapshots are written.
#[derive(Clone, Debug)]
pub struct SnapshotDir {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
}

impl SnapshotDir {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A file for a snapshot of the node's own state at an entry. [Finish](SnapshotWriter::finish) it, and
    /// [keep](RaftStore::keep) it.
    ///
    /// # Errors
    /// From the disk.
    pub fn begin_own(&self, index: Index, term: Term) -> Result<SnapshotWriter, StorageError> {
        SnapshotWriter::create(self.vfs.clone(), &self.dir, index, term, ".own.part")
    }

    /// A file for a snapshot that a leader sends. Finish it, and [stage](RaftStore::stage) it.
    ///
    /// # Errors
    /// From the disk.
    pub fn begin_received(&self, index: Index, term: Term) -> Result<SnapshotWriter, StorageError> {
        SnapshotWriter::create(self.vfs.clone(), &self.dir, index, term, ".part")
    }
}

/// Writes the first record of a node's life, and then its identity: one that has an identity has a log.
fn create(vfs: &dyn Vfs, dir: &Path, log: &Log, identity: Identity, membership: Membership) -> Result<(), Error> {
    if log.bounds().end > Position(1) {
        return Err(Error::Incomplete { dir: dir.to_owned(), what: "there is a log, and its owner's name is gone" });
    }
    // An earlier attempt may have come to the log and not to the name.
    log.restart_at(Position(0))?;
    let mut bytes = Vec::new();
    let (before, hard_state) = ((Index(0), Term(0)), HardState::default());
    Front { identity, before, keeps_entries: true, lives: 0, hard_state, membership, peers: Vec::new() }
        .encode(&mut bytes);
    log.append(&[&bytes])?.1.wait()?;
    identity.write(vfs, dir)?;
    Ok(())
}

impl LogView for RaftStore {
    fn bounds(&self) -> Bounds {
        self.places.bounds()
    }

    fn term(&self, index: Index) -> Lookup<Term> {
        self.places.term(index).map_or(Lookup::Compacted, Lookup::Found)
    }

    fn entries(&self, from: Index, to: Index, max_bytes: usize, into: &mut Vec<Entry>) -> Lookup<()> {
        if from <= self.places.bounds().before.0 {
            return Lookup::Compacted;
        }
        let before = into.len();
        let read = self.readers.lock().entries(&self.log, &self.dir, &self.places, (from, to), max_bytes, into);
        match read {
            Ok(()) => Lookup::Found(()),
            Err(error) => {
                into.truncate(before);
                // The core only hears that they are not there; its driver looks for the reason.
                let _ = self.failed.set(error);
                Lookup::NotAtHand
            }
        }
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        self.snapshot.as_ref().map(|file| file.meta().clone())
    }
}
