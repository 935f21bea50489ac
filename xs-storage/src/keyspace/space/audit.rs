//! The books, checked against what is there.

use std::collections::BTreeSet;

use super::Keyspace;

impl Keyspace {
    /// Counts everything from scratch, for tests and fuzzing.
    ///
    /// # Panics
    ///
    /// When the account of memory or the index of deadlines says otherwise.
    #[doc(hidden)]
    pub fn audit(&self) {
        let mut used = 0;
        for db in &self.dbs {
            let mut deadlines = BTreeSet::new();
            let mut items = 0;
            for item in &db.keys {
                items += item.allocated_bytes() + item.value().allocated_bytes();
                let hash = self.hasher.hash(item.key());
                deadlines.extend(item.note().map(|deadline| (deadline, hash)));
            }
            assert_eq!(db.items, items, "the account is what a recount finds");
            assert!(db.deadlines.iter().copied().eq(deadlines), "the index is what the notes say, in order");
            used += items + db.keys.allocated_bytes() + db.deadlines.allocated_bytes();
        }
        assert_eq!(self.used_bytes(), used);
    }
}
