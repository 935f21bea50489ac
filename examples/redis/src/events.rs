//! Keyspace events that no command publishes by itself: keys that are new, keys whose time was up, evicted ones, and
//! keys that were looked for in vain.
//!
//! The keyspace records the first three as changes, the database the last. They are published before the next event of a
//! command and at its end, in the order in which they happened:
//!
//! ```text
//! SET key value            on a key whose time is up
//!   keyspace: Expired ──▶ Created        recorded
//!   command:  "set" ──▶ tell() ──▶ "expired", "new" ──▶ "set"
//! ```

use xs_storage::keyspace::{ChangeKind, Keyspace};

use crate::notify::Class;
use crate::state::Server;

/// The classes that are published from here.
const UNASKED: Class = Class::EXPIRED.or(Class::EVICTED).or(Class::NEW).or(Class::KEY_MISS);

/// What is still to be told, beside the changes that the keyspace has recorded.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    /// Misses are worth keeping: somebody is told of them.
    pub(crate) wants_misses: bool,
    /// The last change that was told.
    told: u64,
    misses: Vec<Miss>,
}

/// A key that was looked for in vain.
#[derive(Debug)]
struct Miss {
    /// The last change before it.
    after: u64,
    db: usize,
    key: Vec<u8>,
}

impl Untold {
    /// Keeps a miss, where misses are told.
    #[inline]
    pub(crate) fn missed(&mut self, keyspace: &Keyspace, db: usize, key: &[u8]) {
        if self.wants_misses {
            self.misses.push(Miss { after: keyspace.seq(), db, key: key.to_vec() });
        }
    }
}

/// Publishes what has happened since the last time.
pub(crate) fn tell(server: &mut Server, keyspace: &Keyspace, untold: &mut Untold) {
    if !server.config.notify.any(UNASKED) {
        return;
    }
    let mut misses = std::mem::take(&mut untold.misses).into_iter().peekable();
    for change in keyspace.recorded().filter(|change| change.seq > untold.told) {
        while let Some(miss) = misses.next_if(|miss| miss.after < change.seq) {
            server.notify(Class::KEY_MISS, "keymiss", &miss.key, miss.db);
        }
        let (key, db) = (&*change.key, change.db);
        match change.kind {
            ChangeKind::Expired => server.notify(Class::EXPIRED, "expired", key, db),
            ChangeKind::Evicted => server.notify(Class::EVICTED, "evicted", key, db),
            // A command that made a collection and put nothing into it has removed it again.
            ChangeKind::Created if keyspace.contains(db, key, 0) => server.notify(Class::NEW, "new", key, db),
            _ => {}
        }
    }
    misses.for_each(|miss| server.notify(Class::KEY_MISS, "keymiss", &miss.key, miss.db));
    untold.told = keyspace.seq();
}
