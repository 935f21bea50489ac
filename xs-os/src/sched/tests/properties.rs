//! What holds for any workload under any scheduler.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Watches a policy: it gives out only who is ready, and leaves no CPU idle while somebody waits.
#[derive(Debug)]
struct Watched {
    policy: Box<dyn Policy>,
    ready: BTreeSet<TaskId>,
    running: usize,
    last: Time,
}

impl Watched {
    fn watch(&mut self, machine: Machine<'_>) {
        if machine.now > self.last {
            let idle = self.running < machine.running.len();
            assert!(
                !idle || self.ready.is_empty(),
                "idle from {} to {}, {:?} wait",
                self.last,
                machine.now,
                self.ready
            );
            self.last = machine.now;
        }
    }
}

impl Policy for Watched {
    fn name(&self) -> &'static str {
        self.policy.name()
    }
    fn admit(&mut self, task: TaskId, hints: Hints) {
        self.policy.admit(task, hints);
    }
    fn ready(&mut self, task: TaskId, why: Ready, machine: Machine<'_>) -> Option<CpuId> {
        self.watch(machine);
        assert!(self.ready.insert(task));
        self.policy.ready(task, why, machine)
    }
    fn next(&mut self, cpu: CpuId, machine: Machine<'_>) -> Option<Turn> {
        self.watch(machine);
        let turn = self.policy.next(cpu, machine)?;
        assert!(self.ready.remove(&turn.task));
        self.running += 1;
        Some(turn)
    }
    fn stop(&mut self, task: TaskId, cpu: CpuId, ran: Time, why: Stop, machine: Machine<'_>) {
        self.watch(machine);
        self.running -= 1;
        if why.can_run() {
            assert!(self.ready.insert(task));
        }
        self.policy.stop(task, cpu, ran, why, machine);
    }
    fn period(&self) -> Option<Time> {
        self.policy.period()
    }
    fn tick(&mut self, machine: Machine<'_>) -> Cpus {
        self.watch(machine);
        self.policy.tick(machine)
    }
}

fn span() -> impl Strategy<Value = Span> {
    (0..3 * MILLI, 0..MILLI).prop_map(|(min, more)| Span::between(min, min + more))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let simple = prop_oneof![
        4 => span().prop_map(Step::Compute),
        1 => span().prop_map(Step::Sleep),
        1 => span().prop_map(Step::Io),
        1 => span().prop_map(Step::Syscall),
        1 => Just(Step::Yield),
        1 => Just(Step::Spawn("child".into())),
        1 => Just(Step::Send("jobs".into())),
    ];
    let critical = (0..2, span()).prop_map(|(lock, span)| {
        let name = format!("l{lock}");
        let body = vec![Step::Lock(name.clone()), Step::Compute(span), Step::Io(span), Step::Unlock(name)];
        Step::Repeat { times: Some(1), body }
    });
    let one = prop_oneof![8 => simple, 1 => critical];
    let repeat = (1..4_u64, prop::collection::vec(one.clone(), 1..4))
        .prop_map(|(n, body)| Step::Repeat { times: Some(n), body });
    prop::collection::vec(prop_oneof![3 => one, 1 => repeat], 0..6)
}

/// Tasks that all end: locks are held one at a time, and somebody takes whatever is sent.
fn workloads() -> impl Strategy<Value = Workload> {
    let task = (steps(), 0..20 * MILLI, 1..5_u32, -20..20_i8, prop::option::of(100_000..20 * MILLI));
    prop::collection::vec(task, 1..6).prop_map(|tasks| {
        let tasks = tasks.into_iter().enumerate().map(|(number, (program, at, count, nice, slice))| Task {
            slice,
            ..Task::new(format!("t{number}"), program).at(at).times(count).nice(nice).every(MILLI / 3)
        });
        let child = Task::new("child", vec![us(300), Step::Io(MICRO.into()), us(5)]).spawned();
        Workload::of(tasks.chain([child])).channel("jobs", 1_000_000)
    })
}

