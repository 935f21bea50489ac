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
    /// From when on it is too old, or has been idle for too long.
    over: Option<Instant>,
}

/// Takes out those whose time is over, so that they can be dropped once the lock is free.
fn sweep(kept: &mut Vec<Kept>, now: Instant) -> Vec<Kept> {
    kept.extract_if(.., |one| one.over.is_some_and(|over| over <= now)).collect()
}

impl Tied {
    /// The one to an endpoint of a pool, if it is still good. `fresh`: it is not, for a kept one has just turned out to be
    /// closed.
    pub(super) fn take(&self, upstream: &Upstream, address: &SocketAddr, fresh: bool, now: Instant) -> Option<Lent> {
        let mut kept = self.kept.lock();
        let old = sweep(&mut kept, now);
        let same = |kept: &Kept| Arc::ptr_eq(&kept.pool, &upstream.name) && kept.lent.key() == address;
        let found = kept.iter().position(same).map(|at| kept.remove(at).lent);
        drop(kept);
        drop(old);
        found.filter(|lent| !fresh && lent.is_reusable())
    }

    /// One is free again.
    pub(super) fn keep(&self, upstream: &Upstream, lent: Lent, now: Instant) {
        let options = &upstream.config.connections;
        let mut kept = self.kept.lock();
        let old = sweep(&mut kept, now);
        let mut oldest = None;
        if options.idle > 0 && lent.is_free() {
            oldest = (kept.len() >= MOST).then(|| kept.remove(0));
            let aged = options.lifetime.and_then(|most| lent.opened_at().checked_add(most));
            let over = now.checked_add(options.idle_timeout).into_iter().chain(aged).min();
            kept.push(Kept { pool: upstream.name.clone(), lent, over });
        }
        drop(kept);
        drop((old, oldest));
    }

    /// Drops all of them: the client will ask for nothing more.
    pub(super) fn clear(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        drop(kept);
    }
}
