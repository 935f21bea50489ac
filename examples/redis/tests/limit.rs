//! Limits that processes share (`xs_net::limit::shared`), with this server as their store, and with the real one.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use support::Subject;
use tokio::net::TcpStream;
use xs_net::Timer;
use xs_net::client::{self, ClientOptions, Connection};
use xs_net::limit::shared::{RedisStore, SharedStore, Transaction, TransactionCodec};
use xs_net::limit::{Denied, Rate};
use xs_os::{Rng, VirtualClock};
use xs_proto::resp::Frame;
use xs_redis::Server;

type Store = RedisStore<Connection<Transaction, Frame>>;

async fn connect(port: u16) -> Connection<Transaction, Frame> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket option");
    let (connection, _, driver) = client::connect(stream, TransactionCodec::new(), |_| false, ClientOptions::default());
    tokio::spawn(driver.run());
    connection
}

async fn fixed(port: u16, rate: Rate) -> Store {
    RedisStore::fixed_window(connect(port).await, "fixed:", rate).expect("a rate")
}

async fn sliding(port: u16, rate: Rate, timer: &Timer) -> Store {
    RedisStore::sliding_window(connect(port).await, "sliding:", rate, timer).expect("a rate")
}

async fn take(store: &Store, key: &'static str, cost: u64) -> Result<(), Denied> {
    store.take(Bytes::from(key), cost).await.expect("the server answers")
}

fn rate(amount: u64, millis: u64) -> Rate {
    Rate::new(amount, Duration::from_millis(millis)).expect("a rate")
}

/// Two processes count together, a refusal takes nothing, and it says when.
async fn counts_together(stores: [&Store; 2], key: &'static str, period: Duration) {
    assert_eq!(take(stores[0], key, 4).await, Ok(()));
    assert_eq!(take(stores[1], key, 3).await, Ok(()));
    let after = take(stores[0], key, 4).await.unwrap_err().retry_after().expect("a time");
    assert!(after > Duration::ZERO && after <= period + Duration::from_millis(1), "{after:?}");
    assert_eq!(take(stores[1], key, 3).await, Ok(()));
    assert!(take(stores[0], key, 1).await.is_err());
    assert_eq!(take(stores[1], key, 11).await, Err(Denied::TooLarge { cost: 11, capacity: 10 }));
}

/// Many tasks on several connections, of which exactly the limit passes.
async fn is_exact_among_many(stores: Vec<Store>, limit: usize) {
    let mut tasks = Vec::new();
    for store in stores.into_iter().map(Arc::new) {
        for _ in 0..10 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..20 {
                    passed += usize::from(take(&store, "many", 1).await.is_ok());
                }
                passed
            }));
        }
    }
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    assert_eq!(passed, limit);
}

/// A server in its own time.
async fn world() -> (VirtualClock, Timer, Server) {
    let clock = VirtualClock::new();
    let server = Server::builder().clock(Arc::new(clock.clone())).seed(7).ephemeral().await.expect("a free port");
    (clock.clone(), Timer::new(Arc::new(clock)), server)
}

#[tokio::test]
async fn processes_share_a_fixed_window() {
    let (clock, _, server) = world().await;
    let rate = rate(10, 1000);
    let (one, other) = (fixed(server.port(), rate).await, fixed(server.port(), rate).await);
    counts_together([&one, &other], "a", rate.period()).await;
    // The window ends by the server's clock, and not before.
    clock.advance(Duration::from_millis(400));
    let after = take(&one, "a", 1).await.unwrap_err().retry_after().unwrap();
    assert_eq!(after, Duration::from_millis(601));
    clock.advance(after - Duration::from_millis(1));
    assert!(take(&one, "a", 1).await.is_err());
    clock.advance(Duration::from_millis(1));
    counts_together([&other, &one], "a", rate.period()).await;
    assert_eq!(take(&other, "b", 10).await, Ok(()));
}

#[tokio::test]
async fn no_more_than_the_limit_pass_whoever_asks() {
    let (_clock, timer, server) = world().await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(fixed(server.port(), rate(100, 60_000)).await);
    }
    is_exact_among_many(stores, 100).await;
    let stores = vec![sliding(server.port(), rate(100, 60_000), &timer).await];
    is_exact_among_many(stores, 100).await;
}

