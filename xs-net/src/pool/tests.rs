use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use xs_os::{Clock, VirtualClock};

use super::*;
use crate::Timer;

const SECOND: Duration = Duration::from_secs(1);

/// A store as one would write it without a thought for speed: one list of everything, in the order of coming back.
#[derive(Debug)]
struct Naive {
    options: PoolOptions,
    /// Key, number, opened, since.
    idle: Vec<(u8, u32, Instant, Instant)>,
    busy: Vec<u8>,
    queue: Vec<(u8, Ticket)>,
}

impl Naive {
    fn open(&self, key: u8) -> usize {
        self.busy.iter().filter(|&&other| other == key).count() + self.idle.iter().filter(|one| one.0 == key).count()
    }

    fn over(&self, opened: Instant, since: Instant, now: Instant) -> bool {
        now - since >= self.options.idle_timeout || self.options.lifetime.is_some_and(|life| now - opened >= life)
    }

    fn room(&self, key: u8) -> usize {
        let idle = self.idle.iter().filter(|one| one.0 == key).count();
        self.options.per_key.map_or(usize::MAX, |most| most - self.open(key) + idle)
    }

    fn take(&mut self, key: u8, ticket: Option<Ticket>, now: Instant, rotten: u32) -> Take<u32> {
        let queue: Vec<_> = self.queue.iter().filter(|one| one.0 == key).map(|one| one.1).collect();
        let place = ticket.and_then(|ticket| queue.iter().position(|&other| other == ticket)).unwrap_or(queue.len());
        if self.room(key) <= place {
            return Take::Full;
        }
        self.queue.retain(|one| Some(one.1) != ticket);
        self.busy.push(key);
        while let Some(at) = self.idle.iter().rposition(|one| one.0 == key) {
            let (_, number, opened, since) = self.idle.remove(at);
            if !self.over(opened, since, now) && number % 5 != rotten {
                return Take::Idle(number, opened);
            }
        }
        Take::Open
    }

    fn give(&mut self, key: u8, number: u32, opened: Instant, now: Instant) -> Option<u32> {
        self.lost(key);
        if self.options.idle_per_key == 0 || self.options.idle == 0 || self.over(opened, now, now) {
            return Some(number);
        }
        self.idle.push((key, number, opened, now));
        let of_key = self.idle.iter().filter(|one| one.0 == key).count();
        let goes = if of_key > self.options.idle_per_key {
            self.idle.iter().position(|one| one.0 == key)
        } else if self.idle.len() > self.options.idle {
            let oldest = self.idle.iter().map(|one| (one.3, one.0)).min();
            self.idle.iter().position(|one| Some((one.3, one.0)) == oldest)
        } else {
            None
        };
        goes.map(|at| self.idle.remove(at).1)
    }

    fn lost(&mut self, key: u8) {
        let at = self.busy.iter().position(|&other| other == key).unwrap();
        self.busy.remove(at);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Take(u8),
    Ask(usize),
    Queue(u8),
    Leave(usize),
    Give(usize),
    Lose(usize),
    Rot(u32),
    Wait(u64),
    Reap,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Step::Take),
        2 => any::<usize>().prop_map(Step::Ask),
        1 => (0..3_u8).prop_map(Step::Queue),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::Give),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => (0..6_u32).prop_map(Step::Rot),
        2 => (0..4_u64).prop_map(Step::Wait),
        1 => Just(Step::Reap),
    ]
}

