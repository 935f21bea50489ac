//! Where control groups are: which hierarchies this machine has, and which directory in each of them is a container's.
//!
//! Version 1 has a hierarchy for each controller or a few, version 2 one for all. A machine may have both beside one another:
//! then each controller is in one of them, and a container has a directory in every hierarchy.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::container::error::{Doing, Error, Result};
use crate::container::plan::inside;

/// One tree of control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The controllers in it as the kernel names them, `name=systemd` among them; the unified hierarchy has none here.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which of its groups is seen there.
    pub root: PathBuf,
    /// The group that the reader is in.
    pub own: PathBuf,
}

impl Hierarchy {
    /// Whether it is version 2.
    pub fn unified(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Its name: a controller, or nothing for the unified one.
    pub fn name(&self) -> &str {
        self.controllers.first().map_or("", String::as_str)
    }

    /// The directory of a group: from the hierarchy's root, or with a relative path from the reader's own group.
    pub fn directory(&self, group: &Path) -> PathBuf {
        let whole = if group.is_absolute() { inside(group) } else { inside(&self.own.join(group)) };
        let seen = whole.strip_prefix(&self.root).or_else(|_| whole.strip_prefix("/")).unwrap_or(&whole);
        self.mount.join(seen)
    }
}

/// This machine's hierarchies, as this process sees them.
pub fn hierarchies() -> Result<Vec<Hierarchy>> {
    let text = |file: &str| std::fs::read(file).doing(|| format!("read {file}"));
    Ok(parse_hierarchies(&text("/proc/self/mountinfo")?, &text("/proc/self/cgroup")?))
}

/// The hierarchies by the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub fn parse_hierarchies(mountinfo: &[u8], cgroup: &[u8]) -> Vec<Hierarchy> {
    let mounts: Vec<Mounted> = mountinfo.split(|byte| *byte == b'\n').filter_map(Mounted::parse).collect();
    let mut found = Vec::new();
    for line in cgroup.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (Some(_), Some(names), Some(own)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let names = String::from_utf8_lossy(names);
        let controllers: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mounted = mounts.iter().find(|mounted| match controllers.first() {
            None => mounted.typ == "cgroup2",
            Some(first) => mounted.typ == "cgroup" && mounted.options.split(',').any(|option| option == first),
        });
        if let Some(mounted) = mounted {
            found.push(Hierarchy {
                controllers,
                mount: mounted.point.clone(),
                root: mounted.root.clone(),
                own: PathBuf::from(OsString::from_vec(own.to_vec())),
            });
        }
    }
    found
}

/// A line of `mountinfo`, as far as it matters here.
struct Mounted {
    root: PathBuf,
    point: PathBuf,
    typ: String,
    options: String,
}

impl Mounted {
    fn parse(line: &[u8]) -> Option<Mounted> {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = path(fields.nth(3)?);
        let point = path(fields.next()?);
        // Optional fields end with a dash.
        let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let typ = text(rest.next()?);
        let options = text(rest.nth(1)?);
        Some(Mounted { root, point, typ, options })
    }
}

