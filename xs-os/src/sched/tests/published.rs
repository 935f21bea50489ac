//! What is known of each policy.

use super::*;

fn turnaround(run: &Run) -> u64 {
    run.metrics().turnaround.unwrap() / MILLI
}

/// OSTEP, chapter 7: 100, 10 and 10 in this order take 110 on the average, and 50 with the short ones first.
#[test]
fn fifo_makes_a_convoy() {
    let run = |tasks: [(&str, u64); 3]| {
        let tasks = tasks.map(|(name, time)| Task::new(name, vec![ms(time)]));
        turnaround(&under(&mut Fifo::default(), &Workload::of(tasks), &on(1, SECOND)))
    };
    assert_eq!(run([("a", 100), ("b", 10), ("c", 10)]), 110);
    assert_eq!(run([("b", 10), ("c", 10), ("a", 100)]), 50);
}

/// OSTEP, chapter 7: three jobs of 5, slices of 1: response 1, turnaround 14, where first come, first served has 5 and 10.
#[test]
fn taking_turns_trades_turnaround_for_response() {
    let workload = Workload::of(["a", "b", "c"].map(|name| Task::new(name, vec![ms(5)])));
    let options = on(1, SECOND);
    let run = under(&mut RoundRobin::new(MILLI), &workload, &options);
    assert_eq!((run.metrics().response, turnaround(&run)), (Some(MILLI), 14));
    let run = under(&mut Fifo::default(), &workload, &options);
    assert_eq!((run.metrics().response, turnaround(&run)), (Some(5 * MILLI), 10));
}

/// Nobody waits longer than the others' quanta.
#[test]
fn round_robin_bounds_waiting() {
    let workload = Workload::of([Task::new("t", forever(vec![ms(7)])).times(10)]);
    let run = under(&mut RoundRobin::default(), &workload, &on(1, SECOND));
    for task in 0..10 {
        let mut last = 0;
        for i in run.intervals.iter().filter(|i| i.task.0 == task) {
            assert!(i.from - last <= 90 * MILLI);
            last = i.to;
        }
    }
}

/// OSTEP, figure 8.2 and 8.3: a long job sinks to the bottom, and a short one that comes runs at once.
#[test]
fn mlfq_runs_short_jobs_before_long_ones() {
    let workload = Workload::of([Task::new("long", vec![ms(200)]), Task::new("short", vec![ms(20)]).at(100 * MILLI)]);
    let mut mlfq = Mlfq::default();
    mlfq.boost = None;
    let run = under(&mut mlfq, &workload, &on(1, SECOND));
    assert_eq!(run.task("short").first_run, Some(100 * MILLI));
    assert_eq!(run.task("short").finish, Some(120 * MILLI));
    assert_eq!(run.counts.preemptions, 1);
}

/// OSTEP, figure 8.5: who gives up the CPU just before its quantum ends stays at the top and has nearly all of it, until rule 4
/// counts the allotment.
#[test]
fn mlfq_is_gamed_until_it_keeps_accounts() {
    let gamer = forever(vec![us(9_900), Step::Io((100 * MICRO).into())]);
    let workload = Workload::of([Task::new("honest", forever(vec![ms(50)])), Task::new("gamer", gamer)]);
    let share = |forgiving| {
        let mut mlfq = Mlfq::default();
        mlfq.forgiving = forgiving;
        let run = under(&mut mlfq, &workload, &on(1, 5 * SECOND));
        run.task("gamer").run as f64 / run.end as f64
    };
    assert!(share(true) > 0.95, "{}", share(true));
    assert!(share(false) < 0.6, "{}", share(false));
}

/// OSTEP, figure 8.4: without boosts, enough interactive jobs starve a long one.
#[test]
fn mlfq_starves_without_boosts() {
    let busy = || forever(vec![us(400), Step::Io((500 * MICRO).into()), Step::Yield]);
    let late = |name| Task::new(name, busy()).at(100 * MILLI);
    let workload = Workload::of([Task::new("long", forever(vec![ms(50)])), late("a"), late("b"), late("c")]);
    let share = |boost| {
        // Allotments so long that the others stay where they are.
        let mut mlfq = Mlfq::default();
        (mlfq.boost, mlfq.quanta, mlfq.forgiving) = (boost, vec![20 * MILLI, 20 * MILLI], true);
        let run = under(&mut mlfq, &workload, &on(1, 3 * SECOND));
        run.task("long").run
    };
    let (without, with) = (share(None), share(Some(100 * MILLI)));
    assert!(with > without + 200 * MILLI, "{with} {without}");
}

