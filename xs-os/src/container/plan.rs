//! What will be done for a container, in which order, as data: made without any right, looked at before anything happens.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType as Ns, Spec};

use super::error::{Error, Result};
use super::mount::options::{MountOptions, flag, parse_mount_options};
use super::process::ProcessPlan;
use super::seccomp;

/// A container's creation, decided.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The namespaces that are made for it, and those that it joins.
    pub namespaces: Namespaces,
    /// Its identifiers, as they are in its user namespace and outside.
    pub uid_map: Vec<IdMap>,
    /// The same of groups.
    pub gid_map: Vec<IdMap>,
    /// The directory that becomes its root.
    pub root: PathBuf,
    /// Nothing of that can be changed from inside.
    pub readonly: bool,
    /// How mounts of the root are shared in the end, if anything is said of that.
    pub propagation: Option<u64>,
    /// What is mounted, in order.
    pub mounts: Vec<MountStep>,
    /// Device files that are made once all is mounted.
    pub devices: Vec<Device>,
    /// `/dev` is the container's own, and gets the links that programs expect there.
    pub own_dev: bool,
    /// What is hidden.
    pub masked: Vec<PathBuf>,
    /// What can't be changed.
    pub readonly_paths: Vec<PathBuf>,
    /// What the kernel is told: files under `/proc/sys`, and what is written to them.
    pub settings: BTreeMap<PathBuf, String>,
    /// How the machine is called.
    pub hostname: Option<String>,
    /// How its domain is called.
    pub domainname: Option<String>,
    /// What kind of machine it is said to be.
    pub personality: Option<u64>,
    /// Its first process.
    pub process: ProcessPlan,
}

/// A container's namespaces, by the kernel's numbers for `clone(2)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Those that are made.
    pub fresh: u64,
    /// Those that exist.
    pub joined: Vec<(Ns, PathBuf)>,
}

impl Namespaces {
    /// Whether the container has one of this kind that its maker hasn't.
    pub fn has(&self, ns: Ns) -> bool {
        self.fresh & ns as u64 != 0 || self.joined.iter().any(|(joined, _)| *joined == ns)
    }

    /// The numbers of all, made and joined.
    pub fn all(&self) -> u64 {
        self.joined.iter().fold(self.fresh, |all, (ns, _)| all | *ns as u64)
    }
}

/// So many identifiers inside a user namespace stand for as many outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// The first one inside.
    pub inside: u32,
    /// The first one outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// What an identifier of the container is outside.
pub(super) fn outside(map: &[IdMap], inside: u32) -> Option<u32> {
    if map.is_empty() {
        return Some(inside);
    }
    let entry = map.iter().find(|entry| inside.checked_sub(entry.inside).is_some_and(|at| at < entry.count))?;
    entry.outside.checked_add(inside.checked_sub(entry.inside)?)
}

/// One thing that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountStep {
    /// Where, inside the root.
    pub destination: PathBuf,
    /// What.
    pub what: What,
    /// How.
    pub options: MountOptions,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file or directory of the host.
    Bind {
        /// Which.
        source: PathBuf,
        /// With what is mounted under it.
        recursive: bool,
    },
    /// A file system.
    FileSystem {
        /// Of which type.
        typ: String,
        /// Of which device, or a name to be shown.
        source: String,
    },
    /// The container's own control groups.
    Cgroup,
}

/// A device file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where, inside the root.
    pub path: PathBuf,
    /// `b`, `c`, `u` or `p`.
    pub kind: char,
    /// The driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
    /// Who may use it.
    pub mode: u32,
    /// Whose it is.
    pub uid: u32,
    /// Of which group.
    pub gid: u32,
}

/// The devices that every container has: name, major, minor.
pub const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

