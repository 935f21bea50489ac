//! Opening: what the records of a log add up to, and which snapshot is good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xs_os::vfs::Vfs;
use xs_storage::Error as StorageError;
use xs_storage::log::{Index as Position, Log};

use super::error::{Error, damaged, undecodable};
use super::identity::Identity;
use super::places::Places;
use super::record::{Front, Record};
use super::snapshot_file::{self, SnapshotFile};
use crate::raft::{HardState, Membership, NodeId, Term};

/// What the records say, all in all.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) identity: Identity,
    pub(super) lives: u64,
    pub(super) hard_state: HardState,
    pub(super) membership: Membership,
    pub(super) places: Places,
    pub(super) peers: BTreeMap<NodeId, u64>,
    /// Where the last front stands.
    pub(super) front: u64,
}

/// Reads the whole log; none if it says nothing of a node.
///
/// Records are never missing in the middle, but at the front: it was trimmed up to the last front and the first entry that
/// counts. So there may be leftovers, of which a part is gone: fronts whose entries went because a later front let go of
/// them, entries whose predecessors went because a later one cut off all of them. So entries are only put one behind the
/// other, wherever they begin, and whether that is where the last front says is asked at the end.
pub(super) fn recover(log: &Log, dir: &Path) -> Result<Option<Recovered>, Error> {
    let mut known: Option<Places> = None;
    let (mut last, mut hard_state, mut peers): (Option<Front>, _, _) = (None, HardState::default(), BTreeMap::new());
    let (mut front_at, mut lives) = (0, 0);
    let mut reader = log.reader(Position(0));
    while let Some(found) = reader.next().map_err(Error::Storage)? {
        let position = found.index.0;
        let bytes = found.payload.len() as u64;
        match Record::decode(found.payload).map_err(undecodable(dir, position))? {
            Record::Entry(entry) => {
                // The term in front of it is learnt from the front.
                let alone = || Places::behind((entry.index.before(), Term(0)));
                let places = known.get_or_insert_with(alone);
                if !places.put(entry.index, entry.term, position, bytes) {
                    *places = alone();
                    places.put(entry.index, entry.term, position, bytes);
                }
            }
            Record::HardState(state) => hard_state = state,
            Record::Peer(node, incarnation) => drop(peers.insert(node, incarnation)),
            Record::Life(nth) => lives = nth,
            Record::Front(front) => {
                let places = known.get_or_insert_with(|| Places::behind(front.before));
                let bounds = places.bounds();
                if !front.keeps_entries || front.before.0 > bounds.last.0 {
                    *places = Places::behind(front.before);
                } else if front.before.0 > bounds.before.0 {
                    if places.term(front.before.0) != Some(front.before.1) {
                        return Err(damaged(dir, position, "the log begins behind an entry of another term"));
                    }
                    places.compact(front.before.0);
                }
                (hard_state, lives) = (front.hard_state, front.lives);
                peers = front.peers.iter().copied().collect();
                front_at = position;
                last = Some(*front);
            }
        }
    }
    let (Some(front), Some(mut places)) = (last, known) else { return Ok(None) };
    if places.bounds().before.0 != front.before.0 {
        let what = format_args!("the log should begin behind {}, not {}", front.before.0, places.bounds().before.0);
        return Err(damaged(dir, front_at, what));
    }
    places.learn_front(front.before.1);
    let (identity, membership) = (front.identity, front.membership);
    Ok(Some(Recovered { identity, lives, hard_state, membership, places, peers, front: front_at }))
}

/// What the directory has of snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// The newest that fits the log.
    pub(super) current: Option<SnapshotFile>,
    /// Why the newest that should fit can't be used.
    pub(super) damaged: Option<StorageError>,
    /// What nobody needs.
    pub(super) garbage: Vec<PathBuf>,
}

/// Looks through the directory. Parts of snapshots are removed here and now, for they may be large.
pub(super) fn snapshots(vfs: &dyn Vfs, dir: &Path, places: &Places) -> Result<Snapshots, Error> {
    let names = vfs.list(dir).map_err(StorageError::io("list", dir))?;
    let (mut whole, mut found, mut removed) = (Vec::new(), Snapshots::default(), false);
    for name in names.iter().filter_map(|name| name.to_str()) {
        if snapshot_file::is_part(name) {
            let path = dir.join(name);
            vfs.remove(&path).map_err(StorageError::io("remove", &path))?;
            removed = true;
        }
        whole.extend(snapshot_file::parse(name).map(|(index, term)| (index, term, dir.join(name))));
    }
    if removed {
        vfs.sync_dir(dir).map_err(StorageError::io("sync", dir))?;
    }
    whole.sort();
    let (before, last) = (places.bounds().before.0, places.bounds().last.0);
    for (index, term, path) in whole.into_iter().rev() {
        // One that the log knows nothing of came from a leader and was never installed: it will be sent again.
        let fits = before <= index && index <= last && places.term(index) == Some(term);
        if !fits || found.current.is_some() {
            found.garbage.push(path);
            continue;
        }
        match SnapshotFile::open(vfs, &path) {
            Ok(file) => found.current = Some(file),
            Err(error @ (StorageError::Corrupt { .. } | StorageError::NewerFormat { .. })) => {
                found.damaged.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
