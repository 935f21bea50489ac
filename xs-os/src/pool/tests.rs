//! What a pool promises, under threads.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;

/// Less under Miri, which is some hundred times slower.
const fn few(count: usize) -> usize {
    if cfg!(miri) { 1 + count / 100 } else { count }
}

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().unwrap()
}

/// Waits until it holds, a minute at most.
#[track_caller]
fn soon(mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came");
}

fn fib(pool: &Pool, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
    a + b
}

#[test]
fn forks_join_with_their_results() {
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        let (n, expected) = if cfg!(miri) { (7, 13) } else { (20, 6_765) };
        assert_eq!(fib(&pool, n), expected);
        assert_eq!(pool.install(|| fib(&pool, n)), expected);
    }
}

#[test]
fn a_fork_borrows() {
    let pool = pool(2);
    let (mut left, mut right) = (vec![1], vec![2]);
    pool.join(|| left.push(3), || right.push(4));
    assert_eq!((left, right), (vec![1, 3], vec![2, 4]));
}

#[test]
fn many_threads_from_outside_fork_at_once() {
    let pool = pool(3);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(fib(&pool, if cfg!(miri) { 5 } else { 15 }), if cfg!(miri) { 5 } else { 610 }));
        }
    });
}

#[test]
fn both_halves_end_before_a_panic_goes_on() {
    for first_fails in [true, false] {
        let pool = pool(2);
        let other = AtomicUsize::new(0);
        let fails = || panic!("on purpose");
        let ends = || {
            std::thread::sleep(Duration::from_millis(20));
            other.fetch_add(1, SeqCst);
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match first_fails {
            // Only what was begun is waited for: a half that nobody stole is dropped.
            true => pool.join(fails, ends).1,
            false => pool.join(ends, fails).0,
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"on purpose"));
        let ended = other.load(SeqCst);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(other.load(SeqCst), ended, "something still ran");
        assert!(first_fails || ended == 1);
        assert_eq!(pool.install(|| 1), 1, "the workers go on");
    }
}

#[test]
fn a_scope_ends_when_its_jobs_have_ended_and_theirs() {
    let pool = pool(3);
    let count = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..few(500) {
            scope.spawn(|scope| {
                scope.spawn(|_| {
                    count.fetch_add(1, SeqCst);
                });
                count.fetch_add(1, SeqCst);
            });
        }
    });
    assert_eq!(count.load(SeqCst), 2 * few(500));
}

#[test]
fn a_panic_in_a_scope_comes_out_when_the_others_have_ended() {
    let pool = pool(2);
    let count = AtomicUsize::new(0);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.scope(|scope| {
            scope.spawn(|_| panic!("on purpose"));
            for _ in 0..few(100) {
                scope.spawn(|_| {
                    count.fetch_add(1, SeqCst);
                });
            }
        });
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(count.load(SeqCst), few(100));
}

#[test]
fn tasks_give_results_and_panics() {
    let pool = pool(2);
    assert_eq!(pool.submit(|| 42).unwrap().join().unwrap(), 42);
    assert_eq!(futures::executor::block_on(pool.submit(|| "x".to_owned()).unwrap()).unwrap(), "x");
    let failed = pool.submit(|| -> () { panic!("a {}", "reason") }).unwrap().join().unwrap_err();
    assert_eq!(failed.to_string(), "the job panicked: a reason");
}

#[test]
fn a_worker_waits_for_a_task_of_its_own_pool() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let outer = pool.submit(move || inner.submit(|| 7).map(|task| task.join().unwrap()).ok()).unwrap();
    assert_eq!(outer.join().unwrap(), Some(7));
}

#[test]
fn panics_of_spawned_jobs_are_counted_and_told() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let pool = Pool::builder()
        .threads(1)
        .on_panic(move |panic| {
            tell.lock().send(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap();
            panic!("the handler itself");
        })
        .build()
        .unwrap();
    pool.spawn(|| panic!("on purpose")).unwrap();
    assert_eq!(told.recv().unwrap().as_deref(), Some("on purpose"));
    pool.install(|| ());
    assert_eq!(pool.metrics().panics, 1);
}

/// A pool whose only worker waits until the barrier is passed.
fn busy(builder: Builder) -> (Pool, Arc<Barrier>) {
    let pool = builder.threads(1).build().unwrap();
    let (begun, gate) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (theirs, passes) = (begun.clone(), gate.clone());
    pool.spawn(move || {
        theirs.wait();
        passes.wait();
    })
    .unwrap();
    begun.wait();
    (pool, gate)
}

