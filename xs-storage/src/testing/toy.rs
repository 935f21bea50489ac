//! The smallest engine that keeps its promises on a disk, and the mistakes that the suites must find in it.
//!
//! One file: a body that was put there as a whole, and batches appended since.
//!
//! ```text
//!   body length (8)  hash of length and body (8)  body  │  frame  frame  …
//!                                          frame: length (8)  hash of length and batch (8)  batch
//! ```
//!
//! Opening reads it into memory, leaves out what is torn at the end, and puts it back as a body: so it does not matter
//! whether what it read was on the disk or only in a cache.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use xs_os::vfs::{File, Open, Vfs, VfsExt};

use super::crash::{self, Crashes};
use super::failures::{self, Failures};
use super::rot::{self, Flips};
use super::{Machine, Subject, engine};
use crate::engine::{
    Commit, Cursor, Durability, Engine, KeyRange, MemoryEngine, Op, ReadView, Settle, Stats, WriteBatch,
};
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    AcknowledgesEarly,
    ForgetsDirectories,
    TriesSyncsAgain,
    TrustsBytes,
    OverwritesInPlace,
    AnswersFromTornTail,
}

struct Toy {
    memory: MemoryEngine,
    file: Arc<Journal>,
}

struct Journal {
    vfs: Arc<dyn Vfs>,
    file: Mutex<Arc<dyn File>>,
    state: Mutex<State>,
    mistake: Mistake,
}

#[derive(Default)]
struct State {
    end: u64,
    /// Batches written, and those of them that are durable.
    written: u64,
    synced: u64,
    stopped: Option<Error>,
}

const PATH: &str = "toy/file";

fn fail(action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    Error::io(action, Path::new(PATH))
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u64).to_le_bytes();
    [&len[..], &hash(&[&len[..], bytes].concat()), bytes].concat()
}

/// FNV-1a: each step can be undone, so one flipped bit always shows.
fn hash(bytes: &[u8]) -> [u8; 8] {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, step).to_le_bytes()
}

/// The first frame of some bytes, if it is whole, and what is behind it.
fn take(bytes: &[u8], mistake: Mistake) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(16)?;
    let len = u64::from_le_bytes(head[..8].try_into().ok()?);
    let (batch, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let right = head[8..] == hash(&[&head[..8], batch].concat());
    (right || mistake == Mistake::TrustsBytes).then_some((batch, rest))
}

impl Toy {
    fn open(vfs: Arc<dyn Vfs>, mistake: Mistake) -> Result<Toy> {
        let (dir, path) = (Path::new("toy"), Path::new(PATH));
        vfs.create_dir(dir).map_err(fail("create"))?;
        let bytes = match vfs.read(path, 1 << 24) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => frame(b""),
            read => read.map_err(fail("read"))?,
        };
        let (mut body, mut rest) =
            take(&bytes, mistake).ok_or_else(|| Error::corrupt(path, 0, "the body's checksum"))?;
        let memory = MemoryEngine::new();
        let mut kept = Vec::new();
        let mut apply = |batch: &[u8]| {
            let batch = WriteBatch::from_bytes(batch).map_err(|error| Error::corrupt(path, 16, error.to_string()))?;
            kept.extend(frame(batch.as_bytes()));
            memory.submit(batch, Durability::Buffered).map(drop)
        };
        while let Some((batch, rest)) = take(body, mistake) {
            apply(batch)?;
            body = rest;
        }
        while let Some((batch, behind)) = take(rest, mistake) {
            apply(batch)?;
            rest = behind;
        }
        if mistake == Mistake::AnswersFromTornTail && rest.len() > 16 {
            // A frame that is not whole: as if its bytes were the batch that they began as.
            let (_, torn) = rest.split_at(16);
            (0..torn.len()).rev().find_map(|len| apply(&torn[..len]).ok());
        }
        let whole = frame(&kept);
        if mistake == Mistake::OverwritesInPlace {
            let file = vfs.open(path, Open::Create).map_err(fail("open"))?;
            file.write_all_at(&whole, 0).and_then(|()| file.set_len(whole.len() as u64)).map_err(fail("write"))?;
            file.sync().map_err(fail("sync"))?;
            vfs.sync_dir(dir).map_err(fail("sync"))?;
        } else {
            vfs.replace(path, &whole).map_err(fail("replace"))?;
        }
        if mistake != Mistake::ForgetsDirectories {
            vfs.sync_dir(Path::new("")).map_err(fail("sync"))?;
        }
        let file = Mutex::new(vfs.open(path, Open::Write).map_err(fail("open"))?);
        let state = Mutex::new(State { end: whole.len() as u64, ..State::default() });
        Ok(Toy { memory, file: Arc::new(Journal { vfs, file, state, mistake }) })
    }
}

impl Journal {
    fn stop<T>(&self, state: &mut State, done: std::io::Result<T>, action: &'static str) -> Result<T> {
        done.map_err(fail(action)).inspect_err(|error| {
            if self.mistake != Mistake::TriesSyncsAgain {
                state.stopped = Some(error.clone().stopped());
            }
        })
    }

