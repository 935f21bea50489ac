//! Answering those who are connected to the control socket.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::Supervisor;
use super::control::{JobStatus, LONGEST_REQUEST, Request, Response, Verb};
use crate::Clock;
use crate::supervisor::unit::Signal;
use crate::supervisor::{Command, CommandError, JobId, JobKind, JobResult, UnitId, UnitResult};

/// So many may be connected; who comes then is turned away.
const MOST_CLIENTS: usize = 256;

/// Somebody who is connected.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The jobs that the answer waits for, with the answer as far as it is known.
    waiting: Option<(BTreeMap<JobId, String>, Response)>,
    /// Whether the answer waits for the end of everything.
    until_end: bool,
    gone: bool,
}

impl Client {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    fn answer(&mut self, response: &Response) {
        // Nothing in an answer can fail to be written as JSON: it has strings, numbers and lists.
        if let Ok(mut line) = serde_json::to_vec(response) {
            line.push(b'\n');
            self.output.append(&mut line);
        }
    }

    /// Whether it still waits for an answer, and no other request is looked at.
    fn is_busy(&self) -> bool {
        self.waiting.is_some() || self.until_end
    }
}

impl Verb {
    fn command(self) -> Command {
        match self {
            Verb::Start => Command::Start,
            Verb::Stop => Command::Stop,
            Verb::Restart => Command::Restart,
            Verb::TryRestart => Command::TryRestart,
            Verb::Reload => Command::Reload,
            Verb::ReloadOrRestart => Command::ReloadOrRestart,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart | Verb::TryRestart => "restart",
            Verb::Reload | Verb::ReloadOrRestart => "reload",
        }
    }
}

impl Supervisor {
    pub(super) fn accept(&mut self) {
        while let Ok((stream, _)) = self.control.accept() {
            if self.clients.len() < MOST_CLIENTS && stream.set_nonblocking(true).is_ok() {
                self.next_client += 1;
                let client = Client {
                    stream,
                    input: Vec::new(),
                    output: Vec::new(),
                    waiting: None,
                    until_end: false,
                    gone: false,
                };
                self.clients.insert(self.next_client, client);
            }
        }
    }

