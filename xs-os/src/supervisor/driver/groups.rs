//! Which processes belong to which unit: by control groups, or by who their parents are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::cgroup::Cgroups;
use super::spawn::read_bounded;
use super::sys;

/// A process of this machine, as `/proc` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    parent: u32,
    session: u32,
    /// When it was made: numbers are used again.
    began: u64,
    /// Whether it has ended, and only waits for its parent.
    ended: bool,
}

/// All processes, attributed.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) cgroups: Option<Cgroups>,
    /// What is known of processes that were seen, where there are no groups: their beginning and their unit.
    known: BTreeMap<u32, (u64, String)>,
    /// Sessions with their units: each process that is made begins one, which lasts as long as anybody is in it.
    sessions: BTreeMap<u32, String>,
}

/// `pid (name) state ppid pgrp session … starttime`; a name may have anything in it.
fn parse_stat(text: &str) -> Option<Seen> {
    let (_, after) = text.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let began = fields.nth(15)?.parse().ok()?;
    Some(Seen { parent, session, began, ended: matches!(state, "Z" | "X") })
}

impl Groups {
    pub(super) fn new(cgroups: Option<Cgroups>) -> Groups {
        Groups { cgroups, known: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// A process was made for a unit.
    pub(super) fn add(&mut self, pid: u32, unit: &str) {
        if self.cgroups.is_none()
            && let Some(seen) = stat(pid)
        {
            self.known.insert(pid, (seen.began, unit.to_owned()));
            self.sessions.insert(pid, unit.to_owned());
        }
    }

    /// The processes of a unit that live.
    pub(super) fn members(&mut self, unit: &str) -> Vec<u32> {
        match &self.cgroups {
            Some(cgroups) => cgroups.members(unit),
            None => {
                self.scan();
                self.known.iter().filter(|(_, (_, owner))| owner == unit).map(|(pid, _)| *pid).collect()
            }
        }
    }

    /// Whose process this is, and whether it is there at all.
    pub(super) fn is_member(&mut self, unit: &str, pid: u32) -> bool {
        self.members(unit).contains(&pid)
    }

    /// Signals all processes of a unit; those as well that are made while it does so, if the signal kills.
    pub(super) fn signal(&mut self, unit: &str, signal: i32) {
        if signal == 9 && self.cgroups.as_ref().is_some_and(|cgroups| cgroups.kill(unit)) {
            return;
        }
        let mut done = Vec::new();
        // Whoever makes processes faster than they are found is found again when the next one ends.
        for _ in 0..10 {
            let new: Vec<u32> = self.members(unit).into_iter().filter(|pid| !done.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            for pid in &new {
                sys::kill(*pid, signal);
            }
            done.extend(new);
            if signal != 9 {
                break;
            }
        }
    }

    /// Children of ours that belong to nobody: they have left their unit's session and forgotten its environment.
    pub(super) fn strays(&mut self, ours: impl Fn(u32) -> bool) -> Vec<u32> {
        if self.cgroups.is_some() {
            return Vec::new();
        }
        let all = self.scan();
        let me = std::process::id();
        let stray = |(pid, seen): &(&u32, &Seen)| {
            seen.parent == me && !seen.ended && !self.known.contains_key(*pid) && !ours(**pid)
        };
        all.iter().filter(stray).map(|(pid, _)| *pid).collect()
    }

    /// Looks at all processes, and finds the units of those that are below us: as a process that is known to be one's, by its
    /// session, by the invocation in its environment, or as its parent's.
    fn scan(&mut self) -> BTreeMap<u32, Seen> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            if let Some((pid, seen)) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
                all.insert(pid, seen);
            }
        }
        self.known.retain(|pid, (began, _)| all.get(pid).is_some_and(|seen| seen.began == *began && !seen.ended));
        let lasting: BTreeSet<u32> = all.values().map(|seen| seen.session).collect();
        self.sessions.retain(|session, _| lasting.contains(session));
        let me = std::process::id();
        // Parents before their children: each round finds those whose parents were found in the last one.
        loop {
            let mut found = Vec::new();
            for (pid, seen) in all.iter().filter(|(pid, seen)| !seen.ended && !self.known.contains_key(*pid)) {
                let of = |pid: &u32| self.known.get(pid).map(|(_, unit)| unit.clone());
                let unit = match (of(&seen.parent), seen.parent == me) {
                    (Some(unit), _) => Some(unit),
                    (None, true) => self.sessions.get(&seen.session).cloned().or_else(|| unit_in_environment(*pid)),
                    (None, false) => None,
                };
                found.extend(unit.map(|unit| (*pid, (seen.began, unit))));
            }
            if found.is_empty() {
                return all;
            }
            self.known.extend(found);
        }
    }
}

fn stat(pid: u32) -> Option<Seen> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The variable that every process of a unit is given.
pub(super) const UNIT_VARIABLE: &str = "XS_SUPERVISOR_UNIT";

fn unit_in_environment(pid: u32) -> Option<String> {
    let text = read_bounded(format!("/proc/{pid}/environ").as_ref()).ok()?;
    let of_us = |line: &str| Some(line.strip_prefix(UNIT_VARIABLE)?.strip_prefix('=')?.to_owned());
    text.split('\0').find_map(of_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_anything() {
        let text = "7 (a) R 1 (b)) Z 5 6 8 0 -1 1077936384 0 0 0 0 1 2 3 4 20 0 1 0 4242 99 100";
        assert_eq!(parse_stat(text), Some(Seen { parent: 5, session: 8, began: 4242, ended: true }));
        assert_eq!(parse_stat("7 (a) R 1"), None);
        assert!(stat(std::process::id()).is_some());
    }
}
