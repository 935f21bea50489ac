//! Device files, and the links that programs expect beside them.

use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, makedev, mknodat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::target::Root;
use crate::container::error::{Doing, Error, Result};
use crate::container::plan::{Device, Plan};

/// The links of `/dev`: name and target.
const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Makes the devices and links of a container.
pub(super) fn make(plan: &Plan, root: &Root) -> Result<()> {
    // In a user namespace no device can be made; those of the host are mounted in their places.
    let borrowed = plan.namespaces.has(oci_spec::runtime::LinuxNamespaceType::User);
    for device in &plan.devices {
        if borrowed {
            let from = rustix::fs::open(&device.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .doing(|| format!("open {} of the host", device.path.display()))?;
            use std::os::fd::AsFd as _;
            super::bind_open(root, from.as_fd(), &device.path)?;
        } else {
            node(root, device)?;
        }
    }
    if plan.own_dev {
        for (name, target) in LINKS {
            link(root, Path::new(name), target)?;
        }
        if root.get(Path::new("/proc/kcore"), OFlags::PATH).is_ok() {
            link(root, Path::new("/dev/core"), "/proc/kcore")?;
        }
    }
    Ok(())
}

fn link(root: &Root, path: &Path, target: &str) -> Result<()> {
    let doing = || format!("link {}", path.display());
    let (above, name) = root.make_parent(path).doing(doing)?;
    match symlinkat(target, &above, name) {
        Err(Errno::EXIST) if target == "pts/ptmx" => {
            unlinkat(&above, name, AtFlags::empty()).doing(doing)?;
            symlinkat(target, &above, name).doing(doing)
        }
        Err(Errno::EXIST) => Ok(()),
        made => made.doing(doing),
    }
}

fn node(root: &Root, device: &Device) -> Result<()> {
    let doing = || format!("make device {}", device.path.display());
    let typ = match device.kind {
        'b' => FileType::BlockDevice,
        'p' => FileType::Fifo,
        _ => FileType::CharacterDevice,
    };
    let number = if device.kind == 'p' { 0 } else { makedev(device.major, device.minor) };
    let (above, name) = root.make_parent(&device.path).doing(doing)?;
    match mknodat(&above, name, typ, Mode::from_raw_mode(device.mode), number) {
        Err(Errno::EXIST) => {
            // An image may bring it along: it must be what was asked for.
            let found = statat(&above, name, AtFlags::SYMLINK_NOFOLLOW).doing(doing)?;
            if FileType::from_raw_mode(found.st_mode) != typ || (device.kind != 'p' && found.st_rdev != number) {
                return Err(Error::Inside(format!("make device {}: something else is there", device.path.display())));
            }
        }
        made => made.doing(doing)?,
    }
    let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
    chownat(&above, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).doing(doing)?;
    chmodat(&above, name, Mode::from_raw_mode(device.mode), AtFlags::empty()).doing(doing)
}
