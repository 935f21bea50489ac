//! Go's documented rules: with each, and without it.

use super::super::go::{Steal, Tuning, simulate};
use super::*;

fn run(workload: &Workload, tuning: &Tuning, options: &Options) -> Run {
    simulate(workload, tuning, options).unwrap()
}

fn spawn(name: &str) -> Step {
    Step::Spawn(name.into())
}

fn order(run: &Run) -> Vec<&str> {
    run.intervals.iter().map(|i| run.tasks[i.task.index()].name.as_str()).collect()
}

#[test]
fn the_last_one_that_was_made_runnable_is_next() {
    let main = vec![spawn("x"), spawn("y"), spawn("z"), us(1)];
    let child = |name| Task::new(name, vec![us(1)]).spawned();
    let workload = Workload::of([Task::new("main", main), child("x"), child("y"), child("z")]);
    let with = run(&workload, &Tuning::default(), &on(1, SECOND));
    assert_eq!(order(&with), ["main", "z", "x", "y"]);
    let without = run(&workload, &Tuning { runnext: false, ..Tuning::default() }, &on(1, SECOND));
    assert_eq!(order(&without), ["main", "x", "y", "z"]);
}

fn ping_pong(between: u64) -> [Task; 2] {
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let ping = forever(vec![us(between), Step::Send(a.clone()), Step::Receive(b.clone())]);
    let pong = forever(vec![Step::Receive(a), us(between), Step::Send(b)]);
    [Task::new("ping", ping), Task::new("pong", pong)]
}

#[test]
fn a_pair_that_wakes_one_another_shares_one_slice() {
    let third = Task::new("third", vec![us(1)]);
    let workload = Workload::of(ping_pong(10).into_iter().chain([third])).channel("a", 0).channel("b", 0);
    let tuning = |inherit| Tuning { inherit, global_every: 0, ..Tuning::default() };
    let with = run(&workload, &tuning(true), &on(1, SECOND));
    assert!(with.task("third").finish.is_some_and(|at| at < 40 * MILLI), "{:?}", with.task("third"));
    assert_eq!(run(&workload, &tuning(false), &on(1, SECOND)).task("third").finish, None);
}

#[test]
fn a_pair_stays_on_one_p() {
    let workload = Workload::of(ping_pong(1)).channel("a", 0).channel("b", 0);
    let run = run(&workload, &Tuning::default(), &on(4, 100 * MILLI));
    // Its runnext is left to a P that runs for 3 µs, in which it has run it.
    assert!(run.counts.switches > 90_000 && run.counts.migrations < 100, "{:?}", run.counts);
}

#[test]
fn every_61st_turn_is_the_global_queues() {
    let main = vec![times(200, vec![spawn("child")])];
    let child = Task::new("child", vec![ms(1)]).spawned();
    let workload = Workload::of([Task::new("main", main), child, Task::new("late", vec![us(1)]).at(500 * MICRO)]);
    let first = |every| {
        let tuning = Tuning { global_every: every, ..Tuning::default() };
        run(&workload, &tuning, &on(1, SECOND)).task("late").first_run.unwrap() / MILLI
    };
    assert!((58..=62).contains(&first(61)), "{}", first(61));
    assert!((28..=32).contains(&first(31)), "{}", first(31));
    assert_eq!(first(0), 200);
}

#[test]
fn half_of_a_ring_is_stolen() {
    let main = vec![times(101, vec![spawn("child")]), ms(1000)];
    let child = Task::new("child", vec![ms(1)]).spawned();
    let workload = Workload::of([Task::new("main", main), child]);
    let stolen = |steal| {
        // One look of the thief, after its thread has woken up.
        run(&workload, &Tuning { steal, ..Tuning::default() }, &on(2, 100 * MICRO)).counts.steals
    };
    // A hundred in the ring, one in runnext.
    assert_eq!(stolen(Steal::Half), 50);
    assert_eq!(stolen(Steal::One), 1);
    assert_eq!(stolen(Steal::Nothing), 0);
}

#[test]
fn stealing_keeps_all_ps_busy() {
    let main = vec![times(200, vec![spawn("child")]), ms(1)];
    let child = Task::new("child", vec![ms(1)]).spawned();
    let workload = Workload::of([Task::new("main", main), child]);
    let end = |steal| run(&workload, &Tuning { steal, ..Tuning::default() }, &on(4, SECOND)).end / MILLI;
    assert!((50..=53).contains(&end(Steal::Half)), "{}", end(Steal::Half));
    assert_eq!(end(Steal::Nothing), 201);
}

#[test]
fn runnext_of_a_busy_p_is_stolen_after_a_moment() {
    let workload =
        Workload::of([Task::new("main", vec![spawn("child"), ms(5)]), Task::new("child", vec![us(1)]).spawned()]);
    let run = run(&workload, &Tuning::default(), &on(2, SECOND));
    // The thread's 5 µs, after those of the first one, and 3 for the owner to come round to it.
    assert_eq!(run.task("child").first_run, Some(13 * MICRO));
}

#[test]
fn sysmon_preempts_after_ten_milliseconds() {
    let workload = Workload::of([Task::new("hog", vec![ms(500)]), Task::new("other", vec![us(1)])]);
    let first = |preempt| {
        let tuning = Tuning { preempt, ..Tuning::default() };
        run(&workload, &tuning, &on(1, SECOND)).task("other").first_run.unwrap()
    };
    let with = first(Some(10 * MILLI));
    assert!((10 * MILLI..=21 * MILLI).contains(&with), "{with}");
    assert!(first(None) >= 500 * MILLI);
}

