//! Bytes that change on a node's disk while it is down: it says so and ends, or it serves what is right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xs_os::Rng;

use crate::cluster::{MS, Processes};
use crate::common::Client;

/// All files below a directory, by their path from there.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let there = to.join(&file);
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), there).unwrap();
    }
}

fn flip(file: &Path, at: usize, bit: u32) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// So many keys are written before there is a snapshot.
const KEYS: u64 = 200;

/// How a node took it.
#[derive(Debug, PartialEq, Eq)]
enum Took {
    /// It ended with code 3, and said this.
    Refused(String),
    /// It serves; so many of its answers were errors.
    Served { errors: usize },
}

/// Three nodes, of which the last was down for long enough to be given a snapshot, and is down again.
struct Damaged {
    cluster: Processes,
    node: u64,
    expected: BTreeMap<String, String>,
}

impl Damaged {
    async fn prepare(arguments: &[&str]) -> Damaged {
        // Nobody is elected while copies of the node come and go: one copy would take note of the new leader's first entry,
        // the next would know nothing of it, and a node that loses what it has acknowledged is another test's.
        let ours = ["--log-bytes", "16384", "--log-entries", "10", "--election-timeout", "3000"];
        let arguments = [arguments, &ours].concat();
        let mut cluster = Processes::start_with(3, &arguments).await;
        let node = cluster.follower().await;
        let leader = cluster.leader().await;
        let mut client = Client::to(cluster.addr(leader)).await.unwrap();
        let mut expected = BTreeMap::new();
        cluster.kill(node);
        // More than the leader keeps in memory, and than stays in its log.
        for n in 0..KEYS {
            let (key, value) = (format!("key:{n:03}"), format!("value-{n:04}-{}", "x".repeat(40_000)));
            assert_eq!(client.ask(&format!("SET {key} {value}")).await, "OK");
            expected.insert(key, value);
        }
        let mut first = 0;
        while first < KEYS / 2 {
            assert_eq!(client.ask("RAFT COMPACT").await, "OK");
            cluster.timer.sleep(20 * MS).await;
            let info = client.ask("INFO").await;
            let told = info.split("raft_log_first:").nth(1).and_then(|rest| rest.lines().next());
            first = told.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        }
        cluster.run(node);
        cluster.said(node, "has taken the place of the state").await;
        // Entries behind the snapshot, which stand in its log.
        for n in KEYS..KEYS + 12 {
            let (key, value) = (format!("key:{:03}", n - KEYS), format!("value-{n:04}-{}", "y".repeat(500)));
            assert_eq!(client.ask(&format!("SET {key} {value}")).await, "OK");
            expected.insert(key, value);
        }
        cluster.leader().await;
        let mut damaged = Damaged { cluster, node, expected };
        assert_eq!(damaged.compare().await, 0, "an undamaged node answers all");
        damaged.cluster.kill(node);
        damaged
    }

    fn dir(&self) -> PathBuf {
        self.cluster.data_dir(self.node)
    }

    /// Whether all that the node has itself is right; the number of keys that it answers with an error.
    async fn compare(&self) -> usize {
        let mut client = Client::to(self.cluster.addr(self.node)).await.unwrap();
        let mut errors = 0;
        // The first reads wait until it has what the others have.
        for way in ["READWRITE", "READONLY"] {
            errors += usize::from(client.try_ask(way).await.as_deref() != Some("OK"));
            for (key, value) in &self.expected {
                match client.try_ask(&format!("GET {key}")).await {
                    Some(answer) if !answer.starts_with("ERR") && !answer.starts_with("CLUSTERDOWN") => {
                        assert!(answer == *value, "{way} {key}: {answer}, and {value} was written");
                    }
                    _ => errors += 1,
                }
            }
        }
        errors
    }

    /// Starts the node in a copy of its directory that `damage` has changed.
    async fn with(&mut self, damage: impl FnOnce(&Path)) -> Took {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.dir(), dir.path());
        damage(dir.path());
        let before = self.cluster.log(self.node).len();
        self.cluster.run_in(self.node, dir.path());
        loop {
            let ended = self.cluster.running.get_mut(&self.node).unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                self.cluster.running.remove(&self.node);
                let said = self.cluster.log(self.node).split_off(before);
                assert_eq!(status.code(), Some(3), "{status}: {said}");
                return Took::Refused(said);
            }
            if self.cluster.says(self.node).await.is_some() {
                break;
            }
            self.cluster.timer.sleep(10 * MS).await;
        }
        let errors = self.compare().await;
        self.cluster.kill(self.node);
        Took::Served { errors }
    }
}

/// A bit of every file, one after the other, at places that a seed draws.
async fn stands_flips(arguments: &[&str]) {
    let flips: usize = std::env::var("XS_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut damaged = Damaged::prepare(arguments).await;
    let mut rng = Rng::from_seed(7);
    let (mut refused, mut served, mut unread) = (0, 0, 0);
    for file in files(&damaged.dir()) {
        let len = fs::metadata(damaged.dir().join(&file)).unwrap().len() as usize;
        for _ in 0..flips.min(len) {
            let (at, bit) = (rng.index(len), rng.below(8) as u32);
            let took = damaged.with(|dir| flip(&dir.join(&file), at, bit)).await;
            let name = file.file_name().unwrap().to_string_lossy();
            match took {
                Took::Refused(said) => {
                    refused += 1;
                    let told = said.lines().last().unwrap_or_default();
                    println!("{} bit {bit} of byte {at} of {len}: refused: {told}", file.display());
                    assert!(told.contains("xs-distributed-kv: "), "{name}: {said}");
                }
                Took::Served { errors } => {
                    println!("{} bit {bit} of byte {at} of {len}: served, {errors} errors", file.display());
                    served += 1;
                    unread += errors;
                }
            }
        }
    }
    println!("{refused} refused, {served} served with {unread} errors, and nothing wrong");
    assert!(refused > 0);
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_is_noticed_or_does_no_harm() {
    stands_flips(&[]).await;
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_of_a_merge_tree_is_noticed_or_does_no_harm() {
    stands_flips(&["--engine", "lsm"]).await;
}

/// A write that was acknowledged, and has others behind it, can't be taken for one that a crash has torn.
#[tokio::test]
async fn a_damaged_entry_or_value_is_refused_by_name_and_never_served() {
    let mut damaged = Damaged::prepare(&[]).await;
    let mut found = BTreeMap::new();
    for file in files(&damaged.dir()) {
        let bytes = fs::read(damaged.dir().join(&file)).unwrap();
        if let Some(at) = find(&bytes, b"value-0204-") {
            found.insert(file, at + 7);
        }
    }
    let in_log = |file: &Path| file.starts_with("raft/log");
    assert!(found.keys().any(|file| in_log(file)), "the log has it: {found:?}");
    for (file, at) in found {
        let took = damaged.with(|dir| flip(&dir.join(&file), at, 0)).await;
        println!("{}: {took:?}", file.display());
        if in_log(&file) {
            let Took::Refused(said) = took else { panic!("{}: {took:?}", file.display()) };
            assert!(said.contains(&*file.file_name().unwrap().to_string_lossy()), "{said}");
        }
    }
}
