//! `[Service]`, and our own section.

use std::time::Duration;

use super::{Draft, choice, or_default, values};
use crate::supervisor::file::Problem;
use crate::supervisor::unit::{
    Exec, KillMode, Kind, Limit, NotifyAccess, Output, Readiness, Restart, Service, Signal, Type, is_name,
};

/// Keys that change what runs, as whom, or what it sees of the machine: a service that relies on one must not run without it.
const REFUSED: [&str; 14] = [
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "BusName",
    "DynamicUser",
    "ExecCondition",
    "LoadCredential",
    "MountImages",
    "NetworkNamespacePath",
    "PAMName",
    "RootDirectory",
    "RootImage",
    "SetCredential",
    "StateDirectory",
];

/// Keys by how they begin that harden, account or tune: they are named, and the service runs without them.
const LEFT_OUT: [&str; 57] = [
    "AppArmorProfile",
    "BlockIO",
    "CacheDirectory",
    "ConfigurationDirectory",
    "CPUAccounting",
    "CPUAffinity",
    "CPUScheduling",
    "CoredumpFilter",
    "CPUShares",
    "CPUStartup",
    "Delegate",
    "DevicePolicy",
    "DeviceAllow",
    "ExitType",
    "FileDescriptorStoreMax",
    "IgnoreSIGPIPE",
    "InaccessiblePaths",
    "IO",
    "IPAccounting",
    "IPAddress",
    "KeyringMode",
    "LockPersonality",
    "Log",
    "MemoryAccounting",
    "CapabilityBoundingSet",
    "MemoryDeny",
    "MemoryLow",
    "MemoryMin",
    "MemorySwap",
    "MountFlags",
    "NUMA",
    "NonBlocking",
    "OOMPolicy",
    "Personality",
    "Private",
    "ProcSubset",
    "Protect",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "Restrict",
    "RestartKillSignal",
    "RootDirectoryStartOnly",
    "RuntimeDirectory",
    "RuntimeRandomizedExtraSec",
    "SecureBits",
    "Slice",
    "StandardInput",
    "StartupCPU",
    "SuccessAction",
    "Syslog",
    "SystemCall",
    "TasksAccounting",
    "TimeoutStartFailureMode",
    "TimeoutStopFailureMode",
    "TimerSlackNSec",
    "UtmpIdentifier",
];

const RESOURCES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// Puts one value, or takes all back if it is empty.
fn push<T>(list: &mut Vec<T>, value: &str, more: Vec<T>) {
    if value.is_empty() {
        list.clear();
    }
    list.extend(more);
}