#[test]
fn urgent_jobs_come_first_and_the_least_urgent_come_at_all() {
    let (pool, gate) = busy(Pool::builder());
    let order = Arc::new(Mutex::new(Vec::new()));
    for (priority, count) in [(Priority::Low, 2), (Priority::Normal, 3), (Priority::High, 40)] {
        for _ in 0..count {
            let order = order.clone();
            pool.spawn_with(priority, move || order.lock().push(priority)).unwrap();
        }
    }
    gate.wait();
    pool.shutdown();
    let order = order.lock();
    let first = |wanted: Priority| order.iter().position(|priority| *priority == wanted).unwrap();
    assert_eq!(order.len(), 45);
    assert_eq!(first(Priority::High), 0);
    assert!(first(Priority::Low) < 17, "nothing starves: {order:?}");
    assert!((1..17).contains(&first(Priority::Normal)), "{order:?}");
}

#[test]
fn a_full_queue_refuses() {
    let (pool, gate) = busy(Pool::builder().capacity(2).overflow(Overflow::Reject));
    pool.spawn(|| ()).unwrap();
    pool.spawn(|| ()).unwrap();
    let refused = pool.spawn(|| ()).unwrap_err();
    assert_eq!((refused.reason, refused.to_string().as_str()), (Reason::Full, "the pool's queue is full"));
    assert_eq!((pool.metrics().queued, pool.metrics().rejected), (2, 1));
    (refused.job)();
    gate.wait();
}

#[test]
fn a_full_queue_makes_the_caller_work() {
    let (pool, gate) = busy(Pool::builder().capacity(1).overflow(Overflow::CallerRuns));
    pool.spawn(|| ()).unwrap();
    let here = std::thread::current().id();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || tell.send(std::thread::current().id()).unwrap()).unwrap();
    assert_eq!(told.try_recv(), Ok(here));
    assert_eq!(pool.metrics().ran_by_callers, 1);
    gate.wait();
}

#[test]
fn a_full_queue_makes_the_caller_wait_but_not_a_worker() {
    let (pool, gate) = busy(Pool::builder().capacity(1));
    pool.spawn(|| ()).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pool.spawn(|| ()).unwrap();
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "there was no room");
        gate.wait();
        told.recv().unwrap();
    });
    let pool = Arc::new(pool);
    let own = pool.clone();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let many = move || {
        for _ in 0..few(100) {
            let counted = counted.clone();
            own.spawn_with(Priority::Low, move || {
                counted.fetch_add(1, SeqCst);
            })
            .unwrap();
        }
    };
    pool.submit(many).unwrap().join().unwrap();
    while pool.metrics().queued > 0 {
        std::thread::yield_now();
    }
    pool.shutdown();
    assert_eq!(count.load(SeqCst), few(100));
}

#[test]
fn shutting_down_runs_what_there_is() {
    let pool = pool(2);
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..few(1_000) {
        let count = count.clone();
        pool.spawn(move || {
            count.fetch_add(1, SeqCst);
        })
        .unwrap();
    }
    pool.shutdown();
    assert_eq!(count.load(SeqCst), few(1_000));
}

#[test]
fn shutting_down_at_once_drops_what_was_not_begun() {
    let (pool, gate) = busy(Pool::builder());
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let count = count.clone();
        pool.spawn(move || {
            count.fetch_add(1, SeqCst);
        })
        .unwrap();
    }
    let task = pool.submit(|| 1).unwrap();
    let shared = count.clone();
    let ends = std::thread::spawn(move || pool.shutdown_now());
    std::thread::sleep(Duration::from_millis(20));
    gate.wait();
    assert_eq!(ends.join().unwrap(), 11);
    assert!(matches!(task.join(), Err(Failed::Cancelled)));
    assert_eq!((count.load(SeqCst), Arc::strong_count(&shared)), (0, 2), "the jobs were dropped");
}

/// An awaited job that is thrown away is run all the same: its maker waits for it.
#[test]
fn whoever_waits_for_a_pool_that_ends_is_served() {
    let shared = super::shared::Shared::new(1, 1, None);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| super::scope::install(&shared, || 3).ok());
        while shared.injector.is_empty() {
            std::thread::yield_now();
        }
        shared.injector.close();
        shared.discard();
        assert_eq!(shared.discarded.load(SeqCst), 1);
        assert_eq!(waits.join().unwrap(), Some(3));
        assert!(super::scope::install(&shared, || 3).is_err());
    });
}

