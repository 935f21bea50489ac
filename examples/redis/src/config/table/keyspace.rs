//! Keys and values: how many, how large, how encoded, and what is said of their changes.

use super::{I32, LONG};
use crate::config::directive::{Directive, bytes, int, one_of, own, unsigned, yes_no};
use crate::config::words;
use crate::notify::Class;

pub(crate) static KEYSPACE: &[Directive] = &[
    int("databases", "16", 1, I32).fixed().sets(|c, v| c.databases = v.size()),
    bytes("maxmemory", "0", 0, u64::MAX).sets(|c, v| c.maxmemory = v.number()),
    one_of(
        "maxmemory-policy",
        "noeviction",
        &[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ],
    )
    .sets(|c, v| c.maxmemory_policy = crate::config::policy(v.bytes())),
    int("maxmemory-samples", "5", 1, I32).sets(|c, v| c.maxmemory_samples = v.size()),
    int("maxmemory-eviction-tenacity", "10", 0, 100).sets(|c, v| c.eviction_tenacity = v.number() as u32),
    int("lfu-log-factor", "10", 0, I32).sets(|c, v| c.lfu_log_factor = v.number() as u32),
    int("lfu-decay-time", "1", 0, I32).sets(|c, v| c.lfu_decay_time = v.number() as u32),
    unsigned("hash-max-listpack-entries", "512", 0, LONG)
        .alias("hash-max-ziplist-entries")
        .sets(|c, v| c.limits.hash_max_listpack_entries = v.size()),
    bytes("hash-max-listpack-value", "64", 0, LONG)
        .alias("hash-max-ziplist-value")
        .sets(|c, v| c.limits.hash_max_listpack_value = v.size()),
    unsigned("set-max-intset-entries", "512", 0, LONG).sets(|c, v| c.limits.set_max_intset_entries = v.size()),
    unsigned("zset-max-listpack-entries", "128", 0, LONG)
        .alias("zset-max-ziplist-entries")
        .sets(|c, v| c.limits.zset_max_listpack_entries = v.size()),
    bytes("zset-max-listpack-value", "64", 0, LONG)
        .alias("zset-max-ziplist-value")
        .sets(|c, v| c.limits.zset_max_listpack_value = v.size()),
    int("list-max-listpack-size", "-2", i32::MIN as i64, I32)
        .alias("list-max-ziplist-size")
        .sets(|c, v| c.limits.list_max_listpack_size = v.int() as i32),
    int("list-compress-depth", "0", 0, I32),
    bytes("stream-node-max-bytes", "4096", 0, LONG).sets(|c, v| c.limits.stream_node_max_bytes = v.size()),
    int("stream-node-max-entries", "100", 0, i64::MAX).sets(|c, v| c.limits.stream_node_max_entries = v.size()),
    bytes("hll-sparse-max-bytes", "3000", 0, LONG).sets(|c, v| c.hll_sparse_max_bytes = v.size()),
    own("notify-keyspace-events", "", words::events)
        .single()
        .sets(|c, v| c.notify = Class::parse(&v.text()).unwrap_or_default()),
    int("active-expire-effort", "1", 1, 10).sets(|c, v| c.active_expire_effort = v.number() as u32),
    yes_no("lazyfree-lazy-eviction", "no").sets(|c, v| c.lazyfree.eviction = v.yes()),
    yes_no("lazyfree-lazy-expire", "no").sets(|c, v| c.lazyfree.expire = v.yes()),
    yes_no("lazyfree-lazy-server-del", "no").sets(|c, v| c.lazyfree.server_del = v.yes()),
    yes_no("lazyfree-lazy-user-del", "no").sets(|c, v| c.lazyfree.user_del = v.yes()),
    yes_no("lazyfree-lazy-user-flush", "no").sets(|c, v| c.lazyfree.user_flush = v.yes()),
    yes_no("activerehashing", "yes"),
    yes_no("jemalloc-bg-thread", "yes"),
    one_of("sanitize-dump-payload", "no", &["no", "yes", "clients"]),
    yes_no("activedefrag", "no").lacks("active defragmentation", &["no"]),
    int("active-defrag-cycle-min", "1", 1, 99).lacks("active defragmentation", &[]),
    int("active-defrag-cycle-max", "25", 1, 99).lacks("active defragmentation", &[]),
    int("active-defrag-threshold-lower", "10", 0, 1000).lacks("active defragmentation", &[]),
    int("active-defrag-threshold-upper", "100", 0, 1000).lacks("active defragmentation", &[]),
    int("active-defrag-max-scan-fields", "1000", 1, i64::MAX).lacks("active defragmentation", &[]),
    bytes("active-defrag-ignore-bytes", "104857600", 1, LONG).lacks("active defragmentation", &[]),
];
