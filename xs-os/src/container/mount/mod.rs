//! The container's file systems put together, inside its mount namespace and before its root is entered.

mod copy;
mod dev;
pub(super) mod options;
pub(super) mod target;

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind_recursive,
    mount_change, move_mount, open_tree, unmount,
};

use super::cgroup::Hierarchy;
use super::error::{Doing, Error, Result};
use super::fork::set_mount;
use super::plan::{MountStep, Plan, What};
use options::{attributes, flag};
use target::{Place, Root, through};

/// The attribute of a mount that nothing can be written to.
const READ_ONLY: u64 = 1;
/// The flags that say how a mount is shared.
const SHARING: u64 = flag::UNBINDABLE | flag::PRIVATE | flag::SLAVE | flag::SHARED;

/// What of the host mounting needs, gathered while it can be.
#[derive(Debug)]
pub(super) struct Host {
    /// What files are hidden with.
    null: OwnedFd,
}

impl Host {
    /// Opens what is needed.
    pub(super) fn open() -> Result<Host> {
        let null =
            rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).doing(|| "open /dev/null")?;
        let found = fstat(&null).doing(|| "look at /dev/null")?;
        if FileType::from_raw_mode(found.st_mode) != FileType::CharacterDevice
            || found.st_rdev != rustix::fs::makedev(1, 3)
        {
            return Err(Error::Inside("/dev/null of the host is not the null device".into()));
        }
        Ok(Host { null })
    }
}

/// Makes the root a mount of its own, from which nothing that is mounted later gets out to the host.
pub(super) fn open_root(plan: &Plan) -> Result<Root> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .doing(|| "part the mounts from the host's")?;
    let doing = || format!("mount the root {}", plan.root.display());
    mount_bind_recursive(&plan.root, &plan.root).doing(doing)?;
    Root::open(&plan.root).doing(doing)
}

/// Mounts everything, and makes the devices.
pub(super) fn all(plan: &Plan, root: &Root, hierarchies: &[Hierarchy], group: &Path) -> Result<()> {
    for step in &plan.mounts {
        let doing = || format!("mount {} on {}", told(step), step.destination.display());
        match &step.what {
            What::Bind { source, recursive } => bind(root, source, *recursive, step).map_err(|error| match error {
                Error::System { source: error, .. } => Error::System { doing: doing(), source: error },
                error => error,
            })?,
            What::FileSystem { typ, source } => file_system(root, typ, source, step)?,
            What::Cgroup => cgroups(plan, root, step, hierarchies, group)?,
        }
    }
    dev::make(plan, root)
}

fn told(step: &MountStep) -> String {
    match &step.what {
        What::Bind { source, .. } => source.display().to_string(),
        What::FileSystem { typ, .. } => typ.clone(),
        What::Cgroup => "cgroup".into(),
    }
}

/// A copy of the mount at a place, not yet mounted anywhere.
fn tree_of(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(fd, "", flags)
}

/// Mounts such a copy on an open place.
fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags)
}