proptest! {
    #[test]
    fn the_store_does_what_the_naive_one_does(
        idle_per_key in 0..4_usize,
        idle in 0..6_usize,
        per_key in prop::option::of(1..5_usize),
        lifetime in prop::option::of(1..12_u64),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let options = PoolOptions {
            idle_per_key,
            idle,
            idle_timeout: 5 * SECOND,
            lifetime: lifetime.map(Duration::from_secs),
            per_key,
            waiting: 3,
        };
        let clock = VirtualClock::new();
        let mut store: Store<u8, u32> = Store::new(options.clone());
        let mut naive = Naive { options, idle: Vec::new(), busy: Vec::new(), queue: Vec::new() };
        // In use: key, number, opened.
        let mut lent: Vec<(u8, u32, Instant)> = Vec::new();
        let (mut numbers, mut rotten) = (0, 99);
        for step in steps {
            let now = clock.now();
            let asked = match step {
                Step::Take(key) => Some((key, None)),
                Step::Ask(at) if !naive.queue.is_empty() => {
                    let (key, ticket) = naive.queue[at % naive.queue.len()];
                    // Exactly those whose turn it is get something.
                    let place = naive.queue.iter().filter(|one| one.0 == key).position(|one| one.1 == ticket).unwrap();
                    prop_assert_eq!(store.turns(&key).any(|turn| turn == ticket), place < naive.room(key));
                    Some((key, Some(ticket)))
                }
                Step::Queue(key) => {
                    let full = naive.queue.iter().filter(|one| one.0 == key).count() == 3;
                    match store.queue(&key) {
                        Some(ticket) => naive.queue.push((key, ticket)),
                        None => prop_assert!(full),
                    }
                    None
                }
                Step::Leave(at) if !naive.queue.is_empty() => {
                    let (key, ticket) = naive.queue.remove(at % naive.queue.len());
                    store.leave(&key, ticket);
                    None
                }
                Step::Give(at) if !lent.is_empty() => {
                    let (key, number, opened) = lent.remove(at % lent.len());
                    prop_assert_eq!(store.give(&key, number, opened, now), naive.give(key, number, opened, now));
                    None
                }
                Step::Lose(at) if !lent.is_empty() => {
                    let (key, ..) = lent.remove(at % lent.len());
                    store.lost(&key);
                    naive.lost(key);
                    None
                }
                Step::Rot(which) => {
                    rotten = which;
                    None
                }
                Step::Wait(seconds) => {
                    clock.advance(Duration::from_secs(seconds));
                    None
                }
                Step::Reap => {
                    let mut gone = store.reap(now);
                    let (over, kept): (Vec<_>, Vec<_>) =
                        naive.idle.iter().copied().partition(|one| naive.over(one.2, one.3, now));
                    naive.idle = kept;
                    gone.sort_unstable();
                    let mut over: Vec<_> = over.iter().map(|one| one.1).collect();
                    over.sort_unstable();
                    prop_assert_eq!(gone, over);
                    None
                }
                Step::Ask(_) | Step::Leave(_) | Step::Give(_) | Step::Lose(_) => None,
            };
            if let Some((key, ticket)) = asked {
                let mut gone = Vec::new();
                let taken = store.take(&key, ticket, now, |number| *number % 5 != rotten, &mut gone);
                prop_assert_eq!(&taken, &naive.take(key, ticket, now, rotten));
                match taken {
                    Take::Idle(number, opened) => lent.push((key, number, opened)),
                    Take::Open => {
                        numbers += 1;
                        lent.push((key, numbers, now));
                    }
                    Take::Full => {}
                }
            }
            prop_assert_eq!(store.idle(), naive.idle.len());
            prop_assert!(store.idle() <= idle);
            for key in 0..3 {
                prop_assert_eq!(store.open(&key), naive.open(key));
                prop_assert!(per_key.is_none_or(|most| store.open(&key) <= most));
                prop_assert_eq!(store.waiting(&key), naive.queue.iter().filter(|one| one.0 == key).count());
            }
        }
        for (key, ..) in lent {
            store.lost(&key);
        }
        store.retain(|_| false);
        for (key, ticket) in naive.queue {
            store.leave(&key, ticket);
        }
        prop_assert_eq!(store.wanted().count() + (0..3).map(|key| store.open(&key)).sum::<usize>(), 0);
    }
}

/// Something to lend, whose state the test sets.
#[derive(Debug, Clone)]
struct Thing {
    number: u32,
    free: Arc<AtomicBool>,
    sound: Arc<AtomicBool>,
}

impl Thing {
    fn new(number: u32) -> Thing {
        Thing { number, free: Arc::new(AtomicBool::new(true)), sound: Arc::new(AtomicBool::new(true)) }
    }
}

impl Reusable for Thing {
    fn is_free(&self) -> bool {
        self.free.load(Ordering::SeqCst)
    }

    fn is_sound(&mut self) -> bool {
        self.sound.load(Ordering::SeqCst)
    }
}

fn rig(options: PoolOptions) -> (Pool<&'static str, Thing>, VirtualClock) {
    let clock = VirtualClock::new();
    (Pool::new(options, &Timer::new(Arc::new(clock.clone()))), clock)
}

fn open(pool: &Pool<&'static str, Thing>, key: &'static str, number: u32) -> Pooled<&'static str, Thing> {
    match pool.checkout(&key) {
        Checkout::Open(opening) => opening.opened(Thing::new(number)),
        other => panic!("{other:?}"),
    }
}

fn idle(pool: &Pool<&'static str, Thing>, key: &'static str) -> Option<u32> {
    match pool.checkout(&key) {
        Checkout::Idle(pooled) => Some(pooled.number),
        _ => None,
    }
}

