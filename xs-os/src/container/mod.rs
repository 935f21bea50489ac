//! Containers: a process that sees a machine of its own, by the Open Container Initiative's runtime specification.
//!
//! # The problem
//!
//! Programs share a machine: its files, its process numbers, its network, its memory. Two that want different libraries at the same
//! place can't live together, and one that goes wrong takes from all. A virtual machine for each is a whole kernel for each.
//! Linux can show a process another machine instead, piece by piece: but the pieces are a dozen calls that must come in the right
//! order, over a root directory that a stranger has filled, and whatever fails half way must leave nothing behind.
//!
//! # How it works
//!
//! A bundle is a directory with a root and `config.json`. That is read and judged ([`parse_config`]), and becomes a [`Plan`]:
//! what will be done, as data. Only then is something done, by two processes that talk over a socket:
//!
//! ```text
//!   create                                      first process, in new namespaces
//!     │ directory, lock, exec.fifo                 │
//!     │ control groups and their limits            │
//!     │ clone3 ──────────────────────────────────▶ │ waits
//!     │ identifiers, groups entered ─── go ──────▶ │ root bound, everything mounted, devices
//!     │ hooks: prestart, createRuntime ◀── hooks ─ │
//!     │                             ─── go ──────▶ │ hook createContainer, terminal, settings
//!     │                                            │ hides, protects, pivot_root
//!     │ limits ◀──────────────────────── limits ── │
//!     │                             ─── go ──────▶ │ user, rights, program found
//!     │ state.json, pid file ◀────────── ready ─── │
//!     │                             ─── go ──────▶ │ opens exec.fifo, and is held there
//!   start: opens exec.fifo ──────────────────────▶ │ hook startContainer, filter, execve
//!     │ hook poststart                             │ the program
//!   delete: groups killed and removed, directory removed, hook poststop
//! ```
//!
//! | what the process sees | by which piece of the kernel |
//! |---|---|
//! | other processes, hosts, users, mounts, networks, queues, groups | namespaces, made by `clone3` or joined by `setns` |
//! | another root | a bind mount, `pivot_root`, and the old root let go |
//! | so much memory, so many CPUs and processes, these devices | control groups, of version 1 and 2, beside one another if need be |
//! | some of root's rights | sets of capabilities, cut before the program begins |
//! | some of the system calls | a seccomp filter, compiled from a profile with an action for each rule |
//! | half of `/proc` | empty files and directories mounted over the rest |
//!
//! Who isn't root maps themself to root in a user namespace, and does without control groups that refuse
//! ([`Runtime::rootless`]).
//!
//! # Invariants
//!
//! - Nothing outside of the root is touched, whatever is in it: every place in it is opened with `RESOLVE_IN_ROOT`, and what is
//!   mounted is mounted on the open descriptor and not on a path (`mount::target`).
//! - A creation that fails takes everything back: process, groups, directory; its mounts go with its namespace. One that is
//!   killed leaves a record from which [`Runtime::delete`] takes back the rest.
//! - No process is signalled for having the number that another had: a number counts with the moment when its process began.
//! - The program has no descriptor that it wasn't given, and doesn't begin in a directory outside of its root.
//! - Who enters a container runs from a sealed copy in memory: a container can't reach the runtime's file ([`seal`]).
//! - One thread: a process is copied only when there is nothing else in it that could be half done (`fork`).
//!
//! # Cost
//!
//! Making, starting and deleting a container takes a few milliseconds of work; most of the time goes to the kernel's control groups
//! and namespaces, and to one `execve` more for the sealed copy. Nothing is written to a disk that has to be waited for.
//!
//! # Example
//!
//! What is wrong with a configuration is told before anything is done, by its place and the reason:
//!
//! ```
//! use xs_os::container::parse_config;
//!
//! let config = r#"{
//!     "ociVersion": "1.0.2",
//!     "root": {"path": "rootfs"},
//!     "process": {"user": {}, "cwd": "/", "args": ["/bin/true"]},
//!     "linux": {"namespaces": [{"type": "mount"}], "maskedPaths": ["proc/keys"]}
//! }"#;
//! let error = parse_config(config.as_bytes()).unwrap_err();
//! assert_eq!(error.to_string(), "config.json: linux.maskedPaths[0]: must be an absolute path");
//! ```
//!
//! # How others do it
//!
//! runc is Go, whose runtime has threads before `main`: a part in C makes the namespaces first, and the program begins several
//! times over. crun is C, and does it in one go as here. youki is Rust, with a process for each stage. All carry out the same
//! specification, so that podman, containerd and Kubernetes take any of them. gVisor and Kata give each container a kernel
//! after all, in a process or in a virtual machine.
//!
//! # What this leaves out
//!
//! systemd's control groups (`--systemd-cgroup` is refused), AppArmor and SELinux, Intel's
//! resource director, mounts with mapped identifiers, time namespaces, a joined mount namespace, seccomp's notifications and
//! filters for a second architecture, checkpoints. Each is an error where a configuration asks for it.
//!
//! # Try next
//!
//! Write a configuration without a PID namespace and look at `ps` inside. Put a link `etc → /etc` into a root and mount something on
//! `/etc/hosts` in it: look where it lands, and why. Take `NO_SYMLINKS` away from where `/proc` is mounted, and find the way out.
//!
//! # Sources
//!
//! The OCI's runtime specification, 1.0.2; `namespaces(7)`, `cgroups(7)`, `capabilities(7)`, `seccomp(2)`, `openat2(2)`,
//! `pivot_root(2)`, `mount_setattr(2)`; Linux, `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst`; the reports CVE-2016-9962,
//! CVE-2019-5736, CVE-2019-16884, CVE-2019-19921, CVE-2021-30465, CVE-2024-21626 and CVE-2025-31133 on runc.

mod begin;
mod cgroup;
mod console;
mod create;
mod error;
mod exec;
mod fork;
mod hooks;
mod init;
mod mount;
mod plan;
mod process;
mod runtime;
mod seal;
mod seccomp;
mod spec;
mod state;
mod sync;

pub use cgroup::stats::{Amount, Blkio, Count, Cpu, CpuUsage, Memory, Stats, Throttling, Transfer};
pub use cgroup::{
    Cgroups, DeviceRule, Hierarchy, Write, cgroup_of, device_rules, hierarchies, parse_hierarchies, unified, version_1,
    version_2, weight,
};
pub use create::CreateOptions;
pub use error::{Error, Result};
pub use exec::{ExecOptions, wait};
pub use mount::options::{MountOptions, attributes, mount_options, parse_mount_options};
pub use plan::{DEVICES, Device, IdMap, MountStep, Namespaces, Plan, What};
pub use process::{CAPABILITIES, Limit, ProcessPlan, Rights, capability};
pub use runtime::{Runtime, now};
pub use seal::seal;
pub use seccomp::{Filter, MOST_INSTRUCTIONS, compile_filter, native_arch};
pub use spec::{MOST_BYTES, MOST_ENTRIES, check_config, load_config, load_process, parse_config};
pub use state::{OCI_VERSION, Record, State, Status};
