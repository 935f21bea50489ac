//! Calls that block leave the reactor, and come back.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use xs_net::Bridge;
use xs_os::vfs::faulty::{Cost, FaultyVfs, Operation, Pace};
use xs_os::vfs::{File, Open, Vfs};
use xs_os::{Clock, SteppedJobs, ThreadJobs, VirtualClock};

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn file(disk: &FaultyVfs) -> Arc<dyn File> {
    let file = disk.open(Path::new("file"), Open::Create).unwrap();
    file.write_all_at(b"bytes", 0).unwrap();
    file
}

#[tokio::test(flavor = "current_thread")]
async fn a_disk_that_stalls_stops_nobody_else() {
    let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 2, 16);
    let disk = FaultyVfs::new(1);
    let file = file(&disk);
    disk.hold(Operation::Sync);
    let syncing = tokio::spawn({
        let (bridge, file) = (bridge.clone(), file.clone());
        async move { bridge.run(move || file.sync()).await }
    });
    // Other tasks of this one thread go on, and so do other calls of the pool.
    for _ in 0..100 {
        let file = file.clone();
        let mut bytes = [0; 5];
        let read = bridge.run(move || file.read_at(&mut bytes, 0).map(|_| bytes)).await;
        assert_eq!(&read.unwrap(), b"bytes");
    }
    assert!(!syncing.is_finished());
    assert_eq!(disk.pending(), 2, "the sync stands still: a name and some bytes are not durable");
    disk.release();
    syncing.await.unwrap().unwrap();
    assert_eq!(disk.pending(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn no_more_calls_at_once_than_workers() {
    let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 3, 2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls = (0..50).map(|nth| {
        let (running, most) = (running.clone(), most.clone());
        bridge.run(move || {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            nth
        })
    });
    let results = futures::future::join_all(calls).await;
    assert_eq!(results, (0..50).collect::<Vec<_>>(), "each task gets its own result");
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_panic_comes_back_and_the_worker_lives_on() {
    let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 1, 1);
    let task = tokio::spawn({
        let bridge = bridge.clone();
        async move { bridge.run(|| panic!("of the call")).await }
    });
    let panic = task.await.unwrap_err().into_panic();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "of the call");
    assert_eq!(bridge.run(|| 7).await, 7);
}

#[test]
fn stepped_calls_are_made_one_a_step_in_order() {
    let jobs = SteppedJobs::new();
    let bridge = Bridge::new(Arc::new(jobs.clone()), 1, 1);
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let call = |nth: u32| {
        let order = order.clone();
        bridge.run(move || order.lock().push(nth))
    };
    let (mut first, mut dropped, mut third) = (pin!(call(1)), Box::pin(call(2)), pin!(call(3)));
    assert!(poll(first.as_mut()).is_pending() && poll(dropped.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending(), "two places, and both are taken");
    assert!(order.lock().is_empty(), "nothing happens between steps");
    assert!(jobs.step());
    assert_eq!(*order.lock(), [1]);
    assert!(poll(first.as_mut()).is_ready());
    assert!(poll(third.as_mut()).is_pending(), "it has a place now");
    drop(dropped);
    jobs.run_until_idle(10);
    assert!(poll(third.as_mut()).is_ready());
    assert_eq!(*order.lock(), [1, 3], "a task that is gone makes no call");
}

#[test]
fn an_inline_result_arrives_after_what_it_cost() {
    let (disk, clock) = (FaultyVfs::new(1), VirtualClock::new());
    let file = file(&disk);
    let sync = Cost { call: Duration::from_millis(5), mebibyte: Duration::ZERO };
    disk.set_pace(Pace { sync, ..Pace::default() }, None);
    let account = disk.clone();
    let bridge = Bridge::inline(Arc::new(clock.clone()), move || account.spent());
    let begun = clock.now();
    let mut syncing = pin!(bridge.run(move || file.sync()));
    assert!(poll(syncing.as_mut()).is_pending());
    assert_eq!(disk.pending(), 1, "it is done already, and nobody knows");
    clock.advance(Duration::from_millis(4));
    assert!(poll(syncing.as_mut()).is_pending());
    assert_eq!(clock.next_deadline(), Some(begun + Duration::from_millis(5)));
    clock.advance(Duration::from_millis(1));
    assert!(matches!(poll(syncing.as_mut()), Poll::Ready(Ok(()))));
    assert!(poll(pin!(bridge.run(|| ()))).is_ready(), "what costs nothing is there at once");
}

#[test]
fn workers_end_with_the_bridge() {
    let jobs = SteppedJobs::new();
    let bridge = Bridge::new(Arc::new(jobs.clone()), 3, 1);
    assert_eq!(jobs.run_until_idle(10), 3, "each looks once");
    drop(bridge);
    assert_eq!(jobs.run_until_idle(10), 3);
    assert_eq!(format!("{jobs:?}"), "[]");
}
