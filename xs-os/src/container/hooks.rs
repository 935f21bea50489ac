//! Programs of others that a container's life calls: each is told the container's state, and may stop its creation.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use oci_spec::runtime::{Hook, Hooks};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::error::{Doing, Error, Result};
use super::spec;
use super::state::State;

/// How much of what a hook has written to its standard error is told on.
const MOST_TOLD: u64 = 4096;

/// Runs the hooks of these lists, in order, until one fails.
pub(super) fn run(hooks: Option<&Hooks>, lists: &[&str], state: &State) -> Result<()> {
    let Some(hooks) = hooks else { return Ok(()) };
    for (name, list) in spec::hooks(hooks) {
        if lists.contains(&name) {
            for (at, hook) in list.iter().enumerate() {
                one(hook, state).map_err(|reason| Error::Hook(format!("error running {name} hook #{at}: {reason}")))?;
            }
        }
    }
    Ok(())
}

/// Runs the hooks of this list, all of them, and answers what went wrong with any.
pub(super) fn run_all(hooks: Option<&Hooks>, wanted: &str, state: &State) -> Vec<Error> {
    let mut failed = Vec::new();
    for (name, list) in hooks.into_iter().flat_map(spec::hooks) {
        for (at, hook) in list.iter().enumerate().filter(|_| name == wanted) {
            failed.extend(
                one(hook, state).err().map(|reason| Error::Hook(format!("error running {name} hook #{at}: {reason}"))),
            );
        }
    }
    failed
}

/// Whether there are any of this list.
pub(super) fn any(hooks: Option<&Hooks>, wanted: &str) -> bool {
    hooks.is_some_and(|hooks| spec::hooks(hooks).iter().any(|(name, list)| *name == wanted && !list.is_empty()))
}

/// A file in memory alone: a pipe would stop both sides when one writes more than the other reads.
fn scratch() -> Result<File> {
    Ok(File::from(memfd_create("hook", MemfdFlags::CLOEXEC).doing(|| "make a file in memory")?))
}

fn one(hook: &Hook, state: &State) -> Result<(), String> {
    let failed = |error: &dyn ToString| error.to_string();
    let json = serde_json::to_vec(state).map_err(|error| failed(&error))?;
    let mut input = scratch().map_err(|error| failed(&error))?;
    input.write_all(&json).and_then(|()| input.rewind()).map_err(|error| failed(&error))?;
    let mut output = scratch().map_err(|error| failed(&error))?;
    let told = output.try_clone().map_err(|error| failed(&error))?;
    let mut command = Command::new(hook.path());
    let mut args = hook.args().iter().flatten();
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.args(args).env_clear().stdin(Stdio::from(input)).stdout(Stdio::null()).stderr(Stdio::from(told));
    for entry in hook.env().iter().flatten() {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        if name.is_empty() {
            return Err(format!("{entry:?} is no variable of an environment"));
        }
        command.env(name, value);
    }
    let mut child =
        command.spawn().map_err(|error| format!("{}: {}", hook.path().display(), super::error::words(&error)))?;
    if let Some(seconds) = hook.timeout()
        && !ends_within(&child, seconds)
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("hook ran past specified timeout of {seconds}s"));
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    let _ = output.rewind();
    let mut bytes = Vec::new();
    let _ = output.take(MOST_TOLD).read_to_end(&mut bytes);
    text.push_str(String::from_utf8_lossy(&bytes).trim_end());
    Err(match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}, stderr: {text}"),
        (None, signal) => format!("killed by signal {}, stderr: {text}", signal.unwrap_or(0)),
    })
}

fn ends_within(child: &Child, seconds: i64) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let time = Timespec { tv_sec: seconds.clamp(0, i64::from(i32::MAX)), tv_nsec: 0 };
    let mut waited = [PollFd::new(&pidfd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut waited, Some(&time))).map_or(true, |ready| ready > 0)
}
