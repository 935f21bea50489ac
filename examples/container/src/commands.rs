//! What each command does.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::unistd::{Uid, User};
use oci_spec::runtime::{LinuxResources, Process};
use serde_json::{Value, json};
use xs_os::container::{CreateOptions, ExecOptions, Record, Runtime, Status, load_process, seal};

use crate::args::{Args, Command, Create, Exec, ListFormat, Run, Update};
use crate::foreground::{Foreground, absent, signal};
use crate::log::Log;

type Failure = Box<dyn std::error::Error>;

/// Carries a command out; answers what the program ends with.
pub(crate) fn run(args: Args, log: &Log) -> Result<ExitCode, Failure> {
    let runtime = runtime(&args)?;
    match args.command {
        Command::Create(create) => {
            seal()?;
            log.debug(|| plan(&runtime, &create));
            let record = runtime
                .create(&create.id, &options(&create, create.console_socket.clone()))
                .map_err(|error| format!("create failed: {error}"))?;
            log.debug(|| format!("process {}", record.pid));
        }
        Command::Start { id } => runtime.start(&id)?,
        Command::Run(run) => return self::run_container(&runtime, &run, log),
        Command::State { id } => print(&state(&runtime, &id)?)?,
        Command::Kill { id, signal: name, all } => runtime.kill(&id, signal(&name)?, all)?,
        Command::Delete { id, force } => runtime.delete(&id, force)?,
        Command::Exec(exec) => return self::exec(&runtime, &exec),
        Command::Ps { format, id, options } => ps(&runtime, format, &id, &options)?,
        Command::List { format, quiet } => list(&runtime, format, quiet)?,
        Command::Events { stats, interval, id } => return events(&runtime, &id, stats, &interval),
        Command::Pause { id } => runtime.pause(&id)?,
        Command::Resume { id } => runtime.resume(&id)?,
        Command::Update(update) => runtime.update(&update.id, &resources(&update)?)?,
        Command::Features => print(&xs_container::features())?,
        Command::Spec { rootless, bundle } => {
            let own = rootless.then(|| (Uid::effective().as_raw(), nix::unistd::Gid::effective().as_raw()));
            let path = bundle.join("config.json");
            absent(&path)?;
            std::fs::write(&path, format!("{:#}\n", xs_container::template(own)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime(args: &Args) -> Result<Runtime, Failure> {
    let root = args.root.clone().unwrap_or_else(|| match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(own) if !Uid::effective().is_root() => PathBuf::from(own).join("xs-container"),
        _ => PathBuf::from("/run/xs-container"),
    });
    let mut runtime = Runtime::new(std::path::absolute(root)?);
    runtime.systemd_cgroup = args.systemd_cgroup;
    match args.rootless.as_str() {
        "auto" => {}
        said => {
            runtime.rootless =
                said.parse().map_err(|_| format!("--rootless: {said:?} is none of true, false and auto"))?
        }
    }
    Ok(runtime)
}

fn options(create: &Create, console_socket: Option<PathBuf>) -> CreateOptions {
    CreateOptions {
        bundle: create.bundle.clone(),
        console_socket,
        pid_file: create.pid_file.clone(),
        no_pivot: create.no_pivot,
        no_new_keyring: create.no_new_keyring,
        preserve_fds: create.preserve_fds,
    }
}

fn plan(runtime: &Runtime, create: &Create) -> String {
    runtime.plan(&create.bundle).map_or_else(|error| error.to_string(), |plan| format!("{plan:#?}"))
}

fn run_container(runtime: &Runtime, run: &Run, log: &Log) -> Result<ExitCode, Failure> {
    seal()?;
    let create = &run.create;
    log.debug(|| plan(runtime, create));
    let failed = |error: xs_os::container::Error| format!("run failed: {error}");
    if run.detach {
        let record = runtime.create(&create.id, &options(create, create.console_socket.clone())).map_err(failed)?;
        return match runtime.start(&create.id) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                runtime.delete(&record.id, true)?;
                Err(failed(error).into())
            }
        };
    }
    let terminal = runtime.plan(&create.bundle).map_err(failed)?.process.terminal;
    if create.console_socket.is_some() {
        return Err("run failed: cannot use console socket if runc will not detach or allocate tty".into());
    }
    let foreground = Foreground::new(terminal)?;
    let record = runtime.create(&create.id, &options(create, foreground.socket())).map_err(failed)?;
    let ended = runtime
        .start(&create.id)
        .map_err(|error| Failure::from(failed(error)))
        .and_then(|()| foreground.wait(record.pid));
    if !run.keep || ended.is_err() {
        runtime.delete(&create.id, true)?;
    }
    Ok(code(ended?))
}

fn code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status & 0xff).unwrap_or(u8::MAX))
}

