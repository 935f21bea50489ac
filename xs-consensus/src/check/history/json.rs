//! The text form of a history: one event a line, paired by process.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{BadRecord, History, Outcome, Process, Time};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Event<Op, Ret> {
    Invoke { process: Process, time: Time, op: Op },
    Ok { process: Process, time: Time, ret: Ret },
    Fail { process: Process, time: Time },
    Info { process: Process, time: Time },
}

/// Why a text is no history: a mistake of whoever wrote it. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text could not be read.
    #[error("line {line}: {source}")]
    Read {
        /// Where.
        line: usize,
        /// Why.
        source: io::Error,
    },
    /// A line is no event.
    #[error("line {line}: {source}")]
    Syntax {
        /// Where.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A line has more than a mebibyte.
    #[error("line {line} is longer than a mebibyte")]
    TooLong {
        /// Where.
        line: usize,
    },
    /// A process asks for something while it waits for an answer.
    #[error("line {line}: process {process} has an operation under way: end it with ok, fail or info first")]
    Busy {
        /// Where.
        line: usize,
        /// Which.
        process: Process,
    },
    /// A process is answered and has asked for nothing.
    #[error("line {line}: process {process} has no operation under way")]
    Idle {
        /// Where.
        line: usize,
        /// Which.
        process: Process,
    },
    /// The times cannot be.
    #[error("line {line}: {source}")]
    BadRecord {
        /// Where.
        line: usize,
        /// Why.
        source: BadRecord,
    },
}

impl<Op: DeserializeOwned, Ret: DeserializeOwned> History<Op, Ret> {
    /// Reads a history from JSON lines (feature `check-json`); empty lines are skipped.
    ///
    /// ```
    /// use xs_consensus::check::history::{History, Outcome};
    ///
    /// let text = r#"
    /// {"type":"invoke","process":1,"time":10,"op":"read"}
    /// {"type":"invoke","process":2,"time":11,"op":"write"}
    /// {"type":"ok","process":1,"time":15,"ret":7}
    /// {"type":"info","process":2,"time":99}
    /// "#;
    /// let history: History<String, u64> = History::from_json_lines(text.as_bytes())?;
    /// assert_eq!(history.operations()[0].ret(), Some(&7));
    /// assert_eq!(history.operations()[1].outcome, Outcome::Unknown);
    /// # Ok::<(), xs_consensus::check::history::JsonError>(())
    /// ```
    ///
    /// A process has one operation under way. `info` says that nobody will know how it ended; the process may go on.
    pub fn from_json_lines(mut text: impl BufRead) -> Result<Self, JsonError> {
        let mut history = History::new();
        let mut under_way: BTreeMap<Process, usize> = BTreeMap::new();
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let read = io::Read::take(&mut text, LONGEST_LINE + 1).read_until(b'\n', &mut bytes);
            match read.map_err(|source| JsonError::Read { line, source })? {
                0 => break,
                n if n as u64 > LONGEST_LINE => return Err(JsonError::TooLong { line }),
                _ if bytes.trim_ascii().is_empty() => continue,
                _ => {}
            }
            let event = serde_json::from_slice(&bytes).map_err(|source| JsonError::Syntax { line, source })?;
            let mut end = |history: &mut Self, process, outcome| {
                let call = under_way.remove(&process).ok_or(JsonError::Idle { line, process })?;
                history.try_end(call, outcome).map_err(|source| JsonError::BadRecord { line, source })
            };
            match event {
                Event::Ok { process, time, ret } => end(&mut history, process, Outcome::Returned { at: time, ret })?,
                Event::Fail { process, time } => end(&mut history, process, Outcome::Failed { at: time })?,
                Event::Info { process, .. } => end(&mut history, process, Outcome::Unknown)?,
                Event::Invoke { process, time, op } => {
                    let call = history.invoke(process, time, op);
                    if under_way.insert(process, call.index()).is_some() {
                        return Err(JsonError::Busy { line, process });
                    }
                }
            }
        }
        Ok(history)
    }
}

impl<Op: Serialize, Ret: Serialize> History<Op, Ret> {
    /// Writes the history as JSON lines (feature `check-json`): calls and returns in the order of their times.
    ///
    /// A process that goes on after an operation with an unknown outcome gets an `info` in front of its next call.
    pub fn to_json_lines(&self) -> Result<String, serde_json::Error> {
        // Of one time, calls go first: operations that touch are concurrent.
        let mut events: Vec<(Time, bool, usize)> = Vec::new();
        for (nth, operation) in self.operations.iter().enumerate() {
            events.push((operation.invoked, false, nth));
            if !matches!(operation.outcome, Outcome::Unknown) {
                events.push((operation.end(), true, nth));
            }
        }
        events.sort();
        // A process whose next call has the time of its last return must return first.
        let mut text = String::new();
        let mut under_way: BTreeMap<Process, usize> = BTreeMap::new();
        let mut written = vec![false; self.operations.len()];
        let mut put = |event: Event<&Op, &Ret>| {
            text.push_str(&serde_json::to_string(&event)?);
            text.push('\n');
            Ok::<(), serde_json::Error>(())
        };
        let end = |nth: usize, time: Time| {
            let operation = &self.operations[nth];
            let process = operation.process;
            match &operation.outcome {
                Outcome::Returned { at, ret } => Event::Ok { process, time: *at, ret },
                Outcome::Failed { at } => Event::Fail { process, time: *at },
                Outcome::Unknown => Event::Info { process, time },
            }
        };
        for (time, is_end, nth) in events {
            let operation = &self.operations[nth];
            if is_end {
                if !std::mem::replace(&mut written[nth], true) {
                    under_way.remove(&operation.process);
                    put(end(nth, time))?;
                }
                continue;
            }
            if let Some(last) = under_way.insert(operation.process, nth)
                && !std::mem::replace(&mut written[last], true)
            {
                put(end(last, time))?;
            }
            put(Event::Invoke { process: operation.process, time, op: &operation.op })?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut history: History<String, u64> = History::new();
        let a = history.invoke(1, 5, "a".into());
        let b = history.invoke(2, 6, "b".into());
        history.returned(a, 7, 70);
        let c = history.invoke(1, 7, "c".into());
        history.failed(b, 9);
        history.invoke(2, 9, "d".into());
        history.invoke(2, 12, "e".into());
        history.returned(c, 20, 90);
        let text = history.to_json_lines().unwrap();
        let read: History<String, u64> = History::from_json_lines(text.as_bytes()).unwrap();
        assert_eq!(read, history, "{text}");
    }

    #[test]
    fn a_bad_text_is_refused_with_its_line() {
        let read = |text: &str| History::<String, u64>::from_json_lines(text.as_bytes()).unwrap_err().to_string();
        let invoke = r#"{"type":"invoke","process":1,"time":10,"op":"x"}"#;
        assert!(read("\nnonsense").starts_with("line 2: "));
        assert!(read(&format!("{invoke}\n{invoke}")).starts_with("line 2: process 1 has an operation under way"));
        assert!(read(r#"{"type":"ok","process":1,"time":10,"ret":1}"#).contains("no operation under way"));
        assert!(read(&format!("{invoke}\n{{\"type\":\"fail\",\"process\":1,\"time\":9}}")).contains("ended at 9"));
        assert!(read(&"x".repeat((1 << 20) + 1)).contains("longer than a mebibyte"));
    }
}
