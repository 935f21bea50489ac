//! Storage engines behind a bridge, on a disk that stands still: one thread runs all tasks, and none of them may wait.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use xs_net::Bridge;
use xs_os::ThreadJobs;
use xs_os::vfs::Vfs;
use xs_os::vfs::faulty::{FaultyVfs, Operation};
use xs_storage::btree::{BTree, Options as BTreeOptions};
use xs_storage::engine::{Commit, Durability, Engine, WriteBatch};
use xs_storage::lsm::{Lsm, Options as LsmOptions};

type Open = fn(Arc<dyn Vfs>) -> Arc<dyn Engine>;

fn btree(vfs: Arc<dyn Vfs>) -> Arc<dyn Engine> {
    let options = BTreeOptions { vfs, log_bytes: 64 << 10, memory: 256 << 10, ..Default::default() };
    Arc::new(BTree::open(Path::new("store"), options).unwrap())
}

fn lsm(vfs: Arc<dyn Vfs>) -> Arc<dyn Engine> {
    Arc::new(Lsm::open(Path::new("store"), LsmOptions { vfs, ..LsmOptions::tiny() }).unwrap())
}

/// An engine on a disk that can be held, the bridge to it, and a task that must go on whatever the disk does.
struct Scene {
    engine: Arc<dyn Engine>,
    disk: FaultyVfs,
    bridge: Bridge,
    open: Open,
    ticks: Arc<AtomicU64>,
    /// Lets go of the disk if the one thread waits for it, so that the test fails instead of standing still, too.
    rescued: Arc<AtomicBool>,
    _done: mpsc::Sender<()>,
}

