//! Connections that belong to one client.
//!
//! Where an endpoint is told in a PROXY header whose connection it is, that holds for all that is ever sent on it (the
//! protocol's specification, section 2). So such a connection serves the client that it was opened for, and nobody else:
//! it is kept beside the client's own connection, and goes with it. haproxy comes to the same by another way: what the header
//! says is a part of the key by which it shares connections. A client that stays pays for one more connection, as with
//! mode "tcp"; one that comes for a single request pays for opening it too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::upstream::{Lent, Upstream};

/// So many are kept for a client that is sent to several endpoints; the one that was used longest ago goes.
const MOST: usize = 5;

/// The idle ones of a client.
#[derive(Debug, Default)]
pub(super) struct Tied {
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// The pool's name, the very one: two pools may know the same endpoint, and speak to it in different ways.
    pool: Arc<str>,
    lent: Lent,
    since: Instant,
}

impl Tied {
    /// The one to an endpoint of a pool, if it is still good. `fresh`: it is not, for a kept one has just turned out to be
    /// closed.
    pub(super) fn take(&self, upstream: &Upstream, address: &SocketAddr, fresh: bool, now: Instant) -> Option<Lent> {
        let mut kept = self.kept.lock();
        let same = |kept: &Kept| Arc::ptr_eq(&kept.pool, &upstream.name) && kept.lent.key() == address;
        let at = kept.iter().position(same)?;
        let Kept { lent, since, .. } = kept.remove(at);
        drop(kept);
        let options = &upstream.config.connections;
        let over = |since: Instant, most| now.saturating_duration_since(since) >= most;
        let old =
            over(since, options.idle_timeout) || options.lifetime.is_some_and(|most| over(lent.opened_at(), most));
        (!fresh && !old && lent.is_reusable()).then_some(lent)
    }

    /// One is free again.
    pub(super) fn keep(&self, pool: Arc<str>, lent: Lent, most: usize, now: Instant) {
        if most == 0 || !lent.is_free() {
            return;
        }
        let mut kept = self.kept.lock();
        let oldest = (kept.len() >= MOST).then(|| kept.remove(0));
        kept.push(Kept { pool, lent, since: now });
        drop(kept);
        drop(oldest);
    }
}