impl Draft<'_> {
    fn service(&mut self) -> Result<&mut Service, Problem> {
        match &mut self.unit.kind {
            Kind::Service(service) => Ok(service),
            _ => Err(Problem::Unknown),
        }
    }

    pub(super) fn service_key(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        if self.service_life(key, value)? || self.service_process(key, value)? {
            return Ok(());
        }
        Err(match key {
            // `StateDirectory` and its like begin as others do that can be left out.
            key if REFUSED.iter().any(|known| key.starts_with(known)) => Problem::Refused,
            key if LEFT_OUT.iter().any(|begin| key.starts_with(begin)) => Problem::Unsupported,
            _ => Problem::Unknown,
        })
    }

    /// Keys about when it is started, stopped and started again; whether it is one.
    fn service_life(&mut self, key: &str, value: &str) -> Result<bool, Problem> {
        let default = Service::default();
        let commands = if key.starts_with("Exec") { self.commands(value)? } else { Vec::new() };
        let signal = |text: &str| Signal::parse(text).ok_or_else(|| format!("'{text}' is no signal"));
        let add = |set: &mut crate::supervisor::unit::ExitSet| {
            if value.is_empty() {
                *set = Default::default();
            }
            set.extend(value).map_err(Problem::Bad)
        };
        let pid_file = if key == "PIDFile" && !value.is_empty() {
            let text = self.text(value)?;
            Some(if text.starts_with('/') { text.into() } else { format!("/run/{text}").into() })
        } else {
            None
        };
        if key == "StartLimitInterval" || key == "StartLimitBurst" {
            // Where they were before systemd 230.
            self.unit_key("Unit", key, value)?;
            return Ok(true);
        }
        let sockets = if key == "Sockets" { self.words(value)? } else { Vec::new() };
        let service = self.service()?;
        match key {
            "Type" => {
                let known = [
                    ("simple", Type::Simple),
                    ("exec", Type::Exec),
                    ("forking", Type::Forking),
                    ("oneshot", Type::Oneshot),
                    ("notify", Type::Notify),
                    ("idle", Type::Idle),
                ];
                if matches!(value, "dbus" | "notify-reload") {
                    return Err(Problem::Refused);
                }
                service.kind = or_default(value, Type::Simple, |text| choice(text, &known))?;
            }
            "ExecStartPre" => push(&mut service.exec_start_pre, value, commands),
            "ExecStart" => push(&mut service.exec_start, value, commands),
            "ExecStartPost" => push(&mut service.exec_start_post, value, commands),
            "ExecReload" => push(&mut service.exec_reload, value, commands),
            "ExecStop" => push(&mut service.exec_stop, value, commands),
            "ExecStopPost" => push(&mut service.exec_stop_post, value, commands),
            "RemainAfterExit" => service.remain_after_exit = or_default(value, false, values::boolean)?,
            "GuessMainPID" => service.guess_main_pid = or_default(value, true, values::boolean)?,
            "PIDFile" => service.pid_file = pid_file,
            "Restart" => {
                let known = [
                    ("no", Restart::No),
                    ("on-success", Restart::OnSuccess),
                    ("on-failure", Restart::OnFailure),
                    ("on-abnormal", Restart::OnAbnormal),
                    ("on-watchdog", Restart::OnWatchdog),
                    ("on-abort", Restart::OnAbort),
                    ("always", Restart::Always),
                ];
                service.restart = or_default(value, Restart::No, |text| choice(text, &known))?;
            }
            "RestartSec" => service.restart_sec = or_default(value, default.restart_sec, values::finite)?,
            "RestartSteps" => service.restart_steps = or_default(value, 0, |text| values::number(text, 0, 1000))?,
            "RestartMaxDelaySec" => service.restart_max_delay = or_default(value, None, values::time_span)?,
            "RestartPreventExitStatus" => add(&mut service.restart_prevent)?,
            "RestartForceExitStatus" => add(&mut service.restart_force)?,
            "SuccessExitStatus" => add(&mut service.success)?,
            "TimeoutStartSec" => service.timeout_start = or_default(value, default.timeout_start, values::timeout)?,
            "TimeoutStopSec" => service.timeout_stop = or_default(value, default.timeout_stop, values::timeout)?,
            "TimeoutAbortSec" => service.timeout_abort = or_default(value, None, values::timeout)?,
            "TimeoutSec" => {
                service.timeout_start = or_default(value, default.timeout_start, values::timeout)?;
                service.timeout_stop = service.timeout_start;
            }
            "RuntimeMaxSec" => service.runtime_max = or_default(value, None, values::timeout)?,
            "WatchdogSec" => service.watchdog = or_default(value, None, values::timeout)?,
            "NotifyAccess" => {
                let known = [
                    ("none", NotifyAccess::None),
                    ("main", NotifyAccess::Main),
                    ("exec", NotifyAccess::Exec),
                    ("all", NotifyAccess::All),
                ];
                service.notify_access = or_default(value, None, |text| choice(text, &known).map(Some))?;
            }
            "KillMode" => {
                let known = [
                    ("control-group", KillMode::ControlGroup),
                    ("mixed", KillMode::Mixed),
                    ("process", KillMode::Process),
                    ("none", KillMode::None),
                ];
                service.kill_mode = or_default(value, KillMode::ControlGroup, |text| choice(text, &known))?;
            }
            "KillSignal" => service.kill_signal = or_default(value, Signal::TERM, signal)?,
            "FinalKillSignal" => service.final_kill_signal = or_default(value, Signal::KILL, signal)?,
            "WatchdogSignal" => service.watchdog_signal = or_default(value, Signal::ABRT, signal)?,
            "SendSIGKILL" => service.send_sigkill = or_default(value, true, values::boolean)?,
            "SendSIGHUP" => service.send_sighup = or_default(value, false, values::boolean)?,
            "Sockets" => push(&mut service.sockets, value, sockets),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Keys about what its processes are given and limited to; whether it is one.
    fn service_process(&mut self, key: &str, value: &str) -> Result<bool, Problem> {
        let empty = value.is_empty();
        if let Some(resource) = key.strip_prefix("Limit") {
            let Some(resource) = RESOURCES.into_iter().find(|known| *known == resource) else { return Ok(false) };
            let limits = &mut self.service()?.limits;
            limits.retain(|limit| limit.resource != resource);
            if !empty {
                limits.push(limit(resource, value).map_err(Problem::Bad)?);
            }
            return Ok(true);
        }
        if key == "CPUQuota" {
            // Its percent sign begins no specifier.
            self.service()?.maxima.cpu_percent = or_default(value, None, |text| values::percent(text).map(Some))?;
            return Ok(true);
        }
        let text = self.text(value)?;
        let optional = || Some(text.clone()).filter(|text| !text.is_empty());
        match key {
            "Environment" => {
                let words = self.words(value)?;
                let mut pairs = Vec::new();
                for word in words {
                    match word.split_once('=') {
                        Some((name, value)) if is_name(name) => pairs.push((name.to_owned(), value.to_owned())),
                        _ => self.note(format!("Invalid environment assignment, ignoring: {word}")),
                    }
                }
                push(&mut self.service()?.environment, value, pairs);
            }
            "EnvironmentFile" => {
                let (path, missing) = match text.strip_prefix('-') {
                    Some(path) => (path, true),
                    None => (text.as_str(), false),
                };
                if !empty && !path.starts_with('/') {
                    return Err(Problem::Bad(format!("'{path}' is not an absolute path, ignoring")));
                }
                let more = if empty { vec![] } else { vec![(path.into(), missing)] };
                push(&mut self.service()?.environment_files, value, more);
            }
            "PassEnvironment" | "UnsetEnvironment" | "SupplementaryGroups" => {
                let words = self.words(value)?;
                let service = self.service()?;
                let list = match key {
                    "PassEnvironment" => &mut service.pass_environment,
                    "UnsetEnvironment" => &mut service.unset_environment,
                    _ => &mut service.supplementary_groups,
                };
                push(list, value, words);
            }
            "WorkingDirectory" => {
                let (path, missing) = match text.strip_prefix('-') {
                    Some(path) => (path, true),
                    None => (text.as_str(), false),
                };
                if !empty && path != "~" && !path.starts_with('/') {
                    return Err(Problem::Bad(format!("'{path}' is not an absolute path, ignoring")));
                }
                self.service()?.working_directory = (!empty).then(|| (path.into(), missing));
            }
            "User" => self.service()?.user = optional(),
            "Group" => self.service()?.group = optional(),
            "UMask" => self.service()?.umask = or_default(value, 0o022, values::mode)? & 0o777,
            "Nice" => {
                self.service()?.nice = or_default(value, None, |text| values::number(text, -20, 19).map(Some))?;
            }
            "OOMScoreAdjust" => {
                self.service()?.oom_score_adjust =
                    or_default(value, None, |text| values::number(text, -1000, 1000).map(Some))?;
            }
            "NoNewPrivileges" => self.service()?.no_new_privileges = or_default(value, false, values::boolean)?,
            "RuntimeDirectory" => {
                let words = self.words(value)?;
                if let Some(bad) =
                    words.iter().find(|word| word.starts_with('/') || word.split('/').any(|part| part == ".."))
                {
                    return Err(Problem::Bad(format!("'{bad}' is not a path below the runtime directory, ignoring")));
                }
                let root = self.text("%t")?;
                let paths = words.iter().map(|word| std::path::Path::new(&root).join(word)).collect();
                push(&mut self.service()?.runtime_directory, value, paths);
            }
            "MemoryMax" | "MemoryLimit" => self.service()?.maxima.memory = or_default(value, None, values::size)?,
            "MemoryHigh" => self.service()?.maxima.memory_high = or_default(value, None, values::size)?,
            "CPUWeight" => {
                self.service()?.maxima.cpu_weight =
                    or_default(value, None, |text| values::number(text, 1, 10_000).map(Some))?;
            }
            "TasksMax" => {
                self.service()?.maxima.tasks = or_default(value, None, |text| {
                    if text == "infinity" { Ok(None) } else { values::number(text, 1, u64::MAX).map(Some) }
                })?;
            }
            "StandardOutput" => self.service()?.stdout = or_default(&text, Output::Log, output)?,
            "StandardError" => self.service()?.stderr = or_default(&text, Output::Inherit, output)?,
            "StandardInput" if matches!(value, "" | "null") => {}
            "StandardInput" => return Err(Problem::Refused),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Keys of the section that is ours.
    pub(super) fn own_key(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let command = if key == "ReadyExec" { self.commands(value)?.pop() } else { None };
        let default = Service::default();
        let service = self.service()?;
        match key {
            "ReadyPort" => {
                let port = or_default(value, None, |text| values::number(text, 1, u16::MAX).map(Some))?;
                service.readiness = port.map(Readiness::Port);
            }
            "ReadyExec" => service.readiness = command.map(|exec: Exec| Readiness::Exec(exec)),
            "ReadyIntervalSec" => {
                let interval = or_default(value, default.readiness_interval, values::finite)?;
                service.readiness_interval = interval.max(Duration::from_millis(1));
            }
            "LogMaxSize" => {
                let size = or_default(value, Some(default.log_max_size), values::size)?;
                service.log_max_size = size.unwrap_or(u64::MAX).max(4096);
            }
            "LogKeep" => service.log_keep = or_default(value, default.log_keep, |text| values::number(text, 0, 1000))?,
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }
}

fn output(text: &str) -> Result<Output, String> {
    let file = |path: &str| {
        if path.starts_with('/') { Ok(path.into()) } else { Err(format!("'{path}' is not an absolute path")) }
    };
    match text.split_once(':') {
        None => match text {
            "journal" | "syslog" | "kmsg" => Ok(Output::Log),
            "null" => Ok(Output::Null),
            "inherit" => Ok(Output::Inherit),
            _ => Err(format!("'{text}' is none of journal, null, inherit, file:, append:, truncate:")),
        },
        Some(("file", path)) => file(path).map(Output::File),
        Some(("append", path)) => file(path).map(Output::Append),
        Some(("truncate", path)) => file(path).map(Output::Truncate),
        Some((kind, _)) => Err(format!("'{kind}:' is none of journal, null, inherit, file:, append:, truncate:")),
    }
}

fn limit(resource: &'static str, text: &str) -> Result<Limit, String> {
    let one = |text: &str| -> Result<Option<u64>, String> {
        match resource {
            _ if text == "infinity" => Ok(None),
            // CPU seconds may be times, and what is counted in bytes may have a unit.
            "CPU" => Ok(values::time_span(text)?.map(|span| span.as_secs() + u64::from(span.subsec_nanos() > 0))),
            "FSIZE" | "DATA" | "STACK" | "CORE" | "RSS" | "AS" | "MEMLOCK" | "MSGQUEUE" => values::size(text),
            _ => values::number(text, 0, u64::MAX).map(Some),
        }
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let limit = Limit { resource, soft: one(soft)?, hard: one(hard)? };
    if limit.soft.unwrap_or(u64::MAX) > limit.hard.unwrap_or(u64::MAX) {
        return Err(format!("'{text}': the soft limit is above the hard one"));
    }
    Ok(limit)
}
