//! The balancer as a service: over plain functions, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt, service_fn};
use xs_net::Timer;
use xs_net::balance::{
    Applied, Balance, Change, CheckOptions, ClusterOptions, Endpoint, Error, Hashed, LeastConnections, Outcome,
    PowerOfTwoChoices, Ring, RoundRobin, Steer, Tried, check, hash,
};
use xs_os::{Clock, Rng, VirtualClock};

const SECOND: Duration = Duration::from_secs(1);

type Backend = BoxCloneService<&'static str, String, &'static str>;

/// Answers its name; one whose name begins with "bad" fails.
fn backend(endpoint: &Endpoint) -> Backend {
    let name = endpoint.name.to_string();
    BoxCloneService::new(service_fn(move |_: &'static str| {
        let answer = if name.starts_with("bad") { Err("broken") } else { Ok(name.clone()) };
        async move { answer }
    }))
}

fn timer() -> (VirtualClock, Timer) {
    let clock = VirtualClock::new();
    (clock.clone(), Timer::new(Arc::new(clock)))
}

fn insert<S, P, T, C>(balance: &Balance<S, P, T, C>, names: &[&str]) {
    for &name in names {
        assert!(matches!(balance.members().apply(Change::Insert(Endpoint::new(name))), Applied::Inserted(_)));
    }
}

#[tokio::test]
async fn clones_share_members_and_turns() {
    let (_, timer) = timer();
    let balance =
        Balance::new("test", ClusterOptions::default(), RoundRobin::new(), &timer, Rng::from_seed(1), backend);
    let mut clones = [balance.clone(), balance.clone(), balance.clone()];
    insert(&balance, &["a", "c", "b"]);
    let mut had = BTreeMap::new();
    for nth in 0..30 {
        let answer = clones[nth % 2].ready().await.unwrap().call("hello").await.unwrap();
        *had.entry(answer).or_insert(0) += 1;
    }
    // Two clones with turns of their own would be out of step with three members as well; each gets a third of all.
    assert_eq!(had, BTreeMap::from([("a".into(), 10), ("b".into(), 10), ("c".into(), 10)]));
    balance.members().apply(Change::Remove("b".into()));
    for nth in 0..30 {
        assert_ne!(clones[nth % 3].ready().await.unwrap().call("hello").await.unwrap(), "b");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_share_it_while_members_come_and_go() {
    let (_, timer) = timer();
    let make = |_: &Endpoint| service_fn(|number: u32| std::future::ready(Ok::<_, &str>(number)));
    let policy = PowerOfTwoChoices::default();
    let balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(1), make);
    insert(&balance, &["a", "b", "c"]);
    let caller = || {
        let mut balance = balance.clone();
        tokio::spawn(async move {
            for _ in 0..2000 {
                assert_eq!(balance.ready().await.unwrap().call(7).await, Ok(7));
                tokio::task::yield_now().await;
            }
        })
    };
    let callers = [caller(), caller(), caller()];
    for nth in 0..500 {
        let name: Arc<str> = format!("d{}", nth % 3).into();
        match nth % 2 {
            0 => drop(balance.members().apply(Change::Insert(Endpoint::new(name)))),
            _ => drop(balance.members().apply(Change::Remove(name))),
        }
        tokio::task::yield_now().await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(balance.members().status().iter().all(|status| status.outstanding == 0));
}

#[tokio::test]
async fn without_members_it_says_so_at_once() {
    let (_, timer) = timer();
    let policy = PowerOfTwoChoices::default();
    let mut balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(1), backend);
    let Err(Error::NoCandidate(nobody)) = balance.ready().await.unwrap().call("hello").await else { panic!() };
    assert_eq!(nobody.members, 0);
}

#[tokio::test]
async fn a_call_counts_until_it_ends_or_is_dropped_and_giving_up_looks_slow() {
    let (clock, timer) = timer();
    let make = |endpoint: &Endpoint| {
        let hangs = &*endpoint.name == "hangs";
        service_fn(move |()| async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, &str>(())
        })
    };
    let mut balance =
        Balance::new("test", ClusterOptions::default(), LeastConnections, &timer, Rng::from_seed(1), make);
    insert(&balance, &["hangs"]);
    let call = balance.ready().await.unwrap().call(());
    assert_eq!(balance.members().status()[0].outstanding, 1);
    clock.advance(3 * SECOND);
    drop(call);
    let status = &balance.members().status()[0];
    assert_eq!((status.outstanding, status.latency), (0, 3 * SECOND));
}

