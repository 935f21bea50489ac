//! What each command does.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use xs_os::supervisor::driver::{Config, Follow, Request, Response, Supervisor, UnitStatus, tail};
use xs_os::supervisor::{CommandError, Files, Graph, Host, Loaded};
use xs_supervisor::{Style, ask, default_control, jobs, list, status, unit_name};

use crate::args::{Args, Command};
use crate::demo;
use crate::failure::Failure;

pub(crate) fn run(args: Args) -> Result<u8, Failure> {
    let control = args.control.unwrap_or_else(default_control);
    if let Some((verb, job)) = args.command.job() {
        let units = names(&job.units);
        return answer(ask(&control, &Request::Job { verb, units, no_block: job.no_block })?);
    }
    match args.command {
        Command::Run { dir, log_dir, target, no_cgroups, quiet } => {
            let runtime_dir = control.parent().map(Path::to_owned).unwrap_or_default();
            let runtime_dir = if runtime_dir.as_os_str().is_empty() { PathBuf::from(".") } else { runtime_dir };
            let mut config = Config::new(dir, runtime_dir);
            config.control = control;
            config.log_dir = log_dir.unwrap_or(config.log_dir);
            (config.target, config.cgroups, config.echo) = (target, !no_cgroups, !quiet);
            let failed = |source| Failure::Io { what: "run".into(), source };
            Supervisor::new(config).and_then(Supervisor::run).map_err(failed)?;
            Ok(0)
        }
        Command::Status { units, lines, json } => {
            let all = units.is_empty();
            let response = ask(&control, &Request::Status { units: names(&units), lines })?;
            let shown: Vec<&UnitStatus> =
                response.units.iter().filter(|unit| !all || unit.active != "inactive").collect();
            for (number, unit) in shown.iter().enumerate() {
                if json {
                    say(&format!("{}\n", to_json(unit)?))?;
                } else {
                    say(if number > 0 { "\n" } else { "" })?;
                    say(&status(unit, style()))?;
                }
            }
            let down = !all && response.units.iter().any(|unit| !is_up(unit));
            let missing = response.units.iter().any(|unit| !all && unit.load == "not-found" && !is_up(unit));
            let code = if missing {
                4
            } else if down {
                3
            } else {
                0
            };
            answer(Response { units: Vec::new(), code: response.code.max(code), ..response })
        }
        Command::IsActive { units } => {
            let states = states(&control, &units)?;
            states.iter().try_for_each(|state| say(&format!("{}\n", state.as_deref().unwrap_or("inactive"))))?;
            let up = |state: &Option<String>| matches!(state.as_deref(), Some("active" | "reloading"));
            Ok(if states.iter().any(up) {
                0
            } else if states.iter().all(Option::is_none) {
                4
            } else {
                3
            })
        }
        Command::IsFailed { units } => {
            let states = states(&control, &units)?;
            states.iter().try_for_each(|state| say(&format!("{}\n", state.as_deref().unwrap_or("inactive"))))?;
            Ok(u8::from(!states.iter().any(|state| state.as_deref() == Some("failed"))))
        }
        Command::Logs { unit, follow, lines } => logs(&control, unit.as_deref(), follow, lines),
        Command::List { all, json } => {
            let response = ask(&control, &Request::Status { units: Vec::new(), lines: 0 })?;
            let units: Vec<UnitStatus> = response
                .units
                .into_iter()
                .filter(|unit| all || unit.active != "inactive" || unit.job.is_some())
                .collect();
            if json {
                units.iter().try_for_each(|unit| say(&format!("{}\n", to_json(unit)?)))?;
            } else {
                say(&list(&units, style()))?;
            }
            Ok(0)
        }
        Command::ListJobs => {
            let response = ask(&control, &Request::Jobs)?;
            say(&jobs(&response.jobs))?;
            Ok(0)
        }
        Command::Kill { units, signal, main } => {
            answer(ask(&control, &Request::Kill { units: names(&units), signal, main })?)
        }
        Command::ResetFailed { units } => answer(ask(&control, &Request::ResetFailed { units: names(&units) })?),
        Command::DaemonReload => answer(ask(&control, &Request::DaemonReload)?),
        Command::Shutdown => answer(ask(&control, &Request::Shutdown)?),
        Command::Graph { dir, unit, dot, order } => {
            let loaded = load(&dir)?;
            let graph = Graph::new(&loaded.units);
            let unit = unit_name(&unit);
            if !loaded.units.contains_key(&unit) {
                return Err(Failure::Said { text: CommandError::NotFound(unit).to_string(), code: 4 });
            }
            if dot {
                say(&graph.dot())?;
            } else if order {
                graph.closure(&unit).iter().try_for_each(|name| say(&format!("{name}\n")))?;
            } else {
                say(&graph.tree(&unit))?;
            }
            Ok(0)
        }
        Command::Check { dir } => {
            let loaded = load(&dir)?;
            let cycles = Graph::new(&loaded.units).cycles();
            for notice in &loaded.notices {
                say(&format!("{}: {notice}\n", if notice.fatal { "error" } else { "warning" }))?;
            }
            for cycle in &cycles {
                say(&format!("error: The order of units is cyclic: {}\n", round(cycle)))?;
            }
            let mine = loaded.units.values().filter(|unit| !unit.sources.is_empty()).count();
            say(&format!("{mine} units, {} with errors.\n", loaded.broken.len()))?;
            Ok(u8::from(!cycles.is_empty() || loaded.notices.iter().any(|notice| notice.fatal)))
        }
        Command::Demo => demo::run(),
        // All others have asked for a job.
        _ => Ok(0),
    }
}

