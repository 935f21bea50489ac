//! What the keyspace tells its values: when to leave a compact encoding, and what to seed their hash tables with.

/// The thresholds of the compact encodings, as Redis' configuration names them, and the seed of the tables behind them.
/// The mutating operations of the types take it by reference, so a change applies from the next write on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: the size of a list's nodes. Positive: entries; -1 to -5: 4, 8, 16, 32 or 64 KiB.
    pub list_max_listpack_size: i32,
    /// `hash-max-listpack-entries`: fields of a hash that is kept in one listpack.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: bytes of the longest field or value of such a hash.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`: members of a set of integers that is kept as a sorted array.
    pub set_max_intset_entries: usize,
    /// `zset-max-listpack-entries`: members of a sorted set that is kept in one listpack.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of the longest member of such a sorted set.
    pub zset_max_listpack_value: usize,
    /// `stream-node-max-bytes`: bytes of a stream's node; 0 for no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`: entries of a stream's node; 0 for no limit.
    pub stream_node_max_entries: usize,
    /// The seed of the hash tables that large values are kept in. An argument, so that a run can be repeated; secret in
    /// a server, so that nobody can choose members that collide.
    pub hash_seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hash_seed: 0,
        }
    }
}

/// The bytes that a list's node may take when its limit is a number of entries.
const COUNTED_NODE_BYTES: usize = 8192;

impl Limits {
    /// The most bytes and the most entries of a list's node.
    #[inline]
    pub(crate) fn list_node(&self) -> (usize, usize) {
        match self.list_max_listpack_size {
            size @ 1.. => (COUNTED_NODE_BYTES, size as usize),
            0 => (COUNTED_NODE_BYTES, 1),
            size => (4096 << (size.max(-5).unsigned_abs() - 1), usize::MAX),
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::Limits;

    #[test]
    fn list_nodes_are_limited_by_bytes_or_by_entries() {
        let node = |size| Limits { list_max_listpack_size: size, ..Limits::default() }.list_node();
        assert_eq!([-1, -2, -5, -9].map(|s| node(s).0), [4096, 8192, 65536, 65536]);
        assert_eq!([0, 1, 128].map(|s| node(s).1), [1, 1, 128]);
    }
}