    fn append(&self, batch: &WriteBatch) -> Result<u64> {
        let mut state = self.state.lock();
        state.stopped.clone().map_or(Ok(()), Err)?;
        let frame = frame(batch.as_bytes());
        let written = self.file.lock().write_all_at(&frame, state.end);
        self.stop(&mut state, written, "write")?;
        state.end += frame.len() as u64;
        state.written += 1;
        Ok(state.written)
    }
}

impl Settle for Journal {
    fn wait(&self, position: u64) -> Result<()> {
        let mut state = self.state.lock();
        if state.synced >= position || self.mistake == Mistake::AcknowledgesEarly {
            return Ok(());
        }
        state.stopped.clone().map_or(Ok(()), Err)?;
        let written = state.written;
        let synced = self.file.lock().sync();
        self.stop(&mut state, synced, "sync")?;
        state.synced = written;
        Ok(())
    }

    fn poll_wait(&self, position: u64, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.wait(position))
    }
}

impl ReadView for Toy {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.memory.get(key)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        self.memory.cursor(range)
    }
}

impl Engine for Toy {
    fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        let end = self.file.append(&batch)?;
        drop(self.memory.submit(batch, durability)?);
        match durability {
            Durability::Buffered => Ok(Commit::done()),
            Durability::Synced => Ok(Commit::pending(self.file.clone(), end)),
        }
    }

    fn snapshot(&self) -> Result<Arc<dyn ReadView>> {
        self.memory.snapshot()
    }

    /// Puts what there is into the place of the file, as one batch.
    fn flush(&self) -> Result<()> {
        let mut all = WriteBatch::new();
        let mut cursor = self.memory.cursor(KeyRange::all())?;
        while cursor.next()? {
            all.extend([Op::Put(cursor.key(), cursor.value()?)]);
        }
        let whole = frame(&frame(all.as_bytes()));
        let (journal, path) = (&self.file, Path::new(PATH));
        let mut state = journal.state.lock();
        state.stopped.clone().map_or(Ok(()), Err)?;
        let replaced = journal.vfs.replace(path, &whole).and_then(|()| journal.vfs.open(path, Open::Write));
        *journal.file.lock() = journal.stop(&mut state, replaced, "replace")?;
        (state.end, state.synced) = (whole.len() as u64, state.written);
        Ok(())
    }

    fn stats(&self) -> Stats {
        self.memory.stats()
    }
}

struct Toys(Mistake);

impl Subject for Toys {
    type Engine = Toy;

    fn open(&self, machine: &Machine) -> Result<Toy> {
        Toy::open(machine.vfs.clone(), self.0)
    }
}

/// Whether a suite panics with a text that has this in it.
fn finds(suite: impl FnOnce()) -> Option<String> {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(suite)).err()?;
    Some(panic.downcast_ref::<String>().expect("suites panic with a text").clone())
}

#[test]
fn it_passes_every_suite() {
    let toy = Toys(Mistake::None);
    engine::check(&|| Toys(Mistake::None));
    let crashes = crash::check(&toy, &Crashes::new(1_500));
    assert!(crashes.distinct >= 1_500, "{crashes}");
    let failures = failures::check(&toy, &Failures::default());
    assert!(failures.refused > 10 && failures.stopped > 100, "{failures}");
    let flips = rot::check(&toy, &Flips { flush: true, tail: 0, bits: 1_000, ..Flips::default() });
    assert!(flips.detected == flips.flipped && flips.flipped > 900, "{flips}: a checksum over everything");
    println!("{crashes}\n{failures}\n{flips}");
}

#[test]
fn crashes_find_mistakes_and_replay_them() {
    let crashes = Crashes::new(1_500);
    for mistake in [
        Mistake::AcknowledgesEarly,
        Mistake::ForgetsDirectories,
        Mistake::TrustsBytes,
        Mistake::OverwritesInPlace,
        Mistake::AnswersFromTornTail,
    ] {
        let toy = Toys(mistake);
        let text = finds(|| _ = crash::check(&toy, &crashes)).unwrap_or_else(|| panic!("{mistake:?} is not found"));
        let line = text.lines().last().and_then(|line| line.split('"').nth(1)).expect("a line to replay");
        let seed = text.split(['d', ',']).nth(1).and_then(|seed| seed.trim().parse().ok()).expect("a seed");
        let again = finds(|| crash::replay(&toy, &crashes, seed, line)).expect("the same crash fails again");
        assert_eq!(again, text, "{mistake:?}");
    }
}

#[test]
fn failures_find_what_tries_a_failed_sync_again() {
    let text = finds(|| _ = failures::check(&Toys(Mistake::TriesSyncsAgain), &Failures::default()));
    assert!(text.expect("found").contains("and one behind it succeeded"));
}

#[test]
fn flipped_bits_find_missing_checksums() {
    let flips = Flips { flush: true, tail: 0, ..Flips::default() };
    assert!(finds(|| _ = rot::check(&Toys(Mistake::TrustsBytes), &flips)).expect("found").contains("flipped"));
}