#[tokio::test]
async fn failures_in_a_row_take_a_member_out_and_time_brings_it_back() {
    let (clock, timer) = timer();
    let policy = RoundRobin::new();
    let mut balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(1), backend);
    insert(&balance, &["a", "b", "bad", "c"]);
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(balance.ready().await.unwrap().call("hello").await.is_err());
    }
    assert_eq!(failed, 5, "the fifth ejects it");
    clock.advance(30 * SECOND);
    assert_eq!(balance.members().status().iter().filter(|status| status.ejected_until.is_some()).count(), 1);
    for _ in 0..100 {
        failed += usize::from(balance.ready().await.unwrap().call("hello").await.is_err());
    }
    assert_eq!(failed, 10);
}

#[tokio::test]
async fn the_caller_says_what_a_failure_is() {
    let (_, timer) = timer();
    let ignored = |_: &Result<String, &str>| xs_net::balance::Outcome::Ignored;
    let balance =
        Balance::new("test", ClusterOptions::default(), RoundRobin::new(), &timer, Rng::from_seed(1), backend);
    let mut balance = balance.classified(ignored);
    insert(&balance, &["a", "b", "bad"]);
    let mut failed = 0;
    for _ in 0..30 {
        failed += usize::from(balance.ready().await.unwrap().call("hello").await.is_err());
    }
    assert_eq!(failed, 10);
}

#[tokio::test]
async fn keys_stay_where_they_are() {
    let (_, timer) = timer();
    let policy = Hashed::new(Ring::default());
    let balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(1), backend);
    let mut balance = balance.steered(|key: &&str| Some(hash(key.as_bytes())));
    insert(&balance, &["a", "b", "c", "d"]);
    let keys = ["1", "2", "3", "4", "5", "6", "7", "8"];
    let mut before = Vec::new();
    for key in keys {
        before.push(balance.ready().await.unwrap().call(key).await.unwrap());
    }
    balance.members().apply(Change::Remove("b".into()));
    for (key, before) in keys.into_iter().zip(&before).filter(|(_, before)| *before != "b") {
        assert_eq!(balance.ready().await.unwrap().call(key).await.unwrap(), *before);
    }
    assert!(before.iter().any(|name| name == "b") && before.iter().any(|name| name != "b"));
}

/// A request that is sent until it succeeds or everybody was tried.
struct Again(Tried, Option<Arc<str>>);

#[derive(Clone)]
struct Elsewhere;

impl Steer<Again> for Elsewhere {
    fn hash(&self, _: &Again) -> Option<u64> {
        None
    }

    fn tried(&self, request: &Again) -> Option<Tried> {
        Some(request.0.clone())
    }

    fn picked(&self, request: &mut Again, endpoint: &Endpoint) {
        request.1 = Some(endpoint.name.clone());
    }
}

#[tokio::test]
async fn a_second_attempt_goes_elsewhere() {
    let (_, timer) = timer();
    let make = |endpoint: &Endpoint| {
        let name = endpoint.name.clone();
        service_fn(move |request: Again| {
            assert_eq!(request.1.as_ref(), Some(&name));
            let answer = if &*name == "good" { Ok(name.clone()) } else { Err("broken") };
            async move { answer }
        })
    };
    let policy = PowerOfTwoChoices::default();
    let balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(1), make);
    let mut balance = balance.steered(Elsewhere);
    insert(&balance, &["bad 1", "bad 2", "bad 3", "good"]);
    for _ in 0..20 {
        let tried = Tried::default();
        loop {
            match balance.ready().await.unwrap().call(Again(tried.clone(), None)).await {
                Ok(name) => break assert_eq!(&*name, "good"),
                Err(error) => assert_eq!(error.into_inner(), Some("broken")),
            }
        }
        let names = tried.names();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert!(distinct.len() == names.len() && names.len() <= 4, "{names:?}");
    }
    let tried = Tried::default();
    balance.members().apply(Change::Remove("good".into()));
    for _ in 0..3 {
        assert!(balance.ready().await.unwrap().call(Again(tried.clone(), None)).await.is_err());
    }
    let all = balance.ready().await.unwrap().call(Again(tried, None)).await;
    assert!(matches!(all, Err(Error::NoCandidate(nobody)) if nobody.members == 3));
}

