//! The process's limit of open files, which is what `maxclients` ends at.

/// How many descriptors the server keeps for itself: listeners, logs, its runtimes.
const OWN: usize = 32;

/// Raises the limit, where the system allows it, until there is room for this many clients. Answers for how many of them
/// there is.
pub(crate) fn make_room(clients: usize) -> usize {
    let wanted = clients.saturating_add(OWN);
    raise(wanted).min(wanted).saturating_sub(OWN)
}

/// The limit that is in force at the end.
#[cfg(target_os = "linux")]
fn raise(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = wanted as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted as usize };
    let raised = [(wanted, hard.max(wanted)), (hard.min(wanted), hard)]
        .into_iter()
        .find(|(new, hard)| soft < wanted && *new > soft && setrlimit(Resource::RLIMIT_NOFILE, *new, *hard).is_ok());
    usize::try_from(raised.map_or(soft, |(new, _)| new)).unwrap_or(usize::MAX)
}

#[cfg(not(target_os = "linux"))]
fn raise(wanted: usize) -> usize {
    wanted
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_some_and_not_for_any_number() {
        assert_eq!(make_room(10), 10);
        let most = make_room(usize::MAX);
        assert!((10..usize::MAX - OWN).contains(&most), "{most}");
        assert_eq!(make_room(most), most);
    }
}
