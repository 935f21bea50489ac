//! A container's control groups as they are on the machine: made, limited, entered, held, emptied and taken away.

mod devices;
mod layout;
mod resources;
pub(in crate::container) mod stats;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use layout::{Hierarchy, cgroup_of, hierarchies, parse_hierarchies};
use oci_spec::runtime::LinuxResources;
pub use resources::{DeviceRule, Write, device_rules, unified, version_1, version_2, weight};

use super::error::{Doing, Error, Result};

/// How deep the groups may be nested that a container has made inside its own.
const MOST_DEPTH: usize = 64;
/// How often it is tried to take away a group whose processes are just ending, and how long it is waited between: about five
/// seconds together.
const TRIES: u32 = 60;

/// The directories of one container.
#[derive(Debug, Clone, Default)]
pub struct Cgroups {
    /// By controller; the unified hierarchy has the empty name.
    paths: BTreeMap<String, PathBuf>,
    /// What was made for them, in the order in which it was.
    made: Vec<PathBuf>,
}

impl Cgroups {
    /// Those of a container that exists.
    pub fn of(paths: BTreeMap<String, PathBuf>) -> Cgroups {
        Cgroups { paths, made: Vec::new() }
    }

    /// Makes a container's directories. Where they `may_fail`, as for who has no right to any, hierarchies that refuse are left out.
    pub fn create(hierarchies: &[Hierarchy], group: &Path, may_fail: bool) -> Result<Cgroups> {
        let mut cgroups = Cgroups::default();
        for hierarchy in hierarchies {
            let directory = hierarchy.directory(group);
            match cgroups.make(hierarchy, &directory) {
                Ok(()) => {}
                Err(Error::System { source, .. }) if may_fail && denied(&source) => continue,
                Err(error) => {
                    cgroups.undo();
                    return Err(error);
                }
            }
            let names = if hierarchy.unified() { vec![String::new()] } else { hierarchy.controllers.clone() };
            cgroups.paths.extend(names.into_iter().map(|name| (name, directory.clone())));
        }
        // Who is in it already would be limited, held and killed together with this container.
        if let Some(other) = cgroups.processes().first().copied() {
            cgroups.undo();
            return Err(Error::config(
                "linux.cgroupsPath",
                format!("container's cgroup is not empty: process {other} is in it"),
            ));
        }
        Ok(cgroups)
    }

