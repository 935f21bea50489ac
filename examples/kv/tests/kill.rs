//! A process is killed in the middle of its writes, again and again, and the store must hold what was acknowledged.
//!
//! ```text
//!   this test ──starts itself──▶ writer: four threads, each batch after batch of its own keys
//!      ▲                              │ "thread 2 has batch 117"  once batch 117 is durable
//!      ├──────────── a pipe ──────────┘
//!      ├── kill -9, after so many lines, or so long after the start: while it recovers
//!      └── opens the store: of each thread exactly the batches 1 … k, and k no less than the pipe said
//! ```
//!
//! What a batch writes follows from the seed, the thread and the batch's number, so that the test knows every state that
//! the store may be in. The sizes are small: logs, memtables and tables fill up many times in the life of a writer, and
//! kills strike checkpoints, flushes and compactions, too.
//!
//! A kill keeps what the operating system has cached, so this proves the order of writes and the recovery of a real
//! directory; the fsyncs are proved by the crash exploration of `xs_storage::testing::crash`.
//!
//! `XS_KILLS=200 cargo test --release -p xs-kv --test kill` for a long run.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use xs_os::Rng;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};
use xs_storage::lsm::{self, Lsm};

/// Writers of one process.
const THREADS: usize = 4;
/// The keys of a thread.
const SLOTS: u64 = 300;
/// So many kills in a run of all tests.
const KILLS: usize = 8;

/// The variable that makes this program a writer, and the ones that tell it of what.
const WRITER: &str = "XS_KILL_WRITER";

#[test]
fn btree_loses_nothing_that_was_acknowledged() {
    Tale::new("btree").run("btree_loses_nothing_that_was_acknowledged");
}

#[test]
fn lsm_loses_nothing_that_was_acknowledged() {
    Tale::new("lsm").run("lsm_loses_nothing_that_was_acknowledged");
}

/// A store that can check itself.
type Opened = (Arc<dyn Engine>, Box<dyn Fn() -> xs_storage::Result<()>>);

fn open(engine: &str, dir: &Path) -> xs_storage::Result<Opened> {
    if engine == "btree" {
        let tree = Arc::new(BTree::open(dir, btree::Options { log_bytes: 128 << 10, ..Default::default() })?);
        Ok((tree.clone(), Box::new(move || tree.check().map(drop))))
    } else {
        let tree = Arc::new(Lsm::open(dir, lsm::Options { memtable_bytes: 32 << 10, ..lsm::Options::tiny() })?);
        Ok((tree.clone(), Box::new(move || tree.check().map(drop))))
    }
}

/// Opens what another process has just let go of. The other test may be between fork and exec right then, and the copy of
/// that process holds every lock of this one for as long.
fn open_patiently(engine: &str, dir: &Path) -> xs_storage::Result<Opened> {
    for _ in 0..500 {
        match open(engine, dir) {
            Err(xs_storage::Error::Locked { .. }) => thread::sleep(Duration::from_millis(10)),
            outcome => return outcome,
        }
    }
    open(engine, dir)
}

fn key(thread: usize, slot: u64) -> Vec<u8> {
    format!("{thread}/{slot:04}").into_bytes()
}

/// Under which a thread keeps the number of its last batch.
fn last_key(thread: usize) -> Vec<u8> {
    format!("{thread}/last").into_bytes()
}

/// What a thread writes in its batch of that number, as a batch and into a model.
fn write(seed: u64, thread: usize, nth: u64, batch: &mut WriteBatch, model: &mut Model) {
    let mut rng = Rng::from_seed(seed).fork(&format!("{thread}/{nth}"));
    for _ in 0..rng.below(12) {
        let slot = rng.below(SLOTS);
        match rng.below(12) {
            0 => {
                batch.delete(&key(thread, slot));
                model.remove(&key(thread, slot));
            }
            1 => {
                let (from, to) = (key(thread, slot), key(thread, slot + rng.below(20)));
                batch.delete_range(&from, &to);
                model.retain(|key, _| *key < from || *key >= to);
            }
            long => {
                // Some are long enough for pages or files of their own.
                let len = rng.below(if long == 2 { 6000 } else { 200 }) as usize;
                let value: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
                batch.put(&key(thread, slot), &value);
                model.insert(key(thread, slot), value);
            }
        }
    }
    // Behind all the others: a batch that is there in part has no number, or the wrong rest.
    batch.put(&last_key(thread), &nth.to_le_bytes());
    model.insert(last_key(thread), nth.to_le_bytes().to_vec());
}

