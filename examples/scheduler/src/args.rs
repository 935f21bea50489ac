//! The command line: what can be said, and the help that teaches it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use xs_os::sched::{MOST_CPUS, Options, SECOND, Scheduler, Time};

/// Schedulers beside one another: who runs next, for how long, and what comes of it
///
/// A workload says what tasks come when and what they do: compute, sleep, wait for I/O, channels and locks. It runs in virtual
/// time, on CPUs that do nothing else; the same seed gives the same run. The policies are go (Go's runtime: local queues,
/// runnext, work stealing, sysmon), cfs and eevdf (Linux until 6.5, and since), mlfq, stride, lottery, rr and fifo.
#[derive(Debug, Parser)]
#[command(name = "xs-scheduler", version, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit codes:
  0  done
  1  the workload fails: all its tasks wait for one another, or one does what must not be
  2  the command line or the workload's file makes no sense
  3  a file cannot be read or written

Examples:
  xs-scheduler compare convoy
  xs-scheduler run ping-pong --policy go,cfs --timeline
  xs-scheduler run syscalls --policy go --until 20ms --svg go.svg
  xs-scheduler run fan-out --without steal --timeline
  xs-scheduler examples latency > mine.toml; xs-scheduler compare mine.toml --cpus 1";

const FORMAT: &str = "\
A workload is TOML:

  [channels]                   # name = capacity
  jobs = 10

  [[task]]
  name = \"worker\"
  arrival = \"5ms\"              # or spawned = true; at once without
  count = 4                    # so many, and every = \"1ms\": so long behind one another
  nice = 5                     # or tickets = 335, or weight = 335
  slice = \"1ms\"                # what it asks EEVDF for
  do = [                       # one thing after the other
    { compute = \"1ms..2ms\" },  # anything from 1 to 2 ms; sleep, io and syscall alike
    \"yield\",
    { send = \"jobs\" }, { receive = \"jobs\" }, { close = \"jobs\" },
    { lock = \"l\" }, { unlock = \"l\" },
    { spawn = \"worker\" },
    { repeat = { times = 3, do = [{ compute = \"1ms\" }] } },    # without times: for ever
    { range = { channel = \"jobs\", do = [{ io = \"1ms\" }] } }, # until it is closed
  ]

`xs-scheduler examples NAME` prints one that can be changed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workload under one policy or several, and say what each task had of it
    #[command(after_help = FORMAT)]
    Run {
        #[command(flatten)]
        what: What,
        /// The policies, with commas between them: go, cfs, eevdf, mlfq, stride, lottery, rr, fifo
        #[arg(long, short, value_delimiter = ',', default_value = "go", value_parser = scheduler)]
        policy: Vec<Scheduler>,
        /// Take rules out of go, with commas between them: runnext, inherit, global, steal, preempt, retake, poll
        #[arg(long, value_name = "RULES", value_delimiter = ',')]
        without: Vec<String>,
        /// Draw who ran when: a row a CPU, a letter a task, `.` idle, `~` a system call that keeps its processor
        #[arg(long, short)]
        timeline: bool,
        /// How many columns the timeline has
        #[arg(long, default_value_t = 100, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(10..=1000))]
        width: u16,
        /// Draw it as a Gantt chart; with several policies, the name of each is put before the file's ending
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Print one JSON object a policy in place of tables; times are nanoseconds
        #[arg(long, conflicts_with = "timeline")]
        json: bool,
    },
    /// Run a workload under all policies, and print one table
    #[command(after_help = FORMAT)]
    Compare {
        #[command(flatten)]
        what: What,
        /// Print one JSON object a policy in place of the table
        #[arg(long)]
        json: bool,
    },
    /// Print the names of the workloads that come with the program, or one of them
    Examples {
        /// Its name
        name: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct What {
    /// The workload: a file, - for standard input, or the name of an example
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many CPUs
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_CPUS)))]
    cpus: u16,
    /// What all chance follows from
    #[arg(long, short, default_value_t = 42)]
    seed: u64,
    /// When the run ends at the latest, such as 500ms or 10s
    #[arg(long, short, value_name = "TIME", value_parser = xs_scheduler::duration, default_value = "10s")]
    until: Time,
    /// What it costs a CPU to begin with another task, such as 2us
    #[arg(long, value_name = "TIME", value_parser = switch, default_value = "0ns")]
    switch_cost: Time,
    /// After how many events the run ends
    #[arg(long, default_value_t = 20_000_000)]
    events: u64,
}

impl What {
    pub(crate) fn options(&self) -> Options {
        Options {
            cpus: self.cpus,
            seed: self.seed,
            until: self.until,
            switch: self.switch_cost,
            events: self.events,
            ..Options::default()
        }
    }
}

fn scheduler(name: &str) -> Result<Scheduler, String> {
    name.trim().parse().map_err(|unknown: xs_os::sched::UnknownScheduler| unknown.to_string())
}

fn switch(text: &str) -> Result<Time, String> {
    let cost = xs_scheduler::duration(text)?;
    if cost > SECOND { Err("a switch takes no longer than a second".into()) } else { Ok(cost) }
}
