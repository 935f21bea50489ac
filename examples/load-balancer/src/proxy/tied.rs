//! Connections that belong to one client.
//!
//! Where an endpoint is told in a PROXY header whose connection it is, that holds for all that is ever sent on it (the
//! protocol's specification, section 2). So such a connection serves the client that it was opened for, and nobody else:
//! it is kept beside the client's own connection, and goes with it. haproxy comes to the same by another way: what the header
//! says is a part of the key by which it shares connections. A client that stays pays for one more connection, as with
//! mode "tcp"; one that comes for a single request pays for opening it too.
//!
//! One that has been idle for too long, or is too old, goes when its time is over, whether or not the client says anything
//! more: as long as some are kept, a task of the client's sleeps until the next of them is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use xs_net::Timer;

use crate::upstream::{Lent, Upstream};

/// So many are kept for a client that is sent to several endpoints; the one that was used longest ago goes.
const MOST: usize = 5;

/// The idle ones of a client.
#[derive(Debug, Default)]
pub(super) struct Tied {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Debug, Default)]
struct Idle {
    kept: Vec<Kept>,
    /// What lets go of them in time, as long as there are any, and when it looks at them next.
    reaper: Option<(AbortHandle, Instant)>,
}

#[derive(Debug)]
struct Kept {
    /// The pool's name, the very one: two pools may know the same endpoint, and speak to it in different ways.
    pool: Arc<str>,
    lent: Lent,
    /// From when on it is too old, or has been idle for too long.
    over: Option<Instant>,
}

impl Idle {
    /// Takes out those whose time is over, so that they can be dropped once the lock is free.
    fn sweep(&mut self, now: Instant) -> Vec<Kept> {
        self.kept.extract_if(.., |one| one.over.is_some_and(|over| over <= now)).collect()
    }
}

/// Drops each when its time is over, until there are none, or none whose time will ever be.
async fn reap(idle: Arc<Mutex<Idle>>, timer: Timer) {
    loop {
        let (old, next) = {
            let mut idle = idle.lock();
            let old = idle.sweep(timer.now());
            let next = idle.kept.iter().filter_map(|one| one.over).min();
            idle.reaper = idle.reaper.take().and_then(|(task, _)| Some((task, next?)));
            (old, next)
        };
        drop(old);
        let Some(next) = next else { return };
        timer.sleep_until(next).await;
    }
}

impl Tied {
    /// The one to an endpoint of a pool, if it is still good. `fresh`: it is not, for a kept one has just turned out to be
    /// closed.
    pub(super) fn take(&self, upstream: &Upstream, address: &SocketAddr, fresh: bool, now: Instant) -> Option<Lent> {
        let mut idle = self.idle.lock();
        let old = idle.sweep(now);
        let same = |kept: &Kept| Arc::ptr_eq(&kept.pool, &upstream.name) && kept.lent.key() == address;
        let found = idle.kept.iter().position(same).map(|at| idle.kept.remove(at).lent);
        drop(idle);
        drop(old);
        found.filter(|lent| !fresh && lent.is_reusable())
    }

    /// One is free again.
    pub(super) fn keep(&self, upstream: &Upstream, lent: Lent, now: Instant) {
        let options = &upstream.config.connections;
        let mut idle = self.idle.lock();
        let old = idle.sweep(now);
        let mut oldest = None;
        if options.idle > 0 && lent.is_free() {
            oldest = (idle.kept.len() >= MOST).then(|| idle.kept.remove(0));
            let aged = options.lifetime.and_then(|most| lent.opened_at().checked_add(most));
            let over = now.checked_add(options.idle_timeout).into_iter().chain(aged).min();
            idle.kept.push(Kept { pool: upstream.name.clone(), lent, over });
            if let Some(over) = over
                && idle.reaper.as_ref().is_none_or(|(_, next)| over < *next)
            {
                let reaper = tokio::spawn(reap(self.idle.clone(), upstream.timer.clone())).abort_handle();
                if let Some((late, _)) = idle.reaper.replace((reaper, over)) {
                    late.abort();
                }
            }
        }
        drop(idle);
        drop((old, oldest));
    }

    /// Drops all of them: the client will ask for nothing more.
    pub(super) fn clear(&self) {
        let Idle { kept, reaper } = std::mem::take(&mut *self.idle.lock());
        if let Some((reaper, _)) = reaper {
            reaper.abort();
        }
        drop(kept);
    }
}

impl Drop for Tied {
    /// The client has gone, and its connections go with it.
    fn drop(&mut self) {
        self.clear();
    }
}
