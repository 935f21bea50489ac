//! What connections take of the memory, and who must go when they take too much together (`maxmemory-clients`).
//!
//! Each connection counts for what was known of it when it was last looked at, plus whatever was queued for it since:
//! the sum is never less than the truth, and costs nothing to keep. Only when it exceeds the limit is everybody counted
//! exactly; if it is still too much then, the largest go first, until the rest fits. Between two exact counts, at least
//! as many bytes must have been queued as were missing to the limit.

use std::cmp::Reverse;

use crate::client::Client;
use crate::state::Server;

/// What the session around a quiet connection takes, about.
const SESSION: usize = 1024;

/// What an entry of a list or a set takes besides its bytes, about.
const ENTRY: usize = 48;

impl Client {
    /// Bytes that the connection takes: itself, what it has sent of a request that isn't whole, the commands that it
    /// has queued, what it listens to and watches, and what it has not taken yet of what it was sent.
    pub(crate) fn memory(&self) -> usize {
        let names = |names: &mut dyn Iterator<Item = &Vec<u8>>| names.map(|name| name.len() + ENTRY).sum::<usize>();
        let heard = names(&mut self.channels.iter().chain(&self.patterns).chain(&self.shard_channels));
        let watched = names(&mut self.watched.iter().map(|watch| &watch.key));
        let tracked = self.tracking.as_ref().map_or(0, |options| names(&mut options.prefixes.iter()));
        size_of::<Client>()
            + SESSION
            + self.name.len()
            + self.unread
            + self.multi.as_ref().map_or(0, |multi| multi.bytes + multi.queue.len() * ENTRY)
            + heard
            + watched
            + tracked
            + self.handle.pending_output()
    }
}

impl Server {
    /// Notes what `client` takes now. `queued`: of what it is being answered.
    pub(crate) fn note_memory(&mut self, client: &mut Client, queued: usize) {
        let now = client.memory() + queued;
        let before = std::mem::replace(&mut client.counted, now);
        self.client_memory = self.client_memory.saturating_add(now).saturating_sub(before);
    }

    /// Notes that so many bytes were queued for clients.
    pub(crate) fn note_queued(&mut self, bytes: usize) {
        self.client_memory = self.client_memory.saturating_add(bytes);
    }

    /// Drops clients until the rest takes no more than `maxmemory-clients`; false when `current`, whose command is about
    /// to run, is one of them: that one the caller drops.
    pub(crate) fn evict_clients(&mut self, mut current: Option<&mut Client>) -> bool {
        let Some(limit) = self.config.client_memory_limit() else { return true };
        if self.client_memory <= limit {
            return true;
        }
        let mut total = 0;
        let mut evictable = Vec::new();
        for client in self.clients.iter_mut().chain(current.as_deref_mut()) {
            client.counted = client.memory();
            total += client.counted;
            if !client.no_evict {
                evictable.push((Reverse(client.counted), client.id));
            }
        }
        self.client_memory = total;
        if total <= limit {
            return true;
        }
        evictable.sort_unstable();
        let mut stays = true;
        for (Reverse(memory), id) in evictable {
            if total <= limit {
                break;
            }
            total -= memory;
            self.stats.evicted_clients += 1;
            tracing::info!(id, memory, "Evicting client");
            if current.as_ref().is_some_and(|client| client.id == id) {
                stays = false;
            } else {
                self.end(id);
            }
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_limit_is_a_number_or_a_share_and_never_too_small_to_talk_to_anybody() {
        let limit = |pairs: &[(&str, &str)]| {
            let mut config = Config::default();
            pairs.iter().for_each(|(name, value)| config.set(name, value).unwrap());
            config.client_memory_limit()
        };
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[("maxmemory-clients", "1mb")]), Some(1 << 20));
        assert_eq!(limit(&[("maxmemory-clients", "1")]), Some(128 << 10));
        assert_eq!(limit(&[("maxmemory-clients", "5%")]), None);
        assert_eq!(limit(&[("maxmemory-clients", "5%"), ("maxmemory", "100mb")]), Some(5 << 20));
        assert_eq!(limit(&[("maxmemory-clients", "0%"), ("maxmemory", "100mb")]), None);
    }
}