/// Waldspurger and Weihl, 1995: for any two clients, the error is at most one quantum, at every moment.
#[test]
fn stride_is_exact_to_one_quantum() {
    let weights = [7_u32, 3, 2, 1];
    let workload = Workload::of(weights.map(|w| Task::new(format!("w{w}"), forever(vec![ms(1000)])).weight(w)));
    let run = under(&mut Stride::default(), &workload, &on(1, 20 * SECOND));
    let mut ran = [0_u64; 4];
    for i in &run.intervals {
        ran[i.task.index()] += i.to - i.from;
        for a in 0..4 {
            for b in 0..4 {
                let (wa, wb) = (f64::from(weights[a]), f64::from(weights[b]));
                let ideal = (ran[a] + ran[b]) as f64 * wa / (wa + wb);
                assert!((ran[a] as f64 - ideal).abs() <= 10_000_000.0 + 1.0, "{ran:?}");
            }
        }
    }
    assert!(run.metrics().fairness.is_some_and(|fairness| fairness > 0.999), "{:?}", run.metrics().fairness);
}

/// Who waits for a while is neither paid for it afterwards nor loses its share.
#[test]
fn stride_forgets_nothing_and_saves_nothing() {
    let sleeper = vec![Step::Sleep((5 * SECOND).into()), ms(100_000)];
    let workload = Workload::of([Task::new("a", forever(vec![ms(1000)])), Task::new("b", sleeper)]);
    let run = under(&mut Stride::default(), &workload, &on(1, 10 * SECOND));
    let b = run.task("b").run;
    assert!((2_480 * MILLI..=2_520 * MILLI).contains(&b), "{b}");
}

/// Waldspurger and Weihl, 1994: shares on the average; the error grows with the root of the number of draws.
#[test]
fn a_lottery_is_right_on_the_average() {
    let workload = Workload::of([3_u32, 1].map(|w| Task::new(format!("w{w}"), forever(vec![ms(1000)])).weight(w)));
    let run = under(&mut Lottery::new(1), &workload, &on(1, 100 * SECOND));
    let share = run.task("w3").run as f64 / run.end as f64;
    // 10000 draws: a deviation of 0.43%; four of them.
    assert!((share - 0.75).abs() < 0.0175, "{share}");
    assert!(share != 0.75);
}

fn shares(policy: &mut dyn Policy, cpus: u16) -> Vec<f64> {
    let tasks = [0, 5, 10, -5].map(|nice| Task::new(format!("n{nice}"), forever(vec![ms(100)])).nice(nice));
    let run = under(policy, &Workload::of(tasks), &on(cpus, 20 * SECOND));
    run.tasks.iter().map(|task| task.run as f64 / run.end as f64).collect()
}

#[test]
fn cfs_and_eevdf_share_by_weight() {
    let weights = [0, 5, 10, -5].map(|nice| f64::from(weight_of_nice(nice)));
    for policy in [&mut Cfs::policy() as &mut dyn Policy, &mut Eevdf::policy()] {
        for (share, weight) in shares(policy, 1).into_iter().zip(weights) {
            let ideal = weight / weights.iter().sum::<f64>();
            assert!((share / ideal - 1.0).abs() < 0.02, "{}: {share} for {ideal}", policy.name());
        }
    }
}

/// Three equal tasks on two CPUs have two thirds of one each: queues a CPU need balancing.
#[test]
fn balancing_is_fair_across_cpus() {
    let workload = Workload::of([Task::new("t", forever(vec![ms(100)])).times(3)]);
    let spread = |balance: Option<Time>| {
        let (mut cfs, mut eevdf) = (Cfs::policy(), Eevdf::policy());
        (cfs.balance, eevdf.balance) = (balance, balance);
        [&mut cfs as &mut dyn Policy, &mut eevdf].map(|policy| {
            let run = under(policy, &workload, &on(2, 10 * SECOND));
            let runs = run.tasks.iter().map(|task| task.run);
            runs.clone().max().unwrap() as f64 / runs.min().unwrap() as f64
        })
    };
    let (with, without) = (spread(Some(4 * MILLI)), spread(None));
    assert!(with.iter().all(|&ratio| ratio < 1.05), "{with:?}");
    assert!(without.iter().all(|&ratio| ratio > 1.9), "{without:?}");
}

/// Everyone runs once in a latency, or in as many granularities as there are tasks.
#[test]
fn cfs_serves_everyone_within_its_latency() {
    for (tasks, period) in [(4, 6 * MILLI), (16, 12 * MILLI)] {
        let workload = Workload::of([Task::new("t", forever(vec![ms(100)])).times(tasks)]);
        let run = under(&mut Cfs::policy(), &workload, &on(1, 2 * SECOND));
        let mut last = vec![0; tasks as usize];
        for i in &run.intervals {
            let gap = i.from - last[i.task.index()];
            // Slices are reckoned when they begin: the first ones knew nothing of the others.
            assert!(gap <= period || i.from < 500 * MILLI, "{tasks} tasks: {gap}");
            last[i.task.index()] = i.to;
        }
    }
}