/// The life of a writer: it ends with the process.
fn writer(engine: &str, dir: &Path, seed: u64) -> ! {
    let (store, _) = open_patiently(engine, dir).expect("what a kill left opens");
    let threads: Vec<_> = (0..THREADS).map(|thread| (thread, store.clone())).collect();
    thread::scope(|scope| {
        for (thread, store) in threads {
            scope.spawn(move || {
                let last = store.get(&last_key(thread)).expect("a read").map_or(0, |nth| number(&nth));
                for nth in last + 1.. {
                    let mut batch = WriteBatch::new();
                    write(seed, thread, nth, &mut batch, &mut Model::new());
                    // One in five is told of by the next: durable with it, or lost.
                    if nth % 5 == 0 {
                        drop(store.submit(batch, Durability::Buffered).expect("a write"));
                        continue;
                    }
                    store.submit(batch, Durability::Synced).and_then(|commit| commit.wait()).expect("a durable write");
                    // One call of the system, so that lines of two threads don't mix.
                    let line = format!("has {thread} {nth}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("the pipe is read");
                }
            });
        }
    });
    unreachable!("the threads write for ever");
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the test knows of a store.
struct Tale {
    engine: &'static str,
    seed: u64,
    /// By thread, the last batch that was told to be durable.
    told: [u64; THREADS],
    /// By thread, the last batch that was found, and all that the thread's batches up to it have left.
    found: [(u64, Model); THREADS],
}

impl Tale {
    fn new(engine: &'static str) -> Self {
        Tale { engine, seed: 1, told: [0; THREADS], found: Default::default() }
    }

    /// Kills writers of a store. The writer is this test, run again with its name and variables that say so.
    fn run(mut self, test: &str) {
        if let Ok(dir) = env::var(WRITER) {
            writer(self.engine, Path::new(&dir), self.seed);
        }
        let kills = env::var("XS_KILLS").map_or(KILLS, |kills| kills.parse().expect("XS_KILLS is a number"));
        let dir = tempfile::tempdir().expect("a directory");
        let mut rng = Rng::from_seed(self.seed).fork(self.engine);
        let (mut batches, mut recoveries) = (0, 0);
        for kill in 0..kills {
            let told: u64 = self.told.iter().sum();
            let mut writer = Command::new(env::current_exe().expect("this program"))
                .args([test, "--exact", "--nocapture", "--test-threads=1"])
                .env(WRITER, dir.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("this program starts");
            self.kill(&mut writer, &mut rng);
            let told = self.told.iter().sum::<u64>() - told;
            batches += told;
            recoveries += u64::from(told == 0);
            // Some stores meet the next writer, and the next kill, just as this one left them.
            if rng.below(3) > 0 || kill + 1 == kills {
                self.look(dir.path()).unwrap_or_else(|what| panic!("after kill {kill}: {what}"));
            }
        }
        assert!(batches > 20 * kills as u64, "{batches} batches in {kills} lives: the writers wrote next to nothing");
        println!("{}: {kills} kills, {batches} batches told of, {recoveries} killed before the first", self.engine);
    }

    /// Listens to a writer for a while, kills it, and hears the rest of what it said.
    fn kill(&mut self, writer: &mut Child, rng: &mut Rng) {
        let mut lines = BufReader::new(writer.stdout.take().expect("a pipe")).lines();
        if rng.chance(0.2) {
            // While it starts or recovers.
            thread::sleep(Duration::from_micros(rng.below(20_000)));
        } else {
            let enough = 1 + rng.below(600);
            let heard =
                lines.by_ref().map_while(Result::ok).filter(|line| self.hear(line)).take(enough as usize).count();
            if heard < enough as usize {
                let mut said = String::new();
                let mut stderr = writer.stderr.take().expect("a pipe");
                std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
                panic!("the writer ended by itself: {said}");
            }
            thread::sleep(Duration::from_micros(rng.below(3000)));
        }
        // SIGKILL.
        writer.kill().expect("a process that runs");
        for line in lines.map_while(Result::ok) {
            self.hear(&line);
        }
        writer.wait().expect("the end of a child");
    }

    /// False for what the test's own harness prints.
    fn hear(&mut self, line: &str) -> bool {
        let Some((thread, nth)) = line.strip_prefix("has ").and_then(|rest| rest.split_once(' ')) else { return false };
        let thread: usize = thread.parse().expect("a thread");
        self.told[thread] = nth.parse().expect("a batch");
        true
    }

    /// Everything that was told is there, every batch whole, and the store finds nothing wrong with itself.
    fn look(&mut self, dir: &Path) -> Result<(), String> {
        let (store, check) = open_patiently(self.engine, dir).map_err(|error| format!("opening: {error}"))?;
        check().map_err(|error| format!("the engine's own check: {error}"))?;
        let mut expected = Model::new();
        for (thread, (at, model)) in self.found.iter_mut().enumerate() {
            let last = store.get(&last_key(thread)).map_err(|error| error.to_string())?.map_or(0, |nth| number(&nth));
            let told = self.told[thread];
            if last < told || last < *at {
                return Err(format!("thread {thread} was told that batch {told} is durable, and the last is {last}"));
            }
            for nth in *at + 1..=last {
                write(self.seed, thread, nth, &mut WriteBatch::new(), model);
            }
            *at = last;
            expected.extend(model.clone());
        }
        let mut cursor = store.cursor(KeyRange::all()).map_err(|error| error.to_string())?;
        let mut expected = expected.into_iter();
        while cursor.next().map_err(|error| error.to_string())? {
            let (key, value) = expected.next().unwrap_or_default();
            if cursor.key() != key || cursor.value().map_err(|error| error.to_string())? != value {
                let found = String::from_utf8_lossy(cursor.key()).into_owned();
                return Err(format!("under {found} is not what was written under {}", String::from_utf8_lossy(&key)));
            }
        }
        match expected.next() {
            Some((key, _)) => Err(format!("{} is missing", String::from_utf8_lossy(&key))),
            None => Ok(()),
        }
    }
}
