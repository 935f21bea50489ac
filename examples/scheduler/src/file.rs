//! A workload as a file.

use std::collections::BTreeMap;

use serde::Deserialize;
use xs_os::sched::{self, Channel, Task, Workload, WorkloadError, weight_of_nice};

use crate::units::{Nanos, Span};

/// Why a file is no workload.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not the TOML that is expected; says the line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// It is, and makes no sense.
    #[error("{0}")]
    Workload(#[from] WorkloadError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// For people.
    #[serde(default, rename = "about")]
    _about: String,
    #[serde(default)]
    channels: BTreeMap<String, u32>,
    #[serde(default)]
    task: Vec<RawTask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTask {
    name: String,
    arrival: Option<Nanos>,
    #[serde(default)]
    spawned: bool,
    count: Option<u32>,
    every: Option<Nanos>,
    nice: Option<i8>,
    tickets: Option<u32>,
    weight: Option<u32>,
    slice: Option<Nanos>,
    #[serde(rename = "do")]
    program: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Compute(Span),
    Sleep(Span),
    Io(Span),
    Syscall(Span),
    Send(String),
    Receive(String),
    Close(String),
    Spawn(String),
    Lock(String),
    Unlock(String),
    Yield,
    Range(Range),
    Repeat(Repeat),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    channel: String,
    #[serde(rename = "do")]
    body: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    times: Option<u64>,
    #[serde(rename = "do")]
    body: Vec<Step>,
}

impl From<Step> for sched::Step {
    fn from(step: Step) -> Self {
        let all = |steps: Vec<Step>| steps.into_iter().map(sched::Step::from).collect();
        match step {
            Step::Compute(Span(span)) => sched::Step::Compute(span),
            Step::Sleep(Span(span)) => sched::Step::Sleep(span),
            Step::Io(Span(span)) => sched::Step::Io(span),
            Step::Syscall(Span(span)) => sched::Step::Syscall(span),
            Step::Send(name) => sched::Step::Send(name),
            Step::Receive(name) => sched::Step::Receive(name),
            Step::Close(name) => sched::Step::Close(name),
            Step::Spawn(name) => sched::Step::Spawn(name),
            Step::Lock(name) => sched::Step::Lock(name),
            Step::Unlock(name) => sched::Step::Unlock(name),
            Step::Yield => sched::Step::Yield,
            Step::Range(Range { channel, body }) => sched::Step::Range { channel, body: all(body) },
            Step::Repeat(Repeat { times, body }) => sched::Step::Repeat { times, body: all(body) },
        }
    }
}

impl RawTask {
    fn task(self) -> Result<Task, WorkloadError> {
        let wrong = |what: &str| Err(WorkloadError { place: format!("task {:?}", self.name), what: what.into() });
        let weight = match (self.nice, self.tickets, self.weight) {
            (None, None, None) => 1024,
            (Some(nice @ -20..=19), None, None) => weight_of_nice(nice),
            (Some(_), None, None) => return wrong("nice is not between -20 and 19"),
            (None, Some(weight), None) | (None, None, Some(weight)) => weight,
            _ => return wrong("more than one of nice, tickets and weight: they are ways to say the same"),
        };
        if self.spawned && (self.arrival.is_some() || self.count.is_some() || self.every.is_some()) {
            return wrong("it is spawned by others, so arrival, count and every say nothing");
        }
        let time = |nanos: Option<Nanos>| nanos.map(|Nanos(nanos)| nanos);
        Ok(Task {
            arrival: if self.spawned { None } else { Some(time(self.arrival).unwrap_or(0)) },
            count: self.count.unwrap_or(1),
            every: time(self.every).unwrap_or(0),
            weight,
            slice: time(self.slice),
            program: self.program.into_iter().map(sched::Step::from).collect(),
            name: self.name,
        })
    }
}

/// Reads a workload:
///
/// ```toml
/// about = "for people"
///
/// [channels]            # name = capacity; 0 hands over from sender to receiver
/// jobs = 10
///
/// [[task]]
/// name = "worker"
/// arrival = "5ms"       # or spawned = true; at once without
/// count = 4             # so many,
/// every = "1ms"         # so long behind one another
/// nice = 5              # or tickets = 335, or weight = 335
/// slice = "1ms"         # EEVDF's
/// do = [                # one thing after the other
///   { compute = "1ms..2ms" },          # anything from 1 to 2 ms
///   { sleep = "1ms" }, { io = "1ms" }, { syscall = "1ms" }, "yield",
///   { send = "jobs" }, { receive = "jobs" },
///   { lock = "name" }, { unlock = "name" },
///   { spawn = "other" },
///   { repeat = { times = 3, do = [{ compute = "1ms" }] } },        # without times: for ever
///   { range = { channel = "jobs", do = [{ compute = "1ms" }] } },  # until it is closed
///   { close = "jobs" },
/// ]
///
/// [[task]]
/// name = "other"
/// spawned = true
/// do = [{ compute = "1us" }]
/// ```
///
/// # Errors
///
/// What is wrong and where: the line, or the task and step.
pub fn parse(text: &str) -> Result<Workload, FileError> {
    let file: File = toml::from_str(text)?;
    let channels = file.channels.into_iter().map(|(name, capacity)| Channel { name, capacity }).collect();
    let tasks = file.task.into_iter().map(RawTask::task).collect::<Result<_, _>>()?;
    let workload = Workload { channels, tasks };
    workload.check()?;
    Ok(workload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::sched::Step as S;

    #[track_caller]
    fn refused(text: &str, because: &[&str]) {
        let said = parse(text).expect_err("it makes no sense").to_string();
        for part in because {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_file_says_everything() {
        let workload = parse(
            r#"
            about = "all of it"
            channels = { jobs = 3 }
            [[task]]
            name = "a"
            arrival = "1ms"
            count = 2
            every = "2ms"
            nice = 5
            slice = "1ms"
            do = ["yield", { compute = "1ms..2ms" }, { repeat = { do = [{ send = "jobs" }] } }]
            [[task]]
            name = "b"
            spawned = true
            tickets = 7
            do = [{ range = { channel = "jobs", do = [{ lock = "l" }, { unlock = "l" }] } }]
            "#,
        )
        .unwrap();
        let a = vec![
            S::Yield,
            S::Compute(sched::Span::between(1_000_000, 2_000_000)),
            S::Repeat { times: None, body: vec![S::Send("jobs".into())] },
        ];
        let b = vec![S::Range { channel: "jobs".into(), body: vec![S::Lock("l".into()), S::Unlock("l".into())] }];
        let expected = Workload::of([
            Task::new("a", a).at(1_000_000).times(2).every(2_000_000).nice(5).slice(1_000_000),
            Task::new("b", b).spawned().weight(7),
        ])
        .channel("jobs", 3);
        assert_eq!(workload, expected);
    }

    #[test]
    fn mistakes_are_said_with_their_line() {
        refused("[[task]]\nname = \"a\"\ndo = [{ compute = \"5 parsecs\" }]", &["line 3", "parsecs"]);
        refused("[[task]]\nname = \"a\"\ndo = [{ comptue = \"5ms\" }]", &["line 3", "comptue", "`compute`"]);
        refused("[[task]]\nname = \"a\"\nnise = 5\ndo = []", &["line 3", "nise"]);
        refused("[[task]]\ndo = []", &["name"]);
        refused("[[task]", &["line 1"]);
        refused("", &["no tasks"]);
    }

    #[test]
    fn mistakes_of_meaning_are_said_with_their_task() {
        refused("[[task]]\nname = \"a\"\ndo = [{ send = \"c\" }]", &["task \"a\", step 1", "no channel \"c\""]);
        refused("[[task]]\nname = \"a\"\nnice = 1\ntickets = 2\ndo = []", &["task \"a\"", "more than one"]);
        refused("[[task]]\nname = \"a\"\nnice = 30\ndo = []", &["between -20 and 19"]);
        refused("[[task]]\nname = \"a\"\nspawned = true\ncount = 2\ndo = []", &["spawned by others"]);
    }

    #[test]
    fn deep_nesting_is_refused_and_not_recursed_into() {
        let deep = format!("{}\"yield\"{}", "{repeat={do=[".repeat(5_000), "]}}".repeat(5_000));
        assert!(parse(&format!("[[task]]\nname = \"a\"\ndo = [{deep}]")).is_err());
    }
}