/// Who has slept runs at once, but has no more than half a latency in hand, however long it has slept.
#[test]
fn cfs_lets_sleepers_in_and_not_for_long() {
    let sleeper = vec![Step::Sleep(SECOND.into()), ms(1000)];
    let workload = Workload::of([Task::new("hog", forever(vec![ms(100)])), Task::new("sleeper", sleeper)]);
    let run = under(&mut Cfs::policy(), &workload, &on(1, 1_106 * MILLI));
    let first = run.intervals.iter().find(|i| i.task == TaskId(1)).unwrap();
    assert_eq!(first.from, SECOND + 6 * MILLI);
    assert!(first.to - first.from <= 6 * MILLI);
    let ran = run.task("sleeper").run;
    assert!((50 * MILLI..=56 * MILLI).contains(&ran), "{ran}");
}

/// Stoica and Abdel-Wahab, theorem 1: nobody is ever further from its ideal share than a slice (here: its own, or the longest).
#[test]
fn the_lag_of_eevdf_is_bounded() {
    let weights = [1024_u32, 512, 2048, 100, 3000];
    let slices = [3, 1, 6, 2, 3];
    let tasks = weights.iter().zip(slices).map(|(&weight, slice)| {
        Task::new(format!("w{weight}"), forever(vec![ms(100)])).weight(weight).slice(slice * MILLI)
    });
    let run = under(&mut Eevdf::policy(), &Workload::of(tasks), &on(1, 5 * SECOND));
    let total: u32 = weights.iter().sum();
    let mut ran = [0_u64; 5];
    let mut worst = 0.0_f64;
    for i in &run.intervals {
        ran[i.task.index()] += i.to - i.from;
        for (ran, weight) in ran.iter().zip(weights) {
            let lag = i.to as f64 * f64::from(weight) / f64::from(total) - *ran as f64;
            worst = worst.max(lag.abs());
        }
    }
    assert!(worst <= 6.0 * MILLI as f64, "{worst}");
}

/// A short slice is served sooner, and gets no more.
#[test]
fn eevdf_tells_latency_from_share() {
    let body = || forever(vec![us(500), Step::Sleep((3 * MILLI).into())]);
    let hogs = || Task::new("hog", forever(vec![ms(100)])).times(4);
    let p99 = |slice| {
        let task = Task { slice, ..Task::new("quick", body()) };
        let run = under(&mut Eevdf::policy(), &Workload::of([hogs(), task]), &on(1, 5 * SECOND));
        (run.metrics().wakeup_p99.unwrap(), run.task("quick").run)
    };
    let ((short, ran), (long, _)) = (p99(Some(500 * MICRO)), p99(None));
    // One slice of somebody else's; two of them, and more, where deadlines are alike.
    assert!(short <= 3 * MILLI && long >= 6 * MILLI, "{short} {long}");
    assert!(ran <= SECOND + 50 * MILLI, "{ran}");
}

/// OSTEP, figure 8.3: who was interrupted by a higher level goes on first.
#[test]
fn mlfq_resumes_whom_it_interrupted() {
    let long = Task::new("long", forever(vec![ms(1000)])).times(2);
    let workload = Workload::of([long, Task::new("short", vec![ms(5)]).at(205 * MILLI)]);
    let mut mlfq = Mlfq::default();
    mlfq.boost = None;
    let run = under(&mut mlfq, &workload, &on(1, 400 * MILLI));
    let at = run.intervals.iter().position(|i| run.tasks[i.task.index()].name == "short").unwrap();
    let (before, after) = (run.intervals[at - 1], run.intervals[at + 1]);
    assert_eq!((before.task, before.end), (after.task, End::Preempted));
    // With what was left of its quantum.
    assert_eq!(before.to - before.from + after.to - after.from, 40 * MILLI);
}

/// Under CFS who yields lets another one run, however far ahead that one is; under EEVDF only while it is owed something.
#[test]
fn yielding_gives_way() {
    let polite = Task::new("polite", forever(vec![us(10), Step::Yield]));
    let workload = Workload::of([polite, Task::new("hog", forever(vec![ms(100)]))]);
    let run = under(&mut Cfs::policy(), &workload, &on(1, SECOND));
    assert!(run.task("polite").run * 10 < run.task("hog").run, "{:?}", run.tasks);
    let run = under(&mut Eevdf::policy(), &workload, &on(1, SECOND));
    assert!(run.metrics().fairness > Some(0.999), "{:?}", run.tasks);
}