fn bind(root: &Root, source: &Path, recursive: bool, step: &MountStep) -> Result<()> {
    let from = rustix::fs::open(source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .doing(|| source.display().to_string())?;
    let directory = FileType::from_raw_mode(fstat(&from).doing(String::new)?.st_mode) == FileType::Directory;
    let place = if directory { Place::Directory } else { Place::File };
    let target = root.make(&step.destination, place).doing(String::new)?;
    let tree = tree_of(from.as_fd(), recursive).doing(String::new)?;
    finish(tree.as_fd(), step)?;
    attach(tree.as_fd(), target.as_fd()).doing(String::new)
}

/// Gives a mount its attributes, before anybody can see it.
fn finish(tree: BorrowedFd<'_>, step: &MountStep) -> Result<()> {
    let (set, clear) = attributes(step.options.flags, step.options.off);
    if (set, clear) != (0, 0) {
        set_mount(tree, false, set, clear, 0).doing(String::new)?;
    }
    let (set, clear) = attributes(step.options.whole.0, step.options.whole.1);
    if (set, clear) != (0, 0) {
        set_mount(tree, true, set, clear, 0).doing(String::new)?;
    }
    for bits in &step.options.propagation {
        set_mount(tree, bits & flag::REC != 0, 0, 0, bits & SHARING).doing(String::new)?;
    }
    Ok(())
}

fn file_system(root: &Root, typ: &str, source: &str, step: &MountStep) -> Result<()> {
    let doing = || format!("mount {typ} on {}", step.destination.display());
    let target = root.make(&step.destination, Place::Directory).doing(doing)?;
    // What these tell of the machine is trusted by what comes later: they stand where they say, and not where a link leads.
    if matches!(typ, "proc" | "sysfs") {
        root.get_plain(&step.destination, OFlags::PATH)
            .doing(|| format!("mount {typ} on {}: it must be an ordinary directory", step.destination.display()))?;
    }
    let below = step
        .options
        .copy_up
        .then(|| root.get(&step.destination, OFlags::RDONLY | OFlags::DIRECTORY))
        .transpose()
        .doing(doing)?;
    let flags = MountFlags::from_bits_retain(u32::try_from(step.options.flags & !flag::REC).unwrap_or(0));
    // A file system that is filled first can't be read-only yet.
    let flags = if below.is_some() { flags - MountFlags::RDONLY } else { flags };
    let data = std::ffi::CString::new(step.options.data.as_str())
        .map_err(|_| Error::config("mounts.options", "has a NUL in it"))?;
    let data = (!step.options.data.is_empty()).then_some(data.as_c_str());
    let source = if source.is_empty() { typ } else { source };
    match mount(source, through(target.as_fd()), typ, flags, data) {
        // Who may not mount the machine's own in a user namespace may still see the host's, as it is there.
        Err(Errno::PERM | Errno::BUSY) if typ == "mqueue" => return bind_host(root, "/dev/mqueue", step),
        Err(Errno::PERM) if typ == "sysfs" => return bind_host(root, "/sys", step),
        mounted => mounted.doing(doing)?,
    }
    let seen = || root.get(&step.destination, OFlags::PATH);
    if let Some(below) = below {
        let top = root.get(&step.destination, OFlags::RDONLY | OFlags::DIRECTORY).doing(doing)?;
        copy::directory(&below, &top)
            .doing(|| format!("copy {} into a new file system", step.destination.display()))?;
        if step.options.flags & flag::RDONLY != 0 {
            set_mount(seen().doing(doing)?.as_fd(), false, READ_ONLY, 0, 0).doing(doing)?;
        }
    }
    for bits in &step.options.propagation {
        set_mount(seen().doing(doing)?.as_fd(), bits & flag::REC != 0, 0, 0, bits & SHARING).doing(doing)?;
    }
    Ok(())
}

fn bind_host(root: &Root, source: &str, step: &MountStep) -> Result<()> {
    let mut step = step.clone();
    step.options.propagation = vec![flag::SLAVE | flag::REC];
    bind(root, Path::new(source), true, &step).map_err(|error| match error {
        Error::System { source: error, .. } => Error::System {
            doing: format!("mount {source} of the host on {}", step.destination.display()),
            source: error,
        },
        error => error,
    })
}

/// The container's own groups: in version 1 a directory for each hierarchy, in version 2 the one there is.
fn cgroups(plan: &Plan, root: &Root, step: &MountStep, hierarchies: &[Hierarchy], group: &Path) -> Result<()> {
    let own = plan.namespaces.has(oci_spec::runtime::LinuxNamespaceType::Cgroup);
    let mut one = step.clone();
    if let [hierarchy] = hierarchies
        && hierarchy.unified()
    {
        if own {
            return file_system(root, "cgroup2", "cgroup", &one);
        }
        return bind(root, &hierarchy.directory(group), true, &one);
    }
    one.options = options::parse_mount_options(["nosuid", "noexec", "nodev", "mode=755"]).unwrap_or_default();
    file_system(root, "tmpfs", "tmpfs", &one)?;
    // As other runtimes have it: beside version 1, what version 2 has is for those outside.
    for hierarchy in hierarchies.iter().filter(|hierarchy| !hierarchy.unified()) {
        let mut one = step.clone();
        one.options.data.clear();
        let Some(name) = hierarchy.mount.file_name() else { continue };
        one.destination.push(name);
        if own {
            one.options.data = hierarchy.controllers.join(",");
            if let Some(named) = hierarchy.controllers.first().filter(|name| name.starts_with("name=")) {
                one.options.data = format!("none,{named}");
            }
            file_system(root, "cgroup", "cgroup", &one)?;
        } else {
            let directory = hierarchy.directory(group);
            bind(root, &directory, true, &one).map_err(|error| match error {
                Error::System { source, .. } => Error::System {
                    doing: format!("mount {} on {}", directory.display(), one.destination.display()),
                    source,
                },
                error => error,
            })?;
        }
        if let [_, _, ..] = hierarchy.controllers.as_slice() {
            for controller in &hierarchy.controllers {
                let link = step.destination.join(controller);
                let (above, place) = root.make_parent(&link).doing(|| format!("make {}", link.display()))?;
                let _ = rustix::fs::symlinkat(name, above, place);
            }
        }
    }
    if step.options.flags & flag::RDONLY != 0 {
        let doing = || format!("protect {}", step.destination.display());
        let top = root.get(&step.destination, OFlags::PATH).doing(doing)?;
        set_mount(top.as_fd(), false, READ_ONLY, 0, 0).doing(doing)?;
    }
    Ok(())
}

/// Hides and protects what the configuration names: the last that is done before the root is entered.
pub(super) fn protect(plan: &Plan, root: &Root, host: &Host) -> Result<()> {
    for path in &plan.readonly_paths {
        let doing = || format!("protect {}", path.display());
        let Some(place) = there(root.get(path, OFlags::PATH)).doing(doing)? else { continue };
        let tree = tree_of(place.as_fd(), true).doing(doing)?;
        set_mount(tree.as_fd(), false, READ_ONLY, 0, 0).doing(doing)?;
        attach(tree.as_fd(), place.as_fd()).doing(doing)?;
    }
    let mut empty: Option<OwnedFd> = None;
    for path in &plan.masked {
        let doing = || format!("hide {}", path.display());
        let Some(place) = there(root.get(path, OFlags::PATH)).doing(doing)? else { continue };
        let directory = FileType::from_raw_mode(fstat(&place).doing(doing)?.st_mode) == FileType::Directory;
        let tree = match (directory, &empty) {
            (false, _) => tree_of(host.null.as_fd(), false).doing(doing)?,
            // One empty directory hides them all.
            (true, Some(empty)) => tree_of(empty.as_fd(), false).doing(doing)?,
            (true, None) => {
                mount("tmpfs", through(place.as_fd()), "tmpfs", MountFlags::RDONLY, None).doing(doing)?;
                empty = Some(root.get(path, OFlags::PATH).doing(doing)?);
                continue;
            }
        };
        attach(tree.as_fd(), place.as_fd()).doing(doing)?;
    }
    if plan.readonly {
        set_mount(root.fd(), false, READ_ONLY, 0, 0).doing(|| "protect the root")?;
    }
    Ok(())
}

/// What isn't there needs no protection.
fn there(opened: Result<OwnedFd, Errno>) -> Result<Option<OwnedFd>, Errno> {
    match opened {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the root the root, and lets go of the host's.
pub(super) fn enter(plan: &Plan, root: &Root, pivot: bool) -> Result<()> {
    rustix::process::fchdir(root.fd()).doing(|| "enter the root")?;
    if pivot {
        rustix::process::pivot_root(".", ".").doing(|| "pivot_root")?;
        // The old root lies on the new one; what is under it must not be taken from the host.
        unmount(".", UnmountFlags::DETACH).doing(|| "let go of the old root")?;
    } else {
        move_mount(root.fd(), "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).doing(|| "move the root")?;
        rustix::process::chroot(".").doing(|| "chroot")?;
    }
    rustix::process::chdir("/").doing(|| "enter the root")?;
    if let Some(bits) = plan.propagation {
        let opened = Root::open(Path::new("/")).doing(|| "open the root")?;
        set_mount(opened.fd(), bits & flag::REC != 0, 0, 0, bits & SHARING).doing(|| "share the root's mounts")?;
    }
    Ok(())
}

/// Mounts what is open on a place inside.
pub(super) fn bind_open(root: &Root, fd: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let doing = || format!("mount on {}", path.display());
    let target = root.make(path, Place::File).doing(doing)?;
    let tree = tree_of(fd, false).doing(doing)?;
    attach(tree.as_fd(), target.as_fd()).doing(doing)
}
