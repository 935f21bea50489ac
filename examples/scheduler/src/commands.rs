//! What each command does.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use xs_os::sched::{self, Run, Scheduler, Workload, go};
use xs_scheduler::{builtin, builtins, compare, json, parse, report};

use crate::args::{Args, Command, What};
use crate::failure::Failure;

/// A workload's file is no longer than this.
const LONGEST_FILE: u64 = 16 << 20;

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Run { what, policy, without, timeline, width, svg, json: as_json } => {
            let workload = read(&what.file)?;
            let mut tuning = go::Tuning::default();
            for rule in &without {
                let known =
                    || Failure::Usage(format!("go has no rule {rule:?}; there are {}", go::Tuning::RULES.join(", ")));
                tuning = tuning.without(rule).ok_or_else(known)?;
            }
            let mut failed = false;
            for (number, &scheduler) in policy.iter().enumerate() {
                let run = simulate(&workload, scheduler, &tuning, &what)?;
                failed |= run.outcome.is_failure();
                if as_json {
                    say(&format!("{}\n", json(&run)))?;
                } else {
                    say(if number > 0 { "\n" } else { "" })?;
                    say(&report(&run))?;
                }
                if timeline {
                    say(&format!("\n{}", sched::timeline(&run, width.into())))?;
                }
                if let Some(file) = &svg {
                    let file = if policy.len() > 1 { named(file, scheduler) } else { file.clone() };
                    std::fs::write(&file, sched::svg(&run)).map_err(|error| cannot(&file, error))?;
                }
            }
            if failed { Err(Failure::Workload) } else { Ok(()) }
        }
        Command::Compare { what, json: as_json } => {
            let workload = read(&what.file)?;
            let tuning = go::Tuning::default();
            let all = Scheduler::ALL.map(|scheduler| simulate(&workload, scheduler, &tuning, &what));
            let runs = all.into_iter().collect::<Result<Vec<Run>, _>>()?;
            if as_json {
                runs.iter().try_for_each(|run| say(&format!("{}\n", json(run))))?;
            } else {
                say(&compare(&runs))?;
            }
            if runs.iter().any(|run| run.outcome.is_failure()) { Err(Failure::Workload) } else { Ok(()) }
        }
        Command::Examples { name: Some(name) } => match builtin(&name) {
            Some(builtin) => say(builtin.text),
            None => Err(Failure::Usage(format!("there is no example {name:?}; there are {}", names()))),
        },
        Command::Examples { name: None } => {
            builtins().iter().try_for_each(|builtin| say(&format!("{:<12} {}\n", builtin.name, builtin.about())))
        }
    }
}

fn names() -> String {
    builtins().iter().map(|builtin| builtin.name).collect::<Vec<_>>().join(", ")
}

fn simulate(workload: &Workload, scheduler: Scheduler, tuning: &go::Tuning, what: &What) -> Result<Run, Failure> {
    let run = match scheduler {
        Scheduler::Go => go::simulate(workload, tuning, &what.options()),
        _ => scheduler.run(workload, &what.options()),
    };
    run.map_err(|error| Failure::Usage(error.to_string()))
}

/// A file's workload; an example's if there is no such file.
fn read(file: &Path) -> Result<Workload, Failure> {
    let name = file.display().to_string();
    let mut text = String::new();
    let read = if name == "-" {
        io::stdin().lock().take(LONGEST_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(LONGEST_FILE).read_to_string(&mut text))
    };
    match (read, builtin(&name)) {
        (Ok(_), _) => {}
        (Err(error), Some(builtin)) if error.kind() == io::ErrorKind::NotFound => builtin.text.clone_into(&mut text),
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("{name} (the examples are {})", names());
            return Err(Failure::Io { what, source: error });
        }
        (Err(error), _) => return Err(cannot(file, error)),
    }
    parse(&text).map_err(|source| Failure::File { file: name, source })
}

/// `out.svg` becomes `out.cfs.svg`.
fn named(file: &Path, scheduler: Scheduler) -> PathBuf {
    let ending = file.extension().map_or("svg".into(), |ending| ending.to_string_lossy().into_owned());
    file.with_extension(format!("{scheduler}.{ending}"))
}

fn say(text: &str) -> Result<(), Failure> {
    let said = io::stdout().lock().write_all(text.as_bytes());
    said.map_err(|source| Failure::Io { what: "standard output".into(), source })
}

fn cannot(file: &Path, source: io::Error) -> Failure {
    Failure::Io { what: file.display().to_string(), source }
}
