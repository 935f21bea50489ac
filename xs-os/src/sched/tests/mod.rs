//! Rules and published results as tests: each fails if the rule is taken out.

mod go;
mod properties;
mod published;
mod render;

use super::*;

/// So many milliseconds of computing.
fn ms(millis: u64) -> Step {
    Step::Compute((millis * MILLI).into())
}

fn us(micros: u64) -> Step {
    Step::Compute((micros * MICRO).into())
}

fn forever(body: Vec<Step>) -> Vec<Step> {
    vec![Step::Repeat { times: None, body }]
}

fn times(times: u64, body: Vec<Step>) -> Step {
    Step::Repeat { times: Some(times), body }
}

fn on(cpus: u16, until: Time) -> Options {
    Options { cpus, until, ..Options::default() }
}

fn under(policy: &mut dyn Policy, workload: &Workload, options: &Options) -> Run {
    simulate(workload, policy, options).unwrap()
}

impl Run {
    /// The task of this name.
    #[track_caller]
    fn task(&self, name: &str) -> &TaskRecord {
        self.tasks.iter().find(|task| task.name == name).expect("a task of this name")
    }
}

#[test]
fn mistakes_are_said_with_their_place() {
    let said = |workload: Workload| workload.check().unwrap_err().to_string();
    assert_eq!(said(Workload::default()), "the workload: it has no tasks");
    let send = Workload::of([Task::new("a", vec![ms(1), times(2, vec![ms(1), Step::Send("c".into())])])]);
    assert_eq!(said(send), "task \"a\", step 2.2: there is no channel \"c\"");
    assert_eq!(
        said(Workload::of([Task::new("a", vec![]), Task::new("a", vec![])])),
        "task \"a\": there are two of this name"
    );
    let unlock = Workload::of([Task::new("a", vec![Step::Unlock("l".into())])]);
    assert_eq!(said(unlock), "task \"a\", step 1: unlocks \"l\", which nothing locks");
    let mut deep = ms(1);
    for _ in 0..20 {
        deep = times(1, vec![deep]);
    }
    assert!(said(Workload::of([Task::new("a", vec![deep])])).contains("within one another"));
    assert!(said(Workload::of([Task::new("a", vec![]).weight(0)])).contains("weight"));
    assert!(said(Workload::of([Task::new("a", vec![]).times(u32::MAX)])).contains("more than 100000 tasks"));
    assert!(said(Workload::of([Task::new("a", forever(vec![]))])).contains("repeats nothing"));
}

#[test]
fn every_scheduler_ends_what_never_computes_and_finds_deadlocks_and_faults() {
    let recv = |name: &str| Step::Receive(name.into());
    let spins = Workload::of([Task::new("spins", forever(vec![Step::Yield]))]);
    let stuck = Workload::of([
        Task::new("a", vec![Step::Lock("l".into()), recv("c")]),
        Task::new("b", vec![ms(1), Step::Lock("l".into()), Step::Send("c".into())]),
    ])
    .channel("c", 0);
    let closes = vec![Step::Close("c".into()), Step::Send("c".into())];
    let faulty = Workload::of([Task::new("a", closes)]).channel("c", 0);
    let bombs = Workload::of([Task::new("bomb", forever(vec![Step::Spawn("bomb".into())]))]);
    let options = Options { events: 50_000, tasks: 1_000, ..Options::default() };
    for scheduler in Scheduler::ALL {
        let outcome = |workload: &Workload| scheduler.run(workload, &options).unwrap().outcome;
        assert_eq!(outcome(&spins), Outcome::TooManyEvents, "{scheduler}");
        let waiting = vec!["a receives from c".to_owned(), "b waits for the lock l".to_owned()];
        assert_eq!(outcome(&stuck), Outcome::Deadlock { waiting, tasks: 2 }, "{scheduler}");
        let fault = Outcome::Fault { task: "a".into(), what: "send on closed channel".into() };
        assert_eq!(outcome(&faulty), fault, "{scheduler}");
        assert!(matches!(outcome(&bombs), Outcome::Fault { .. } | Outcome::TooManyEvents), "{scheduler}");
    }
}
