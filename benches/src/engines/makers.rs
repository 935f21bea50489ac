//! The engines that take part.

use std::sync::Arc;

use xs_storage::btree::{self, BTree};

use super::Maker;

pub(super) fn all() -> Vec<Maker> {
    vec![Maker {
        name: "btree",
        open: |dir, memory| {
            let options = btree::Options { memory, ..btree::Options::default() };
            Ok(Arc::new(BTree::open(dir, options)?))
        },
    }]
}