#[test]
fn the_last_owner_may_be_one_of_its_jobs() {
    let pool = Arc::new(pool(2));
    let own = pool.clone();
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    pool.spawn(move || {
        gone.recv().unwrap();
        drop(own);
        tell.send(()).unwrap();
    })
    .unwrap();
    drop(pool);
    go.send(()).unwrap();
    told.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn workers_sleep_when_there_is_nothing_and_wake_for_what_comes() {
    let pool = pool(3);
    for _ in 0..few(20) {
        soon(|| pool.metrics().asleep == 3);
        let (tell, told) = mpsc::channel();
        pool.spawn(move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    assert!(pool.metrics().slept >= 3);
}

#[test]
fn one_long_job_leaves_the_others_to_other_workers() {
    let pool = pool(2);
    let (go, gone) = mpsc::channel::<()>();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let pool = Arc::new(pool);
    let own = pool.clone();
    // What it has spawned lies in its own deque, from which the other one steals while it is busy.
    let long = move || {
        for _ in 0..few(100) {
            let counted = counted.clone();
            own.spawn(move || {
                counted.fetch_add(1, SeqCst);
            })
            .unwrap();
        }
        gone.recv_timeout(Duration::from_secs(60)).unwrap();
    };
    pool.spawn(long).unwrap();
    soon(|| count.load(SeqCst) == few(100));
    go.send(()).unwrap();
    assert!(pool.metrics().stolen >= few(100) as u64);
}

/// A payload that panics when it is dropped, for whoever drops what was thrown.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn what_is_thrown_may_throw_when_it_is_dropped() {
    let pool = pool(2);
    for _ in 0..few(100) {
        pool.spawn(|| std::panic::panic_any(Bomb)).unwrap();
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.scope(|scope| {
            scope.spawn(|_| std::panic::panic_any("first"));
            for _ in 0..few(20) {
                scope.spawn(|_| std::panic::panic_any(Bomb));
            }
        });
    }));
    std::mem::forget(outcome);
    assert_eq!(pool.install(|| fib(&pool, 5)), 5);
    soon(|| pool.metrics().panics == few(100) as u64);
}

#[test]
fn work_from_outside_is_for_the_worker_that_is_free() {
    let pool = pool(3);
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    std::thread::scope(|scope| {
        // One worker's half is stolen and takes long: it waits for that, and a third one is free.
        let waits =
            scope.spawn(|| pool.join(|| std::thread::sleep(Duration::from_millis(50)), || gone.lock().recv()).1);
        soon(|| pool.metrics().asleep == 2);
        for _ in 0..few(20) {
            assert_eq!(pool.submit(|| 1).unwrap().join().unwrap(), 1);
            soon(|| pool.metrics().asleep == 2);
        }
        go.send(()).unwrap();
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn jobs_that_wait_for_each_other_in_a_row_end_on_one_worker() {
    let (pool, gate) = busy(Pool::builder());
    let mut last = pool.submit(|| 0).unwrap();
    for _ in 0..few(500) {
        last = pool.submit(move || last.join().unwrap() + 1).unwrap();
    }
    gate.wait();
    assert_eq!(last.join().unwrap(), few(500));
}

#[test]
fn a_pool_that_a_worker_drops_waits_for_nobody() {
    let pool = Arc::new(pool(2));
    let own = pool.clone();
    let (go, gone) = mpsc::channel::<()>();
    let dropped = pool.submit(move || {
        gone.recv().unwrap();
        drop(own);
    });
    let waits = {
        let dropped = dropped.unwrap();
        pool.submit(move || dropped.join().is_ok()).unwrap()
    };
    drop(pool);
    go.send(()).unwrap();
    assert!(waits.join().unwrap());
}

#[test]
fn a_worker_that_shuts_down_at_once_leaves_nothing_behind() {
    let (pool, gate) = busy(Pool::builder());
    let pool = Arc::new(pool);
    let own = pool.clone();
    pool.spawn_with(Priority::High, move || {
        own.shutdown_now();
    })
    .unwrap();
    let never = pool.submit(|| 1).unwrap();
    gate.wait();
    assert!(matches!(never.join(), Err(Failed::Cancelled)));
    assert!(matches!(pool.spawn(|| ()), Err(Rejected { reason: Reason::ShutDown, .. })));
    assert_eq!(pool.install(|| pool.join(|| 1, || 2)), (1, 2), "whoever waits is served, by itself");
}

#[test]
fn a_worker_whose_job_has_no_room_keeps_it() {
    let pool = Arc::new(Pool::builder().threads(1).capacity(1).build().unwrap());
    fn next(pool: &Arc<Pool>, left: usize, tell: mpsc::Sender<()>) {
        if left == 0 {
            return tell.send(()).unwrap();
        }
        let own = pool.clone();
        pool.spawn_with(Priority::Normal, || ()).unwrap();
        pool.spawn_with(Priority::Normal, move || next(&own, left - 1, tell)).unwrap();
    }
    let (tell, told) = mpsc::channel();
    let own = pool.clone();
    pool.spawn(move || next(&own, few(100_000), tell)).unwrap();
    told.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn what_makes_no_pool_is_an_error() {
    for builder in [Pool::builder().threads(1_000_000_000), Pool::builder().name("a\0b")] {
        assert_eq!(builder.build().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}
