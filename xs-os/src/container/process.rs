//! What a process is given before its program begins, as data: identity, rights, limits and filter.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use oci_spec::runtime::{Capabilities, LinuxCapabilities, PosixRlimitType, Process};

use super::error::{Error, Result};
use super::seccomp::Filter;

/// Sets of capabilities, a bit each as the kernel numbers them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// What can be had at all.
    pub bounding: u64,
    /// What counts now.
    pub effective: u64,
    /// What programs with capabilities of their own add.
    pub inheritable: u64,
    /// What can be made to count.
    pub permitted: u64,
    /// What programs without capabilities of their own keep.
    pub ambient: u64,
}

/// The names of the capabilities; each one's place is its bit.
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The bit of a capability by its name, with or without `CAP_`, in any case.
pub fn capability(name: &str) -> Option<u64> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    let at = CAPABILITIES.iter().position(|known| known.strip_prefix("CAP_") == Some(name))?;
    Some(1 << at)
}

impl Rights {
    fn of(sets: &LinuxCapabilities) -> Rights {
        let bits = |set: &Option<Capabilities>| {
            set.iter().flatten().filter_map(|name| capability(&name.to_string())).fold(0, |all, bit| all | bit)
        };
        Rights {
            bounding: bits(sets.bounding()),
            effective: bits(sets.effective()),
            inheritable: bits(sets.inheritable()),
            permitted: bits(sets.permitted()),
            ambient: bits(sets.ambient()),
        }
    }

    /// Adds a capability as `exec --cap` does: to what counts and to what can be made to count.
    pub fn add(&mut self, bit: u64) {
        for set in [&mut self.bounding, &mut self.effective, &mut self.permitted] {
            *set |= bit;
        }
    }
}

/// A limit of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what, by the kernel's number.
    pub resource: u32,
    /// How it is called.
    pub name: &'static str,
    /// What is in force.
    pub soft: u64,
    /// How far that may be raised.
    pub hard: u64,
}

/// A limit's name and number on this platform.
fn resource(typ: PosixRlimitType) -> (&'static str, u32) {
    match typ {
        PosixRlimitType::RlimitCpu => ("RLIMIT_CPU", 0),
        PosixRlimitType::RlimitFsize => ("RLIMIT_FSIZE", 1),
        PosixRlimitType::RlimitData => ("RLIMIT_DATA", 2),
        PosixRlimitType::RlimitStack => ("RLIMIT_STACK", 3),
        PosixRlimitType::RlimitCore => ("RLIMIT_CORE", 4),
        PosixRlimitType::RlimitRss => ("RLIMIT_RSS", 5),
        PosixRlimitType::RlimitNproc => ("RLIMIT_NPROC", 6),
        PosixRlimitType::RlimitNofile => ("RLIMIT_NOFILE", 7),
        PosixRlimitType::RlimitMemlock => ("RLIMIT_MEMLOCK", 8),
        PosixRlimitType::RlimitAs => ("RLIMIT_AS", 9),
        PosixRlimitType::RlimitLocks => ("RLIMIT_LOCKS", 10),
        PosixRlimitType::RlimitSigpending => ("RLIMIT_SIGPENDING", 11),
        PosixRlimitType::RlimitMsgqueue => ("RLIMIT_MSGQUEUE", 12),
        PosixRlimitType::RlimitNice => ("RLIMIT_NICE", 13),
        PosixRlimitType::RlimitRtprio => ("RLIMIT_RTPRIO", 14),
        PosixRlimitType::RlimitRttime => ("RLIMIT_RTTIME", 15),
    }
}

/// Everything about the process that is not about its container.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// The program and what it is told.
    pub args: Vec<CString>,
    /// Its environment.
    pub env: Vec<CString>,
    /// Where it begins.
    pub cwd: PathBuf,
    /// Who it is.
    pub uid: u32,
    /// Of which group.
    pub gid: u32,
    /// Of which groups besides.
    pub groups: Vec<u32>,
    /// What it denies to others in files that it makes.
    pub umask: Option<u32>,
    /// Its capabilities; without any said, none.
    pub rights: Rights,
    /// Its limits.
    pub limits: Vec<Limit>,
    /// It and what it starts never gain rights by running a program.
    pub no_new_privileges: bool,
    /// How soon it is killed for memory.
    pub oom_score_adj: Option<i32>,
    /// It has a terminal of its own.
    pub terminal: bool,
    /// How large that is: rows and columns.
    pub size: Option<(u16, u16)>,
    /// Which system calls it may make.
    pub filter: Option<Filter>,
}

impl ProcessPlan {
    /// What a process is given by its description.
    pub fn new(process: &Process, filter: Option<Filter>) -> Result<ProcessPlan> {
        let text =
            |path: &str, text: &String| CString::new(text.as_str()).map_err(|_| Error::config(path, "has a NUL in it"));
        let args = process.args().iter().flatten().map(|arg| text("process.args", arg)).collect::<Result<_>>()?;
        let env = process.env().iter().flatten().map(|entry| text("process.env", entry)).collect::<Result<_>>()?;
        let limits = process.rlimits().iter().flatten().map(|limit| {
            let (name, number) = resource(limit.typ());
            Limit { resource: number, name, soft: limit.soft(), hard: limit.hard() }
        });
        let size = process.console_size().filter(|size| size.height() > 0 && size.width() > 0);
        let size = size.map(|size| {
            (u16::try_from(size.height()).unwrap_or(u16::MAX), u16::try_from(size.width()).unwrap_or(u16::MAX))
        });
        Ok(ProcessPlan {
            args,
            env,
            cwd: process.cwd().clone(),
            uid: process.user().uid(),
            gid: process.user().gid(),
            groups: process.user().additional_gids().clone().unwrap_or_default(),
            umask: process.user().umask(),
            rights: process.capabilities().as_ref().map(Rights::of).unwrap_or_default(),
            limits: limits.collect(),
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
            oom_score_adj: process.oom_score_adj(),
            terminal: process.terminal().unwrap_or(false),
            size,
            filter,
        })
    }

    /// A variable of the environment that the process gets; the last of a name counts.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        let prefix = format!("{name}=");
        let entry = self.env.iter().rev().find_map(|entry| entry.as_bytes().strip_prefix(prefix.as_bytes()))?;
        Some(OsString::from_vec(entry.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_of_the_specification_has_its_bit() {
        assert_eq!(capability("CAP_CHOWN"), Some(1));
        assert_eq!(capability("sys_admin"), Some(1 << 21));
        assert_eq!(capability("CAP_CHECKPOINT_RESTORE"), Some(1 << 40));
        assert_eq!(capability("CAP_NONE"), None);
        for name in CAPABILITIES {
            let parsed: oci_spec::runtime::Capability = serde_json::from_value(name.into()).unwrap();
            assert_eq!(capability(&parsed.to_string()), capability(name));
        }
    }

    #[test]
    fn a_process_without_capabilities_has_none() {
        let process =
            serde_json::from_str(r#"{"user": {}, "cwd": "/", "args": ["a"], "env": ["A=1", "A=2", "AB=3"]}"#).unwrap();
        let plan = ProcessPlan::new(&process, None).unwrap();
        assert_eq!(plan.rights, Rights::default());
        assert_eq!(plan.variable("A"), Some("2".into()));
        assert_eq!(plan.variable("C"), None);
    }
}