    fn make(&mut self, hierarchy: &Hierarchy, directory: &Path) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = directory;
        while !at.exists() && at != hierarchy.mount {
            missing.push(at.to_owned());
            let Some(parent) = at.parent() else { break };
            at = parent;
        }
        for path in missing.into_iter().rev() {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made.doing(|| format!("mkdir {}", path.display()))?;
                    self.made.push(path.clone());
                }
            }
            if hierarchy.controllers.iter().any(|name| name == "cpuset") {
                inherit(&path)?;
            }
        }
        Ok(())
    }

    /// The directories by controller.
    pub fn paths(&self) -> &BTreeMap<String, PathBuf> {
        &self.paths
    }

    fn directories(&self) -> BTreeSet<&PathBuf> {
        self.paths.values().collect()
    }

    /// Holds what is in the groups to limits: each controller where it is, in version 1 or 2.
    pub fn limit(&self, resources: &LinuxResources) -> Result<()> {
        let old: Vec<Write> = version_1(resources)?;
        let new: Vec<Write> = if self.paths.contains_key("") { version_2_of(self, resources)? } else { Vec::new() };
        let mut later = Vec::new();
        for one in old {
            let Some(directory) = self.paths.get(&one.controller) else { continue };
            match put(directory, &one) {
                // Limits of memory alone and with swap can only be moved in the one order or the other.
                Err(_) if one.file == "memory.limit_in_bytes" => later.push((directory, one)),
                done => done?,
            }
        }
        for (directory, one) in later {
            put(directory, &one)?;
        }
        for one in new {
            if let Some(directory) = self.paths.get("") {
                enable(directory, &one.controller)?;
                put(directory, &one)?;
            }
        }
        self.all_were_heard(resources)
    }

    /// A limit that no hierarchy has a controller for would be none, silently.
    fn all_were_heard(&self, resources: &LinuxResources) -> Result<()> {
        for one in version_1(resources)? {
            let newer = if one.controller == "blkio" { "io" } else { one.controller.as_str() };
            if !self.paths.contains_key(&one.controller) && !self.has_unified(newer) {
                return Err(Error::config(
                    "linux.resources",
                    format!("cannot set {} limit: container could not join or create cgroup", one.controller),
                ));
            }
        }
        Ok(())
    }

    fn has_unified(&self, controller: &str) -> bool {
        self.paths.get("").is_some_and(|directory| has_controller(directory, controller))
    }

    /// Lets only those devices be used that rules allow.
    pub fn devices(&self, rules: &[DeviceRule]) -> Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        match (self.paths.get("devices"), self.paths.get("")) {
            (Some(directory), _) => rules.iter().try_for_each(|rule| put(directory, &rule.version_1())),
            (None, Some(directory)) => devices::attach(directory, rules),
            (None, None) => Err(Error::config("linux.resources.devices", "no control group for devices could be made")),
        }
    }

    /// Puts a process into the groups.
    pub fn add(&self, pid: i32) -> Result<()> {
        for directory in self.directories() {
            let write = Write { controller: String::new(), file: "cgroup.procs".into(), value: pid.to_string() };
            put(directory, &write)?;
        }
        Ok(())
    }

    /// The processes in the groups and in those below, each once.
    pub fn processes(&self) -> Vec<i32> {
        let mut found = BTreeSet::new();
        // All hierarchies hold the same ones; a container may have moved some elsewhere in one it can write to.
        for directory in self.directories() {
            walk(directory, 0, &mut |group| {
                let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
            });
        }
        found.into_iter().collect()
    }

    /// Holds everything in the groups, or lets it go on.
    pub fn freeze(&self, hold: bool) -> Result<()> {
        let (directory, file, value) = match (self.paths.get("freezer"), self.paths.get("")) {
            (Some(directory), _) => (directory, "freezer.state", if hold { "FROZEN" } else { "THAWED" }),
            (None, Some(directory)) => (directory, "cgroup.freeze", if hold { "1" } else { "0" }),
            (None, None) => {
                return Err(Error::Refused("cannot toggle freezer: the container has no control groups".into()));
            }
        };
        let write = Write { controller: String::new(), file: file.into(), value: value.into() };
        // Processes that are just being made can keep version 1 from holding them all at once: it is asked again.
        for _ in 0..TRIES {
            put(directory, &write)?;
            if self.frozen() == hold {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        if hold {
            self.freeze(false)?;
        }
        Err(Error::Refused("unable to freeze: the container makes processes faster than they are held".into()))
    }

    /// Whether everything in the groups is held.
    pub fn frozen(&self) -> bool {
        if let Some(directory) = self.paths.get("freezer") {
            return fs::read_to_string(directory.join("freezer.state")).is_ok_and(|state| state.trim() == "FROZEN");
        }
        let events = self.paths.get("").and_then(|directory| fs::read_to_string(directory.join("cgroup.events")).ok());
        events.is_some_and(|events| events.lines().any(|line| line == "frozen 1"))
    }

    /// Kills everything in the groups, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        for round in 0..TRIES {
            let pids = self.processes();
            if pids.is_empty() {
                break;
            }
            if let Some(directory) = self.paths.get("") {
                let _ = fs::write(directory.join("cgroup.kill"), "1");
            }
            for pid in pids {
                if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            if self.frozen() {
                self.freeze(false)?;
            }
            pause(round);
        }
        Ok(())
    }

    /// Takes the container's own directories away, and what it made below.
    pub fn remove(&self) -> Result<()> {
        self.directories().into_iter().try_for_each(|directory| remove(directory))
    }

    /// Takes away all that was made: for when nothing becomes of it.
    pub fn undo(&mut self) {
        let _ = self.kill();
        for path in std::mem::take(&mut self.made).into_iter().rev() {
            let _ = remove(&path);
        }
    }
}