fn overlaps(mut stretches: Vec<(Time, Time)>) -> bool {
    stretches.sort_unstable();
    stretches.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

fn check(run: &Run) {
    assert_eq!(run.outcome, Outcome::Finished, "{}", run.policy);
    for cpu in 0..run.cpus {
        let on = run.intervals.iter().filter(|i| i.cpu.0 == cpu);
        assert!(!overlaps(on.map(|i| (i.from, i.to)).collect()), "{}: cpu {cpu}", run.policy);
    }
    for (number, task) in run.tasks.iter().enumerate() {
        let own: Vec<_> = run.intervals.iter().filter(|i| i.task.index() == number && !i.held).collect();
        assert!(!overlaps(own.iter().map(|i| (i.from, i.to)).collect()), "{}: {}", run.policy, task.name);
        assert_eq!(own.iter().map(|i| i.to - i.from).sum::<Time>(), task.run, "{}: {}", run.policy, task.name);
        assert_eq!(task.run, task.asked, "{}: {}", run.policy, task.name);
        assert!(task.finish.unwrap() - task.arrival.unwrap() >= task.run + task.waiting, "{}", run.policy);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn work_is_conserved(workload in workloads(), cpus in 1..6_u16, seed: u64) {
        let options = Options { seed, ..on(cpus, 100 * SECOND) };
        let mut asked = BTreeSet::new();
        for scheduler in Scheduler::ALL {
            let run = match scheduler.policy(seed) {
                Some(policy) => {
                    let mut watched = Watched { policy, ready: BTreeSet::new(), running: 0, last: 0 };
                    under(&mut watched, &workload, &options)
                }
                None => scheduler.run(&workload, &options).unwrap(),
            };
            check(&run);
            asked.insert(run.tasks.iter().map(|task| task.asked).sum::<Time>());
            prop_assert_eq!(scheduler.run(&workload, &options).unwrap().digest(), run.digest());
        }
        prop_assert_eq!(asked.len(), 1, "not the same work for all: {:?}", asked);
    }

    /// Graham's bound for any scheduler that leaves nobody waiting beside an idle CPU, and a little for waking threads.
    #[test]
    fn go_wastes_no_processor(lengths in prop::collection::vec(1..20 * MILLI, 1..40), cpus in 1..9_u16, main: bool) {
        let compute = |(n, &length): (usize, &Time)| Task::new(format!("t{n}"), vec![Step::Compute(length.into())]);
        let mut tasks: Vec<Task> = lengths.iter().enumerate().map(compute).collect();
        if main {
            let spawns = tasks.iter().map(|task| Step::Spawn(task.name.clone())).collect();
            tasks = tasks.into_iter().map(Task::spawned).chain([Task::new("main", spawns)]).collect();
        }
        let run = Scheduler::Go.run(&Workload::of(tasks), &on(cpus, 100 * SECOND)).unwrap();
        prop_assert_eq!(&run.outcome, &Outcome::Finished);
        let work: Time = lengths.iter().sum();
        let bound = work / Time::from(cpus) + lengths.iter().max().unwrap() + 10 * MICRO * (lengths.len() as u64 + 2);
        prop_assert!(run.end <= bound, "{} beyond {bound}", run.end);
    }

    /// Switching costs time, and changes nothing of the work.
    #[test]
    fn switches_cost_time(workload in workloads(), cpus in 1..4_u16) {
        for scheduler in Scheduler::ALL {
            let run = scheduler.run(&workload, &Options { switch: 7 * MICRO, ..on(cpus, 100 * SECOND) }).unwrap();
            prop_assert_eq!(&run.outcome, &Outcome::Finished);
            for task in &run.tasks {
                prop_assert_eq!(task.run, task.asked);
            }
        }
    }

    /// Wherever a run is cut, what has been told of it is told of the whole.
    #[test]
    fn a_run_that_is_cut_is_the_beginning_of_the_whole(workload in workloads(), until in 1..30 * MILLI) {
        for scheduler in Scheduler::ALL {
            let whole = scheduler.run(&workload, &on(2, 100 * SECOND)).unwrap();
            let part = scheduler.run(&workload, &on(2, until)).unwrap();
            let cut = part.intervals.iter().position(|i| i.end == End::Cut).unwrap_or(part.intervals.len());
            prop_assert_eq!(&whole.intervals[..cut], &part.intervals[..cut], "{}", scheduler);
        }
    }
}

#[test]
fn the_seed_decides() {
    let workload = Workload::of([Task::new("t", vec![Step::Compute(Span::between(0, MILLI))]).times(50)]);
    let digest = |seed| Scheduler::Go.run(&workload, &Options { seed, ..on(3, SECOND) }).unwrap().digest();
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// The largest numbers that can be said are no trouble.
#[test]
fn extremes_are_bounded() {
    let all = Span::between(0, LONGEST);
    let body = vec![Step::Compute(all), Step::Sleep(all), Step::Io(all), Step::Syscall(all), Step::Yield];
    let task = |name: &str, weight| {
        Task::new(name, forever(body.clone())).weight(weight).at(LONGEST).times(500).every(LONGEST)
    };
    let now = Task::new("now", forever(vec![Step::Compute(LONGEST.into())])).times(100);
    let workload = Workload::of([task("light", 1), task("heavy", MOST_WEIGHT), now]);
    for (cpus, switch) in [(0, u64::MAX), (u16::MAX, 0), (3, 1)] {
        let options = Options { cpus, until: u64::MAX, switch, events: 30_000, ..Options::default() };
        for scheduler in Scheduler::ALL {
            let run = scheduler.run(&workload, &options).unwrap();
            assert!(matches!(run.outcome, Outcome::TimeOver | Outcome::TooManyEvents), "{scheduler}: {}", run.outcome);
            assert!(run.metrics().utilisation <= 1.0 + 1e-9, "{scheduler}");
            assert!(timeline(&run, usize::MAX).len() < 100_000 && svg(&run).len() < 10_000_000);
        }
    }
}
