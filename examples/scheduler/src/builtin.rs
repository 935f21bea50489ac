//! Workloads that come with the program, each for one thing to be seen.

/// A workload that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// What it is called.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

impl Builtin {
    /// What is to be seen: the file's first lines.
    pub fn about(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#'));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("../workloads/", $name, ".toml")) }),+]
    };
}

/// All of them.
pub fn builtins() -> &'static [Builtin] {
    files!["convoy", "starvation", "ping-pong", "syscalls", "fan-out", "latency", "shares"]
}

/// The one of this name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    builtins().iter().find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::sched::{Options, Scheduler};

    #[test]
    fn each_runs_under_every_scheduler() {
        for builtin in builtins() {
            let workload = crate::parse(builtin.text).unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
            assert!(!builtin.about().is_empty(), "{}", builtin.name);
            for scheduler in Scheduler::ALL {
                let run = scheduler.run(&workload, &Options { until: 1_000_000_000, ..Options::default() }).unwrap();
                assert!(!run.outcome.is_failure(), "{} {scheduler}: {}", builtin.name, run.outcome);
                assert!(!run.intervals.is_empty(), "{} {scheduler}", builtin.name);
            }
        }
    }
}