/// Whether the answer is that one has no right to it.
fn denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn pause(round: u32) {
    std::thread::sleep(Duration::from_millis(u64::from(round.min(100)).max(1)));
}

fn version_2_of(cgroups: &Cgroups, resources: &LinuxResources) -> Result<Vec<Write>> {
    let elsewhere = |controller: &str| {
        let older = if controller == "io" { "blkio" } else { controller };
        cgroups.paths.contains_key(older)
    };
    let mut writes = version_2(resources).unwrap_or_default();
    // What only version 1 can do is no mistake where version 1 does it.
    if !cgroups.paths.keys().any(|name| !name.is_empty() && !name.starts_with("name=")) {
        writes = version_2(resources)?;
    }
    writes.retain(|write| !elsewhere(&write.controller) && cgroups.has_unified(&write.controller));
    writes.extend(unified(resources)?);
    Ok(writes)
}

fn has_controller(directory: &Path, controller: &str) -> bool {
    fs::read_to_string(directory.join("cgroup.controllers"))
        .or_else(|_| fs::read_to_string(directory.join("../cgroup.controllers")))
        .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
        || directory.ancestors().skip(1).any(|above| {
            fs::read_to_string(above.join("cgroup.controllers"))
                .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
        })
}

/// Lets a controller of version 2 work in a group: every group above has to pass it on.
fn enable(directory: &Path, controller: &str) -> Result<()> {
    if controller == "cgroup"
        || fs::read_to_string(directory.join("cgroup.controllers"))
            .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
    {
        return Ok(());
    }
    let mut above: Vec<&Path> =
        directory.ancestors().skip(1).take_while(|path| path.join("cgroup.subtree_control").exists()).collect();
    above.reverse();
    for group in above {
        let write = Write {
            controller: controller.into(),
            file: "cgroup.subtree_control".into(),
            value: format!("+{controller}"),
        };
        put(group, &write)?;
    }
    Ok(())
}

/// A new group of version 1 may use no CPU and no memory until it is told which: those of the group above.
fn inherit(directory: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = fs::read_to_string(directory.join(file)).unwrap_or_default();
        if !own.trim().is_empty() {
            continue;
        }
        let Some(above) = directory.parent() else { continue };
        let value = fs::read_to_string(above.join(file)).doing(|| format!("read {}", above.join(file).display()))?;
        if !value.trim().is_empty() {
            put(directory, &Write { controller: String::new(), file: file.into(), value: value.trim().into() })?;
        }
    }
    Ok(())
}

/// Writes one value. The file exists or the kernel can't do it: none is made.
fn put(directory: &Path, write: &Write) -> Result<()> {
    let path = directory.join(&write.file);
    let done =
        fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(write.value.as_bytes()));
    done.doing(|| format!("write {:?} to {}", write.value, path.display()))
}

/// Visits a group and those below it, the deepest first.
fn walk(directory: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) {
    if depth < MOST_DEPTH {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|typ| typ.is_dir()) {
                walk(&entry.path(), depth + 1, visit);
            }
        }
    }
    visit(directory);
}

fn remove(directory: &Path) -> Result<()> {
    for round in 0..TRIES {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if round + 1 == TRIES => return Err(error).doing(|| format!("rmdir {}", directory.display())),
            Err(_) => {
                // Only when it didn't go at once: there may be groups below.
                walk(directory, 0, &mut |group| {
                    if group != directory {
                        let _ = fs::remove_dir(group);
                    }
                });
                if round > 0 {
                    pause(round);
                }
            }
        }
    }
    Ok(())
}
