//! How a replica is driven: who wakes whom, and when it wants to be polled.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use xs_os::vfs::MemoryVfs;
use xs_os::{Clock, Rng, SteppedJobs, ThreadJobs, VirtualClock};

use super::List;
use crate::raft::{ClusterId, Membership, NodeId};
use crate::raft_store::Start;
use crate::replica::{Event, Outcome, Replica, ReplicaOptions, Token};

/// Counts, and wakes a thread.
struct Woken(AtomicU64, std::thread::Thread);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.unpark();
    }
}

fn alone(jobs: Arc<dyn xs_os::Jobs>, clock: &VirtualClock) -> Replica<List> {
    let options = ReplicaOptions {
        compact_after_bytes: 2000,
        keep_entries: 3,
        jobs,
        ..ReplicaOptions::new(ClusterId(1), NodeId(1))
    };
    let start = Start::Create(Membership::of(vec![NodeId(1)]).unwrap());
    let (disk, rng) = (Arc::new(MemoryVfs::new()), Rng::from_seed(1));
    Replica::open(disk, Path::new("node"), start, List::default(), options, rng, clock.now()).unwrap()
}

fn woken() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken(AtomicU64::new(0), std::thread::current()));
    (woken.clone(), woken.into())
}

#[test]
fn a_replica_can_be_driven_by_any_thread() {
    fn can<T: Send>() {}
    can::<Replica<List>>();
}

#[test]
fn what_is_waited_for_wakes_the_task_and_nothing_else_does() {
    let (jobs, clock) = (SteppedJobs::new(), VirtualClock::new());
    let mut replica = alone(Arc::new(jobs.clone()), &clock);
    let (woken, waker) = woken();
    let mut cx = Context::from_waker(&waker);
    jobs.run_until_idle(100);
    // Nothing to do until the deadline; then it stands for election, and its vote is on its way to the disk.
    replica.poll(&mut cx, clock.now());
    assert_eq!(jobs.run_until_idle(100), 0);
    clock.advance(replica.next_deadline() - clock.now());
    while replica.leader().is_none() {
        let before = woken.0.load(Ordering::SeqCst);
        replica.poll(&mut cx, clock.now());
        if replica.leader().is_none() {
            assert!(jobs.run_until_idle(100) > 0);
            assert!(woken.0.load(Ordering::SeqCst) > before, "the disk is done");
        }
    }
    replica.propose(clock.now(), Token(1), "x".into()).unwrap();
    replica.poll(&mut cx, clock.now());
    let answered = |replica: &mut Replica<List>| {
        std::iter::from_fn(|| replica.next_event()).any(|event| matches!(event, Event::Proposed { .. }))
    };
    assert!(!answered(&mut replica), "it is not durable");
    jobs.run_until_idle(100);
    replica.poll(&mut cx, clock.now());
    assert!(answered(&mut replica));
}

/// On threads, with nothing but wake-ups: who is not woken waits for ever.
#[test]
#[allow(clippy::disallowed_methods, reason = "a task on a thread of its own")]
fn threads_wake_the_task_for_syncs_and_for_snapshots() {
    let clock = VirtualClock::new();
    let mut replica = alone(Arc::new(ThreadJobs::new()), &clock);
    let (count, waker) = woken();
    let mut cx = Context::from_waker(&waker);
    clock.advance(Duration::from_secs(1));
    let (mut applied, mut made) = (0, 0);
    while applied < 300 || made == 0 {
        replica.poll(&mut cx, clock.now());
        let mut moved = false;
        while let Some(event) = replica.next_event() {
            moved = true;
            match event {
                Event::Proposed { outcome: Outcome::Applied { .. }, .. } => applied += 1,
                Event::SnapshotMade(_) => made += 1,
                _ => {}
            }
        }
        if replica.leader().is_some() && moved && applied < 300 {
            replica.propose(clock.now(), Token(applied), vec![7; 50].into()).unwrap();
        } else {
            let seen = count.0.load(Ordering::SeqCst);
            std::thread::park_timeout(Duration::from_secs(5));
            if count.0.load(Ordering::SeqCst) == seen {
                panic!("applied {applied} made {made} {:#?}", replica);
            }
        }
    }
    assert!(replica.store().failed().is_none());
}
