//! `config.json` read and judged: what is wrong with it is told by its place and the reason, before anything is done.

use std::collections::HashSet;
use std::path::{Component, Path};

use oci_spec::runtime::{Hook, Hooks, Linux, LinuxIdMapping, LinuxNamespaceType as Ns, Mount, Process, Spec};
use serde::de::DeserializeOwned;

use super::error::{Doing, Error, Result};

/// The largest `config.json` that is read.
pub const MOST_BYTES: u64 = 16 << 20;
/// The most mounts, devices, hooks and the like that one list may have.
pub const MOST_ENTRIES: usize = 4096;

/// Reads a bundle's `config.json`, and judges it.
pub fn load_config(bundle: &Path) -> Result<Spec> {
    parse_config(&read(&bundle.join("config.json"))?)
}

/// Reads the description of a process for a container that runs, as for `exec --process`.
pub fn load_process(file: &Path) -> Result<Process> {
    let process: Process = json(&read(file)?)?;
    check_process(&process)?;
    Ok(process)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).doing(|| format!("open {}", file.display()))?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).doing(|| format!("read {}", file.display()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::config("", format!("longer than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Reads a configuration from its bytes, and judges it.
///
/// ```
/// let error = xs_os::container::parse_config(br#"{"ociVersion": "1.0.2", "process": {"cwd": 7}}"#).unwrap_err();
/// assert!(error.to_string().contains("process.cwd"), "{error}");
/// ```
pub fn parse_config(bytes: &[u8]) -> Result<Spec> {
    let spec: Spec = json(bytes)?;
    check_config(&spec)?;
    Ok(spec)
}

/// Reads JSON, and says where it is not what it should be.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Error::config(error.path().to_string(), error.inner().to_string()))?;
    reader.end().map_err(|error| Error::config(".", error.to_string()))?;
    Ok(value)
}

fn refuse<T>(path: impl Into<String>, reason: impl Into<String>) -> Result<T> {
    Err(Error::config(path, reason))
}

/// Judges a whole configuration.
pub fn check_config(spec: &Spec) -> Result<()> {
    if !spec.version().starts_with("1.") {
        return refuse("ociVersion", format!("{:?} is not a version 1 of the specification", spec.version()));
    }
    let Some(root) = spec.root() else { return refuse("root", "is missing") };
    plain("root.path", &root.path().to_string_lossy())?;
    let Some(process) = spec.process() else { return refuse("process", "is missing") };
    check_process(process)?;
    let Some(linux) = spec.linux() else { return refuse("linux", "is missing") };
    for (other, name) in [
        (spec.windows().is_some(), "windows"),
        (spec.solaris().is_some(), "solaris"),
        (spec.vm().is_some(), "vm"),
        (spec.zos().is_some(), "zos"),
    ] {
        if other {
            return refuse(name, "is for another platform");
        }
    }
    check_linux(linux)?;
    let has = |ns| has_namespace(linux, ns);
    for (name, value) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            if value.len() > 64 {
                return refuse(name, "is longer than 64 bytes");
            }
            if !has(Ns::Uts) {
                return refuse(name, "needs a UTS namespace of the container's own");
            }
        }
    }
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    few("mounts", mounts.len())?;
    for (at, mount) in mounts.iter().enumerate() {
        check_mount(&format!("mounts[{at}]"), mount)?;
    }
    spec.hooks().as_ref().map_or(Ok(()), check_hooks)
}

/// Whether the configuration names such a namespace, to be made or joined.
pub(super) fn has_namespace(linux: &Linux, wanted: Ns) -> bool {
    linux.namespaces().iter().flatten().any(|namespace| namespace.typ() == wanted)
}

/// Judges the description of a process.
pub(super) fn check_process(process: &Process) -> Result<()> {
    let args = process.args().as_deref().unwrap_or_default();
    match args.first() {
        None => return refuse("process.args", "must not be empty"),
        Some(first) if first.is_empty() => return refuse("process.args[0]", "must not be empty"),
        Some(_) => {}
    }
    for (at, arg) in args.iter().enumerate() {
        whole(&format!("process.args[{at}]"), arg)?;
    }
    for (at, entry) in process.env().iter().flatten().enumerate() {
        whole(&format!("process.env[{at}]"), entry)?;
    }
    if !process.cwd().is_absolute() {
        return refuse("process.cwd", "must be an absolute path");
    }
    whole("process.cwd", &process.cwd().to_string_lossy())?;
    let mut seen = HashSet::new();
    for (at, limit) in process.rlimits().iter().flatten().enumerate() {
        let path = format!("process.rlimits[{at}]");
        if !seen.insert(limit.typ().to_string()) {
            return refuse(path, format!("{} stands twice", limit.typ()));
        }
        if limit.soft() > limit.hard() {
            return refuse(path, "the soft limit is above the hard one");
        }
    }
    if process.user().umask().is_some_and(|umask| umask > 0o777) {
        return refuse("process.user.umask", "has more bits than permissions");
    }
    few("process.user.additionalGids", process.user().additional_gids().as_ref().map_or(0, Vec::len))?;
    for (set, name) in [
        (process.scheduler().is_some(), "process.scheduler"),
        (process.io_priority().is_some(), "process.ioPriority"),
        (process.exec_cpu_affinity().is_some(), "process.execCPUAffinity"),
        (process.command_line().is_some(), "process.commandLine"),
    ] {
        if set {
            return Err(Error::Unsupported(name.into()));
        }
    }
    if process.apparmor_profile().as_deref().is_some_and(|profile| !profile.is_empty() && profile != "unconfined") {
        return Err(Error::Unsupported("process.apparmorProfile".into()));
    }
    if process.selinux_label().as_deref().is_some_and(|label| !label.is_empty()) {
        return Err(Error::Unsupported("process.selinuxLabel".into()));
    }
    Ok(())
}

fn check_linux(linux: &Linux) -> Result<()> {
    let mut seen = HashSet::new();
    for (at, namespace) in linux.namespaces().iter().flatten().enumerate() {
        let path = format!("linux.namespaces[{at}]");
        if !seen.insert(namespace.typ()) {
            return refuse(path, format!("a second {} namespace", namespace.typ()));
        }
        if let Some(at) = namespace.path().as_deref().filter(|at| !at.as_os_str().is_empty()) {
            if !at.is_absolute() {
                return refuse(path + ".path", "must be an absolute path");
            }
            if namespace.typ() == Ns::Mount {
                return Err(Error::Unsupported(path + ": a mount namespace that exists already"));
            }
        }
        if namespace.typ() == Ns::Time {
            return Err(Error::Unsupported(path + ": a time namespace"));
        }
    }
    if !seen.contains(&Ns::Mount) {
        return refuse("linux.namespaces", "a mount namespace of the container's own is needed");
    }
    check_maps(linux, seen.contains(&Ns::User))?;
    for (set, name) in [
        (linux.intel_rdt().is_some(), "linux.intelRdt"),
        (linux.memory_policy().is_some(), "linux.memoryPolicy"),
        (linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty()), "linux.netDevices"),
        (linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty()), "linux.timeOffsets"),
        (linux.mount_label().as_deref().is_some_and(|label| !label.is_empty()), "linux.mountLabel"),
    ] {
        if set {
            return Err(Error::Unsupported(name.into()));
        }
    }
    for (name, paths) in [("linux.maskedPaths", linux.masked_paths()), ("linux.readonlyPaths", linux.readonly_paths())]
    {
        few(name, paths.as_ref().map_or(0, Vec::len))?;
        for (at, path) in paths.iter().flatten().enumerate() {
            absolute(&format!("{name}[{at}]"), Path::new(path))?;
        }
    }
    let devices = linux.devices().as_deref().unwrap_or_default();
    few("linux.devices", devices.len())?;
    for (at, device) in devices.iter().enumerate() {
        let path = format!("linux.devices[{at}]");
        absolute(&format!("{path}.path"), device.path())?;
        if device.typ().as_str() == "a" {
            return refuse(path + ".type", "is none that a device file can have");
        }
        for (name, number) in [("major", device.major()), ("minor", device.minor())] {
            if u32::try_from(number).is_err() {
                return refuse(format!("{path}.{name}"), "is out of range");
            }
        }
    }
    for key in linux.sysctl().iter().flatten().map(|(key, _)| key) {
        let path = format!("linux.sysctl.{key}");
        let owner = match key.as_str() {
            "kernel.msgmax"
            | "kernel.msgmnb"
            | "kernel.msgmni"
            | "kernel.sem"
            | "kernel.shmall"
            | "kernel.shmmax"
            | "kernel.shmmni"
            | "kernel.shm_rmid_forced" => Ns::Ipc,
            "kernel.hostname" | "kernel.domainname" => Ns::Uts,
            key if key.starts_with("fs.mqueue.") => Ns::Ipc,
            key if key.starts_with("net.") || key.starts_with("net/") => Ns::Network,
            _ => return refuse(path, "is not in a separate kernel namespace"),
        };
        if key.contains("..") || key.contains('\0') {
            return refuse(path, "is no name of a setting");
        }
        if !seen.contains(&owner) {
            return refuse(path, format!("needs a {owner} namespace of the container's own"));
        }
    }
    Ok(())
}

