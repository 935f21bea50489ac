//! `MONITOR`: every command, told as it runs to those who asked for it.

use std::time::SystemTime;

use xs_net::session::Handle;
use xs_proto::resp::{Args, Reply, Version};

use crate::client::Client;
use crate::command::Flags;
use crate::slowlog::is_secret;
use crate::state::Server;
use crate::table::Entry;

/// Who listens.
#[derive(Debug, Default)]
pub(crate) struct Monitors(Vec<Handle>);

impl Monitors {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells this client everything from now on.
    pub(crate) fn add(&mut self, handle: Handle) {
        if !self.contains(handle.id()) {
            self.0.push(handle);
        }
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.0.iter().any(|handle| handle.id() == id)
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.0.retain(|handle| handle.id() != id);
    }
}

impl Server {
    /// Tells the listeners of a command that is about to run.
    pub(crate) fn feed_monitors(&mut self, client: &Client, entry: Entry, args: Args<'_>) {
        if entry.spec.flags.any(Flags::SKIP_MONITOR.or(Flags::ADMIN)) {
            return;
        }
        let line = self.monitor_line(client, entry, args);
        self.note_queued(self.monitors.0.len() * line.len());
        for handle in &self.monitors.0 {
            // A listener that reads too slowly is dropped like any other slow client.
            let _ = handle.push(|out| Reply::new(out, Version::Resp2).simple(&line));
        }
    }

    /// `1795220497.833826 [0 127.0.0.1:60866] "set" "key" "value"`
    fn monitor_line(&self, client: &Client, entry: Entry, args: Args<'_>) -> String {
        let since = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, micros) = (since.as_secs(), since.subsec_micros());
        let mut line = format!("{seconds}.{micros:06} [{} {}]", client.db, client.addr);
        let name = self.table.full_name(entry.id);
        for (at, arg) in args.iter().enumerate() {
            let shown: &[u8] = if is_secret(name, args, at) { b"(redacted)" } else { arg };
            line.push(' ');
            line.push_str(&crate::config::quote(shown));
        }
        line
    }
}