fn exec(runtime: &Runtime, exec: &Exec) -> Result<ExitCode, Failure> {
    seal()?;
    let failed = |error: xs_os::container::Error| format!("exec failed: {error}");
    let process = process(runtime, exec)?;
    let mut options = ExecOptions {
        console_socket: exec.console_socket.clone(),
        pid_file: exec.pid_file.clone(),
        no_new_keyring: false,
        preserve_fds: exec.preserve_fds,
        ignore_paused: exec.ignore_paused,
    };
    if exec.detach {
        runtime.exec(&exec.id, &process, &options).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let own = process.terminal().unwrap_or(false) && exec.console_socket.is_none();
    let foreground = Foreground::new(own)?;
    options.console_socket = options.console_socket.or(foreground.socket());
    let pid = runtime.exec(&exec.id, &process, &options).map_err(failed)?;
    Ok(code(foreground.wait(pid)?))
}

/// The description of a process: a file's, or the container's own with what the command line says in its place.
fn process(runtime: &Runtime, exec: &Exec) -> Result<Process, Failure> {
    if let Some(file) = &exec.process {
        return Ok(load_process(file)?);
    }
    let mut json = serde_json::to_value(runtime.process(&exec.id)?)?;
    if exec.args.is_empty() {
        return Err("exec failed: process args cannot be empty".into());
    }
    json["args"] = json!(exec.args);
    json["terminal"] = json!(exec.tty);
    if let Some(cwd) = &exec.cwd {
        json["cwd"] = json!(cwd);
    }
    let env = &mut json["env"];
    if env.is_null() {
        *env = json!([]);
    }
    if let Some(env) = env.as_array_mut() {
        env.extend(exec.env.iter().map(|entry| Value::from(entry.as_str())));
    }
    if exec.no_new_privs {
        json["noNewPrivileges"] = json!(true);
    }
    if let Some(user) = &exec.user {
        let (uid, gid) = user.split_once(':').map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        let number =
            |text: &str| text.parse::<u32>().map_err(|_| format!("exec failed: {user:?} is not uid or uid:gid"));
        json["user"]["uid"] = json!(number(uid)?);
        if let Some(gid) = gid {
            json["user"]["gid"] = json!(number(gid)?);
        }
    }
    if !exec.additional_gids.is_empty() {
        json["user"]["additionalGids"] = json!(exec.additional_gids);
    }
    for cap in &exec.cap {
        for set in ["bounding", "effective", "permitted"] {
            if json["capabilities"][set].is_null() {
                json["capabilities"][set] = json!([]);
            }
            if let Some(set) = json["capabilities"][set].as_array_mut() {
                set.push(json!(cap));
            }
        }
    }
    Ok(serde_json::from_value(json).map_err(|error| format!("exec failed: {error}"))?)
}

fn print(value: &Value) -> Result<(), Failure> {
    println!("{value:#}");
    Ok(())
}

fn owner(record: &Record) -> String {
    User::from_uid(Uid::from_raw(record.owner))
        .ok()
        .flatten()
        .map_or_else(|| record.owner.to_string(), |user| user.name)
}

fn state(runtime: &Runtime, id: &str) -> Result<Value, Failure> {
    Ok(serde_json::to_value(runtime.state(id)?)?)
}

fn list(runtime: &Runtime, format: ListFormat, quiet: bool) -> Result<(), Failure> {
    let containers = runtime.list()?;
    if quiet {
        containers.iter().for_each(|(record, _)| println!("{}", record.id));
        return Ok(());
    }
    match format {
        ListFormat::Json => {
            let all = containers.iter().map(|(record, status)| {
                let mut state = record.state(*status);
                state.owner = owner(record);
                serde_json::to_value(state)
            });
            println!("{}", Value::from(all.collect::<Result<Vec<_>, _>>()?));
        }
        ListFormat::Table => {
            println!("{:<36} {:<10} {:<10} {:<40} {:<32} OWNER", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
            for (record, status) in &containers {
                let pid = if *status == Status::Stopped { 0 } else { record.pid };
                println!(
                    "{:<36} {:<10} {:<10} {:<40} {:<32} {}",
                    record.id,
                    pid,
                    status.to_string(),
                    record.bundle.display(),
                    record.created,
                    owner(record)
                );
            }
        }
    }
    Ok(())
}

fn ps(runtime: &Runtime, format: ListFormat, id: &str, options: &[String]) -> Result<(), Failure> {
    let pids = runtime.processes(id)?;
    if format == ListFormat::Json {
        println!("{}", json!(pids));
        return Ok(());
    }
    let options = if options.is_empty() { &["-ef".to_owned()] } else { options };
    let told = std::process::Command::new("ps").args(options).output()?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).trim().to_owned().into());
    }
    let text = String::from_utf8_lossy(&told.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column =
        head.split_whitespace().position(|name| name == "PID").ok_or("couldn't find PID field in ps output")?;
    println!("{head}");
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            println!("{line}");
        }
    }
    Ok(())
}