fn check_maps(linux: &Linux, user: bool) -> Result<()> {
    for (name, maps) in [("linux.uidMappings", linux.uid_mappings()), ("linux.gidMappings", linux.gid_mappings())] {
        let maps = maps.as_deref().unwrap_or_default();
        let joined =
            linux.namespaces().iter().flatten().any(|ns| {
                ns.typ() == Ns::User && ns.path().as_deref().is_some_and(|path| !path.as_os_str().is_empty())
            });
        match (user, maps.is_empty()) {
            (false, false) => return refuse(name, "needs a user namespace"),
            (true, true) if !joined => return refuse(name, "a user namespace needs mappings"),
            _ => {}
        }
        // The kernel's own bound.
        if maps.len() > 340 {
            return refuse(name, "has more than 340 entries");
        }
        let end = |start: u32, map: &LinuxIdMapping| start.checked_add(map.size());
        for (at, map) in maps.iter().enumerate() {
            let path = format!("{name}[{at}]");
            if map.size() == 0 {
                return refuse(path, "maps nothing");
            }
            let (Some(inside), Some(outside)) = (end(map.container_id(), map), end(map.host_id(), map)) else {
                return refuse(path, "goes beyond the last identifier");
            };
            for other in maps.iter().take(at) {
                let overlaps = |start, end, from: u32| start < from.saturating_add(other.size()) && from < end;
                if overlaps(map.container_id(), inside, other.container_id())
                    || overlaps(map.host_id(), outside, other.host_id())
                {
                    return refuse(path, "overlaps another mapping");
                }
            }
        }
    }
    Ok(())
}