/// `a after b after a`.
fn round(cycle: &[String]) -> String {
    let back = cycle.first().cloned();
    cycle.iter().cloned().chain(back).collect::<Vec<_>>().join(" after ")
}

fn names(typed: &[String]) -> Vec<String> {
    typed.iter().map(|name| unit_name(name)).collect()
}

fn is_up(unit: &UnitStatus) -> bool {
    matches!(unit.active.as_str(), "active" | "reloading")
}

fn load(dir: &Path) -> Result<Loaded, Failure> {
    let files = Files::read_dir(dir).map_err(|source| Failure::Io { what: dir.display().to_string(), source })?;
    Ok(files.load(&Host::new()))
}

/// The states of units; none of one that is not there.
fn states(control: &Path, units: &[String]) -> Result<Vec<Option<String>>, Failure> {
    let response = ask(control, &Request::Status { units: names(units), lines: 0 })?;
    let state = |name: &String| {
        let unit = response.units.iter().find(|unit| unit.name == unit_name(name))?;
        (unit.load != "not-found" || unit.active != "inactive").then(|| unit.active.clone())
    };
    Ok(units.iter().map(state).collect())
}

fn logs(control: &Path, unit: Option<&str>, follow: bool, lines: usize) -> Result<u8, Failure> {
    let named = unit.map(unit_name);
    let request = Request::Status { units: named.clone().into_iter().collect(), lines: 0 };
    let response = ask(control, &request)?;
    let Some(first) = response.units.first() else { return answer(response) };
    let mut path = PathBuf::from(&first.log);
    if named.is_none() {
        path.set_file_name("supervisor.log");
    }
    let failed = |source| Failure::Io { what: path.display().to_string(), source };
    let mut more = Follow::new(&path);
    for line in tail(&path, lines).map_err(failed)? {
        say(&format!("{line}\n"))?;
    }
    if !follow {
        return Ok(0);
    }
    // Until it is interrupted, or nobody reads any more.
    loop {
        let bytes = more.more().map_err(failed)?;
        if bytes.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
        write(&bytes)?;
    }
}

/// Says what a supervisor answers, and ends as it says.
fn answer(response: Response) -> Result<u8, Failure> {
    for notice in &response.notices {
        let _ = io::stderr().write_all(format!("{notice}\n").as_bytes());
    }
    if response.errors.is_empty() {
        return Ok(response.code);
    }
    Err(Failure::Said { text: response.errors.join("\n"), code: response.code })
}

fn to_json(unit: &UnitStatus) -> Result<String, Failure> {
    serde_json::to_string(unit).map_err(|error| Failure::Io { what: unit.name.clone(), source: error.into() })
}

fn style() -> Style {
    Style { color: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
}

fn say(text: &str) -> Result<(), Failure> {
    write(text.as_bytes())
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let said = out.write_all(bytes).and_then(|()| out.flush());
    said.map_err(|source| Failure::Io { what: "standard output".into(), source })
}