impl Plan {
    /// Decides what will be done. `bundle` is absolute: what the configuration says without a leading slash counts from there.
    pub fn new(spec: &Spec, bundle: &Path) -> Result<Plan> {
        super::spec::check_config(spec)?;
        let (Some(root), Some(process), Some(linux)) = (spec.root(), spec.process(), spec.linux()) else {
            return Err(Error::config(".", "root, process or linux is missing"));
        };
        let mut namespaces = Namespaces::default();
        for namespace in linux.namespaces().iter().flatten() {
            match namespace.path().as_deref().filter(|path| !path.as_os_str().is_empty()) {
                Some(path) => namespaces.joined.push((namespace.typ(), path.to_owned())),
                None => namespaces.fresh |= namespace.typ() as u64,
            }
        }
        let maps = |maps: &Option<Vec<LinuxIdMapping>>| -> Vec<IdMap> {
            let map =
                |map: &LinuxIdMapping| IdMap { inside: map.container_id(), outside: map.host_id(), count: map.size() };
            maps.iter().flatten().map(map).collect()
        };
        let mounts: Vec<MountStep> = spec
            .mounts()
            .iter()
            .flatten()
            .enumerate()
            .map(|(at, mount)| step(&format!("mounts[{at}]"), mount, bundle))
            .collect::<Result<_>>()?;
        // What others bind to /dev is theirs: nothing is made in it.
        let own_dev = mounts
            .iter()
            .rev()
            .find(|mount| mount.destination == Path::new("/dev"))
            .is_some_and(|mount| !matches!(mount.what, What::Bind { .. }));
        let mut devices = Vec::new();
        if own_dev {
            devices.extend(DEVICES.map(|(name, major, minor)| Device {
                path: Path::new("/dev").join(name),
                kind: 'c',
                major,
                minor,
                mode: 0o666,
                uid: 0,
                gid: 0,
            }));
        }
        for device in linux.devices().iter().flatten() {
            let number = |number: i64| u32::try_from(number).unwrap_or(0);
            let device = Device {
                path: inside(device.path()),
                kind: match device.typ().as_str() {
                    "b" => 'b',
                    "p" => 'p',
                    "u" => 'u',
                    _ => 'c',
                },
                major: number(device.major()),
                minor: number(device.minor()),
                mode: device.file_mode().unwrap_or(0o666) & 0o7777,
                uid: device.uid().unwrap_or(0),
                gid: device.gid().unwrap_or(0),
            };
            devices.retain(|other| other.path != device.path);
            devices.push(device);
        }
        let filter = linux.seccomp().as_ref().map(seccomp::compile_filter).transpose()?.flatten();
        let paths = |paths: &Option<Vec<String>>| paths.iter().flatten().map(|path| inside(Path::new(path))).collect();
        Ok(Plan {
            uid_map: maps(linux.uid_mappings()),
            gid_map: maps(linux.gid_mappings()),
            root: bundle.join(root.path()),
            readonly: root.readonly().unwrap_or(false),
            propagation: propagation(linux.rootfs_propagation().as_deref().unwrap_or(""))?,
            mounts,
            devices,
            own_dev,
            masked: paths(linux.masked_paths()),
            readonly_paths: paths(linux.readonly_paths()),
            settings: linux.sysctl().iter().flatten().map(|(key, value)| (setting(key), value.clone())).collect(),
            hostname: spec.hostname().clone().filter(|name| !name.is_empty()),
            domainname: spec.domainname().clone().filter(|name| !name.is_empty()),
            personality: linux.personality().as_ref().map(|personality| match personality.domain() {
                oci_spec::runtime::LinuxPersonalityDomain::PerLinux => 0,
                oci_spec::runtime::LinuxPersonalityDomain::PerLinux32 => 8,
            }),
            process: ProcessPlan::new(process, filter)?,
            namespaces,
        })
    }

    /// The number outside of the container's root.
    pub fn host_root(&self) -> Result<(u32, u32)> {
        let missing = |name| Error::config(name, "the container's root is not mapped");
        Ok((
            outside(&self.uid_map, 0).ok_or_else(|| missing("linux.uidMappings"))?,
            outside(&self.gid_map, 0).ok_or_else(|| missing("linux.gidMappings"))?,
        ))
    }
}

/// A path of the container with nothing in it that leads upwards, from its root.
pub(super) fn inside(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}

fn step(path: &str, mount: &oci_spec::runtime::Mount, bundle: &Path) -> Result<MountStep> {
    let options = parse_mount_options(mount.options().iter().flatten().map(String::as_str))
        .map_err(|option| Error::Unsupported(format!("{path}.options: {option:?}")))?;
    let typ = mount.typ().as_deref().unwrap_or("");
    let source = mount.source().clone().unwrap_or_default();
    let what = if options.flags & flag::BIND != 0 || typ == "bind" {
        if source.as_os_str().is_empty() {
            return Err(Error::config(format!("{path}.source"), "a bind mount needs one"));
        }
        What::Bind { source: bundle.join(source), recursive: options.flags & flag::REC != 0 }
    } else if typ == "cgroup" {
        What::Cgroup
    } else if typ.is_empty() {
        return Err(Error::config(format!("{path}.type"), "is missing"));
    } else {
        What::FileSystem { typ: typ.to_owned(), source: source.to_string_lossy().into_owned() }
    };
    let destination = inside(mount.destination());
    if destination == Path::new("/") {
        return Err(Error::config(format!("{path}.destination"), "is the container's root"));
    }
    if options.copy_up && !matches!(&what, What::FileSystem { typ, .. } if typ == "tmpfs") {
        return Err(Error::config(format!("{path}.options"), "tmpcopyup is for tmpfs alone"));
    }
    Ok(MountStep { destination, what, options })
}

fn propagation(name: &str) -> Result<Option<u64>> {
    if name.is_empty() {
        return Ok(None);
    }
    match parse_mount_options([name]).unwrap_or_default().propagation.as_slice() {
        [bits] => Ok(Some(*bits)),
        _ => Err(Error::config("linux.rootfsPropagation", format!("{name:?} is none"))),
    }
}

/// A setting's file under `/proc/sys`. Names with slashes are taken as they are, for interfaces with dots in their names.
fn setting(key: &str) -> PathBuf {
    if key.contains('/') { PathBuf::from(key) } else { PathBuf::from(key.replace('.', "/")) }
}