/// Lets tasks run, and moves the clock from deadline to deadline until `until` from now.
async fn run_for(clock: &VirtualClock, until: Duration) {
    let end = clock.now() + until;
    loop {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        match clock.next_deadline().filter(|&next| next <= end) {
            Some(next) => clock.advance(next.saturating_duration_since(clock.now())),
            None => break clock.advance(end - clock.now()),
        }
    }
}

#[tokio::test]
async fn checks_find_who_is_unwell_and_who_hangs() {
    let (clock, timer) = timer();
    let options = ClusterOptions { well_unchecked: false, panic_percent: 0, ..ClusterOptions::default() };
    let mut balance = Balance::new("test", options, RoundRobin::new(), &timer, Rng::from_seed(1), backend);
    insert(&balance, &["a", "b", "c"]);
    let members = balance.members().clone();
    assert!(balance.ready().await.unwrap().call("hello").await.is_err(), "nobody was checked yet");
    let sick = Arc::new(Mutex::new(""));
    let checks = Arc::new(AtomicUsize::new(0));
    let (seen, counted) = (sick.clone(), checks.clone());
    let task = tokio::spawn(async move {
        let ask = |endpoint: Endpoint| {
            counted.fetch_add(1, Ordering::Relaxed);
            let sick = *seen.lock() == &*endpoint.name;
            async move {
                if sick && &*endpoint.name == "b" {
                    std::future::pending::<()>().await;
                }
                !sick
            }
        };
        check(&members, CheckOptions::default(), Rng::from_seed(2), ask).await;
    });
    let well = |balance: &Balance<Backend, RoundRobin>| -> String {
        let status = balance.members().status();
        status.iter().filter(|status| status.well).map(|status| status.endpoint.name.to_string()).collect()
    };
    run_for(&clock, Duration::ZERO).await;
    assert_eq!(well(&balance), "abc", "the first check decides, at once");
    for name in ["a", "b"] {
        *sick.lock() = name;
        // Two pauses and time-outs of at most 6 s and 2 s each are not enough, four surely are.
        run_for(&clock, 8 * SECOND).await;
        assert_eq!(well(&balance), "abc");
        run_for(&clock, 24 * SECOND).await;
        assert_eq!(well(&balance), "abc".replace(name, ""));
        *sick.lock() = "";
        run_for(&clock, 20 * SECOND).await;
        assert_eq!(well(&balance), "abc");
    }
    insert(&balance, &["d"]);
    run_for(&clock, Duration::ZERO).await;
    assert_eq!(well(&balance), "abcd", "a newcomer is checked at once");
    // One that goes and comes back at once is a newcomer, and becomes well with its next check.
    balance.members().apply(Change::Remove("d".into()));
    insert(&balance, &["d"]);
    assert_eq!(well(&balance), "abc");
    run_for(&clock, 6 * SECOND).await;
    assert_eq!(well(&balance), "abcd");
    for name in ["a", "b", "c", "d"] {
        balance.members().apply(Change::Remove(name.into()));
    }
    run_for(&clock, 10 * SECOND).await;
    let before = checks.load(Ordering::Relaxed);
    run_for(&clock, 60 * SECOND).await;
    assert_eq!(checks.load(Ordering::Relaxed), before, "nobody is left to be asked");
    task.abort();
}

