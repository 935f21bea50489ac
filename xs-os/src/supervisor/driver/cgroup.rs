//! Control groups, version 2 or 1, or both side by side: which processes belong to a unit, and what they may use together.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::spawn::read_bounded;
use super::sys;
use crate::supervisor::unit::Maxima;

/// How the directories of supervisors begin; the number of the process follows.
const PREFIX: &str = "xs-supervisor-";

/// The groups of one supervisor.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// Our directory in the hierarchy that says who belongs to whom.
    tracking: PathBuf,
    /// Whether that is version 2, which can kill a group at once.
    unified: bool,
    /// Our directories by controller; of version 2, all of them the one above.
    controllers: BTreeMap<&'static str, (PathBuf, bool)>,
}

/// The hierarchies that are mounted, with where this process is in them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mounted {
    unified: Option<PathBuf>,
    by_controller: BTreeMap<String, PathBuf>,
}

/// From `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn mounted(mountinfo: &str, own: &str) -> Mounted {
    let mut mounted = Mounted::default();
    // `hierarchy:controllers:path`; version 2 has no controllers.
    let path_in = |controller: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
            names.split(',').any(|name| name == controller).then_some(path)
        })
    };
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let mut fields = before.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else { continue };
        let mut fields = after.split(' ');
        let (kind, options) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        // Where we are, below what is mounted of the hierarchy.
        let here = |path: &str| {
            let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
            Path::new(point).join(below.trim_start_matches('/'))
        };
        match kind {
            "cgroup2" => mounted.unified = mounted.unified.or(path_in("").map(here)),
            "cgroup" => {
                for option in options.split(',').filter(|option| matches!(*option, "memory" | "cpu" | "pids")) {
                    if let Some(path) = path_in(option) {
                        mounted.by_controller.insert(option.to_owned(), here(path));
                    }
                }
            }
            _ => {}
        }
    }
    mounted
}

impl Cgroups {
    /// Makes our own directories; `None` where no hierarchy is mounted that may be written.
    pub(super) fn new() -> Option<Cgroups> {
        let found =
            mounted(&fs::read_to_string("/proc/self/mountinfo").ok()?, &fs::read_to_string("/proc/self/cgroup").ok()?);
        let name = format!("{PREFIX}{}", std::process::id());
        let make = |parent: &Path| {
            sweep(parent);
            let path = parent.join(&name);
            // A group that can be made can be joined where its file may be written.
            fs::create_dir(&path)
                .ok()
                .filter(|()| OpenOptions::new().write(true).open(path.join("cgroup.procs")).is_ok())?;
            Some(path)
        };
        let mut controllers = BTreeMap::new();
        let mut tracking = found.unified.as_deref().and_then(make).map(|path| (path, true));
        if let Some((path, _)) = &tracking {
            let parent = path.parent()?;
            for controller in ["memory", "cpu", "pids"] {
                // Where processes are in the parent itself, the kernel refuses, and there are no limits.
                let on = |dir: &Path| fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
                if on(parent).and_then(|()| on(path)).is_ok() {
                    controllers.insert(controller, (path.clone(), true));
                }
            }
        }
        for controller in ["pids", "memory", "cpu"] {
            if let (false, Some(parent)) = (controllers.contains_key(controller), found.by_controller.get(controller))
                && let Some(path) = make(parent)
            {
                tracking = tracking.or(Some((path.clone(), false)));
                controllers.insert(controller, (path, false));
            }
        }
        let (tracking, unified) = tracking?;
        Some(Cgroups { tracking, unified, controllers })
    }

    /// What is in the way of a unit's maxima, if anything is.
    pub(super) fn missing(&self, maxima: &Maxima) -> Vec<&'static str> {
        let wanted = [
            ("memory", maxima.memory.is_some() || maxima.memory_high.is_some()),
            ("cpu", maxima.cpu_percent.is_some() || maxima.cpu_weight.is_some()),
            ("pids", maxima.tasks.is_some()),
        ];
        let without =
            wanted.into_iter().filter(|(controller, wanted)| *wanted && !self.controllers.contains_key(controller));
        without.map(|(controller, _)| controller).collect()
    }

    /// Makes a unit's groups, with its limits; what a process joins by writing `0` to each.
    pub(super) fn enter(&self, unit: &str, maxima: &Maxima) -> io::Result<Vec<OwnedFd>> {
        let mut dirs = vec![self.tracking.join(unit)];
        for (controller, wanted) in [
            ("memory", maxima.memory.is_some() || maxima.memory_high.is_some()),
            ("cpu", maxima.cpu_percent.is_some() || maxima.cpu_weight.is_some()),
            ("pids", maxima.tasks.is_some()),
        ] {
            if let (true, Some((path, unified))) = (wanted, self.controllers.get(controller)) {
                let dir = path.join(unit);
                make_dir(&dir)?;
                for (file, value) in settings(controller, *unified, maxima) {
                    fs::write(dir.join(file), &value)
                        .map_err(|error| io::Error::new(error.kind(), format!("{file} = {value}: {error}")))?;
                }
                dirs.push(dir);
            }
        }
        dirs.dedup();
        let open = |dir: PathBuf| {
            make_dir(&dir)?;
            OpenOptions::new().write(true).open(dir.join("cgroup.procs")).map(OwnedFd::from)
        };
        dirs.into_iter().map(open).collect()
    }

    /// The processes of a unit.
    pub(super) fn members(&self, unit: &str) -> Vec<u32> {
        members(&self.tracking.join(unit))
    }

    /// Kills a whole group at once, where the kernel can; whether it could.
    pub(super) fn kill(&self, unit: &str) -> bool {
        self.unified && fs::write(self.tracking.join(unit).join("cgroup.kill"), "1").is_ok()
    }

    /// Removes a unit's groups, if nobody is in them.
    pub(super) fn remove(&self, unit: &str) {
        let all = self.controllers.values().map(|(path, _)| path).chain([&self.tracking]);
        all.for_each(|path| remove_tree(&path.join(unit)));
    }

    /// The memory that a unit uses, where that is counted.
    pub(super) fn usage(&self, unit: &str) -> Option<u64> {
        let (path, unified) = self.controllers.get("memory")?;
        let file = if *unified { "memory.current" } else { "memory.usage_in_bytes" };
        read_bounded(&path.join(unit).join(file)).ok()?.trim().parse().ok()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let all = self.controllers.values().map(|(path, _)| path).chain([&self.tracking]);
        all.for_each(|path| remove_tree(path));
    }
}