fn check_mount(path: &str, mount: &Mount) -> Result<()> {
    plain(&format!("{path}.destination"), &mount.destination().to_string_lossy())?;
    if mount.destination().components().any(|part| part == Component::ParentDir) {
        return refuse(format!("{path}.destination"), "must not lead upwards");
    }
    for (name, text) in [
        ("source", mount.source().as_deref().map(Path::to_string_lossy)),
        ("type", mount.typ().as_deref().map(Into::into)),
    ] {
        if let Some(text) = text {
            whole(&format!("{path}.{name}"), &text)?;
        }
    }
    few(&format!("{path}.options"), mount.options().as_ref().map_or(0, Vec::len))?;
    for (at, option) in mount.options().iter().flatten().enumerate() {
        whole(&format!("{path}.options[{at}]"), option)?;
    }
    if mount.uid_mappings().is_some() || mount.gid_mappings().is_some() {
        return Err(Error::Unsupported(format!("{path}: a mount with mapped identifiers")));
    }
    super::mount::options::parse_mount_options(mount.options().iter().flatten().map(String::as_str))
        .map_err(|option| Error::Unsupported(format!("{path}.options: {option:?}")))?;
    Ok(())
}

/// The hooks with the names of their lists, in the order of a container's life.
#[allow(deprecated)] // podman and others still say `prestart`
pub(super) fn hooks(hooks: &Hooks) -> [(&'static str, &[Hook]); 6] {
    [
        ("prestart", hooks.prestart().as_deref().unwrap_or_default()),
        ("createRuntime", hooks.create_runtime().as_deref().unwrap_or_default()),
        ("createContainer", hooks.create_container().as_deref().unwrap_or_default()),
        ("startContainer", hooks.start_container().as_deref().unwrap_or_default()),
        ("poststart", hooks.poststart().as_deref().unwrap_or_default()),
        ("poststop", hooks.poststop().as_deref().unwrap_or_default()),
    ]
}

fn check_hooks(all: &Hooks) -> Result<()> {
    for (name, list) in hooks(all) {
        few(&format!("hooks.{name}"), list.len())?;
        for (at, hook) in list.iter().enumerate() {
            let path = format!("hooks.{name}[{at}]");
            absolute(&format!("{path}.path"), hook.path())?;
            if hook.timeout().is_some_and(|timeout| timeout <= 0) {
                return refuse(path + ".timeout", "must be greater than zero");
            }
            for text in hook.args().iter().flatten().chain(hook.env().iter().flatten()) {
                whole(&path, text)?;
            }
        }
    }
    Ok(())
}

/// No list is so long that carrying it out takes minutes.
fn few(path: &str, entries: usize) -> Result<()> {
    if entries > MOST_ENTRIES { refuse(path, format!("has more than {MOST_ENTRIES} entries")) } else { Ok(()) }
}

/// A text that the system can be told: it ends at a NUL.
fn whole(path: &str, text: &str) -> Result<()> {
    if text.contains('\0') { refuse(path, "has a NUL in it") } else { Ok(()) }
}

fn plain(path: &str, text: &str) -> Result<()> {
    if text.is_empty() { refuse(path, "must not be empty") } else { whole(path, text) }
}

fn absolute(path: &str, at: &Path) -> Result<()> {
    if !at.is_absolute() {
        return refuse(path, "must be an absolute path");
    }
    whole(path, &at.to_string_lossy())
}
