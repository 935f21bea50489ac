//! A life of a store, drawn from a seed, and what it should be after each of its records.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use xs_os::vfs::Vfs;
use xs_os::{Rng, SteppedJobs};

use crate::raft::{
    ClusterId, Entry, HardState, Index, Initial, LogView, Lookup, Membership, NodeId, Payload, Persist, SnapshotMeta,
    Term,
};
use crate::raft_store::{Error, Identity, RaftStore, SnapshotWriter, Start, StoreOptions};

pub(super) const DIR: &str = "node";

pub(super) fn members(last: u64) -> Membership {
    Membership::of((1..=last).map(NodeId).collect()).unwrap()
}

pub(super) fn open(vfs: Arc<dyn Vfs>, start: Start) -> Result<(RaftStore, Initial), Error> {
    let options = StoreOptions {
        segment_bytes: 4096,
        jobs: Arc::new(SteppedJobs::new()),
        ..StoreOptions::new(ClusterId(1), NodeId(1))
    };
    RaftStore::open(vfs, Path::new(DIR), start, options, &mut Rng::from_seed(5))
}

/// What a store is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) hard_state: HardState,
    pub(super) before: (Index, Term),
    pub(super) membership: Membership,
    pub(super) entries: Vec<Entry>,
}

impl Model {
    pub(super) fn last(&self) -> (Index, Term) {
        self.entries.last().map_or(self.before, |entry| (entry.index, entry.term))
    }

    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index == self.before.0 {
            return Some(self.before.1);
        }
        self.entries.iter().find(|entry| entry.index == index).map(|entry| entry.term)
    }

    fn put(&mut self, entry: &Entry) {
        self.entries.retain(|old| old.index < entry.index);
        self.entries.push(entry.clone());
    }

    fn compact(&mut self, to: Index, membership: Membership) {
        self.before = (to, self.term(to).unwrap());
        self.entries.retain(|entry| entry.index > to);
        self.membership = membership;
    }

    /// What can be seen of a store, read in pieces.
    pub(super) fn of(store: &RaftStore, initial: &Initial) -> Model {
        let bounds = store.bounds();
        let mut entries: Vec<Entry> = Vec::new();
        let mut next = bounds.before.0.next();
        while next <= bounds.last.0 {
            let had = entries.len();
            let max = (next.0 as usize * 37) % 500;
            assert_eq!(store.entries(next, bounds.last.0, max, &mut entries), Lookup::Found(()));
            assert!(entries.len() > had, "one at least");
            let size: usize = entries[had..].iter().map(Entry::size).sum();
            assert!(size <= max || entries.len() == had + 1);
            next = entries.last().unwrap().index.next();
        }
        for entry in &entries {
            assert_eq!(store.term(entry.index), Lookup::Found(entry.term));
        }
        let (hard_state, membership) = (initial.hard_state, initial.membership.clone());
        Model { hard_state, before: bounds.before, membership, entries }
    }
}

/// The bytes of the snapshot at a place.
pub(super) fn content(index: Index, term: Term) -> Vec<u8> {
    let len = index.0 * 7919 % 90_000;
    (0..len).map(|at| (at * 31 + at / 251 + index.0 + 3 * term.0) as u8).collect()
}

/// The store's snapshot is what it says, whole and in pieces.
pub(super) fn check_snapshot(store: &RaftStore) -> Result<(), String> {
    let Some(file) = store.snapshot_file() else {
        let front = store.bounds().before.0;
        return if front.0 == 0 { Ok(()) } else { Err(format!("the log begins at {front}, and there is no snapshot")) };
    };
    let SnapshotMeta { index, term, bytes, .. } = *file.meta();
    if store.term(index) != Lookup::Found(term) {
        return Err(format!("a snapshot at {index} of {term} over {:?}", store.bounds()));
    }
    let mut found = Vec::new();
    file.reader().read_to_end(&mut found).map_err(|error| error.to_string())?;
    if found != content(index, term) || found.len() as u64 != bytes {
        return Err(format!("the snapshot at {index} has other bytes"));
    }
    for (from, len) in [(0, 1), (bytes / 2, 100), (65_530, 12), (bytes.saturating_sub(5), 5)] {
        if from + len <= bytes {
            let piece = file.read_at(from, len as usize).map_err(|error| error.to_string())?;
            assert_eq!(piece, found[from as usize..(from + len) as usize]);
        }
    }
    assert!(file.read_at(bytes, 1).is_err(), "beyond the end");
    Ok(())
}

fn write_snapshot(mut writer: SnapshotWriter, meta: SnapshotMeta, rng: &mut Rng) -> crate::raft_store::SnapshotFile {
    for piece in content(meta.index, meta.term).chunks(1 + rng.index(70_000)) {
        writer.write(piece).unwrap();
    }
    writer.finish(meta).unwrap()
}

pub(super) struct Life {
    pub(super) store: RaftStore,
    vfs: Arc<dyn Vfs>,
    pub(super) rng: Rng,
    /// The store behind each record that was ever written, the first of them behind its creation.
    pub(super) steps: Vec<Model>,
    /// So many of them are durable for certain.
    pub(super) durable: usize,
    peers: BTreeMap<NodeId, u64>,
}