/// The files of a controller with what is written to them.
fn settings(controller: &str, unified: bool, maxima: &Maxima) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let mut set = |file: [&'static str; 2], value: Option<String>| {
        all.extend(value.map(|value| (if unified { file[0] } else { file[1] }, value)));
    };
    match controller {
        "memory" => {
            set(["memory.high", "memory.soft_limit_in_bytes"], maxima.memory_high.map(|bytes| bytes.to_string()));
            set(["memory.max", "memory.limit_in_bytes"], maxima.memory.map(|bytes| bytes.to_string()));
        }
        "cpu" => {
            // Of each tenth of a second.
            const PERIOD: u64 = 100_000;
            let quota = maxima.cpu_percent.map(|percent| u64::from(percent) * PERIOD / 100);
            let text = quota.map(|quota| if unified { format!("{quota} {PERIOD}") } else { quota.to_string() });
            set(["cpu.max", "cpu.cfs_quota_us"], text);
            // Version 1 counts shares, of which 1024 are what a weight of 100 is.
            let weight = maxima.cpu_weight.map(u64::from);
            let text = weight.map(|weight| if unified { weight } else { (weight * 1024 / 100).max(2) }.to_string());
            set(["cpu.weight", "cpu.shares"], text);
        }
        _ => set(["pids.max", "pids.max"], maxima.tasks.map(|tasks| tasks.to_string())),
    }
    all
}

fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Groups inside of a group, as deep as services make them; not deeper than this.
const DEEPEST: usize = 32;

fn dirs_below(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![(root.to_owned(), 0)];
    let mut at = 0;
    while let Some((dir, depth)) = all.get(at).cloned() {
        at += 1;
        let Ok(entries) = fs::read_dir(dir) else { continue };
        if depth < DEEPEST {
            let dirs = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            all.extend(dirs.map(|entry| (entry.path(), depth + 1)));
        }
    }
    all.into_iter().map(|(dir, _)| dir).collect()
}

fn members(root: &Path) -> Vec<u32> {
    let files = dirs_below(root).into_iter().filter_map(|dir| read_bounded(&dir.join("cgroup.procs")).ok());
    files.flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn remove_tree(root: &Path) {
    for dir in dirs_below(root).into_iter().rev() {
        let _ = fs::remove_dir(dir);
    }
}

/// What supervisors left that were killed: nothing of it may run beside what is started now.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| pid != std::process::id() && !Path::new(&format!("/proc/{pid}")).exists()) {
            for pid in members(&entry.path()) {
                sys::kill(pid, 9);
            }
            remove_tree(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_where_they_are_mounted() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 25 0:28 /docker/x /sys/fs/cgroup/unified rw,nosuid shared:1 - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/a/b\n3:cpu,cpuacct:/\n1:name=systemd:/\n0::/docker/x/y\n";
        let found = mounted(mounts, own);
        assert_eq!(found.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified/y")));
        assert_eq!(found.by_controller["memory"], Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(found.by_controller["cpu"], Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mounted("nonsense\n - \n", "::\n"), Mounted::default());
    }

    #[test]
    fn maxima_are_written_in_each_version_s_words() {
        let maxima =
            Maxima { memory: Some(1 << 20), cpu_percent: Some(150), cpu_weight: Some(100), ..Maxima::default() };
        assert_eq!(settings("cpu", true, &maxima), [("cpu.max", "150000 100000".into()), ("cpu.weight", "100".into())]);
        assert_eq!(
            settings("cpu", false, &maxima),
            [("cpu.cfs_quota_us", "150000".into()), ("cpu.shares", "1024".into())]
        );
        assert_eq!(settings("memory", false, &maxima), [("memory.limit_in_bytes", "1048576".into())]);
        assert_eq!(settings("pids", true, &maxima), []);
    }
}