impl Scene {
    fn new(open: Open) -> Self {
        let disk = FaultyVfs::new(1);
        let (ticks, rescued) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (_done, done) = mpsc::channel();
        tokio::spawn({
            let ticks = ticks.clone();
            async move {
                loop {
                    sleep(Duration::from_millis(1)).await;
                    ticks.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        std::thread::spawn({
            let (ticks, disk, rescued) = (ticks.clone(), disk.clone(), rescued.clone());
            move || {
                let mut before = u64::MAX;
                while done.recv_timeout(Duration::from_secs(5)) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let now = ticks.load(Ordering::Relaxed);
                    if now == before {
                        rescued.store(true, Ordering::Relaxed);
                        disk.release();
                    }
                    before = now;
                }
            }
        });
        let engine = open(Arc::new(disk.clone()));
        Scene { engine, disk, bridge: Bridge::new(Arc::new(ThreadJobs::new()), 2, 4), open, ticks, rescued, _done }
    }

    /// Other tasks run on for a while.
    #[track_caller]
    fn others_go_on(&self) -> impl Future<Output = ()> + '_ {
        let before = self.ticks.load(Ordering::Relaxed);
        async move {
            while self.ticks.load(Ordering::Relaxed) < before + 30 {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(!self.rescued.load(Ordering::Relaxed), "the executor's thread waited for the disk");
        }
    }

    async fn submit(&self, key: &str, value: Vec<u8>) -> xs_storage::Result<Commit> {
        let (engine, mut batch) = (self.engine.clone(), WriteBatch::new());
        batch.put(key.as_bytes(), &value);
        self.bridge.run(move || engine.submit(batch, Durability::Synced)).await
    }

    async fn put(&self, key: &str, value: &[u8]) {
        self.submit(key, value.to_vec()).await.unwrap().await.unwrap();
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let (engine, key) = (self.engine.clone(), key.to_owned());
        self.bridge.run(move || engine.get(key.as_bytes())).await.unwrap().map(|value| value.to_vec())
    }

    /// What a crash at this moment would leave under a key.
    fn durable(&self, key: &str) -> Option<Vec<u8>> {
        let found = (self.open)(Arc::new(self.disk.durable())).get(key.as_bytes()).unwrap();
        found.map(|value| value.to_vec())
    }
}

/// Every test, for each engine.
macro_rules! stamp {
    ($($engine:ident),+) => {
        $(mod $engine {
            stamp!(@ $engine: a_sync_that_stalls_holds_up_its_commits_only writes_that_stall_fill_the_bridge_and_nothing_else
                reads_that_stall_fill_the_bridge_and_nothing_else futures_that_are_dropped_undo_nothing);
        })+
    };
    (@ $engine:ident: $($test:ident)+) => {
        $(#[tokio::test(flavor = "current_thread")]
        async fn $test() {
            super::$test(super::Scene::new(super::$engine)).await;
        })+
    };
}

stamp!(btree, lsm);

async fn a_sync_that_stalls_holds_up_its_commits_only(scene: Scene) {
    scene.put("before", b"1").await;
    scene.disk.hold(Operation::Sync);
    let mut commits = Vec::new();
    for nth in 0..3 {
        let commit = scene.submit(&format!("key{nth}"), b"2".to_vec()).await.unwrap();
        commits.push(tokio::spawn(commit));
    }
    scene.others_go_on().await;
    assert!(commits.iter().all(|commit| !commit.is_finished()), "nothing is durable, so nobody is told that it is");
    assert_eq!(scene.get("key0").await.as_deref(), Some(&b"2"[..]), "reads see it, and go on");
    assert_eq!((scene.durable("before"), scene.durable("key0")), (Some(b"1".to_vec()), None));
    scene.disk.release();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    assert_eq!(scene.durable("key2").as_deref(), Some(&b"2"[..]));
}

async fn writes_that_stall_fill_the_bridge_and_nothing_else(scene: Scene) {
    scene.put("before", b"1").await;
    scene.disk.hold(Operation::Write);
    scene.disk.hold(Operation::Sync);
    // Far more than logs and memtables of this size take without writing.
    let writes: Vec<_> = (0..200).map(|nth| format!("key{nth}")).collect();
    let all = writes.iter().map(async |key| scene.submit(key, vec![7; 2000]).await?.await);
    let mut all = Box::pin(futures::future::try_join_all(all));
    assert!(timeout(Duration::from_millis(50), &mut all).await.is_err(), "durable on a disk that takes nothing");
    scene.others_go_on().await;
    scene.disk.release();
    all.await.unwrap();
    for key in &writes {
        assert_eq!(scene.get(key).await.map(|value| value.len()), Some(2000));
    }
    assert_eq!(scene.durable("key199").map(|value| value.len()), Some(2000));
}

async fn reads_that_stall_fill_the_bridge_and_nothing_else(scene: Scene) {
    for nth in 0..600 {
        drop(scene.submit(&format!("key{nth:03}"), vec![nth as u8; 1000]).await.unwrap());
    }
    let engine = scene.engine.clone();
    scene.bridge.run(move || engine.flush()).await.unwrap();
    scene.disk.hold(Operation::Read);
    // More than the caches hold, so that most must ask the disk.
    let all = (0..600).map(|nth| {
        let scene = &scene;
        async move { scene.get(&format!("key{nth:03}")).await }
    });
    let mut all = Box::pin(futures::future::join_all(all));
    assert!(timeout(Duration::from_millis(50), &mut all).await.is_err(), "every read was answered without the disk");
    scene.others_go_on().await;
    scene.disk.release();
    for (nth, value) in all.await.into_iter().enumerate() {
        assert_eq!(value, Some(vec![nth as u8; 1000]));
    }
}

async fn futures_that_are_dropped_undo_nothing(scene: Scene) {
    scene.disk.hold(Operation::Sync);
    // A commit that is never looked at, one that is dropped while it waits, and one that somebody keeps.
    drop(scene.submit("unseen", b"1".to_vec()).await.unwrap());
    let given_up = scene.submit("given up", b"2".to_vec()).await.unwrap();
    assert!(timeout(Duration::from_millis(10), given_up).await.is_err());
    let kept = tokio::spawn(scene.submit("kept", b"3".to_vec()).await.unwrap());
    // Calls that are dropped while they run, and while they wait for a worker or for a place.
    let engine = scene.engine.clone();
    let flush = scene.bridge.run(move || engine.flush());
    assert!(timeout(Duration::from_millis(10), flush).await.is_err(), "a flush needs the disk");
    let ran = Arc::new(AtomicU64::new(0));
    for _ in 0..10 {
        let (engine, ran) = (scene.engine.clone(), ran.clone());
        let flush = scene.bridge.run(move || {
            ran.fetch_add(1, Ordering::Relaxed);
            engine.flush()
        });
        assert!(timeout(Duration::from_millis(2), flush).await.is_err());
    }
    scene.others_go_on().await;
    assert!(!kept.is_finished());
    scene.disk.release();
    kept.await.unwrap().unwrap();
    for (key, value) in [("unseen", b"1"), ("given up", b"2"), ("kept", b"3")] {
        assert_eq!(scene.get(key).await.as_deref(), Some(&value[..]));
        assert_eq!(scene.durable(key).as_deref(), Some(&value[..]), "the commit behind it covers it");
    }
    assert!(ran.load(Ordering::Relaxed) <= 1, "calls whose task has gone before they began are not made");
    scene.put("after", b"4").await;
    assert_eq!(scene.durable("after").as_deref(), Some(&b"4"[..]));
}
