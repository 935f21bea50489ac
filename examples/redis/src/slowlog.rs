//! The commands that took longest lately.

use std::collections::VecDeque;
use std::time::Duration;

use xs_proto::resp::Args;

use crate::client::Client;
use crate::command::Flags;
use crate::config::Config;
use crate::state::Server;
use crate::table::Entry;

/// Of one command at most this many arguments are kept, and of one argument this many bytes.
const MOST_ARGS: usize = 32;
const MOST_BYTES: usize = 128;

/// `SLOWLOG`: the newest entry first.
#[derive(Debug)]
pub(crate) struct Slowlog {
    entries: VecDeque<Slow>,
    next_id: u64,
    most: usize,
}

/// One command that took long.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    pub(crate) id: u64,
    /// Unix seconds.
    pub(crate) time: u64,
    pub(crate) took: Duration,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) addr: String,
    pub(crate) name: Vec<u8>,
}

impl Default for Slowlog {
    fn default() -> Slowlog {
        Slowlog { entries: VecDeque::new(), next_id: 0, most: 128 }
    }
}

impl Slowlog {
    /// From now on keeps at most this many entries.
    pub(crate) fn keep(&mut self, most: usize) {
        self.most = most;
        self.entries.truncate(most);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slow> {
        self.entries.iter()
    }

    fn push(&mut self, slow: Slow) {
        self.next_id += 1;
        self.entries.push_front(slow);
        self.entries.truncate(self.most);
    }
}

impl Server {
    /// Notes a command that took long enough to be looked at.
    pub(crate) fn slow_command(&mut self, client: &Client, entry: Entry, args: Args<'_>, took: Duration, now: u64) {
        let threshold = self.config.latency_threshold;
        if !threshold.is_zero() && took >= threshold {
            let event = if entry.spec.flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.latency.add(event, took.as_millis() as u64, now / 1000);
        }
        let slow = self.config.slow_after.is_some_and(|least| took >= least);
        if slow && !entry.spec.flags.has(Flags::SKIP_SLOWLOG) {
            let slow = Slow {
                id: self.slowlog.next_id,
                time: now / 1000,
                took,
                args: kept(self.table.full_name(entry.id), args),
                addr: client.addr.clone(),
                name: client.name.clone(),
            };
            self.slowlog.push(slow);
        }
    }
}

/// The arguments as they are kept: not too many, not too long, and no secrets.
fn kept(command: &str, args: Args<'_>) -> Vec<Vec<u8>> {
    let count = args.len();
    let shown = if count > MOST_ARGS { MOST_ARGS - 1 } else { count };
    let mut kept: Vec<Vec<u8>> = (0..shown)
        .map(|at| match args.get(at).unwrap_or_default() {
            _ if is_secret(command, args, at) => b"(redacted)".to_vec(),
            arg if arg.len() > MOST_BYTES => {
                let rest = arg.len() - MOST_BYTES;
                [&arg[..MOST_BYTES], format!("... ({rest} more bytes)").as_bytes()].concat()
            }
            arg => arg.to_vec(),
        })
        .collect();
    if shown < count {
        kept.push(format!("... ({} more arguments)", count - shown).into_bytes());
    }
    kept
}

/// Whether an argument must not be shown to anybody.
pub(crate) fn is_secret(command: &str, args: Args<'_>, at: usize) -> bool {
    let word = |at: usize| args.get(at).unwrap_or_default();
    match command {
        "auth" => at >= 1,
        "acl|setuser" | "acl|deluser" | "acl|getuser" => at >= 2,
        "hello" => (1..=2).any(|back| at > back && word(at - back).eq_ignore_ascii_case(b"auth")),
        "config|set" => at >= 3 && at % 2 == 1 && Config::is_secret(word(at - 1)),
        "migrate" => (1..=2).any(|back| {
            at > back && (word(at - back).eq_ignore_ascii_case(b"auth2") || word(at - 1).eq_ignore_ascii_case(b"auth"))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use xs_proto::resp::Request;

    use super::*;

    fn shown(command: &str, args: &[&str]) -> Vec<String> {
        let request: Request = args.iter().map(|arg| arg.as_bytes()).collect();
        kept(command, request.args()).into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn what_is_long_is_cut_and_counted() {
        let long = "x".repeat(130);
        assert_eq!(shown("set", &["set", "k", &long])[2], format!("{}... (2 more bytes)", "x".repeat(128)));
        let many: Vec<String> = (0..40).map(|at| at.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let kept = shown("mget", &many);
        assert_eq!(kept.len(), 32);
        assert_eq!(kept[31], "... (9 more arguments)");
        assert_eq!(shown("mget", &many[..32])[31], "31");
    }

    #[test]
    fn secrets_are_not_kept() {
        let set = ["config", "set", "requirepass", "a", "port", "1", "masterauth", "b"];
        assert_eq!(
            shown("config|set", &set),
            ["config", "set", "requirepass", "(redacted)", "port", "1", "masterauth", "(redacted)"]
        );
        assert_eq!(shown("auth", &["auth", "user", "secret"]), ["auth", "(redacted)", "(redacted)"]);
        let hello = shown("hello", &["hello", "3", "auth", "user", "secret", "setname", "me"]);
        assert_eq!(hello, ["hello", "3", "auth", "(redacted)", "(redacted)", "setname", "me"]);
    }

    #[test]
    fn the_newest_are_kept() {
        let mut log = Slowlog::default();
        log.keep(2);
        for id in 0..5 {
            let slow =
                Slow { id, time: 0, took: Duration::ZERO, args: Vec::new(), addr: String::new(), name: Vec::new() };
            log.push(slow);
        }
        assert_eq!(log.iter().map(|slow| slow.id).collect::<Vec<_>>(), [4, 3]);
        log.keep(1);
        assert_eq!(log.len(), 1);
    }
}