/// Of two nobody can be ejected, so only the latency speaks against who fails at once.
#[tokio::test]
async fn who_fails_at_once_attracts_nothing() {
    let (clock, timer) = timer();
    let (policy, works) = (PowerOfTwoChoices::default(), Arc::new(AtomicUsize::new(1)));
    let (its, state) = (timer.clone(), works.clone());
    let make = move |endpoint: &Endpoint| {
        let (bad, its, state) = (&*endpoint.name == "bad", its.clone(), state.clone());
        service_fn(move |()| {
            let fails = bad && state.load(Ordering::Relaxed) == 0;
            let answer = its.sleep(Duration::from_millis(if fails { 1 } else { 10 }));
            async move {
                answer.await;
                if fails { Err("refused") } else { Ok(()) }
            }
        })
    };
    let mut balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(5), make);
    insert(&balance, &["bad", "good"]);
    // First it works, then it fails for two minutes.
    let mut failed = 0;
    for nth in 0..6_500 {
        works.store(usize::from(nth < 500), Ordering::Relaxed);
        let call = balance.ready().await.unwrap().call(());
        let (answer, ()) = tokio::join!(call, run_for(&clock, Duration::from_millis(20)));
        failed += usize::from(answer.is_err());
    }
    assert!(failed < 4_000, "{failed} of 6,000 failed");
}

#[tokio::test]
async fn a_check_that_panics_has_failed_and_the_others_go_on() {
    let (clock, timer) = timer();
    let balance =
        Balance::new("test", ClusterOptions::default(), RoundRobin::new(), &timer, Rng::from_seed(1), backend);
    insert(&balance, &["at once", "good", "later"]);
    let members = balance.members().clone();
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = checks.clone();
    let task = tokio::spawn(async move {
        let ask = |endpoint: Endpoint| {
            assert_ne!(&*endpoint.name, "at once", "a bug in what makes the check");
            let counted = counted.clone();
            async move {
                assert_ne!(&*endpoint.name, "later", "a bug in the check");
                counted.fetch_add(1, Ordering::Relaxed);
                true
            }
        };
        check(&members, CheckOptions { interval: SECOND, ..CheckOptions::default() }, Rng::from_seed(2), ask).await;
    });
    run_for(&clock, 20 * SECOND).await;
    let well: Vec<_> = balance.members().status().into_iter().map(|status| status.well).collect();
    assert_eq!(well, [false, true, false]);
    assert!(checks.load(Ordering::Relaxed) >= 15, "the good one is asked as often as ever");
    assert!(!task.is_finished());
    task.abort();
}

#[tokio::test]
async fn checks_that_hang_keep_nobody_from_being_checked() {
    let (clock, timer) = timer();
    let options = ClusterOptions { well_unchecked: false, ..ClusterOptions::default() };
    let balance = Balance::new("test", options, RoundRobin::new(), &timer, Rng::from_seed(1), backend);
    insert(&balance, &["a", "b", "c", "d", "e", "z"]);
    let members = balance.members().clone();
    let task = tokio::spawn(async move {
        // One at a time: those that hang are due again before the last one's turn has come.
        let options = CheckOptions { interval: SECOND, at_once: 1, ..CheckOptions::default() };
        let ask = |endpoint: Endpoint| async move {
            if &*endpoint.name != "z" {
                std::future::pending::<()>().await;
            }
            true
        };
        check(&members, options, Rng::from_seed(2), ask).await;
    });
    run_for(&clock, 20 * SECOND).await;
    let well: Vec<_> = balance.members().status().into_iter().map(|status| status.well).collect();
    assert_eq!(well, [false, false, false, false, false, true]);
    task.abort();
}

#[tokio::test]
async fn who_comes_back_under_its_name_does_not_pay_for_calls_of_before() {
    let (_clock, timer) = timer();
    let hangs = |_: &Endpoint| {
        service_fn(|answer: tokio::sync::oneshot::Receiver<()>| async move { answer.await.map_err(|_| "broken") })
    };
    let options = ClusterOptions::default();
    let mut balance = Balance::new("test", options, RoundRobin::new(), &timer, Rng::from_seed(1), hangs);
    insert(&balance, &["a"]);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let (send, receive) = tokio::sync::oneshot::channel();
        calls.push((send, balance.ready().await.unwrap().call(receive)));
    }
    balance.members().apply(Change::Remove("a".into()));
    insert(&balance, &["a", "b", "c"]);
    for (send, call) in calls {
        drop(send);
        call.await.unwrap_err();
    }
    assert!(balance.members().status().iter().all(|status| status.ejected_until.is_none()));
}