    pub(super) fn serve(&mut self, number: u64) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        let mut bytes = [0; 4096];
        loop {
            match client.stream.read(&mut bytes) {
                Ok(0) => {
                    client.gone = true;
                    break;
                }
                Ok(count) => client.input.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(error) => {
                    client.gone |= error.kind() != io::ErrorKind::WouldBlock;
                    break;
                }
            }
            if client.input.len() > LONGEST_REQUEST {
                client.answer(&refused("the request is too long"));
                client.gone = true;
                client.input.clear();
                break;
            }
        }
        self.requests(number);
    }

    /// All whole lines of a client that does not wait.
    fn requests(&mut self, number: u64) {
        loop {
            let Some(client) = self.clients.get_mut(&number).filter(|client| !client.is_busy()) else { return };
            let Some(end) = client.input.iter().position(|byte| *byte == b'\n') else { return };
            let line: Vec<u8> = client.input.drain(..=end).collect();
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) => self.request(number, request),
                Err(error) => client.answer(&refused(&format!("this is no request: {error}"))),
            }
        }
    }

    fn request(&mut self, number: u64, request: Request) {
        let mut response = Response::default();
        match request {
            Request::Job { verb, units, no_block } => {
                let mut jobs = BTreeMap::new();
                let mut fresh = Vec::new();
                // All of them first: what happens in between must not end a job that nobody waits for yet.
                units.iter().for_each(|unit| self.instantiate(unit));
                for unit in units {
                    match self.machine.handle_command(self.clock.nanos(), verb.command(), &unit) {
                        Ok(job) => {
                            jobs.extend(job.map(|job| (job, unit.clone())));
                            fresh.push(unit);
                        }
                        Err(error) => {
                            response.code =
                                if matches!(error, CommandError::NotFound(_)) { 5 } else { response.code.max(1) };
                            response.errors.push(format!("Failed to {} {unit}: {error}", verb.name()));
                        }
                    }
                }
                for unit in fresh.iter().filter(|_| verb == Verb::Stop).filter_map(|unit| self.machine.find(unit)) {
                    let sockets = self.machine.triggers_left(unit);
                    if !sockets.is_empty() {
                        let name = &self.machine.unit(unit).name;
                        let line = format!(
                            "Stopping '{name}', but its triggering units are still active:\n{}",
                            sockets.join(", ")
                        );
                        response.notices.push(line);
                    }
                }
                if let Some(client) = self.clients.get_mut(&number) {
                    if no_block || jobs.is_empty() {
                        client.answer(&response);
                    } else {
                        client.waiting = Some((jobs, response));
                    }
                }
                // Only now: a job may be over at once, and its end must find who waits.
                return self.act();
            }
            Request::Status { units, lines } => {
                let all = if units.is_empty() {
                    self.machine.ids().map(|id| self.machine.unit(id).name.clone()).collect()
                } else {
                    units
                };
                for unit in all {
                    match self.machine.find(&unit) {
                        Some(id) => {
                            let status = self.status(id, lines);
                            response.units.push(status);
                        }
                        None => {
                            response.code = 4;
                            response.errors.push(format!("Unit {unit} could not be found."));
                        }
                    }
                }
            }
            Request::Jobs => {
                response.jobs = self.machine.ids().filter_map(|id| self.job_status(id)).collect();
                response.jobs.sort_by_key(|job| job.id);
            }
            Request::Kill { units, signal, main } => match Signal::parse(&signal) {
                None => response = refused(&format!("there is no signal {signal:?}")),
                Some(signal) => {
                    for unit in units {
                        if let Err(error) = self.machine.handle_kill(&unit, signal, main) {
                            response.code = 1;
                            response.errors.push(format!("Failed to kill unit {unit}: {error}"));
                        }
                    }
                }
            },
            Request::ResetFailed { units } => {
                let all = if units.is_empty() {
                    self.machine.ids().map(|id| self.machine.unit(id).name.clone()).collect()
                } else {
                    units
                };
                for unit in all {
                    if let Err(error) = self.machine.handle_reset_failed(self.clock.nanos(), &unit) {
                        response.code = 1;
                        response.errors.push(format!("Failed to reset failed state of unit {unit}: {error}"));
                    }
                }
            }
            Request::DaemonReload => match self.reload() {
                Ok(text) => response.notices.push(text),
                Err(error) => response = refused(&error),
            },
            Request::Shutdown => {
                if let Some(client) = self.clients.get_mut(&number) {
                    client.until_end = true;
                }
                return self.shut_down();
            }
        }
        if let Some(client) = self.clients.get_mut(&number) {
            client.answer(&response);
        }
        self.act();
    }

    fn job_status(&self, id: UnitId) -> Option<JobStatus> {
        let (job, kind, running) = self.machine.job(id)?;
        let state = if running { "running" } else { "waiting" };
        let unit = self.machine.unit(id).name.clone();
        Some(JobStatus { id: job.0, unit, kind: kind.name().into(), state: state.into() })
    }

    /// Tells whoever waits for a job.
    pub(super) fn job_done(&mut self, job: JobId, unit: UnitId, kind: JobKind, result: JobResult) {
        let why = self.why(unit, kind, result);
        for client in self.clients.values_mut() {
            let Some((jobs, response)) = &mut client.waiting else { continue };
            if jobs.remove(&job).is_none() {
                continue;
            }
            if let Some(why) = &why {
                response.code = 1;
                response.errors.push(why.clone());
            }
            if jobs.is_empty() {
                let response = std::mem::take(response);
                client.waiting = None;
                client.answer(&response);
            }
        }
    }

    /// Why a job has failed, as systemctl says it.
    fn why(&self, unit: UnitId, kind: JobKind, result: JobResult) -> Option<String> {
        let name = &self.machine.unit(unit).name;
        let see = format!("See \"xs-supervisor status {name}\" and \"xs-supervisor logs {name}\" for details.");
        let because = match self.machine.result(unit) {
            UnitResult::Success if kind == JobKind::Reload => "the reload command failed",
            UnitResult::Success => "of an unknown reason",
            UnitResult::Resources => "of unavailable resources or another system error",
            UnitResult::Protocol => "the service did not take the steps required by its unit configuration",
            UnitResult::Timeout => "a timeout was exceeded",
            UnitResult::ExitCode => "the control process exited with error code",
            UnitResult::Signal => "a fatal signal was delivered to the control process",
            UnitResult::CoreDump => "a fatal signal was delivered causing the control process to dump core",
            UnitResult::Watchdog => "the service failed to send watchdog ping",
            UnitResult::StartLimitHit => "start of the service was attempted too often",
            UnitResult::ServiceStartLimitHit | UnitResult::TriggerLimitHit => "its service was started too often",
        };
        match result {
            JobResult::Done => None,
            JobResult::Failed => Some(format!("Job for {name} failed because {because}.\n{see}")),
            JobResult::Dependency => Some(format!("A dependency job for {name} failed. {see}")),
            JobResult::Canceled => Some(format!("Job for {name} canceled.")),
            JobResult::Skipped => Some(format!("Job for {name} skipped: the unit is not active.")),
        }
    }

    /// Sends what can be sent, and forgets who is gone.
    pub(super) fn write_answers(&mut self) {
        let numbers: Vec<u64> = self.clients.keys().copied().collect();
        for number in &numbers {
            self.requests(*number);
        }
        self.clients.retain(|_, client| {
            while !client.output.is_empty() {
                match client.stream.write(&client.output) {
                    Ok(count) if count > 0 => drop(client.output.drain(..count)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    _ => {
                        client.gone = true;
                        client.output.clear();
                    }
                }
            }
            !client.gone || !client.output.is_empty()
        });
    }

    /// The end of everything, to those who wait for it.
    pub(super) fn answer_shutdown(&mut self) {
        for client in self.clients.values_mut().filter(|client| client.until_end) {
            client.answer(&Response::default());
        }
        self.write_answers();
    }
}

fn refused(why: &str) -> Response {
    Response { code: 1, errors: vec![why.to_owned()], ..Response::default() }
}
