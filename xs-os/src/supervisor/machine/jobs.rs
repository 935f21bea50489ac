//! Jobs: what was asked of units, one at a time for each, in their order.

use super::state::{Active, Sub};
use super::{Action, Level, Machine, UnitId};
use crate::supervisor::unit::{Kind, Type};

/// A job, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What is asked of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// To be active.
    Start,
    /// To be active already, or about to be.
    VerifyActive,
    /// To be inactive.
    Stop,
    /// To be stopped, then started: it becomes a start halfway.
    Restart,
    /// To read its configuration again.
    Reload,
}

impl JobKind {
    /// As `systemctl list-jobs` prints it.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Start => "start",
            JobKind::VerifyActive => "verify-active",
            JobKind::Stop => "stop",
            JobKind::Restart => "restart",
            JobKind::Reload => "reload",
        }
    }

    /// Whether the unit is going down for it first.
    pub(super) fn stops(self) -> bool {
        matches!(self, JobKind::Stop | JobKind::Restart)
    }
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobResult {
    /// It is as was asked.
    Done,
    /// Another job took its place.
    Canceled,
    /// The unit failed.
    Failed,
    /// A unit that it needs failed.
    Dependency,
    /// There was nothing to do that could be done.
    Skipped,
}

impl JobResult {
    /// As systemd names it.
    pub fn name(self) -> &'static str {
        match self {
            JobResult::Done => "done",
            JobResult::Canceled => "canceled",
            JobResult::Failed => "failed",
            JobResult::Dependency => "dependency",
            JobResult::Skipped => "skipped",
        }
    }
}

/// A job that is not over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) kind: JobKind,
    /// Whether it was begun; before, it waits for others.
    pub(super) running: bool,
}

impl Machine {
    /// Begins whatever can begin.
    pub(super) fn run_jobs(&mut self) {
        loop {
            while let Some(id) = self.queue.pop_first() {
                if self.jobs.get(&id).is_some_and(|job| !job.running) && self.is_runnable(id) {
                    self.run_job(id);
                }
            }
            self.wake_idle();
            if self.queue.is_empty() {
                return;
            }
        }
    }

    /// An idle service begins when nobody else does anything.
    fn wake_idle(&mut self) {
        let waiting: Vec<UnitId> = self.jobs.keys().copied().filter(|id| self.is_idling(*id)).collect();
        for id in waiting {
            if !self.others_run(id) {
                self.end_idle(id);
            }
        }
    }

    /// Whether jobs of others are under way that don't wait themselves.
    pub(super) fn others_run(&self, id: UnitId) -> bool {
        let busy = |other: UnitId| {
            let idle = self.slots[other.index()].unit.as_service().is_some_and(|service| service.kind == Type::Idle);
            other != id && !(idle && self.sub(other) == Sub::Start)
        };
        self.jobs.iter().any(|(other, job)| job.running && busy(*other))
            || self.queue.iter().any(|other| {
                busy(*other) && self.jobs.get(other).is_some_and(|job| !job.running) && self.is_runnable(*other)
            })
    }

    /// Whether nobody comes first: a start waits for the jobs of those before it; whatever is stopped is stopped before others
    /// start, and after those that came up after it.
    fn is_runnable(&self, id: UnitId) -> bool {
        let (Some(job), links) = (self.jobs.get(&id), &self.slots[id.index()].links) else { return false };
        let earlier = links.after.iter().any(|other| !job.kind.stops() && self.jobs.contains_key(other));
        let later = links.before.iter().any(|other| self.jobs.get(other).is_some_and(|job| job.kind.stops()));
        !earlier && !later
    }