#[test]
fn what_comes_home_last_goes_out_first_and_what_is_in_the_middle_of_something_never() {
    let (pool, clock) = rig(PoolOptions::default());
    let (one, two, three) = (open(&pool, "a", 1), open(&pool, "a", 2), open(&pool, "a", 3));
    three.free.store(false, Ordering::SeqCst);
    drop((two, one, three));
    assert_eq!((pool.idle(), pool.open(&"a")), (2, 2));
    assert_eq!(idle(&pool, "a"), Some(1));
    assert_eq!(idle(&pool, "b"), None);
    // One that has died at home is found when it is asked for, and the next one is looked at.
    let Checkout::Idle(top) = pool.checkout(&"a") else { panic!() };
    top.sound.store(false, Ordering::SeqCst);
    drop(top);
    assert_eq!(idle(&pool, "a"), Some(2));
    clock.advance(30 * SECOND);
    assert_eq!((idle(&pool, "a"), pool.open(&"a")), (None, 0));
}

#[tokio::test]
async fn old_ones_are_reaped_by_and_by_and_the_reaper_ends_with_the_pool() {
    let (pool, clock) = rig(PoolOptions { idle_timeout: 8 * SECOND, ..PoolOptions::default() });
    let mut reaper = pin!(pool.reaper());
    let mut poke = || reaper.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(open(&pool, "a", 1));
    for _ in 0..3 {
        assert!(poke().is_pending());
        clock.advance(2 * SECOND);
    }
    drop(open(&pool, "b", 2));
    assert!(poke().is_pending());
    assert_eq!(pool.idle(), 2);
    clock.advance(2 * SECOND);
    assert!(poke().is_pending());
    assert_eq!((pool.idle(), idle(&pool, "b")), (1, Some(2)));
    drop(pool);
    clock.advance(2 * SECOND);
    assert!(poke().is_ready());
}

#[tokio::test]
async fn who_waits_is_served_in_turn_and_who_gives_up_lets_the_next_one_go() {
    let (pool, clock) = rig(PoolOptions { per_key: Some(1), waiting: 3, ..PoolOptions::default() });
    let first = open(&pool, "a", 1);
    let ask = |name: u32| {
        let pool = pool.clone();
        tokio::spawn(async move { (name, pool.wait(&"a", 10 * SECOND).await) })
    };
    let (one, two, three) = (ask(1), ask(2), ask(3));
    tokio::task::yield_now().await;
    assert_eq!(pool.wait(&"a", SECOND).await.unwrap_err(), Error::Full);
    assert!(matches!(pool.checkout(&"b"), Checkout::Open(_)), "another key has a queue of its own");
    one.abort();
    assert!(one.await.unwrap_err().is_cancelled());
    drop(first);
    // It is the second one's turn, whoever asks now.
    assert!(matches!(pool.checkout(&"a"), Checkout::Full));
    let Ok((2, Ok(Checkout::Idle(second)))) = two.await else { panic!() };
    assert_eq!(second.number, 1);
    // One that is lost leaves room for another.
    second.free.store(false, Ordering::SeqCst);
    drop(second);
    let Ok((3, Ok(Checkout::Open(opening)))) = three.await else { panic!() };
    let late = ask(4);
    tokio::task::yield_now().await;
    clock.advance(10 * SECOND);
    let (4, Err(error)) = late.await.unwrap() else { panic!() };
    assert_eq!(error, Error::TimedOut);
    drop(opening);
    assert_eq!(pool.open(&"a"), 0);
}

#[tokio::test]
async fn a_closed_pool_keeps_nothing_and_a_detached_one_counts_no_longer() {
    let (pool, _clock) = rig(PoolOptions { per_key: Some(2), ..PoolOptions::default() });
    let (one, two) = (open(&pool, "a", 1), open(&pool, "a", 2));
    assert_eq!(one.detach().map(|thing| thing.number), Some(1));
    assert_eq!(pool.open(&"a"), 1);
    pool.close();
    drop(two);
    assert_eq!((pool.idle(), pool.open(&"a")), (0, 0));
    let got = pool.get(&"a", SECOND, || async { Ok::<_, Error>(Thing::new(3)) }).await;
    assert_eq!(got.map(|pooled| pooled.number), Ok(3));
}

#[tokio::test]
async fn a_stream_that_was_closed_or_written_to_is_not_sound() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pair = || async { tokio::join!(tokio::net::TcpStream::connect(address), listener.accept()) };
    let (ours, theirs) = pair().await;
    let (mut ours, (theirs, _)) = (ours.unwrap(), theirs.unwrap());
    assert!(ours.is_sound());
    drop(theirs);
    ours.readable().await.unwrap();
    assert!(!ours.is_sound());
    let (ours, theirs) = pair().await;
    let (mut ours, (theirs, _)) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(theirs.try_write(b"x").unwrap(), 1);
    ours.readable().await.unwrap();
    assert!(!ours.is_sound());
}
