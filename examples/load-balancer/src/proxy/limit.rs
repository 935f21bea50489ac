//! How fast requests may come, in all or of each who asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xs_net::balance::{hash, source};
use xs_net::limit::{Gcra, Keyed, Rate};
use xs_proto::http1::RequestHead;

use super::heads::{cookie, path_of};
use crate::config::{Key, Limit, Listener, Mode};
use crate::machine::Machine;

/// So many keys are told apart at once. Those beyond share one limit, until others have been idle.
const KEYS: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Limits {
    limit: Limit,
    keyed: Keyed<u64, Gcra>,
}

impl Limits {
    /// Those of a listener: the `known` ones, with all that they know, if they are told to do the same as before.
    pub(crate) fn of(listener: &Listener, known: Option<&Arc<Limits>>, machine: &Machine) -> Option<Arc<Limits>> {
        let limit = match &listener.mode {
            Mode::Http(http) => http.limit.as_ref(),
            Mode::Tcp(tcp) => tcp.limit.as_ref(),
        }?;
        let kept = known.filter(|known| known.limit == *limit).cloned();
        Some(kept.unwrap_or_else(|| Arc::new(Limits::new(limit, machine))))
    }

    fn new(limit: &Limit, machine: &Machine) -> Limits {
        // A rate of a configuration has a number and a period.
        let rate = Rate::new(limit.rate.count.into(), limit.rate.per);
        let rate = rate.unwrap_or_else(|_| unreachable!("a rate was checked when it was read"));
        let seed = machine.rng.fork("limits").next_u64();
        Limits { limit: limit.clone(), keyed: Keyed::new(Gcra::new(rate, limit.burst.into()), KEYS, seed) }
    }

    /// Whether a connection may pass, or when to come again. Connections have nothing to be told apart by but their source.
    pub(crate) fn check_connection(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let key = if self.limit.by == Key::Source { source(address) } else { 0 };
        self.keyed.check(&key, now.into(), 1).map_err(|denied| denied.retry_after().unwrap_or_default())
    }

    /// Whether a request may pass, or when to come again.
    pub(crate) fn check(&self, head: &RequestHead, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let key = key(&self.limit.by, head, address).unwrap_or(0);
        // One request never costs more than there can be.
        self.keyed.check(&key, now.into(), 1).map_err(|denied| denied.retry_after().unwrap_or_default())
    }
}

/// What stands for whoever asks; nothing if the request does not have it.
pub(super) fn key(by: &Key, head: &RequestHead, address: IpAddr) -> Option<u64> {
    match by {
        Key::All => None,
        Key::Source => Some(source(address)),
        Key::Header(name) => head.fields().get(name).map(hash),
        Key::Cookie(name) => cookie(head.fields(), name).map(hash),
        Key::Path => Some(hash(path_of(head.target()).as_bytes())),
    }
}