impl Life {
    pub(super) fn begin(vfs: Arc<dyn Vfs>, seed: u64) -> Life {
        let (store, initial) = open(vfs.clone(), Start::Create(members(3))).unwrap();
        let first = Model::of(&store, &initial);
        Life { store, vfs, rng: Rng::from_seed(seed), steps: vec![first], durable: 1, peers: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> &Model {
        self.steps.last().unwrap()
    }

    fn entry(&mut self, index: Index, term: Term) -> Entry {
        let payload = match self.rng.below(12) {
            0 => Payload::Noop,
            1 => Payload::Membership(Arc::new(members(1 + self.rng.below(4)))),
            2 => Payload::Command(Bytes::from(vec![index.0 as u8; 1500])),
            _ => Payload::Command(Bytes::from(vec![term.0 as u8; self.rng.index(60)])),
        };
        Entry { index, term, payload }
    }

    /// One call, or a few that belong together.
    pub(super) fn step(&mut self) {
        let mut model = self.now().clone();
        let mut written = Vec::new();
        let (last, last_term) = model.last();
        match self.rng.below(20) {
            0 => return self.reopen(),
            1 => {
                self.store.sync().unwrap();
                self.durable = self.steps.len();
            }
            2 => {
                let node = NodeId(2 + self.rng.below(5));
                let incarnation = *self.peers.entry(node).or_insert(node.0 * 1000);
                let identity = Identity { cluster: ClusterId(1), node, incarnation };
                self.store.meet(identity, true).unwrap();
                let stranger = Identity { incarnation: 1, ..identity };
                assert!(self.store.meet(stranger, true).is_err());
            }
            3 => self.store.garbage().collect().unwrap(),
            4 if !model.entries.is_empty() => {
                // A snapshot of its own, and a front some way behind it.
                let at = self.rng.index(model.entries.len());
                let Entry { index, term, .. } = model.entries[at];
                let membership = Arc::new(members(1 + index.0 % 4));
                let writer = self.store.snapshots().begin_own(index, term).unwrap();
                let file = write_snapshot(writer, SnapshotMeta { index, term, membership, bytes: 0 }, &mut self.rng);
                self.store.keep(file);
                let to = Index(index.0 - self.rng.below(4).min(index.0 - model.before.0.0));
                if to > model.before.0 && self.store.snapshot().is_some_and(|meta| meta.index >= to) {
                    let membership = members(1 + to.0 % 4);
                    drop(self.store.compact(to, &membership).unwrap());
                    model.compact(to, membership);
                    written.push(model);
                }
            }
            5 if self.rng.chance(0.3) => {
                // One that a leader sends, and entries behind it.
                let (index, term) = (Index(last.0 + 1 + self.rng.below(9)), Term(last_term.0 + self.rng.below(2)));
                let bytes = content(index, term).len() as u64;
                let meta = SnapshotMeta { index, term, membership: Arc::new(members(2)), bytes };
                let writer = self.store.snapshots().begin_received(index, term).unwrap();
                let file = write_snapshot(writer, meta.clone(), &mut self.rng);
                self.store.stage(file);
                let entries: Vec<Entry> =
                    (0..self.rng.below(3)).map(|n| self.entry(Index(index.0 + 1 + n), term)).collect();
                let hard_state = self.rng.chance(0.5).then_some(HardState { term, vote: None, commit: Index(0) });
                let persist = Persist::of(hard_state, Some(meta), entries.clone());
                drop(self.store.write(&persist).unwrap());
                if let Some(state) = hard_state {
                    model.hard_state = state;
                    written.push(model.clone());
                }
                (model.before, model.membership, model.entries) = ((index, term), members(2), Vec::new());
                written.push(model.clone());
                for entry in &entries {
                    model.put(entry);
                    written.push(model.clone());
                }
            }
            draw => {
                // Entries, behind the last or in place of some, and a hard state now and then.
                // What a snapshot includes is committed, and never cut off.
                let floor = self.store.snapshot().map_or(Index(0), |meta| meta.index).max(model.before.0);
                let cut = draw == 6 && last > floor;
                let back = if cut { 1 + self.rng.below((last.0 - floor.0).min(6)) } else { 0 };
                let first = Index(last.0 + 1 - back);
                let term = Term(last_term.0.max(1) + u64::from(cut) + u64::from(self.rng.chance(0.05)));
                let entries: Vec<Entry> =
                    (0..self.rng.below(4)).map(|n| self.entry(Index(first.0 + n), term)).collect();
                let vote = Some(NodeId(self.rng.below(4)));
                let hard_state = self.rng.chance(0.2).then_some(HardState { term, vote, commit: model.before.0 });
                if let Some(state) = hard_state {
                    model.hard_state = state;
                    written.push(model.clone());
                }
                for entry in &entries {
                    model.put(entry);
                    written.push(model.clone());
                }
                let commit = self.store.write(&Persist::of(hard_state, None, entries)).unwrap();
                if self.rng.chance(0.3) {
                    commit.wait().unwrap();
                    self.steps.extend(std::mem::take(&mut written));
                    // One that asks for nothing waits for nothing.
                    if hard_state.is_some() || self.now().last() != (last, last_term) {
                        self.durable = self.steps.len();
                    }
                }
            }
        }
        self.steps.extend(written);
    }

    /// Ends as a process ends, and opens again.
    pub(super) fn reopen(&mut self) {
        let (spare, _) = open(Arc::new(xs_os::vfs::MemoryVfs::new()), Start::Create(members(1))).unwrap();
        drop(std::mem::replace(&mut self.store, spare));
        let (store, initial) = open(self.vfs.clone(), Start::Open).unwrap();
        assert_eq!(Model::of(&store, &initial), *self.now());
        assert!(!self.vfs.exists(&Path::new(DIR).join("identity.new")).unwrap());
        self.store = store;
        self.durable = self.steps.len();
        for (node, incarnation) in &self.peers {
            let other = Identity { cluster: ClusterId(1), node: *node, incarnation: incarnation + 1 };
            assert!(self.store.meet(other, true).is_err(), "{node} is remembered");
        }
    }
}