#[tokio::test]
async fn a_sliding_window_is_its_estimate_over_the_servers_calendar() {
    for seed in [1, 2, 3] {
        let (clock, timer, server) = world().await;
        let (limit, period) = (10, 200);
        let rate = rate(limit, period);
        let stores = [sliding(server.port(), rate, &timer).await, sliding(server.port(), rate, &timer).await];
        let mut rng = Rng::from_seed(seed);
        let (mut now, mut passed) = (0, Vec::<(u64, u64)>::new());
        let (mut yes, mut no) = (0, 0);
        for _ in 0..600 {
            let longest = if rng.chance(0.05) { 500 } else { 30 };
            let pause = rng.below(longest);
            clock.advance(Duration::from_millis(pause));
            now += pause;
            let cost = 1 + rng.below(3);
            // The calendar starts on a border: so many seconds are a whole number of periods.
            let start = now - now % period;
            let count = |from: u64, to: u64| {
                passed.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, c)| c).sum::<u64>()
            };
            let (before, used) = (count(start.saturating_sub(period), start), count(start, now + 1));
            let fits = before * (period - (now - start)) + (used + cost) * period <= limit * period;
            let store = &stores[rng.index(2)];
            let verdict = take(store, "a", cost).await;
            assert_eq!(verdict.is_ok(), fits, "seed {seed}, at {now}: {verdict:?} with {before} and {used}");
            match verdict {
                Ok(()) => {
                    passed.push((now, cost));
                    yes += 1;
                }
                Err(denied) => {
                    no += 1;
                    let after = denied.retry_after().expect("it can pass later");
                    assert!(after > Duration::ZERO && after <= rate.period() * 2, "seed {seed}: {after:?}");
                    // The other process sees the refund only once the server has it.
                    let _ = take(store, "other", 1).await;
                }
            }
        }
        assert!(yes > 100 && no > 100, "seed {seed}: {yes} passed, {no} didn't");
    }
}

#[tokio::test]
async fn keys_go_by_themselves() {
    let (clock, timer, server) = world().await;
    let (fixed, sliding) =
        (fixed(server.port(), rate(1, 1000)).await, sliding(server.port(), rate(1, 1000), &timer).await);
    for store in [&fixed, &sliding] {
        assert!(take(store, "a", 1).await.is_ok());
        assert!(take(store, "a", 1).await.is_err());
    }
    let mut client = redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut size = async || redis::cmd("DBSIZE").query_async::<u64>(&mut client).await.unwrap();
    assert_eq!(size().await, 2);
    // Whatever has expired is removed ten times a second.
    clock.advance(Duration::from_millis(2001));
    for _ in 0..1000 {
        if size().await == 0 {
            return;
        }
        clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    panic!("keys stay for ever");
}

#[tokio::test]
#[ignore = "needs redis-server (.ci/tools)"]
async fn the_same_with_the_real_server() {
    let server = support::Server::start(Subject::Redis, &[]);
    let timer = Timer::system();
    let rate = rate(10, 400);
    let (one, other) = (fixed(server.port, rate).await, fixed(server.port, rate).await);
    counts_together([&one, &other], "a", rate.period()).await;
    let after = take(&one, "a", 1).await.unwrap_err().retry_after().unwrap();
    timer.sleep(after).await;
    counts_together([&other, &one], "a", rate.period()).await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(fixed(server.port, self::rate(100, 60_000)).await);
    }
    is_exact_among_many(stores, 100).await;

    let (one, other) = (sliding(server.port, rate, &timer).await, sliding(server.port, rate, &timer).await);
    let (start, mut passed) = (timer.now(), 0);
    while timer.now() - start < rate.period() * 5 {
        passed +=
            [take(&one, "a", 1).await, take(&other, "a", 1).await].iter().filter(|verdict| verdict.is_ok()).count();
        timer.sleep(Duration::from_millis(5)).await;
    }
    // Ten a period, and what one window's border may add; asked four times as often as that.
    assert!((40..=70).contains(&passed), "{passed}");
}
