//! The process's limit of open files, which is what connections end at.

/// How many descriptors the server keeps for itself: listeners, logs, runtimes, files that are being sent.
const OWN: usize = 256;

/// Raises the limit, where the system allows it, and answers how many connections there is room for, of so many.
pub(crate) fn make_room(connections: usize) -> usize {
    let wanted = connections.saturating_add(OWN);
    raise(wanted).min(wanted).saturating_sub(OWN).max(1)
}

#[cfg(target_os = "linux")]
fn raise(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = wanted as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted as usize };
    let raised = wanted.min(hard);
    let now = if raised > soft && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() { raised } else { soft };
    usize::try_from(now).unwrap_or(usize::MAX)
}

#[cfg(not(target_os = "linux"))]
fn raise(wanted: usize) -> usize {
    wanted
}