    fn begin(&mut self, id: UnitId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.running = true;
        }
    }

    fn run_job(&mut self, id: UnitId) {
        let Some(job) = self.jobs.get(&id).copied() else { return };
        let active = self.active(id);
        match job.kind {
            JobKind::Start => match active {
                Active::Active | Active::Reloading => self.finish_job(id, JobResult::Done),
                // It is tried again when it is down.
                Active::Deactivating => {}
                Active::Activating if self.sub(id) != Sub::AutoRestart => self.begin(id),
                _ => {
                    self.begin(id);
                    self.start_unit(id);
                }
            },
            JobKind::VerifyActive => match active {
                Active::Active | Active::Reloading => self.finish_job(id, JobResult::Done),
                Active::Activating => self.begin(id),
                _ => self.finish_job(id, JobResult::Skipped),
            },
            JobKind::Stop if active.is_down() => self.finish_job(id, JobResult::Done),
            JobKind::Restart if active.is_down() || self.sub(id) == Sub::AutoRestart => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.kind = JobKind::Start;
                }
                self.queue_neighbours(id);
                self.queue.insert(id);
            }
            JobKind::Stop | JobKind::Restart => {
                self.begin(id);
                if active != Active::Deactivating {
                    let line = format!("Stopping {}...", self.unit(id).description);
                    self.log(id, Level::Info, line);
                }
                self.stop_unit(id);
            }
            JobKind::Reload if active.is_up() => {
                let line = format!("Reloading {}...", self.unit(id).description);
                self.begin(id);
                self.log(id, Level::Info, line);
                self.reload_service(id);
            }
            JobKind::Reload if active == Active::Activating => {}
            JobKind::Reload => self.finish_job(id, JobResult::Skipped),
        }
    }

    fn start_unit(&mut self, id: UnitId) {
        let kind = self.unit(id).kind.clone();
        if self.sub(id) != Sub::AutoRestart && !matches!(kind, Kind::Target) {
            let line = format!("Starting {}...", self.unit(id).description);
            self.log(id, Level::Info, line);
        }
        let bound = self.slots[id.index()].links.binds_to.clone();
        let after = self.slots[id.index()].links.after.clone();
        if bound.iter().any(|other| after.contains(other) && !self.active(*other).is_up()) {
            return self.finish_job(id, JobResult::Dependency);
        }
        match kind {
            Kind::Service(_) => self.start_service(id),
            Kind::Socket(_) => self.start_socket(id),
            Kind::Target => self.set_sub(id, Sub::Reached),
        }
    }

    fn stop_unit(&mut self, id: UnitId) {
        match self.unit(id).kind {
            Kind::Service(_) => self.stop_service(id),
            Kind::Socket(_) => self.stop_socket(id),
            Kind::Target => self.set_sub(id, Sub::Dead),
        }
    }

    /// Whether a unit's new state ends its job.
    pub(super) fn job_after_change(&mut self, id: UnitId, new: Active) {
        let Some(job) = self.jobs.get(&id).copied() else { return };
        match job.kind {
            JobKind::Start | JobKind::VerifyActive if new.is_up() => self.finish_job(id, JobResult::Done),
            JobKind::Start | JobKind::VerifyActive if job.running => match new {
                Active::Failed => self.finish_job(id, JobResult::Failed),
                // What ran once and has ended well was started.
                Active::Inactive => self.finish_job(id, JobResult::Done),
                _ => {}
            },
            JobKind::Reload if job.running => match new {
                Active::Active if !self.run(id).reload_failed => self.finish_job(id, JobResult::Done),
                Active::Reloading => {}
                _ => self.finish_job(id, JobResult::Failed),
            },
            JobKind::Stop if new.is_down() => self.finish_job(id, JobResult::Done),
            JobKind::Restart if new.is_down() && job.running => {
                self.tell_job(id, JobKind::Restart, JobResult::Done);
                if let Some(job) = self.jobs.get_mut(&id) {
                    (job.kind, job.running) = (JobKind::Start, false);
                }
                self.queue_neighbours(id);
                self.queue.insert(id);
            }
            _ => {}
        }
    }

    fn queue_neighbours(&mut self, id: UnitId) {
        let links = &self.slots[id.index()].links;
        self.queue.extend(links.before.iter().chain(&links.after).filter(|other| self.jobs.contains_key(other)));
    }

    /// Ends a job. When a start fails, so do those of whoever needs the unit, and of whoever needs those.
    pub(super) fn finish_job(&mut self, id: UnitId, result: JobResult) {
        let mut open = vec![(id, result)];
        while let Some((id, result)) = open.pop() {
            let Some(job) = self.jobs.remove(&id) else { continue };
            self.tell_job(id, job.kind, result);
            self.actions.push_back(Action::Done { job: job.id, unit: id, kind: job.kind, result });
            self.queue_neighbours(id);
            let starts = |kind| matches!(kind, JobKind::Start | JobKind::VerifyActive);
            if starts(job.kind) && result != JobResult::Done {
                for other in self.slots[id.index()].links.required_by.clone() {
                    if self.jobs.get(&other).is_some_and(|job| starts(job.kind)) {
                        open.push((other, JobResult::Dependency));
                    }
                }
            }
        }
    }
}