/// A path as the kernel writes it: spaces and the like are three octal digits after a backslash.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|digit| (b'0'..b'8').contains(digit)));
        match digits {
            Some(digits) => {
                bytes.push(digits.iter().fold(0_u8, |number, digit| number.wrapping_mul(8).wrapping_add(digit - b'0')));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// The group of a container: what its configuration says, or its name under its maker's own group.
pub fn cgroup_of(said: Option<&Path>, id: &str, systemd: bool) -> Result<PathBuf> {
    let Some(said) = said.filter(|said| !said.as_os_str().is_empty()) else { return Ok(PathBuf::from(id)) };
    if said.as_os_str().as_bytes().contains(&0) {
        return Err(Error::config("linux.cgroupsPath", "has a NUL in it"));
    }
    if systemd {
        return slice(&said.to_string_lossy());
    }
    // A relative path stays one: it counts from the maker's own group.
    let clean = inside(said);
    if clean == Path::new("/") {
        return Err(Error::config("linux.cgroupsPath", "is the root of the hierarchy"));
    }
    Ok(if said.is_absolute() { clean } else { clean.strip_prefix("/").unwrap_or(&clean).to_owned() })
}

/// systemd's way of saying it, `slice:prefix:name`: `a-b.slice` is inside `a.slice`.
fn slice(said: &str) -> Result<PathBuf> {
    let wrong = |reason: &str| Error::config("linux.cgroupsPath", format!("{said:?} {reason}"));
    let parts: Vec<&str> = said.split(':').collect();
    let [slice, prefix, name] = parts.as_slice() else {
        return Err(wrong("is not of the form slice:prefix:name that --systemd-cgroup needs"));
    };
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let stem = slice
        .strip_suffix(".slice")
        .filter(|stem| !stem.is_empty() && !stem.contains('/'))
        .ok_or_else(|| wrong("names no slice"))?;
    if name.is_empty() || name.contains('/') || prefix.contains('/') {
        return Err(wrong("names no unit"));
    }
    let mut path = PathBuf::from("/");
    if stem != "-" {
        let mut grown = String::new();
        for part in stem.split('-') {
            if part.is_empty() {
                return Err(wrong("names no slice"));
            }
            if !grown.is_empty() {
                grown.push('-');
            }
            grown.push_str(part);
            path.push(format!("{grown}.slice"));
        }
    }
    path.push(match (prefix.is_empty(), name.ends_with(".slice")) {
        (_, true) => (*name).to_owned(),
        (true, false) => format!("{name}.scope"),
        (false, false) => format!("{prefix}-{name}.scope"),
    });
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 master:4 - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 /pod /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\nnonsense\n";
    const GROUPS: &[u8] = b"4:memory:/pod/x\n3:cpu,cpuacct:/\n2:rdma:/\n0::/user\nnonsense\n";

    #[test]
    fn both_versions_are_found_beside_one_another() {
        let found = parse_hierarchies(MOUNTS, GROUPS);
        let names: Vec<_> = found.iter().map(Hierarchy::name).collect();
        assert_eq!(names, ["memory", "cpu", ""]);
        let [memory, cpu, unified] = found.as_slice() else { panic!() };
        assert_eq!(cpu.directory(Path::new("/a/b")), Path::new("/sys/fs/cgroup/cpu,cpuacct/a/b"));
        assert_eq!(cpu.directory(Path::new("/../../etc")), Path::new("/sys/fs/cgroup/cpu,cpuacct/etc"));
        assert_eq!(memory.directory(Path::new("a")), Path::new("/sys/fs/cgroup/mem ory/x/a"));
        assert_eq!(memory.directory(Path::new("/pod/a")), Path::new("/sys/fs/cgroup/mem ory/a"));
        assert_eq!(unified.directory(Path::new("a")), Path::new("/sys/fs/cgroup/unified/user/a"));
        assert!(unified.unified() && !cpu.unified());
    }

    #[test]
    fn a_group_is_named_in_both_drivers_ways() {
        let of = |said: &str, systemd| cgroup_of(Some(Path::new(said)), "id", systemd);
        assert_eq!(cgroup_of(None, "id", false).unwrap(), Path::new("id"));
        assert_eq!(of("/a/../../b", false).unwrap(), Path::new("/b"));
        assert_eq!(of("a/../../b", false).unwrap(), Path::new("b"));
        assert!(of("/..", false).is_err());
        assert_eq!(of("a-b.slice:runc:x", true).unwrap(), Path::new("/a.slice/a-b.slice/runc-x.scope"));
        assert_eq!(of(":runc:x", true).unwrap(), Path::new("/system.slice/runc-x.scope"));
        for wrong in ["/a", "a:b", "a/b.slice:x:y", "a.slice:x:../y", "a--b.slice:x:y"] {
            assert!(of(wrong, true).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(mounts: Vec<u8>, groups: Vec<u8>) {
            parse_hierarchies(&mounts, &groups);
        }
    }
}
