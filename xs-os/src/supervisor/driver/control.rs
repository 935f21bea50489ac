//! What is said over the control socket: one request a line, one answer a line, both JSON.

use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Request {
    /// Jobs for units.
    Job {
        /// Which.
        verb: Verb,
        /// Of which units.
        units: Vec<String>,
        /// Whether the answer does not wait for their end.
        #[serde(default)]
        no_block: bool,
    },
    /// What is known of units; of all that are loaded, if none is named.
    Status {
        /// Which.
        units: Vec<String>,
        /// How many lines of each log are told.
        #[serde(default)]
        lines: usize,
    },
    /// The jobs that are not over.
    Jobs,
    /// A signal to a unit's processes.
    Kill {
        /// Which.
        units: Vec<String>,
        /// By its name or number.
        signal: String,
        /// Whether only to the main one.
        #[serde(default)]
        main: bool,
    },
    /// That units have failed is forgotten; of all, if none is named.
    ResetFailed {
        /// Which.
        units: Vec<String>,
    },
    /// Read the files again.
    DaemonReload,
    /// Stop everything, and end.
    Shutdown,
}

/// What is asked of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the command of systemctl of its name")]
pub enum Verb {
    Start,
    Stop,
    Restart,
    TryRestart,
    Reload,
    ReloadOrRestart,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// What systemctl would end with: 0, 1, or 5 where a unit is not there.
    pub code: u8,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// The units that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitStatus>,
    /// The jobs that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobStatus>,
}

/// What is known of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where more is written about it.
    pub documentation: Vec<String>,
    /// The files that it was read from.
    pub sources: Vec<String>,
    /// `loaded`, `not-found` or `bad-setting`.
    pub load: String,
    /// Why it is not loaded.
    pub load_error: Option<String>,
    /// `active`, `inactive` and so on.
    pub active: String,
    /// `running`, `dead` and so on.
    pub sub: String,
    /// `success`, `exit-code` and so on.
    pub result: String,
    /// Since when it is what it is, by the calendar.
    pub since: String,
    /// How long that is.
    pub age: String,
    /// Its main process.
    pub main_pid: Option<u32>,
    /// How the last one ended.
    pub main_status: Option<String>,
    /// The process of a command.
    pub control_pid: Option<u32>,
    /// What it says of itself.
    pub status_text: String,
    /// How often it was started again.
    pub restarts: u32,
    /// Its job.
    pub job: Option<String>,
    /// The sockets that start it.
    pub triggered_by: Vec<String>,
    /// What a socket starts.
    pub triggers: Option<String>,
    /// What a socket listens on.
    pub listen: Vec<String>,
    /// Bytes of memory, where they are counted.
    pub memory: Option<u64>,
    /// Its processes, with their command lines.
    pub processes: Vec<(u32, String)>,
    /// Its log.
    pub log: String,
    /// The log's last lines.
    pub lines: Vec<String>,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its number.
    pub id: u64,
    /// Of which unit.
    pub unit: String,
    /// `start`, `stop` and so on.
    pub kind: String,
    /// `running` or `waiting`.
    pub state: String,
}

/// A line is no longer than this.
pub const LONGEST_REQUEST: usize = 64 << 10;
