//! Opening a log: which files belong to it, where it ends, and whether what is missing was ever promised.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use xs_os::Progress;
use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::framing::{Framing, Mark};
use super::segment::{NEVER, STRIDE, Segment, Waypoint, body};
use super::shared::{Counts, Io, Shared};
use super::spares::{Spares, is_spare};
use super::tail::Tail;
use super::turn::Turn;
use super::walk::{Step, Walk};
use super::watermark::{self, Promise, Watermark};
use super::{Index, LogOptions, index};
use crate::{Error, Result, lock};

/// The files of a directory, by what they are.
#[derive(Default)]
struct Listing {
    /// By epoch.
    segments: BTreeMap<u64, Segment>,
    /// Those that were rewritten.
    replaced: Vec<Segment>,
    spares: Vec<String>,
    indexes: Vec<String>,
}

fn list<F: Framing>(vfs: &dyn Vfs, dir: &Path) -> Result<Listing> {
    let (mut listing, mut strange) = (Listing::default(), None);
    for name in vfs.list(dir).map_err(Error::io("list", dir))? {
        let name = name.to_string_lossy().into_owned();
        if let Some(segment) = Segment::from_name::<F>(dir, &name) {
            match listing.segments.entry(segment.epoch) {
                Entry::Vacant(place) => drop(place.insert(segment)),
                Entry::Occupied(mut place) if place.get().generation < segment.generation => {
                    listing.replaced.push(place.insert(segment));
                }
                Entry::Occupied(_) => listing.replaced.push(segment),
            }
        } else if is_spare(&name) {
            listing.spares.push(name);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == index::EXTENSION) {
            listing.indexes.push(name);
        } else if name != LOCK && (F::MARK_LEN > 0 || name != watermark::NAME) {
            strange = Some(name);
        }
    }
    // Whose directory it is, is the question only as long as it holds no log.
    match strange {
        Some(name) if listing.segments.is_empty() => {
            let what = format!("`{name}` is none of a log's files");
            Err(Error::NotOurs { path: dir.to_owned(), expected: "log", what })
        }
        _ => Ok(listing),
    }
}

const LOCK: &str = "LOCK";

/// The greatest epoch that is believed: what comes behind it still has numbers.
const MAX_EPOCH: u64 = 1 << 62;

fn check_epoch(epoch: u64, path: &Path, pos: u64) -> Result<()> {
    if epoch <= MAX_EPOCH {
        return Ok(());
    }
    Err(Error::corrupt(path, pos, format!("it speaks of epoch {epoch}, and no log has lived through so many")))
}

/// The segments of the log, oldest first, and those that a truncation or a rewriting took out of it and a crash left.
///
/// The newest name is the end of the log, and every segment names the one it continues. Trimming removes the oldest
/// first, each durably before the next, so a segment older than what the chain that was found continues is a hole in it.
/// One whose epoch lies between is none: it was cut off, or the front of the chain was written in its place.
fn chain(dir: &Path, mut found: BTreeMap<u64, Segment>) -> Result<(Vec<Segment>, Vec<Segment>)> {
    let mut chain = Vec::new();
    let mut next = found.last_key_value().map(|(epoch, _)| *epoch);
    while let Some(segment) = next.and_then(|epoch| found.remove(&epoch)) {
        next = Some(segment.previous);
        chain.push(segment);
    }
    chain.reverse();
    for pair in chain.windows(2) {
        if pair[1].first < pair[0].first {
            return Err(Error::corrupt(&pair[1].path, 0, "its name says that it starts before the one it continues"));
        }
    }
    let head = chain.first();
    let lost = head.filter(|head| head.previous != 0).filter(|head| found.keys().any(|epoch| *epoch < head.previous));
    if let Some(head) = lost {
        let what = format!("segment {:016x}, which {} continues, is missing", head.previous, head.path.display());
        return Err(Error::corrupt(dir, 0, what));
    }
    Ok((chain, found.into_values().collect()))
}

/// Where a segment's entries end.
struct End {
    at: Waypoint,
    /// What its marks say was durable.
    durable: Index,
    /// Where the bytes begin of which no mark says so; the mark itself is among them.
    unsure: u64,
}

/// Up to `len` bytes of a file of `size` bytes.
fn fetch(file: &dyn File, path: &Path, size: u64, pos: u64, len: usize) -> Result<Bytes> {
    let len = len.min(usize::try_from(size.saturating_sub(pos)).unwrap_or(usize::MAX));
    let mut bytes = BytesMut::zeroed(len);
    file.read_exact_at(&mut bytes, pos).map_err(Error::io("read", path))?;
    Ok(bytes.freeze())
}