/// A call every 2 ms for 40 s to five that take 10 ms each. From second 5 on, `c` fails at once; from second 10 on it works
/// again. Answers who was called and whether that went well.
async fn outage(seed: u64) -> Vec<(Arc<str>, bool)> {
    let (clock, timer) = timer();
    let start = clock.now();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let (seen, waits) = (trace.clone(), timer.clone());
    let make = move |endpoint: &Endpoint| {
        let (name, timer, trace) = (endpoint.name.clone(), waits.clone(), seen.clone());
        service_fn(move |()| {
            let (name, timer, trace) = (name.clone(), timer.clone(), trace.clone());
            async move {
                let down = &*name == "c" && (5..10).contains(&(timer.now() - start).as_secs());
                trace.lock().push((name, !down));
                if down {
                    return Err("down");
                }
                timer.sleep(Duration::from_millis(10)).await;
                Ok(())
            }
        })
    };
    let policy = PowerOfTwoChoices::default();
    let balance = Balance::new("test", ClusterOptions::default(), policy, &timer, Rng::from_seed(seed), make);
    insert(&balance, &["a", "b", "c", "d", "e"]);
    for _ in 0..20_000 {
        let mut balance = balance.clone();
        tokio::spawn(async move { balance.ready().await.unwrap().call(()).await });
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_millis(2));
    }
    std::mem::take(&mut trace.lock())
}

#[tokio::test]
async fn an_outage_costs_as_many_calls_as_it_takes_to_notice() {
    for seed in 0..2 {
        let trace = outage(seed).await;
        let failed = trace.iter().filter(|(_, good)| !good).count();
        // It is noticed after five, and the term of 30 s outlasts the outage. Calls that began before are good yet.
        assert!((5..=10).contains(&failed), "seed {seed}: {failed} of {} failed", trace.len());
        let of_c = |calls: &[(Arc<str>, bool)]| calls.iter().filter(|(name, _)| &**name == "c").count();
        // 500 calls a second: its fifth before, nothing while it is out, its fifth again afterwards.
        let (before, out, after) = (of_c(&trace[500..2500]), of_c(&trace[4000..16_000]), of_c(&trace[18_500..]));
        assert!((300..500).contains(&before), "seed {seed}: {before} of 2000 before");
        assert_eq!(out, 0, "seed {seed}");
        assert!((200..400).contains(&after), "seed {seed}: {after} of 1500 afterwards");
        assert_eq!(trace, outage(seed).await, "seed {seed}: the same seed, the same run");
    }
}

#[tokio::test]
async fn a_member_can_be_picked_for_a_call_that_outlives_its_answer() {
    let (clock, timer) = timer();
    let make = |endpoint: &Endpoint| endpoint.name.to_string();
    let balance = Balance::new("test", ClusterOptions::default(), RoundRobin::new(), &timer, Rng::from_seed(1), make);
    let members = balance.members();
    for name in ["a", "b", "c"] {
        members.apply(Change::Insert(Endpoint::new(name)));
    }
    let names: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).into();
    let first = members.pick(clock.now(), None, &names[1..]).unwrap();
    assert_eq!((&*first.service, &*first.name), ("a", "a"));
    assert!(members.pick(clock.now(), None, &names).is_none());
    assert_eq!(members.status()[0].outstanding, 1);
    clock.advance(SECOND);
    first.end_at(Outcome::Success, clock.now());
    assert_eq!((members.status()[0].outstanding, members.status()[0].latency), (0, SECOND));
    // Failures in a row take it out here as well.
    let mut failed = 0;
    while let Some(picked) = members.pick(clock.now(), None, &names[1..]) {
        picked.end(Outcome::Failure);
        failed += 1;
        assert!(failed < 100);
    }
    assert_eq!(failed, 5);
    assert!(members.status()[0].ejected_until.is_some());
    // One that is dropped has taken a place, and gives it back.
    drop(members.pick(clock.now(), None, &[]).unwrap());
    assert!(members.status().iter().all(|status| status.outstanding == 0));
}