#[test]
fn sysmon_retakes_a_p_from_a_system_call() {
    let workload = Workload::of([
        Task::new("main", vec![spawn("other"), us(100), Step::Syscall((5 * MILLI).into()), us(1)]),
        Task::new("other", vec![ms(1)]).spawned(),
    ]);
    let first = |retake| {
        let run = run(&workload, &Tuning { retake, ..Tuning::default() }, &on(1, SECOND));
        assert_eq!(run.outcome, Outcome::Finished);
        (run.task("other").first_run.unwrap(), run.counts.retakes, run.counts.threads)
    };
    let (with, retakes, threads) = first(true);
    // 5 for the first thread, 100 of computing, up to two looks that are 20 apart, 5 for the second thread.
    assert!((105 * MICRO..=150 * MICRO).contains(&with), "{with}");
    assert_eq!((retakes, threads), (1, 2));
    assert_eq!(first(false), (5_106 * MICRO, 0, 1));
}

#[test]
fn a_short_system_call_keeps_its_p() {
    let body = vec![us(50), Step::Syscall((5 * MICRO).into())];
    let workload = Workload::of([Task::new("t", vec![times(1000, body)]).times(2)]);
    let run = run(&workload, &Tuning::default(), &on(1, SECOND));
    assert!(run.counts.retakes < 300, "{:?}", run.counts);
    assert!(run.intervals.iter().any(|i| i.held && i.end == End::Syscall));
}

#[test]
fn sysmon_backs_off_when_it_has_nothing_to_do() {
    let calls = vec![spawn("other"), Step::Syscall((50 * MILLI).into())];
    let main = |before| {
        Workload::of([
            Task::new("main", [vec![ms(before)], calls.clone()].concat()),
            Task::new("other", vec![ms(1)]).spawned(),
        ])
    };
    let taken = |before| {
        let run = run(&main(before), &Tuning::default(), &on(1, SECOND));
        run.task("other").first_run.unwrap() - before * MILLI
    };
    assert!(taken(0) <= 60 * MICRO, "{}", taken(0));
    assert!((100 * MICRO..=21 * MILLI).contains(&taken(305)), "{}", taken(305));
    // 50 looks 20 µs apart, some doubling, then 100 a second.
    let hog = Workload::of([Task::new("hog", vec![ms(1000)])]);
    let quiet = run(&hog, &Tuning { preempt: None, ..Tuning::default() }, &on(1, 2 * SECOND));
    assert!((150..=175).contains(&quiet.counts.events), "{}", quiet.counts.events);
}

#[test]
fn sysmon_polls_the_network_when_nobody_else_does() {
    let workload = Workload::of([
        Task::new("reader", vec![Step::Io(MILLI.into()), us(1)]),
        Task::new("hog", vec![ms(300)]).times(2),
    ]);
    let finish =
        |poll| run(&workload, &Tuning { poll, ..Tuning::default() }, &on(1, SECOND)).task("reader").finish.unwrap();
    assert!(finish(Some(10 * MILLI)) < 60 * MILLI, "{}", finish(Some(10 * MILLI)));
    assert!(finish(None) >= 300 * MILLI);
}

#[test]
fn an_idle_p_polls_at_once() {
    let workload = Workload::of([Task::new("reader", vec![Step::Io(MILLI.into()), us(1)])]);
    let run = run(&workload, &Tuning::default(), &on(1, SECOND));
    assert_eq!(run.metrics().wakeup_p99, Some(5 * MICRO));
}

#[test]
fn sleepers_wake_although_all_ps_are_busy() {
    let workload = Workload::of([
        Task::new("sleeper", vec![Step::Sleep(MILLI.into()), us(1)]),
        Task::new("hog", vec![ms(300)]).times(2),
    ]);
    for cpus in [1, 2] {
        let run = run(&workload, &Tuning::default(), &on(cpus, SECOND));
        assert!(run.task("sleeper").finish.is_some_and(|at| at < 25 * MILLI), "{:?}", run.task("sleeper"));
    }
}

#[test]
fn what_is_too_much_for_a_ring_goes_to_all() {
    let main = vec![times(300, vec![spawn("child")]), us(1)];
    let workload = Workload::of([Task::new("main", main), Task::new("child", vec![us(10)]).spawned()]);
    let run = run(&workload, &Tuning::default(), &on(1, SECOND));
    assert_eq!(run.outcome, Outcome::Finished);
    // 256 in the ring, the last in runnext: the 258th sends the first 128 and itself behind the others.
    let order = order(&run);
    assert_eq!(order[..3], ["main", "child#300", "child#129"]);
}

#[test]
fn who_returns_from_a_call_without_a_p_queues_behind_the_others() {
    let workload = Workload::of([
        Task::new("caller", vec![Step::Syscall(MILLI.into()), us(1)]),
        Task::new("hog", vec![ms(5)]),
        Task::new("other", vec![us(1)]).at(500 * MICRO),
    ]);
    let run = run(&workload, &Tuning::default(), &on(1, SECOND));
    assert_eq!(order(&run), ["caller", "hog", "other", "caller"]);
}
