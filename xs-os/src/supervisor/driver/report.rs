//! What is told of units.

use std::fs;
use std::time::Duration;

use super::Supervisor;
use super::control::UnitStatus;
use super::log::{path_of, stamp, tail};
use crate::Clock;
use crate::supervisor::file::service_of;
use crate::supervisor::unit::{ExitStatus, Kind, Listen};
use crate::supervisor::{Load, UnitId};

impl Supervisor {
    pub(super) fn status(&mut self, id: UnitId, lines: usize) -> UnitStatus {
        let now = self.clock.nanos();
        let machine = &self.machine;
        let unit = machine.unit(id).clone();
        let age = Duration::from_nanos(now.since(machine.since(id)));
        let load_error = match machine.load(id) {
            Load::BadSetting(why) => Some(why.clone()),
            _ => None,
        };
        let log = path_of(&self.config.log_dir, &unit.name);
        let mut status = UnitStatus {
            name: unit.name.clone(),
            description: unit.description.clone(),
            documentation: unit.documentation.clone(),
            sources: unit.sources.iter().map(|path| path.display().to_string()).collect(),
            load: machine.load(id).name().into(),
            load_error,
            active: machine.active(id).name().into(),
            sub: machine.sub(id).name().into(),
            result: machine.result(id).name().into(),
            since: self.clock.wall().checked_sub(age).map(stamp).unwrap_or_default(),
            age: crate::supervisor::text::span(Duration::from_secs(age.as_secs())).replace("0ms", "0s"),
            main_pid: machine.main_pid(id),
            main_status: machine.main_status(id).map(ExitStatus::describe),
            control_pid: machine.control_pid(id),
            status_text: machine.status_text(id).to_owned(),
            restarts: machine.restarts(id),
            job: machine.job(id).map(|(_, kind, _)| kind.name().to_owned()),
            triggered_by: machine.sockets_of(id).iter().map(|socket| machine.unit(*socket).name.clone()).collect(),
            log: log.display().to_string(),
            lines: if lines > 0 { tail(&log, lines).unwrap_or_default() } else { Vec::new() },
            ..UnitStatus::default()
        };
        match &unit.kind {
            Kind::Socket(socket) => {
                status.triggers = Some(service_of(&unit));
                status.listen = socket.listen.iter().map(Listen::describe).collect();
            }
            Kind::Service(_) if machine.is_populated(id) => {
                let pids = self.groups.members(&unit.name);
                status.processes = pids.into_iter().map(|pid| (pid, command_line(pid))).collect();
                status.memory = self.groups.cgroups.as_ref().and_then(|cgroups| cgroups.usage(&unit.name));
            }
            _ => {}
        }
        status
    }
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0').chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