/// Walks the newest segment to its end. What stands there is a torn write, unless a later mark says that it was durable.
///
/// `durable` is what is known beforehand.
fn find_end<F: Framing>(framing: &F, segment: &Segment, file: &dyn File, mut durable: Index) -> Result<End> {
    let path = &segment.path;
    let size = file.len().map_err(Error::io("measure", path))?;
    let mut walk = Walk::new(Waypoint::front::<F>(segment.first, segment.epoch));
    // Entries that no mark has called durable yet, and where they end; and the end of those that one has.
    let mut open: VecDeque<(Index, u64)> = VecDeque::new();
    let mut unsure = walk.at.pos;
    let stopped_by = loop {
        let at = walk.at;
        match walk.step(framing, &mut |pos, len| fetch(file, path, size, pos, len))? {
            Step::Entry { index, end, .. } => {
                segment.waypoint(Waypoint { index, ..at });
                match end > durable {
                    true => open.push_back((index, walk.at.pos)),
                    false => unsure = walk.at.pos,
                }
            }
            Step::Mark(mark) => {
                durable = durable.max(mark.durable);
                while let Some((_, end)) = open.pop_front_if(|(index, _)| *index < durable) {
                    unsure = end;
                }
            }
            Step::End => break "nothing",
            Step::Damaged(what) => break what,
        }
    };
    let at = walk.at;
    if F::MARK_LEN == 0 && durable > at.index {
        let what = format!(
            "{stopped_by} where entry {} was: the watermark says that all before {durable} was durable",
            at.index
        );
        return Err(Error::corrupt(path, at.pos, what));
    }
    if let Some((pos, mark)) = promise(framing, path, file, size, &at)? {
        let what = format!(
            "{stopped_by} where entry {} was: a mark at byte {pos} says that all before {} was durable",
            at.index, mark.durable
        );
        return Err(Error::corrupt(path, at.pos, what));
    }
    Ok(End { at, durable, unsure })
}

/// A mark behind the end that says that more was durable. Marks of earlier epochs speak of bytes that were given up.
fn promise<F: Framing>(
    framing: &F,
    path: &Path,
    file: &dyn File,
    size: u64,
    end: &Waypoint,
) -> Result<Option<(u64, Mark)>> {
    const AT_ONCE: usize = 1 << 20;
    let mut pos = end.pos;
    while F::MARK_LEN > 0 && size.saturating_sub(pos) >= F::MARK_LEN as u64 {
        let bytes = fetch(file, path, size, pos, AT_ONCE)?;
        match framing.find_mark(end.epoch, &bytes) {
            Some((at, mark)) if mark.durable > end.index => return Ok(Some((pos + at as u64, mark))),
            Some((at, _)) => pos += at as u64 + 1,
            // A mark may lie across two looks.
            None => pos += (bytes.len() - (F::MARK_LEN - 1)) as u64,
        }
    }
    Ok(None)
}

impl<F: Framing> Shared<F> {
    pub(super) fn open(vfs: Arc<dyn Vfs>, dir: &Path, mut options: LogOptions, framing: F) -> Result<Arc<Self>> {
        options.check()?;
        vfs.make_dir(dir).map_err(Error::io("create", dir))?;
        list::<F>(&*vfs, dir)?;
        let lock = lock(&*vfs, &dir.join(LOCK))?;
        // Once more: whoever held the lock until now may have changed them.
        let listing = list::<F>(&*vfs, dir)?;
        let newest = listing.segments.keys().next_back().copied().unwrap_or(0);
        listing.segments.last_key_value().map_or(Ok(()), |(epoch, segment)| check_epoch(*epoch, &segment.path, 0))?;
        let (watermark, promise) = match F::MARK_LEN {
            0 => Watermark::open(&*vfs, dir).map(|(watermark, promise)| (Some(Mutex::new(watermark)), promise))?,
            _ => (None, None),
        };
        if let Some(Promise { epoch, .. }) = promise.filter(|promise| promise.epoch > newest) {
            let what = format!("segment {epoch:016x}, of which the watermark speaks, is missing");
            return Err(Error::corrupt(dir, 0, what));
        }
        let (chain, mut debris) = chain(dir, listing.segments)?;
        debris.extend(listing.replaced);
        let fresh = chain.is_empty();
        let segments: Vec<_> = match fresh {
            true => vec![Arc::new(Segment::new::<F>(dir, 1, 0, options.first))],
            false => chain.into_iter().map(Arc::new).collect(),
        };
        let last = segments.last().expect("one was made if there was none").clone();
        let mut tail = Tail {
            segments: Arc::new(segments),
            timeline: 0,
            next: last.first,
            pos: body::<F>(),
            epoch: newest.max(1),
            latest: NEVER,
            sum: 0,
            rolls: false,
            waypoint_from: body::<F>() + STRIDE,
            ticket: 0,
            taken: 0,
            gathering: None,
            durable: last.first,
            filling: Vec::new(),
            filling_bytes: 0,
            flushing: Arc::default(),
            busy: false,
            run: Vec::new(),
            stopped: false,
            watchers: Vec::new(),
        };
        let (mut marked, mut unsure) = (last.first, body::<F>());
        if !fresh {
            let file = last.open::<F>(&*vfs, Open::Write)?;
            // Of an older segment it says nothing that a newer one does not say.
            let promised = promise.filter(|promise| promise.epoch == last.epoch);
            let durable = promised.map_or(last.first, |promise| promise.durable.max(last.first));
            let end = find_end(&framing, &last, &**file, durable)?;
            check_epoch(end.at.epoch, &last.path, end.at.pos)?;
            last.cut_to(end.at.pos);
            (tail.next, tail.pos, tail.epoch) = (end.at.index, end.at.pos, end.at.epoch.max(newest) + 1);
            (tail.latest, tail.sum) = (end.at.latest, end.at.sum);
            tail.waypoint_from = tail.pos + STRIDE;
            tail.durable = tail.next;
            (marked, unsure) = (end.durable, end.unsure);
            if tail.next == last.first && last.generation == 0 {
                // Nothing was ever written to it, maybe because its name could not be made durable. A name that one sync of
                // the directory has failed to keep need not be kept by the next: it gets another file.
                let anew = Segment::new::<F>(dir, last.epoch, last.previous, last.first);
                *Arc::make_mut(&mut tail.segments).last_mut().expect("it is the last one") = Arc::new(anew);
                (tail.pos, tail.waypoint_from, unsure) = (body::<F>(), body::<F>() + STRIDE, body::<F>());
            }
        }
        let shared = Arc::new(Shared {
            framing,
            vfs,
            dir: dir.to_owned(),
            tail: Mutex::new(tail),
            turn: Turn::default(),
            io: Mutex::new(Io::new(marked)),
            syncing: Mutex::default(),
            spares: Mutex::new(Spares::default()),
            trimming: Mutex::default(),
            places: Mutex::default(),
            watermark,
            job: OnceLock::new(),
            stopped: OnceLock::new(),
            safe: AtomicU64::new(0),
            counts: Counts::default(),
            lock: Mutex::new(Some(lock)),
            options,
        });
        shared.drop_indexes(&listing.indexes)?;
        let begun = shared.begin_life(listing.spares, debris, (!fresh).then_some((marked, unsure)));
        // Dropping it must not write what was not made sure of.
        begun.inspect_err(|error| shared.stop(error.clone()))?;
        let weak = Arc::downgrade(&shared);
        let step = Box::new(move || weak.upgrade().map_or(Progress::Done, |shared| shared.step()));
        let job = shared.options.jobs.spawn("log", step);
        shared.job.set(job).expect("nobody else sets it");
        Ok(shared)
    }

