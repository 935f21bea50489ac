//! The states of units, under the names that `systemctl` prints.

use std::sync::Arc;
use std::time::Duration;

use super::{Load, Role, Timer};
use crate::Nanos;
use crate::supervisor::unit::{ExitStatus, Unit};

/// Whether a unit runs, roughly: the first word that is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// It runs, or has done what it should.
    Active,
    /// It runs and reads its configuration again.
    Reloading,
    /// It does not run, and nothing is wrong.
    Inactive,
    /// It does not run, and something is wrong.
    Failed,
    /// It is being started.
    Activating,
    /// It is being stopped.
    Deactivating,
}

impl Active {
    /// As `systemctl is-active` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Active::Active => "active",
            Active::Reloading => "reloading",
            Active::Inactive => "inactive",
            Active::Failed => "failed",
            Active::Activating => "activating",
            Active::Deactivating => "deactivating",
        }
    }

    /// Active, or reloading.
    pub fn is_up(self) -> bool {
        matches!(self, Active::Active | Active::Reloading)
    }

    /// Inactive, or failed.
    pub fn is_down(self) -> bool {
        matches!(self, Active::Inactive | Active::Failed)
    }
}

/// What exactly a unit is doing: the word in brackets.
///
/// ```text
///   dead ─▶ start-pre ─▶ start ─▶ start-post ─▶ running ◀─▶ reload        a service
///    ▲         │           │          │            │ └─▶ exited
///    │         └───────────┴────┬─────┴──── stop ◀─┘
///    │                          ▼            ▼
///    │             stop-watchdog, stop-sigterm ─▶ stop-sigkill
///    │                                  │              │
///    │                                  └─▶ stop-post ◀┘
///    │                                          ▼
///    ├──── final-sigkill ◀── final-watchdog, final-sigterm
///    └──── auto-restart ◀── dead or failed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the state that systemctl calls so")]
pub enum Sub {
    Dead,
    Failed,
    StartPre,
    Start,
    StartPost,
    Running,
    Exited,
    Reload,
    Stop,
    StopWatchdog,
    StopSigterm,
    StopSigkill,
    StopPost,
    FinalWatchdog,
    FinalSigterm,
    FinalSigkill,
    AutoRestart,
    /// A socket that waits for its first connection.
    Listening,
    /// A target that is reached.
    Reached,
}

impl Sub {
    /// As `systemctl` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Sub::Dead => "dead",
            Sub::Failed => "failed",
            Sub::StartPre => "start-pre",
            Sub::Start => "start",
            Sub::StartPost => "start-post",
            Sub::Running => "running",
            Sub::Exited => "exited",
            Sub::Reload => "reload",
            Sub::Stop => "stop",
            Sub::StopWatchdog => "stop-watchdog",
            Sub::StopSigterm => "stop-sigterm",
            Sub::StopSigkill => "stop-sigkill",
            Sub::StopPost => "stop-post",
            Sub::FinalWatchdog => "final-watchdog",
            Sub::FinalSigterm => "final-sigterm",
            Sub::FinalSigkill => "final-sigkill",
            Sub::AutoRestart => "auto-restart",
            Sub::Listening => "listening",
            Sub::Reached => "active",
        }
    }

    /// What that is, roughly.
    pub fn active(self) -> Active {
        match self {
            Sub::Dead => Active::Inactive,
            Sub::Failed => Active::Failed,
            Sub::StartPre | Sub::Start | Sub::StartPost | Sub::AutoRestart => Active::Activating,
            Sub::Running | Sub::Exited | Sub::Listening | Sub::Reached => Active::Active,
            Sub::Reload => Active::Reloading,
            _ => Active::Deactivating,
        }
    }

    /// Whether it waits for processes to end that were asked to.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Sub::StopWatchdog | Sub::StopSigterm | Sub::StopSigkill) || self.is_final()
    }

    pub(super) fn is_final(self) -> bool {
        matches!(self, Sub::FinalWatchdog | Sub::FinalSigterm | Sub::FinalSigkill)
    }
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the result that systemctl calls so")]
pub enum UnitResult {
    #[default]
    Success,
    Resources,
    Protocol,
    Timeout,
    ExitCode,
    Signal,
    CoreDump,
    Watchdog,
    StartLimitHit,
    /// Of a socket, whose service is refused a start.
    ServiceStartLimitHit,
    /// Of a socket that would start its service again and again.
    TriggerLimitHit,
}

impl UnitResult {
    /// As `systemctl show -p Result` prints it.
    pub fn name(self) -> &'static str {
        match self {
            UnitResult::Success => "success",
            UnitResult::Resources => "resources",
            UnitResult::Protocol => "protocol",
            UnitResult::Timeout => "timeout",
            UnitResult::ExitCode => "exit-code",
            UnitResult::Signal => "signal",
            UnitResult::CoreDump => "core-dump",
            UnitResult::Watchdog => "watchdog",
            UnitResult::StartLimitHit => "start-limit-hit",
            UnitResult::ServiceStartLimitHit => "service-start-limit-hit",
            UnitResult::TriggerLimitHit => "trigger-limit-hit",
        }
    }

    pub(super) fn is_success(self) -> bool {
        self == UnitResult::Success
    }
}

/// Counts events in windows of time, one beginning after the other, as systemd's rate limits do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    begin: Option<Nanos>,
    count: u32,
}

impl Window {
    /// Counts one; whether it was one of the first `burst` of its window. No burst or no window is no limit.
    pub(super) fn allows(&mut self, now: Nanos, interval: Duration, burst: u32) -> bool {
        if burst == 0 || interval.is_zero() {
            return true;
        }
        let open = self.begin.filter(|begin| u128::from(now.since(*begin)) < interval.as_nanos());
        if open.is_none() {
            (self.begin, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= burst
    }
}

/// A unit, and all that is known about its present life.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) unit: Arc<Unit>,
    pub(super) load: Load,
    pub(super) links: super::links::Links,
    pub(super) sub: Sub,
    pub(super) since: Nanos,
    pub(super) run: Run,
}

/// What changes while a unit lives.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) main: Option<u32>,
    pub(super) main_status: Option<ExitStatus>,
    pub(super) control: Option<u32>,
    /// Which list of commands is under way, and which of it.
    pub(super) role: Option<Role>,
    pub(super) index: usize,
    /// A process that was asked for, until it is told what became of that.
    pub(super) spawning: Option<Role>,
    /// A readiness command that is under way.
    pub(super) probe: Option<u32>,
    pub(super) result: UnitResult,
    pub(super) reload_failed: bool,
    /// Whether any process of it may be left.
    pub(super) populated: bool,
    /// The same before the process that was asked for.
    pub(super) populated_before: bool,
    /// Whether its last start was refused for coming too soon.
    pub(super) refused: bool,
    /// Whether it is going to be started again: for whoever hears that it went down.
    pub(super) comes_back: bool,
    pub(super) restarts: u32,
    /// When it came up.
    pub(super) up: Option<Nanos>,
    pub(super) starts: Window,
    pub(super) triggers: Window,
    pub(super) forbid_restart: bool,
    pub(super) status: String,
    pub(super) watchdog: Option<Duration>,
    pub(super) timers: [Option<Nanos>; Timer::ALL.len()],
}