fn events(runtime: &Runtime, id: &str, once: bool, interval: &str) -> Result<ExitCode, Failure> {
    let seconds =
        |text: &str, unit: f64| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0).map(|n| n * unit);
    let interval = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
        .iter()
        .find_map(|(unit, length)| interval.strip_suffix(unit).and_then(|number| seconds(number, *length)))
        .ok_or_else(|| format!("{interval:?} is no interval"))?;
    let interval = Duration::try_from_secs_f64(interval)?;
    loop {
        let stats = runtime.stats(id)?;
        println!("{}", json!({"type": "stats", "id": id, "data": stats}));
        if once {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(interval);
        // Its end is no error for who watches it.
        match runtime.state(id) {
            Ok(state) if state.status != Status::Stopped => {}
            _ => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn resources(update: &Update) -> Result<LinuxResources, Failure> {
    let mut json = match update.resources.as_deref() {
        None => json!({}),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            serde_json::from_str(&text)?
        }
        Some(file) => serde_json::from_str(&std::fs::read_to_string(file)?)?,
    };
    let mut put = |group: &str, name: &str, value: Option<Value>| {
        if let Some(value) = value {
            json[group][name] = value;
        }
    };
    put("blockIO", "weight", update.blkio_weight.map(Value::from));
    put("cpu", "period", update.cpu_period.map(Value::from));
    put("cpu", "quota", update.cpu_quota.map(Value::from));
    put("cpu", "shares", update.cpu_share.map(Value::from));
    put("cpu", "cpus", update.cpuset_cpus.clone().map(Value::from));
    put("cpu", "mems", update.cpuset_mems.clone().map(Value::from));
    put("memory", "limit", update.memory.map(Value::from));
    put("memory", "reservation", update.memory_reservation.map(Value::from));
    put("memory", "swap", update.memory_swap.map(Value::from));
    put("pids", "limit", update.pids_limit.map(Value::from));
    Ok(serde_json::from_value(json)?)
}