    /// What is done to the files before the log is used. `durable`: what is known to be so; none for a new log.
    fn begin_life(&self, spares: Vec<String>, debris: Vec<Segment>, durable: Option<(Index, u64)>) -> Result<()> {
        spares.iter().try_for_each(|name| self.adopt(name))?;
        let last = self.tail.lock().last().clone();
        match durable {
            Some((durable, unsure)) => {
                // A name that was found may not be durable, if an earlier life failed to sync it.
                self.sync_dir()?;
                self.discard(&mut debris.into_iter().map(Arc::new).collect())?;
                if last.begun().is_none() {
                    match self.begin(&last, self.options.segment_bytes) {
                        Err(error) if error.is_full() => {
                            last.open::<F>(&*self.vfs, Open::Write)?;
                            last.cut_to(body::<F>());
                        }
                        begun => begun?,
                    }
                }
                self.give_up_tail(&last, durable, unsure)
            }
            // Its first segment begins when something is to be written: of many logs some may never be.
            None => Ok(()),
        }
    }

    /// Makes sure that nothing behind the end is ever taken for a part of the log, before anything new is written there.
    ///
    /// With marks, a new epoch begins; without, the file is cut.
    fn give_up_tail(&self, last: &Segment, durable: Index, unsure: u64) -> Result<()> {
        let file = last.begun().expect("it was read to its end");
        let mut tail = self.tail.lock();
        // A sync that failed leaves pages in the cache that are not on the disk and that no later sync writes. What was
        // read from such a page is a part of the log from now on, so it is written again.
        let mut chunk = vec![0; (tail.pos - unsure.min(tail.pos)).min(1 << 20) as usize];
        let mut at = unsure;
        while at < tail.pos {
            let len = chunk.len().min((tail.pos - at) as usize);
            file.read_exact_at(&mut chunk[..len], at).map_err(Error::io("read", &last.path))?;
            file.write_all_at(&chunk[..len], at).map_err(Error::io("write", &last.path))?;
            at += len as u64;
        }
        if F::MARK_LEN > 0 {
            let mut bytes = vec![0; F::MARK_LEN];
            self.framing.put_mark(Mark { epoch: tail.epoch, next: tail.next, durable }, &mut bytes);
            file.write_all_at(&bytes, tail.pos).map_err(Error::io("write", &last.path))?;
            tail.pos += bytes.len() as u64;
            last.wrote(tail.pos);
        } else if file.len().map_err(Error::io("measure", &last.path))? > tail.pos {
            file.set_len(tail.pos).map_err(Error::io("cut", &last.path))?;
            if !F::BARE {
                let share = self.share(tail.pos, self.options.segment_bytes);
                file.allocate(share).map_err(Error::io("allocate", &last.path))?;
            }
        }
        file.sync().map_err(Error::io("sync", &last.path))?;
        let promise = Promise { epoch: last.epoch, durable: tail.next };
        drop(tail);
        self.raise_watermark(promise, 0);
        if let Some(watermark) = &self.watermark {
            watermark.lock().rest();
        }
        Ok(())
    }
}
